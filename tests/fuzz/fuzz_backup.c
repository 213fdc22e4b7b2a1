/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Restoring a file from outside into a small store: what is refused changes nothing and says why;
 * what is taken can be read and written afterwards. The first byte says what the rest is:
 *   R  the file itself
 *   E  changes to a whole backup: three bytes place, low first, one byte value, and again
 *   T  three bytes length at which a whole backup is cut, then changes as above
 *   S  SQL that is run on a whole backup: foreign tables, triggers, rows */
#include "db/store.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_STEPS = 2000 /* of 1000 operations, for SQL that does not end */ };

static struct tb_store *store;
static char folder[64], good[96], input[96];
static uint8_t *whole;
static size_t n_whole;

static void tidy(void)
{
    tb_store_close(store);
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char path[400];
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        (void)unlink(path);
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(folder);
    free(whole);
}

static enum tb_status add(const char *name)
{
    struct tb_error err = {0};
    struct tb_value values[] = {{"fm.algorithm", 5.0}, {"chorus.mix", 0.25}};
    struct tb_patch patch = {.category = "test", .n_values = 2, .values = values};
    (void)snprintf(patch.name, sizeof patch.name, "%s", name);
    enum tb_status status = tb_store_begin(store, &err);
    if (!status)
        status = tb_patch_create(store, &patch, &err);
    if (status)
        tb_store_rollback(store);
    return status ? status : tb_store_commit(store, &err);
}

/* In memory where there is such a folder: thousands of files a minute. */
static void make_store(void)
{
    struct tb_error err = {0};
    (void)strcpy(folder, "/dev/shm/timbred-fuzz-XXXXXX");
    if (!mkdtemp(folder)) {
        (void)strcpy(folder, "/tmp/timbred-fuzz-XXXXXX");
        FUZZ_CHECK(mkdtemp(folder));
    }
    store = tb_store_open(folder, TB_STORE_WRITE, NULL, &err);
    FUZZ_CHECK(store);
    FUZZ_CHECK(add("one") == TB_OK && add("two") == TB_OK);
    (void)snprintf(good, sizeof good, "%s/good", folder);
    (void)snprintf(input, sizeof input, "%s/input", folder);
    FUZZ_CHECK(tb_store_backup(store, good, &err) == TB_OK);
    FILE *file = fopen(good, "rb");
    FUZZ_CHECK(file && fseek(file, 0, SEEK_END) == 0);
    n_whole = (size_t)ftell(file);
    whole = malloc(n_whole);
    FUZZ_CHECK(whole && fseek(file, 0, SEEK_SET) == 0 && fread(whole, n_whole, 1, file) == 1);
    (void)fclose(file);
    (void)atexit(tidy);
}

/* Of all that is in the store, values included; a patch that cannot be read counts, too. */
static uint64_t fingerprint(void)
{
    struct tb_error err = {0};
    struct tb_patch_query query = {.limit = 500, .sort = "created"};
    struct tb_patch *list = NULL;
    size_t n = 0, total = 0;
    uint64_t hash = 14695981039346656037U;
    FUZZ_CHECK(tb_patch_list(store, &query, &list, &n, &total, &err) == TB_OK && n <= total);
    for (size_t i = 0; i < n; i++) {
        struct tb_patch patch = {0};
        enum tb_status status = tb_patch_read(store, list[i].uuid, &patch, &err);
        hash = (hash ^ (uint64_t)status) * 1099511628211U;
        for (const char *p = list[i].name; *p; p++)
            hash = (hash ^ (uint8_t)*p) * 1099511628211U;
        for (size_t k = 0; k < patch.n_values; k++) {
            uint64_t bits;
            memcpy(&bits, &patch.values[k].value, sizeof bits);
            hash = (hash ^ bits) * 1099511628211U;
        }
        tb_patch_clear(&patch);
    }
    free(list);
    return (hash ^ total) * 1099511628211U;
}

static void write_input(const uint8_t *data, size_t size)
{
    static const char *const beside[] = {"-wal", "-shm", "-journal"};
    for (size_t i = 0; i < 3; i++) {
        char path[120];
        (void)snprintf(path, sizeof path, "%s%s", input, beside[i]);
        (void)unlink(path);
    }
    FILE *file = fopen(input, "wb");
    FUZZ_CHECK(file && (size == 0 || fwrite(data, size, 1, file) == 1) && fclose(file) == 0);
}

static size_t place(const uint8_t *data)
{
    return (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
}

static void write_changed(const uint8_t *data, size_t size, size_t length)
{
    uint8_t *copy = malloc(n_whole);
    FUZZ_CHECK(copy);
    memcpy(copy, whole, n_whole);
    for (; size >= 4; data += 4, size -= 4)
        copy[place(data) % n_whole] = data[3];
    write_input(copy, length < n_whole ? length : n_whole);
    free(copy);
}

static int only_here(void *context, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    (void)context, (void)a, (void)b, (void)c, (void)d;
    return action == SQLITE_ATTACH ? SQLITE_DENY : SQLITE_OK;
}

static int count_steps(void *left)
{
    return --*(int *)left < 0;
}

static void write_sql(const uint8_t *data, size_t size)
{
    sqlite3 *db = NULL;
    int left = MAX_STEPS;
    char *text = fuzz_text(data, size);
    write_input(whole, n_whole);
    FUZZ_CHECK(sqlite3_open(input, &db) == SQLITE_OK);
    (void)sqlite3_set_authorizer(db, only_here, NULL);
    (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
    sqlite3_progress_handler(db, 1000, count_steps, &left);
    (void)sqlite3_exec(db, "PRAGMA synchronous = OFF; PRAGMA max_page_count = 1000", NULL, NULL,
                       NULL);
    (void)sqlite3_exec(db, text, NULL, NULL, NULL);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    (void)sqlite3_close(db);
    free(text);
}

static void write_any(const uint8_t *data, size_t size)
{
    uint8_t kind = size > 0 ? data[0] : 'R';
    if (size > 0)
        data++, size--;
    if (kind == 'S')
        write_sql(data, size);
    else if (kind == 'E')
        write_changed(data, size, n_whole);
    else if (kind == 'T' && size >= 3)
        write_changed(data + 3, size - 3, place(data));
    else
        write_input(data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_error err = {0};
    char left[128];
    if (!store)
        make_store();
    (void)snprintf(left, sizeof left, "%s/timbred.db.restoring", folder);
    write_any(data, size);
    uint64_t before = fingerprint();
    enum tb_status status = tb_store_restore(store, input, &err);
    uint64_t after = fingerprint();
    FUZZ_CHECK(access(left, F_OK) != 0);
    if (status) {
        FUZZ_CHECK(after == before && err.status == status && err.text[0] != '\0');
        return 0;
    }
    /* A file may be full of keys or ids, but a store of it is still one that refuses properly. */
    status = add("three");
    FUZZ_CHECK(status == TB_OK || fingerprint() == after);
    FUZZ_CHECK(tb_store_restore(store, good, &err) == TB_OK);
    return 0;
}
