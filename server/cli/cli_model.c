/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_model.h"
#include "server/cli/cli_run.h"
#include "server/offline/model_check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- ls */

static void print_list(const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(list, "items"), i, item)
    {
        const json_t *cost = json_object_get(item, "cost");
        printf("%s  %-28s %-11s %8.2f MiB", tb_cli_text(item, "uuid"), tb_cli_text(item, "name"),
               tb_cli_text(item, "family"), tb_cli_number(item, "bytes") / 1048576.0);
        if (json_is_object(cost))
            printf("  %3.0f voices", tb_cli_number(cost, "voices"));
        printf("%s\n", json_is_true(json_object_get(item, "factory")) ? "  factory" : "");
    }
}

int tb_run_model_ls(struct tb_cli *cli)
{
    char text[512];
    struct tb_error err;
    json_t *list = NULL;
    tb_cli_words(&cli->args, text, sizeof text);
    int status = tb_cli_connect(cli, TB_CLI_ANY);
    if (status)
        return status;
    if (tb_cli_model_list(cli, text, &list, &err) != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(list);
    print_list(list);
    json_decref(list);
    return 0;
}

/* ---- info */

static void print_value(const char *key, const json_t *value)
{
    if (json_is_string(value) && json_string_length(value) > 0)
        printf("%-26s%s\n", key, json_string_value(value));
    else if (json_is_integer(value))
        printf("%-26s%lld\n", key, (long long)json_integer_value(value));
    else if (json_is_real(value))
        printf("%-26s%g\n", key, json_real_value(value));
    else if (json_is_boolean(value))
        printf("%-26s%s\n", key, json_is_true(value) ? "yes" : "no");
}

/* Lists, and what lies deeper than a member of a member. */
static void print_compact(const char *key, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (text)
        printf("%-26s%s\n", key, text);
    free(text);
}

static void print_members(const json_t *object)
{
    const char *key, *inner;
    json_t *value, *part;
    json_object_foreach((json_t *)(size_t)object, key, value)
    {
        print_value(key, value);
        json_object_foreach(value, inner, part)
        {
            char name[64];
            (void)snprintf(name, sizeof name, "%.30s.%.30s", key, inner);
            if (json_is_array(part) || json_is_object(part))
                print_compact(name, part);
            else
                print_value(name, part);
        }
    }
}

/* What the server would say of a file, measured here. */
static enum tb_status check_file(const char *path, json_t **info, struct tb_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct tb_error fault;
    if (fd < 0)
        return tb_fail(err, TB_ENOTFOUND, "%.100s: cannot be read", path);
    *info = tb_model_check(fd, &fault);
    (void)close(fd);
    return *info ? TB_OK : tb_fail(err, fault.status, "%.50s: %.100s", path, fault.text);
}

int tb_run_model_info(struct tb_cli *cli)
{
    const char *name = cli->args.operands[0];
    struct tb_error err;
    json_t *info = NULL;
    enum tb_status s;
    if (tb_cli_model_is_file(name)) {
        s = check_file(name, &info, &err);
    } else {
        int status = tb_cli_connect(cli, TB_CLI_ANY);
        if (status)
            return status;
        s = tb_cli_model_find(cli, name, &info, &err);
    }
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(info);
    print_members(info);
    json_decref(info);
    return 0;
}

/* ---- import and export */

/* The server's advice is a query; here it is an option. */
static void as_option(struct tb_error *err)
{
    static const char query[] = "?replace=true", option[] = "--replace";
    char *at = strstr(err->text, query);
    if (!at)
        return;
    memcpy(at, option, sizeof option - 1);
    at += sizeof option - 1;
    memmove(at, at + sizeof query - sizeof option, strlen(at + sizeof query - sizeof option) + 1);
}

int tb_run_model_import(struct tb_cli *cli)
{
    struct tb_error err;
    const char *path =
        tb_args_has(&cli->args, "replace") ? "/api/v1/models?replace=true" : "/api/v1/models";
    json_t *models = json_array();
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    for (int i = 0; i < cli->args.n_operands && status == 0; i++) {
        json_t *model = NULL;
        const struct tb_cli_upload upload = {
            .path = path, .file = cli->args.operands[i], .max = (size_t)TB_MODEL_MAX_MIB << 20};
        if (tb_cli_upload(cli, &upload, &model, &err) != TB_OK) {
            as_option(&err);
            status = tb_cli_fail(cli, &err);
            break;
        }
        if (!cli->json)
            printf("%s  %s%s%s\n", tb_cli_text(model, "uuid"), tb_cli_text(model, "name"),
                   tb_cli_text(model, "why")[0] ? ": " : "", tb_cli_text(model, "why"));
        (void)json_array_append_new(models, model);
    }
    if (status == 0 && cli->json)
        return tb_cli_print(json_pack("{s:o}", "models", models));
    json_decref(models);
    return status;
}

int tb_run_model_export(struct tb_cli *cli)
{
    struct tb_cli_model model = {0};
    struct tb_error err;
    int status = tb_cli_connect(cli, TB_CLI_ANY);
    if (status)
        return status;
    enum tb_status s = tb_cli_model_open(cli, cli->args.operands[0], &model, &err);
    struct tb_cli_bytes file = {model.data, model.size};
    model.data = NULL; /* now the file's */
    tb_cli_model_close(&model);
    return tb_cli_deliver(cli, &file, s, &err);
}

/* ---- rm and use */

int tb_run_model_rm(struct tb_cli *cli)
{
    struct tb_error err;
    json_t *model = NULL;
    char path[96];
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    enum tb_status s = tb_cli_model_find(cli, cli->args.operands[0], &model, &err);
    if (s == TB_OK)
        s = tb_cli_may_go(model, "model", &err);
    if (s == TB_OK) {
        (void)snprintf(path, sizeof path, "/models/%.36s%s", tb_cli_text(model, "uuid"),
                       tb_args_has(&cli->args, "force") ? "?force=true" : "");
        s = tb_cli_call(cli, "DELETE", path, NULL, NULL, &err);
    }
    json_decref(model);
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    return cli->json ? tb_cli_print(json_object()) : 0;
}

/* "none" is plain FM. */
static enum tb_status add_choice(struct tb_cli *cli, const char *key, const char *name,
                                 json_t *choice, struct tb_error *err)
{
    json_t *model = NULL;
    enum tb_status s = TB_OK;
    if (strcmp(name, "none") != 0)
        s = tb_cli_model_find(cli, name, &model, err);
    if (s == TB_OK)
        (void)json_object_set_new(choice, key,
                                  model ? json_string(tb_cli_text(model, "uuid")) : json_null());
    json_decref(model);
    return s;
}

int tb_run_model_use(struct tb_cli *cli)
{
    const char *b = tb_args_text(&cli->args, "b", NULL);
    struct tb_error err;
    json_t *choice = json_object(), *state = NULL;
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status) {
        json_decref(choice);
        return status;
    }
    enum tb_status s = add_choice(cli, "uuid", cli->args.operands[0], choice, &err);
    if (s == TB_OK && b)
        s = add_choice(cli, "b", b, choice, &err);
    if (s == TB_OK && tb_args_has(&cli->args, "force"))
        (void)json_object_set_new(choice, "force", json_true());
    if (s == TB_OK)
        s = tb_cli_call(cli, "PUT", "/state/model", json_incref(choice), &state, &err);
    json_decref(choice);
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json && state)
        return tb_cli_print(state);
    printf("%s plays\n", tb_cli_text(json_object_get(state, "model"), "name")[0]
                             ? tb_cli_text(json_object_get(state, "model"), "name")
                             : "plain FM");
    json_decref(state);
    return 0;
}
