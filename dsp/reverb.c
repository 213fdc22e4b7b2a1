/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Feedback delay network after Jot: four all-passes spread the input, eight delays of mutually
 * prime lengths (29..85 ms) feed each other through a Hadamard matrix. Each delay loses what the
 * decay time asks for, and more at high frequencies; two of them drift slowly, which keeps long
 * tails from ringing. */
#include "dsp/effect.h"
#include "dsp/fastmath.h"
#include "dsp/fm_group.h"
#include "dsp/params.h"

enum { LINES = 8, ALLPASSES = 4 };

static const float line_ms[LINES] = {29.3F, 34.1F, 40.7F, 47.9F, 55.3F, 63.7F, 73.1F, 84.7F};
static const float allpass_ms[ALLPASSES] = {4.77F, 3.61F, 12.73F, 9.31F};
static const float allpass_gain[ALLPASSES] = {0.7F, 0.7F, 0.6F, 0.6F};
#define DRIFT_MS 0.35F
#define PREDELAY_MS 8.0F

struct line {
    float *ring;
    uint32_t mask, frames;
};

struct reverb {
    struct tb_wipe wipe;
    struct tb_ramp mix;
    struct tb_ramp gain[LINES], damp;
    float low[LINES]; /* state of the damping filters */
    struct line line[LINES], allpass[ALLPASSES], predelay;
    uint32_t write, phase, inc;
    float rate_hz, drift;
    float decay_s, damping; /* what gain and damp were made of */
    float gain_target[LINES], damp_target;
    bool active;
};

static uint32_t ring_frames(float ms, float rate_hz)
{
    uint32_t n = 64;
    while ((float)n < ms * 0.001F * rate_hz + 8.0F)
        n *= 2;
    return n;
}

static size_t total_frames(float rate_hz)
{
    size_t n = ring_frames(PREDELAY_MS, rate_hz);
    for (int i = 0; i < LINES; i++)
        n += ring_frames(line_ms[i] + DRIFT_MS, rate_hz);
    for (int i = 0; i < ALLPASSES; i++)
        n += ring_frames(allpass_ms[i], rate_hz);
    return n;
}

static size_t bytes(float rate_hz)
{
    return sizeof(struct reverb) + sizeof(float) * total_frames(rate_hz);
}

static float *place(struct line *l, float *at, float ms, float room_ms, float rate_hz)
{
    uint32_t n = ring_frames(ms + room_ms, rate_hz);
    l->ring = at;
    l->mask = n - 1;
    l->frames = (uint32_t)(ms * 0.001F * rate_hz) | 1U;
    return at + n;
}

static void init(void *state, float rate_hz)
{
    struct reverb *r = state;
    float *memory = (float *)(void *)(r + 1), *at = memory;
    at = place(&r->predelay, at, PREDELAY_MS, 0.0F, rate_hz);
    for (int i = 0; i < LINES; i++)
        at = place(&r->line[i], at, line_ms[i], DRIFT_MS, rate_hz);
    for (int i = 0; i < ALLPASSES; i++)
        at = place(&r->allpass[i], at, allpass_ms[i], 0.0F, rate_hz);
    r->rate_hz = rate_hz;
    r->drift = DRIFT_MS * 0.001F * rate_hz;
    r->inc = (uint32_t)(0.83F / rate_hz * 4294967296.0F);
    r->decay_s = r->damping = -1.0F;
    tb_wipe_init(&r->wipe, memory, (size_t)(at - memory), rate_hz);
}

