/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/store_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>

enum { NEWEST_SCHEMA = 3 };

static const char *path_of(const struct fixture *f, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%.63s", f->directory, name);
    return path;
}

static size_t count_files(const struct fixture *f, const char *part)
{
    DIR *dir = opendir(f->directory);
    size_t n = 0;
    for (struct dirent *e; (e = readdir(dir));)
        n += strstr(e->d_name, part) != NULL;
    closedir(dir);
    return n;
}

static void add(struct fixture *f, const char *name)
{
    struct tb_patch patch;
    fixture_patch(&patch, name, "test");
    patch.values = calloc(200, sizeof *patch.values);
    patch.n_values = 200;
    for (size_t i = 0; i < 200; i++) {
        snprintf(patch.values[i].key, sizeof patch.values[i].key, "%.20s.%zu", name, i);
        patch.values[i].value = 0.5 + (double)i;
    }
    fixture_create(f, &patch);
    tb_patch_clear(&patch);
}

/* Names in the store, joined; every patch is read whole. */
static void expect(struct fixture *f, struct tb_store *store, const char *names)
{
    struct tb_patch_query query = {.limit = 100, .sort = "created"};
    struct tb_patch *list;
    char text[512] = "";
    size_t n, total;
    assert_ok(f, tb_patch_list(store, &query, &list, &n, &total, &f->err));
    for (size_t i = 0; i < n; i++) {
        struct tb_patch patch;
        strcat(text, i ? " " : "");
        strcat(text, list[i].name);
        assert_ok(f, tb_patch_read(store, list[i].uuid, &patch, &f->err));
        assert_int_equal(patch.n_values, 200);
        assert_int_equal(strncmp(patch.values[7].key, patch.name, strlen(patch.name)), 0);
        tb_patch_clear(&patch);
    }
    free(list);
    assert_string_equal(text, names);
}

/* Two patches and a backup with the first; closed. */
static void prepare(struct fixture *f)
{
    add(f, "one");
    assert_ok(f, tb_store_backup_now(f->store, &f->err));
    add(f, "two");
    tb_store_close(f->store);
    f->store = NULL;
    assert_int_equal(count_files(f, "backup-"), 1);
}

static void overwrite(const char *path, long offset, size_t n)
{
    char junk[8192];
    memset(junk, 0x5A, sizeof junk);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, junk, n, offset) == (ssize_t)n);
    close(fd);
}

enum damage { HEADER, PAGES, EMPTY, MISSING, FOREIGN, CUT };

static void damage(struct fixture *f, enum damage kind)
{
    const char *path = path_of(f, "timbred.db");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    switch (kind) {
    case HEADER:
        overwrite(path, 0, 100);
        break;
    case PAGES:
        overwrite(path, 4096 * 3, 8192);
        break;
    case EMPTY:
        assert_int_equal(truncate(path, 0), 0);
        break;
    case MISSING:
        assert_int_equal(unlink(path), 0);
        break;
    case FOREIGN:
        overwrite(path, 68, 4); /* the application id */
        break;
    case CUT:
        assert_int_equal(truncate(path, st.st_size / 2), 0);
        break;
    }
}

/* After a kill only the page by page check is left out. */
static void resuming_trusts_pages_alone(void **state)
{
    struct fixture *f = *state;
    struct tb_store_report report;
    add(f, "one");
    tb_store_close(f->store);
    damage(f, PAGES);
    f->store = tb_store_open(f->directory, TB_STORE_RESUME, &report, &f->err);
    assert_false(report.quarantined || report.restored);
    tb_store_close(f->store);
    f->store = tb_store_open(f->directory, TB_STORE_WRITE, &report, &f->err);
    assert_non_null(f->store);
    assert_true(report.quarantined);
    tb_store_close(f->store);
    damage(f, FOREIGN);
    f->store = tb_store_open(f->directory, TB_STORE_RESUME, &report, &f->err);
    assert_non_null(f->store);
    assert_true(report.quarantined);
}

