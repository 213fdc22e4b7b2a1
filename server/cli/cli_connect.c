/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli.h"

#include "server/cli/http_client.h"
#include "server/config.h"
#include "server/link_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMED_MS = 5000, LOCAL_MS = 1000, FILE_MS = 600000, PORTS_TRIED = 21 };

/* "" when there is no home. */
static void token_path(char *path, size_t size)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    path[0] = '\0';
    if (config && config[0] == '/')
        (void)snprintf(path, size, "%s/timbred/token", config);
    else if (home && home[0] == '/')
        (void)snprintf(path, size, "%s/.config/timbred/token", home);
}

/* First word of the user's token file. False: none. */
static bool read_token(char *token, size_t size)
{
    char path[512];
    token_path(path, sizeof path);
    FILE *file = path[0] ? fopen(path, "re") : NULL;
    if (!file)
        return false;
    bool got = fgets(token, (int)size, file) != NULL;
    (void)fclose(file);
    if (got)
        token[strcspn(token, " \t\r\n")] = '\0';
    return got && token[0];
}

/* An empty variable counts as none. */
static const char *variable(const char *name)
{
    const char *text = getenv(name);
    return text && text[0] ? text : NULL;
}

static bool is_this_machine(const char *url)
{
    static const char *const names[] = {"http://127.", "http://localhost:", "http://[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(url, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

/* The server must answer as ours, or something else has its port. */
static enum tb_status probe(struct tb_cli *cli, int timeout_ms, struct tb_error *err)
{
    struct tb_client_request request = {
        .method = "GET", .url = cli->url, .path = "/api/v1/health", .timeout_ms = timeout_ms};
    struct tb_client_reply reply;
    enum tb_status s = tb_client_call(&request, &reply, err);
    if (s != TB_OK)
        return s;
    json_t *health = json_loadb(reply.body, reply.body_size, 0, NULL);
    if (!json_is_string(json_object_get(health, "status")))
        s = tb_fail(err, TB_ENOTFOUND, "%.100s: another program answers there", cli->url);
    json_decref(health);
    tb_client_reply_clear(&reply);
    return s;
}

static enum tb_status ask_server(struct tb_cli *cli, const char *path, struct tb_error *err)
{
    struct tb_client_request request = {
        .method = "GET", .url = cli->url, .path = path, .token = cli->token};
    json_t *reply;
    enum tb_status s = tb_client_json(&request, NULL, &reply, err);
    json_decref(reply);
    return s;
}

/* --token, TIMBRED_TOKEN; on this machine the one beside the store, or the user's own. */
static enum tb_status find_token(struct tb_cli *cli, struct tb_error *err)
{
    const char *given = tb_args_text(&cli->args, "token", variable("TIMBRED_TOKEN"));
    char url[sizeof cli->url];
    if (given) {
        if (strlen(given) >= sizeof cli->token || strpbrk(given, " \r\n"))
            return tb_fail(err, TB_EINVAL, "--token: not a token");
        (void)snprintf(cli->token, sizeof cli->token, "%s", given);
        return TB_OK;
    }
    bool linked = tb_link_file_read(cli->state_dir, url, sizeof url, cli->token, sizeof cli->token);
    if (!is_this_machine(cli->url) && !(linked && strcmp(url, cli->url) == 0))
        return tb_fail(err, TB_EDENIED, "%.80s: needs --token or TIMBRED_TOKEN", cli->url);
    if (linked && ask_server(cli, "/api/v1/status", err) == TB_OK)
        return TB_OK;
    if (read_token(cli->token, sizeof cli->token))
        return TB_OK;
    if (linked && err->status == TB_EDENIED)
        return tb_fail(err, TB_EDENIED,
                       "the token in %.60s/link was withdrawn: give --token or TIMBRED_TOKEN, or "
                       "start timbred again",
                       cli->state_dir);
    if (linked)
        return err->status;
    return tb_fail(err, TB_EDENIED,
                   "no token: give --token or TIMBRED_TOKEN, or run as the user who owns %.60s",
                   cli->state_dir);
}

static enum tb_status load_config(struct tb_cli *cli, struct tb_config *config,
                                  struct tb_error *err)
{
    char options[2][512];
    char *argv[2];
    int argc = 0;
    const char *const names[] = {"config", "state"};
    for (size_t i = 0; i < 2; i++) {
        const char *value = tb_args_text(&cli->args, names[i], NULL);
        if (!value)
            continue;
        int n = snprintf(options[argc], sizeof options[0], "--%s=%s", names[i], value);
        if (n >= (int)sizeof options[0])
            return tb_fail(err, TB_EINVAL, "--%s: too long", names[i]);
        argv[argc] = options[argc];
        argc++;
    }
    enum tb_status s = tb_config_load(argc, argv, config, err);
    (void)snprintf(cli->state_dir, sizeof cli->state_dir, "%s", config->state_dir);
    (void)snprintf(cli->zoo, sizeof cli->zoo, "%s", config->zoo);
    return s;
}

static int use_server(struct tb_cli *cli)
{
    struct tb_error err;
    cli->remote = true;
    return find_token(cli, &err) == TB_OK ? 0 : tb_cli_fail(cli, &err);
}

/* The server that the user named: nothing else will do. */
static int connect_named(struct tb_cli *cli, const char *url)
{
    struct tb_error err;
    size_t n = strlen(url);
    n -= n > 0 && url[n - 1] == '/';
    (void)snprintf(cli->url, sizeof cli->url, "%.*s", (int)n, url);
    enum tb_status s = probe(cli, NAMED_MS, &err);
    if (s == TB_OK)
        return use_server(cli);
    int status = tb_cli_fail(cli, &err);
    return s == TB_EINVAL ? status : TB_CLI_UNAVAILABLE;
}

/* The server of this machine: where it said it is, else where it should be; where its port was
 * taken it went up to 20 further. */
static bool find_local(struct tb_cli *cli, const struct tb_config *config, struct tb_error *err)
{
    if (tb_link_file_read(cli->state_dir, cli->url, sizeof cli->url, cli->token,
                          sizeof cli->token) &&
        probe(cli, LOCAL_MS, err) == TB_OK)
        return true;
    unsigned first = config->port ? config->port : 8080U;
    unsigned ports = config->port_fixed ? 1 : PORTS_TRIED;
    struct tb_error ignored;
    for (unsigned i = 0; i < ports && first + i <= 65535; i++) {
        (void)snprintf(cli->url, sizeof cli->url, "http://127.0.0.1:%u", first + i);
        if (probe(cli, LOCAL_MS, i ? &ignored : err) == TB_OK)
            return true;
    }
    return false;
}

int tb_cli_connect_to(struct tb_cli *cli, const char *url)
{
    static struct tb_config config;
    struct tb_error err;
    if (load_config(cli, &config, &err) != TB_OK)
        return tb_cli_fail(cli, &err);
    return connect_named(cli, url);
}

int tb_cli_connect(struct tb_cli *cli, enum tb_cli_need need)
{
    static struct tb_config config;
    struct tb_error err;
    if (load_config(cli, &config, &err) != TB_OK)
        return tb_cli_fail(cli, &err);
    if (tb_args_has(&cli->args, "offline") && need == TB_CLI_ANY)
        return 0;
    const char *url = tb_args_text(&cli->args, "url", variable("TIMBRED_URL"));
    if (url)
        return connect_named(cli, url);
    if (find_local(cli, &config, &err))
        return use_server(cli);
    if (need == TB_CLI_ANY)
        return 0;
    struct tb_error none;
    (void)tb_fail(&none, err.status, "no server on this machine (%.90s); `timbred` starts one",
                  err.text);
    (void)tb_cli_fail(cli, &none);
    return TB_CLI_UNAVAILABLE;
}

enum tb_status tb_cli_call(struct tb_cli *cli, const char *method, const char *path, json_t *send,
                           json_t **reply, struct tb_error *err)
{
    char full[2048];
    json_t *ignored = NULL;
    if (snprintf(full, sizeof full, "/api/v1%s", path) >= (int)sizeof full) {
        json_decref(send);
        return tb_fail(err, TB_ETOOLARGE, "the request's address is too long");
    }
    struct tb_client_request request = {
        .method = method, .url = cli->url, .path = full, .token = cli->token};
    enum tb_status s = tb_client_json(&request, send, reply ? reply : &ignored, err);
    json_decref(send);
    json_decref(ignored);
    return s;
}

enum tb_status tb_cli_upload(struct tb_cli *cli, const struct tb_cli_upload *upload, json_t **reply,
                             struct tb_error *err)
{
    uint8_t *data = NULL;
    size_t size = 0;
    enum tb_status s = tb_cli_read_file(upload->file, upload->max, &data, &size, err);
    if (s != TB_OK)
        return s;
    struct tb_client_reply answer = {0};
    const struct tb_client_request request = {.method = upload->method ? upload->method : "POST",
                                              .url = cli->url,
                                              .path = upload->path,
                                              .token = cli->token,
                                              .type = "application/octet-stream",
                                              .body = data,
                                              .body_size = size,
                                              .timeout_ms = FILE_MS};
    struct tb_error fault;
    s = tb_client_call(&request, &answer, &fault);
    if (s == TB_OK)
        s = tb_client_status(&answer, &fault);
    if (s != TB_OK)
        (void)tb_fail(err, s, "%.50s: %.100s", upload->file, fault.text);
    else if (reply)
        *reply = json_loadb(answer.body, answer.body_size, JSON_REJECT_DUPLICATES, NULL);
    tb_client_reply_clear(&answer);
    free(data);
    return s;
}

enum tb_status tb_cli_fetch(const struct tb_client_request *request, struct tb_cli_bytes *out,
                            struct tb_error *err)
{
    struct tb_client_reply reply;
    enum tb_status s = tb_client_call(request, &reply, err);
    if (s == TB_OK)
        s = tb_client_status(&reply, err);
    if (s == TB_OK) {
        *out = (struct tb_cli_bytes){reply.body, reply.body_size};
        reply.body = NULL;
    }
    tb_client_reply_clear(&reply);
    return s;
}

enum tb_status tb_cli_download(struct tb_cli *cli, const char *path, struct tb_cli_bytes *out,
                               struct tb_error *err)
{
    const struct tb_client_request request = {
        .method = "GET", .url = cli->url, .path = path, .token = cli->token, .timeout_ms = FILE_MS};
    return tb_cli_fetch(&request, out, err);
}

struct tb_store *tb_cli_store(struct tb_cli *cli, enum tb_store_mode mode, struct tb_error *err)
{
    char path[sizeof cli->state_dir + 16];
    (void)snprintf(path, sizeof path, "%s/timbred.db", cli->state_dir);
    if (mode == TB_STORE_READ && access(path, F_OK) != 0 && errno == ENOENT) {
        (void)tb_fail(err, TB_ENOTFOUND, "no store at %.120s yet", cli->state_dir);
        return NULL;
    }
    return tb_store_open(cli->state_dir, mode, NULL, err);
}
