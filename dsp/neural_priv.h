/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NEURAL_PRIV_H
#define TB_DSP_NEURAL_PRIV_H

#include "dsp/effect.h"
#include "dsp/fm_group.h"
#include "dsp/hpn.h"
#include "dsp/neural.h"
#include "dsp/neural_bend.h"
#include "dsp/noise.h"
#include "dsp/reverb_learned.h"
#include "dsp/wavetable.h"

/* Between neural_*.c and the pair that plays it. What belongs to the audio thread works in slices
 * of TB_SLICE frames on the engine's clock, and in frames of the model on its own:
 *
 *     slice: aim voices -> tb_neural_slice -> render ... render
 *     frame: controls are taken, decoded bit by bit in the slices of the frame, and at its end
 *            become where the levels go during the next one
 *
 * so what a voice asks is there two frames later, except for its first frame, which is decoded at
 * once. All voices of a model share its frames. */

enum {
    NEURAL_GROUPS = (TB_NEURAL_VOICES + TB_LANES - 1) / TB_LANES,
    NEURAL_RAW_PAD = 32, /* heads are read to a multiple of 16 and one vector more */
    NEURAL_RAW = TB_SYNTH_MAX_HARMONICS + 1 + TB_NOISE_MAX_BANDS + 2 * NEURAL_RAW_PAD,
};
#define NEURAL_PIPELINE_FRAMES 2.0F

/* What a voice is asked for at the end of the slice. */
struct tb_neural_aim {
    float f0_hz;
    float loudness; /* dB in the model's scale, or 0..1 of velocity */
    float tilt_db;
    float gain; /* linear, of its output */
};

struct tb_neural_voice {
    bool used;
    bool fresh;    /* just started: its first frame is decoded at once */
    bool primed;   /* has levels */
    bool decoding; /* in the frame that is being decoded, though it may be over already */
    bool stretched;
    bool glides; /* inc_inc counts */
    struct tb_neural_aim aim;
    double f0_hz, f0_inc;                           /* now, and per sample */
    float gain, gain_inc;                           /* likewise */
    float from[TB_N_OPERATORS], to[TB_N_OPERATORS]; /* operators' levels of two frames */
    float loudest;                                  /* carrier of the note so far */
    uint32_t inc[TB_N_OPERATORS];                   /* operators' steps, 2^32 a turn */
    int32_t inc_inc[TB_N_OPERATORS];                /* by which each is longer than the last */
    double rest[TB_N_OPERATORS];                    /* of a slice, that steps left over */
    float raw[NEURAL_RAW];                          /* what the network said last, heads apart */
    struct tb_hpn hpn;
    struct tb_wavetable wave;
    struct tb_noise noise;
    uint32_t partial[TB_SYNTH_MAX_HARMONICS]; /* phases of a stretched voice */
};

struct tb_neural {
    /* what the model is */
    enum tb_family family;
    float rate_hz, hop; /* of the device; samples a frame at that rate, may be fractional */
    enum tb_pitch_scale pitch_scale;
    float pitch_mean_hz, pitch_deviation_hz;
    enum tb_neural_loudness loudness;
    float floor_db, range_db, low_hz, high_hz, low_db, high_db;
    struct tb_loudness_map map;
    struct tb_analysis_scale scale;
    enum tb_interpolation levels;
    unsigned n_harmonics, n_bands, n_tables, n_operators, n_heads, head[2], head_at[2];
    struct tb_level_curve curve, noise_curve;
    struct tb_algorithm routing; /* the model's own */
    unsigned algorithm;          /* 1..32, or 0: a free one */
    float ratios[TB_N_OPERATORS], feedback, max_level;

    /* the decoder */
    struct tb_nn_model *model;
    struct tb_nn_bank *bank;
    struct tb_nn_run *run;                /* the frame of all */
    struct tb_nn_run *first;              /* first frames */
    uint8_t queue[TB_NEURAL_VOICES];      /* voices of the frame in order */
    float inputs[TB_NEURAL_VOICES][2];    /* theirs */
    unsigned n_queue, at_queue, in_batch; /* voices; decoded; in the run */
    uint64_t batch_left;                  /* of the run */
    uint64_t budget;                      /* of the frame a sample */
    float pos;                            /* samples since the frame began */
    struct tb_neural *blend;              /* model whose raw outputs are mixed in, or NULL */
    float blend_share;

