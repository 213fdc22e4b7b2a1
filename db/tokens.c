/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <stdlib.h>
#include <string.h>

enum tb_status tb_token_add(struct tb_store *store, struct tb_token *token, struct tb_error *err)
{
    if (strcmp(token->role, "read") != 0 && strcmp(token->role, "play") != 0 &&
        strcmp(token->role, "admin") != 0)
        return tb_fail(err, TB_EINVAL, "role: must be read, play or admin");
    sqlite3_stmt *stmt = tb_db_prepare(
        store, "INSERT INTO token (hash, role, label, created) VALUES (?1, ?2, ?3, ?4)", err);
    if (!stmt)
        return tb_db_failed(store);
    token->created = tb_db_now_ms();
    (void)sqlite3_bind_blob(stmt, 1, token->hash, sizeof token->hash, SQLITE_STATIC);
    tb_db_bind(stmt, 2, token->role);
    tb_db_bind(stmt, 3, token->label);
    (void)sqlite3_bind_int64(stmt, 4, token->created);
    enum tb_status status = tb_db_run(store, stmt, err);
    (void)sqlite3_clear_bindings(stmt);
    if (!status)
        token->id = sqlite3_last_insert_rowid(store->db);
    return status;
}

enum tb_status tb_token_delete(struct tb_store *store, int64_t id, struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(store, "DELETE FROM token WHERE id = ?1", err);
    if (!stmt)
        return tb_db_failed(store);
    (void)sqlite3_bind_int64(stmt, 1, id);
    enum tb_status status = tb_db_run(store, stmt, err);
    if (!status && sqlite3_changes(store->db) == 0)
        return tb_fail(err, TB_ENOTFOUND, "there is no token %lld", (long long)id);
    return status;
}

enum tb_status tb_token_list(struct tb_store *store, struct tb_token **tokens, size_t *n,
                             struct tb_error *err)
{
    void *array = NULL;
    *tokens = NULL;
    *n = 0;
    sqlite3_stmt *stmt =
        tb_db_prepare(store, "SELECT id, hash, role, label, created FROM token ORDER BY id", err);
    if (!stmt)
        return tb_db_failed(store);
    enum tb_status status;
    while ((status = tb_db_step(store, stmt, err)) == TB_OK) {
        struct tb_token *t = tb_db_append(&array, n, sizeof *t);
        if (!t) {
            status = tb_fail(err, TB_ENOMEM, "no memory for the tokens");
            break;
        }
        t->id = sqlite3_column_int64(stmt, 0);
        if (sqlite3_column_bytes(stmt, 1) == (int)sizeof t->hash)
            memcpy(t->hash, sqlite3_column_blob(stmt, 1), sizeof t->hash);
        tb_db_text(stmt, 2, t->role, sizeof t->role);
        tb_db_text(stmt, 3, t->label, sizeof t->label);
        t->created = sqlite3_column_int64(stmt, 4);
    }
    (void)sqlite3_reset(stmt);
    if (status != TB_ENOTFOUND) {
        free(array);
        *n = 0;
        return status;
    }
    *tokens = array;
    return TB_OK;
}
