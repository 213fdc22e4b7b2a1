/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/evaluate.h"

#include "models/neural_spec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the metadata says about the features; "causal 1, ahead 4". */
static unsigned ahead_of(const struct tb_model_meta *m)
{
    const char *at = strstr(m->analysis, "ahead ");
    const unsigned long frames = at ? strtoul(at + 6, NULL, 10) : 0;
    return frames < 64 ? (unsigned)frames : 0;
}

static void describe_analysis(struct tb_evaluation *e, const struct tb_model_meta *m)
{
    static const enum tb_analysis_loudness kinds[] = {
        [TB_LOUDNESS_A_WEIGHTED] = TB_ANALYSIS_A_WEIGHTED,
        [TB_LOUDNESS_MAGENTA_V2] = TB_ANALYSIS_MAGENTA_V2,
        [TB_LOUDNESS_RMS] = TB_ANALYSIS_RMS,
        [TB_LOUDNESS_VELOCITY] = TB_ANALYSIS_RMS};
    e->has_loudness = m->loudness_kind != TB_LOUDNESS_VELOCITY;
    e->ahead = ahead_of(m);
    e->analysis = (struct tb_analysis_config){.rate_hz = TB_ANALYSIS_RATE_HZ,
                                              .gate_db = -60,
                                              .loudness = kinds[m->loudness_kind],
                                              .n_fft = (unsigned)m->loudness_n_fft,
                                              .reference_db = (float)m->loudness_reference_db,
                                              .floor_db = (float)m->loudness_floor_db};
}

bool tb_evaluation_begin(struct tb_evaluation *e, const struct tb_model_file *file,
                         const struct tb_play_options *options, struct tb_error *err)
{
    const struct tb_model_meta *m = &file->meta;
    *e = (struct tb_evaluation){.file = file};
    if (m->sample_rate != TB_ANALYSIS_RATE_HZ || m->hop != TB_ANALYSIS_HOP) {
        (void)tb_fail(err, TB_EUNSUPPORTED, "sample_rate, hop: %d Hz, %d; evaluation has %d and %d",
                      m->sample_rate, m->hop, TB_ANALYSIS_RATE_HZ, TB_ANALYSIS_HOP);
        return false;
    }
    describe_analysis(e, m);
    e->player = tb_player_new(file, options, err);
    return e->player != NULL;
}

void tb_evaluation_clear(struct tb_evaluation *e)
{
    tb_player_free(e->player);
    e->player = NULL;
}

static void add_clicks(struct tb_clicks *sum, double before_s, const float *x, size_t n)
{
    struct tb_clicks c;
    tb_measure_clicks(x, n, &c);
    sum->n += c.n;
    if (c.largest > sum->largest) {
        sum->largest = c.largest;
        sum->at_s = before_s + c.at_s;
    }
}

/* What is compared in the mel domain. */
static bool add_spectra(struct tb_evaluation *e, const float *audio, const float *reference,
                        size_t n)
{
    const size_t frames = tb_mel_frames(n);
    struct tb_mel_frame *a = calloc(frames + 1, sizeof *a), *b = calloc(frames + 1, sizeof *b);
    const bool good = a && b && tb_mel(audio, n, a) && tb_mel(reference, n, b);
    if (good) {
        const double apart = tb_measure_envelope_db(a, b, frames);
        tb_frechet_add(&e->ours, a, frames);
        tb_frechet_add(&e->reference, b, frames);
        tb_brightness_add(&e->bright, a, frames);
        tb_brightness_add(&e->reference_bright, b, frames);
        e->envelope_db += isfinite(apart) ? apart : 0;
        e->n_envelopes += isfinite(apart) ? 1 : 0;
    }
    free(a);
    free(b);
    return good;
}

