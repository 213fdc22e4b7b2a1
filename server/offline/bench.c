/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/bench.h"

#include "server/offline/bench_priv.h"
#include "server/offline/machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum scenario { STEADY, NOTE_ONS, PATCH_CHANGE, SWEEP, N_SCENARIOS };
static const char *const scenario_names[] = {"steady", "note_ons", "patch_change", "sweep"};

void tb_bench_default(struct tb_bench_spec *spec)
{
    static const struct tb_bench_spec standard = {
        .voices = {1, 8, 16, 32, 64},
        .n_voices = 5,
        .blocks = {64, 256},
        .n_blocks = 2,
        .rates = {48000},
        .n_rates = 1,
        .seconds = 1.0,
        .offline = true,
        .paced = true,
        .stress = true,
        .cpu = TB_CPU_BEST,
        .priority = 60,
    };
    *spec = standard;
}

struct list {
    const char *name;
    double min, max;
    size_t capacity;
    uint32_t *values;
    size_t *n;
};

static enum tb_status read_list(const struct list *list, const json_t *json, struct tb_error *err)
{
    size_t n = json_array_size(json);
    if (!json_is_array(json) || n < 1 || n > list->capacity)
        return tb_fail(err, TB_EINVAL, "%s: not a list of 1 to %zu numbers", list->name,
                       list->capacity);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(json, i);
        double v = json_number_value(item);
        if (!json_is_number(item) || v != floor(v))
            return tb_fail(err, TB_EINVAL, "%s[%zu]: not a whole number", list->name, i);
        if (v < list->min || v > list->max)
            return tb_fail(err, TB_EINVAL, "%s[%zu]: %g is not in %g..%g", list->name, i, v,
                           list->min, list->max);
        list->values[i] = (uint32_t)v;
    }
    *list->n = n;
    return TB_OK;
}

static enum tb_status read_flag(const char *name, const json_t *json, bool *flag,
                                struct tb_error *err)
{
    if (!json_is_boolean(json))
        return tb_fail(err, TB_EINVAL, "%s: not true or false", name);
    *flag = json_is_true(json);
    return TB_OK;
}

static enum tb_status read_member(const char *key, json_t *value, struct tb_bench_spec *spec,
                                  struct tb_error *err)
{
    const struct list lists[] = {
        {"voices", 1, TB_MAX_VOICES, 16, spec->voices, &spec->n_voices},
        {"blocks", TB_MIN_BLOCK, TB_MAX_BLOCK, 16, spec->blocks, &spec->n_blocks},
        {"rates", 22050, 192000, 8, spec->rates, &spec->n_rates}};
    bool ignored;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(key, lists[i].name) == 0)
            return read_list(&lists[i], value, err);
    }
    if (strcmp(key, "paced") == 0)
        return read_flag(key, value, &spec->paced, err);
    if (strcmp(key, "stress") == 0)
        return read_flag(key, value, &spec->stress, err);
    if (strcmp(key, "force") == 0)
        return read_flag(key, value, &ignored, err);
    if (strcmp(key, "seconds") != 0)
        return tb_fail(err, TB_EINVAL, "%.40s: unknown field", key);
    double seconds = json_number_value(value);
    if (!json_is_number(value) || !(seconds >= 0.05 && seconds <= 60.0))
        return tb_fail(err, TB_EINVAL, "seconds: not a number in 0.05..60");
    spec->seconds = seconds;
    return TB_OK;
}

