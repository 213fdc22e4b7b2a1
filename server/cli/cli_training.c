/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_run.h"
#include "server/cli/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Trainings of the server; `timbred train` trains in this process. */

enum { UPLOAD_MS = 600000, MAX_RECORDING = 1 << 30 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void print_line(const json_t *t)
{
    printf("%s  %-24s %-9s %-8s %-11s %3.0f %%", text_of(t, "uuid"), text_of(t, "name"),
           text_of(t, "family"), text_of(t, "preset"), text_of(t, "state"),
           100 * number_of(t, "progress"));
    if (json_is_number(json_object_get(t, "best")))
        printf("  best %.3f at step %.0f", number_of(t, "best"), number_of(t, "best_step"));
    printf("%s%s\n", text_of(t, "detail")[0] ? "  " : "", text_of(t, "detail"));
}

int tb_run_training_ls(struct tb_cli *cli)
{
    struct tb_error err;
    json_t *list = NULL, *one;
    size_t i;
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    if (tb_cli_call(cli, "GET", "/trainings", NULL, &list, &err) != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(list);
    json_array_foreach(json_object_get(list, "items"), i, one) print_line(one);
    json_decref(list);
    return 0;
}

/* The uuid of the item of a list that has this uuid or, alone, this name. */
static enum tb_status find(struct tb_cli *cli, const char *path, const char *name, char uuid[64],
                           struct tb_error *err)
{
    json_t *list = NULL, *one;
    size_t i, n = 0;
    enum tb_status s = tb_cli_call(cli, "GET", path, NULL, &list, err);
    json_array_foreach(json_object_get(list, "items"), i, one)
    {
        const bool it = strcmp(text_of(one, "uuid"), name) == 0;
        if (!it && strcasecmp(text_of(one, "name"), name) != 0)
            continue;
        (void)snprintf(uuid, 64, "%s", text_of(one, "uuid"));
        n = it ? 1 : n + 1;
        if (it)
            break;
    }
    json_decref(list);
    if (s == TB_OK && n == 0)
        s = tb_fail(err, TB_ENOTFOUND, "%.60s: nothing of this uuid or name", name);
    if (s == TB_OK && n > 1)
        s = tb_fail(err, TB_ECONFLICT, "%.60s: %zu have this name; give the uuid", name, n);
    return s;
}

/* Calls METHOD /trainings/UUID+below for the training of the first operand. */
static int call(struct tb_cli *cli, const char *method, const char *below, json_t *send,
                json_t **reply)
{
    struct tb_error err;
    char uuid[64] = "", path[128];
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status) {
        json_decref(send);
        return status;
    }
    enum tb_status s = find(cli, "/trainings", cli->args.operands[0], uuid, &err);
    (void)snprintf(path, sizeof path, "/trainings/%s%s", uuid, below);
    if (s == TB_OK)
        s = tb_cli_call(cli, method, path, send, reply, &err);
    else
        json_decref(send);
    return s == TB_OK ? 0 : tb_cli_fail(cli, &err);
}

int tb_run_training_show(struct tb_cli *cli)
{
    json_t *training = NULL;
    int status = call(cli, "GET", "", NULL, &training);
    if (status)
        return status;
    if (cli->json)
        return tb_cli_print(training);
    print_line(training);
    printf("step %.0f, %.2f steps/s, loss %.3f, %.0f s of %.0f\n", number_of(training, "step"),
           number_of(training, "steps_per_s"), number_of(training, "loss"),
           number_of(training, "spent_s"), 60 * number_of(training, "minutes"));
    json_decref(training);
    return 0;
}

int tb_run_training_stop(struct tb_cli *cli)
{
    return call(cli, "POST", "/stop", NULL, NULL);
}

int tb_run_training_keep(struct tb_cli *cli)
{
    static const char *const members[] = {"name", "licence", "credit"};
    json_t *model = NULL, *body = json_object();
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (tb_args_has(&cli->args, members[i]))
            (void)json_object_set_new(body, members[i],
                                      json_string(tb_args_text(&cli->args, members[i], "")));
    int status = call(cli, "POST", "/keep", body, &model);
    if (status)
        return status;
    if (cli->json)
        return tb_cli_print(model);
    printf("%s  %s\n", text_of(model, "uuid"), text_of(model, "name"));
    json_decref(model);
    return 0;
}

/* ---- start */

/* %XX for all but plain letters. */
static void escape(const char *name, char *out, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = 0;
    for (; *name && n + 4 < size; name++)
        n += (size_t)snprintf(out + n, size - n, strchr(plain, *name) ? "%c" : "%%%02X",
                              (unsigned char)*name);
    out[n] = '\0';
}

static enum tb_status upload(struct tb_cli *cli, const char *set, const char *file,
                             struct tb_error *err)
{
    uint8_t *data = NULL;
    size_t size = 0;
    char name[400], path[512];
    const char *slash = strrchr(file, '/');
    enum tb_status s = tb_cli_read_file(file, MAX_RECORDING, &data, &size, err);
    if (s != TB_OK)
        return s;
    escape(slash ? slash + 1 : file, name, sizeof name);
    (void)snprintf(path, sizeof path, "/api/v1/datasets/%.36s/recordings?filename=%s", set, name);
    struct tb_client_reply reply = {0};
    const struct tb_client_request request = {.method = "POST",
                                              .url = cli->url,
                                              .path = path,
                                              .token = cli->token,
                                              .type = "application/octet-stream",
                                              .body = data,
                                              .body_size = size,
                                              .timeout_ms = UPLOAD_MS};
    struct tb_error fault;
    s = tb_client_call(&request, &reply, &fault);
    if (s == TB_OK)
        s = tb_client_status(&reply, &fault);
    if (s != TB_OK)
        (void)tb_fail(err, s, "%.50s: %.100s", file, fault.text);
    tb_client_reply_clear(&reply);
    free(data);
    return s;
}

/* A new data set of the files that are the operands. */
static enum tb_status collect(struct tb_cli *cli, char uuid[64], struct tb_error *err)
{
    const struct tb_args *a = &cli->args;
    json_t *set = NULL;
    json_t *about = json_pack(
        "{s:s, s:s, s:s, s:s, s:s}", "name", tb_args_text(a, "name", "recordings"), "instrument",
        tb_args_text(a, "instrument", ""), "labels", tb_args_text(a, "labels", "names"), "licence",
        tb_args_text(a, "licence", ""), "credit", tb_args_text(a, "credit", ""));
    enum tb_status s = tb_cli_call(cli, "POST", "/datasets", about, &set, err);
    (void)snprintf(uuid, 64, "%s", text_of(set, "uuid"));
    json_decref(set);
    for (int i = 0; i < a->n_operands && s == TB_OK; i++)
        s = upload(cli, uuid, a->operands[i], err);
    return s;
}

static json_t *wishes(const struct tb_args *a, const char *dataset)
{
    static const char *const texts[] = {"name", "family", "preset", "voice"};
    static const char *const numbers[] = {"minutes", "rate", "seconds"};
    static const char *const whole[] = {"batch", "seed"};
    json_t *body = json_pack("{s:s}", "dataset", dataset);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (tb_args_has(a, texts[i]))
            (void)json_object_set_new(body, texts[i], json_string(tb_args_text(a, texts[i], "")));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (tb_args_has(a, numbers[i]))
            (void)json_object_set_new(body, numbers[i],
                                      json_real(tb_args_number(a, numbers[i], 0)));
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        if (tb_args_has(a, whole[i]))
            (void)json_object_set_new(body, whole[i],
                                      json_integer((json_int_t)tb_args_number(a, whole[i], 0)));
    return body;
}

int tb_run_training_start(struct tb_cli *cli)
{
    struct tb_error err;
    struct stat st;
    char uuid[64] = "";
    json_t *training = NULL;
    const struct tb_args *a = &cli->args;
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    const bool files = a->n_operands > 1 || stat(a->operands[0], &st) == 0;
    enum tb_status s =
        files ? collect(cli, uuid, &err) : find(cli, "/datasets", a->operands[0], uuid, &err);
    if (s == TB_OK)
        s = tb_cli_call(cli, "POST", "/trainings", wishes(a, uuid), &training, &err);
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(training);
    printf("%s  %s\n", text_of(training, "uuid"), text_of(training, "name"));
    json_decref(training);
    return 0;
}
