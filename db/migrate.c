/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include "db/migrations.h"

#include <stdio.h>
#include <string.h>

int tb_db_schema_newest(void)
{
    return (int)(sizeof tb_migrations / sizeof tb_migrations[0]);
}

static enum tb_status migrate_one(sqlite3 *db, int to, struct tb_error *err)
{
    char mark[64];
    (void)snprintf(mark, sizeof mark, "PRAGMA user_version = %d", to);
    enum tb_status status = tb_db_exec(db, "BEGIN IMMEDIATE", err);
    if (status)
        return status;
    status = tb_db_exec(db, tb_migrations[to - 1], err);
    if (!status)
        status = tb_db_exec(db, mark, err);
    if (!status)
        status = tb_db_exec(db, "COMMIT", err);
    if (status && !sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static enum tb_status migrate_to(sqlite3 *db, int newest, struct tb_error *err)
{
    int64_t now = tb_db_integer(db, "PRAGMA user_version", err);
    if (now < 0)
        return TB_EIO;
    if (now > tb_db_schema_newest())
        return tb_fail(err, TB_EUNSUPPORTED,
                       "the database has schema %d, this version knows up to %d", (int)now,
                       tb_db_schema_newest());
    for (int to = (int)now + 1; to <= newest; to++) {
        enum tb_status status = migrate_one(db, to, err);
        if (status)
            return status;
    }
    return TB_OK;
}

enum tb_status tb_db_migrate(sqlite3 *db, int *schema, struct tb_error *err)
{
    enum tb_status status = migrate_to(db, tb_db_schema_newest(), err);
    *schema = status ? 0 : tb_db_schema_newest();
    return status;
}

static const char schema_text[] =
    "SELECT group_concat(line, char(10)) FROM (SELECT type || ' ' || name || ' ' || "
    "coalesce(sql, '') AS line FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY 1)";

/* Compares against a fresh database of the same version in memory. */
enum tb_status tb_db_schema_check(sqlite3 *db, struct tb_error *err)
{
    sqlite3 *fresh = NULL;
    sqlite3_stmt *ours = NULL, *theirs = NULL;
    int64_t version = tb_db_integer(db, "PRAGMA user_version", err);
    enum tb_status status = TB_OK;
    if (version < 1 || version > tb_db_schema_newest())
        return tb_fail(err, TB_EUNSUPPORTED, "schema %d is not in 1..%d", (int)version,
                       tb_db_schema_newest());
    if (sqlite3_open(":memory:", &fresh))
        status = tb_db_fault(fresh, "database", err);
    if (!status)
        status = migrate_to(fresh, (int)version, err);
    if (!status && (sqlite3_prepare_v2(fresh, schema_text, -1, &ours, NULL) ||
                    sqlite3_step(ours) != SQLITE_ROW))
        status = tb_db_fault(fresh, "database", err);
    if (!status && (sqlite3_prepare_v2(db, schema_text, -1, &theirs, NULL) ||
                    sqlite3_step(theirs) != SQLITE_ROW))
        status = tb_db_fault(db, "database", err);
    if (!status) {
        const char *a = (const char *)sqlite3_column_text(ours, 0);
        const char *b = (const char *)sqlite3_column_text(theirs, 0);
        if (!a || !b || strcmp(a, b) != 0)
            status = tb_fail(err, TB_ECORRUPT, "the file's tables are not those of timbred");
    }
    (void)sqlite3_finalize(ours);
    (void)sqlite3_finalize(theirs);
    (void)sqlite3_close(fresh);
    return status;
}