enum tb_status tb_bench_from_json(json_t *json, struct tb_bench_spec *spec, struct tb_error *err)
{
    const char *key;
    json_t *value;
    tb_bench_default(spec);
    if (!json_is_object(json))
        return tb_fail(err, TB_EINVAL, "benchmark: not an object");
    json_object_foreach(json, key, value)
    {
        enum tb_status s = read_member(key, value, spec, err);
        if (s != TB_OK)
            return s;
    }
    size_t cases = spec->n_voices * spec->n_blocks * spec->n_rates;
    if (cases > TB_BENCH_MAX_CASES)
        return tb_fail(err, TB_EINVAL, "voices x blocks x rates: %zu cases, more than %d", cases,
                       TB_BENCH_MAX_CASES);
    if (tb_bench_seconds(spec) > 1800.0)
        return tb_fail(err, TB_EINVAL, "seconds: %.0f s altogether, more than 1800",
                       tb_bench_seconds(spec));
    return TB_OK;
}

double tb_bench_seconds(const struct tb_bench_spec *spec)
{
    double cases = (double)(spec->n_voices * spec->n_blocks * spec->n_rates);
    return cases * (spec->seconds + 0.05) * (spec->offline + spec->paced);
}

enum tb_status tb_bench_allowed(const struct tb_bench_situation *now, struct tb_error *err)
{
    if (!now->playing)
        return TB_OK;
    if (now->n_cpus < 2 || now->audio_cpu < 0)
        return tb_fail(err, TB_ECONFLICT,
                       "the audio thread has no processor of its own here: it would be disturbed");
    if (now->load_max > 0.7F)
        return tb_fail(err, TB_ECONFLICT, "the audio load is %.0f %%, above 70 %%",
                       (double)now->load_max * 100.0);
    return TB_OK;
}

/* ---- results */

