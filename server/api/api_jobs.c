/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/publish.h"
#include "server/formats/patch_json.h"
#include "server/offline/bench.h"
#include "server/state/jobs.h"
#include "server/state/models.h"
#include "server/web/json_in.h"
#include "server/web/route.h"
#include "server/web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RENDER_TIMEOUT_S = 300, MAX_NOTES = 20000, MAX_CASE_SECONDS = 60 };
enum { BENCH_SECONDS = 1800 };

/* "patch": uuid becomes the whole "values"; its models are the render's unless others are given. */
static enum tb_status resolve_patch(struct tb_store *store, json_t *spec,
                                    struct tb_model_ref models[2], struct tb_error *err)
{
    char uuid[TB_UUID] = "";
    json_t *values = json_object_get(spec, "values");
    if (!json_object_get(spec, "patch"))
        return values ? TB_OK : tb_fail(err, TB_EINVAL, "patch: missing, or values");
    if (values)
        return tb_fail(err, TB_EINVAL, "patch: not together with values");
    if (tb_json_text(spec, "patch", uuid, sizeof uuid, err) != TB_OK)
        return TB_EINVAL;
    struct tb_patch patch = {0};
    enum tb_status status = tb_patch_read(store, uuid, &patch, err);
    json_t *body = status == TB_OK ? tb_patch_to_json(&patch) : NULL;
    if (body)
        (void)json_object_set(spec, "values", json_object_get(body, "values"));
    (void)json_object_del(spec, "patch");
    memcpy(models, patch.models, sizeof patch.models);
    json_decref(body);
    tb_patch_clear(&patch);
    return status;
}

/* "model": a uuid, or null for plain FM; else of_patch. TB_OK with a uuid of "": none. */
static enum tb_status find_model(struct tb_store *store, const json_t *spec, const char *key,
                                 const struct tb_model_ref *of_patch, struct tb_model *model,
                                 struct tb_error *err)
{
    const json_t *given = json_object_get(spec, key);
    char uuid[TB_UUID] = "";
    model->uuid[0] = '\0';
    if (json_is_null(given) || (!given && !of_patch->uuid[0]))
        return TB_OK;
    enum tb_status status = given ? tb_json_text(spec, key, uuid, sizeof uuid, err) : TB_OK;
    if (status == TB_OK && given)
        return tb_model_read(store, uuid, model, err);
    if (status == TB_OK)
        status = tb_model_find(store, of_patch, model, err);
    if (status == TB_ENOTFOUND) /* the patch is there, its model is not */
        status = err->status = TB_ECONFLICT;
    return status;
}

/* The reading connection is opened for this: workers have none. */
static enum tb_status resolve(struct tb_web *web, json_t *spec, struct tb_job *job,
                              struct tb_error *err)
{
    struct tb_model_ref models[2] = {{"", "", ""}, {"", "", ""}};
    struct tb_store *store = tb_store_open(web->config.state_dir, TB_STORE_READ, NULL, err);
    if (!store)
        return err->status;
    enum tb_status status = resolve_patch(store, spec, models, err);
    for (int i = 0; i < 2 && status == TB_OK; i++) {
        struct tb_model model;
        status = find_model(store, spec, i ? "model_b" : "model", &models[i], &model, err);
        if (status != TB_OK || !model.uuid[0])
            continue;
        job->models[i] = tb_models_open(web, &model, err); /* for the job */
        job->has_model[i] = job->models[i] >= 0;
        status = job->has_model[i] ? TB_OK : err->status;
    }
    tb_store_close(store);
    return status;
}

/* err names the member alone. */
static enum tb_status check_note(const json_t *note, struct tb_error *err)
{
    static const char *const members[] = {"time_s", "key", "velocity", "duration_s"};
    long long whole = 0;
    double number = 0.0;
    const double seconds[2] = {0.0, 600.0};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (!json_object_get(note, members[i]))
            return tb_fail(err, TB_EINVAL, "%s: missing", members[i]);
    if (tb_json_integer(note, "key", (long long[]){0, 127}, &whole, err) != TB_OK ||
        tb_json_integer(note, "velocity", (long long[]){1, 127}, &whole, err) != TB_OK ||
        tb_json_number(note, "time_s", seconds, &number, err) != TB_OK ||
        tb_json_number(note, "duration_s", seconds, &number, err) != TB_OK)
        return TB_EINVAL;
    return TB_OK;
}

