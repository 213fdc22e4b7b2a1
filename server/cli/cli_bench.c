/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_run.h"

#include "server/cli/cli_model.h"
#include "server/cli/cli_voice.h"
#include "server/offline/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_RESULT = 16 << 20, POLL_MS = 500, MODEL_NAME = 512 };

static void take_list(const struct tb_args *args, const char *name, uint32_t *values, size_t *n,
                      size_t capacity)
{
    unsigned given[TB_MAX_WHOLES];
    size_t n_given = tb_args_wholes(args, name, given);
    if (n_given == 0)
        return;
    *n = n_given < capacity ? n_given : capacity;
    for (size_t i = 0; i < *n; i++)
        values[i] = given[i];
}

static enum tb_status take_spec(const struct tb_args *args, struct tb_bench_spec *spec,
                                struct tb_error *err)
{
    tb_bench_default(spec);
    if (tb_args_has(args, "quick")) {
        spec->voices[0] = 32;
        spec->n_voices = spec->n_blocks = 1;
        spec->seconds = 0.25;
    }
    take_list(args, "voices", spec->voices, &spec->n_voices, 16);
    take_list(args, "blocks", spec->blocks, &spec->n_blocks, 16);
    take_list(args, "rates", spec->rates, &spec->n_rates, 8);
    spec->seconds = tb_args_number(args, "seconds", spec->seconds);
    spec->paced = !tb_args_has(args, "no-paced");
    spec->stress = !tb_args_has(args, "no-stress");
    spec->priority = (int)tb_args_number(args, "priority", spec->priority);
    spec->cpu = tb_cli_cpu(args);
    size_t cases = spec->n_voices * spec->n_blocks * spec->n_rates;
    if (cases > TB_BENCH_MAX_CASES)
        return tb_fail(err, TB_EINVAL, "voices x blocks x rates: %zu cases, more than %d", cases,
                       TB_BENCH_MAX_CASES);
    return TB_OK;
}

/* Progress to the terminal, never into a file or a pipe. */
static bool show_progress(void *context, double done, const char *text)
{
    (void)context;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%3.0f %%  %-60s", 100.0 * done, text);
    return true;
}

static void end_progress(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%70s\r", "");
}

static int write_result(struct tb_cli *cli, const json_t *result, const char *csv)
{
    const char *path = tb_args_text(&cli->args, "output", NULL);
    struct tb_error err;
    if (!path)
        return 0;
    char *json = csv ? NULL : json_dumps(result, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    const char *text = csv ? csv : json ? json : "";
    enum tb_status s = tb_cli_write_file(path, text, strlen(text), &err);
    free(json);
    return s == TB_OK ? 0 : tb_cli_fail(cli, &err);
}

/* Steals result. */
static int show_result(struct tb_cli *cli, json_t *result)
{
    char *csv = tb_args_has(&cli->args, "csv") ? tb_bench_csv(result) : NULL;
    int status = write_result(cli, result, csv);
    if (csv) {
        fputs(csv, stdout);
    } else if (cli->json) {
        json_incref(result);
        status = status ? status : tb_cli_print(result);
    } else {
        char *table = tb_bench_table(result);
        fputs(table ? table : "", stdout);
        free(table);
    }
    free(csv);
    json_decref(result);
    return status;
}

/* ---- on another machine */

static json_t *numbers(const uint32_t *values, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, json_integer(values[i]));
    return list;
}

static json_t *spec_json(const struct tb_args *args, const struct tb_bench_spec *spec)
{
    json_t *json = json_pack(
        "{s:o,s:o,s:o,s:f,s:b,s:b}", "voices", numbers(spec->voices, spec->n_voices), "blocks",
        numbers(spec->blocks, spec->n_blocks), "rates", numbers(spec->rates, spec->n_rates),
        "seconds", spec->seconds, "paced", (int)spec->paced, "stress", (int)spec->stress);
    if (tb_args_has(args, "force"))
        (void)json_object_set_new(json, "force", json_true());
    return json;
}

