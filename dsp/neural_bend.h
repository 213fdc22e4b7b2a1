/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NEURAL_BEND_H
#define TB_DSP_NEURAL_BEND_H

#include "dsp/params.h"
#include "dsp/rt.h"
#include "dsp/telemetry.h"

#include <stdbool.h>
#include <stdint.h>

/* neural.* and ab.* of a patch, ready for use: what a player does to a network's decisions. */
struct tb_neural_bend {
    float octaves;                                      /* of pitch */
    float loudness_db;                                  /* of what the network hears */
    float ratio[TB_N_OPERATORS], level[TB_N_OPERATORS]; /* factors */
    float feedback;                                     /* DX7 steps, added */
    float stretch, odd_even, tilt_db;
    float harmonic_gain, noise_gain; /* linear */
    float attention, table;
    float reverb, reverb_decay; /* factors */
    float mix;                  /* 0: A .. 1: B */
    bool morph;
    uint8_t routing; /* 0: the model's, else algorithm */
};

/* RT. */
TB_RT void tb_neural_bend_derive(struct tb_neural_bend *bend, const float values[TB_N_PARAMS]);

#endif
