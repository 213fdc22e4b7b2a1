/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/build.h"

#include "server/offline/smf.h"
#include "server/train/train_entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* timbred dataset */

enum { MAX_PATTERNS = 64, MAX_LABEL_BYTES = 16 << 20 };

struct patterns {
    const char *list[MAX_PATTERNS + 1];
};

static enum tb_status read_text(const char *path, char **text, struct tb_error *err)
{
    FILE *file = fopen(path, "rbe");
    char *data = file ? malloc(MAX_LABEL_BYTES + 1) : NULL;
    if (!data) {
        const int fault = errno;
        if (file)
            (void)fclose(file);
        return file ? tb_fail(err, TB_ENOMEM, "out of memory")
                    : tb_fail(err, TB_ENOTFOUND, "labels: %.100s: %s", path, strerror(fault));
    }
    const size_t n = fread(data, 1, MAX_LABEL_BYTES + 1, file);
    (void)fclose(file);
    if (n > MAX_LABEL_BYTES) {
        free(data);
        return tb_fail(err, TB_ETOOLARGE, "labels: %.80s: more than 16 MiB", path);
    }
    data[n] = 0;
    *text = data;
    return TB_OK;
}

/* Notes of all channels but the drums'. */
static enum tb_status label_notes(const struct tb_score *score, struct tb_label *label,
                                  struct tb_error *err)
{
    double began[128];
    enum tb_status status = TB_OK;
    for (int key = 0; key < 128; key++)
        began[key] = -1;
    for (size_t i = 0; i < score->n && status == TB_OK; i++) {
        const struct tb_score_event *e = &score->events[i];
        const bool on = e->event.type == TB_EVENT_NOTE_ON;
        if ((!on && e->event.type != TB_EVENT_NOTE_OFF) || e->event.channel == 9)
            continue;
        const unsigned key = e->event.key & 127u;
        if (began[key] >= 0)
            status = tb_label_add(
                label, &(struct tb_label_note){(float)began[key], (float)e->time_s, (float)key},
                err);
        began[key] = on ? e->time_s : -1;
    }
    return status;
}

static enum tb_status read_midi(const char *path, struct tb_label *label, struct tb_error *err)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *data = file ? malloc(TB_SMF_MAX_BYTES + 1) : NULL;
    struct tb_score score = {0};
    if (!data) {
        if (file)
            (void)fclose(file);
        return tb_fail(err, TB_EUNSUPPORTED, "%.100s: cannot be read", path);
    }
    const size_t n = fread(data, 1, TB_SMF_MAX_BYTES + 1, file);
    (void)fclose(file);
    enum tb_status status = tb_smf_parse(data, n, &score, NULL, err);
    free(data);
    if (status == TB_OK) {
        label->n_notes = 0; /* more exact than a name */
        label->free_pitch = false;
        status = label_notes(&score, label, err);
    }
    tb_score_clear(&score);
    return status == TB_OK || status == TB_ENOMEM ? status : TB_ECORRUPT;
}

static enum tb_status take_patterns(const struct tb_args *args, const char *name,
                                    struct patterns *patterns, struct tb_error *err)
{
    size_t at = 0, n = 0;
    for (const char *text; (text = tb_args_next(args, name, &at));) {
        if (n == MAX_PATTERNS)
            return tb_fail(err, TB_EINVAL, "--%s: more than %d", name, MAX_PATTERNS);
        patterns->list[n++] = text;
    }
    return TB_OK;
}

static bool show_progress(void *user, size_t done, size_t all, const char *file)
{
    const bool terminal = *(const bool *)user;
    if (terminal)
        (void)fprintf(stderr, "\r%zu of %zu: %-50.50s", done, all, file);
    if (terminal && done == all)
        (void)fprintf(stderr, "\r%-70s\r", "");
    return true;
}

static enum tb_data_levels levels_of(const char *word)
{
    static const char *const words[] = {"auto", "natural", "marks", "each"};
    for (unsigned i = 0; i < 4; i++)
        if (strcmp(word, words[i]) == 0)
            return (enum tb_data_levels)i;
    return TB_LEVELS_AUTO;
}

static double number_in(const json_t *root, const char *object, const char *key)
{
    return json_number_value(json_object_get(json_object_get(root, object), key));
}

