/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_entry.h"

#include "models/eval/calibrate.h"
#include "models/eval/play.h"
#include "models/train/data/build.h"
#include "models/train/file.h"
#include "models/train/network_file.h"
#include "server/offline/wav.h"
#include "server/train/train_model.h"
#include "server/train/train_session.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the training role does with the folders of the service (training_files.h). */

enum { MAX_CLIPS = 16, VALIDATE_STEPS = 50, MAX_GIVEN = 20 };

static const char *text_in(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static enum tb_status write_json(int fd, json_t *json, struct tb_error *err)
{
    int failed = json ? json_dumpfd(json, fd, JSON_COMPACT | JSON_REAL_PRECISION(9)) : -1;
    json_decref(json);
    return failed ? tb_fail(err, TB_EIO, "job: the result cannot be written") : TB_OK;
}

/* ---- prepare: recordings -> sets/UUID/work/prepared, {"report":...,"clips":...} */

static bool tell_progress(void *user, size_t done, size_t all, const char *file)
{
    const struct tb_train_job *job = user;
    job->tell(job->context, json_pack("{s:f, s:s}", "progress", (double)done / (double)(all + 1),
                                      "detail", file));
    return !*job->stop;
}

/* Bins with something in them, ends by low(i), low(i + 1). */
static json_t *histogram(const json_t *bins, double (*low)(double first, double step, double i))
{
    const json_t *seconds = json_object_get(bins, "seconds"), *value;
    const double first = json_number_value(json_object_get(bins, "first"));
    const double step = json_number_value(json_object_get(bins, "step"));
    json_t *list = json_array();
    size_t i;
    json_array_foreach(seconds, i, value)
    {
        const double s = json_number_value(value);
        if (s > 0)
            (void)json_array_append_new(
                list, json_pack("{s:f, s:f, s:f}", "low", low(first, step, (double)i), "high",
                                low(first, step, (double)i + 1), "minutes", s / 60));
    }
    return list;
}

static double key_hz(double first, double step, double i)
{
    return 440 * exp2((first + step * i - 0.5 - 69) / 12);
}

static double level_db(double first, double step, double i)
{
    return first + step * i;
}

static json_t *refused(const json_t *made)
{
    const json_t *file;
    json_t *list = json_array();
    size_t i;
    json_array_foreach(json_object_get(made, "rejected"), i, file)(void)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", text_in(file, "file"), "reason",
                                              text_in(file, "detail")));
    return list;
}

/* The name of the recording that a clip begins in. */
static const char *recording_of(const json_t *made, const json_t *clip)
{
    const json_t *wanted = json_array_get(json_object_get(clip, "sources"), 0), *source;
    size_t i;
    json_array_foreach(json_object_get(made, "sources"), i, source)
    {
        if (json_integer_value(json_object_get(source, "number")) == json_integer_value(wanted))
            return text_in(source, "file");
    }
    return "";
}

/* The first split with clips, the held-out ones before the others. */
static const char *split_of(const json_t *made)
{
    static const char *const splits[] = {"test", "validation"};
    for (size_t i = 0; i < 2; i++)
        if (json_integer_value(json_object_get(json_object_get(made, "n_clips"), splits[i])) > 0)
            return splits[i];
    return "train";
}

/* Some clips of one split, evenly spread. */
static json_t *clips_of(const json_t *made)
{
    const char *split = split_of(made);
    const json_t *clip;
    json_t *list = json_array();
    const size_t n =
        (size_t)json_integer_value(json_object_get(json_object_get(made, "n_clips"), split));
    const size_t wanted = n < MAX_CLIPS ? n : MAX_CLIPS;
    size_t i, at = 0, next = 0;
    json_array_foreach(json_object_get(made, "clips"), i, clip)
    {
        if (strcmp(text_in(clip, "split"), split) != 0)
            continue;
        if (next < wanted && at == next * n / wanted) {
            (void)json_array_append_new(
                list, json_pack("{s:I, s:s, s:f, s:s}", "index", (json_int_t)at, "recording",
                                recording_of(made, clip), "seconds",
                                (double)TB_CLIP_SAMPLES / TB_CLIP_RATE_HZ, "split", split));
            next++;
        }
        at++;
    }
    return list;
}