    /* the sound */
    const struct tb_synth_kernels *synth;
    const struct tb_fm_kernels *fm;
    struct tb_wavetables *tables;
    struct tb_noise_shape *noise_shape;
    struct tb_learned_reverb *reverb;
    size_t reverb_tail;  /* samples until it is silent */
    size_t reverb_left;  /* of that, since the last input */
    size_t reverb_muted; /* samples until a panic has silenced it and it may begin anew */
    struct tb_ramp wet;
    bool leaving; /* its program gives way: the reverb too */
    struct tb_neural_bend bend;
    struct tb_fm_group *group;         /* [NEURAL_GROUPS] */
    struct tb_fm_group *old_group;     /* with the routing before, while one fades into the other */
    unsigned routing_now, routing_old; /* 0 the model's, else algorithm */
    float routing_fade;                /* 1: only the new one */
    float fm_feedback;                 /* smoothed, DX7 steps */
    float ratio[TB_N_OPERATORS];       /* smoothed, bend included */
    float fm_gain;                     /* smoothed */
    float stretch;                     /* smoothed */
    float octave[TB_SYNTH_MAX_HARMONICS]; /* log2(k + 1) */
    float power[TB_SYNTH_MAX_HARMONICS];  /* (k + 1)^(1 + stretch) */
    float *sum;                           /* [TB_SLICE][TB_LANES] */
    struct tb_neural_voice *voice;        /* [TB_NEURAL_VOICES] */
    uint8_t list[TB_NEURAL_VOICES];       /* the voices in use; others are not even looked at */
    unsigned n_used, n_fresh;
};

static inline bool tb_neural_is_fm(const struct tb_neural *n)
{
    return n->family == TB_FAMILY_DDX7 || n->family == TB_FAMILY_FM_ENVELOPE;
}

/* neural_new.c. Control thread: knobs stand where bend has them. */
void tb_neural_settle(struct tb_neural *n, const struct tb_neural_bend *bend);

/* neural.c: voices and frames. RT, all of them. */

/* A voice that may start now: unused, and not in the frame that is being decoded. */
TB_RT bool tb_neural_is_free(const struct tb_neural *n, unsigned v);
/* Silence and a network that has heard nothing; instant: its first frame is decoded at the next
 * tb_neural_slice, else it comes in with the next frame of all. */
TB_RT void tb_neural_start(struct tb_neural *n, unsigned v, bool instant);
TB_RT void tb_neural_stop(struct tb_neural *n, unsigned v);
/* Ramps of pitch and gain towards aim, left frames away. */
TB_RT void tb_neural_aim(struct tb_neural *n, unsigned v, const struct tb_neural_aim *aim,
                         uint32_t left);
/* After the voices were aimed: whole at the begin of a slice, else within it; left frames are to
 * come. First frames are decoded, and a share of the frame of all. */
TB_RT void tb_neural_slice(struct tb_neural *n, uint32_t left, bool whole);
/* Decodes what is left of the frame. */
TB_RT void tb_neural_finish(struct tb_neural *n);
/* The frame is over: its results become the levels to come, and the next one begins. */
TB_RT void tb_neural_turn(struct tb_neural *n);

/* neural_levels.c: from raw outputs to levels, for what is left of the frame. A voice's first ones
 * are there at once, not on the way. */
TB_RT void tb_neural_apply(struct tb_neural *n, struct tb_neural_voice *v, bool first);
TB_RT void tb_neural_view(struct tb_neural *n, unsigned v, struct tb_frame *frame);

/* neural_fm.c: operators under a network's levels. */
TB_RT void tb_neural_fm_clear(struct tb_neural *n, unsigned v);
TB_RT void tb_neural_fm_slice(struct tb_neural *n, uint32_t left, bool whole);
TB_RT void tb_neural_fm_render(struct tb_neural *n, float *out, uint32_t count);
TB_RT float tb_neural_fm_level(const struct tb_neural *n, unsigned v); /* loudest carrier */

/* neural_render.c. Adds count <= TB_SLICE frames of all voices and the reverb to out. */
TB_RT void tb_neural_render(struct tb_neural *n, float *out, uint32_t count);
TB_RT void tb_neural_panic(struct tb_neural *n);
/* Nothing sounds any more, tail included. */
TB_RT bool tb_neural_is_quiet(const struct tb_neural *n);

#endif
