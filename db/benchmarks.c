/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <stdlib.h>
#include <string.h>

enum tb_status tb_benchmark_add(struct tb_store *store, struct tb_benchmark *b,
                                struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(store,
                                       "INSERT INTO benchmark (time, machine, version, result, id) "
                                       "VALUES (?1, ?2, ?3, ?4, NULLIF(?5, 0))",
                                       err);
    if (!stmt)
        return tb_db_failed(store);
    if (b->time == 0)
        b->time = tb_db_now_ms();
    (void)sqlite3_bind_int64(stmt, 1, b->time);
    tb_db_bind(stmt, 2, b->machine);
    tb_db_bind(stmt, 3, b->version);
    tb_db_bind(stmt, 4, b->result);
    (void)sqlite3_bind_int64(stmt, 5, b->id);
    enum tb_status status = tb_db_run(store, stmt, err);
    (void)sqlite3_clear_bindings(stmt);
    if (!status)
        b->id = sqlite3_last_insert_rowid(store->db);
    return status;
}

static void read_row(sqlite3_stmt *stmt, struct tb_benchmark *b)
{
    b->id = sqlite3_column_int64(stmt, 0);
    b->time = sqlite3_column_int64(stmt, 1);
    tb_db_text(stmt, 2, b->machine, sizeof b->machine);
    tb_db_text(stmt, 3, b->version, sizeof b->version);
}

static enum tb_status no_benchmark(int64_t id, struct tb_error *err)
{
    return tb_fail(err, TB_ENOTFOUND, "there is no benchmark %lld", (long long)id);
}

enum tb_status tb_benchmark_read(struct tb_store *store, int64_t id, struct tb_benchmark *b,
                                 struct tb_error *err)
{
    memset(b, 0, sizeof *b);
    sqlite3_stmt *stmt = tb_db_prepare(
        store, "SELECT id, time, machine, version, result FROM benchmark WHERE id = ?1", err);
    if (!stmt)
        return tb_db_failed(store);
    (void)sqlite3_bind_int64(stmt, 1, id);
    enum tb_status status = tb_db_step(store, stmt, err);
    if (!status) {
        const char *result = (const char *)sqlite3_column_text(stmt, 4);
        read_row(stmt, b);
        b->result = result ? strdup(result) : NULL;
        if (!b->result)
            status = tb_fail(err, TB_ENOMEM, "no memory for the benchmark");
    } else if (status == TB_ENOTFOUND) {
        status = no_benchmark(id, err);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

enum tb_status tb_benchmark_delete(struct tb_store *store, int64_t id, struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(store, "DELETE FROM benchmark WHERE id = ?1", err);
    if (!stmt)
        return tb_db_failed(store);
    (void)sqlite3_bind_int64(stmt, 1, id);
    enum tb_status status = tb_db_run(store, stmt, err);
    return !status && sqlite3_changes(store->db) == 0 ? no_benchmark(id, err) : status;
}

enum tb_status tb_benchmark_list(struct tb_store *store, struct tb_benchmark **list, size_t *n,
                                 struct tb_error *err)
{
    void *array = NULL;
    *list = NULL;
    *n = 0;
    sqlite3_stmt *stmt = tb_db_prepare(
        store, "SELECT id, time, machine, version FROM benchmark ORDER BY time DESC, id DESC", err);
    if (!stmt)
        return tb_db_failed(store);
    enum tb_status status;
    while ((status = tb_db_step(store, stmt, err)) == TB_OK) {
        struct tb_benchmark *b = tb_db_append(&array, n, sizeof *b);
        if (!b) {
            status = tb_fail(err, TB_ENOMEM, "no memory for the benchmarks");
            break;
        }
        read_row(stmt, b);
    }
    (void)sqlite3_reset(stmt);
    if (status != TB_ENOTFOUND) {
        free(array);
        *n = 0;
        return status;
    }
    *list = array;
    return TB_OK;
}
