/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a network said becomes levels: activation, bends, and the frame after this one. */
#include "dsp/neural_priv.h"

#include "dsp/fastmath.h"

#include <string.h>

#define LOG2_E 1.44269504F
#define LEVEL_MOST 16.0F /* cycles of phase: finite whatever the file and the knobs say */

/* The model's own words, or on the way to those of another model with equal outputs. */
static const float *words(const struct tb_neural *n, const struct tb_neural_voice *v, float *mixed)
{
    if (!n->blend || n->blend_share <= 0.0F)
        return v->raw;
    const struct tb_neural_voice *other = &n->blend->voice[v - n->voice];
    if (!other->primed)
        return v->raw;
    for (unsigned i = 0; i < NEURAL_RAW; i++)
        mixed[i] = v->raw[i] + n->blend_share * (other->raw[i] - v->raw[i]);
    return mixed;
}

static float tilt_of(const struct tb_neural *n, const struct tb_neural_voice *v)
{
    return tb_clampf(n->bend.tilt_db + v->aim.tilt_db, -24.0F, 24.0F);
}

static void apply_harmonics(struct tb_neural *n, struct tb_neural_voice *v, const float *raw)
{
    float amp[TB_SYNTH_MAX_HARMONICS];
    const struct tb_hpn_bend bend = {.tilt_db = tilt_of(n, v), .balance = n->bend.odd_even};
    tb_hpn_levels(&v->hpn, &n->curve, raw + n->head_at[0], v->aim.f0_hz / n->rate_hz, &bend, amp);
    for (unsigned k = 0; n->bend.harmonic_gain != 1.0F && k < n->n_harmonics; k++)
        amp[k] *= n->bend.harmonic_gain;
    tb_hpn_frame(&v->hpn, amp);
}

/* Attention moves towards one place among the tables. */
static void override(const struct tb_neural *n, float *attention)
{
    const float share = n->bend.attention, last = (float)(n->n_tables - 1);
    if (share <= 0.0F)
        return;
    const float place = n->bend.table < last ? n->bend.table : last;
    float sum = 0.0F;
    for (unsigned k = 0; k < n->n_tables; k++)
        sum += attention[k];
    for (unsigned k = 0; k < n->n_tables; k++) {
        const float distance = place > (float)k ? place - (float)k : (float)k - place;
        const float wanted = distance < 1.0F ? (1.0F - distance) * sum : 0.0F;
        attention[k] += share * (wanted - attention[k]);
    }
}

static void apply_tables(struct tb_neural *n, struct tb_neural_voice *v, const float *raw)
{
    float attention[TB_WAVETABLE_MAX_TABLES];
    tb_wavetable_attention(n->tables, &n->curve, raw + n->head_at[0], attention);
    override(n, attention);
    for (unsigned k = 0; k < n->n_tables; k++)
        attention[k] *= n->bend.harmonic_gain;
    const float here = (float)v->f0_hz, highest = here > v->aim.f0_hz ? here : v->aim.f0_hz;
    tb_wavetable_frame(&v->wave, attention, TB_WAVETABLE_MARGIN * highest / n->rate_hz);
}

static void apply_noise(struct tb_neural *n, struct tb_neural_voice *v, const float *raw)
{
    float magnitudes[TB_NOISE_MAX_BANDS + 32];
    n->synth->levels(magnitudes, raw + n->head_at[1], n->n_bands, &n->noise_curve);
    for (unsigned k = 0; n->bend.noise_gain != 1.0F && k < n->n_bands; k++)
        magnitudes[k] *= n->bend.noise_gain;
    const float rest = n->hop - n->pos;
    const size_t whole = rest > 0.0F ? (size_t)rest : 0;
    tb_noise_frame(&v->noise, magnitudes, whole + ((float)whole < rest));
}

static void apply_operators(struct tb_neural *n, struct tb_neural_voice *v, const float *raw)
{
    const struct tb_algorithm *a =
        n->routing_now ? &tb_algorithms[n->routing_now - 1] : &n->routing;
    const float modulators = tb_exp2f(tilt_of(n, v) / 12.0F);
    memcpy(v->from, v->to, sizeof v->from);
    for (unsigned op = 0; op < n->n_operators; op++) {
        const float x = raw[n->head_at[0] + op];
        float level = n->family == TB_FAMILY_DDX7 ? 1.0F / (1.0F + tb_exp2f(-LOG2_E * x))
                                                  : tb_clampf(x, 0.0F, 1.0F);
        level *= n->max_level * n->bend.level[op];
        if (!(a->carriers >> op & 1U))
            level *= modulators;
        v->to[op] = tb_clampf(level, 0.0F, LEVEL_MOST);
    }
    const float carrier = tb_neural_fm_level(n, (unsigned)(v - n->voice));
    v->loudest = carrier > v->loudest ? carrier : v->loudest;
}

