/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli.h"

#include "server/cli/http_client.h"
#include "server/formats/import.h"
#include "server/formats/patch_json.h"
#include "server/formats/values_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_PATH = 1536, MAX_SAME_NAME = 500, PAGE = 500 };

/* ---- query text */

/* &name=value, percent-encoded; false when it does not fit. */
static bool add_query(char *path, const char *name, const char *value)
{
    size_t n = strlen(path);
    if (!value || !value[0])
        return true;
    int written = snprintf(path + n, MAX_PATH - n, "%c%s=", strchr(path, '?') ? '&' : '?', name);
    if (written < 0 || (size_t)written >= MAX_PATH - n)
        return false;
    n += (size_t)written;
    return tb_client_escape(value, path + n, MAX_PATH - n);
}

static enum tb_status list_remote(struct tb_cli *cli, const struct tb_patch_query *q, json_t **list,
                                  struct tb_error *err)
{
    char path[MAX_PATH] = "/patches", number[16];
    bool fits = add_query(path, "q", q->text) && add_query(path, "category", q->category) &&
                add_query(path, "tag", q->tag) && add_query(path, "bank", q->bank) &&
                add_query(path, "favourite", q->favourite ? "true" : NULL) &&
                add_query(path, "sort", q->sort) &&
                add_query(path, "order", q->descending ? "desc" : NULL);
    (void)snprintf(number, sizeof number, "%u", q->limit);
    fits = fits && add_query(path, "limit", number);
    (void)snprintf(number, sizeof number, "%u", q->offset);
    fits = fits && add_query(path, "offset", number);
    if (!fits)
        return tb_fail(err, TB_ETOOLARGE, "the search text is too long");
    return tb_cli_call(cli, "GET", path, NULL, list, err);
}

static enum tb_status list_stored(struct tb_cli *cli, const struct tb_patch_query *q, json_t **list,
                                  struct tb_error *err)
{
    struct tb_store *store = tb_cli_store(cli, TB_STORE_READ, err);
    struct tb_patch *patches = NULL;
    size_t n = 0, total = 0;
    if (!store)
        return err->status;
    enum tb_status s = tb_patch_list(store, q, &patches, &n, &total, err);
    json_t *items = json_array();
    for (size_t i = 0; i < n && s == TB_OK; i++)
        (void)json_array_append_new(items, tb_patch_summary_to_json(&patches[i]));
    free(patches);
    tb_store_close(store);
    if (s == TB_OK)
        *list = json_pack("{s:O,s:I,s:I,s:I}", "items", items, "total", (json_int_t)total, "limit",
                          (json_int_t)q->limit, "offset", (json_int_t)q->offset);
    json_decref(items);
    return s;
}

enum tb_status tb_cli_patch_list(struct tb_cli *cli, const struct tb_patch_query *query,
                                 json_t **list, struct tb_error *err)
{
    *list = NULL;
    return cli->remote ? list_remote(cli, query, list, err) : list_stored(cli, query, list, err);
}

enum tb_status tb_cli_patch_all(struct tb_cli *cli, const char *bank, json_t **items,
                                struct tb_error *err)
{
    enum tb_status s = TB_OK;
    struct tb_patch_query query = {.bank = bank, .sort = bank ? NULL : "name", .limit = PAGE};
    *items = json_array();
    for (json_int_t total = 1; query.offset < total && s == TB_OK; query.offset += PAGE) {
        json_t *list = NULL;
        s = tb_cli_patch_list(cli, &query, &list, err);
        total = json_integer_value(json_object_get(list, "total"));
        (void)json_array_extend(*items, json_object_get(list, "items"));
        json_decref(list);
    }
    if (s != TB_OK) {
        json_decref(*items);
        *items = NULL;
    }
    return s;
}

/* ---- banks */

