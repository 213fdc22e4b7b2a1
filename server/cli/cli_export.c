/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli.h"

#include "server/formats/patch_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 500, PART = 32, MAX_PATH = 4096 }; /* a query takes 64 parameters, format too */

/* ---- over REST */

/* Up to PART patches from uuids[first] on. */
static enum tb_status get_part(struct tb_cli *cli, const json_t *uuids, size_t first,
                               struct tb_cli_bytes *out, struct tb_error *err)
{
    char path[MAX_PATH];
    size_t n = (size_t)snprintf(path, sizeof path, "/api/v1/exports?format=json");
    for (size_t i = first; i < json_array_size(uuids) && i < first + PART; i++)
        n += (size_t)snprintf(path + n, sizeof path - n, "&uuid=%.36s",
                              json_string_value(json_array_get(uuids, i)));
    return tb_cli_download(cli, path, out, err);
}

static enum tb_status list_everything(struct tb_cli *cli, json_t *uuids, struct tb_error *err)
{
    json_t *items, *item;
    size_t i;
    enum tb_status s = tb_cli_patch_all(cli, NULL, &items, err);
    json_array_foreach(items, i, item)(void)
        json_array_append(uuids, json_object_get(item, "uuid"));
    json_decref(items);
    return s;
}

/* A request takes a limited number of patches: larger files are put together here. */
static enum tb_status get_json(struct tb_cli *cli, const json_t *uuids, struct tb_cli_bytes *out,
                               struct tb_error *err)
{
    json_t *file = tb_patch_file_to_json(NULL, 0, NULL, 0);
    enum tb_status s = file ? TB_OK : tb_fail(err, TB_ENOMEM, "no memory");
    for (size_t i = 0; i < json_array_size(uuids) && s == TB_OK; i += PART) {
        struct tb_cli_bytes text = {0};
        s = get_part(cli, uuids, i, &text, err);
        json_t *part = s == TB_OK ? json_loadb(text.data, text.size, 0, NULL) : NULL;
        if (s == TB_OK && json_array_extend(json_object_get(file, "patches"),
                                            json_object_get(part, "patches")) != 0)
            s = tb_fail(err, TB_ECORRUPT, "the server's answer is not a file of patches");
        json_decref(part);
        free(text.data);
    }
    char *text = s == TB_OK ? json_dumps(file, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(file);
    if (s != TB_OK)
        return s;
    out->data = text;
    out->size = text ? strlen(text) : 0;
    return text ? TB_OK : tb_fail(err, TB_ENOMEM, "no memory");
}

static enum tb_status export_remote(struct tb_cli *cli, const json_t *uuids, const char *bank,
                                    struct tb_cli_bytes *out, struct tb_error *err)
{
    char path[256];
    if (bank) {
        (void)snprintf(path, sizeof path, "/api/v1/exports?format=json&bank=%.36s", bank);
        return tb_cli_download(cli, path, out, err);
    }
    if (json_array_size(uuids) == 1) {
        (void)snprintf(path, sizeof path, "/api/v1/patches/%.36s/export?format=json",
                       json_string_value(json_array_get(uuids, 0)));
        return tb_cli_download(cli, path, out, err);
    }
    json_t *all = uuids ? json_deep_copy(uuids) : json_array();
    enum tb_status s = uuids ? TB_OK : list_everything(cli, all, err);
    if (s == TB_OK)
        s = get_json(cli, all, out, err);
    json_decref(all);
    return s;
}

/* ---- from the store */

/* Whole patches, in a list that grows. */
struct collection {
    struct tb_patch *patches; /* [n], owned */
    size_t n;
    struct tb_bank bank; /* of --bank */
};

static void clear(struct collection *c)
{
    for (size_t i = 0; i < c->n; i++)
        tb_patch_clear(&c->patches[i]);
    free(c->patches);
    tb_bank_clear(&c->bank);
}

static enum tb_status add_patch(struct tb_store *store, struct collection *c, const char *uuid,
                                struct tb_error *err)
{
    struct tb_patch *more = realloc(c->patches, (c->n + 1) * sizeof *more);
    if (!more)
        return tb_fail(err, TB_ENOMEM, "no memory");
    c->patches = more;
    memset(&more[c->n], 0, sizeof *more);
    enum tb_status s = tb_patch_read(store, uuid, &more[c->n], err);
    c->n += s == TB_OK;
    return s;
}

static enum tb_status add_everything(struct tb_store *store, struct collection *c,
                                     struct tb_error *err)
{
    struct tb_patch_query query = {.sort = "name", .limit = PAGE};
    for (size_t total = 1; query.offset < total; query.offset += PAGE) {
        struct tb_patch *page = NULL;
        size_t n = 0;
        enum tb_status s = tb_patch_list(store, &query, &page, &n, &total, err);
        for (size_t i = 0; i < n && s == TB_OK; i++)
            s = add_patch(store, c, page[i].uuid, err);
        free(page);
        if (s != TB_OK)
            return s;
    }
    return TB_OK;
}

static enum tb_status collect(struct tb_store *store, struct collection *c, const json_t *uuids,
                              const char *bank, struct tb_error *err)
{
    enum tb_status s = TB_OK;
    if (bank) {
        s = tb_bank_read(store, bank, &c->bank, err);
        for (size_t i = 0; i < c->bank.n_patches && s == TB_OK; i++) {
            if (c->bank.patches[i][0])
                s = add_patch(store, c, c->bank.patches[i], err);
        }
        return s;
    }
    if (!uuids)
        return add_everything(store, c, err);
    for (size_t i = 0; i < json_array_size(uuids) && s == TB_OK; i++)
        s = add_patch(store, c, json_string_value(json_array_get(uuids, i)), err);
    return s;
}

static enum tb_status to_json(const struct collection *c, bool with_bank, struct tb_cli_bytes *out,
                              struct tb_error *err)
{
    json_t *file = tb_patch_file_to_json(c->patches, c->n, with_bank ? &c->bank : NULL, with_bank);
    char *text = file ? json_dumps(file, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(file);
    if (!text)
        return tb_fail(err, TB_ENOMEM, "no memory");
    out->data = text;
    out->size = strlen(text);
    return TB_OK;
}

static enum tb_status export_stored(struct tb_cli *cli, const json_t *uuids, const char *bank,
                                    struct tb_cli_bytes *out, struct tb_error *err)
{
    struct tb_store *store = tb_cli_store(cli, TB_STORE_READ, err);
    struct collection c = {0};
    if (!store)
        return err->status;
    enum tb_status s = collect(store, &c, uuids, bank, err);
    tb_store_close(store);
    if (s == TB_OK)
        s = to_json(&c, bank != NULL, out, err);
    clear(&c);
    return s;
}

enum tb_status tb_cli_export(struct tb_cli *cli, const json_t *uuids, const char *bank,
                             struct tb_cli_bytes *out, struct tb_error *err)
{
    *out = (struct tb_cli_bytes){0};
    return cli->remote ? export_remote(cli, uuids, bank, out, err)
                       : export_stored(cli, uuids, bank, out, err);
}
