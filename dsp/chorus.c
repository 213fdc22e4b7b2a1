/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stereo chorus: one modulated delay a side, the two a quarter turn apart, cubic interpolation. */
#include "dsp/effect.h"
#include "dsp/fastmath.h"
#include "dsp/fm_group.h"
#include "dsp/params.h"

#define CENTRE_MS 12.0F

struct chorus {
    struct tb_wipe wipe;
    struct tb_ramp mix, depth; /* depth in frames */
    uint32_t phase, inc;       /* turns / 2^32 */
    uint32_t mask, write;      /* of the ring, frames */
    float rate_hz, centre;     /* centre in frames */
    bool active;
    float *ring[2];
};

static uint32_t ring_frames(float rate_hz)
{
    uint32_t n = 64;
    while ((float)n < rate_hz * 0.024F)
        n *= 2;
    return n;
}

static size_t bytes(float rate_hz)
{
    return sizeof(struct chorus) + 2 * sizeof(float) * ring_frames(rate_hz);
}

static void init(void *state, float rate_hz)
{
    struct chorus *c = state;
    uint32_t n = ring_frames(rate_hz);
    c->ring[0] = (float *)(void *)(c + 1);
    c->ring[1] = c->ring[0] + n;
    c->mask = n - 1;
    c->rate_hz = rate_hz;
    c->centre = CENTRE_MS * 0.001F * rate_hz;
    tb_wipe_init(&c->wipe, c->ring[0], 2 * (size_t)n, rate_hz);
}

static void aim(void *state, const float *values)
{
    struct chorus *c = state;
    c->inc = (uint32_t)(values[TB_P_CHORUS_RATE] * (4294967296.0F / c->rate_hz));
    tb_ramp_aim(&c->mix, values[TB_P_CHORUS_MIX], 0.1F, TB_SLICE);
    tb_ramp_aim(&c->depth, values[TB_P_CHORUS_DEPTH] * 0.001F * c->rate_hz, 0.02F, TB_SLICE);
    c->active = tb_wipe_aim(&c->wipe, c->mix.target > 0.0F || c->mix.value > 0.0F);
}

/* Catmull-Rom between the two samples around the delay. */
static float tap(const float *ring, uint32_t mask, uint32_t write, float delay)
{
    uint32_t whole = (uint32_t)delay;
    float f = delay - (float)whole;
    float a = ring[(write - whole + 1) & mask], b = ring[(write - whole) & mask];
    float c = ring[(write - whole - 1) & mask], d = ring[(write - whole - 2) & mask];
    float s = c - a;
    return b +
           0.5F * f * (s + f * (2.0F * a - 5.0F * b + 4.0F * c - d + f * (3.0F * (b - c) + d - a)));
}

static void process(void *state, float *left, float *right, uint32_t n)
{
    struct chorus *c = state;
    float *const side[2] = {left, right};
    if (!c->active)
        return;
    for (uint32_t k = 0; k < n; k++) {
        float mix = tb_ramp_next(&c->mix), depth = tb_ramp_next(&c->depth);
        float wet = 0.7071F * mix * tb_ramp_next(&c->wipe.gate);
        c->phase += c->inc;
        c->write++;
        for (unsigned s = 0; s < 2; s++) {
            float delay = c->centre + depth * tb_sin_turns(c->phase + s * 0x40000000U);
            float in = side[s][k];
            c->ring[s][c->write & c->mask] = in;
            side[s][k] =
                in * (1.0F - 0.2929F * mix) + wet * tap(c->ring[s], c->mask, c->write, delay);
        }
    }
}

static void silence(void *state)
{
    struct chorus *c = state;
    tb_wipe_start(&c->wipe);
}

const struct tb_effect tb_effect_chorus = {"chorus", bytes, init, aim, process, silence};
