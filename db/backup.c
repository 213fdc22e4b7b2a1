/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BACKUP_EVERY_MS = 10 * 60 * 1000,
    KEPT = 5,        /* the newest, and then */
    KEPT_DAYS = 7,   /* the last one of each of so many days that have one */
    KEPT_BEFORE = 3, /* states that a restore replaced */
    LISTED = TB_MAX_BACKUPS,
    SLICE_PAGES = 256, /* of 4 KiB: some milliseconds on a slow card */
    PATH_BYTES = 320,
    STAMP = 19 /* 20261121-120000-123 */
};
static const char backup_head[] = "backup-", before_head[] = "timbred.db.before-restore-";

struct tb_copy {
    sqlite3 *to;
    sqlite3_backup *backup;
    uint64_t commits; /* of the store at the start */
    char part[PATH_BYTES], path[PATH_BYTES];
};

static int newest_first(const void *a, const void *b)
{
    return strcmp(b, a);
}

/* Files named HEAD, a time stamp and TAIL, newest first. */
static size_t list_stamped(const char *directory, const char *head, const char *tail,
                           char names[][TB_BACKUP_NAME], size_t max)
{
    DIR *dir = opendir(directory);
    size_t n = 0, before = strlen(head), after = strlen(tail);
    if (!dir)
        return 0;
    for (struct dirent *e; n < max && (e = readdir(dir));) {
        size_t length = strlen(e->d_name);
        if (length == before + STAMP + after && strncmp(e->d_name, head, before) == 0 &&
            strcmp(e->d_name + before + STAMP, tail) == 0)
            memcpy(names[n++], e->d_name, length + 1);
    }
    (void)closedir(dir);
    qsort(names, n, TB_BACKUP_NAME, newest_first);
    return n;
}

size_t tb_db_backups(const char *directory, char names[][TB_BACKUP_NAME], size_t max)
{
    return list_stamped(directory, backup_head, ".db", names, max);
}

static void remove_database(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char file[PATH_BYTES + 16];
        (void)snprintf(file, sizeof file, "%s%s", path, endings[i]);
        (void)unlink(file);
    }
}

static bool begins(const char *text, const char *head)
{
    return strncmp(text, head, strlen(head)) == 0;
}

/* backup-TIME.db.part, timbred.*.part, timbred.db.restoring, and what SQLite puts beside each. */
static bool is_unfinished(const char *name)
{
    static const char part[] = ".part", restoring[] = "timbred.db.restoring";
    const size_t stamp = sizeof backup_head - 1 + STAMP;
    const char *tail = NULL;
    if (begins(name, restoring))
        tail = name + sizeof restoring - 1;
    else if (begins(name, "timbred.") && strstr(name, part))
        tail = strstr(name, part) + sizeof part - 1;
    else if (begins(name, backup_head) && strlen(name) > stamp && begins(name + stamp, ".db.part"))
        tail = name + stamp + strlen(".db.part");
    return tail && (!*tail || !strcmp(tail, part) || !strcmp(tail, "-wal") ||
                    !strcmp(tail, "-shm") || !strcmp(tail, "-journal"));
}

void tb_db_sweep(const char *directory)
{
    char path[PATH_BYTES];
    DIR *dir = opendir(directory);
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));)
        if (is_unfinished(e->d_name) &&
            snprintf(path, sizeof path, "%s/%s", directory, e->d_name) < (int)sizeof path)
            (void)unlink(path);
    (void)closedir(dir);
}

static void copy_free(struct tb_copy *copy)
{
    (void)sqlite3_backup_finish(copy->backup);
    (void)sqlite3_close(copy->to);
    remove_database(copy->part);
    free(copy);
}