static int compare_times(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_us(const struct tb_bench_case *c, double p)
{
    size_t i = (size_t)ceil(p * (double)c->n);
    return (double)c->times_ns[i > 0 ? i - 1 : 0] * 1e-3;
}

static json_t *name_of(const struct tb_model_file *model)
{
    return model ? json_string(model->meta.name) : json_null();
}

static json_t *describe(struct tb_bench_case *c, const char *mode, enum scenario scenario)
{
    if (c->n == 0)
        return NULL;
    qsort(c->times_ns, c->n, sizeof *c->times_ns, compare_times);
    double sum_us = 0.0, deadline_us = 1e6 * (double)c->block / (double)c->rate_hz;
    for (size_t i = 0; i < c->n; i++)
        sum_us += (double)c->times_ns[i] * 1e-3;
    double p50 = percentile_us(c, 0.5), p99 = percentile_us(c, 0.99);
    double p999 = percentile_us(c, 0.999), max = percentile_us(c, 1.0);
    json_t *result = json_pack(
        "{s:s,s:s,s:i,s:i,s:i,s:i,s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:{s:f,s:f,s:f,s:f},s:f}", "mode",
        mode, "scenario", scenario_names[scenario], "voices", (int)c->voices, "block",
        (int)c->block, "rate_hz", (int)c->rate_hz, "n", (int)c->n, "sounding", (int)c->sounding,
        "deadline_us", deadline_us, "mean_us", sum_us / (double)c->n, "p50_us", p50, "p99_us", p99,
        "p999_us", p999, "max_us", max, "share", "p50", p50 / deadline_us, "p99", p99 / deadline_us,
        "p999", p999 / deadline_us, "max", max / deadline_us, "ns_per_voice_sample",
        p50 * 1e3 / ((double)c->voices * (double)c->block));
    bool paced = strcmp(mode, "paced") == 0;
    double temperature_c = tb_machine_temperature_c("");
    json_t *temperature = isfinite(temperature_c) ? json_real(temperature_c) : json_null();
    json_t *more = json_pack(
        "{s:o,s:o,s:o,s:o,s:o}", "late", paced ? json_integer(c->late) : json_null(),
        "witness_late", paced ? json_integer(c->witness_late) : json_null(), "witness_max_us",
        paced ? json_real((double)c->witness_max_ns * 1e-3) : json_null(), "realtime",
        paced ? json_boolean(c->realtime) : json_null(), "temperature_c", temperature);
    (void)json_object_update(result, more);
    json_decref(more);
    (void)json_object_set_new(result, "model", name_of(c->spec->model));
    return result;
}

/* ---- the run */

struct run {
    const struct tb_bench_spec *spec;
    tb_bench_progress progress;
    void *context;
    json_t *results;
    size_t i_step, n_steps;
    const char *kernel;
    bool realtime;
};

static size_t n_scenarios(const struct tb_bench_spec *spec, bool paced)
{
    return paced || !spec->stress ? 1 : N_SCENARIOS;
}

static enum tb_status measure(struct run *r, struct tb_bench_case *c, bool paced,
                              enum scenario scenario, struct tb_error *err)
{
    enum tb_status s = TB_OK;
    c->n = 0;
    tb_bench_case_warm(c);
    if (paced)
        s = tb_bench_paced(c, err);
    else if (scenario == NOTE_ONS)
        tb_bench_note_ons(c);
    else if (scenario == SWEEP)
        tb_bench_sweep(c);
    else if (scenario == PATCH_CHANGE)
        s = tb_bench_patch_change(c, err);
    else
        tb_bench_steady(c);
    if (s != TB_OK)
        return s;
    r->realtime |= c->realtime;
    r->kernel = tb_cpu_name(tb_engine_cpu(c->engine));
    json_t *result = describe(c, paced ? "paced" : "offline", scenario);
    if (!result || json_array_append_new(r->results, result) != 0)
        return tb_fail(err, TB_ENOMEM, "bench: no memory");
    return TB_OK;
}

/* One engine per step, so that no step starts where another left it. */
static enum tb_status step(struct run *r, struct tb_bench_case *c, bool paced,
                           enum scenario scenario, struct tb_error *err)
{
    char text[96];
    (void)snprintf(text, sizeof text, "%s %s, %u voices, %u frames, %u Hz",
                   paced ? "paced" : "offline", scenario_names[scenario], c->voices, c->block,
                   c->rate_hz);
    double done = (double)r->i_step++ / (double)r->n_steps;
    if (r->progress && !r->progress(r->context, done, text))
        return tb_fail(err, TB_ECONFLICT, "bench: stopped");
    enum tb_status s = tb_bench_case_open(c, err);
    if (s == TB_OK)
        s = measure(r, c, paced, scenario, err);
    tb_bench_case_close(c);
    return s;
}

static enum tb_status run_case(struct run *r, const uint32_t numbers[3], struct tb_error *err)
{
    const struct tb_bench_spec *spec = r->spec;
    enum tb_status s = TB_OK;
    for (int paced = 0; paced < 2; paced++) {
        if (!(paced ? spec->paced : spec->offline))
            continue;
        for (size_t i = 0; i < n_scenarios(spec, paced) && s == TB_OK; i++) {
            struct tb_bench_case c = {
                .spec = spec, .voices = numbers[0], .block = numbers[1], .rate_hz = numbers[2]};
            if (spec->values)
                memcpy(c.values, spec->values, sizeof c.values);
            else if (spec->model) /* its own sound: no FM patch lies below it */
                tb_params_default(c.values);
            else
                tb_bench_values(c.values);
            s = step(r, &c, paced, (enum scenario)i, err);
        }
    }
    return s;
}

static json_t *numbers(const uint32_t *values, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n && list; i++)
        (void)json_array_append_new(list, json_integer(values[i]));
    return list;
}

static json_t *model_json(const struct tb_model_file *model)
{
    static const char *const families[] = {"hpn", "wavetable", "ddx7", "fm_envelope"};
    if (!model)
        return json_null();
    return json_pack("{s:s,s:s,s:I}", "name", model->meta.name, "family",
                     families[model->meta.family], "parameters", (json_int_t)model->n_params);
}

static bool same_place(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"model", "mode", "block", "rate_hz"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
            return false;
    return true;
}