static enum tb_status banks_stored(struct tb_cli *cli, json_t **list, struct tb_error *err)
{
    struct tb_store *store = tb_cli_store(cli, TB_STORE_READ, err);
    struct tb_bank *banks = NULL;
    size_t n = 0;
    if (!store)
        return err->status;
    enum tb_status s = tb_bank_list(store, &banks, &n, err);
    json_t *items = json_array();
    for (size_t i = 0; i < n && s == TB_OK; i++) {
        (void)json_array_append_new(items, tb_bank_to_json(&banks[i]));
        tb_bank_clear(&banks[i]);
    }
    free(banks);
    tb_store_close(store);
    *list = json_pack("{s:o}", "items", items);
    return s;
}

enum tb_status tb_cli_bank_find(struct tb_cli *cli, const char *name, json_t **bank,
                                struct tb_error *err)
{
    json_t *list = NULL, *one, *found = NULL;
    size_t i, n = 0;
    char others[100] = "";
    enum tb_status s = cli->remote ? tb_cli_call(cli, "GET", "/banks", NULL, &list, err)
                                   : banks_stored(cli, &list, err);
    json_array_foreach(json_object_get(list, "items"), i, one)
    {
        const char *title = tb_cli_text(one, "name"), *id = tb_cli_text(one, "uuid");
        const size_t at = strlen(others);
        if (strcmp(id, name) == 0 || strcasecmp(title, name) == 0) {
            found = one;
            n = strcmp(id, name) == 0 ? 1 : n + 1;
        }
        (void)snprintf(others + at, sizeof others - at, "%s%s", at ? ", " : "", title);
    }
    *bank = s == TB_OK && n == 1 ? json_incref(found) : NULL;
    json_decref(list);
    if (s != TB_OK || n == 1)
        return s;
    return n == 0
               ? tb_fail(err, TB_ENOTFOUND, "%.40s: no such bank; there are %s", name,
                         others[0] ? others : "none")
               : tb_fail(err, TB_EINVAL, "%.40s: %zu banks have this name; give the uuid", name, n);
}

/* ---- one patch */

static enum tb_status read_stored(struct tb_cli *cli, const char *uuid, json_t **patch,
                                  struct tb_error *err)
{
    struct tb_store *store = tb_cli_store(cli, TB_STORE_READ, err);
    struct tb_patch read = {0};
    if (!store)
        return err->status;
    enum tb_status s = tb_patch_read(store, uuid, &read, err);
    if (s == TB_OK) {
        *patch = tb_patch_to_json(&read);
        s = *patch ? TB_OK : tb_fail(err, TB_ENOMEM, "no memory");
    }
    tb_patch_clear(&read);
    tb_store_close(store);
    return s;
}

static enum tb_status read_patch(struct tb_cli *cli, const char *uuid, json_t **patch,
                                 struct tb_error *err)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/patches/%.36s", uuid);
    return cli->remote ? tb_cli_call(cli, "GET", path, NULL, patch, err)
                       : read_stored(cli, uuid, patch, err);
}

/* The uuid of the only patch with that whole name. */
static enum tb_status uuid_of_name(const char *name, const json_t *list, char uuid[TB_UUID],
                                   struct tb_error *err)
{
    size_t i, found = 0;
    json_t *item;
    char others[96] = "";
    json_array_foreach(json_object_get(list, "items"), i, item)
    {
        const char *text = json_string_value(json_object_get(item, "name"));
        const char *id = json_string_value(json_object_get(item, "uuid"));
        if (!text || !id || strcasecmp(text, name) != 0)
            continue;
        if (found++ == 0)
            (void)snprintf(uuid, TB_UUID, "%s", id);
        else if (found == 2)
            (void)snprintf(others, sizeof others, "%.36s, %.36s", uuid, id);
    }
    if (found == 0)
        return tb_fail(err, TB_ENOTFOUND, "%.60s: no such patch", name);
    if (found > 1)
        return tb_fail(err, TB_EINVAL, "%.30s: %zu patches: %s", name, found, others);
    return TB_OK;
}