static void damage_is_noticed_and_mended(void **state)
{
    (void)state;
    for (int kind = HEADER; kind <= CUT; kind++) {
        void *own = NULL;
        assert_int_equal(fixture_setup(&own), 0);
        struct fixture *f = own;
        struct tb_store_report report;
        prepare(f);
        damage(f, (enum damage)kind);
        f->store = tb_store_open(f->directory, TB_STORE_WRITE, &report, &f->err);
        if (!f->store)
            fail_msg("damage %d: %s", kind, f->err.text);
        assert_true(report.restored && !report.created && report.reason[0]);
        assert_int_equal(report.lost, kind == EMPTY || kind == MISSING);
        assert_int_equal(report.quarantined, kind != MISSING);
        if (kind != MISSING)
            assert_int_equal(access(report.quarantine_path, F_OK), 0);
        expect(f, f->store, "one");
        add(f, "three");
        expect(f, f->store, "one three");
        assert_int_equal(fixture_teardown(&own), 0);
    }
}

static void a_damaged_backup_is_passed_over(void **state)
{
    struct fixture *f = *state;
    struct tb_store_report report;
    char newest[128];
    prepare(f);
    snprintf(newest, sizeof newest, "%s/backup-99991231-235959-000.db", f->directory);
    FILE *file = fopen(newest, "wb");
    assert_non_null(file);
    fputs("SQLite format 3", file);
    fclose(file);
    damage(f, HEADER);
    f->store = tb_store_open(f->directory, TB_STORE_WRITE, &report, &f->err);
    assert_non_null(f->store);
    assert_true(report.restored);
    expect(f, f->store, "one");
}

static void without_a_backup_it_starts_anew_and_says_so(void **state)
{
    struct fixture *f = *state;
    struct tb_store_report report;
    add(f, "one");
    tb_store_close(f->store);
    damage(f, EMPTY);
    f->store = tb_store_open(f->directory, TB_STORE_WRITE, &report, &f->err);
    assert_non_null(f->store);
    assert_true(report.lost && report.created && !report.restored);
    expect(f, f->store, "");
}

static void reopening_a_sound_one_reports_nothing(void **state)
{
    struct fixture *f = *state;
    struct tb_store_report report;
    prepare(f);
    f->store = tb_store_open(f->directory, TB_STORE_WRITE, &report, &f->err);
    assert_non_null(f->store);
    assert_true(!report.created && !report.quarantined && !report.lost && !report.restored);
    assert_int_equal(report.schema, NEWEST_SCHEMA);
    expect(f, f->store, "one two");
}

static void only_five_backups_are_kept(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        add(f, name);
        assert_ok(f, tb_store_backup_now(f->store, &f->err));
        usleep(2000); /* names differ by milliseconds */
    }
    assert_int_equal(count_files(f, "backup-"), 5);
    assert_ok(f, tb_store_backup_now(f->store, &f->err)); /* nothing changed: nothing written */
    assert_int_equal(count_files(f, "backup-"), 5);
    assert_int_equal(count_files(f, ".part"), 0);
}

static void touch(const struct fixture *f, const char *name)
{
    FILE *file = fopen(path_of(f, name), "wb");
    assert_non_null(file);
    fclose(file);
}

/* Beside the newest five: the last one of each of seven days, today's included. */
static void a_backup_a_day_is_kept(void **state)
{
    struct fixture *f = *state;
    char name[48];
    for (int day = 1; day <= 9; day++)
        for (int hour = 1; hour <= 2; hour++) {
            snprintf(name, sizeof name, "backup-2001010%d-0%d0000-000.db", day, hour);
            touch(f, name);
        }
    add(f, "one");
    assert_ok(f, tb_store_backup_now(f->store, &f->err));
    /* today, 9 and 9, 8 and 8 are the newest five; 7 6 5 4 have their last one */
    assert_int_equal(count_files(f, "backup-"), 5 + 4);
    for (int day = 1; day <= 9; day++)
        for (int hour = 1; hour <= 2; hour++) {
            snprintf(name, sizeof name, "backup-2001010%d-0%d0000-000.db", day, hour);
            assert_int_equal(access(path_of(f, name), F_OK) == 0,
                             day >= 8 || (day >= 4 && hour == 2));
        }
}

