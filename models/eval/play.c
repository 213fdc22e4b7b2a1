/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/play.h"

#include "dsp/hpn.h"
#include "dsp/neural_controls.h"
#include "dsp/noise.h"
#include "dsp/reverb_learned.h"
#include "dsp/wavetable.h"
#include "models/eval/play_priv.h"
#include "models/loudness_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAD = 32 }; /* kernels read and write up to a vector behind the end */

struct tb_player {
    struct tb_model_meta meta;
    struct tb_nn_spec spec;
    struct tb_nn_model *decoder;
    struct tb_nn_bank *bank;
    struct tb_nn_run *run;
    const struct tb_synth_kernels *kernels;
    struct tb_level_curve curve, noise_curve;
    struct tb_loudness_map map;
    size_t hop, n_controls;
    float rate_hz;
    uint32_t seed;
    enum tb_interpolation level_kind;
    struct tb_hpn hpn;
    struct tb_wavetables *tables;
    struct tb_wavetable wavetable;
    bool has_wavetable;
    struct tb_play_fm fm, fm_start;
    struct tb_noise_shape *noise;
    bool cut_noise;
    struct tb_learned_reverb *reverb;
};

static void set_curves(struct tb_player *p)
{
    const struct tb_model_meta *m = &p->meta;
    p->curve = (struct tb_level_curve){(float)m->sigmoid_max, (float)log(m->sigmoid_exponent),
                                       (float)m->sigmoid_floor, 0};
    p->noise_curve = p->curve;
    p->noise_curve.bias = (float)m->noise_bias;
    if (m->family == TB_MODEL_DDX7)
        p->curve = (struct tb_level_curve){(float)m->fm_max_level, 1, 0, 0};
    for (unsigned h = 0; h < p->spec.n_heads; h++)
        p->n_controls += p->spec.head[h];
}

static bool new_decoder(struct tb_player *p, const struct tb_model_file *file,
                        const struct tb_play_options *o, struct tb_error *err)
{
    const struct tb_nn_options options = {o->cpu, TB_NN_N_DTYPES, false};
    p->decoder = tb_model_file_decoder(file, &options, err);
    if (!p->decoder)
        return false;
    p->bank = tb_nn_bank_new(p->decoder, 1);
    p->run = p->bank ? tb_nn_run_new(p->bank) : NULL;
    p->kernels = tb_synth_kernels(tb_nn_model_cpu(p->decoder));
    return p->run && p->kernels;
}

static bool new_synth(struct tb_player *p, const struct tb_model_file *file, bool dry)
{
    const struct tb_model_meta *m = &p->meta;
    const float model_hz = (float)m->sample_rate;
    const float limit = 0.5f * (model_hz < p->rate_hz ? model_hz : p->rate_hz) / p->rate_hz;
    if (m->family == TB_MODEL_HPN)
        tb_hpn_init(&p->hpn, p->kernels, (unsigned)m->n_harmonics, limit);
    else if (m->family == TB_MODEL_DDX7)
        tb_play_fm_init(&p->fm_start, file);
    else {
        p->tables = tb_wavetables_new(p->kernels, file->wavetables, (unsigned)m->n_tables,
                                      (unsigned)m->table_size);
        p->has_wavetable = p->tables && tb_wavetable_init(&p->wavetable, p->tables, limit);
        if (!p->has_wavetable)
            return false;
    }
    if (m->family != TB_MODEL_DDX7) {
        p->noise = tb_noise_shape_new(p->kernels, (unsigned)m->n_bands, model_hz, p->rate_hz);
        if (!p->noise)
            return false;
    }
    if (dry || !file->impulse || file->n_impulse < 2)
        return true;
    p->reverb = tb_learned_reverb_new(file->impulse, file->n_impulse, (float)m->reverb_rate,
                                      p->rate_hz, tb_nn_model_cpu(p->decoder));
    return p->reverb != NULL;
}

struct tb_player *tb_player_new(const struct tb_model_file *file,
                                const struct tb_play_options *options, struct tb_error *err)
{
    const struct tb_model_meta *m = &file->meta;
    const double rate = options->rate_hz > 0 ? (double)options->rate_hz : m->sample_rate;
    const double hop = rate * m->hop / m->sample_rate;
    if (m->family == TB_MODEL_FM_ENVELOPE) {
        (void)tb_fail(err, TB_EUNSUPPORTED, "family: fm_envelope has no sound without a patch");
        return NULL;
    }
    if (rate < 8000 || rate > 192000 || hop != floor(hop)) {
        (void)tb_fail(err, TB_EINVAL, "rate: %g Hz does not make whole frames of %d at %d Hz", rate,
                      m->hop, m->sample_rate);
        return NULL;
    }
    struct tb_player *p = calloc(1, sizeof *p);
    (void)tb_fail(err, TB_ENOMEM, "no memory for the player");
    if (p) {
        p->meta = *m;
        p->spec = file->spec;
        p->hop = (size_t)hop;
        p->rate_hz = (float)rate;
        p->seed = options->seed;
        p->cut_noise = options->cut_noise;
        p->level_kind =
            options->held ? TB_INTERPOLATE_NEAREST : (enum tb_interpolation)m->interpolation_level;
        set_curves(p);
        if (!options->uncorrected)
            tb_loudness_map_of(m, &p->map);
    }
    if (!p || !new_decoder(p, file, options, err) || !new_synth(p, file, options->dry)) {
        tb_player_free(p);
        return NULL;
    }
    return p;
}