static void aim(void *state, const float *values)
{
    struct reverb *r = state;
    tb_ramp_aim(&r->mix, values[TB_P_REVERB_MIX], 0.1F, TB_SLICE);
    bool was_active = r->active;
    r->active = tb_wipe_aim(&r->wipe, r->mix.target > 0.0F || r->mix.value > 0.0F);
    if (!r->active)
        return;
    if (!was_active)
        memset(r->low, 0, sizeof r->low);
    float decay = values[TB_P_REVERB_DECAY], damping = values[TB_P_REVERB_DAMPING];
    if (decay != r->decay_s || damping != r->damping) {
        r->decay_s = decay;
        r->damping = damping;
        for (int i = 0; i < LINES; i++) /* -60 dB after decay_s: log2(10^-3) = -9.966 */
            r->gain_target[i] =
                tb_exp2f(-9.965784F * (float)r->line[i].frames / (decay * r->rate_hz));
        /* cut-off from 18 kHz to 1.2 kHz */
        float hz = 18000.0F * tb_exp2f(-3.9F * damping);
        r->damp_target = tb_exp2f(-9.0647F * hz / r->rate_hz);
    }
    for (int i = 0; i < LINES; i++)
        tb_ramp_aim(&r->gain[i], r->gain_target[i], 0.1F, TB_SLICE);
    tb_ramp_aim(&r->damp, r->damp_target, 0.1F, TB_SLICE);
}

static float spread(struct reverb *r, float x)
{
    for (int i = 0; i < ALLPASSES; i++) {
        struct line *a = &r->allpass[i];
        float old = a->ring[(r->write - a->frames) & a->mask];
        float in = x - allpass_gain[i] * old;
        a->ring[r->write & a->mask] = in;
        x = old + allpass_gain[i] * in;
    }
    return x;
}

static void hadamard(float y[LINES])
{
    for (int half = 1; half < LINES; half *= 2)
        for (int i = 0; i < LINES; i++)
            if (!(i & half)) {
                float a = y[i], b = y[i + half];
                y[i] = a + b;
                y[i + half] = a - b;
            }
    for (int i = 0; i < LINES; i++)
        y[i] *= 0.35355339F;
}

/* One frame of the eight delays with in; their outputs to y. */
static void network(struct reverb *r, float in, float y[LINES])
{
    float damp = tb_ramp_next(&r->damp);
    r->phase += r->inc;
    for (unsigned i = 0; i < LINES; i++) {
        const struct line *l = &r->line[i];
        uint32_t at = r->write - l->frames;
        float x = l->ring[at & l->mask];
        if (i >= LINES - 2) { /* the two longest drift, against each other */
            float d = r->drift * (0.5F + 0.5F * tb_sin_turns(r->phase + (i & 1U) * 0x80000000U));
            uint32_t whole = (uint32_t)d;
            float f = d - (float)whole;
            float a = l->ring[(at - whole) & l->mask], b = l->ring[(at - whole - 1) & l->mask];
            x = a + f * (b - a);
        }
        r->low[i] = x + damp * (r->low[i] - x);
        y[i] = r->low[i] * tb_ramp_next(&r->gain[i]);
    }
    float mixed[LINES];
    memcpy(mixed, y, sizeof mixed);
    hadamard(mixed);
    for (unsigned i = 0; i < LINES; i++)
        r->line[i].ring[r->write & r->line[i].mask] = mixed[i] + (i & 1U ? -in : in);
}

static void process(void *state, float *left, float *right, uint32_t n)
{
    struct reverb *r = state;
    if (!r->active)
        return;
    for (uint32_t k = 0; k < n; k++) {
        float mix = tb_ramp_next(&r->mix);
        float wet = 0.6F * mix * tb_ramp_next(&r->wipe.gate), dry = 1.0F - 0.5F * mix;
        float y[LINES];
        r->write++;
        r->predelay.ring[r->write & r->predelay.mask] = 0.5F * (left[k] + right[k]);
        float in = r->predelay.ring[(r->write - r->predelay.frames) & r->predelay.mask];
        network(r, spread(r, in), y);
        left[k] = left[k] * dry + wet * (y[0] + y[2] - y[4] + y[6]);
        right[k] = right[k] * dry + wet * (y[1] - y[3] + y[5] + y[7]);
    }
}

static void silence(void *state)
{
    struct reverb *r = state;
    tb_wipe_start(&r->wipe);
}

const struct tb_effect tb_effect_reverb = {"reverb", bytes, init, aim, process, silence};
