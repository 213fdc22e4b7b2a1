/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_entry.h"

#include "dsp/params.h"
#include "models/train/file.h"
#include "models/train/fm_env.h"
#include "server/formats/syx.h"
#include "server/formats/values_json.h"
#include "server/train/train_model.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* timbred fm-env VOICE MODEL: a DX7 voice becomes a neural one. */

static atomic_int stop_asked;

static void on_stop(int signal)
{
    (void)signal;
    stop_asked = 1;
}

struct voice {
    float values[TB_N_PARAMS];
    char name[97];
};

static void defaults(struct voice *v)
{
    tb_params_default(v->values);
}

static enum tb_status from_syx(const char *path, const void *data, size_t size, unsigned number,
                               struct voice *v, struct tb_error *err)
{
    struct tb_syx_file file = {0};
    enum tb_status s = tb_syx_parse(data, size, &file, err);
    if (s == TB_OK && file.n_voices == 0)
        s = tb_fail(err, TB_ECORRUPT, "%.60s: holds no DX7 voice", path);
    if (s == TB_OK && number > file.n_voices)
        s = tb_fail(err, TB_EINVAL, "--voice: %u; there are %zu voices in %.60s", number,
                    file.n_voices, path);
    if (s == TB_OK)
        tb_syx_unpack_voice(file.voices[number - 1], v->values, v->name);
    tb_syx_clear(&file);
    return s;
}

static enum tb_status from_json(const char *path, const void *data, size_t size, unsigned number,
                                struct voice *v, struct tb_error *err)
{
    json_error_t fault;
    json_t *json = json_loadb(data, size, JSON_REJECT_DUPLICATES, &fault);
    if (!json)
        return tb_fail(err, TB_ECORRUPT, "%.60s:%d: %.80s", path, fault.line, fault.text);
    const json_t *list = json_object_get(json, "patches");
    const json_t *patch = json_is_array(list) ? json_array_get(list, number - 1) : json;
    json_t *values = json_object_get(patch, "values");
    const char *name = json_string_value(json_object_get(patch, "name"));
    enum tb_status s = json_is_object(values)
                           ? tb_values_from_json(values, v->values, NULL, err)
                           : tb_fail(err, TB_ECORRUPT, "%.60s: no patch %u in it", path, number);
    (void)snprintf(v->name, sizeof v->name, "%s", name ? name : "");
    json_decref(json);
    return s;
}

static enum tb_status read_voice(const struct tb_args *args, struct voice *v, struct tb_error *err)
{
    const char *path = args->operands[0];
    const unsigned number = (unsigned)tb_args_number(args, "voice", 1);
    void *data;
    size_t size, blank = 0;
    enum tb_status s = tb_file_read(path, TB_SYX_MAX_BYTES, &data, &size, err);
    if (s != TB_OK)
        return s;
    const char *text = data;
    while (blank < size && text[blank] && strchr(" \t\r\n", text[blank]))
        blank++;
    defaults(v);
    if (blank < size && text[blank] == '{')
        s = from_json(path, data, size, number, v, err);
    else
        s = from_syx(path, data, size, number, v, err);
    free(data);
    return s;
}

static void report(void *context, const struct tb_fm_env_report *r)
{
    if (context) {
        printf("{\"step\":%llu,\"loss\":%.6f,\"steps_per_s\":%.2f,\"left_s\":%.0f}\n",
               (unsigned long long)r->step, r->loss, r->steps_per_s, r->left_s);
        (void)fflush(stdout);
        return;
    }
    const bool line = isatty(STDERR_FILENO);
    (void)fprintf(stderr, "%sstep %llu, %.1f steps/s, loss %.4f, %d:%02d left%s",
                  line ? "\r\033[K" : "", (unsigned long long)r->step, r->steps_per_s, r->loss,
                  (int)r->left_s / 60, (int)r->left_s % 60, line ? "" : "\n");
}

