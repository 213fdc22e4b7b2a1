/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/evaluate.h"

#include <math.h>
#include <stdlib.h>

/* Frames of a probe: silence, a rise, silence. */
enum { BEFORE = 250, RISE = 750, AFTER = 750, FRAMES = BEFORE + RISE + AFTER, HOP = 64 };
enum { HALF_SECOND = 8000 };

void tb_brightness_add(struct tb_brightness_sums *s, const struct tb_mel_frame *frames, size_t n)
{
    for (size_t t = 0; t < n; t++) {
        if (!(frames[t].total > 1e-5f) || !(frames[t].centroid_hz > 20))
            continue;
        const double x = log10((double)frames[t].total); /* in 10 dB */
        const double y = log2((double)frames[t].centroid_hz);
        s->n++;
        s->x += x;
        s->y += y;
        s->xx += x * x;
        s->xy += x * y;
    }
}

double tb_brightness(const struct tb_brightness_sums *s)
{
    const double spread = s->xx - s->x * s->x / s->n;
    return s->n > 8 && spread > 1e-3 * s->n ? (s->xy - s->x * s->y / s->n) / spread : (double)NAN;
}

struct probe {
    float f0_hz[FRAMES], loudness_db[FRAMES], audio[FRAMES * HOP];
    struct tb_mel_frame mel[FRAMES * HOP / TB_MEL_HOP];
};

static void make_curves(struct probe *p, const struct tb_model_meta *m, double octave)
{
    const double high = m->loudness_high_db, low = fmax(m->loudness_low_db, high - 40);
    for (size_t t = 0; t < FRAMES; t++) {
        const double along = ((double)t - BEFORE) / RISE;
        const bool sounds = t >= BEFORE && t < BEFORE + RISE;
        p->f0_hz[t] = (float)exp2(octave);
        p->loudness_db[t] = (float)(sounds ? low + (high - low) * along : m->loudness_floor_db);
    }
}

/* Only while it rises: what is asked for in silence is not what correlation is about. */
static enum tb_status rise_correlation(struct tb_evaluation *e, const struct probe *p,
                                       double *correlation, struct tb_error *err)
{
    struct tb_follow_sums sums = {0};
    struct tb_follow follow;
    const struct tb_asked asked = {
        p->f0_hz, p->loudness_db, NULL, FRAMES, e->ahead, (float)e->file->meta.loudness_floor_db};
    enum tb_status status = tb_measure_follow(p->audio, &asked, &e->analysis, &sums, err);
    tb_measure_follow_end(&sums, &follow);
    *correlation = follow.correlation;
    return status;
}

static enum tb_status probe_pitch(struct tb_evaluation *e, struct probe *p, double octave,
                                  struct tb_probe *result, struct tb_error *err)
{
    struct tb_brightness_sums sums = {0};
    struct tb_clicks clicks;
    double correlation = (double)NAN;
    const float *rise = p->audio + BEFORE * HOP, *end = p->audio + FRAMES * HOP;
    make_curves(p, &e->file->meta, octave);
    if (!tb_player_render(e->player, &(struct tb_curve){p->f0_hz, p->loudness_db, FRAMES},
                          p->audio) ||
        !tb_mel(rise, RISE * HOP, p->mel))
        return tb_fail(err, TB_ENOMEM, "out of memory");
    tb_brightness_add(&sums, p->mel, tb_mel_frames(RISE * HOP));
    tb_measure_clicks(p->audio, FRAMES * HOP, &clicks);
    const double before = tb_measure_level_db(rise - HALF_SECOND - HOP, HALF_SECOND);
    const double after = tb_measure_level_db(end - HALF_SECOND, HALF_SECOND);
    enum tb_status status = TB_OK;
    if (e->has_loudness)
        status = rise_correlation(e, p, &correlation, err);
    result->silence_db = fmax(result->silence_db, fmax(before, after));
    result->correlation = fmin(result->correlation, isnan(correlation) ? 0 : correlation);
    result->brightness += tb_brightness(&sums) / 3;
    result->clicks.n += clicks.n;
    if (clicks.largest > result->clicks.largest) {
        result->clicks.largest = clicks.largest;
        result->clicks.at_s = clicks.at_s;
    }
    return status;
}

enum tb_status tb_evaluation_probe(struct tb_evaluation *e, struct tb_probe *result,
                                   struct tb_error *err)
{
    const double low = log2(e->file->meta.pitch_low_hz);
    const double high = log2(fmax(e->file->meta.pitch_high_hz, e->file->meta.pitch_low_hz));
    struct probe *p = malloc(sizeof *p);
    if (!p)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    *result = (struct tb_probe){.silence_db = -160, .correlation = 1};
    enum tb_status status = TB_OK;
    for (int i = 0; i < 3 && status == TB_OK; i++)
        status = probe_pitch(e, p, low + (high - low) * 0.5 * i, result, err);
    if (!e->has_loudness)
        result->correlation = (double)NAN;
    free(p);
    return status;
}
