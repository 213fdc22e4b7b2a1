/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_REVISIONS = 100, TAGS_BYTES = TB_MAX_TAGS * 33, FACET_BYTES = 66 * 18 };
enum { MODELS_BYTES = 2 * (TB_UUID + TB_SHA256 + TB_MODEL_NAME) };

void tb_patch_clear(struct tb_patch *patch)
{
    free(patch->values);
    memset(patch, 0, sizeof *patch);
}

static void split_tags(const char *text, struct tb_patch *patch)
{
    patch->n_tags = 0;
    while (*text && patch->n_tags < TB_MAX_TAGS) {
        size_t n = strcspn(text, "\n");
        size_t fits = n < sizeof patch->tags[0] ? n : sizeof patch->tags[0] - 1;
        memcpy(patch->tags[patch->n_tags], text, fits);
        patch->tags[patch->n_tags++][fits] = '\0';
        text += n + (text[n] == '\n');
    }
}

void tb_patch_row(sqlite3_stmt *stmt, struct tb_patch *patch)
{
    char tags[TAGS_BYTES];
    tb_db_text(stmt, 0, patch->uuid, sizeof patch->uuid);
    tb_db_text(stmt, 1, patch->name, sizeof patch->name);
    tb_db_text(stmt, 2, patch->author, sizeof patch->author);
    tb_db_text(stmt, 3, patch->category, sizeof patch->category);
    tb_db_text(stmt, 4, tags, sizeof tags);
    split_tags(tags, patch);
    tb_db_text(stmt, 5, patch->comment, sizeof patch->comment);
    tb_db_text(stmt, 6, patch->licence, sizeof patch->licence);
    patch->favourite = sqlite3_column_int(stmt, 7) != 0;
    patch->factory = sqlite3_column_int(stmt, 8) != 0;
    patch->revision = (uint32_t)sqlite3_column_int64(stmt, 9);
    patch->created = sqlite3_column_int64(stmt, 10);
    patch->updated = sqlite3_column_int64(stmt, 11);
    tb_db_text(stmt, 12, patch->note, sizeof patch->note);
}

/* "uuid sha256 name" a line; an empty line where only B is set. */
static void split_models(const char *text, struct tb_model_ref models[2])
{
    memset(models, 0, 2 * sizeof *models);
    for (int i = 0; i < 2 && *text; i++) {
        size_t n = strcspn(text, "\n");
        if (n >= TB_UUID + TB_SHA256 && n < TB_UUID + TB_SHA256 + TB_MODEL_NAME) {
            memcpy(models[i].uuid, text, TB_UUID - 1);
            memcpy(models[i].sha256, text + TB_UUID, TB_SHA256 - 1);
            memcpy(models[i].name, text + TB_UUID + TB_SHA256, n - TB_UUID - TB_SHA256);
        }
        text += n + (text[n] == '\n');
    }
}

void tb_patch_models_row(sqlite3_stmt *stmt, int column, struct tb_patch *patch)
{
    char text[MODELS_BYTES];
    tb_db_text(stmt, column, text, sizeof text);
    split_models(text, patch->models);
}

static void join_models(const struct tb_model_ref models[2], char text[MODELS_BYTES])
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < 2; i++) {
        if (models[i].uuid[0])
            at += (size_t)snprintf(text + at, MODELS_BYTES - at, "%.36s %64.64s %.96s",
                                   models[i].uuid, models[i].sha256, models[i].name);
        if (i == 0 && models[1].uuid[0])
            at += (size_t)snprintf(text + at, MODELS_BYTES - at, "\n");
    }
}

/* What both an insert and an update bind: ?1 name ... ?8 facet, ?9 values, ?16 models. */
struct row {
    char tags[TAGS_BYTES], facet[FACET_BYTES], models[MODELS_BYTES];
    uint8_t *blob;
    size_t size;
};

static size_t put_facet(char *out, char kind, const char *text)
{
    size_t n = 0;
    out[n++] = kind;
    for (; *text; text++)
        n += (size_t)snprintf(out + n, 3, "%02x", (unsigned)tb_db_fold(*text));
    out[n++] = ' ';
    out[n] = '\0';
    return n;
}

static enum tb_status make_row(struct tb_store *store, const struct tb_patch *patch,
                               struct row *row, struct tb_error *err)
{
    size_t at = 0;
    row->tags[0] = '\0';
    row->blob = NULL;
    row->size = 0;
    if (patch->name[0] == '\0')
        return tb_fail(err, TB_EINVAL, "name: is empty");
    if (patch->n_tags < 0 || patch->n_tags > TB_MAX_TAGS)
        return tb_fail(err, TB_EINVAL, "tags: %d is above %d", patch->n_tags, TB_MAX_TAGS);
    size_t facet = put_facet(row->facet, 'c', patch->category);
    join_models(patch->models, row->models);
    for (int i = 0; i < patch->n_tags; i++) {
        at += (size_t)snprintf(row->tags + at, sizeof row->tags - at, "%s%s", i ? "\n" : "",
                               patch->tags[i]);
        facet += put_facet(row->facet + facet, 't', patch->tags[i]);
    }
    if (patch->favourite)
        (void)put_facet(row->facet + facet, 'f', "");
    return tb_values_encode(store, patch->values, patch->n_values, &row->blob, &row->size, err);
}

