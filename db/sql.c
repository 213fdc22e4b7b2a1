/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static enum tb_status status_of(sqlite3 *db)
{
    int code = sqlite3_extended_errcode(db);
    int system = sqlite3_system_errno(db);
    if (code == SQLITE_IOERR_NOMEM)
        return TB_ENOMEM;
    switch (code & 0xFF) {
    case SQLITE_FULL:
        return TB_EFULL;
    case SQLITE_NOMEM:
        return TB_ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return TB_ECORRUPT;
    case SQLITE_CONSTRAINT:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return TB_ECONFLICT;
    case SQLITE_TOOBIG:
        return TB_ETOOLARGE;
    default:
        return system == ENOSPC || system == EDQUOT ? TB_EFULL : TB_EIO;
    }
}

enum tb_status tb_db_fault(sqlite3 *db, const char *doing, struct tb_error *err)
{
    if (!db)
        return tb_fail(err, TB_ENOMEM, "%s: no memory", doing);
    enum tb_status status = status_of(db);
    if (status == TB_EFULL)
        return tb_fail(err, status, "%s: no space left on the disk", doing);
    int system = sqlite3_system_errno(db);
    if (system && status == TB_EIO)
        return tb_fail(err, status, "%s: %s (%s)", doing, sqlite3_errmsg(db), strerror(system));
    return tb_fail(err, status, "%s: %s", doing, sqlite3_errmsg(db));
}

sqlite3_stmt *tb_db_prepare(struct tb_store *store, const char *sql, struct tb_error *err)
{
    size_t slot = ((uintptr_t)sql >> 3) % TB_MAX_STATEMENTS;
    size_t tried = 0;
    while (store->statements[slot].sql && store->statements[slot].sql != sql) {
        slot = (slot + 1) % TB_MAX_STATEMENTS;
        if (++tried == TB_MAX_STATEMENTS) {
            (void)tb_fail(err, TB_EFULL, "more than %d statements", TB_MAX_STATEMENTS);
            return NULL;
        }
    }
    sqlite3_stmt *stmt = store->statements[slot].stmt;
    if (stmt) {
        (void)sqlite3_reset(stmt);
        (void)sqlite3_clear_bindings(stmt);
        return stmt;
    }
    if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL)) {
        (void)tb_db_fault(store->db, "database", err);
        return NULL;
    }
    store->statements[slot].sql = sql;
    store->statements[slot].stmt = stmt;
    return stmt;
}

enum tb_status tb_db_failed(const struct tb_store *store)
{
    return status_of(store->db);
}

enum tb_status tb_db_step(struct tb_store *store, sqlite3_stmt *stmt, struct tb_error *err)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        return TB_OK;
    if (code == SQLITE_DONE)
        return TB_ENOTFOUND;
    enum tb_status status = tb_db_fault(store->db, "database", err);
    (void)sqlite3_reset(stmt);
    return status;
}

enum tb_status tb_db_run(struct tb_store *store, sqlite3_stmt *stmt, struct tb_error *err)
{
    enum tb_status status = tb_db_step(store, stmt, err);
    (void)sqlite3_reset(stmt);
    return status == TB_ENOTFOUND ? TB_OK : status;
}

enum tb_status tb_db_exec(sqlite3 *db, const char *sql, struct tb_error *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) ? tb_db_fault(db, "database", err) : TB_OK;
}

void tb_db_text(sqlite3_stmt *stmt, int column, char *out, size_t size)
{
    assert(size > 0);
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    if (!text)
        text = "";
    size_t n = strlen(text);
    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
            n--;
    }
    memcpy(out, text, n);
    out[n] = '\0';
}

void tb_db_bind(sqlite3_stmt *stmt, int index, const char *text)
{
    /* A failed binding leaves NULL, which every column refuses. */
    (void)sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC);
}

int64_t tb_db_integer(sqlite3 *db, const char *sql, struct tb_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) || sqlite3_step(stmt) != SQLITE_ROW)
        (void)tb_db_fault(db, "database", err);
    else
        value = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return value;
}

int64_t tb_db_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t tb_db_monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void tb_db_stamp(char text[20])
{
    int64_t now = tb_db_now_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    size_t n = strftime(text, 16, "%Y%m%d-%H%M%S", &tm);
    (void)snprintf(text + n, 20 - n, "-%03d", (int)(now % 1000));
}

void tb_db_uuid(char uuid[TB_UUID])
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
        sqlite3_randomness((int)sizeof b, b);
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    (void)snprintf(uuid, TB_UUID,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
}

void *tb_db_append(void **array, size_t *n, size_t size)
{
    if ((*n & (*n - 1)) == 0) { /* 0 or a power of two: the block is full */
        void *larger = realloc(*array, (*n ? *n * 2 : 1) * size);
        if (!larger)
            return NULL;
        *array = larger;
    }
    void *item = (char *)*array + *n * size;
    memset(item, 0, size);
    ++*n;
    return item;
}
