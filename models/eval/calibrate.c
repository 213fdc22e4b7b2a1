/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/calibrate.h"

#include "models/eval/evaluate.h"
#include "models/loudness_map.h"
#include "models/train/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MIDDLE = 120,
    BINS = 2 * MIDDLE + 1, /* of a quarter of a dB, no error in the middle */
    A_SECOND = TB_ANALYSIS_RATE_HZ / TB_ANALYSIS_HOP,
    PITCHES = TB_LOUDNESS_MAX_PITCHES,
    LEVELS = TB_LOUDNESS_MAX_LEVELS,
};
static const double BIN_DB = 0.25;
static const double MOST_DB = 10;    /* of an offset */
static const double FEW_FRAMES = 80; /* of which a crossing is believed half */
static const double NEAR = 0.2;      /* what a frame counts for at the pitches beside its own */
/* of a step: what is asked for rises by so much at least, and so much at most */
static const double LEAST_RISE = 0.4, MOST_RISE = 1.8;
static const double WORTH_DB = 0.05;

struct errors {
    double bin[PITCHES][LEVELS][BINS]; /* frames, by the error of their loudness */
    double sum, n;                     /* absolute, of all frames */
};

struct work {
    struct tb_evaluation e;
    struct tb_loudness_map map, best;
    struct errors errors;
    const float *asked_db; /* of the clip */
    const float *f0_hz;
    float audio[TB_CLIP_SAMPLES];
};

static void share(double x, unsigned n, unsigned at[2], double weight[2])
{
    const double held = fmax(0, fmin(x, n - 1));
    at[0] = (unsigned)held;
    at[1] = at[0] + 1 < n ? at[0] + 1 : at[0];
    weight[1] = held - at[0];
    weight[0] = 1 - weight[1];
}

/* A frame counts at the four crossings around it, more the nearer it is. */
static void add_frame(void *context, size_t t, const struct tb_analysis_frame *heard)
{
    struct work *w = context;
    const struct tb_loudness_map *m = &w->map;
    const double want = (double)w->asked_db[t], error = (double)heard->loudness_db - want;
    unsigned p[2], l[2];
    double up[2], along[2];
    if (want < (double)m->floor_db + (double)m->step_db || !(w->f0_hz[t] > 0))
        return;
    share((log2((double)w->f0_hz[t]) - (double)m->low_octave) / (double)m->octaves, m->n_pitches, p,
          up);
    share((want - (double)m->floor_db) / (double)m->step_db, m->n_levels, l, along);
    const double place = fmax(0, fmin(BINS - 1, error / BIN_DB + MIDDLE + 0.5));
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++)
            w->errors.bin[p[i]][l[k]][(unsigned)place] += up[i] * along[k];
    if (want > (double)m->floor_db + 10) { /* as tb_measure_follow counts */
        w->errors.sum += fabs(error);
        w->errors.n++;
    }
}

static double median(const double *bin, double *n)
{
    double below = 0;
    *n = 0;
    for (int i = 0; i < BINS; i++)
        *n += bin[i];
    for (int i = 0; i < BINS; i++) {
        below += bin[i];
        if (below * 2 >= *n)
            return (i - MIDDLE) * BIN_DB;
    }
    return 0;
}

/* Crossings that nothing was heard at become the mean of their neighbours. */
static void spread(double offset[PITCHES][LEVELS], bool known[PITCHES][LEVELS],
                   const struct tb_loudness_map *m)
{
    for (int sweep = 0; sweep < 4 * LEVELS; sweep++)
        for (unsigned p = 0; p < m->n_pitches; p++)
            for (unsigned l = 1; l < m->n_levels; l++) {
                if (known[p][l])
                    continue;
                const unsigned before = p > 0 ? p - 1 : p;
                const unsigned after = p + 1 < m->n_pitches ? p + 1 : p;
                const unsigned next = l + 1 < m->n_levels ? l + 1 : l;
                offset[p][l] =
                    (offset[before][l] + offset[after][l] + offset[p][l - 1] + offset[p][next]) / 4;
            }
}

/* In tenths of a dB, and always rising. */
static void settle(double offset[PITCHES][LEVELS], struct tb_loudness_map *m)
{
    const double step_db = (double)m->step_db;
    for (unsigned p = 0; p < m->n_pitches; p++)
        for (unsigned l = 1; l < m->n_levels; l++) {
            const double last = (double)m->offset_db[p][l - 1];
            const double least = fmax(last - (1 - LEAST_RISE) * step_db, -MOST_DB);
            const double most = fmin(last + (MOST_RISE - 1) * step_db, MOST_DB);
            m->offset_db[p][l] = (float)(rint(fmax(least, fmin(offset[p][l], most)) * 10) / 10);
        }
}

/* The frames of a crossing and some of those beside it. */
static void gather(const struct work *w, unsigned p, unsigned l, double bin[BINS])
{
    const unsigned last = w->map.n_pitches - 1;
    const double *below = w->errors.bin[p > 0 ? p - 1 : p][l];
    const double *above = w->errors.bin[p < last ? p + 1 : p][l];
    for (int i = 0; i < BINS; i++)
        bin[i] = w->errors.bin[p][l][i] + NEAR * (below[i] + above[i]);
}

