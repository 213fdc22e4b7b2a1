/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* SQLite takes an empty file for a new database and writes into a damaged one without complaint
 * (measured), so both are looked for before the first change. The marker file says that this
 * directory had a database: a missing one is then a loss, not a first start. */
static const char marker_name[] = "timbred.mark";

enum { PATH_BYTES = 320 };

enum tb_status tb_db_connect(const char *path, bool write, sqlite3 **db, struct tb_error *err)
{
    int flags = write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL))
        return tb_db_fault(*db, path, err);
    (void)sqlite3_extended_result_codes(*db, 1);
    (void)sqlite3_busy_timeout(*db, 5000);
    (void)sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* Not TRUSTED_SCHEMA 0: Debian's 3.40 then refuses FTS5 in our own triggers. A schema from
     * outside is compared with ours before it is used (tb_db_schema_check). */
    (void)sqlite3_db_config(*db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    /* Temporary tables in memory: the web role may not write outside its directory. */
    enum tb_status status = tb_db_exec(*db,
                                       "PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON;"
                                       "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
                                       "PRAGMA cache_size = -8192",
                                       err);
    if (!status && write)
        status = tb_db_exec(*db,
                            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                            "PRAGMA journal_size_limit = 16777216;"
                            "PRAGMA wal_autocheckpoint = 4000",
                            err);
    return status;
}

enum tb_status tb_db_check_id(sqlite3 *db, struct tb_error *err)
{
    int64_t id = tb_db_integer(db, "PRAGMA application_id", err);
    if (id < 0)
        return err ? err->status : TB_ECORRUPT;
    if (id != TB_APPLICATION_ID)
        return tb_fail(err, TB_ECORRUPT, "not a database of timbred");
    return TB_OK;
}

enum tb_status tb_db_check(sqlite3 *db, struct tb_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum tb_status status = tb_db_check_id(db, err);
    if (status)
        return status;
    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL) ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        status = tb_db_fault(db, "check", err);
    } else {
        char text[100];
        tb_db_text(stmt, 0, text, sizeof text);
        if (strcmp(text, "ok") != 0)
            status = tb_fail(err, TB_ECORRUPT, "the database is damaged: %s", text);
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

enum tb_status tb_db_sync(const char *path, struct tb_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tb_fail(err, TB_EIO, "%s: %s", path, strerror(errno));
    int failed = fsync(fd) ? errno : 0;
    (void)close(fd);
    return failed ? tb_fail(err, TB_EIO, "%s: %s", path, strerror(failed)) : TB_OK;
}

enum tb_status tb_db_copy_file(const char *from, const char *to, struct tb_error *err)
{
    char block[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = -1;
    if (out >= 0) {
        while ((n = read(in, block, sizeof block)) > 0)
            if (write(out, block, (size_t)n) != n) {
                errno = errno ? errno : ENOSPC;
                n = -1;
                break;
            }
    }
    if (n == 0 && fsync(out))
        n = -1;
    int failed = n < 0 ? errno : 0;
    if (out >= 0)
        (void)close(out);
    if (in >= 0)
        (void)close(in);
    if (!failed)
        return TB_OK;
    if (out >= 0)
        (void)unlink(to);
    return tb_fail(err, failed == ENOSPC || failed == EDQUOT ? TB_EFULL : TB_EIO, "%s: %s",
                   out < 0 && in < 0 ? from : to, strerror(failed));
}

static enum tb_status lock_directory(struct tb_store *store, struct tb_error *err)
{
    char path[PATH_BYTES];
    if (mkdir(store->directory, 0700) && errno != EEXIST)
        return tb_fail(err, TB_EIO, "%s: %s", store->directory, strerror(errno));
    (void)snprintf(path, sizeof path, "%s/timbred.lock", store->directory);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return tb_fail(err, TB_EIO, "%s: %s", path, strerror(errno));
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB))
        return tb_fail(err, TB_ECONFLICT, "%s is in use by another timbred", store->directory);
    return TB_OK;
}

void tb_db_unlock(struct tb_store *store)
{
    if (store->lock_fd >= 0)
        (void)close(store->lock_fd);
    store->lock_fd = -1;
}

static bool has_marker(const struct tb_store *store)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", store->directory, marker_name);
    return access(path, F_OK) == 0;
}

static enum tb_status set_marker(const struct tb_store *store, struct tb_error *err)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", store->directory, marker_name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return tb_fail(err, TB_EIO, "%s: %s", path, strerror(errno));
    (void)close(fd);
    return tb_db_sync(store->directory, err);
}