static struct tb_copy *copy_start(struct tb_store *store, const char *path, struct tb_error *err)
{
    struct tb_copy *copy = calloc(1, sizeof *copy);
    if (!copy) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for the backup");
        return NULL;
    }
    copy->commits = store->commits;
    (void)snprintf(copy->path, sizeof copy->path, "%.300s", path);
    (void)snprintf(copy->part, sizeof copy->part, "%.300s.part", path);
    remove_database(copy->part);
    /* Made here, for it holds tokens' hashes and SQLite would let everybody read it. */
    int fd = open(copy->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum tb_status status = TB_OK;
    if (fd < 0)
        status = tb_fail(err, errno == ENOSPC || errno == EDQUOT ? TB_EFULL : TB_EIO, "%s: %s",
                         copy->part, strerror(errno));
    else
        (void)close(fd);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (!status && sqlite3_open_v2(copy->part, &copy->to, flags, NULL))
        status = tb_db_fault(copy->to, copy->part, err);
    /* Durable by one fsync before the file gets its name, so no syncs between. */
    if (!status)
        status = tb_db_exec(copy->to, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", err);
    if (!status) {
        copy->backup = sqlite3_backup_init(copy->to, "main", store->db, "main");
        if (!copy->backup)
            status = tb_db_fault(copy->to, "backup", err);
    }
    if (status) {
        copy_free(copy);
        return NULL;
    }
    return copy;
}

/* TB_OK: all pages are there; TB_ECONFLICT: call again. */
static enum tb_status copy_step(struct tb_copy *copy, int pages, struct tb_error *err)
{
    switch (sqlite3_backup_step(copy->backup, pages)) {
    case SQLITE_DONE:
        return TB_OK;
    case SQLITE_OK:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return TB_ECONFLICT;
    default: /* only finishing tells the connection what was wrong */
        (void)sqlite3_backup_finish(copy->backup);
        copy->backup = NULL;
        return tb_db_fault(copy->to, "backup", err);
    }
}

/* Checks, syncs and names the file; frees copy. */
static enum tb_status copy_finish(struct tb_copy *copy, struct tb_error *err)
{
    char directory[PATH_BYTES];
    enum tb_status status = TB_OK;
    if (sqlite3_backup_finish(copy->backup))
        status = tb_db_fault(copy->to, "backup", err);
    copy->backup = NULL;
    if (!status) /* the pages said WAL; a single file must not */
        status = tb_db_exec(copy->to, "PRAGMA journal_mode = DELETE", err);
    if (!status)
        status = tb_db_check(copy->to, err);
    (void)sqlite3_close(copy->to);
    copy->to = NULL;
    (void)snprintf(directory, sizeof directory, "%s", copy->path);
    char *slash = strrchr(directory, '/');
    if (slash)
        *slash = '\0';
    if (!status)
        status = tb_db_sync(copy->part, err);
    if (!status && rename(copy->part, copy->path))
        status = tb_fail(err, TB_EIO, "%s: %s", copy->path, strerror(errno));
    if (!status)
        status = tb_db_sync(slash ? directory : ".", err);
    copy_free(copy);
    return status;
}

enum tb_status tb_store_backup(struct tb_store *store, const char *path, struct tb_error *err)
{
    struct tb_error fallback = {TB_EIO, ""};
    err = err ? err : &fallback;
    if (strlen(path) > 255)
        return tb_fail(err, TB_EINVAL, "backup: the path is longer than 255 bytes");
    struct tb_copy *copy = copy_start(store, path, err);
    if (!copy)
        return err->status;
    enum tb_status status = copy_step(copy, -1, err);
    if (status) {
        copy_free(copy);
        return status == TB_ECONFLICT ? tb_fail(err, status, "backup: the database is busy")
                                      : status;
    }
    return copy_finish(copy, err);
}

void tb_db_backup_abort(struct tb_store *store)
{
    if (store->copy)
        copy_free(store->copy);
    store->copy = NULL;
}

static void backup_name(const struct tb_store *store, char *path, size_t size)
{
    char stamp[20];
    tb_db_stamp(stamp);
    (void)snprintf(path, size, "%s/%s%s.db", store->directory, backup_head, stamp);
}

static void prune(const struct tb_store *store)
{
    char names[LISTED][TB_BACKUP_NAME], path[PATH_BYTES];
    const size_t day = sizeof backup_head - 1;
    size_t n = tb_db_backups(store->directory, names, LISTED), days = 0;
    for (size_t i = 0; i < n; i++) {
        bool last = i == 0 || strncmp(names[i] + day, names[i - 1] + day, 8) != 0;
        days += last;
        if (i < KEPT || (last && days <= KEPT_DAYS))
            continue;
        (void)snprintf(path, sizeof path, "%s/%.47s", store->directory, names[i]);
        (void)unlink(path);
    }
}

static void prune_before(const struct tb_store *store)
{
    char names[LISTED][TB_BACKUP_NAME], path[PATH_BYTES];
    size_t n = list_stamped(store->directory, before_head, "", names, LISTED);
    for (size_t i = KEPT_BEFORE; i < n; i++) {
        (void)snprintf(path, sizeof path, "%s/%.47s", store->directory, names[i]);
        (void)unlink(path);
    }
}

static int64_t age_ms(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return -1;
    int64_t age = tb_db_now_ms() - (int64_t)st.st_mtim.tv_sec * 1000 - st.st_mtim.tv_nsec / 1000000;
    return age < 0 ? 0 : age;
}

void tb_db_backup_schedule(struct tb_store *store)
{
    char names[LISTED][TB_BACKUP_NAME], path[PATH_BYTES], wal[PATH_BYTES];
    int64_t backup = -1;
    if (tb_db_backups(store->directory, names, LISTED) > 0) {
        (void)snprintf(path, sizeof path, "%s/%.47s", store->directory, names[0]);
        backup = age_ms(path);
    }
    (void)snprintf(wal, sizeof wal, "%s-wal", store->path);
    int64_t change = age_ms(wal);
    if (change < 0)
        change = age_ms(store->path);
    bool current = backup >= 0 && change >= backup;
    store->backed_up = current ? store->commits : UINT64_MAX;
    int64_t wait = backup < 0 || backup > BACKUP_EVERY_MS ? 0 : BACKUP_EVERY_MS - backup;
    store->backup_due = tb_db_monotonic_ms() + wait;
}

static void backup_done(struct tb_store *store, uint64_t commits, enum tb_status status)
{
    if (!status)
        store->backed_up = commits;
    /* After a fault, too, the next try is not at once: the disk may be full. */
    store->backup_due = tb_db_monotonic_ms() + BACKUP_EVERY_MS;
    prune(store);
}

enum tb_status tb_store_tick(struct tb_store *store, struct tb_error *err)
{
    struct tb_error fallback = {TB_EIO, ""};
    err = err ? err : &fallback;
    if (store->in_transaction || store->mode != TB_STORE_WRITE)
        return TB_OK;
    if (!store->copy) {
        char path[PATH_BYTES];
        if (store->commits == store->backed_up || tb_db_monotonic_ms() < store->backup_due)
            return TB_OK;
        backup_name(store, path, sizeof path);
        store->copy = copy_start(store, path, err);
        if (!store->copy) {
            backup_done(store, 0, err->status);
            return err->status;
        }
    }
    enum tb_status status = copy_step(store->copy, SLICE_PAGES, err);
    if (status == TB_ECONFLICT)
        return TB_OK;
    uint64_t commits = store->copy->commits;
    if (status)
        tb_db_backup_abort(store);
    else
        status = copy_finish(store->copy, err);
    store->copy = NULL;
    backup_done(store, commits, status);
    return status;
}

enum tb_status tb_store_backup_now(struct tb_store *store, struct tb_error *err)
{
    char path[PATH_BYTES];
    if (store->in_transaction || store->mode != TB_STORE_WRITE)
        return tb_fail(err, TB_EINVAL, "backup: a transaction is open, or the store is read only");
    if (store->commits == store->backed_up)
        return TB_OK;
    tb_db_backup_abort(store);
    backup_name(store, path, sizeof path);
    enum tb_status status = tb_store_backup(store, path, err);
    backup_done(store, store->commits, status);
    return status;
}

static enum tb_status check_head(const char *path, struct tb_error *err)
{
    unsigned char head[100];
    struct stat st;
    FILE *f = fopen(path, "rb");
    bool read = f && fread(head, sizeof head, 1, f) == 1 && fstat(fileno(f), &st) == 0;
    if (f)
        (void)fclose(f);
    if (!read || memcmp(head, "SQLite format 3", 16) != 0)
        return tb_fail(err, TB_ECORRUPT, "backup: the file is no backup of timbred");
    if (head[16] != 0x10 || head[17] != 0)
        return tb_fail(err, TB_ECORRUPT, "backup: the page size is not 4096");
    if (st.st_size % 4096 != 0)
        return tb_fail(err, TB_ECORRUPT, "backup: the file is cut short");
    return TB_OK;
}

/* Tokens stay those of this device: whoever restores must still get in afterwards. */
static enum tb_status keep_tokens(struct tb_store *store, sqlite3 *db, struct tb_error *err)
{
    char *attach = sqlite3_mprintf("ATTACH %Q AS live", store->path);
    if (!attach)
        return tb_fail(err, TB_ENOMEM, "no memory for the restore");
    enum tb_status status = tb_db_exec(db, attach, err);
    sqlite3_free(attach);
    if (!status)
        status = tb_db_exec(db,
                            "BEGIN; DELETE FROM main.token;"
                            "INSERT INTO main.token SELECT * FROM live.token; COMMIT;"
                            "DETACH live",
                            err);
    return status;
}

static enum tb_status prepare_restore(struct tb_store *store, const char *copy,
                                      struct tb_error *err)
{
    sqlite3 *db = NULL;
    int schema = 0;
    enum tb_status status = tb_db_connect(copy, true, &db, err);
    if (!status)
        status = tb_db_check(db, err);
    if (!status)
        status = tb_db_schema_check(db, err);
    if (!status)
        status = tb_db_migrate(db, &schema, err);
    if (!status)
        status = tb_db_exec(db, "INSERT INTO patch_text (patch_text) VALUES ('rebuild')", err);
    if (!status)
        status = keep_tokens(store, db, err);
    if (!status)
        status = tb_db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
    (void)sqlite3_close(db);
    return status;
}

static enum tb_status overwrite(struct tb_store *store, const char *copy, struct tb_error *err)
{
    sqlite3 *from = NULL;
    enum tb_status status = tb_db_connect(copy, false, &from, err);
    sqlite3_backup *backup = status ? NULL : sqlite3_backup_init(store->db, "main", from, "main");
    if (!status && !backup)
        status = tb_db_fault(store->db, "restore", err);
    if (backup) {
        int code = sqlite3_backup_step(backup, -1);
        int finished = sqlite3_backup_finish(backup);
        if (code != SQLITE_DONE || finished)
            status = tb_db_fault(store->db, "restore", err);
    }
    (void)sqlite3_close(from);
    return status;
}

enum tb_status tb_store_restore(struct tb_store *store, const char *path, struct tb_error *err)
{
    char copy[PATH_BYTES], before[PATH_BYTES], stamp[20];
    if (store->in_transaction)
        return tb_fail(err, TB_EINVAL, "restore: a transaction is open");
    tb_db_backup_abort(store);
    (void)snprintf(copy, sizeof copy, "%s.restoring", store->path);
    tb_db_stamp(stamp);
    (void)snprintf(before, sizeof before, "%s/%s%s", store->directory, before_head, stamp);
    remove_database(copy);
    enum tb_status status = check_head(path, err);
    if (!status)
        status = tb_db_copy_file(path, copy, err);
    if (!status)
        status = prepare_restore(store, copy, err);
    if (!status)
        status = tb_store_backup(store, before, err);
    if (!status)
        status = overwrite(store, copy, err);
    remove_database(copy);
    if (!status) {
        tb_keys_clear(&store->keys);
        store->commits++;
        prune_before(store);
    }
    return status;
}
