/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_TRANSFER_H
#define TB_DSP_TRANSFER_H

#include "dsp/analysis.h"
#include "dsp/params.h"
#include "dsp/rt.h"

#include <stdbool.h>
#include <stdint.h>

/* From the analysis of a sound to what a neural instrument is asked: gate, shifts, and the fit of a
 * player to what the model was trained on. By value; all RT; a call a frame of the analysis. */

/* transfer.* of a patch. */
struct tb_transfer_settings {
    bool on;           /* the input drives the instrument */
    bool fit;          /* octaves and loudness follow the player's range */
    float gate_db;     /* of full scale */
    float octaves;     /* added to the pitch */
    float loudness_db; /* added to the loudness */
};

/* What the model was trained on. */
struct tb_transfer_range {
    float low_hz, high_hz;
    float low_db, high_db;
    struct tb_analysis_scale scale; /* of those dB */
};

enum { TB_TRANSFER_KEYS = 128, TB_TRANSFER_LEVELS = 160, TB_TRANSFER_LOWEST_DB = -140 };

/* How often each pitch and loudness was heard, the last half minute counting most. */
struct tb_transfer_player {
    float key[TB_TRANSFER_KEYS];     /* [MIDI key] */
    float level[TB_TRANSFER_LEVELS]; /* [dB above TB_TRANSFER_LOWEST_DB] */
    float n_keys, n_levels;          /* their sums */
};

struct tb_transfer {
    /* what is asked */
    bool sounding;       /* a voice is held */
    float octaves;       /* log2 of Hz */
    float below_high_db; /* loudness against the loudest of the model, 0 or less mostly */
    float velocity;      /* 0..1, of a model that wants velocities */
    uint8_t key;         /* nearest to the pitch, with some hysteresis */

    /* what was heard, for meters */
    struct tb_analysis_frame heard; /* finite, within bounds */

    bool open;         /* the gate */
    bool muted;        /* until the gate has closed */
    unsigned quiet;    /* frames below where it closes */
    unsigned unvoiced; /* frames since the last pitch */
    float shift;       /* octaves of the fit, whole */
    float lift_db;     /* of the fit */
    struct tb_transfer_player player;
};

/* RT. */
TB_RT void tb_transfer_derive(struct tb_transfer_settings *settings,
                              const float values[TB_N_PARAMS]);
TB_RT void tb_transfer_reset(struct tb_transfer *transfer);

/* RT. The next frame; whatever it holds. */
TB_RT void tb_transfer_frame(struct tb_transfer *transfer, const struct tb_analysis_frame *frame,
                             const struct tb_transfer_settings *settings,
                             const struct tb_transfer_range *range);

/* RT. Silent until the input was. */
TB_RT void tb_transfer_mute(struct tb_transfer *transfer);

#endif
