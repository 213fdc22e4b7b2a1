/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/effect.h"

#include "dsp/fm_group.h"

#include <string.h>

const struct tb_effect *const tb_effects[TB_N_EFFECTS] = {
#define EFFECT(ID, NAME) [TB_EFFECT_##ID] = &tb_effect_##NAME,
#include "dsp/effects.def"
#undef EFFECT
};

enum { WIPE_FLOATS = 4096 }; /* a slice: 16 KiB, about a microsecond */

void tb_wipe_init(struct tb_wipe *w, float *memory, size_t n, float rate_hz)
{
    *w = (struct tb_wipe){.memory = memory, .n = n, .at = n};
    w->share = (float)TB_SLICE / (0.0035F * rate_hz);
    tb_ramp_set(&w->gate, 0.0F);
}

void tb_wipe_start(struct tb_wipe *w)
{
    w->wanted = true;
}

/* Straight down or up within 3.5 ms, unlike tb_ramp_aim, which only nears its target. */
static void move_gate(struct tb_wipe *w, float target)
{
    float distance = target - w->gate.value;
    float most = distance > w->share ? w->share : distance < -w->share ? -w->share : distance;
    w->gate.target = target;
    w->gate.inc = most / (float)TB_SLICE;
}

bool tb_wipe_aim(struct tb_wipe *w, bool wet)
{
    if (w->gate.value < 1e-6F && (w->wanted || !wet)) {
        tb_ramp_set(&w->gate, 0.0F);
        if (w->wanted)
            w->at = 0;
        w->wanted = false;
    }
    if (w->at < w->n) {
        size_t part = w->n - w->at < WIPE_FLOATS ? w->n - w->at : WIPE_FLOATS;
        memset(w->memory + w->at, 0, part * sizeof *w->memory);
        w->at += part;
        return false;
    }
    if (!wet && w->gate.value == 0.0F)
        return false;
    move_gate(w, w->wanted || !wet ? 0.0F : 1.0F);
    if (!wet)
        w->wanted = true; /* what rings now must not be heard when the mix comes back */
    return true;
}
