/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NOTE_CONTROL_H
#define TB_DSP_NOTE_CONTROL_H

#include "dsp/params.h"
#include "dsp/rt.h"

#include <stdbool.h>
#include <stdint.h>

/* From a key to the pitch and loudness that a neural instrument follows: attack, decay, sustain and
 * release in dB, vibrato, and what players do besides keys. By value; all RT. */

enum { TB_N_MIDI_CHANNELS = 16, TB_N_KEYS = 128 };

/* What players do besides keys. A channel of its own counts where the note came on a member channel
 * of an MPE zone; the others share one bend, pressure and timbre. */
struct tb_touch {
    float bend_octaves;     /* of a member channel; the slice carries the bend of all */
    float pressure, timbre; /* 0..1, -1..1 */
};

/* What the sound at the input asks of the voice that follows it. */
struct tb_heard {
    float octaves;       /* log2 of Hz, shifts included */
    float below_high_db; /* loudness against the loudest of the model */
    float velocity;      /* 0..1 */
};

struct tb_performance {
    struct tb_touch all;
    struct tb_touch channel[TB_N_MIDI_CHANNELS];
    float key_pressure[TB_N_KEYS]; /* 0..1 */
    float wheel, expression;       /* 0..1 */
    float breath;                  /* 0..1, below 0 while nobody has blown */
    struct tb_heard heard;
};

/* note.* of a patch. */
struct tb_note_shape {
    float attack_s, decay_s, sustain_db, release_s;
    float velocity; /* 0..1 of the model's range */
    float vibrato_hz, vibrato_octaves, vibrato_delay_s;
    float wheel_octaves, wheel_tilt_db;
    float breath_db, breath_tilt_db;
    float pressure_db, pressure_octaves, pressure_tilt_db;
    float timbre_tilt_db;
    bool legato;
};

TB_RT void tb_note_shape_derive(struct tb_note_shape *shape, const float values[TB_N_PARAMS]);

enum tb_note_stage { TB_NOTE_ATTACK, TB_NOTE_SUSTAIN, TB_NOTE_RELEASE };

struct tb_note_envelope {
    uint8_t stage;  /* enum tb_note_stage */
    float level;    /* linear, while attacking */
    float level_db; /* afterwards */
};

#define TB_NOTE_SILENT_DB (-72.0F) /* a released note is over */

struct tb_note {
    struct tb_note_envelope envelope;
    uint8_t channel, key, velocity;
    bool member;           /* came on a member channel of an MPE zone */
    bool follows;          /* the input */
    struct tb_heard heard; /* then; as it was when the note was released */
    float age_s, released_s;
    uint32_t vibrato; /* turns / 2^32 */
};

/* What a note asks of its instrument. */
struct tb_note_now {
    float octaves;     /* added to the pitch of the key: bend, vibrato */
    float loudness_db; /* against the loudest of the model, before its range; <= 0 mostly */
    float velocity;    /* 0..1 of a model that wants velocities */
    float softness;    /* 0 hardest key .. 1 softest, times the shape's velocity */
    float tilt_db;     /* an octave */
    float gain;        /* 0..1: silences what the network does not */
    float level;       /* 0..1: the same for a network that ends its notes itself */
};

/* RT. Key down; go_on: the envelope rises from where it is (mono). */
TB_RT void tb_note_start(struct tb_note *note, bool go_on);
TB_RT void tb_note_release(struct tb_note *note);

/* RT. Goes on by seconds. */
TB_RT void tb_note_advance(struct tb_note *note, const struct tb_note_shape *shape, float seconds);

/* RT. What it asks ahead_s from now: loudness is asked early, because the network answers late. */
TB_RT void tb_note_ask(const struct tb_note *note, const struct tb_note_shape *shape,
                       const struct tb_performance *performance, float ahead_s,
                       struct tb_note_now *now);

/* RT. Released and as good as silent. */
TB_RT bool tb_note_over(const struct tb_note *note);

#endif
