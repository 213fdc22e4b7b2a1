/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/model_json.h"
#include "server/formats/neural_patch.h"
#include "server/formats/patch_json.h"
#include "server/state/models.h"
#include "server/train/sets.h"
#include "server/train/trainings.h"
#include "server/web/json_in.h"
#include "server/web/route.h"
#include "server/web/upload.h"
#include "server/web/web.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What is not asked for is as it was for the shipped instruments (models/README.md). */
#define DEFAULT_MINUTES 20.0
#define DEFAULT_SECONDS 1.0
#define DEFAULT_RATE 0.003
enum { DEFAULT_BATCH = 4, MOST_THREADS = 4 };

static const double minutes_bounds[2] = {0.05, 10080};

/* Processors that the audio thread has left to its children; a thread has at least a clip. */
static json_int_t threads_for(long long batch)
{
    cpu_set_t set;
    long long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    n = n > MOST_THREADS ? MOST_THREADS : n;
    return n > batch ? batch : n;
}

static bool is_one_of(const char *text, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(text, *names))
            return true;
    return false;
}

/* "ddx7, hpn, wavetable" */
static void list_names(const char *const *names, char *text, size_t size)
{
    size_t n = 0;
    text[0] = '\0';
    for (; *names; names++)
        if (**names && n < size)
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", *names);
}

/* A word of the body, or the first of names. */
static enum tb_status read_word(const json_t *body, const char *key, const char *const *names,
                                json_t *about, struct tb_error *err)
{
    char text[33] = "", all[64];
    (void)snprintf(text, sizeof text, "%s", names[0]);
    enum tb_status status = tb_json_text(body, key, text, sizeof text, err);
    if (status == TB_OK && !is_one_of(text, names)) {
        list_names(names, all, sizeof all);
        status = tb_fail(err, TB_EINVAL, "%s: %s is none of %s", key, text, all);
    }
    (void)json_object_set_new(about, key, json_string(text));
    return status;
}

static enum tb_status read_words(const json_t *body, json_t *about, struct tb_error *err)
{
    static const char *const families[] = {"ddx7", "hpn", "wavetable", NULL};
    static const char *const presets[] = {"reduced", "full", NULL};
    static const char *const voices[] = {"", "flute", "violin", "trumpet", "piano", NULL};
    enum tb_status status = read_word(body, "family", families, about, err);
    if (status == TB_OK)
        status = read_word(body, "preset", presets, about, err);
    if (status == TB_OK)
        status = read_word(body, "voice", voices, about, err);
    const char *instrument = json_string_value(json_object_get(about, "instrument"));
    bool fm = !strcmp(json_string_value(json_object_get(about, "family")), "ddx7");
    const char *voice = json_string_value(json_object_get(about, "voice"));
    if (status == TB_OK && fm && !voice[0] && instrument) /* its own routing where there is one */
        (void)json_object_set_new(
            about, "voice", json_string(is_one_of(instrument, voices + 1) ? instrument : "flute"));
    return status;
}

static enum tb_status read_numbers(const json_t *body, json_t *about, struct tb_error *err)
{
    const double seconds_bounds[2] = {0.25, 4}, rate_bounds[2] = {1e-6, 0.1};
    double minutes = DEFAULT_MINUTES, seconds = DEFAULT_SECONDS, rate = DEFAULT_RATE;
    long long batch = DEFAULT_BATCH, seed = 1;
    enum tb_status status = tb_json_number(body, "minutes", minutes_bounds, &minutes, err);
    if (status == TB_OK)
        status = tb_json_number(body, "seconds", seconds_bounds, &seconds, err);
    if (status == TB_OK)
        status = tb_json_number(body, "rate", rate_bounds, &rate, err);
    if (status == TB_OK)
        status = tb_json_integer(body, "batch", (long long[]){1, 64}, &batch, err);
    if (status == TB_OK)
        status = tb_json_integer(body, "seed", (long long[]){0, INT32_MAX}, &seed, err);
    json_t *numbers = json_pack("{s:f, s:f, s:f, s:I, s:I, s:I}", "minutes", minutes, "seconds",
                                seconds, "rate", rate, "batch", (json_int_t)batch, "seed",
                                (json_int_t)seed, "threads", threads_for(batch));
    (void)json_object_update(about, numbers);
    json_decref(numbers);
    return status;
}

/* Text of the body, else what the data set says. */
static enum tb_status read_name(const json_t *body, const json_t *set, json_t *about,
                                struct tb_error *err)
{
    char given[97] = "", name[97] = "";
    (void)snprintf(given, sizeof given, "%s", json_string_value(json_object_get(set, "name")));
    enum tb_status status = tb_json_text(body, "name", given, sizeof given, err);
    if (status == TB_OK)
        status = tb_text_field("name", given, name, sizeof name, false, err);
    if (status == TB_OK && !name[0])
        status = tb_fail(err, TB_EINVAL, "name: 1 to 96 bytes are needed");
    (void)json_object_set_new(about, "name", json_string(name));
    return status;
}