static enum tb_status check_score(json_t *spec, struct tb_error *err)
{
    json_t *notes = json_object_get(spec, "notes"), *midi = json_object_get(spec, "midi"), *note;
    size_t i;
    const json_t *input = json_object_get(spec, "input");
    if (input && !json_is_string(input))
        return tb_fail(err, TB_EINVAL, "input: not a string");
    if (input && !notes && !midi)
        return TB_OK;
    if (!notes == !midi)
        return tb_fail(err, TB_EINVAL, "notes: one of notes, midi and input is needed");
    if (midi)
        return json_is_string(midi) ? TB_OK : tb_fail(err, TB_EINVAL, "midi: not a string");
    if (!json_is_array(notes) || json_array_size(notes) > MAX_NOTES)
        return tb_fail(err, TB_EINVAL, "notes: not a list of at most %d", MAX_NOTES);
    json_array_foreach(notes, i, note)
    {
        struct tb_error fault;
        if (!json_is_object(note))
            return tb_fail(err, TB_EINVAL, "notes[%zu]: not an object", i);
        if (check_note(note, &fault) != TB_OK)
            return tb_fail(err, TB_EINVAL, "notes[%zu].%.140s", i, fault.text);
    }
    return TB_OK;
}

static enum tb_status check_render(struct tb_web *web, json_t *spec, struct tb_job *job,
                                   struct tb_error *err)
{
    static const char *const members[] = {"patch", "values",  "model", "model_b", "notes", "midi",
                                          "input", "rate_hz", "seed",  "tail_s",  NULL};
    long long rate = 48000, seed = 0;
    double tail_s = 0.0;
    const double tail[2] = {0.0, 60.0};
    enum tb_status status = tb_json_only(spec, members, err);
    if (status == TB_OK)
        status = tb_json_integer(spec, "rate_hz", (long long[]){22050, 192000}, &rate, err);
    if (status == TB_OK)
        status = tb_json_integer(spec, "seed", (long long[]){0, UINT32_MAX}, &seed, err);
    if (status == TB_OK)
        status = tb_json_number(spec, "tail_s", tail, &tail_s, err);
    if (status == TB_OK)
        status = check_score(spec, err);
    return status == TB_OK ? resolve(web, spec, job, err) : status;
}

void tb_api_renders(struct tb_request *request)
{
    struct tb_error err;
    struct tb_job job = {
        .kind = TB_JOB_RENDER, .spec = request->json, .timeout_s = RENDER_TIMEOUT_S};
    int fd = -1;
    enum tb_status status = check_render(request->web, request->json, &job, &err);
    if (status == TB_OK)
        status = tb_job_run(request->web->jobs, &job, &fd, &err);
    for (int i = 0; i < 2; i++)
        if (job.has_model[i])
            (void)close(job.models[i]);
    if (status != TB_OK) {
        tb_answer_problem(request, status == TB_ECORRUPT ? 400 : tb_http_status(status), "%s",
                          err.text);
        return;
    }
    tb_answer_empty(request, 200);
    request->reply.type = "audio/wav";
    request->reply.fd = fd;
    (void)snprintf(request->reply.disposition, sizeof request->reply.disposition,
                   "attachment; filename=\"render.wav\"");
}

/* May it run beside what plays? */
static enum tb_status check_situation(struct tb_web *web, struct tb_error *err)
{
    struct tb_load load;
    tb_publish_load(web->publish, &load);
    struct tb_bench_situation now = {
        .n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN),
        .audio_cpu = atomic_load(&web->shm->audio.cpu),
        .playing = atomic_load(&web->shm->audio.state) == TB_DEVICE_RUNNING,
        .voices = load.voices,
        .load_max = (float)load.max,
    };
    return tb_bench_allowed(&now, err);
}

/* One name of "models": a uuid, or null for plain FM. */
static enum tb_status open_bench_model(struct tb_web *web, struct tb_store *store,
                                       const json_t *name, int *fd, struct tb_error *err)
{
    struct tb_model model;
    *fd = -1;
    if (json_is_null(name))
        return TB_OK;
    if (!json_is_string(name) || json_string_length(name) >= TB_UUID)
        return tb_fail(err, TB_EINVAL, "models: each is a uuid, or null for plain FM");
    enum tb_status status = tb_model_read(store, json_string_value(name), &model, err);
    if (status == TB_OK)
        *fd = tb_models_open(web, &model, err);
    return status == TB_OK && *fd < 0 ? err->status : status;
}

/* "models" of a benchmark, taken out of its specification; plain FM without it. */
static enum tb_status take_bench_models(struct tb_web *web, json_t *spec,
                                        struct tb_bench_models *models, struct tb_error *err)
{
    json_t *list = json_incref(json_object_get(spec, "models"));
    *models = (struct tb_bench_models){.n = 1, .fd = {-1}};
    if (!list)
        return TB_OK;
    (void)json_object_del(spec, "models");
    models->n = 0;
    enum tb_status status = TB_OK;
    struct tb_store *store = NULL;
    if (json_array_size(list) < 1 || json_array_size(list) > TB_BENCH_MAX_MODELS)
        status = tb_fail(err, TB_EINVAL, "models: not a list of 1 to %d", TB_BENCH_MAX_MODELS);
    if (status == TB_OK) {
        store = tb_store_open(web->config.state_dir, TB_STORE_READ, NULL, err);
        status = store ? TB_OK : err->status;
    }
    for (size_t i = 0; i < json_array_size(list) && status == TB_OK; i++) {
        status = open_bench_model(web, store, json_array_get(list, i), &models->fd[i], err);
        models->n += status == TB_OK;
    }
    tb_store_close(store);
    json_decref(list);
    return status;
}