static void wait_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* The stored benchmark: its result where it is done. */
static enum tb_status fetch(struct tb_cli *cli, const char *id, json_t **benchmark,
                            struct tb_error *err)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/benchmarks/%.32s", id);
    return tb_cli_call(cli, "GET", path, NULL, benchmark, err);
}

static json_t *result_of(json_t *benchmark)
{
    json_t *result = json_object_get(benchmark, "result");
    return json_is_object(result) ? result : benchmark;
}

static enum tb_status wait_for_result(struct tb_cli *cli, const char *id, json_t **result,
                                      struct tb_error *err)
{
    for (;;) {
        json_t *benchmark = NULL;
        enum tb_status s = fetch(cli, id, &benchmark, err);
        if (s != TB_OK)
            return s;
        const char *state = json_string_value(json_object_get(benchmark, "state"));
        if (!state || strcmp(state, "done") == 0) {
            *result = json_incref(result_of(benchmark));
            json_decref(benchmark);
            return TB_OK;
        }
        const char *detail = json_string_value(json_object_get(benchmark, "detail"));
        if (strcmp(state, "running") != 0)
            s = tb_fail(err, TB_EIO, "the benchmark failed: %.100s", detail ? detail : state);
        else
            (void)show_progress(NULL, json_number_value(json_object_get(benchmark, "progress")),
                                detail ? detail : "");
        json_decref(benchmark);
        if (s != TB_OK)
            return s;
        wait_ms(POLL_MS);
    }
}

/* The next of --model's "a,b,none" into name; false at the end. */
static bool next_model(const char **list, char name[MODEL_NAME])
{
    if (!**list)
        return false;
    size_t n = strcspn(*list, ",");
    (void)snprintf(name, MODEL_NAME, "%.*s", (int)(n < MODEL_NAME ? n : MODEL_NAME - 1), *list);
    *list += n + ((*list)[n] == ',');
    return true;
}

/* What the other machine calls them. */
static enum tb_status name_models(struct tb_cli *cli, json_t *spec, struct tb_error *err)
{
    const char *list = tb_args_text(&cli->args, "model", NULL);
    char name[MODEL_NAME];
    json_t *models = json_array();
    enum tb_status s = TB_OK;
    while (list && s == TB_OK && next_model(&list, name)) {
        json_t *model = NULL;
        if (strcmp(name, "none") != 0)
            s = tb_cli_model_is_file(name)
                    ? tb_fail(err, TB_EINVAL, "--model: %.60s is a file here, not there", name)
                    : tb_cli_model_find(cli, name, &model, err);
        json_t *uuid = model ? json_object_get(model, "uuid") : NULL;
        (void)json_array_append_new(models, uuid ? json_incref(uuid) : json_null());
        json_decref(model);
    }
    if (json_array_size(models) > 0)
        (void)json_object_set(spec, "models", models);
    json_decref(models);
    return s;
}

static int run_remote(struct tb_cli *cli, const struct tb_bench_spec *spec)
{
    struct tb_error err;
    json_t *started = NULL, *result = NULL, *body = spec_json(&cli->args, spec);
    char id[40] = "";
    enum tb_status s = name_models(cli, body, &err);
    if (s == TB_OK)
        s = tb_cli_call(cli, "POST", "/benchmarks", json_incref(body), &started, &err);
    json_decref(body);
    const json_t *number = json_object_get(started, "id");
    if (json_is_integer(number))
        (void)snprintf(id, sizeof id, "%lld", (long long)json_integer_value(number));
    else if (json_is_string(number))
        (void)snprintf(id, sizeof id, "%s", json_string_value(number));
    json_decref(started);
    if (s == TB_OK && !id[0])
        s = tb_fail(&err, TB_ECORRUPT, "the server told no number of the benchmark");
    if (s == TB_OK)
        s = wait_for_result(cli, id, &result, &err);
    end_progress();
    return s == TB_OK ? show_result(cli, result) : tb_cli_fail(cli, &err);
}

/* ---- comparison of two results: files, or numbers of stored ones */

