/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store.h"

#include "db/store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_connection(struct tb_store *store)
{
    tb_db_backup_abort(store);
    tb_terms_free(store);
    for (size_t i = 0; i < TB_MAX_STATEMENTS; i++)
        (void)sqlite3_finalize(store->statements[i].stmt);
    memset(store->statements, 0, sizeof store->statements);
    if (store->db)
        (void)sqlite3_close(store->db);
    store->db = NULL;
}

/* A disk that cannot be written: SQLite wants to make its shared memory beside the file even for
 * reading. Without a log of changes beside it, the file alone is the whole truth. */
static enum tb_status connect_reader(struct tb_store *store, struct tb_error *err)
{
    char text[sizeof store->path + 32];
    struct stat st;
    enum tb_status status = tb_db_connect(store->path, false, &store->db, err);
    if (!status)
        status = tb_db_exec(store->db, "SELECT count(*) FROM sqlite_schema", err);
    (void)snprintf(text, sizeof text, "%s-wal", store->path);
    if (status != TB_EIO || (stat(text, &st) == 0 && st.st_size > 0) ||
        access(store->directory, W_OK) == 0 || strpbrk(store->path, "?#%"))
        return status;
    (void)sqlite3_close(store->db);
    (void)snprintf(text, sizeof text, "file:%s?immutable=1", store->path);
    return tb_db_connect(text, false, &store->db, err);
}

static enum tb_status open_reader(struct tb_store *store, struct tb_store_report *report,
                                  struct tb_error *err)
{
    enum tb_status status = connect_reader(store, err);
    if (status)
        return status;
    int64_t schema = tb_db_integer(store->db, "PRAGMA user_version", err);
    if (schema < 0)
        return err ? err->status : TB_EIO;
    if (schema != tb_db_schema_newest())
        return tb_fail(err, TB_EUNSUPPORTED, "%s has schema %d, this version reads %d", store->path,
                       (int)schema, tb_db_schema_newest());
    report->schema = (int)schema;
    return TB_OK;
}

struct tb_store *tb_store_open(const char *directory, enum tb_store_mode mode,
                               struct tb_store_report *report, struct tb_error *err)
{
    struct tb_store_report unused;
    struct tb_error fallback;
    struct tb_store *store = calloc(1, sizeof *store);
    if (!store) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for the store");
        return NULL;
    }
    report = report ? report : &unused;
    err = err ? err : &fallback;
    memset(report, 0, sizeof *report);
    store->mode = mode == TB_STORE_READ ? TB_STORE_READ : TB_STORE_WRITE;
    store->resumes = mode == TB_STORE_RESUME;
    store->lock_fd = -1;
    enum tb_status status = TB_OK;
    if (strlen(directory) >= sizeof store->directory - 64)
        status = tb_fail(err, TB_EINVAL, "state directory: the path is longer than %zu bytes",
                         sizeof store->directory - 64);
    if (!status) {
        (void)snprintf(store->directory, sizeof store->directory, "%s", directory);
        (void)snprintf(store->path, sizeof store->path, "%s/timbred.db", directory);
        status = store->mode == TB_STORE_WRITE ? tb_db_recover(store, report, err)
                                               : open_reader(store, report, err);
    }
    if (!status)
        status = tb_search_register(store, err);
    if (status) {
        close_connection(store);
        tb_db_unlock(store);
        free(store);
        return NULL;
    }
    if (store->mode == TB_STORE_WRITE)
        tb_db_backup_schedule(store);
    return store;
}

void tb_store_close(struct tb_store *store)
{
    if (!store)
        return;
    tb_store_rollback(store);
    close_connection(store);
    tb_keys_clear(&store->keys);
    tb_db_unlock(store);
    free(store);
}

/* A full disk or an I/O error makes SQLite end the whole transaction by itself. What follows must
 * not run, and be acknowledged, outside of it. */
static enum tb_status still_inside(struct tb_store *store, struct tb_error *err)
{
    if (!store->in_transaction)
        return tb_fail(err, TB_EINVAL, "no transaction is open");
    if (sqlite3_get_autocommit(store->db))
        return tb_fail(err, TB_EIO, "the transaction was undone after a fault");
    return TB_OK;
}

enum tb_status tb_store_begin(struct tb_store *store, struct tb_error *err)
{
    if (store->mode != TB_STORE_WRITE)
        return tb_fail(err, TB_EDENIED, "the store was opened for reading");
    if (store->in_transaction)
        return tb_fail(err, TB_EINVAL, "a transaction is open already");
    sqlite3_stmt *stmt = tb_db_prepare(store, "BEGIN IMMEDIATE", err);
    enum tb_status status = stmt ? tb_db_run(store, stmt, err) : tb_db_failed(store);
    store->in_transaction = status == TB_OK;
    return status;
}

enum tb_status tb_store_commit(struct tb_store *store, struct tb_error *err)
{
    enum tb_status status = still_inside(store, err);
    if (!status) {
        sqlite3_stmt *stmt = tb_db_prepare(store, "COMMIT", err);
        status = stmt ? tb_db_run(store, stmt, err) : tb_db_failed(store);
    }
    if (status) {
        tb_store_rollback(store);
        return status;
    }
    store->in_transaction = false;
    store->commits++;
    return TB_OK;
}

void tb_store_rollback(struct tb_store *store)
{
    if (store->in_transaction && !sqlite3_get_autocommit(store->db))
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    store->in_transaction = false;
    tb_keys_clear(&store->keys); /* keys of the lost transaction are no longer numbered */
}

enum tb_status tb_store_savepoint(struct tb_store *store, struct tb_error *err)
{
    enum tb_status status = still_inside(store, err);
    if (status)
        return status;
    sqlite3_stmt *stmt = tb_db_prepare(store, "SAVEPOINT one", err);
    return stmt ? tb_db_run(store, stmt, err) : tb_db_failed(store);
}

enum tb_status tb_store_release(struct tb_store *store, struct tb_error *err)
{
    enum tb_status status = still_inside(store, err);
    if (status)
        return status;
    sqlite3_stmt *stmt = tb_db_prepare(store, "RELEASE one", err);
    return stmt ? tb_db_run(store, stmt, err) : tb_db_failed(store);
}

void tb_store_revert(struct tb_store *store)
{
    if (!store->in_transaction || sqlite3_get_autocommit(store->db))
        return;
    (void)sqlite3_exec(store->db, "ROLLBACK TO one; RELEASE one", NULL, NULL, NULL);
    tb_keys_clear(&store->keys);
}

uint64_t tb_store_version(struct tb_store *store)
{
    /* data_version counts what other connections committed, commits what this one did. */
    sqlite3_stmt *stmt = tb_db_prepare(store, "PRAGMA data_version", NULL);
    uint64_t others = 0;
    if (stmt && tb_db_step(store, stmt, NULL) == TB_OK)
        others = (uint64_t)sqlite3_column_int64(stmt, 0);
    if (stmt)
        (void)sqlite3_reset(stmt);
    return (others << 40) + store->commits;
}
