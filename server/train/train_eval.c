/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_eval.h"

#include "models/eval/calibrate.h"
#include "models/train/file.h"
#include "server/train/train_entry.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PHRASES = 8, SHOWN = 6 };

enum tb_status tb_eval_clip(struct tb_eval_source *s, size_t i, struct tb_asked *asked,
                            const float **reference, struct tb_error *err)
{
    *asked = (struct tb_asked){s->f0_hz, s->loudness_db, NULL, TB_CLIP_FRAMES, 0, 0};
    if (s->dataset) {
        const size_t all = tb_dataset_n_clips(s->dataset, TB_SPLIT_TEST);
        const struct tb_dataset_clip c = tb_dataset_clip(s->dataset, TB_SPLIT_TEST, i * all / s->n);
        *asked = (struct tb_asked){c.f0_hz, c.loudness_db, c.confidence, TB_CLIP_FRAMES, 0, 0};
        *reference = c.audio;
    } else {
        tb_phrase(s->meta, i + 1, TB_CLIP_FRAMES, s->f0_hz, s->loudness_db);
    }
    if (!s->against)
        return TB_OK;
    *reference = s->reference;
    const struct tb_curve curve = {asked->f0_hz, asked->loudness_db, TB_CLIP_FRAMES};
    return tb_player_render(s->against, &curve, s->reference)
               ? TB_OK
               : tb_fail(err, TB_ENOMEM, "out of memory");
}

/* Curves mean something to a model only in the units that it was trained on. */
static enum tb_status check_units(const struct tb_model_meta *m, const struct tb_dataset_info *d,
                                  struct tb_error *err)
{
    static const char *const kinds[] = {"a_weighted_db", "magenta_v2", "rms_db", "velocity"};
    if (strcmp(kinds[m->loudness_kind], d->loudness_kind) != 0)
        return tb_fail(err, TB_EINVAL, "loudness_kind: the model has %s, the data set %s",
                       kinds[m->loudness_kind], d->loudness_kind);
    if (fabs(m->loudness_reference_db - (double)d->loudness_reference_db) > 1e-3)
        return tb_fail(err, TB_EINVAL, "loudness_reference_db: the model has %g, the data set %g",
                       m->loudness_reference_db, (double)d->loudness_reference_db);
    return TB_OK;
}