static enum tb_status load_result(struct tb_cli *cli, const char *what, json_t **result,
                                  struct tb_error *err)
{
    json_t *json = NULL;
    bool is_number = what[0] && strspn(what, "0123456789") == strlen(what);
    enum tb_status s;
    if (cli->remote && is_number) {
        s = fetch(cli, what, &json, err);
    } else {
        uint8_t *data = NULL;
        size_t size = 0;
        s = tb_cli_read_file(what, MAX_RESULT, &data, &size, err);
        if (s == TB_OK)
            json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
        free(data);
    }
    if (s == TB_OK && !json_is_array(json_object_get(result_of(json), "results")))
        s = tb_fail(err, TB_ECORRUPT, "%.100s: not the result of a benchmark", what);
    if (s == TB_OK)
        *result = json_incref(result_of(json));
    json_decref(json);
    return s;
}

static int compare(struct tb_cli *cli)
{
    struct tb_error err;
    json_t *a = NULL, *b = NULL;
    enum tb_status s = load_result(cli, cli->args.operands[0], &a, &err);
    if (s == TB_OK)
        s = load_result(cli, cli->args.operands[1], &b, &err);
    json_t *comparison = s == TB_OK ? tb_bench_compare(a, b) : NULL;
    json_decref(a);
    json_decref(b);
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(comparison);
    char *table = tb_bench_compare_table(comparison);
    fputs(table ? table : "", stdout);
    free(table);
    json_decref(comparison);
    return 0;
}

static enum tb_status run_model(struct tb_cli *cli, const char *name, struct tb_bench_spec *spec,
                                json_t **result, struct tb_error *err)
{
    struct tb_cli_model model = {0};
    enum tb_status s = TB_OK;
    if (name)
        s = tb_cli_model_open(cli, name, &model, err);
    spec->model = model.file;
    if (s == TB_OK)
        s = tb_bench_run(spec, show_progress, NULL, result, err);
    spec->model = NULL;
    tb_cli_model_close(&model);
    return s;
}

/* Files need no store, nor does plain FM. */
static bool needs_store(const char *list)
{
    char name[MODEL_NAME];
    while (next_model(&list, name))
        if (strcmp(name, "none") != 0 && !tb_cli_model_is_file(name))
            return true;
    return false;
}

static int run_here(struct tb_cli *cli, struct tb_bench_spec *spec)
{
    const char *list = tb_args_text(&cli->args, "model", "none");
    char name[MODEL_NAME];
    struct tb_error err;
    json_t *all = NULL;
    enum tb_status s = TB_OK;
    if (needs_store(list)) {
        int status = tb_cli_connect(cli, TB_CLI_ANY);
        if (status)
            return status;
    }
    while (s == TB_OK && next_model(&list, name)) {
        json_t *one = NULL;
        s = run_model(cli, strcmp(name, "none") != 0 ? name : NULL, spec, &one, &err);
        if (s == TB_OK)
            all = tb_bench_join(all, one);
    }
    end_progress();
    if (s == TB_OK && !all)
        s = tb_fail(&err, TB_EINVAL, "--model: names none");
    if (s == TB_OK)
        return show_result(cli, all);
    json_decref(all);
    return tb_cli_fail(cli, &err);
}

int tb_run_bench(struct tb_cli *cli)
{
    const struct tb_args *args = &cli->args;
    const char *remote = tb_args_text(args, "remote", NULL);
    bool comparing = tb_args_has(args, "compare");
    struct tb_bench_spec spec;
    struct tb_error err;
    enum tb_status s = take_spec(args, &spec, &err);
    if (s == TB_OK && args->n_operands != (comparing ? 2 : 0))
        s = tb_fail(&err, TB_EINVAL, "--compare: goes with two results, A and B");
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    if (remote) {
        int status = tb_cli_connect_to(cli, remote);
        if (status)
            return status;
    }
    if (comparing)
        return compare(cli);
    if (remote)
        return run_remote(cli, &spec);
    return run_here(cli, &spec);
}
