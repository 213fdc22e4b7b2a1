/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_FM_GROUP_H
#define TB_DSP_FM_GROUP_H

#include "dsp/algorithms.h"
#include "dsp/rt.h"
#include "dsp/telemetry.h"

#include <stdint.h>

enum {
    TB_LANES = 16, /* voices a group, the widest vector */
    TB_SLICE = 32, /* frames between two looks at envelopes and LFO */
    TB_PITCH_ROW = TB_N_OPERATORS,
    TB_EG_ROWS = TB_N_OPERATORS + 1 /* six operators and the pitch envelope */
};

/* Sixteen voices of one routing, structure of arrays: one vector operation serves as many voices
 * as the processor has lanes. The first part is the synthesiser `fm`, which knows nothing of
 * envelopes: per operator a phase, its increment, an amplitude and its ramp. The second part is
 * the controller `eg`, which aims those ramps at the end of each slice; a neural controller
 * writes the same fields. */
struct tb_fm_group {
    _Alignas(TB_CACHE_LINE) uint32_t phase[TB_N_OPERATORS][TB_LANES]; /* turns / 2^32 */
    uint32_t inc[TB_N_OPERATORS][TB_LANES];                           /* per frame */
    float amp[TB_N_OPERATORS][TB_LANES];       /* TB_SIN_LEAD times cycles when modulating */
    float amp_inc[TB_N_OPERATORS][TB_LANES];   /* per frame */
    float fb1[TB_LANES], fb2[TB_LANES];        /* last two outputs of the feedback operator */
    float gain[TB_LANES], gain_inc[TB_LANES];  /* of the voice's output */
    float feedback, feedback_inc;              /* cycles a cycle, half for each of fb1, fb2 */
    uint32_t beat;                             /* frames since the slice began */
    uint32_t glides;                           /* bit per lane whose inc_inc is not 0 */
    int32_t inc_inc[TB_N_OPERATORS][TB_LANES]; /* what inc grows by after each frame; for glide */

    _Alignas(TB_CACHE_LINE) float x0[TB_EG_ROWS][TB_LANES]; /* struct tb_eg, by lanes */
    float step[TB_EG_ROWS][TB_LANES];
    int32_t elapsed[TB_EG_ROWS][TB_LANES];
    int32_t end[TB_EG_ROWS][TB_LANES];
    int32_t rising[TB_EG_ROWS][TB_LANES];  /* all ones where x is u, else 0 */
    float trim[TB_N_OPERATORS][TB_LANES];  /* att, fades out an edit's jump */
    float ratio[TB_N_OPERATORS][TB_LANES]; /* of the key's frequency, or Hz where fixed */
    float octaves[TB_LANES]; /* log2 of the key's frequency; glide and bend of its own included */
    float touch[TB_LANES];   /* att a unit of slice->ams, of pressure of its own */
    float gain_target[TB_LANES]; /* of the voice's output at the end of the slice */
    int32_t advance[TB_LANES];   /* frames the lane goes on at the next aim */
    float loud[TB_LANES];        /* loudest carrier, as amp; written by aim */
    uint32_t any_rising;         /* bit per row: some lane rises */

    float length[TB_EG_ROWS][TB_LANES]; /* rest of struct tb_eg, for the slow path only */
    uint8_t stage[TB_EG_ROWS][TB_LANES];
    uint8_t waiting[TB_EG_ROWS][TB_LANES];
    uint8_t static_level[TB_N_OPERATORS][TB_LANES];
    uint8_t rate_scaling[TB_N_OPERATORS][TB_LANES];

    uint8_t player[TB_LANES]; /* of the pair that a neural program plays, see neural_pair.h */
    uint32_t used;            /* bit per lane */
    uint8_t slot;             /* program slot of all its voices */
    uint8_t algorithm;        /* 0..31 of all its voices */
    uint8_t dirty; /* some lanes go on by advance, the others stay; else all by TB_SLICE */
};

/* What all voices of a program share during one slice. */
struct tb_fm_slice {
    float pitch;                         /* octaves: LFO, bend, tuning */
    float turns_per_hz;                  /* 2^32 / sample rate */
    float inc_max;                       /* Nyquist limit in phase units */
    float amp_mod[TB_N_OPERATORS];       /* att added by LFO and controllers */
    float ams[TB_N_OPERATORS];           /* units of amplitude sensitivity: 0, 2, 4, 8 */
    float on[TB_N_OPERATORS];            /* 0..1 operator switch */
    uint32_t ratio_mode[TB_N_OPERATORS]; /* all ones: follows the key; 0: fixed */
    float carrier_att;                   /* att of every carrier, by their number */
    uint32_t carriers;                   /* bit per operator */
    float feedback;                      /* at the end of the slice */
    float trim_decay;                    /* per slice; 1 within one */
    int32_t left;                        /* frames to the end of the slice */
};

/* RT. The slow path: lanes whose stage ended go on to the next. Called by aim. */
struct tb_program;
TB_RT void tb_fm_cross(struct tb_fm_group *group, const struct tb_program *program);

/* One set per kind of processor, same source, other width. RT, all of them. */
struct tb_fm_kernels {
    unsigned width; /* voices a vector */
    /* Envelopes go on by a slice or, where dirty, by group->advance; then the ramps of all lanes
     * are aimed at the end of the slice, slice->left frames away. */
    void (*aim)(struct tb_fm_group *group, const struct tb_fm_slice *slice,
                const struct tb_program *program);
    /* n <= TB_SLICE frames of all voices are added to sum[n][width]. */
    void (*render[32])(struct tb_fm_group *group, float *sum, uint32_t n);
    /* The same where inc grows by inc_inc. */
    void (*glide[32])(struct tb_fm_group *group, float *sum, uint32_t n);
    /* Either, for a routing that no kernel was compiled for. */
    void (*render_free)(struct tb_fm_group *group, float *sum, uint32_t n,
                        const struct tb_algorithm *algorithm);
    /* out[n] = sums over the width. */
    void (*fold)(const float *sum, float *out, uint32_t n);
    /* out[n] = sin of n phases; for tests of the kernel's sine. */
    void (*sine)(const uint32_t *phase, float *out, uint32_t n);
};

extern const struct tb_fm_kernels tb_fm_kernels_portable;
#ifdef __x86_64__
extern const struct tb_fm_kernels tb_fm_kernels_avx2;
extern const struct tb_fm_kernels tb_fm_kernels_avx512;
#endif

#endif