static void a_tick_backs_up_what_was_never_backed_up(void **state)
{
    struct fixture *f = *state;
    add(f, "one");
    char *large = calloc(1, 1 << 20);
    memset(large, 'x', (1 << 20) - 1);
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_setting_set(f->store, "a", large, &f->err)); /* more than a slice of pages */
    assert_ok(f, tb_setting_set(f->store, "b", large, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    free(large);
    for (int i = 0; i < 100 && (i == 0 || count_files(f, ".part") > 0); i++) {
        assert_ok(f, tb_store_tick(f->store, &f->err));
        if (i == 0) {
            assert_int_equal(count_files(f, ".part"), 1);
            add(f, "two"); /* changes go on between the slices */
        }
    }
    assert_int_equal(count_files(f, "backup-"), 1);
    assert_ok(f, tb_store_tick(f->store, &f->err)); /* the next is due in ten minutes */
    assert_int_equal(count_files(f, "backup-"), 1);
}

static void a_backup_restores_everything(void **state)
{
    struct fixture *f = *state;
    struct tb_token token = {.role = "admin"}, *tokens;
    size_t n;
    char path[128];
    snprintf(path, sizeof path, "%s", path_of(f, "all.timbred"));
    add(f, "one");
    assert_ok(f, tb_store_backup(f->store, path, &f->err));
    add(f, "two");
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_token_add(f->store, &token, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    struct tb_store *reader = tb_store_open(f->directory, TB_STORE_READ, NULL, &f->err);
    assert_non_null(reader);
    expect(f, reader, "one two");
    uint64_t before = tb_store_version(reader);
    assert_ok(f, tb_store_restore(f->store, path, &f->err));
    assert_true(tb_store_version(reader) != before);
    expect(f, f->store, "one");
    expect(f, reader, "one"); /* under its open connection, with other key numbers */
    add(f, "three");
    expect(f, reader, "one three");
    /* Whoever restores can still get in. */
    assert_ok(f, tb_token_list(f->store, &tokens, &n, &f->err));
    assert_int_equal(n, 1);
    free(tokens);
    assert_int_equal(count_files(f, "before-restore"), 1);
    tb_store_close(reader);
}

static void sql(const char *path, const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char bytes[4096];
    assert_non_null(in);
    assert_non_null(out);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) > 0;)
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    assert_int_equal(ferror(in), 0);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

static void bad_backups_leave_all_as_it_was(void **state)
{
    struct fixture *f = *state;
    char good[128], bad[128];
    static const char *const changes[] = {
        "CREATE TRIGGER evil AFTER INSERT ON setting BEGIN DELETE FROM patch; END",
        "CREATE VIEW evil AS SELECT 1",
        "DROP INDEX patch_by_name",
        "PRAGMA user_version = 99",
        "PRAGMA user_version = 0",
        "PRAGMA application_id = 1",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = sql || ' ' WHERE name='patch'",
        "PRAGMA ignore_check_constraints = ON; UPDATE patch SET uuid = 'short'",
    };
    snprintf(good, sizeof good, "%s", path_of(f, "good"));
    snprintf(bad, sizeof bad, "%s", path_of(f, "bad"));
    add(f, "one");
    assert_ok(f, tb_store_backup(f->store, good, &f->err));
    add(f, "two");
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        copy_file(good, bad);
        sql(bad, changes[i]);
        f->err.text[0] = '\0';
        if (tb_store_restore(f->store, bad, &f->err) == TB_OK)
            fail_msg("restored: %s", changes[i]);
        assert_true(f->err.text[0] != '\0');
        expect(f, f->store, "one two");
    }
    struct stat st;
    assert_int_equal(stat(good, &st), 0);
    for (off_t size = 0; size < st.st_size; size += st.st_size / 37 + 1) {
        copy_file(good, bad);
        assert_int_equal(truncate(bad, size), 0);
        assert_true(tb_store_restore(f->store, bad, &f->err) != TB_OK);
    }
    expect(f, f->store, "one two");
    assert_int_equal(tb_store_restore(f->store, "/nowhere/at/all", &f->err), TB_ECORRUPT);
    assert_int_equal(count_files(f, "restoring"), 0);
    assert_int_equal(count_files(f, "before-restore"), 0);
}

