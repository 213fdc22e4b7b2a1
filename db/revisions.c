/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <stdlib.h>
#include <string.h>

static const char list_revisions[] =
    "SELECT revision, updated, name, note FROM patch WHERE uuid = ?1 UNION ALL "
    "SELECT r.revision, r.time, r.name, r.note FROM revision AS r JOIN patch AS p "
    "ON p.id = r.patch_id WHERE p.uuid = ?1 ORDER BY 1 DESC";

enum tb_status tb_patch_revisions(struct tb_store *store, const char *uuid,
                                  struct tb_revision **revisions, size_t *n, struct tb_error *err)
{
    void *array = NULL;
    *revisions = NULL;
    *n = 0;
    sqlite3_stmt *stmt = tb_db_prepare(store, list_revisions, err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, uuid);
    enum tb_status status;
    while ((status = tb_db_step(store, stmt, err)) == TB_OK) {
        struct tb_revision *r = tb_db_append(&array, n, sizeof *r);
        if (!r) {
            status = tb_fail(err, TB_ENOMEM, "no memory for the revisions");
            break;
        }
        r->revision = (uint32_t)sqlite3_column_int64(stmt, 0);
        r->time = sqlite3_column_int64(stmt, 1);
        tb_db_text(stmt, 2, r->name, sizeof r->name);
        tb_db_text(stmt, 3, r->note, sizeof r->note);
    }
    (void)sqlite3_reset(stmt);
    if (status == TB_ENOTFOUND)
        status = *n ? TB_OK : tb_fail(err, TB_ENOTFOUND, "there is no patch %.40s", uuid);
    if (status) {
        free(array);
        *n = 0;
        return status;
    }
    *revisions = array;
    return TB_OK;
}

static const char read_revision[] =
    "SELECT p.uuid, r.name, r.author, r.category, r.tags, r.comment, r.licence, r.favourite, "
    "p.factory, r.revision, p.created, r.time, r.note, r.val, r.models FROM revision AS r JOIN "
    "patch AS p "
    "ON p.id = r.patch_id WHERE p.uuid = ?1 AND r.revision = ?2";

enum tb_status tb_patch_read_revision(struct tb_store *store, const char *uuid, uint32_t revision,
                                      struct tb_patch *patch, struct tb_error *err)
{
    enum tb_status status = tb_patch_read(store, uuid, patch, err);
    if (status || patch->revision == revision)
        return status;
    tb_patch_clear(patch);
    sqlite3_stmt *stmt = tb_db_prepare(store, read_revision, err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, uuid);
    (void)sqlite3_bind_int64(stmt, 2, revision);
    status = tb_db_step(store, stmt, err);
    if (!status) {
        tb_patch_row(stmt, patch);
        tb_patch_models_row(stmt, 14, patch);
        status = tb_values_decode(store, stmt, 13, &patch->values, &patch->n_values, err);
    } else if (status == TB_ENOTFOUND) {
        status = tb_fail(err, status, "there is no revision %u of patch %.40s", revision, uuid);
    }
    (void)sqlite3_reset(stmt);
    return status;
}