static void bind_row(sqlite3_stmt *stmt, const struct tb_patch *patch, const struct row *row)
{
    tb_db_bind(stmt, 1, patch->name);
    tb_db_bind(stmt, 2, patch->author);
    tb_db_bind(stmt, 3, patch->category);
    tb_db_bind(stmt, 4, row->tags);
    tb_db_bind(stmt, 5, patch->comment);
    tb_db_bind(stmt, 6, patch->licence);
    (void)sqlite3_bind_int(stmt, 7, patch->favourite);
    tb_db_bind(stmt, 8, row->facet);
    (void)sqlite3_bind_blob(stmt, 9, row->blob, (int)row->size, SQLITE_STATIC);
    tb_db_bind(stmt, 16, row->models);
}

static const char insert_patch[] =
    "INSERT INTO patch (name, author, category, tags, comment, licence, favourite, facet, val, "
    "uuid, factory, created, updated, note, models, revision) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?13, ?16, 1)";

enum tb_status tb_patch_create(struct tb_store *store, struct tb_patch *patch, struct tb_error *err)
{
    struct row row;
    if (patch->uuid[0] == '\0')
        tb_db_uuid(patch->uuid);
    enum tb_status status = make_row(store, patch, &row, err);
    if (status)
        return status;
    int64_t now = tb_db_now_ms();
    sqlite3_stmt *stmt = tb_db_prepare(store, insert_patch, err);
    if (!stmt)
        status = tb_db_failed(store);
    if (stmt) {
        bind_row(stmt, patch, &row);
        tb_db_bind(stmt, 10, patch->uuid);
        (void)sqlite3_bind_int(stmt, 11, patch->factory);
        (void)sqlite3_bind_int64(stmt, 12, now);
        tb_db_bind(stmt, 13, patch->note[0] ? patch->note : "saved");
        status = tb_db_run(store, stmt, err);
        (void)sqlite3_clear_bindings(stmt);
    }
    free(row.blob);
    if (status == TB_ECONFLICT)
        return tb_fail(err, status, "uuid: a patch %s exists already", patch->uuid);
    if (!status) {
        patch->revision = 1;
        patch->created = patch->updated = now;
    }
    return status;
}

static enum tb_status no_patch(const char *uuid, struct tb_error *err)
{
    return tb_fail(err, TB_ENOTFOUND, "there is no patch %.40s", uuid);
}

static const char read_patch[] =
    "SELECT " TB_PATCH_COLUMNS ", val, models FROM patch WHERE uuid = ?1";

enum tb_status tb_patch_read(struct tb_store *store, const char *uuid, struct tb_patch *patch,
                             struct tb_error *err)
{
    memset(patch, 0, sizeof *patch);
    sqlite3_stmt *stmt = tb_db_prepare(store, read_patch, err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, uuid);
    enum tb_status status = tb_db_step(store, stmt, err);
    if (!status) {
        tb_patch_row(stmt, patch);
        tb_patch_models_row(stmt, 14, patch);
        status = tb_values_decode(store, stmt, 13, &patch->values, &patch->n_values, err);
    } else if (status == TB_ENOTFOUND) {
        status = no_patch(uuid, err);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

static enum tb_status find_revision(struct tb_store *store, const char *uuid, uint32_t expected,
                                    int64_t *id, uint32_t *revision, struct tb_error *err)
{
    sqlite3_stmt *stmt =
        tb_db_prepare(store, "SELECT id, revision FROM patch WHERE uuid = ?1", err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, uuid);
    enum tb_status status = tb_db_step(store, stmt, err);
    if (!status) {
        *id = sqlite3_column_int64(stmt, 0);
        *revision = (uint32_t)sqlite3_column_int64(stmt, 1);
    }
    (void)sqlite3_reset(stmt);
    if (status == TB_ENOTFOUND)
        return no_patch(uuid, err);
    if (!status && expected && expected != *revision)
        return tb_fail(err, TB_ECONFLICT, "the patch is at revision %u, not %u", *revision,
                       expected);
    return status;
}

static enum tb_status keep_revision(struct tb_store *store, int64_t id, uint32_t newest,
                                    struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(
        store,
        "INSERT INTO revision (patch_id, revision, time, note, name, author, category, tags, "
        "comment, licence, favourite, val, models) SELECT id, revision, updated, note, name, "
        "author, category, tags, comment, licence, favourite, val, models FROM patch "
        "WHERE id = ?1",
        err);
    if (!stmt)
        return tb_db_failed(store);
    (void)sqlite3_bind_int64(stmt, 1, id);
    enum tb_status status = tb_db_run(store, stmt, err);
    if (status || newest < KEPT_REVISIONS)
        return status;
    stmt = tb_db_prepare(store, "DELETE FROM revision WHERE patch_id = ?1 AND revision <= ?2", err);
    if (!stmt)
        return tb_db_failed(store);
    (void)sqlite3_bind_int64(stmt, 1, id);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)newest + 1 - KEPT_REVISIONS);
    return tb_db_run(store, stmt, err);
}

