/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SETTING_BYTES = 1 << 20 };

enum tb_status tb_setting_set(struct tb_store *store, const char *key, const char *text,
                              struct tb_error *err)
{
    if (strlen(text) > MAX_SETTING_BYTES)
        return tb_fail(err, TB_ETOOLARGE, "%s: longer than %d bytes", key, MAX_SETTING_BYTES);
    sqlite3_stmt *stmt = tb_db_prepare(
        store,
        "INSERT INTO setting (name, value) VALUES (?1, ?2) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
        err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, key);
    tb_db_bind(stmt, 2, text);
    enum tb_status status = tb_db_run(store, stmt, err);
    (void)sqlite3_clear_bindings(stmt);
    return status;
}

enum tb_status tb_setting_get(struct tb_store *store, const char *key, char **text,
                              struct tb_error *err)
{
    *text = NULL;
    sqlite3_stmt *stmt = tb_db_prepare(store, "SELECT value FROM setting WHERE name = ?1", err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, key);
    enum tb_status status = tb_db_step(store, stmt, err);
    if (!status) {
        const char *value = (const char *)sqlite3_column_text(stmt, 0);
        *text = value ? strdup(value) : NULL;
        if (!*text)
            status = tb_fail(err, TB_ENOMEM, "no memory for the setting");
    } else if (status == TB_ENOTFOUND) {
        status = tb_fail(err, status, "there is no setting %s", key);
    }
    (void)sqlite3_reset(stmt);
    return status;
}