/* The line of a result's mode, block and rate; made where there is none. */
static json_t *line_of(json_t *list, const json_t *result)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (same_place(json_array_get(list, i), result))
            return json_array_get(list, i);
    (void)json_array_append_new(
        list, json_pack("{s:O,s:O,s:O,s:O,s:i}", "model", json_object_get(result, "model"), "mode",
                        json_object_get(result, "mode"), "block", json_object_get(result, "block"),
                        "rate_hz", json_object_get(result, "rate_hz"), "voices", 0));
    return json_array_get(list, json_array_size(list) - 1);
}

/* The most voices whose p99 holds the deadline, a line for each mode, block and rate. */
static json_t *highest(const json_t *results)
{
    json_t *list = json_array(), *result;
    size_t i;
    json_array_foreach(results, i, result)
    {
        const json_t *voices = json_object_get(result, "voices");
        double p99 = json_number_value(json_object_get(result, "p99_us"));
        if (strcmp(json_string_value(json_object_get(result, "scenario")), "steady") != 0)
            continue;
        json_t *line = line_of(list, result);
        json_int_t most = json_integer_value(json_object_get(line, "voices"));
        if (p99 <= json_number_value(json_object_get(result, "deadline_us")) &&
            json_integer_value(voices) > most)
            (void)json_object_set_new(line, "voices", json_integer(json_integer_value(voices)));
    }
    return list;
}

static json_t *finish(struct run *r)
{
    const struct tb_bench_spec *spec = r->spec;
    char when[32];
    time_t now = time(NULL);
    struct tm parts;
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    return json_pack(
        "{s:s,s:s,s:s,s:b,s:o,s:{s:o,s:o,s:o,s:f,s:b,s:b,s:b},s:O,s:[o],s:o}", "version",
        TB_VERSION, "time", when, "kernel", r->kernel, "realtime", (int)r->realtime, "machine",
        tb_machine_describe(""), "spec", "voices", numbers(spec->voices, spec->n_voices), "blocks",
        numbers(spec->blocks, spec->n_blocks), "rates", numbers(spec->rates, spec->n_rates),
        "seconds", spec->seconds, "offline", (int)spec->offline, "paced", (int)spec->paced,
        "stress", (int)spec->stress, "results", r->results, "models", model_json(spec->model),
        "highest", highest(r->results));
}

json_t *tb_bench_join(json_t *all, json_t *one)
{
    static const char *const lists[] = {"results", "models", "highest"};
    if (!all)
        return one;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (json_array_extend(json_object_get(all, lists[i]), json_object_get(one, lists[i]))) {
            json_decref(all);
            all = NULL;
            break;
        }
    json_decref(one);
    return all;
}

enum tb_status tb_bench_run(const struct tb_bench_spec *spec, tb_bench_progress progress,
                            void *context, json_t **result, struct tb_error *err)
{
    struct tb_error local;
    err = err ? err : &local;
    size_t cases = spec->n_voices * spec->n_blocks * spec->n_rates;
    size_t modes = (spec->offline ? n_scenarios(spec, false) : 0) + (spec->paced ? 1 : 0);
    struct run r = {.spec = spec,
                    .progress = progress,
                    .context = context,
                    .results = json_array(),
                    .n_steps = cases * modes,
                    .kernel = "none"};
    *result = NULL;
    enum tb_status s = r.results ? TB_OK : tb_fail(err, TB_ENOMEM, "bench: no memory");
    for (size_t i = 0; i < cases && s == TB_OK; i++) {
        size_t per_rate = spec->n_voices * spec->n_blocks;
        const uint32_t at[3] = {spec->voices[i % spec->n_voices],
                                spec->blocks[i / spec->n_voices % spec->n_blocks],
                                spec->rates[i / per_rate]};
        s = run_case(&r, at, err);
    }
    if (s == TB_OK) {
        *result = finish(&r);
        if (!*result)
            s = tb_fail(err, TB_ENOMEM, "bench: no memory");
    }
    json_decref(r.results);
    return s;
}
