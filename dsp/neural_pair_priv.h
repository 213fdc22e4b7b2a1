/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NEURAL_PAIR_PRIV_H
#define TB_DSP_NEURAL_PAIR_PRIV_H

#include "dsp/analysis.h"
#include "dsp/neural_pair.h"
#include "dsp/neural_priv.h"

/* The player that is not a key: the sound at the input. */
struct tb_input {
    struct tb_analysis *analysis; /* owned; of the device's rate and the loudness of A */
    struct tb_analysis_frame last;
    bool listening, open;        /* the program asks for it; louder than the gate */
    int player;                  /* -1: silent */
    float heard_hz, loudness_db; /* of the last frame that had them */
    float peak_db;               /* of the player, falling slowly */
    int octaves;                 /* into the model's range */
    float outside_s, quiet_s;
    float hz, fade; /* now: pitch of the voice, 0..1 of its gain */
};

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
    struct tb_player player[TB_NEURAL_VOICES];
    struct tb_input input;
};

/* RT. -1: none. */
TB_RT int tb_pair_free_player(const struct tb_neural_pair *p);
/* neural_input.c. RT, at the begin of a slice. */
TB_RT void tb_pair_input_slice(struct tb_neural_pair *p, const struct tb_program *program);

#endif