static void apply_tones(struct tb_neural *n, struct tb_neural_voice *v, const float *raw)
{
    if (n->family == TB_FAMILY_HPN)
        apply_harmonics(n, v, raw);
    else if (n->family == TB_FAMILY_WAVETABLE)
        apply_tables(n, v, raw);
    else
        apply_operators(n, v, raw);
}

void tb_neural_apply(struct tb_neural *n, struct tb_neural_voice *v, bool first)
{
    float mixed[NEURAL_RAW];
    const float *raw = words(n, v, mixed);
    apply_tones(n, v, raw);
    if (first)
        apply_tones(n, v, raw);
    if (n->noise_shape)
        apply_noise(n, v, raw);
}

/* 255 is 1, a step 96/255 dB, 0 silent. */
static uint8_t level_byte(float level)
{
    if (!(level > 1.585e-5F)) /* -96 dB */
        return 0;
    return (uint8_t)tb_clampf(255.5F + tb_gain_db(level) * (255.0F / 96.0F), 1.0F, 255.0F);
}

static uint8_t share_byte(float share)
{
    return (uint8_t)tb_clampf(share * 255.0F + 0.5F, 0.0F, 255.0F);
}

static unsigned view_tables(struct tb_neural *n, const float *raw, uint8_t *view)
{
    float attention[TB_WAVETABLE_MAX_TABLES], sum = 1e-20F;
    tb_wavetable_attention(n->tables, &n->curve, raw + n->head_at[0], attention);
    override(n, attention);
    for (unsigned k = 0; k < n->n_tables; k++)
        sum += attention[k];
    for (unsigned k = 0; k < n->n_tables; k++)
        view[k] = share_byte(attention[k] / sum);
    return n->n_tables;
}

/* At most 65 bands: of finer ones the loudest of each bundle. */
static unsigned view_bands(struct tb_neural *n, const float *raw, uint8_t *view)
{
    enum { MOST = 64 };
    float magnitudes[TB_NOISE_MAX_BANDS + 32];
    n->synth->levels(magnitudes, raw + n->head_at[1], n->n_bands, &n->noise_curve);
    const unsigned bundle = n->n_bands - 1 > MOST ? (n->n_bands - 1) / MOST : 1;
    unsigned count = 0;
    for (unsigned k = 0; k < n->n_bands; k += bundle) {
        float most = 0.0F;
        for (unsigned i = k; i < k + bundle && i < n->n_bands; i++)
            most = magnitudes[i] > most ? magnitudes[i] : most;
        view[count++] = level_byte(most * n->bend.noise_gain);
    }
    return count;
}

void tb_neural_view(struct tb_neural *n, unsigned i, struct tb_frame *frame)
{
    struct tb_neural_voice *v = &n->voice[i];
    struct tb_frame_neural *f = &frame->neural;
    float mixed[NEURAL_RAW];
    const float *raw = words(n, v, mixed);
    f->family = (uint8_t)n->family;
    f->pitch_hz = v->aim.f0_hz;
    f->loudness_db = n->loudness == TB_NEURAL_VELOCITY ? 0.0F : v->aim.loudness;
    unsigned at = 0;
    if (n->family == TB_FAMILY_HPN) {
        f->n_harmonics = (uint8_t)n->n_harmonics;
        for (unsigned k = 0; k < n->n_harmonics; k++)
            f->view[at++] = level_byte(v->hpn.amp[k]);
    }
    if (n->noise_shape) {
        f->n_bands = (uint8_t)view_bands(n, raw, f->view + at);
        at += f->n_bands;
    }
    if (n->family == TB_FAMILY_WAVETABLE)
        f->n_tables = (uint8_t)view_tables(n, raw, f->view + at);
    for (unsigned op = 0; tb_neural_is_fm(n) && op < n->n_operators; op++)
        frame->operator_level[op] = tb_clampf(v->to[op] / n->max_level, 0.0F, 1.0F);
}
