/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Voices of a neural instrument, and the frames in which all of them are decoded. */
#include "dsp/neural_priv.h"

#include "dsp/fastmath.h"

#include <string.h>

bool tb_neural_is_free(const struct tb_neural *n, unsigned v)
{
    return !n->voice[v].used && !n->voice[v].decoding;
}

void tb_neural_start(struct tb_neural *n, unsigned i, bool instant)
{
    struct tb_neural_voice *v = &n->voice[i];
    if (!v->used)
        n->list[n->n_used++] = (uint8_t)i;
    v->used = true;
    n->n_fresh += instant && !v->fresh;
    v->fresh = instant;
    v->primed = v->stretched = false;
    v->f0_hz = v->f0_inc = 0.0;
    v->gain = v->gain_inc = 0.0F;
    memset(v->from, 0, sizeof v->from);
    v->loudest = 0.0F;
    memset(v->to, 0, sizeof v->to);
    memset(v->raw, 0, sizeof v->raw);
    tb_nn_reset(n->bank, i);
    if (n->family == TB_FAMILY_HPN)
        tb_hpn_reset(&v->hpn);
    else if (n->family == TB_FAMILY_WAVETABLE)
        tb_wavetable_reset(&v->wave);
    else
        tb_neural_fm_clear(n, i);
    if (n->noise_shape)
        tb_noise_reset(&v->noise);
}

void tb_neural_stop(struct tb_neural *n, unsigned i)
{
    struct tb_neural_voice *v = &n->voice[i];
    if (!v->used)
        return;
    n->n_fresh -= v->fresh;
    v->used = v->fresh = false;
    unsigned at = 0;
    while (n->list[at] != i)
        at++;
    n->list[at] = n->list[--n->n_used];
    if (tb_neural_is_fm(n))
        tb_neural_fm_clear(n, i);
}

void tb_neural_aim(struct tb_neural *n, unsigned i, const struct tb_neural_aim *aim, uint32_t left)
{
    struct tb_neural_voice *v = &n->voice[i];
    const float per_sample = 1.0F / (float)left;
    v->aim = *aim;
    if (v->f0_hz <= 0.0)
        v->f0_hz = (double)aim->f0_hz;
    v->f0_inc = ((double)aim->f0_hz - v->f0_hz) / (double)left;
    v->gain_inc = (aim->gain - v->gain) * per_sample;
}

static void take_inputs(const struct tb_neural *n, const struct tb_neural_voice *v, float input[2])
{
    input[0] =
        tb_scale_pitch(n->pitch_scale, v->aim.f0_hz, n->pitch_mean_hz, n->pitch_deviation_hz);
    if (n->loudness == TB_NEURAL_VELOCITY) {
        input[1] = tb_clampf(v->aim.loudness, 0.0F, 1.0F);
        return;
    }
    const float db = tb_map_loudness(&n->map, v->aim.loudness, v->aim.f0_hz);
    input[1] = tb_scale_loudness(db, n->floor_db, n->range_db);
}

static void take_outputs(struct tb_neural *n, const struct tb_nn_run *run, unsigned at,
                         struct tb_neural_voice *v)
{
    for (unsigned h = 0; h < n->n_heads; h++)
        memcpy(v->raw + n->head_at[h], tb_nn_head(run, at, h), n->head[h] * sizeof *v->raw);
}

/* Voices that started since: what they sound like is known before their first sample. */
static void decode_first(struct tb_neural *n)
{
    uint8_t slots[TB_NN_MAX_BATCH];
    float inputs[TB_NN_MAX_BATCH][2];
    unsigned count = 0;
    for (unsigned i = 0; i <= n->n_used; i++) {
        if (count == TB_NN_MAX_BATCH || (i == n->n_used && count > 0)) {
            tb_nn_begin(n->first, slots, count, inputs[0]);
            (void)tb_nn_advance(n->first, UINT64_MAX);
            for (unsigned k = 0; k < count; k++) {
                struct tb_neural_voice *v = &n->voice[slots[k]];
                take_outputs(n, n->first, k, v);
                v->fresh = false;
                v->primed = true;
                tb_neural_apply(n, v, true);
            }
            n->n_fresh -= count;
            count = 0;
        }
        if (i < n->n_used && n->voice[n->list[i]].fresh) {
            take_inputs(n, &n->voice[n->list[i]], inputs[count]);
            slots[count++] = n->list[i];
        }
    }
}