static void correct(struct work *w)
{
    double offset[PITCHES][LEVELS] = {{0}};
    bool known[PITCHES][LEVELS] = {{false}};
    for (unsigned p = 0; p < w->map.n_pitches; p++)
        for (unsigned l = 1; l < w->map.n_levels; l++) {
            double n, bin[BINS];
            gather(w, p, l, bin);
            const double error = median(bin, &n);
            const double trust = n / (n + FEW_FRAMES);
            known[p][l] = n >= FEW_FRAMES / 4;
            offset[p][l] = (double)w->map.offset_db[p][l] - 0.8 * trust * error;
        }
    spread(offset, known, &w->map);
    settle(offset, &w->map);
}

static bool stopped(const struct tb_calibrate_options *o)
{
    return o->stop && *o->stop;
}

/* Everything once under the offsets of now. */
static enum tb_status play(struct work *w, const struct tb_calibrate_options *o, size_t clips,
                           struct tb_error *err)
{
    const size_t all = tb_dataset_n_clips(o->data, TB_SPLIT_TRAIN);
    enum tb_status status = TB_OK;
    memset(&w->errors, 0, sizeof w->errors);
    tb_player_map(w->e.player, &w->map);
    for (size_t i = 0; i < clips && status == TB_OK && !stopped(o); i++) {
        const struct tb_dataset_clip c = tb_dataset_clip(o->data, TB_SPLIT_TRAIN, i * all / clips);
        const struct tb_curve curve = {c.f0_hz, c.loudness_db, TB_CLIP_FRAMES};
        const struct tb_asked asked = {c.f0_hz, c.loudness_db, NULL, TB_CLIP_FRAMES, w->e.ahead, 0};
        w->asked_db = c.loudness_db;
        w->f0_hz = c.f0_hz;
        if (!tb_player_render(w->e.player, &curve, w->audio))
            return tb_fail(err, TB_ENOMEM, "out of memory");
        status = tb_measure_heard(w->audio, &asked, &w->e.analysis,
                                  &(struct tb_heard){add_frame, w}, err);
    }
    return status;
}

static enum tb_status rounds(struct work *w, const struct tb_calibrate_options *o,
                             struct tb_calibrate_report *r, struct tb_error *err)
{
    double last = INFINITY;
    for (r->rounds = 0; r->rounds < o->rounds; r->rounds++) {
        const enum tb_status status = play(w, o, r->n_clips, err);
        r->stopped = stopped(o);
        if (status != TB_OK || r->stopped)
            return status;
        if (w->errors.n < A_SECOND)
            break;
        const double error = w->errors.sum / w->errors.n;
        if (r->rounds == 0)
            r->before_db = r->after_db = error;
        if (error < r->after_db) {
            r->after_db = error;
            w->best = w->map;
        }
        if (error > last - 0.02)
            break;
        last = error;
        correct(w);
    }
    return TB_OK;
}

/* Half an octave a row, and steps of about 5 dB. */
static void lay_out(struct tb_model_meta *meta, struct tb_loudness_map *map)
{
    struct tb_model_grid *g = &meta->loudness_offsets;
    const double octaves = log2(meta->pitch_high_hz / meta->pitch_low_hz);
    memset(g, 0, sizeof *g);
    g->n_rows = (unsigned)fmin(PITCHES, 1 + ceil(2 * octaves));
    g->n_columns = (unsigned)fmax(2, fmin(LEVELS, 1 + rint(meta->loudness_range_db / 5)));
    tb_loudness_map_of(meta, map);
}

enum tb_status tb_calibrate(const struct tb_model_file *file, const struct tb_calibrate_options *o,
                            struct tb_model_meta *meta, struct tb_calibrate_report *report,
                            struct tb_error *err)
{
    const size_t all = tb_dataset_n_clips(o->data, TB_SPLIT_TRAIN);
    struct tb_model_meta made = file->meta;
    *report = (struct tb_calibrate_report){.n_clips = all < o->clips ? all : o->clips};
    if (file->meta.loudness_kind == TB_LOUDNESS_VELOCITY)
        return tb_fail(err, TB_EUNSUPPORTED, "loudness_kind: a velocity is not heard");
    struct work *w = calloc(1, sizeof *w);
    if (!w)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    const struct tb_play_options play = {.cpu = TB_NN_CPU_BEST, .seed = 1, .uncorrected = true};
    enum tb_status status = tb_evaluation_begin(&w->e, file, &play, err) ? TB_OK : err->status;
    w->e.analysis.gate_db = 0; /* nothing is voiced, so no time goes into pitch */
    lay_out(&made, &w->map);
    if (status == TB_OK)
        status = rounds(w, o, report, err);
    report->worth =
        status == TB_OK && !report->stopped && report->after_db < report->before_db - WORTH_DB;
    for (unsigned p = 0; report->worth && p < w->best.n_pitches; p++)
        memcpy(made.loudness_offsets.value[p], w->best.offset_db[p], sizeof w->best.offset_db[p]);
    if (!report->worth)
        memset(&made.loudness_offsets, 0, sizeof made.loudness_offsets);
    *meta = made;
    tb_evaluation_clear(&w->e);
    free(w);
    return status;
}

enum tb_status tb_calibrate_file(const char *path, const struct tb_calibrate_options *options,
                                 struct tb_calibrate_report *report, struct tb_error *err)
{
    struct tb_model model;
    struct tb_model_meta meta;
    size_t size = 0;
    if (!tb_model_open(path, &model, err))
        return err->status;
    enum tb_status status = tb_calibrate(model.file, options, &meta, report, err);
    if (status == TB_OK && !report->stopped) {
        void *out = tb_model_file_with(model.data, model.size, &meta, &size, err);
        status = out ? tb_file_write(path, out, size, err) : err->status;
        free(out);
    }
    tb_model_close(&model);
    return status;
}