static void a_newer_schema_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct tb_store_report report;
    prepare(f);
    sql(path_of(f, "timbred.db"), "PRAGMA user_version = 99");
    assert_null(tb_store_open(f->directory, TB_STORE_WRITE, &report, &f->err));
    assert_int_equal(f->err.status, TB_EUNSUPPORTED);
    assert_false(report.quarantined);
    assert_null(tb_store_open(f->directory, TB_STORE_READ, &report, &f->err));
    assert_int_equal(f->err.status, TB_EUNSUPPORTED);
    sql(path_of(f, "timbred.db"), "PRAGMA user_version = 3");
    f->store = tb_store_open(f->directory, TB_STORE_WRITE, &report, &f->err);
    assert_non_null(f->store);
    expect(f, f->store, "one two");
}

static void a_first_start_killed_at_once_is_no_damage(void **state)
{
    struct fixture *f = *state;
    struct tb_store_report report;
    prepare(f);
    (void)unlink(path_of(f, "timbred.mark"));
    assert_int_equal(truncate(path_of(f, "timbred.db"), 0), 0);
    f->store = tb_store_open(f->directory, TB_STORE_WRITE, &report, &f->err);
    assert_non_null(f->store);
    assert_true(report.created && !report.quarantined && !report.lost && !report.restored);
    assert_int_equal(count_files(f, ".bad-"), 0);
}

/* A database as the release with that schema left it, with some rows; then the store is opened. */
static void upgrade(struct fixture *f, int schema, const char *rows)
{
    static const char *const migrations[] = {"001_initial.sql", "002_models.sql"};
    static const char *const old[] = {"timbred.db", "timbred.db-wal", "timbred.db-shm",
                                      "timbred.mark"};
    static char text[20000];
    char path[256], mark[96];
    struct tb_store_report report;
    tb_store_close(f->store);
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
        (void)unlink(path_of(f, old[i]));
    for (int i = 0; i < schema; i++) {
        snprintf(path, sizeof path, TB_SOURCE_ROOT "/db/migrations/%s", migrations[i]);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        (void)fclose(file);
        sql(path_of(f, "timbred.db"), text);
    }
    snprintf(mark, sizeof mark, "PRAGMA application_id = 0x54696D62; PRAGMA user_version = %d",
             schema);
    sql(path_of(f, "timbred.db"), mark);
    sql(path_of(f, "timbred.db"), rows);
    f->store = tb_store_open(f->directory, TB_STORE_WRITE, &report, &f->err);
    if (!f->store)
        fail_msg("%s", f->err.text);
    assert_int_equal(report.schema, NEWEST_SCHEMA);
    assert_false(report.quarantined);
}

static void schema_1_is_upgraded(void **state)
{
    struct fixture *f = *state;
    struct tb_patch patch;
    upgrade(f, 1,
            "INSERT INTO patch VALUES (1, '11111111-2222-4333-8444-555555555555', 'Old', '', '', "
            "'', '', '', 0, 0, 1, 5, 6, 'saved', '', x'01')");
    assert_ok(f, tb_patch_read(f->store, "11111111-2222-4333-8444-555555555555", &patch, &f->err));
    assert_string_equal(patch.name, "Old");
    assert_string_equal(patch.models[0].uuid, "");
    tb_patch_clear(&patch);
}

#define OLD_MODEL(N, FAMILY)                                                                       \
    "INSERT INTO model VALUES (" N ", '11111111-2222-4333-8444-55555555555" N                      \
    "', hex(randomblob(32)), 'Old', '', '" FAMILY "', '', 1, 1, 16000, 250.0, 8, 50.0, 2000.0, "   \
    "-80.0, 0.0, '', '', '', '', '', 5, 6, 1.0, 1.0, 'here');"

/* What their operators are stands in the file only: they are checked again. */
static void models_of_schema_2_with_operators_are_checked_again(void **state)
{
    struct fixture *f = *state;
    static const char *const machines[] = {"here", "", ""};
    char uuid[] = "11111111-2222-4333-8444-555555555551";
    struct tb_model model;
    upgrade(f, 2, OLD_MODEL("1", "hpn") OLD_MODEL("2", "ddx7") OLD_MODEL("3", "fm_envelope"));
    for (int i = 0; i < 3; i++) {
        uuid[sizeof uuid - 2] = (char)('1' + i);
        assert_ok(f, tb_model_read(f->store, uuid, &model, &f->err));
        assert_string_equal(model.machine, machines[i]);
        assert_string_equal(model.fm, "");
    }
}

