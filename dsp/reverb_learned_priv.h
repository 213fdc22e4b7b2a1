/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_REVERB_LEARNED_PRIV_H
#define TB_DSP_REVERB_LEARNED_PRIV_H

#include "dsp/reverb_learned.h"

enum { TB_REVERB_LEVELS = 3, TB_REVERB_SLACK = 16 };

/* Partitions of one size. */
struct tb_reverb_level {
    struct tb_transform transform;
    size_t n;         /* samples a partition */
    size_t first;     /* tap of the first one */
    unsigned n_parts; /* 0: unused */
    float *h, *x;     /* spectra [n_parts][2][n], x newest first from `newest` */
    unsigned newest;
    unsigned n_heard;           /* partitions of x that hold input since it was cleared */
    float *in;                  /* [n] samples so far */
    float *playing, *next;      /* [n] results */
    float *carry;               /* [n] second halves, for the next result */
    struct tb_complexes a, sum; /* [n] work */
    size_t at;                  /* samples of the current partition so far */
    unsigned step, n_steps;     /* of the task under way */
};

struct tb_learned_reverb {
    const struct tb_synth_kernels *kernels;
    float head[TB_REVERB_QUANTUM]; /* taps */
    float history[2 * TB_REVERB_QUANTUM + TB_REVERB_SLACK];
    float out[TB_REVERB_QUANTUM + TB_REVERB_SLACK];
    size_t filled; /* of the current quantum */
    struct tb_reverb_level level[TB_REVERB_LEVELS];
    float octaves; /* that the impulse response falls a sample */
    float factor;  /* of its time of decay, towards `wanted` */
    float wanted;
    float *memory;
    size_t floats;
};

#endif