static enum tb_status quarantine(struct tb_store *store, struct tb_store_report *report,
                                 struct tb_error *err)
{
    char from[PATH_BYTES], to[PATH_BYTES], stamp[20];
    tb_db_stamp(stamp);
    (void)snprintf(to, sizeof to, "%s.bad-%s", store->path, stamp);
    if (rename(store->path, to) == 0) {
        report->quarantined = true;
        (void)snprintf(report->quarantine_path, sizeof report->quarantine_path, "%.255s", to);
    } else if (errno != ENOENT) {
        return tb_fail(err, TB_EIO, "%s: %s", store->path, strerror(errno));
    }
    (void)snprintf(from, sizeof from, "%s-wal", store->path);
    (void)snprintf(to, sizeof to, "%s.bad-%s-wal", store->path, stamp);
    if (rename(from, to) && errno != ENOENT)
        return tb_fail(err, TB_EIO, "%s: %s", from, strerror(errno));
    (void)snprintf(from, sizeof from, "%s-shm", store->path);
    if (unlink(from) && errno != ENOENT)
        return tb_fail(err, TB_EIO, "%s: %s", from, strerror(errno));
    return tb_db_sync(store->directory, err);
}

static bool is_good(const char *path)
{
    sqlite3 *db = NULL;
    char uri[PATH_BYTES];
    (void)snprintf(uri, sizeof uri, "file:%.300s?immutable=1", path);
    bool good = sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) == 0 &&
                tb_db_check(db, NULL) == TB_OK;
    (void)sqlite3_close(db);
    return good;
}

/* The newest backup that is whole takes the place of the database; none is no error. */
static enum tb_status restore_newest(struct tb_store *store, struct tb_store_report *report,
                                     struct tb_error *err)
{
    char names[TB_MAX_BACKUPS][TB_BACKUP_NAME], path[PATH_BYTES], part[PATH_BYTES];
    size_t n = tb_db_backups(store->directory, names, TB_MAX_BACKUPS);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, "%s/%.47s", store->directory, names[i]);
        if (!is_good(path))
            continue;
        (void)snprintf(part, sizeof part, "%s.part", store->path);
        enum tb_status status = tb_db_copy_file(path, part, err);
        if (status)
            return status;
        if (rename(part, store->path))
            return tb_fail(err, TB_EIO, "%s: %s", store->path, strerror(errno));
        report->restored = true;
        return tb_db_sync(store->directory, err);
    }
    return TB_OK;
}

static void disconnect(struct tb_store *store)
{
    (void)sqlite3_close(store->db);
    store->db = NULL;
}

/* Connects and, where there was a database, checks it. A first start may have been killed half-way:
 * there is a file without any table, and no marker yet. */
static enum tb_status connect_checked(struct tb_store *store, bool fresh, struct tb_error *err)
{
    enum tb_status status = tb_db_connect(store->path, true, &store->db, err);
    if (!status && !has_marker(store) &&
        tb_db_integer(store->db, "SELECT count(*) FROM sqlite_schema", NULL) == 0)
        fresh = true;
    if (!status && !fresh)
        status = store->resumes ? tb_db_check_id(store->db, err) : tb_db_check(store->db, err);
    if (!status && fresh) {
        char mark[64];
        (void)snprintf(mark, sizeof mark, "PRAGMA application_id = %d", TB_APPLICATION_ID);
        status = tb_db_exec(store->db, mark, err);
    }
    if (status)
        disconnect(store);
    return status;
}

static bool is_missing(const struct tb_store *store)
{
    struct stat st;
    return stat(store->path, &st) != 0 || st.st_size == 0;
}

/* An empty file without the marker is what a first start leaves that was killed at once: nothing
 * has been acknowledged, nothing is damaged. */
static enum tb_status drop_unborn(const struct tb_store *store, struct tb_error *err)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s%s", store->path, ends[i]);
        if (unlink(path) && errno != ENOENT)
            return tb_fail(err, TB_EIO, "%s: %s", path, strerror(errno));
    }
    return TB_OK;
}

static enum tb_status find_database(struct tb_store *store, struct tb_store_report *report,
                                    struct tb_error *err)
{
    bool missing = is_missing(store);
    enum tb_status status = TB_OK;
    if (!missing) {
        status = connect_checked(store, false, err);
        if (status != TB_ECORRUPT)
            return status;
        (void)snprintf(report->reason, sizeof report->reason, "%s", err->text);
    } else if (has_marker(store)) {
        report->lost = true;
        (void)snprintf(report->reason, sizeof report->reason, "the database was missing or empty");
    }
    status = report->reason[0] ? quarantine(store, report, err) : drop_unborn(store, err);
    if (!status && report->reason[0])
        status = restore_newest(store, report, err);
    if (status)
        return status;
    report->created = is_missing(store);
    return connect_checked(store, report->created, err);
}

enum tb_status tb_db_recover(struct tb_store *store, struct tb_store_report *report,
                             struct tb_error *err)
{
    mode_t mask = umask(0077);
    enum tb_status status = lock_directory(store, err);
    if (!status)
        tb_db_sweep(store->directory);
    if (!status)
        status = find_database(store, report, err);
    if (!status) {
        int64_t before = tb_db_integer(store->db, "PRAGMA user_version", err);
        if (before > 0 && before < tb_db_schema_newest()) {
            char path[PATH_BYTES];
            (void)snprintf(path, sizeof path, "%s.before-schema-%d", store->path,
                           tb_db_schema_newest());
            status = tb_store_backup(store, path, err);
        }
    }
    if (!status)
        status = tb_db_migrate(store->db, &report->schema, err);
    if (!status && !has_marker(store))
        status = set_marker(store, err);
    (void)umask(mask);
    return status;
}