static void modes_are_private(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct stat st;
    mode_t mask = umask(0);
    snprintf(path, sizeof path, "%s", path_of(f, "copy"));
    add(f, "one");
    assert_ok(f, tb_store_tick(f->store, &f->err));
    assert_ok(f, tb_store_backup(f->store, path, &f->err));
    assert_ok(f, tb_store_restore(f->store, path, &f->err));
    umask(mask);
    DIR *dir = opendir(f->directory);
    size_t n = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        assert_int_equal(stat(path_of(f, e->d_name), &st), 0);
        if (st.st_mode & 0177)
            fail_msg("%s has mode %o", e->d_name, (unsigned)st.st_mode & 0777);
        n++;
    }
    closedir(dir);
    assert_true(n >= 6); /* database, log, mark, lock, copy, before-restore */
    assert_int_equal(count_files(f, "before-restore"), 1);
    assert_true(count_files(f, "backup-") >= 1);
}

static void three_replaced_states_are_kept(void **state)
{
    struct fixture *f = *state;
    char path[128];
    snprintf(path, sizeof path, "%s", path_of(f, "copy"));
    add(f, "one");
    touch(f, "timbred.db.before-restore-20010101-000000-000");
    assert_ok(f, tb_store_backup(f->store, path, &f->err));
    for (int i = 0; i < 4; i++) {
        assert_ok(f, tb_store_restore(f->store, path, &f->err));
        usleep(2000);
    }
    assert_int_equal(count_files(f, "before-restore"), 3);
    assert_int_not_equal(access(path_of(f, "timbred.db.before-restore-20010101-000000-000"), F_OK),
                         0);
}

/* A power cut during a copy leaves a part of it, each time another. */
static void what_was_cut_off_is_removed(void **state)
{
    struct fixture *f = *state;
    static const char *const gone[] = {"backup-20010101-000000-000.db.part",
                                       "backup-20010101-000000-001.db.part-journal",
                                       "timbred.db.part",
                                       "timbred.db.restoring",
                                       "timbred.db.restoring-wal",
                                       "timbred.db.before-restore-20010101-000000-000.part",
                                       "timbred.download-12-3.part",
                                       "timbred.download-12-3.part.part",
                                       "timbred.upload-12-3.part"};
    static const char *const kept[] = {
        "film.part",    "backup-of-mine.part", "timbred.partner",       "notimbred.x.part",
        "timbred.conf", "backup-me.db.part",   "timbred.db.restoringly"};
    tb_store_close(f->store);
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        (void)close(open(path_of(f, gone[i]), O_WRONLY | O_CREAT, 0600));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        (void)close(open(path_of(f, kept[i]), O_WRONLY | O_CREAT, 0600));
    f->store = tb_store_open(f->directory, TB_STORE_WRITE, NULL, &f->err);
    assert_non_null(f->store);
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        assert_int_not_equal(access(path_of(f, gone[i]), F_OK), 0);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        assert_int_equal(access(path_of(f, kept[i]), F_OK), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_noticed_and_mended),
        T(resuming_trusts_pages_alone),
        T(a_damaged_backup_is_passed_over),
        T(without_a_backup_it_starts_anew_and_says_so),
        T(reopening_a_sound_one_reports_nothing),
        T(only_five_backups_are_kept),
        T(a_tick_backs_up_what_was_never_backed_up),
        T(a_backup_restores_everything),
        T(bad_backups_leave_all_as_it_was),
        T(a_newer_schema_is_left_alone),
        T(a_first_start_killed_at_once_is_no_damage),
        T(schema_1_is_upgraded),
        T(models_of_schema_2_with_operators_are_checked_again),
        T(modes_are_private),
        T(a_backup_a_day_is_kept),
        T(three_replaced_states_are_kept),
        T(what_was_cut_off_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