enum tb_status tb_cli_patch_find(struct tb_cli *cli, const char *name, json_t **patch,
                                 struct tb_error *err)
{
    struct tb_patch_query query = {.text = name, .sort = "name", .limit = MAX_SAME_NAME};
    json_t *list = NULL;
    char uuid[TB_UUID];
    *patch = NULL;
    if (tb_uuid_is_valid(name))
        return read_patch(cli, name, patch, err);
    enum tb_status s = tb_cli_patch_list(cli, &query, &list, err);
    if (s == TB_OK)
        s = uuid_of_name(name, list, uuid, err);
    json_decref(list);
    return s == TB_OK ? read_patch(cli, uuid, patch, err) : s;
}

enum tb_status tb_cli_values(const json_t *patch, float *values, size_t *n_unknown,
                             struct tb_error *err)
{
    return tb_values_from_json(json_object_get(patch, "values"), values, n_unknown, err);
}

/* ---- raw bodies */

static bool looks_like_json(const void *data, size_t size)
{
    const char *text = data;
    size_t i = 0;
    while (i < size && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n'))
        i++;
    return i < size && text[i] == '{';
}

static enum tb_status import_remote(struct tb_cli *cli, const char *filename, const void *data,
                                    size_t size, json_t **report, struct tb_error *err)
{
    char path[MAX_PATH] = "/api/v1/imports";
    struct tb_cli_bytes answer = {0};
    if (!add_query(path, "filename", filename))
        return tb_fail(err, TB_ETOOLARGE, "%.100s: the name is too long", filename);
    struct tb_client_request request = {
        .method = "POST",
        .url = cli->url,
        .path = path,
        .token = cli->token,
        .type = looks_like_json(data, size) ? "application/json" : "application/octet-stream",
        .body = data,
        .body_size = size};
    enum tb_status s = tb_cli_fetch(&request, &answer, err);
    if (s == TB_OK) {
        *report = json_loadb(answer.data, answer.size, JSON_REJECT_DUPLICATES, NULL);
        s = *report ? TB_OK : tb_fail(err, TB_ECORRUPT, "the server's answer is not JSON");
    }
    free(answer.data);
    return s;
}

static json_t *report_json(const struct tb_import *import, const struct tb_imported *imported)
{
    json_t *created = json_array(), *warnings = json_array();
    for (size_t i = 0; i < imported->n_created; i++)
        (void)json_array_append_new(created,
                                    json_pack("{s:s,s:s}", "uuid", imported->created[i].uuid,
                                              "name", imported->created[i].name));
    for (size_t i = 0; i < import->warnings.n; i++)
        (void)json_array_append_new(warnings, json_string(import->warnings.text[i]));
    json_t *bank = imported->bank_uuid[0] ? json_pack("{s:s,s:s}", "uuid", imported->bank_uuid,
                                                      "name", imported->bank_name)
                                          : json_null();
    return json_pack("{s:o,s:o,s:o,s:I}", "created", created, "bank", bank, "warnings", warnings,
                     "skipped", (json_int_t)imported->n_skipped);
}

static enum tb_status import_stored(struct tb_cli *cli, const char *filename, const void *data,
                                    size_t size, json_t **report, struct tb_error *err)
{
    struct tb_import *import = calloc(1, sizeof *import);
    struct tb_imported imported = {0};
    if (!import)
        return tb_fail(err, TB_ENOMEM, "no memory");
    enum tb_status s = tb_import_parse(data, size, filename, import, err);
    if (s != TB_OK) {
        free(import);
        return s;
    }
    struct tb_store *store = tb_cli_store(cli, TB_STORE_WRITE, err);
    s = store ? tb_store_begin(store, err) : err->status;
    if (s == TB_OK) {
        s = tb_import_store(store, import, &imported, err);
        if (s == TB_OK)
            s = tb_store_commit(store, err);
        else
            tb_store_rollback(store);
    }
    if (s == TB_OK)
        *report = report_json(import, &imported);
    tb_store_close(store);
    tb_imported_clear(&imported);
    tb_import_clear(import);
    free(import);
    return s;
}

enum tb_status tb_cli_import(struct tb_cli *cli, const char *filename, const void *data,
                             size_t size, json_t **report, struct tb_error *err)
{
    *report = NULL;
    return cli->remote ? import_remote(cli, filename, data, size, report, err)
                       : import_stored(cli, filename, data, size, report, err);
}
