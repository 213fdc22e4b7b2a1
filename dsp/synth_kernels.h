/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_SYNTH_KERNELS_H
#define TB_DSP_SYNTH_KERNELS_H

#include "dsp/rt.h"
#include "models/nn/nn.h"

/* Inner loops of the neural synthesisers, once per processor variant. All pointers may be of any
 * alignment unless said otherwise. */

/* The bank takes harmonics by 17; levels have room for the last ones. */
enum { TB_SYNTH_CHUNK = 64, TB_SYNTH_MAX_HARMONICS = 128, TB_SYNTH_LEVELS = 8 * 17 };

/* Complex numbers of a transform, real and imaginary parts apart. */
struct tb_split {
    float *re, *im;
};

struct tb_bank_job {
    const uint32_t *phase;   /* [TB_SYNTH_CHUNK] of the fundamental, 2^32 = one turn */
    const float *f0_cps;     /* [TB_SYNTH_CHUNK] */
    const float *weight;     /* [TB_SYNTH_CHUNK] how far from one frame to the next, 0..1 */
    const float *amp, *step; /* [TB_SYNTH_LEVELS] level at weight 0, and what weight 1 adds */
    unsigned n_harmonics;    /* those behind are above the limit at every sample */
    unsigned n_safe;         /* the first n_safe are below limit at every sample */
    unsigned n_levels;       /* behind these all levels are 0 */
    float limit_cps;         /* a harmonic at or above it is silent at that sample */
    unsigned n;              /* samples, up to TB_SYNTH_CHUNK */
};

struct tb_partials_job {
    uint32_t *phase;         /* [n_partials rounded up to 16] 2^32 = one turn; goes on */
    const uint32_t *inc;     /* likewise, a sample; 0 behind the last partial */
    const float *amp, *step; /* [n_partials rounded up to 16] as in tb_bank_job */
    const float *weight;     /* [n] */
    unsigned n_partials, n;
};

/* The published exp_sigmoid has scale 2, power ln 10, floor 1e-7. */
struct tb_level_curve {
    float scale, power, floor;
    float bias; /* added to x first */
};

struct tb_mac_job {
    struct tb_split x, h, y; /* [n], n a multiple of 16 */
    size_t n;
    float gain; /* of the product */
};

/* One pass of a transform of n points over all blocks of 4 * d (or 2 * d). */
struct tb_pass {
    struct tb_split x;    /* [n] */
    const float *twiddle; /* [6][d]: w, w^2, w^3, real and imaginary; radix 2: [2][d] */
    size_t n, d;
};

struct tb_synth_kernels {
    /* out[n] += sum of harmonics; |error| <= 3e-7 of the sum of amplitudes. */
    void (*bank)(const struct tb_bank_job *job, float *out);
    /* out[n] += sum of partials with phases of their own. */
    void (*partials)(const struct tb_partials_job *job, float *out);
    /* y[0 .. n + taps - 1) += x[n] * h[taps], n <= TB_SYNTH_CHUNK; h has TB_SYNTH_CHUNK zeros
     * before and 2 * TB_SYNTH_CHUNK behind, y as many behind that stay as they are. */
    void (*scatter)(float *y, const float *x, size_t n, const float *h, size_t taps);
    /* y[i] = sum over t < taps of h[t] x[i - t] for i < n; x has taps - 1 samples before it; up to
     * 15 samples behind x are read and behind y written. */
    void (*fir)(float *y, const float *x, size_t n, const float *h, size_t taps);
    /* y[rows] = matrix[cols][rows] x[cols]; rows a multiple of 16. */
    void (*mix)(float *y, const float *matrix, size_t rows, const float *x, size_t cols);
    /* x[n] = uniform noise -1..1 of a counter: the same values whatever n is; up to 15 more. */
    void (*noise)(float *x, uint32_t counter, size_t n);
    /* y[n] = scale * sigmoid(x[n])^power + floor, relative error below 1e-6; up to 15 more. */
    void (*levels)(float *y, const float *x, size_t n, const struct tb_level_curve *curve);
    /* y += gain x h */
    void (*mac)(const struct tb_mac_job *job);
    /* Decimation in frequency, forward, and the inverse of it. */
    void (*pass4)(const struct tb_pass *pass, bool inverse);
    void (*pass2)(const struct tb_pass *pass, bool inverse);
    /* x[n] times w[n]; conjugated: times the conjugate of w. */
    void (*twist)(struct tb_split x, const float *w_re, const float *w_im, size_t n,
                  bool conjugate);
    /* to[cols][rows] from from[rows][cols], both multiples of 4. */
    void (*transpose)(float *to, const float *from, size_t rows, size_t cols);
};

/* Control thread, once. The best that this machine runs for TB_NN_CPU_BEST; NULL: not here. */
const struct tb_synth_kernels *tb_synth_kernels(enum tb_nn_cpu cpu);

extern const struct tb_synth_kernels tb_synth_kernels_portable;
extern const struct tb_synth_kernels tb_synth_kernels_avx2;
extern const struct tb_synth_kernels tb_synth_kernels_avx512;
extern const struct tb_synth_kernels tb_synth_kernels_neon;

#endif