enum tb_status tb_eval_all(const struct tb_model_file *file, const struct tb_play_options *options,
                           struct tb_eval_source *source, struct tb_eval_result *result,
                           struct tb_error *err)
{
    struct tb_evaluation *e = malloc(sizeof *e);
    if (!e)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    enum tb_status status = tb_evaluation_begin(e, file, options, err) ? TB_OK : err->status;
    if (status == TB_OK && source->dataset)
        status = check_units(&file->meta, tb_dataset_info(source->dataset), err);
    for (size_t i = 0; status == TB_OK && i < source->n; i++) {
        struct tb_asked asked;
        const float *reference = NULL;
        status = tb_eval_clip(source, i, &asked, &reference, err);
        if (status == TB_OK)
            status = tb_evaluation_add(e, &asked, reference, source->ours, err);
    }
    if (status == TB_OK)
        status = tb_evaluation_end(e, result, err);
    tb_evaluation_clear(e);
    free(e);
    return status;
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *tb_eval_json(const struct tb_eval_result *result)
{
    json_t *out =
        json_pack("{s:I,s:f}", "clips", (json_int_t)result->n_clips, "minutes", result->minutes);
    json_t *reference = json_object();
    for (const struct tb_eval_row *row = tb_eval_rows; row->key; row++) {
        (void)json_object_set_new(out, row->key, number(row->value(result)));
        if (row->reference)
            (void)json_object_set_new(reference, row->key, number(row->reference(result)));
    }
    (void)json_object_set_new(out, "reference", reference);
    return out;
}

/* ---- one model */
static void print_result(const char *name, const struct tb_eval_source *source,
                         const struct tb_eval_result *r)
{
    printf("%s against %s: %zu clips, %.1f minutes\n", name, source->name, r->n_clips, r->minutes);
    for (const struct tb_eval_row *row = tb_eval_rows; row->key; row++) {
        const double value = row->value(r);
        const double other = row->reference ? row->reference(r) : (double)NAN;
        char ours[32] = "-", theirs[48] = "";
        if (isfinite(value))
            (void)snprintf(ours, sizeof ours, "%.*f", row->digits, value);
        if (isfinite(other))
            (void)snprintf(theirs, sizeof theirs, "  (reference %.*f)", row->digits, other);
        printf("  %-28s %10s %s%s\n", row->name, ours, row->unit, theirs);
    }
}

static enum tb_status write_page(const char *path, const struct tb_eval_page *page,
                                 const struct tb_play_options *options,
                                 struct tb_eval_source *source, struct tb_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct tb_player *player = tb_player_new(page->file, options, err);
    enum tb_status status = player ? TB_OK : err->status;
    if (status == TB_OK && !out)
        status = tb_fail(err, TB_ENOMEM, "out of memory");
    if (status == TB_OK)
        tb_report_begin(out, page);
    for (size_t k = 0; status == TB_OK && k < SHOWN && k < source->n; k++) {
        struct tb_asked asked;
        const float *reference = NULL;
        char title[32];
        const size_t i = k * source->n / (source->n < SHOWN ? source->n : SHOWN);
        (void)snprintf(title, sizeof title, "Clip %zu", i + 1);
        status = tb_eval_clip(source, i, &asked, &reference, err);
        const struct tb_curve curve = {asked.f0_hz, asked.loudness_db, asked.n};
        if (status == TB_OK &&
            !(tb_player_render(player, &curve, source->ours) &&
              tb_report_clip(out, title, reference, source->ours, TB_CLIP_SAMPLES)))
            status = tb_fail(err, TB_ENOMEM, "out of memory");
    }
    if (status == TB_OK)
        tb_report_end(out);
    if (out && fclose(out) != 0 && status == TB_OK)
        status = tb_fail(err, TB_ENOMEM, "out of memory");
    if (status == TB_OK)
        status = tb_file_write(path, text, size, err);
    free(text);
    tb_player_free(player);
    return status;
}

/* Corrects the file and opens it again. */
static enum tb_status calibrated(const char *path, const struct tb_dataset *data,
                                 struct tb_model *model, struct tb_error *err)
{
    struct tb_calibrate_report report;
    const struct tb_calibrate_options options = {
        .data = data, .clips = TB_CALIBRATE_CLIPS, .rounds = TB_CALIBRATE_ROUNDS};
    enum tb_status status = check_units(&model->file->meta, tb_dataset_info(data), err);
    if (status == TB_OK)
        status = tb_calibrate_file(path, &options, &report, err);
    if (status != TB_OK)
        return status;
    (void)fprintf(stderr, "loudness error on %zu training clips: %.2f dB, corrected %.2f%s\n",
                  report.n_clips, report.before_db, report.after_db,
                  report.worth ? "" : "; left as it was");
    tb_model_close(model);
    return tb_model_open(path, model, err) ? TB_OK : err->status;
}

static enum tb_status eval_model(const struct tb_args *args, struct tb_eval_source *source,
                                 const struct tb_play_options *options, struct tb_error *err)
{
    const char *html = tb_args_text(args, "html", NULL);
    struct tb_eval_result result = {0};
    struct tb_model model;
    if (!tb_model_open(args->operands[0], &model, err))
        return err->status;
    enum tb_status status = TB_OK;
    if (tb_args_has(args, "calibrate"))
        status = calibrated(args->operands[0], source->dataset, &model, err);
    if (status == TB_OK) {
        source->meta = &model.file->meta;
        status = tb_eval_all(model.file, options, source, &result, err);
    }
    const struct tb_eval_page page = {args->operands[0], source->name, model.file, &result};
    if (status == TB_OK && html)
        status = write_page(html, &page, options, source, err);
    if (status == TB_OK && tb_args_has(args, "json")) {
        json_t *out = tb_eval_json(&result);
        (void)json_object_set_new(out, "model", json_string(args->operands[0]));
        (void)json_object_set_new(out, "against", json_string(source->name));
        (void)json_dumpf(out, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        (void)putchar('\n');
        json_decref(out);
    } else if (status == TB_OK) {
        print_result(args->operands[0], source, &result);
    }
    tb_model_close(&model);
    return status;
}

/* Fills in what the model is compared with, then runs it. */
static enum tb_status with_source(const struct tb_args *args, struct tb_eval_source *source,
                                  const struct tb_play_options *options, struct tb_error *err)
{
    const char *data = tb_args_text(args, "data", NULL);
    const char *against = tb_args_text(args, "against", NULL);
    struct tb_dataset *dataset = NULL;
    struct tb_model other = {0};
    enum tb_status status = TB_OK;
    const size_t most = (size_t)tb_args_number(args, "clips", data ? 32 : PHRASES);
    if (data) {
        dataset = tb_dataset_open(data, err);
        const size_t all = dataset ? tb_dataset_n_clips(dataset, TB_SPLIT_TEST) : 0;
        if (!dataset)
            status = err->status;
        else if (all == 0)
            status = tb_fail(err, TB_EINVAL, "--data: %.80s has no clips in its test split", data);
        source->n = all < most ? all : most;
    } else {
        source->n = most;
    }
    if (status == TB_OK && against) {
        const struct tb_play_options plain = {.cpu = TB_NN_CPU_BEST, .seed = 2};
        status = tb_model_open(against, &other, err) ? TB_OK : err->status;
        source->against = status == TB_OK ? tb_player_new(other.file, &plain, err) : NULL;
        if (status == TB_OK && !source->against)
            status = err->status;
        if (status == TB_OK && tb_player_hop(source->against) != TB_CLIP_HOP)
            status = tb_fail(err, TB_EUNSUPPORTED, "--against: frames of %zu samples, not of %d",
                             tb_player_hop(source->against), TB_CLIP_HOP);
    }
    source->dataset = dataset;
    source->name = against ? against : data;
    if (status == TB_OK)
        status = eval_model(args, source, options, err);
    tb_player_free(source->against);
    tb_model_close(&other);
    tb_dataset_free(dataset);
    return status;
}

enum tb_status tb_train_eval(const struct tb_args *args, struct tb_error *err)
{
    const struct tb_play_options options = {.cpu = TB_NN_CPU_BEST,
                                            .seed = 1,
                                            .dry = tb_args_has(args, "dry"),
                                            .uncorrected = tb_args_has(args, "uncorrected"),
                                            .held = tb_args_has(args, "held"),
                                            .cut_noise = tb_args_has(args, "cut-noise")};
    const bool table = tb_args_has(args, "table");
    if (table == (args->n_operands == 1))
        return tb_fail(err, TB_EINVAL, "MODEL or --table: one of them is needed");
    if (tb_args_has(args, "calibrate") && (table || !tb_args_has(args, "data")))
        return tb_fail(err, TB_EINVAL, "--calibrate: needs MODEL and --data");
    if (!tb_args_has(args, "data") && (table || !tb_args_has(args, "against")))
        return tb_fail(err, TB_EINVAL, "--data%s: needed", table ? "" : " or --against");
    struct tb_eval_source *source = calloc(1, sizeof *source);
    if (!source)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    enum tb_status status = table ? tb_eval_table(args, source, &options, err)
                                  : with_source(args, source, &options, err);
    free(source);
    if (status == TB_OK && fflush(stdout) != 0)
        status = tb_fail(err, TB_EIO, "standard output: %s", strerror(errno));
    return status;
}
