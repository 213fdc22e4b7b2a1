/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_TRANSFORM_H
#define TB_DSP_TRANSFORM_H

#include "dsp/synth_kernels.h"

/* The transform of a right-angle convolution: n real samples are twisted by e^(-i pi k / 2n) and go
 * through a complex transform of n points, so that a product of two of them, brought back, has
 * the first half of their linear convolution as real part and the second half, negated, as
 * imaginary part: half the size of a zero-padded one, and the order of the bins does not matter
 * (Crandall and Fagin's weighting, with the weight of t^n = -i). Split into steps of similar
 * length, so that a long one can be spread over blocks. */

enum { TB_TRANSFORM_MAX_PASSES = 8 };

struct tb_transform {
    size_t n;          /* 64, 512, 4096: 64 or a power of two from 256 */
    unsigned n_steps;  /* of either direction */
    unsigned n_passes; /* before the transposition; two more come behind */
    size_t distance[TB_TRANSFORM_MAX_PASSES];
    float *twiddle[TB_TRANSFORM_MAX_PASSES];
    float *twist_re, *twist_im;
    float *memory;
    struct tb_short_tables *whole; /* of 64 points, which are done in one step; otherwise NULL */
};

/* Control thread. False: no memory, or n is neither 64 nor a power of two from 256 to 65536. */
bool tb_transform_init(struct tb_transform *t, size_t n);
void tb_transform_clear(struct tb_transform *t);

/* RT. Step 0 <= step < n_steps: forward from a (samples in a.re, a.im ignored; destroyed) to b;
 * inverse from b (destroyed) to a, n times too large. */
TB_RT void tb_transform_forward(const struct tb_transform *t,
                                const struct tb_synth_kernels *kernels, struct tb_complexes a,
                                struct tb_complexes b, unsigned step);
TB_RT void tb_transform_inverse(const struct tb_transform *t,
                                const struct tb_synth_kernels *kernels, struct tb_complexes a,
                                struct tb_complexes b, unsigned step);

#endif