void tb_player_free(struct tb_player *player)
{
    if (!player)
        return;
    tb_nn_run_free(player->run);
    tb_nn_bank_free(player->bank);
    tb_nn_model_free(player->decoder);
    if (player->has_wavetable)
        tb_wavetable_clear(&player->wavetable);
    tb_wavetables_free(player->tables);
    tb_noise_shape_free(player->noise);
    tb_learned_reverb_free(player->reverb);
    free(player);
}

size_t tb_player_hop(const struct tb_player *player)
{
    return player->hop;
}

size_t tb_player_controls(const struct tb_player *player)
{
    return player->n_controls;
}

void tb_player_map(struct tb_player *player, const struct tb_loudness_map *map)
{
    player->map = *map;
}

static void scale_inputs(const struct tb_player *p, const struct tb_curve *c, size_t t, float in[2])
{
    const struct tb_model_meta *m = &p->meta;
    in[0] = tb_scale_pitch((enum tb_pitch_scale)m->pitch_scaling, c->f0_hz[t], (float)m->pitch_mean,
                           (float)m->pitch_deviation);
    in[1] = tb_scale_loudness(tb_map_loudness(&p->map, c->loudness_db[t], c->f0_hz[t]),
                              (float)m->loudness_floor_db, (float)m->loudness_range_db);
}

/* The raw outputs of every frame, heads side by side: [n][n_controls] and PAD behind. */
static float *decode_raw(struct tb_player *p, const struct tb_curve *c)
{
    float *raw = calloc(c->n * p->n_controls + PAD, sizeof *raw);
    if (!raw)
        return NULL;
    const uint8_t slot = 0;
    tb_nn_reset(p->bank, 0);
    float *to = raw;
    for (size_t t = 0; t < c->n; t++) {
        float in[2];
        scale_inputs(p, c, t, in);
        tb_nn_begin(p->run, &slot, 1, in);
        (void)tb_nn_advance(p->run, UINT64_MAX);
        for (unsigned h = 0; h < p->spec.n_heads; h++) {
            memcpy(to, tb_nn_head(p->run, 0, h), p->spec.head[h] * sizeof *to);
            to += p->spec.head[h];
        }
    }
    return raw;
}

bool tb_player_decode(struct tb_player *player, const struct tb_curve *curve, float *controls)
{
    float *raw = decode_raw(player, curve);
    if (!raw)
        return false;
    const size_t n0 = player->spec.head[0];
    float levels[TB_NN_MAX_HEAD + PAD];
    for (size_t t = 0; t < curve->n; t++) {
        const float *row = raw + t * player->n_controls;
        float *to = controls + t * player->n_controls;
        player->kernels->levels(levels, row, n0, &player->curve);
        memcpy(to, levels, n0 * sizeof *to);
        if (player->n_controls == n0)
            continue;
        player->kernels->levels(levels, row + n0, player->n_controls - n0, &player->noise_curve);
        memcpy(to + n0, levels, (player->n_controls - n0) * sizeof *to);
    }
    free(raw);
    return true;
}

/* One rendering under way. */
struct pass {
    struct tb_player *p;
    const struct tb_curve *c;
    const float *raw;
    float *f0_cps, *weight; /* [samples], [hop] */
    float levels[2][TB_NN_MAX_HEAD + PAD];
};

/* Half a frame for values that stand in the middle of their frame, else 0. */
static size_t lead_of(enum tb_interpolation kind, size_t hop)
{
    return kind == TB_INTERPOLATE_LINEAR_CENTRE ? hop / 2 : 0;
}

static double cps_at(const struct pass *s, long t)
{
    const long last = (long)s->c->n - 1;
    const float hz = s->c->f0_hz[t < 0 ? 0 : t > last ? last : t];
    return hz > 0 ? (double)hz / (double)s->p->rate_hz : 0;
}

static void pitch_curve(struct pass *s)
{
    const size_t hop = s->p->hop, samples = s->c->n * hop;
    const enum tb_interpolation kind = (enum tb_interpolation)s->p->meta.interpolation_f0;
    const size_t lead = lead_of(kind, hop);
    tb_frame_weights(kind, 0, (float)hop, s->weight, hop);
    for (size_t i = 0; i < lead && i < samples; i++)
        s->f0_cps[i] = (float)cps_at(s, 0);
    long t = 0;
    for (size_t at = lead; at < samples; at += hop, t++)
        tb_pitch_ramp(cps_at(s, t), cps_at(s, t + 1), s->weight, s->f0_cps + at,
                      samples - at < hop ? samples - at : hop);
}