static enum tb_status prepare(const struct tb_train_job *job, struct tb_error *err)
{
    char folder[PATH_MAX], out[PATH_MAX];
    const char *labels = text_in(job->spec, "labels");
    json_t *made = NULL;
    (void)snprintf(folder, sizeof folder, "%s/recordings", job->set);
    (void)snprintf(out, sizeof out, "%s/work/prepared", job->set);
    const struct tb_build_options options = {.folder = folder,
                                             .out = out,
                                             .name = text_in(job->spec, "name"),
                                             .licence = text_in(job->spec, "licence"),
                                             .credit = text_in(job->spec, "credit"),
                                             .source = "",
                                             .ignore_names = strcmp(labels, "none") == 0,
                                             .known_notes = strcmp(labels, "known") == 0,
                                             .levels = TB_LEVELS_AUTO,
                                             .low_rate = true,
                                             .replace = true,
                                             .seed = 1,
                                             .progress = tell_progress,
                                             .user = (void *)(size_t)job};
    enum tb_status status = tb_dataset_build(&options, &made, err);
    if (status != TB_OK)
        return status;
    json_t *report =
        json_pack("{s:O, s:O, s:o, s:o, s:O, s:o}", "minutes", json_object_get(made, "minutes"),
                  "clips", json_object_get(made, "n_clips"), "pitch",
                  histogram(json_object_get(made, "pitch"), key_hz), "loudness",
                  histogram(json_object_get(made, "loudness"), level_db), "range",
                  json_object_get(made, "range"), "rejected", refused(made));
    json_t *answer = json_pack("{s:o, s:o}", "report", report, "clips", clips_of(made));
    json_decref(made);
    return write_json(job->result, answer, err);
}

/* ---- train: sets/UUID/work/prepared -> runs/UUID/work, {"end":...} */

/* What `timbred train` would have been given. */
struct given {
    struct tb_args args;
    struct tb_option options[MAX_GIVEN];
    char texts[MAX_GIVEN][100];
};

static void give(struct given *g, const char *name, const char *text)
{
    const size_t i = g->args.n_given;
    if (i == MAX_GIVEN || !text[0])
        return;
    g->options[i].name = name;
    (void)snprintf(g->texts[i], sizeof g->texts[i], "%s", text);
    g->args.given[i] = (struct tb_given){&g->options[i], g->texts[i]};
    g->args.n_given = i + 1;
}

static void give_number(struct given *g, const char *name, double number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.9g", number);
    give(g, name, text);
}

static enum tb_status train(const struct tb_train_job *job, struct tb_error *err)
{
    static const char *const texts[] = {"family", "preset", "voice", "name", "instrument"};
    static const char *const numbers[] = {"batch",   "seconds", "rate",      "seed",
                                          "minutes", "threads", "checkpoint"};
    char data[PATH_MAX], folder[PATH_MAX];
    struct given *g = calloc(1, sizeof *g);
    if (!g)
        return tb_fail(err, TB_ENOMEM, "train: no memory");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        give(g, texts[i], text_in(job->spec, texts[i]));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        give_number(g, numbers[i], json_number_value(json_object_get(job->spec, numbers[i])));
    /* what made the shipped instruments (models/README.md) */
    const bool fm = strcmp(text_in(job->spec, "family"), "ddx7") == 0;
    give_number(g, "decay", 0.1);
    give_number(g, "dropout", 0);
    give_number(g, "floor", fm ? -60 : -66);
    give_number(g, "validate", VALIDATE_STEPS);
    if (fm)
        give_number(g, "max-level", 1);
    (void)snprintf(data, sizeof data, "%s/work/prepared", job->set);
    (void)snprintf(folder, sizeof folder, "%s/work", job->run);
    const struct tb_train_setup setup = {.dataset = data,
                                         .folder = folder,
                                         .stop = job->stop,
                                         .workers = job->workers,
                                         .tell = job->tell,
                                         .listener = job->context};
    enum tb_status status = tb_train_session(&g->args, &setup, err);
    free(g);
    return status == TB_OK ? write_json(job->result, json_object(), err) : status;
}