/* What is asked for, on top of how every training begins. */
static enum tb_status read_about(struct tb_request *request, json_t *about, struct tb_error *err)
{
    static const char *const names[] = {"dataset", "name",  "family",  "preset", "minutes", "voice",
                                        "seed",    "batch", "seconds", "rate",   NULL};
    char uuid[TB_UUID] = "";
    enum tb_status status = tb_json_only(request->json, names, err);
    if (status == TB_OK)
        status = tb_json_text(request->json, "dataset", uuid, sizeof uuid, err);
    if (status == TB_OK && !uuid[0])
        status = tb_fail(err, TB_EINVAL, "dataset: the uuid of one is needed");
    json_t *set = status == TB_OK ? tb_set_json(request->web->sets, uuid, false, err) : NULL;
    if (!set)
        return err->status;
    (void)json_object_set_new(about, "dataset", json_string(uuid));
    (void)json_object_set(about, "instrument", json_object_get(set, "instrument"));
    status = read_name(request->json, set, about, err);
    json_decref(set);
    if (status == TB_OK)
        status = read_words(request->json, about, err);
    return status == TB_OK ? read_numbers(request->json, about, err) : status;
}

static json_t *new_about(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return json_pack("{s:I, s:s, s:n, s:s, s:i, s:n, s:n, s:n, s:i, s:f, s:n, s:n}", "created",
                     (json_int_t)(now.tv_sec * 1000LL + now.tv_nsec / 1000000), "state", "running",
                     "phase", "detail", "", "step", 0, "loss", "validation", "best", "best_step", 0,
                     "spent_s", 0.0, "model", "patch");
}

static void answer_training(struct tb_request *request, unsigned status, const char *uuid)
{
    struct tb_error err;
    json_t *training = tb_training_json(request->web->trainings, uuid, true, &err);
    if (!training) {
        tb_answer_error(request, &err);
        return;
    }
    tb_answer_json(request, status, training);
    if (status == 202)
        (void)snprintf(request->reply.location, sizeof request->reply.location,
                       TB_API "/trainings/%s", uuid);
}

void tb_api_training_create(struct tb_request *request)
{
    char uuid[TB_UUID];
    struct tb_error err;
    json_t *about = new_about();
    enum tb_status status = read_about(request, about, &err);
    if (status == TB_OK)
        status = tb_training_start(request->web->trainings, about, uuid, &err);
    else
        json_decref(about);
    if (status == TB_OK)
        answer_training(request, 202, uuid);
    else
        tb_upload_answer(request, &err);
}

void tb_api_trainings_list(struct tb_request *request)
{
    struct tb_error err;
    json_t *list = tb_trainings_json(request->web->trainings, &err);
    if (list)
        tb_answer_json(request, 200, list);
    else
        tb_answer_error(request, &err);
}

void tb_api_training_get(struct tb_request *request)
{
    answer_training(request, 200, request->args[0]);
}

void tb_api_training_delete(struct tb_request *request)
{
    struct tb_error err;
    if (tb_training_delete(request->web->trainings, request->args[0], &err) == TB_OK)
        tb_answer_empty(request, 204);
    else
        tb_upload_answer(request, &err);
}

void tb_api_training_stop(struct tb_request *request)
{
    struct tb_error err;
    if (tb_training_stop(request->web->trainings, request->args[0], &err) == TB_OK)
        tb_answer_empty(request, 204);
    else
        tb_upload_answer(request, &err);
}

void tb_api_training_resume(struct tb_request *request)
{
    static const char *const names[] = {"minutes", NULL};
    double minutes = 0;
    struct tb_error err;
    enum tb_status status = tb_json_only(request->json, names, &err);
    if (status == TB_OK)
        status = tb_json_number(request->json, "minutes", minutes_bounds, &minutes, &err);
    if (status == TB_OK)
        status = tb_training_resume(request->web->trainings, request->args[0], minutes, &err);
    if (status == TB_OK)
        answer_training(request, 202, request->args[0]);
    else
        tb_upload_answer(request, &err);
}

