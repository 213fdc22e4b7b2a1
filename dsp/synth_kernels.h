/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_SYNTH_KERNELS_H
#define TB_DSP_SYNTH_KERNELS_H

#include "dsp/rt.h"
#include "models/nn/nn.h"

/* Inner loops of the neural synthesisers, once per processor variant. All pointers may be of any
 * alignment unless said otherwise. */

/* The bank takes harmonics by 17; levels have room for the last ones, in whole vectors. */
enum { TB_SYNTH_CHUNK = 64, TB_SYNTH_MAX_HARMONICS = 128, TB_SYNTH_LEVELS = 144 };
/* Zeros around the taps that `scatter` is given, and the widest spacing of its inputs. */
enum { TB_SCATTER_SPACING = 8, TB_SCATTER_BEFORE = 128, TB_SCATTER_BEHIND = 256 };

/* Complex numbers of a transform, real and imaginary parts apart. */
struct tb_complexes {
    float *re, *im;
};

struct tb_bank_job {
    const uint32_t *phase;         /* [n to half a chunk] of the fundamental, 2^32 = one turn */
    const float *f0_cps;           /* [TB_SYNTH_CHUNK] */
    const float *weight;           /* [TB_SYNTH_CHUNK] how far from one frame to the next, 0..1 */
    const float *amp, *step;       /* [TB_SYNTH_LEVELS] level at weight 0, and what weight 1 adds */
    const float *fold, *fold_step; /* the same as `fold` leaves them */
    unsigned n_live;               /* behind these all levels are 0 */
    unsigned n_safe;               /* the first n_safe are below limit at every sample */
    float limit_cps;               /* a harmonic at or above it is silent at that sample */
    unsigned n;                    /* samples, up to TB_SYNTH_CHUNK */
};

/* From one frame of levels to the next: all [TB_SYNTH_LEVELS], next [n], the others 0 behind n. */
struct tb_fold_job {
    float *amp, *step, *fold, *fold_step;
    const float *next;
    unsigned n;
};

/* Pitch of some samples and where it takes the phase. */
struct tb_turns {
    uint64_t at;                    /* 2^64 = one turn; goes on */
    uint32_t phase[TB_SYNTH_CHUNK]; /* of each sample, 2^32 = one turn */
    float f0_cps[TB_SYNTH_CHUNK];   /* held to 0..0.5 */
    float highest;                  /* of f0_cps */
};

struct tb_shares_job {
    const float *level; /* [n], readable to a multiple of 16 */
    const float *bend;  /* likewise, factors, or NULL */
    unsigned n;
    float f0_cps, limit_cps;
    float total;
};

/* y[spacing * i + t] += x[i] h[t] */
struct tb_scatter_job {
    float *y;       /* [spacing * (n - 1) + n_taps]; up to TB_SCATTER_BEHIND stay as they are */
    const float *x; /* [n] */
    const float *h; /* [n_taps], zeros TB_SCATTER_BEFORE before and TB_SCATTER_BEHIND behind */
    size_t n, n_taps, spacing; /* spacing 1..TB_SCATTER_SPACING */
};

/* middle[i] = middle[-i] = window[i] (E + O), E[i] and O[i] the sums of matrix * magnitude over
 * even and odd bands. Folded: also middle[turn - i] = middle[i - turn] = window_back[i] (E - O). */
struct tb_taps_job {
    float *middle;                     /* written up to rows, folded: turn, to both sides */
    const float *matrix;               /* [n_bands][rows], rows a multiple of 16 */
    const float *window, *window_back; /* [rows] */
    const float *magnitudes;           /* [n_bands] */
    size_t rows, turn;
    unsigned n_bands;
    bool folded;
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
    struct tb_complexes x, h, y; /* [n], n a multiple of 16 */
    size_t n;
    unsigned n_parts; /* of x and h, each 2 n floats behind the one before */
    float gain;       /* of the products */
};

/* One pass of a transform of n points over all blocks of 4 * d (or 2 * d), d a multiple of 16. */
struct tb_pass {
    struct tb_complexes x; /* [n] */
    const float *twiddle;  /* [6][d]: w, w^2, w^3, real and imaginary; radix 2: [2][d] */
    size_t n, d;
};

