/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_NN_KERNELS_PRIV_H
#define TB_MODELS_NN_KERNELS_PRIV_H

#include "models/nn/nn_priv.h"
#include "models/nn/vector.h"

/* Between the two files that a processor variant's kernels are compiled from. */

/* Sum of an output's chains acc[0], acc[next] and so on, 1, 2, 4 or 8 of them: pair by pair and not
 * one by one. */
TB_INLINE tb_vf tb_nn_chain_sum(const tb_vf *acc, unsigned next, unsigned chains)
{
    tb_vf sum = acc[0];
    if (chains >= 2)
        sum += acc[next];
    if (chains >= 4)
        sum += acc[2 * next] + acc[3 * next];
    if (chains >= 8)
        sum += (acc[4 * next] + acc[5 * next]) + (acc[6 * next] + acc[7 * next]);
    return sum;
}

/* layers.c */
void TB_VARIANT(tb_nn_norm)(const struct tb_nn_job *job);
void TB_VARIANT(tb_nn_dense)(const struct tb_nn_job *job);
void TB_VARIANT(tb_nn_gru)(const struct tb_nn_job *job);
void TB_VARIANT(tb_nn_taps)(const struct tb_nn_job *job);
void TB_VARIANT(tb_nn_copy)(const struct tb_nn_job *job);
bool TB_VARIANT(tb_nn_finite)(const float *x, size_t n);
void TB_VARIANT(tb_nn_map)(enum tb_nn_function function, float *y, const float *x, size_t n);

#endif