void tb_api_training_clip(struct tb_request *request)
{
    const char *index = request->args[1], *of = tb_query(request, "of");
    const size_t n = strspn(index, "0123456789");
    struct tb_error err;
    int fd = -1;
    enum tb_status status = n > 0 && n < 7 && !index[n]
                                ? tb_training_clip(request->web->trainings, request->args[0],
                                                   (unsigned)strtoul(index, NULL, 10),
                                                   of && !strcmp(of, "model"), &fd, &err)
                                : tb_fail(&err, TB_ENOTFOUND, "clip: no such number");
    if (status != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    tb_answer_empty(request, 200);
    request->reply.type = "audio/wav";
    request->reply.fd = fd;
}

/* ---- keep */

/* A kept model on its way into the store. */
struct kept {
    struct tb_upload *upload;
    enum tb_models_added added;
    char patch[TB_UUID];
};

static enum tb_status add_model(struct tb_web *web, struct tb_store *store, void *context,
                                struct tb_effect *effect, struct tb_error *err)
{
    struct kept *kept = context;
    struct tb_models_addition addition = {
        .model = &kept->upload->model, .path = kept->upload->path, .replace = true};
    enum tb_status status = tb_models_add(web, store, &addition, effect, err);
    kept->added = addition.added;
    return status;
}

/* The patch that plays it, unless there is one of an earlier time: that finds the new version. */
static enum tb_status add_patch(struct tb_web *web, struct tb_store *store, void *context,
                                struct tb_effect *effect, struct tb_error *err)
{
    struct kept *kept = context;
    struct tb_patch patch = {0}, there = {0};
    (void)web;
    enum tb_status status = tb_neural_patch_make(&kept->upload->model, &patch, err);
    if (status != TB_OK)
        return status;
    memcpy(kept->patch, patch.uuid, sizeof kept->patch);
    if (tb_patch_read(store, patch.uuid, &there, NULL) == TB_ENOTFOUND) {
        patch.factory = false;
        (void)snprintf(patch.note, sizeof patch.note, "trained here");
        status = tb_patch_create(store, &patch, err);
        effect->kind = TB_EFFECT_CREATED;
        memcpy(effect->patch.uuid, patch.uuid, sizeof patch.uuid);
    }
    tb_patch_clear(&there);
    tb_patch_clear(&patch);
    return status;
}

/* The model that a job handed out, by the way of every upload. */
static enum tb_status take_model(struct tb_request *request, int from, struct tb_upload *upload,
                                 struct tb_error *err)
{
    char part[65536];
    ssize_t n;
    enum tb_status status = TB_OK;
    off_t at = 0;
    while (status == TB_OK && (n = pread(from, part, sizeof part, at)) > 0) {
        status = tb_upload_write(upload, part, (size_t)n, err);
        at += n;
    }
    return status == TB_OK ? tb_models_check_upload(request->web->models, upload, err) : status;
}

static enum tb_status keep(struct tb_request *request, int from, struct kept *kept,
                           struct tb_error *err)
{
    struct stat info = {0};
    (void)fstat(from, &info);
    kept->upload = tb_upload_begin(request->web, (uint64_t)info.st_size, err);
    enum tb_status status =
        kept->upload ? take_model(request, from, kept->upload, err) : err->status;
    if (status == TB_OK)
        status = tb_models_in_store(request->web, add_model, kept, err);
    if (status == TB_OK)
        status = tb_models_in_store(request->web, add_patch, kept, err);
    if (status != TB_OK)
        return status;
    json_t *members =
        json_pack("{s:s, s:s}", "model", kept->upload->model.uuid, "patch", kept->patch);
    status = tb_training_note(request->web->trainings, request->args[0], members, err);
    json_decref(members);
    return status;
}

/* Members of the body, as the metadata of a model takes them. */
static enum tb_status read_members(struct tb_request *request, json_t *members,
                                   struct tb_error *err)
{
    static const char *const names[] = {"name", "licence", "credit", NULL};
    static const size_t sizes[] = {97, 65, 257};
    enum tb_status status = tb_json_only(request->json, names, err);
    for (size_t i = 0; names[i] && status == TB_OK; i++) {
        char given[257] = "", text[257];
        if (!json_object_get(request->json, names[i]))
            continue;
        status = tb_json_text(request->json, names[i], given, sizes[i], err);
        if (status == TB_OK)
            status = tb_text_field(names[i], given, text, sizes[i], false, err);
        if (status == TB_OK && i == 0 && !text[0])
            status = tb_fail(err, TB_EINVAL, "name: 1 to 96 bytes are needed");
        if (status == TB_OK)
            (void)json_object_set_new(members, names[i], json_string(text));
    }
    (void)json_object_set_new(members, "uuid", json_string(request->args[0]));
    return status;
}

static void answer_model(struct tb_request *request, const struct kept *kept)
{
    struct tb_error err;
    struct tb_store *store =
        tb_store_open(request->web->config.state_dir, TB_STORE_READ, NULL, &err);
    struct tb_model *all = NULL, model;
    size_t n = 0;
    enum tb_status status =
        store ? tb_model_read(store, kept->upload->model.uuid, &model, &err) : err.status;
    if (status == TB_OK)
        status = tb_model_list(store, &(struct tb_model_query){0}, &all, &n, NULL, &err);
    tb_store_close(store);
    if (status == TB_OK) {
        tb_answer_json(request, kept->added == TB_MODELS_THERE ? 200 : 201,
                       tb_model_to_json(&model, all, n));
        (void)snprintf(request->reply.location, sizeof request->reply.location, TB_API "/models/%s",
                       model.uuid);
    } else {
        tb_answer_error(request, &err);
    }
    free(all);
}

void tb_api_training_keep(struct tb_request *request)
{
    struct kept kept = {0};
    struct tb_error err;
    int from = -1;
    json_t *members = json_object();
    enum tb_status status = read_members(request, members, &err);
    if (status == TB_OK)
        status = tb_training_model(request->web->trainings, request->args[0], members, &from, &err);
    if (status == TB_OK)
        status = keep(request, from, &kept, &err);
    if (status == TB_OK)
        answer_model(request, &kept);
    else
        tb_upload_answer(request, &err);
    tb_upload_free(kept.upload);
    if (from >= 0)
        (void)close(from);
    json_decref(members);
}