static const char update_patch[] =
    "UPDATE patch SET name = ?1, author = ?2, category = ?3, tags = ?4, comment = ?5, "
    "licence = ?6, favourite = ?7, facet = ?8, val = ?9, updated = ?10, note = ?11, "
    "models = ?16, revision = revision + 1 WHERE id = ?12";
/* Without the columns that are searched and sorted by: SQLite writes an index anew for every column
 * that is set, changed or not. */
static const char update_values[] =
    "UPDATE patch SET val = ?9, updated = ?10, note = ?11, models = ?16, revision = revision + 1 "
    "WHERE id = ?12";
static const char same_text[] =
    "SELECT 1 FROM patch WHERE id = ?12 AND name = ?1 AND author = ?2 AND category = ?3 AND "
    "tags = ?4 AND comment = ?5 AND licence = ?6 AND favourite = ?7 AND facet = ?8";

static enum tb_status write_row(struct tb_store *store, int64_t id, const struct tb_patch *patch,
                                const struct row *row, int64_t now, struct tb_error *err)
{
    sqlite3_stmt *same = tb_db_prepare(store, same_text, err);
    if (!same)
        return tb_db_failed(store);
    bind_row(same, patch, row);
    (void)sqlite3_bind_int64(same, 12, id);
    enum tb_status status = tb_db_step(store, same, err);
    (void)sqlite3_reset(same);
    (void)sqlite3_clear_bindings(same);
    if (status && status != TB_ENOTFOUND)
        return status;
    sqlite3_stmt *stmt = tb_db_prepare(store, status ? update_patch : update_values, err);
    if (!stmt)
        return tb_db_failed(store);
    bind_row(stmt, patch, row);
    (void)sqlite3_bind_int64(stmt, 10, now);
    tb_db_bind(stmt, 11, patch->note[0] ? patch->note : "saved");
    (void)sqlite3_bind_int64(stmt, 12, id);
    status = tb_db_run(store, stmt, err);
    (void)sqlite3_clear_bindings(stmt);
    return status;
}

enum tb_status tb_patch_replace(struct tb_store *store, struct tb_patch *patch, uint32_t expected,
                                struct tb_error *err)
{
    int64_t id = 0;
    uint32_t revision = 0;
    struct row row;
    enum tb_status status = find_revision(store, patch->uuid, expected, &id, &revision, err);
    if (status == TB_ECONFLICT)
        patch->revision = revision;
    if (!status)
        status = make_row(store, patch, &row, err);
    if (status)
        return status;
    status = keep_revision(store, id, revision, err);
    int64_t now = tb_db_now_ms();
    if (!status)
        status = write_row(store, id, patch, &row, now, err);
    free(row.blob);
    if (!status) {
        patch->revision = revision + 1;
        patch->updated = now;
    }
    return status;
}

enum tb_status tb_patch_delete(struct tb_store *store, const char *uuid, uint32_t expected,
                               struct tb_error *err)
{
    int64_t id = 0;
    uint32_t revision = 0;
    enum tb_status status = find_revision(store, uuid, expected, &id, &revision, err);
    if (status)
        return status;
    sqlite3_stmt *stmt = tb_db_prepare(store, "DELETE FROM patch WHERE id = ?1", err);
    if (!stmt)
        return tb_db_failed(store);
    (void)sqlite3_bind_int64(stmt, 1, id);
    return tb_db_run(store, stmt, err);
}

static enum tb_status note_installed(struct tb_store *store, const struct tb_patch *patch,
                                     struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(
        store, "INSERT OR REPLACE INTO factory_patch (uuid, revision) VALUES (?1, ?2)", err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, patch->uuid);
    (void)sqlite3_bind_int64(stmt, 2, patch->revision);
    return tb_db_run(store, stmt, err);
}

enum tb_status tb_patch_install(struct tb_store *store, struct tb_patch *patch, bool *changed,
                                struct tb_error *err)
{
    *changed = false;
    sqlite3_stmt *stmt =
        tb_db_prepare(store,
                      "SELECT f.revision, p.revision, p.uuid FROM (SELECT ?1 AS uuid) AS this "
                      "LEFT JOIN factory_patch AS f USING (uuid) LEFT JOIN patch AS p USING (uuid)",
                      err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, patch->uuid);
    enum tb_status status = tb_db_step(store, stmt, err);
    if (status)
        return status;
    bool known = sqlite3_column_type(stmt, 0) != SQLITE_NULL;
    bool there = sqlite3_column_type(stmt, 2) != SQLITE_NULL;
    bool untouched = sqlite3_column_int64(stmt, 0) == sqlite3_column_int64(stmt, 1);
    (void)sqlite3_reset(stmt);
    patch->factory = true;
    if (!known && !there)
        status = tb_patch_create(store, patch, err);
    else if (known && there && untouched)
        status = tb_patch_replace(store, patch, 0, err);
    else
        return TB_OK;
    *changed = status == TB_OK;
    return status ? status : note_installed(store, patch, err);
}