/* Of a transform of 64 points. */
enum { TB_SHORT_POINTS = 64 };
struct tb_short_tables {
    float twist[2][TB_SHORT_POINTS];
    float by_four[6][16];   /* w, w^2, w^3, real and imaginary */
    float by_two[4][2][16]; /* w of points 8, 4, 2 and 1 apart, 1 in the lower ones */
    float sign[4][16];      /* 1 in the lower ones, -1 in the upper ones */
};

struct tb_synth_kernels {
    /* out[n] += sum of harmonics; |error| <= 6e-7 of the sum of amplitudes. */
    void (*bank)(const struct tb_bank_job *job, float *out);
    /* Returns n_live. */
    unsigned (*fold)(const struct tb_fold_job *job);
    /* cps[n] = from + inc i; up to 15 more. */
    void (*pitch)(float *cps, double from, double inc, size_t n);
    /* n <= TB_SYNTH_CHUNK; NaN and below 0 count as 0; pitch 0 behind n to half a chunk. */
    void (*turns)(struct tb_turns *turns, const float *cps, size_t n);
    /* amp[n] = levels of the harmonics below the limit, the others 0, so that they sum to total;
     * without any all 0. Up to 15 more. */
    void (*shares)(const struct tb_shares_job *job, float *amp);
    /* out[n] += sound[n] (gain + inc i) */
    void (*join)(float *out, const float *sound, size_t n, float gain, float inc);
    /* out[n] += sum of partials with phases of their own. */
    void (*partials)(const struct tb_partials_job *job, float *out);
    void (*scatter)(const struct tb_scatter_job *job);
    void (*taps)(const struct tb_taps_job *job);
    /* y[i] = sum over t < taps of h[t] x[i - t] for i < n; x has taps - 1 samples before it; up to
     * 15 samples behind x are read and behind y written. */
    void (*fir)(float *y, const float *x, size_t n, const float *h, size_t taps);
    /* y[rows] = matrix[cols][rows] x[cols]; rows a multiple of 16. */
    void (*mix)(float *y, const float *matrix, size_t rows, const float *x, size_t cols);
    /* x[n] = uniform noise -1..1 of a counter: the same values whatever n is; up to 15 more. */
    void (*noise)(float *x, uint32_t counter, size_t n);
    /* y[n] = scale * sigmoid(x[n])^power + floor, relative error below 1e-6; up to 15 more. */
    void (*levels)(float *y, const float *x, size_t n, const struct tb_level_curve *curve);
    /* y += gain times the sum of x h over all parts */
    void (*mac)(const struct tb_mac_job *job);
    /* Decimation in frequency, forward, and the inverse of it. */
    void (*pass4)(const struct tb_pass *pass, bool inverse);
    void (*pass2)(const struct tb_pass *pass, bool inverse);
    /* x[n] times w[n]; conjugated: times the conjugate of w. */
    void (*twist)(struct tb_complexes x, const float *w_re, const float *w_im, size_t n,
                  bool conjugate);
    /* to[cols][rows] from from[rows][cols], both multiples of 4. */
    void (*transpose)(float *to, const float *from, size_t rows, size_t cols);
    /* The whole of what `tb_transform` says, for 64 points: in[64] to a spectrum, and back. */
    void (*forward64)(const struct tb_short_tables *t, const float *in, struct tb_complexes out);
    void (*inverse64)(const struct tb_short_tables *t, struct tb_complexes in,
                      struct tb_complexes out);
};

/* Control thread, once. The best that this machine runs for TB_NN_CPU_BEST; NULL: not here. */
const struct tb_synth_kernels *tb_synth_kernels(enum tb_nn_cpu cpu);

extern const struct tb_synth_kernels tb_synth_kernels_portable;
extern const struct tb_synth_kernels tb_synth_kernels_avx2;
extern const struct tb_synth_kernels tb_synth_kernels_avx512;
extern const struct tb_synth_kernels tb_synth_kernels_neon;

#endif
