/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_run.h"

#include "server/offline/notes.h"
#include "server/web/auth.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- note, panic */

static int send_note(struct tb_cli *cli, int key, double velocity)
{
    const struct tb_args *args = &cli->args;
    struct tb_error err;
    char path[32];
    enum tb_status s;
    if (tb_args_has(args, "off")) {
        (void)snprintf(path, sizeof path, "/notes/%d", key);
        s = tb_cli_call(cli, "DELETE", path, NULL, NULL, &err);
    } else {
        json_t *body = json_pack("{s:i,s:i}", "key", key, "velocity", (int)velocity);
        if (!tb_args_has(args, "on"))
            (void)json_object_set_new(
                body, "duration_ms",
                json_integer((json_int_t)tb_args_number(args, "duration", 500)));
        s = tb_cli_call(cli, "POST", "/notes", body, NULL, &err);
    }
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(json_pack("{s:i}", "key", key));
    return 0;
}

int tb_run_note(struct tb_cli *cli)
{
    const struct tb_args *args = &cli->args;
    struct tb_error err = {0};
    int key = tb_note_key(args->operands[0]);
    char *end = NULL;
    double velocity = args->n_operands > 1 ? strtod(args->operands[1], &end) : 100.0;
    if (key < 0)
        (void)tb_fail(&err, TB_EINVAL, "key: \"%.20s\" is neither 0..127 nor a name like C4",
                      args->operands[0]);
    else if ((end && *end) || !(velocity >= 1.0 && velocity <= 127.0) ||
             velocity != (double)(int)velocity)
        (void)tb_fail(&err, TB_EINVAL, "velocity: \"%.20s\" is not in 1..127", args->operands[1]);
    else if (tb_args_has(args, "on") + tb_args_has(args, "off") + tb_args_has(args, "duration") > 1)
        (void)tb_fail(&err, TB_EINVAL, "--on, --off, --duration: only one of them");
    if (err.status != TB_OK)
        return tb_cli_fail(cli, &err);
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    return status ? status : send_note(cli, key, velocity);
}

int tb_run_panic(struct tb_cli *cli)
{
    struct tb_error err;
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    if (tb_cli_call(cli, "POST", "/panic", NULL, NULL, &err) != TB_OK)
        return tb_cli_fail(cli, &err);
    return cli->json ? tb_cli_print(json_object()) : 0;
}

/* ---- status */

static void print_status(const struct tb_cli *cli, const json_t *status)
{
    const json_t *audio = json_object_get(status, "audio"), *load = json_object_get(audio, "load");
    const json_t *temperature = json_object_get(status, "temperature_c");
    printf("timbred %s at %s, up %.0f s, %.0f clients\n", tb_cli_text(status, "version"), cli->url,
           tb_cli_number(status, "uptime_s"), tb_cli_number(status, "clients"));
    printf("audio   %s %s, %s: %s\n", tb_cli_text(audio, "driver"), tb_cli_text(audio, "device"),
           tb_cli_text(audio, "state"), tb_cli_text(audio, "why"));
    printf("        %.0f Hz, %.0f frames x %.0f, %.1f ms, %s, %s kernels\n",
           tb_cli_number(audio, "rate_hz"), tb_cli_number(audio, "block"),
           tb_cli_number(audio, "periods"), tb_cli_number(audio, "latency_ms"),
           json_is_true(json_object_get(audio, "realtime")) ? "real time" : "not real time",
           tb_cli_text(audio, "kernel"));
    printf("load    mean %.1f %%, p99 %.1f %%, max %.1f %%; %.0f voices\n",
           100.0 * tb_cli_number(load, "mean"), 100.0 * tb_cli_number(load, "p99"),
           100.0 * tb_cli_number(load, "max"), tb_cli_number(audio, "voices"));
    printf("late    %.0f blocks, %.0f xruns, %.0f restarts of the web role\n",
           tb_cli_number(audio, "late"), tb_cli_number(audio, "xruns"),
           tb_cli_number(status, "web_restarts"));
    if (json_is_number(temperature))
        printf("heat    %.1f C\n", json_number_value(temperature));
}

