/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_eval.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A line a model of a folder, as Markdown (in brackets: the same of the recordings) or JSON. Each
 * is held against the data set of its instrument: the one whose name its metadata gives, or with
 * whose name its file begins. */

enum { MAX_DATASETS = 16, PATH = 4096 };

struct table {
    struct tb_dataset *datasets[MAX_DATASETS];
    size_t n_datasets, most;
    json_t *lines; /* or NULL: Markdown */
};

/* Numbers that a table has room for, by their keys. */
static const char *const columns[] = {"loss",
                                      "loss_over_noise",
                                      "frechet",
                                      "envelope_db",
                                      "pitch_cents",
                                      "loudness_db",
                                      "loudness_correlation",
                                      "clicks_a_minute",
                                      "silence_db",
                                      "brightness",
                                      "rise_brightness",
                                      "us_per_frame"};
enum { N_COLUMNS = sizeof columns / sizeof columns[0] };

static const struct tb_eval_row *row_of(const char *key)
{
    const struct tb_eval_row *row = tb_eval_rows;
    while (row->key && strcmp(row->key, key) != 0)
        row++;
    return row;
}

static const struct tb_dataset *dataset_of(const struct table *t, const char *file,
                                           const char *instrument)
{
    for (size_t i = 0; i < t->n_datasets; i++) {
        const char *name = tb_dataset_info(t->datasets[i])->name;
        if (strcasecmp(name, instrument) == 0 || strncasecmp(file, name, strlen(name)) == 0)
            return t->datasets[i];
    }
    return NULL;
}

static void print_head(void)
{
    printf("| model | parameters | file |");
    for (size_t i = 0; i < N_COLUMNS; i++) {
        const struct tb_eval_row *row = row_of(columns[i]);
        printf(" %s%s%s |", row->name, row->unit[0] ? ", " : "", row->unit);
    }
    printf("\n|---|---:|---:|");
    for (size_t i = 0; i < N_COLUMNS; i++)
        printf("---:|");
    printf("\n");
}

static void print_size(size_t bytes)
{
    if (bytes < (1U << 20))
        printf(" %.0f KiB |", (double)bytes / 1024);
    else
        printf(" %.2f MiB |", (double)bytes / (1 << 20));
}

static void print_line(const struct tb_model *model, const struct tb_eval_result *r)
{
    printf("| %s | %llu |", model->file->meta.name, (unsigned long long)model->file->n_params);
    print_size(model->size);
    for (size_t i = 0; i < N_COLUMNS; i++) {
        const struct tb_eval_row *row = row_of(columns[i]);
        if (!r || !isfinite(row->value(r))) {
            printf(" - |");
            continue;
        }
        printf(" %.*f", row->digits, row->value(r));
        if (row->reference && isfinite(row->reference(r)))
            printf(" (%.*f)", row->digits, row->reference(r));
        printf(" |");
    }
    printf("\n");
    (void)fflush(stdout);
}

static enum tb_status line_of(struct table *t, const char *folder, const char *name,
                              const struct tb_play_options *options, struct tb_eval_source *source,
                              struct tb_error *err)
{
    char path[PATH];
    struct tb_model model;
    struct tb_eval_result result = {0};
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return tb_fail(err, TB_EINVAL, "--table: the path is too long");
    if (!tb_model_open(path, &model, err))
        return err->status;
    const struct tb_dataset *dataset = dataset_of(t, name, model.file->meta.instrument);
    const bool heard = dataset && model.file->meta.family != TB_MODEL_FM_ENVELOPE;
    enum tb_status status = TB_OK;
    if (heard) {
        const size_t all = tb_dataset_n_clips(dataset, TB_SPLIT_TEST);
        source->dataset = dataset;
        source->meta = &model.file->meta;
        source->n = all < t->most ? all : t->most;
        status = tb_eval_all(model.file, options, source, &result, err);
    } else {
        (void)fprintf(stderr, "%s: no data set of its instrument\n", path);
    }
    if (status == TB_OK && t->lines) {
        json_t *line = heard ? tb_eval_json(&result) : json_object();
        (void)json_object_set_new(line, "file", json_string(name));
        (void)json_object_set_new(line, "name", json_string(model.file->meta.name));
        (void)json_object_set_new(line, "parameters",
                                  json_integer((json_int_t)model.file->n_params));
        (void)json_object_set_new(line, "bytes", json_integer((json_int_t)model.size));
        (void)json_array_append_new(t->lines, line);
    } else if (status == TB_OK) {
        print_line(&model, heard ? &result : NULL);
    }
    tb_model_close(&model);
    return status;
}

static int is_model(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && strcmp(dot, ".safetensors") == 0;
}

static enum tb_status open_datasets(struct table *t, const struct tb_args *args,
                                    struct tb_error *err)
{
    size_t at = 0;
    const char *folder;
    while ((folder = tb_args_next(args, "data", &at)) != NULL) {
        if (t->n_datasets == MAX_DATASETS)
            return tb_fail(err, TB_EINVAL, "--data: more than %d", MAX_DATASETS);
        t->datasets[t->n_datasets] = tb_dataset_open(folder, err);
        if (!t->datasets[t->n_datasets])
            return err->status;
        t->n_datasets++;
    }
    return TB_OK;
}

enum tb_status tb_eval_table(const struct tb_args *args, struct tb_eval_source *source,
                             const struct tb_play_options *options, struct tb_error *err)
{
    const char *folder = tb_args_text(args, "table", "");
    struct table t = {.most = (size_t)tb_args_number(args, "clips", 32)};
    struct dirent **entries = NULL;
    enum tb_status status = open_datasets(&t, args, err);
    const int n = status == TB_OK ? scandir(folder, &entries, is_model, alphasort) : 0;
    if (n < 0 || (status == TB_OK && n == 0))
        status = tb_fail(err, TB_ENOTFOUND, "--table: %.100s has no models", folder);
    if (tb_args_has(args, "json"))
        t.lines = json_array();
    else if (status == TB_OK)
        print_head();
    for (int i = 0; i < n; i++) {
        if (status == TB_OK)
            status = line_of(&t, folder, entries[i]->d_name, options, source, err);
        free(entries[i]);
    }
    free(entries);
    if (status == TB_OK && t.lines) {
        (void)json_dumpf(t.lines, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        (void)putchar('\n');
    }
    json_decref(t.lines);
    for (size_t i = 0; i < t.n_datasets; i++)
        tb_dataset_free(t.datasets[i]);
    return status;
}