/* ---- clip: a WAV file of a held-out clip, as it was recorded or as the best model plays it */

/* As many samples as the clip has. */
static enum tb_status play(const struct tb_train_job *job, const struct tb_dataset_clip *clip,
                           float *audio, struct tb_error *err)
{
    char path[PATH_MAX];
    void *data = NULL;
    size_t size = 0;
    (void)snprintf(path, sizeof path, "%s/work/model.safetensors", job->run);
    enum tb_status status = tb_file_read(path, (size_t)1 << 30, &data, &size, err);
    if (status == TB_ENOTFOUND)
        return tb_fail(err, TB_ECONFLICT, "training: it has no model yet");
    struct tb_model_file *file = status == TB_OK ? tb_model_file_parse(data, size, err) : NULL;
    const struct tb_play_options options = {.cpu = TB_NN_CPU_BEST, .seed = 1};
    const struct tb_curve curve = {clip->f0_hz, clip->loudness_db, TB_CLIP_FRAMES};
    struct tb_player *player = file ? tb_player_new(file, &options, err) : NULL;
    status = player ? TB_OK : err->status;
    if (player && tb_player_hop(player) != TB_CLIP_HOP)
        status = tb_fail(err, TB_EUNSUPPORTED, "model: %zu samples a frame, %d expected",
                         tb_player_hop(player), TB_CLIP_HOP);
    if (status == TB_OK && !tb_player_render(player, &curve, audio))
        status = tb_fail(err, TB_ENOMEM, "model: no memory");
    tb_player_free(player);
    tb_model_file_free(file);
    free(data);
    return status;
}

static enum tb_status write_clip(int fd, const float *audio, struct tb_error *err)
{
    const struct tb_wav_config format = {TB_CLIP_RATE_HZ, 1, TB_WAV_PCM16};
    struct tb_wav *wav = tb_wav_create_fd(fd, &format, err);
    if (!wav)
        return err->status;
    enum tb_status status = tb_wav_write(wav, audio, TB_CLIP_SAMPLES, err);
    struct tb_error closing;
    if (tb_wav_close(wav, &closing) != TB_OK && status == TB_OK) {
        *err = closing;
        status = closing.status;
    }
    return status;
}

static enum tb_split split_named(const char *name)
{
    for (int i = 0; i < TB_N_SPLITS; i++)
        if (strcmp(tb_split_names[i], name) == 0)
            return (enum tb_split)i;
    return TB_SPLIT_TEST;
}

static enum tb_status clip(const struct tb_train_job *job, struct tb_error *err)
{
    char path[PATH_MAX];
    const enum tb_split split = split_named(text_in(job->spec, "split"));
    const json_int_t index = json_integer_value(json_object_get(job->spec, "index"));
    (void)snprintf(path, sizeof path, "%s/work/prepared", job->set);
    struct tb_dataset *data = tb_dataset_open(path, err);
    if (!data)
        return err->status;
    float *audio = malloc(TB_CLIP_SAMPLES * sizeof *audio);
    enum tb_status status = audio ? TB_OK : tb_fail(err, TB_ENOMEM, "clip: no memory");
    if (index < 0 || (size_t)index >= tb_dataset_n_clips(data, split))
        status = tb_fail(err, TB_ENOTFOUND, "clip: there is none with this number");
    if (status == TB_OK && audio) {
        const struct tb_dataset_clip c = tb_dataset_clip(data, split, (size_t)index);
        if (strcmp(text_in(job->spec, "of"), "model") == 0)
            status = play(job, &c, audio, err);
        else
            memcpy(audio, c.audio, TB_CLIP_SAMPLES * sizeof *audio);
    }
    if (status == TB_OK)
        status = write_clip(job->result, audio, err);
    free(audio);
    tb_dataset_free(data);
    return status;
}