int tb_run_status(struct tb_cli *cli)
{
    struct tb_error err;
    json_t *reply = NULL;
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    if (tb_cli_call(cli, "GET", "/status", NULL, &reply, &err) != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(reply);
    print_status(cli, reply);
    json_decref(reply);
    return 0;
}

/* ---- tokens: over REST, or in the store itself */

static json_t *token_json(const struct tb_token *token)
{
    return json_pack("{s:I,s:s,s:s,s:I}", "id", (json_int_t)token->id, "role", token->role, "label",
                     token->label, "created", (json_int_t)token->created);
}

static enum tb_status stored_tokens(struct tb_cli *cli, json_t **list, struct tb_error *err)
{
    struct tb_store *store = tb_cli_store(cli, TB_STORE_READ, err);
    struct tb_token *tokens = NULL;
    size_t n = 0;
    if (!store)
        return err->status;
    enum tb_status s = tb_token_list(store, &tokens, &n, err);
    json_t *items = json_array();
    for (size_t i = 0; i < n && s == TB_OK; i++)
        (void)json_array_append_new(items, token_json(&tokens[i]));
    free(tokens);
    tb_store_close(store);
    *list = json_pack("{s:o}", "items", items);
    return s;
}

int tb_run_token_ls(struct tb_cli *cli)
{
    struct tb_error err;
    json_t *list = NULL, *item;
    size_t i;
    int status = tb_cli_connect(cli, TB_CLI_ANY);
    if (status)
        return status;
    enum tb_status s = cli->remote ? tb_cli_call(cli, "GET", "/tokens", NULL, &list, &err)
                                   : stored_tokens(cli, &list, &err);
    if (s != TB_OK) {
        json_decref(list);
        return tb_cli_fail(cli, &err);
    }
    if (cli->json)
        return tb_cli_print(list);
    json_array_foreach(json_object_get(list, "items"), i, item)
        printf("%-4.0f %-6s %s\n", tb_cli_number(item, "id"), tb_cli_text(item, "role"),
               tb_cli_text(item, "label"));
    json_decref(list);
    return 0;
}

static enum tb_status new_token(struct tb_cli *cli, const char *role, const char *label,
                                json_t **reply, struct tb_error *err)
{
    if (cli->remote)
        return tb_cli_call(cli, "POST", "/tokens",
                           json_pack("{s:s,s:s}", "role", role, "label", label), reply, err);
    char token[TB_TOKEN_TEXT];
    enum tb_status s = tb_token_mint(cli->state_dir, tb_role_find(role), label, token, err);
    if (s == TB_OK)
        *reply = json_pack("{s:s,s:s,s:s}", "role", role, "label", label, "token", token);
    return s;
}

int tb_run_token_add(struct tb_cli *cli)
{
    struct tb_error err;
    json_t *reply = NULL;
    int status = tb_cli_connect(cli, TB_CLI_ANY);
    if (status)
        return status;
    if (new_token(cli, tb_args_text(&cli->args, "role", "play"),
                  tb_args_text(&cli->args, "label", "command line"), &reply, &err) != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(reply);
    printf("%s\n", tb_cli_text(reply, "token"));
    json_decref(reply);
    return 0;
}

static enum tb_status remove_stored(struct tb_cli *cli, int64_t id, struct tb_error *err)
{
    struct tb_store *store = tb_cli_store(cli, TB_STORE_WRITE, err);
    if (!store)
        return err->status;
    enum tb_status s = tb_store_begin(store, err);
    if (s == TB_OK)
        s = tb_token_delete(store, id, err);
    if (s == TB_OK)
        s = tb_store_commit(store, err);
    else
        tb_store_rollback(store);
    tb_store_close(store);
    return s;
}

int tb_run_token_rm(struct tb_cli *cli)
{
    struct tb_error err;
    char *end, path[48];
    long long id = strtoll(cli->args.operands[0], &end, 10);
    if (*end || id < 1) {
        (void)tb_fail(&err, TB_EINVAL, "id: \"%.20s\" is not a token's number",
                      cli->args.operands[0]);
        return tb_cli_fail(cli, &err);
    }
    int status = tb_cli_connect(cli, TB_CLI_ANY);
    if (status)
        return status;
    (void)snprintf(path, sizeof path, "/tokens/%lld", id);
    enum tb_status s = cli->remote ? tb_cli_call(cli, "DELETE", path, NULL, NULL, &err)
                                   : remove_stored(cli, id, &err);
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    return cli->json ? tb_cli_print(json_object()) : 0;
}
