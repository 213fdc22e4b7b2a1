/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_model.h"

#include "server/cli/http_client.h"
#include "server/config.h"
#include "server/formats/model_files.h"
#include "server/formats/model_json.h"
#include "server/formats/patch_json.h"
#include "server/offline/model_check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 1536 };

void tb_cli_model_close(struct tb_cli_model *model)
{
    tb_model_file_free(model->file);
    free(model->data);
    *model = (struct tb_cli_model){0};
}

bool tb_cli_model_is_file(const char *name)
{
    static const char ending[] = ".safetensors";
    size_t n = strlen(name), k = sizeof ending - 1;
    return strchr(name, '/') ||
           (n > k && strcmp(name + n - k, ending) == 0 && access(name, F_OK) == 0);
}

/* ---- lists */

static enum tb_status list_remote(struct tb_cli *cli, const char *text, json_t **list,
                                  struct tb_error *err)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "/models?limit=500&q=");
    if (!tb_client_escape(text, path + n, sizeof path - (size_t)n))
        return tb_fail(err, TB_ETOOLARGE, "the search text is too long");
    return tb_cli_call(cli, "GET", path, NULL, list, err);
}

static enum tb_status list_stored(struct tb_cli *cli, const char *text, json_t **list,
                                  struct tb_error *err)
{
    struct tb_store *store = tb_cli_store(cli, TB_STORE_READ, err);
    struct tb_model *models = NULL;
    struct tb_model_query query = {.text = text};
    size_t n = 0;
    if (!store)
        return err->status;
    enum tb_status s = tb_model_list(store, &query, &models, &n, NULL, err);
    json_t *items = json_array();
    for (size_t i = 0; i < n && s == TB_OK; i++)
        (void)json_array_append_new(items, tb_model_to_json(&models[i], models, n));
    free(models);
    tb_store_close(store);
    if (s == TB_OK)
        *list = json_pack("{s:O, s:I}", "items", items, "total", (json_int_t)n);
    json_decref(items);
    return s;
}

enum tb_status tb_cli_model_list(struct tb_cli *cli, const char *text, json_t **list,
                                 struct tb_error *err)
{
    *list = NULL;
    return cli->remote ? list_remote(cli, text, list, err) : list_stored(cli, text, list, err);
}

/* ---- one */

enum tb_status tb_cli_model_find(struct tb_cli *cli, const char *name, json_t **model,
                                 struct tb_error *err)
{
    json_t *list = NULL, *item;
    size_t i, n = 0;
    char others[96] = "";
    *model = NULL;
    enum tb_status s = tb_cli_model_list(cli, name, &list, err); /* a uuid is searched, too */
    if (s != TB_OK)
        return s;
    json_array_foreach(json_object_get(list, "items"), i, item)
    {
        if (strcmp(tb_cli_text(item, "uuid"), name) != 0 &&
            strcasecmp(tb_cli_text(item, "name"), name) != 0)
            continue;
        if (n++ == 0)
            *model = json_incref(item);
        else if (n == 2)
            (void)snprintf(others, sizeof others, "%.36s, %.36s", tb_cli_text(*model, "uuid"),
                           tb_cli_text(item, "uuid"));
    }
    json_decref(list);
    if (n == 1)
        return TB_OK;
    json_decref(*model);
    *model = NULL;
    return n == 0 ? tb_fail(err, TB_ENOTFOUND, "%.60s: no such model", name)
                  : tb_fail(err, TB_EINVAL, "%.30s: %zu models: %s", name, n, others);
}

/* ---- files */

static enum tb_status fetch_remote(struct tb_cli *cli, const char *uuid, struct tb_cli_model *m,
                                   struct tb_error *err)
{
    char path[96];
    struct tb_client_reply reply = {0};
    (void)snprintf(path, sizeof path, "/api/v1/models/%.36s/file", uuid);
    struct tb_client_request request = {
        .method = "GET", .url = cli->url, .path = path, .token = cli->token, .timeout_ms = 120000};
    enum tb_status s = tb_client_call(&request, &reply, err);
    if (s == TB_OK)
        s = tb_client_status(&reply, err);
    if (s == TB_OK) {
        m->data = reply.body;
        m->size = reply.body_size;
        reply.body = NULL;
    }
    tb_client_reply_clear(&reply);
    return s;
}

static enum tb_status read_fd(int fd, struct tb_cli_model *m, struct tb_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size < 8 || st.st_size > (off_t)TB_MODEL_MAX_MIB << 20)
        return tb_fail(err, TB_EINVAL, "model: not a file of 8 bytes to %d MiB", TB_MODEL_MAX_MIB);
    m->size = (size_t)st.st_size;
    m->data = malloc(m->size);
    if (!m->data)
        return tb_fail(err, TB_ENOMEM, "model: no memory");
    return pread(fd, m->data, m->size, 0) == st.st_size
               ? TB_OK
               : tb_fail(err, TB_EIO, "model: cannot be read");
}

static enum tb_status fetch_stored(struct tb_cli *cli, const char *uuid, struct tb_cli_model *m,
                                   struct tb_error *err)
{
    char zoo[TB_MODEL_PATH];
    struct tb_model row;
    struct tb_store *store = tb_cli_store(cli, TB_STORE_READ, err);
    if (!store)
        return err->status;
    enum tb_status s = tb_model_read(store, uuid, &row, err);
    tb_store_close(store);
    if (s != TB_OK)
        return s;
    tb_zoo_find(cli->zoo, zoo, sizeof zoo);
    int fd = tb_model_files_read(cli->state_dir, zoo, &row, err);
    if (fd < 0)
        return err->status;
    s = read_fd(fd, m, err);
    (void)close(fd);
    return s;
}

static enum tb_status fetch(struct tb_cli *cli, const char *name, struct tb_cli_model *m,
                            struct tb_error *err)
{
    json_t *found = NULL;
    if (tb_cli_model_is_file(name))
        return tb_cli_read_file(name, (size_t)TB_MODEL_MAX_MIB << 20, (uint8_t **)&m->data,
                                &m->size, err);
    enum tb_status s = tb_cli_model_find(cli, name, &found, err);
    if (s == TB_OK)
        s = cli->remote ? fetch_remote(cli, tb_cli_text(found, "uuid"), m, err)
                        : fetch_stored(cli, tb_cli_text(found, "uuid"), m, err);
    json_decref(found);
    return s;
}

enum tb_status tb_cli_model_open(struct tb_cli *cli, const char *name, struct tb_cli_model *model,
                                 struct tb_error *err)
{
    struct tb_error fault;
    *model = (struct tb_cli_model){0};
    enum tb_status s = fetch(cli, name, model, err);
    if (s == TB_OK) {
        model->file = tb_model_file_parse(model->data, model->size, &fault);
        if (!model->file)
            s = tb_fail(err, fault.status, "%.50s: %.100s", name, fault.text);
    }
    if (s != TB_OK)
        tb_cli_model_close(model);
    return s;
}
