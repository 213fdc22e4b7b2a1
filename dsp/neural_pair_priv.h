/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NEURAL_PAIR_PRIV_H
#define TB_DSP_NEURAL_PAIR_PRIV_H

#include "dsp/neural_pair.h"
#include "dsp/neural_priv.h"

/* A note; its voice in each model has the same number. */
struct tb_player {
    bool used;
    struct tb_note note;
};

struct tb_neural_pair {
    struct tb_neural *part[2]; /* owned */
    unsigned n_parts;
    bool alike;                               /* equal outputs: they can morph */
    bool active[2];                           /* decoded and rendered */
    float weight[2];                          /* gain at the end of the slice */
    float mix, morphed;                       /* 0..1, smoothed */
    float octaves, loudness_db;               /* of the knobs, smoothed */
    const struct tb_performance *performance; /* of this slice */
    struct tb_note_shape follower;            /* of a note that follows the input */
    struct tb_player player[TB_NEURAL_VOICES];
};

#endif
