/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_EFFECT_H
#define TB_DSP_EFFECT_H

#include "dsp/rt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A stereo effect behind the synthesisers. State is one block of memory from the engine, zeroed,
 * 64-byte aligned. To add one: its .c file with a const struct tb_effect, a line in effects.def,
 * its parameters in params.def, a test. */
struct tb_effect {
    const char *name;
    /* Control thread. Bytes of state at this rate. */
    size_t (*bytes)(float rate_hz);
    /* Control thread. */
    void (*init)(void *state, float rate_hz);
    /* RT, once a slice (TB_SLICE frames). Aims ramps at the values of the sounding program. */
    void (*aim)(void *state, const float *values);
    /* RT, n <= TB_SLICE. In place. Costs nothing while its mix is 0. */
    void (*process)(void *state, float *left, float *right, uint32_t n);
    /* RT. Whatever rings in it fades within 4 ms and is forgotten. */
    void (*silence)(void *state);
};

enum tb_effect_id {
#define EFFECT(ID, NAME) TB_EFFECT_##ID,
#include "dsp/effects.def"
#undef EFFECT
    TB_N_EFFECTS
};

/* Any thread. In the order in which they process. */
extern const struct tb_effect *const tb_effects[TB_N_EFFECTS];

#define EFFECT(ID, NAME) extern const struct tb_effect tb_effect_##NAME;
#include "dsp/effects.def"
#undef EFFECT

/* A value that moves in a straight line over one slice. By value; RT. */
struct tb_ramp {
    float value, inc, target;
};

static inline void tb_ramp_set(struct tb_ramp *r, float value)
{
    *r = (struct tb_ramp){.value = value, .target = value};
}

/* Moves towards value, share (0..1] of the way by the end of the next frames frames. */
static inline void tb_ramp_aim(struct tb_ramp *r, float value, float share, uint32_t frames)
{
    float distance = value - r->value;
    if (distance < 1e-6F && distance > -1e-6F) {
        tb_ramp_set(r, value);
        return;
    }
    r->target = value;
    r->inc = distance * share / (float)frames;
}

static inline float tb_ramp_next(struct tb_ramp *r)
{
    r->value += r->inc;
    return r->value;
}

/* Memory that is cleared bit by bit, so that no block pays for all of it; and the gate that keeps
 * the wet sound silent meanwhile. */
struct tb_wipe {
    float *memory;
    size_t n, at; /* floats, how many are clear */
    struct tb_ramp gate;
    float share; /* of the gate a slice */
    bool wanted; /* fade, then clear */
};

TB_RT void tb_wipe_init(struct tb_wipe *w, float *memory, size_t n, float rate_hz);
TB_RT void tb_wipe_start(struct tb_wipe *w);
/* Once a slice. False while there is nothing to hear and nothing to process. */
TB_RT bool tb_wipe_aim(struct tb_wipe *w, bool wet);

#endif
