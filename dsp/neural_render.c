/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sound of all voices of a neural instrument, and its reverb. */
#include "dsp/neural_priv.h"

#include "dsp/fastmath.h"

#include <string.h>

#define PANIC_S 0.008F /* the voices fade in 4 ms, the reverb in these */

/* Partials that are no multiples of the pitch: each has a phase of its own. */
static void render_stretched(struct tb_neural *n, struct tb_neural_voice *v, const float *weight,
                             float *out, uint32_t count)
{
    struct tb_partials_job job = {
        .phase = v->partial, .weight = weight, .amp = v->hpn.amp, .step = v->hpn.step, .n = count};
    const float cps = (float)(v->f0_hz + 0.5 * v->f0_inc * (double)count) / n->rate_hz;
    uint32_t inc[TB_SYNTH_MAX_HARMONICS] = {0};
    while (job.n_partials < n->n_harmonics && n->power[job.n_partials] * cps < v->hpn.limit_cps) {
        inc[job.n_partials] = (uint32_t)(n->power[job.n_partials] * cps * 4294967296.0F);
        job.n_partials++;
    }
    job.inc = inc;
    n->synth->partials(&job, out);
}

/* From multiples of one phase to phases of their own, at the same point of every wave. A voice
 * stays so until it ends: its partials are never in step again. */
static void stretch(const struct tb_neural *n, struct tb_neural_voice *v)
{
    const uint32_t phase = (uint32_t)(v->hpn.phase >> 32);
    for (unsigned k = 0; k < n->n_harmonics; k++)
        v->partial[k] = phase * (k + 1);
    v->stretched = true;
}

static void render_voice(struct tb_neural *n, struct tb_neural_voice *v, const float *weight,
                         float *out, uint32_t count)
{
    float f0_cps[TB_SLICE + 16], sound[TB_SLICE] = {0};
    const double rate_hz = (double)n->rate_hz;
    n->synth->pitch(f0_cps, v->f0_hz / rate_hz, v->f0_inc / rate_hz, count);
    if (n->family == TB_FAMILY_WAVETABLE) {
        tb_wavetable_render(&v->wave, f0_cps, weight, sound, count);
    } else {
        if (n->stretch != 0.0F && !v->stretched)
            stretch(n, v);
        if (v->stretched)
            render_stretched(n, v, weight, sound, count);
        else
            tb_hpn_render(&v->hpn, f0_cps, weight, sound, count);
    }
    if (n->noise_shape)
        tb_noise_render(&v->noise, sound, count);
    n->synth->join(out, sound, count, v->gain, v->gain_inc);
}

static void advance_voices(struct tb_neural *n, uint32_t count)
{
    for (unsigned i = 0; i < n->n_used; i++) {
        struct tb_neural_voice *v = &n->voice[n->list[i]];
        v->f0_hz += v->f0_inc * (double)count;
        v->gain += v->gain_inc * (float)count;
    }
}

/* Within one frame of the model. */
static void render_part(struct tb_neural *n, float *out, uint32_t count)
{
    float weight[TB_SLICE];
    tb_frame_weights(n->levels, n->pos, n->hop, weight, count);
    for (unsigned i = 0; i < n->n_used; i++)
        render_voice(n, &n->voice[n->list[i]], weight, out, count);
}

static void render_voices(struct tb_neural *n, float *out, uint32_t count)
{
    if (tb_neural_is_fm(n)) { /* its frames end with slices, see tb_neural_fm_slice */
        if (n->n_used > 0)
            tb_neural_fm_render(n, out, count);
        advance_voices(n, count);
        n->pos += (float)count;
        return;
    }
    while (count > 0) {
        if (n->pos >= n->hop) {
            n->pos -= n->hop;
            tb_neural_turn(n);
        }
        const float room = n->hop - n->pos;
        uint32_t part = (uint32_t)room;
        part += (float)part < room;
        part = part < count ? part : count;
        render_part(n, out, part);
        advance_voices(n, part);
        n->pos += (float)part;
        out += part;
        count -= part;
    }
}

/* A panic is over: nothing of before is heard, and what comes is as if nothing had been. */
static void begin_anew(struct tb_neural *n)
{
    n->reverb_muted = n->reverb_left = 0;
    tb_learned_reverb_clear(n->reverb);
    tb_ramp_set(&n->wet, n->leaving ? 0.0F : n->bend.reverb);
}

static void reverberate(struct tb_neural *n, float *bus, uint32_t count)
{
    float wet[TB_SLICE];
    if (n->reverb_muted > count)
        n->reverb_muted -= count;
    else if (n->reverb_muted > 0)
        begin_anew(n);
    if (n->n_used > 0)
        n->reverb_left = n->reverb_tail;
    if (n->reverb_left == 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        if (!tb_is_finite(bus[i])) /* it would never leave the reverb again */
            bus[i] = 0.0F;
    tb_learned_reverb_process(n->reverb, bus, wet, count);
    for (uint32_t i = 0; i < count; i++)
        bus[i] += wet[i] * tb_ramp_next(&n->wet);
    n->reverb_left -= count < n->reverb_left ? count : n->reverb_left;
}

void tb_neural_render(struct tb_neural *n, float *out, uint32_t count)
{
    float bus[TB_SLICE] = {0};
    render_voices(n, bus, count);
    if (n->reverb)
        reverberate(n, bus, count);
    for (uint32_t i = 0; i < count; i++)
        out[i] += bus[i];
}

void tb_neural_panic(struct tb_neural *n)
{
    n->reverb_muted = n->reverb ? (size_t)(PANIC_S * n->rate_hz) : 0;
}

bool tb_neural_is_quiet(const struct tb_neural *n)
{
    return n->n_used == 0 && (!n->reverb || n->reverb_left == 0 || n->wet.value == 0.0F);
}
