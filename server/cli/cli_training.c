/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Trainings of the server; `timbred train` trains in this process. */

static void print_line(const json_t *t)
{
    printf("%s  %-24s %-9s %-8s %-11s %3.0f %%", tb_cli_text(t, "uuid"), tb_cli_text(t, "name"),
           tb_cli_text(t, "family"), tb_cli_text(t, "preset"), tb_cli_text(t, "state"),
           100 * tb_cli_number(t, "progress"));
    if (json_is_number(json_object_get(t, "best")))
        printf("  best %.3f at step %.0f", tb_cli_number(t, "best"), tb_cli_number(t, "best_step"));
    printf("%s%s\n", tb_cli_text(t, "detail")[0] ? "  " : "", tb_cli_text(t, "detail"));
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
    enum tb_status s = tb_cli_find(cli, "/trainings", cli->args.operands[0], uuid, &err);
    (void)snprintf(path, sizeof path, "/trainings/%s%s", uuid, below);
    if (s == TB_OK)
        s = tb_cli_call(cli, method, path, send, reply, &err);
    else
        json_decref(send);
    return s == TB_OK ? 0 : tb_cli_fail(cli, &err);
}

/* Where there is nothing to tell. */
static int done(const struct tb_cli *cli, int status)
{
    return status == 0 && cli->json ? tb_cli_print(json_object()) : status;
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
    printf("step %.0f, %.2f steps/s, loss %.3f, %.0f s of %.0f\n", tb_cli_number(training, "step"),
           tb_cli_number(training, "steps_per_s"), tb_cli_number(training, "loss"),
           tb_cli_number(training, "spent_s"), 60 * tb_cli_number(training, "minutes"));
    json_decref(training);
    return 0;
}

int tb_run_training_stop(struct tb_cli *cli)
{
    return done(cli, call(cli, "POST", "/stop", NULL, NULL));
}

/* The training as it stands afterwards. */
int tb_run_training_resume(struct tb_cli *cli)
{
    json_t *training = NULL, *body = json_object();
    if (tb_args_has(&cli->args, "minutes"))
        (void)json_object_set_new(body, "minutes",
                                  json_real(tb_args_number(&cli->args, "minutes", 0)));
    int status = call(cli, "POST", "/resume", body, &training);
    if (status)
        return status;
    if (cli->json)
        return tb_cli_print(training);
    print_line(training);
    json_decref(training);
    return 0;
}

int tb_run_training_clip(struct tb_cli *cli)
{
    struct tb_cli_bytes wav = {0};
    struct tb_error err;
    char uuid[64] = "", path[160], *end;
    const long index = strtol(cli->args.operands[1], &end, 10);
    if (*end || end == cli->args.operands[1] || index < 0 || index > 9999) {
        (void)tb_fail(&err, TB_EINVAL, "index: \"%.20s\" is not the number of a clip, 0 to 9999",
                      cli->args.operands[1]);
        return tb_cli_fail(cli, &err);
    }
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    enum tb_status s = tb_cli_find(cli, "/trainings", cli->args.operands[0], uuid, &err);
    (void)snprintf(path, sizeof path, "/api/v1/trainings/%.36s/clips/%ld?of=%s", uuid, index,
                   tb_args_text(&cli->args, "of", "model"));
    if (s == TB_OK)
        s = tb_cli_download(cli, path, &wav, &err);
    return tb_cli_deliver(cli, &wav, s, &err);
}

int tb_run_training_rm(struct tb_cli *cli)
{
    return done(cli, call(cli, "DELETE", "", NULL, NULL));
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
    printf("%s  %s\n", tb_cli_text(model, "uuid"), tb_cli_text(model, "name"));
    json_decref(model);
    return 0;
}

/* ---- start */

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
        files ? tb_cli_set_create(cli, tb_args_text(a, "name", "recordings"), 0, uuid, &err)
              : tb_cli_find(cli, "/datasets", a->operands[0], uuid, &err);
    if (s == TB_OK)
        s = tb_cli_call(cli, "POST", "/trainings", wishes(a, uuid), &training, &err);
    if (s != TB_OK && files && uuid[0])
        fprintf(stderr, "timbred: the recordings are kept as data set %s\n", uuid);
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(training);
    printf("%s  %s\n", tb_cli_text(training, "uuid"), tb_cli_text(training, "name"));
    json_decref(training);
    return 0;
}