static json_t *state_json(const struct tb_bench_state *bench)
{
    return json_pack("{s:I, s:s, s:f, s:s, s:n}", "id", (json_int_t)bench->id, "state",
                     bench->state, "progress", bench->progress, "detail", bench->detail, "result");
}

void tb_api_bench_start(struct tb_request *request)
{
    struct tb_bench_spec spec;
    struct tb_bench_models models = {0};
    struct tb_error err;
    bool force = false;
    int64_t id = 0;
    enum tb_status status = tb_json_bool(request->json, "force", &force, &err);
    (void)json_object_del(request->json, "force");
    tb_bench_default(&spec);
    if (status == TB_OK)
        status = take_bench_models(request->web, request->json, &models, &err);
    if (status == TB_OK)
        status = tb_bench_from_json(request->json, &spec, &err);
    if (status == TB_OK && tb_bench_seconds(&spec) * (double)models.n > BENCH_SECONDS)
        status = tb_fail(&err, TB_EINVAL, "models: %.0f s altogether, more than %d",
                         tb_bench_seconds(&spec) * (double)models.n, BENCH_SECONDS);
    if (status == TB_OK && !force)
        status = check_situation(request->web, &err);
    if (status == TB_OK)
        status = tb_bench_begin(request->web->jobs, request->json, &models, &id, &err);
    tb_bench_models_close(&models);
    if (status != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    tb_answer_json(request, 202, json_pack("{s:I, s:s}", "id", (json_int_t)id, "state", "running"));
    (void)snprintf(request->reply.location, sizeof request->reply.location,
                   TB_API "/benchmarks/%lld", (long long)id);
}

static json_t *head_json(const struct tb_benchmark *b)
{
    return json_pack("{s:I, s:I, s:s, s:s, s:s}", "id", (json_int_t)b->id, "time",
                     (json_int_t)b->time, "machine", b->machine, "version", b->version, "state",
                     "done");
}

void tb_api_bench_list(struct tb_request *request)
{
    struct tb_benchmark *list = NULL;
    size_t n = 0;
    struct tb_error err;
    struct tb_bench_state bench;
    if (tb_benchmark_list(request->store, &list, &n, &err) != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    json_t *items = json_array();
    tb_bench_state(request->web->jobs, &bench);
    if (bench.state[0])
        (void)json_array_append_new(items, json_pack("{s:I, s:I, s:s, s:s, s:s}", "id",
                                                     (json_int_t)bench.id, "time",
                                                     (json_int_t)bench.id, "machine", "", "version",
                                                     TB_VERSION, "state", bench.state));
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(items, head_json(&list[i]));
    free(list);
    tb_answer_json(request, 200, json_pack("{s:o}", "items", items));
}

static bool read_id(struct tb_request *request, int64_t *id)
{
    const char *text = request->args[0];
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 15 || text[n]) {
        tb_answer_problem(request, 404, "no such benchmark");
        return false;
    }
    *id = strtoll(text, NULL, 10);
    return true;
}

static void answer_result(struct tb_request *request, const struct tb_benchmark *b)
{
    json_t *result = json_loads(b->result ? b->result : "", 0, NULL);
    const char *format = tb_query(request, "format");
    if (format && !strcmp(format, "csv")) {
        char *csv = tb_bench_csv(result);
        tb_answer_data(request, "text/csv; charset=utf-8", csv, csv ? strlen(csv) : 0);
        json_decref(result);
        return;
    }
    json_t *body = head_json(b);
    if (body) {
        (void)json_object_set_new(body, "progress", json_real(1.0));
        (void)json_object_set_new(body, "detail", json_string(""));
        (void)json_object_set_new(body, "result", result ? result : json_null());
    }
    tb_answer_json(request, 200, body);
}

void tb_api_bench_get(struct tb_request *request)
{
    struct tb_benchmark benchmark = {0};
    struct tb_bench_state bench;
    struct tb_error err;
    int64_t id;
    if (!read_id(request, &id))
        return;
    tb_bench_state(request->web->jobs, &bench);
    if (bench.id == id && bench.state[0])
        tb_answer_json(request, 200, state_json(&bench));
    else if (tb_benchmark_read(request->store, id, &benchmark, &err) == TB_OK)
        answer_result(request, &benchmark);
    else
        tb_answer_error(request, &err);
    free(benchmark.result);
}

void tb_api_bench_delete(struct tb_request *request)
{
    struct tb_error err;
    int64_t id;
    if (!read_id(request, &id))
        return;
    if (tb_bench_cancel(request->web->jobs, id) ||
        tb_benchmark_delete(request->store, id, &err) == TB_OK)
        tb_answer_empty(request, 204);
    else
        tb_answer_error(request, &err);
}
