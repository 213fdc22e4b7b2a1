/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_SYNTH_KERNELS_PRIV_H
#define TB_DSP_SYNTH_KERNELS_PRIV_H

#include "dsp/synth_kernels.h"
#include "models/nn/vector.h"

/* Between the files that a processor variant's kernels are compiled from; what each does stands
 * beside its name in struct tb_synth_kernels. */

/* Unrolled, these loops would keep more than there are registers. */
#if defined(__clang__)
#define TB_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define TB_ROLLED _Pragma("GCC unroll 1")
#endif

/* synth_bank.c */
void TB_VARIANT(tb_synth_bank)(const struct tb_bank_job *job, float *out);
unsigned TB_VARIANT(tb_synth_fold)(const struct tb_fold_job *job);
void TB_VARIANT(tb_synth_partials)(const struct tb_partials_job *job, float *out);

/* synth_voice.c */
void TB_VARIANT(tb_synth_pitch)(float *cps, double from, double inc, size_t n);
void TB_VARIANT(tb_synth_turns)(struct tb_turns *turns, const float *cps, size_t n);
void TB_VARIANT(tb_synth_shares)(const struct tb_shares_job *job, float *amp);
void TB_VARIANT(tb_synth_join)(float *out, const float *sound, size_t n, float gain, float inc);

/* synth_noise.c */
void TB_VARIANT(tb_synth_scatter)(const struct tb_scatter_job *job);
void TB_VARIANT(tb_synth_mix)(float *y, const float *matrix, size_t rows, const float *x,
                              size_t cols);
void TB_VARIANT(tb_synth_taps)(const struct tb_taps_job *job);
void TB_VARIANT(tb_synth_noise)(float *x, uint32_t counter, size_t n);

#endif