/* The levels of frame t become the target; what was the target becomes the start. */
static void push_frame(struct pass *s, size_t t)
{
    struct tb_player *p = s->p;
    const float *raw = s->raw + t * p->n_controls;
    const float here = (float)cps_at(s, (long)t), last = (float)cps_at(s, (long)t - 1);
    if (p->meta.family == TB_MODEL_HPN) {
        tb_hpn_levels(&p->hpn, &p->curve, raw, here, NULL, s->levels[0]);
        tb_hpn_frame(&p->hpn, s->levels[0]);
    } else if (p->meta.family == TB_MODEL_WAVETABLE) {
        tb_wavetable_attention(p->tables, &p->curve, raw, s->levels[0]);
        tb_wavetable_frame(&p->wavetable, s->levels[0],
                           TB_WAVETABLE_MARGIN * (here > last ? here : last));
    } else {
        memcpy(s->levels[0], s->levels[1], sizeof s->levels[0]);
        p->kernels->levels(s->levels[1], raw, p->spec.head[0], &p->curve);
    }
}

static void tone(struct pass *s, size_t first, size_t n, float *out)
{
    struct tb_player *p = s->p;
    const float *f0 = s->f0_cps + first;
    if (p->meta.family == TB_MODEL_HPN) {
        tb_hpn_render(&p->hpn, f0, s->weight, out + first, n);
    } else if (p->meta.family == TB_MODEL_WAVETABLE) {
        tb_wavetable_render(&p->wavetable, f0, s->weight, out + first, n);
    } else {
        tb_play_fm_render(&p->fm,
                          &(struct tb_play_ramp){f0, s->weight, s->levels[0], s->levels[1], n},
                          out + first);
        for (size_t i = 0; i < n; i++)
            out[first + i] /= (float)p->meta.fm_max_level;
    }
}

static void render_tone(struct pass *s, float *out)
{
    struct tb_player *p = s->p;
    const size_t hop = p->hop, samples = s->c->n * hop, lead = lead_of(p->level_kind, hop);
    tb_frame_weights(p->level_kind, 0, (float)hop, s->weight, hop);
    tb_hpn_reset(&p->hpn);
    if (p->has_wavetable)
        tb_wavetable_reset(&p->wavetable);
    p->fm = p->fm_start;
    push_frame(s, 0);
    push_frame(s, 0);
    tone(s, 0, lead, out);
    size_t at = lead;
    for (size_t t = 0; at < samples; t++) {
        const size_t n = samples - at < hop ? samples - at : hop;
        push_frame(s, t + 1 < s->c->n ? t + 1 : t);
        tone(s, at, n, out);
        at += n;
    }
}

/* The middle of the filter is late, so noise is given the frame that the tones are on the way to;
 * with as many bands as samples a frame that puts both on the same sample but one. */
static bool render_noise(struct pass *s, float *out)
{
    struct tb_player *p = s->p;
    struct tb_noise noise;
    if (!tb_noise_init(&noise, p->noise, p->seed))
        return false;
    for (size_t t = 0; t < s->c->n; t++) {
        const size_t next = t + 1 < s->c->n ? t + 1 : t;
        const float *raw = s->raw + next * p->n_controls + p->spec.head[0];
        p->kernels->levels(s->levels[0], raw, p->spec.head[1], &p->noise_curve);
        tb_noise_frame(&noise, s->levels[0], 0);
        if (p->cut_noise)
            memset(tb_noise_middle(&noise), 0, (p->noise->half + 1) * sizeof(float));
        tb_noise_render(&noise, out + t * p->hop, p->hop);
    }
    tb_noise_clear(&noise);
    return true;
}

static bool add_reverb(struct tb_player *p, float *audio, size_t n)
{
    float *wet = p->reverb ? malloc(n * sizeof *wet) : NULL;
    if (!p->reverb)
        return true;
    if (!wet)
        return false;
    tb_learned_reverb_reset(p->reverb);
    tb_learned_reverb_process(p->reverb, audio, wet, n);
    for (size_t i = 0; i < n; i++)
        audio[i] += wet[i];
    free(wet);
    return true;
}

bool tb_player_render(struct tb_player *player, const struct tb_curve *curve, float *audio)
{
    const size_t samples = curve->n * player->hop;
    memset(audio, 0, samples * sizeof *audio);
    if (curve->n == 0)
        return true;
    struct pass *s = calloc(1, sizeof *s);
    float *raw = s ? decode_raw(player, curve) : NULL;
    bool good = raw != NULL;
    if (good) {
        *s = (struct pass){.p = player, .c = curve, .raw = raw};
        s->f0_cps = malloc((samples + PAD) * sizeof *s->f0_cps);
        s->weight = malloc((player->hop + PAD) * sizeof *s->weight);
        good = s->f0_cps && s->weight;
    }
    if (good) {
        pitch_curve(s);
        render_tone(s, audio);
        good = (!player->noise || render_noise(s, audio)) && add_reverb(player, audio, samples);
    }
    if (s) {
        free(s->f0_cps);
        free(s->weight);
    }
    free(s);
    free(raw);
    return good;
}