static enum tb_status add_following(struct tb_evaluation *e, const struct tb_asked *asked,
                                    const float *audio, const float *reference,
                                    struct tb_error *err)
{
    struct tb_asked a = *asked;
    a.ahead = e->ahead;
    a.floor_db = (float)e->file->meta.loudness_floor_db;
    enum tb_status status = TB_OK;
    if (e->has_loudness)
        status = tb_measure_follow(audio, &a, &e->analysis, &e->follow, err);
    if (status == TB_OK && e->has_loudness)
        status = tb_measure_follow(reference, &a, &e->analysis, &e->reference_follow, err);
    return status;
}

enum tb_status tb_evaluation_add(struct tb_evaluation *e, const struct tb_asked *asked,
                                 const float *reference, float *audio, struct tb_error *err)
{
    const struct tb_curve curve = {asked->f0_hz, asked->loudness_db, asked->n};
    const size_t n = asked->n * TB_ANALYSIS_HOP;
    const double before_s = (double)e->n_samples / TB_ANALYSIS_RATE_HZ;
    if (!tb_player_render(e->player, &curve, audio))
        return tb_fail(err, TB_ENOMEM, "out of memory");
    if (!add_spectra(e, audio, reference, n))
        return tb_fail(err, TB_ENOMEM, "out of memory");
    e->loss += tb_measure_mss(audio, reference, n, false);
    e->loss_levelled += tb_measure_mss(audio, reference, n, true);
    e->loss_over_noise += tb_measure_mss_over_noise(audio, reference, n);
    add_clicks(&e->clicks, before_s, audio, n);
    add_clicks(&e->reference_clicks, before_s, reference, n);
    e->n_clips++;
    e->n_samples += n;
    return add_following(e, asked, audio, reference, err);
}

/* As the engine plays it. */
static enum tb_status measure_cost(const struct tb_model_file *file, struct tb_eval_result *r,
                                   struct tb_error *err)
{
    struct tb_neural_spec spec;
    struct tb_neural_cost cost;
    tb_neural_spec_of(file, &spec);
    struct tb_neural *neural = tb_neural_new(&spec, 48000, TB_CPU_BEST, err);
    if (!neural)
        return err->status;
    tb_neural_measure(neural, &cost);
    tb_neural_free(neural);
    r->us_per_frame = cost.us_per_frame;
    r->us_per_frame_of_8 = cost.us_per_frame_of_8;
    r->share = cost.share;
    return TB_OK;
}

enum tb_status tb_evaluation_end(struct tb_evaluation *e, struct tb_eval_result *r,
                                 struct tb_error *err)
{
    const double n = (double)e->n_clips;
    const double minutes = (double)e->n_samples / TB_ANALYSIS_RATE_HZ / 60;
    *r = (struct tb_eval_result){
        .n_clips = e->n_clips,
        .minutes = minutes,
        .loss = e->n_clips ? e->loss / n : (double)NAN,
        .loss_levelled = e->n_clips ? e->loss_levelled / n : (double)NAN,
        .loss_over_noise = e->n_clips ? e->loss_over_noise / n : (double)NAN,
        .frechet = tb_frechet_distance(&e->ours, &e->reference),
        .envelope_db = e->n_envelopes ? e->envelope_db / (double)e->n_envelopes : (double)NAN,
        .clicks = e->clicks,
        .reference_clicks = e->reference_clicks,
        .clicks_a_minute = e->n_clips ? (double)e->clicks.n / minutes : (double)NAN,
        .reference_clicks_a_minute =
            e->n_clips ? (double)e->reference_clicks.n / minutes : (double)NAN,
        .brightness = tb_brightness(&e->bright),
        .reference_brightness = tb_brightness(&e->reference_bright),
    };
    tb_measure_follow_end(&e->follow, &r->follow);
    tb_measure_follow_end(&e->reference_follow, &r->reference);
    enum tb_status status = measure_cost(e->file, r, err);
    return status == TB_OK ? tb_evaluation_probe(e, &r->probe, err) : status;
}