static void describe(const struct tb_args *args, const struct voice *v, const struct tb_fm_env *env,
                     double l1, struct tb_model_meta *m)
{
    struct tm now;
    const time_t seconds = time(NULL);
    const char *name = tb_args_text(args, "name", v->name[0] ? v->name : "FM envelopes");
    tb_model_meta_init(m);
    m->family = TB_MODEL_FM_ENVELOPE;
    (void)snprintf(m->name, sizeof m->name, "%s", name);
    (void)snprintf(m->instrument, sizeof m->instrument, "%s", tb_args_text(args, "instrument", ""));
    (void)snprintf(m->licence, sizeof m->licence, "%s", tb_args_text(args, "licence", ""));
    (void)snprintf(m->credit, sizeof m->credit, "%s", tb_args_text(args, "credit", ""));
    (void)snprintf(m->source, sizeof m->source, "DX7 voice %s", v->name);
    (void)snprintf(m->training, sizeof m->training,
                   "envelopes of the voice itself; %llu steps, AdamW, L1; %.4f on unseen notes "
                   "(levels / 2)",
                   (unsigned long long)tb_fm_env_steps(env), l1);
    if (gmtime_r(&seconds, &now))
        (void)strftime(m->created, sizeof m->created, "%Y-%m-%dT%H:%M:%SZ", &now);
    tb_train_uuid(m);
}

static enum tb_status train(const struct tb_args *args, const struct voice *v,
                            struct tb_fm_env *env, struct tb_error *err)
{
    struct sigaction action = {.sa_handler = on_stop};
    struct tb_model_meta meta;
    double l1 = 0;
    size_t size = 0;
    bool json = tb_args_has(args, "json");
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    enum tb_status s = tb_fm_env_go(env, &stop_asked, report, json ? &json : NULL, err);
    if (s == TB_OK)
        s = tb_fm_env_test(env, &l1, err);
    if (s != TB_OK)
        return s;
    describe(args, v, env, l1, &meta);
    const bool exact = strcmp(tb_args_text(args, "storage", "f16"), "f32") == 0;
    void *data = tb_fm_env_encode(env, &meta, exact ? TB_NN_F32 : TB_NN_F16, &size, err);
    if (!data)
        return err->status;
    s = tb_file_write(args->operands[1], data, size, err);
    free(data);
    if (s == TB_OK && json)
        printf("{\"model\":\"%s\",\"l1\":%.6f,\"step\":%llu}\n", args->operands[1], l1,
               (unsigned long long)tb_fm_env_steps(env));
    else if (s == TB_OK)
        (void)fprintf(stderr, "%s%s: L1 %.4f after %llu steps\n", isatty(STDERR_FILENO) ? "\n" : "",
                      args->operands[1], l1, (unsigned long long)tb_fm_env_steps(env));
    return s;
}

enum tb_status tb_train_fm_env(const struct tb_args *args, struct tb_error *err)
{
    struct voice v = {.name = ""};
    struct tb_fm_env_options o;
    enum tb_status s = read_voice(args, &v, err);
    if (s != TB_OK)
        return s;
    tb_fm_env_defaults(&o);
    o.width = (size_t)tb_args_number(args, "width", (double)o.width);
    o.batch = (size_t)tb_args_number(args, "batch", (double)o.batch);
    o.rate = tb_args_number(args, "rate", o.rate);
    o.seed = (uint64_t)tb_args_number(args, "seed", 1);
    o.steps = (uint64_t)tb_args_number(args, "steps", 0);
    o.minutes = tb_args_number(args, "minutes", o.steps ? 0 : o.minutes);
    o.low_key = (unsigned)tb_args_number(args, "low-key", o.low_key);
    o.high_key = (unsigned)tb_args_number(args, "high-key", o.high_key);
    struct tb_fm_env_voice *voice = tb_fm_env_voice_new(v.values, err);
    struct tb_fm_env *env = voice ? tb_fm_env_new(voice, &o, err) : NULL;
    s = env ? train(args, &v, env, err) : err->status;
    tb_fm_env_free(env);
    tb_fm_env_voice_free(voice);
    return s;
}