static void print_report(const json_t *root, const char *out)
{
    const json_t *rejected = json_object_get(root, "rejected");
    printf("%s: %.1f minutes in %.0f + %.0f + %.0f clips (train, validation, test)\n", out,
           json_number_value(json_object_get(root, "minutes")), number_in(root, "n_clips", "train"),
           number_in(root, "n_clips", "validation"), number_in(root, "n_clips", "test"));
    printf("pitch %.0f..%.0f Hz, loudness %.1f..%.1f dB, levels %s\n",
           number_in(root, "range", "pitch_low_hz"), number_in(root, "range", "pitch_high_hz"),
           number_in(root, "range", "loudness_low_db"),
           number_in(root, "range", "loudness_high_db"),
           json_string_value(json_object_get(root, "levels")));
    if (number_in(root, "labels", "files") > 0)
        printf("labels: %.0f files; tracker agrees in %.1f %% of their time, octaves mended in "
               "%.1f %%, bridged %.1f %%\n",
               number_in(root, "labels", "files"), 100 * number_in(root, "labels", "agreement"),
               100 * number_in(root, "labels", "octaves"),
               100 * number_in(root, "labels", "filled"));
    size_t i;
    const json_t *file;
    json_array_foreach(rejected, i, file)
        printf("refused: %s: %s\n", json_string_value(json_object_get(file, "file")),
               json_string_value(json_object_get(file, "detail")));
}

static enum tb_status show(const struct tb_args *args, const char *out, const json_t *report,
                           struct tb_error *err)
{
    if (tb_args_has(args, "json")) {
        (void)json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        (void)putchar('\n');
    } else {
        print_report(report, out);
    }
    return fflush(stdout) == 0 ? TB_OK : tb_fail(err, TB_EIO, "standard output: cannot be written");
}

enum tb_status tb_train_dataset(const struct tb_args *args, struct tb_error *err)
{
    const char *font = tb_args_text(args, "soundfont", NULL);
    const char *labels = tb_args_text(args, "labels", NULL);
    struct patterns only = {{0}}, exclude = {{0}};
    char *text = NULL;
    json_t *report = NULL;
    bool terminal = isatty(STDERR_FILENO) && !tb_args_has(args, "json");
    if (args->n_operands != (font ? 1 : 2))
        return tb_fail(err, TB_EINVAL,
                       font ? "FOLDER: not with --soundfont, which needs OUT alone"
                            : "FOLDER OUT: both are needed, or --soundfont");
    enum tb_status status = take_patterns(args, "only", &only, err);
    if (status == TB_OK)
        status = take_patterns(args, "exclude", &exclude, err);
    if (status == TB_OK && labels)
        status = read_text(labels, &text, err);
    if (status != TB_OK)
        return status;
    const struct tb_build_options options = {
        .folder = font ? NULL : args->operands[0],
        .out = args->operands[args->n_operands - 1],
        .name = tb_args_text(args, "name", ""),
        .licence = tb_args_text(args, "licence", ""),
        .credit = tb_args_text(args, "credit", ""),
        .source = tb_args_text(args, "source", ""),
        .only = only.list[0] ? only.list : NULL,
        .exclude = exclude.list[0] ? exclude.list : NULL,
        .labels = text,
        .ignore_names = tb_args_has(args, "ignore-names"),
        .known_notes = tb_args_has(args, "known-notes"),
        .levels = levels_of(tb_args_text(args, "levels", "auto")),
        .note_seconds = tb_args_number(args, "note-seconds", 0),
        .soundfont = font,
        .bank = (int)tb_args_number(args, "bank", 0),
        .preset = (int)tb_args_number(args, "preset", 0),
        .minutes = tb_args_number(args, "minutes", 20),
        .most_minutes = tb_args_number(args, "most-minutes", 120),
        .low_rate = tb_args_has(args, "low-rate"),
        .replace = tb_args_has(args, "replace"),
        .seed = (uint64_t)tb_args_number(args, "seed", 1),
        .read_midi = read_midi,
        .progress = show_progress,
        .user = &terminal};
    status = tb_dataset_build(&options, &report, err);
    if (status == TB_OK)
        status = show(args, options.out, report, err);
    json_decref(report);
    free(text);
    return status;
}