static void begin_batch(struct tb_neural *n)
{
    const unsigned rest = n->n_queue - n->at_queue;
    n->in_batch = rest < TB_NN_MAX_BATCH ? rest : TB_NN_MAX_BATCH;
    n->batch_left = n->in_batch ? tb_nn_cost(n->model, n->in_batch) : 0;
    if (n->in_batch > 0)
        tb_nn_begin(n->run, n->queue + n->at_queue, n->in_batch, n->inputs[n->at_queue]);
}

static void end_batch(struct tb_neural *n)
{
    for (unsigned k = 0; k < n->in_batch; k++) {
        struct tb_neural_voice *v = &n->voice[n->queue[n->at_queue + k]];
        v->decoding = false;
        if (!v->used || v->fresh)
            continue;
        take_outputs(n, n->run, k, v);
        v->primed = true;
    }
    n->at_queue += n->in_batch;
    begin_batch(n);
}

static void decode(struct tb_neural *n, uint64_t budget)
{
    while (n->in_batch > 0 && budget > 0) {
        const uint64_t left = tb_nn_advance(n->run, budget), done = n->batch_left - left;
        if (budget != UINT64_MAX)
            budget = done < budget ? budget - done : 0;
        n->batch_left = left;
        if (left == 0)
            end_batch(n);
    }
}

void tb_neural_finish(struct tb_neural *n)
{
    decode(n, UINT64_MAX);
}

/* The controls of now, of every voice that has begun. */
static void begin_frame(struct tb_neural *n)
{
    n->n_queue = n->at_queue = 0;
    for (unsigned i = 0; i < n->n_used; i++) {
        struct tb_neural_voice *v = &n->voice[n->list[i]];
        if (v->fresh)
            continue;
        v->decoding = true;
        take_inputs(n, v, n->inputs[n->n_queue]);
        n->queue[n->n_queue++] = n->list[i];
    }
    uint64_t cost = 0;
    for (unsigned at = 0; at < n->n_queue; at += TB_NN_MAX_BATCH) {
        const unsigned rest = n->n_queue - at;
        cost += tb_nn_cost(n->model, rest < TB_NN_MAX_BATCH ? rest : TB_NN_MAX_BATCH);
    }
    /* done after nine tenths of the frame: no rest that has to be caught up with at its end */
    n->budget = (uint64_t)((float)cost / (0.9F * n->hop)) + 1;
    begin_batch(n);
}

void tb_neural_turn(struct tb_neural *n)
{
    tb_neural_finish(n);
    if (n->blend)
        tb_neural_finish(n->blend);
    for (unsigned i = 0; i < n->n_used; i++)
        if (n->voice[n->list[i]].primed)
            tb_neural_apply(n, &n->voice[n->list[i]], false);
    begin_frame(n);
}

static float towards(float value, float target)
{
    const float d = target - value;
    return d < 1e-6F && d > -1e-6F ? target : value + 0.05F * d;
}

/* What moves with the slices, whatever the frames do. */
static void smooth(struct tb_neural *n)
{
    const float stretched = towards(n->stretch, n->bend.stretch);
    if (n->family == TB_FAMILY_HPN && stretched != n->stretch)
        for (unsigned k = 0; k < n->n_harmonics; k++)
            n->power[k] = tb_exp2f((1.0F + stretched) * n->octave[k]);
    n->stretch = stretched;
    /* a panic and a program that leaves silence the reverb as fast as its voices */
    const bool mute = n->leaving || n->reverb_muted > 0;
    const float share = n->reverb_muted > 0 ? 0.5F : n->leaving ? 0.1F : 0.02F;
    if (n->reverb)
        tb_learned_reverb_decay(n->reverb, n->bend.reverb_decay);
    tb_ramp_aim(&n->wet, mute ? 0.0F : n->bend.reverb, share, TB_SLICE);
}

void tb_neural_slice(struct tb_neural *n, uint32_t left, bool whole)
{
    if (n->n_fresh > 0)
        decode_first(n);
    if (whole) {
        decode(n, n->budget * left);
        smooth(n);
    }
    if (tb_neural_is_fm(n))
        tb_neural_fm_slice(n, left, whole);
}