/* ---- keep: the best model under another name */

static enum tb_status write_all(int fd, const void *data, size_t size, struct tb_error *err)
{
    for (const char *at = data; size > 0;) {
        const ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return tb_fail(err, TB_EIO, "model: %s", strerror(errno));
        at += n;
        size -= (size_t)n;
    }
    return TB_OK;
}

static void rename_in(const json_t *spec, const char *key, char *to, size_t size)
{
    if (json_is_string(json_object_get(spec, key)))
        (void)snprintf(to, size, "%s", text_in(spec, key));
}

/* Of a training that was stopped: one that ended has done so itself, and at more length. A model
 * is whole without it. */
static void correct_loudness(const struct tb_train_job *job, void **data, size_t *size)
{
    enum { CLIPS = 12, ROUNDS = 3 };
    struct tb_error err;
    struct tb_calibrate_report report = {0};
    struct tb_model_meta meta;
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/work/prepared", job->set);
    struct tb_dataset *dataset = tb_dataset_open(path, &err);
    struct tb_model_file *file = dataset ? tb_model_file_parse(*data, *size, &err) : NULL;
    const struct tb_calibrate_options options = {dataset, CLIPS, ROUNDS, job->stop};
    if (file && tb_calibrate(file, &options, &meta, &report, &err) == TB_OK && report.worth) {
        size_t new_size;
        void *corrected = tb_model_file_with(*data, *size, &meta, &new_size, &err);
        if (corrected) {
            free(*data);
            *data = corrected;
            *size = new_size;
        }
    }
    tb_model_file_free(file);
    tb_dataset_free(dataset);
}

static enum tb_status keep(const struct tb_train_job *job, struct tb_error *err)
{
    char path[PATH_MAX];
    struct tb_model_meta meta;
    size_t size = 0;
    (void)snprintf(path, sizeof path, "%s/work/model.safetensors", job->run);
    struct tb_network *network = tb_network_load(path, &meta, err);
    if (!network)
        return err->status == TB_ENOTFOUND
                   ? tb_fail(err, TB_ECONFLICT, "training: it has no model yet")
                   : err->status;
    rename_in(job->spec, "uuid", meta.uuid, sizeof meta.uuid);
    rename_in(job->spec, "name", meta.name, sizeof meta.name);
    rename_in(job->spec, "instrument", meta.instrument, sizeof meta.instrument);
    rename_in(job->spec, "licence", meta.licence, sizeof meta.licence);
    rename_in(job->spec, "credit", meta.credit, sizeof meta.credit);
    void *data = tb_network_encode(network, &meta, TB_NN_F16, &size, err);
    tb_network_free(network);
    if (data && job->set[0] && meta.loudness_offsets.n_rows == 0)
        correct_loudness(job, &data, &size);
    enum tb_status status = data ? write_all(job->result, data, size, err) : err->status;
    free(data);
    return status;
}

enum tb_status tb_train_job_run(const char *task, const struct tb_train_job *job,
                                struct tb_error *err)
{
    static const struct {
        const char *name;
        enum tb_status (*run)(const struct tb_train_job *job, struct tb_error *err);
    } tasks[] = {{"prepare", prepare}, {"train", train}, {"clip", clip}, {"keep", keep}};
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
        if (strcmp(tasks[i].name, task) == 0)
            return tasks[i].run(job, err);
    return tb_fail(err, TB_ENOTFOUND, "%.20s: the training module has no such task", task);
}
