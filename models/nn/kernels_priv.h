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

TB_INLINE void tb_nn_copy_floats(float *to, const float *from, unsigned n)
{
    unsigned i = 0;
    for (; i + TB_VLANES <= n; i += TB_VLANES)
        tb_vstore(to + i, tb_vload(from + i));
    if (i < n)
        memcpy(to + i, from + i, (n - i) * sizeof *to);
}

/* Inputs of tap k of an operation, op->n_row of them: the first tap has the oldest, the last src.
 */
TB_INLINE const float *tb_nn_row(const struct tb_nn_job *job, unsigned voice, unsigned k)
{
    const struct tb_nn_op *op = job->op;
    const unsigned last = op->taps - 1, length = last * op->dilation;
    if (k == last)
        return job->scratch + voice * job->stride + op->src;
    unsigned at = job->rings[voice][op->ring] + k * op->dilation; /* place of the oldest, and on */
    at -= at >= length ? length : 0;
    return job->state[voice] + op->state + (size_t)at * op->n_row;
}

/* When all taps have been read: src takes the place of the oldest. */
TB_INLINE void tb_nn_remember(const struct tb_nn_job *job)
{
    const struct tb_nn_op *op = job->op;
    const unsigned length = (op->taps - 1) * op->dilation;
    for (unsigned v = 0; op->taps > 1 && v < job->n_voices; v++) {
        uint32_t *place = &job->rings[v][op->ring];
        tb_nn_copy_floats(job->state[v] + op->state + (size_t)*place * op->n_row,
                          job->scratch + v * job->stride + op->src, op->n_row);
        *place = *place + 1 == length ? 0 : *place + 1;
    }
}

/* layers.c */
void TB_VARIANT(tb_nn_quantise)(const struct tb_nn_job *job);
void TB_VARIANT(tb_nn_norm)(const struct tb_nn_job *job);
void TB_VARIANT(tb_nn_dense)(const struct tb_nn_job *job);
void TB_VARIANT(tb_nn_gru)(const struct tb_nn_job *job);
void TB_VARIANT(tb_nn_copy)(const struct tb_nn_job *job);
bool TB_VARIANT(tb_nn_finite)(const float *x, size_t n);
void TB_VARIANT(tb_nn_map)(enum tb_nn_function function, float *y, const float *x, size_t n);

#endif
