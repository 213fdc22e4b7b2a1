/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/store_fixture.h"

#include <math.h>

static void fill_values(struct tb_patch *patch, size_t n)
{
    patch->values = calloc(n ? n : 1, sizeof *patch->values);
    patch->n_values = n;
    for (size_t i = 0; i < n; i++) {
        snprintf(patch->values[i].key, sizeof patch->values[i].key, "key.%zu", i);
        patch->values[i].value = (double)i - 60.0;
    }
}

static double value_of(const struct tb_patch *patch, const char *key)
{
    for (size_t i = 0; i < patch->n_values; i++)
        if (strcmp(patch->values[i].key, key) == 0)
            return patch->values[i].value;
    return (double)NAN;
}

static void patch_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct tb_patch a, b;
    fixture_patch(&a, "Bläser “1”", "brass");
    strcpy(a.author, "somebody");
    strcpy(a.comment, "line 1\nline 2");
    strcpy(a.licence, "CC0-1.0");
    strcpy(a.tags[0], "warm");
    strcpy(a.tags[1], "slow attack");
    a.n_tags = 2;
    a.favourite = true;
    fill_values(&a, 400); /* whole numbers in and out of the short form */
    const double odd[] = {0.1, -0.0, 1e300, -1e-300, 200.0, 201.0, -50.0, -51.0, 4294967296.0};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        a.values[i].value = odd[i];
    fixture_create(f, &a);
    assert_int_equal(strlen(a.uuid), 36);
    assert_int_equal(a.revision, 1);
    assert_ok(f, tb_patch_read(f->store, a.uuid, &b, &f->err));
    assert_string_equal(b.name, a.name);
    assert_string_equal(b.author, a.author);
    assert_string_equal(b.comment, a.comment);
    assert_string_equal(b.licence, a.licence);
    assert_string_equal(b.category, a.category);
    assert_int_equal(b.n_tags, 2);
    assert_string_equal(b.tags[1], "slow attack");
    assert_true(b.favourite && !b.factory && b.revision == 1 && b.created == a.created);
    assert_int_equal(b.n_values, 400);
    for (size_t i = 0; i < a.n_values; i++) {
        double got = value_of(&b, a.values[i].key);
        assert_memory_equal(&got, &a.values[i].value, sizeof got); /* the sign of zero, too */
    }
    tb_patch_clear(&a);
    tb_patch_clear(&b);
}

static void refused_patches_change_nothing(void **state)
{
    struct fixture *f = *state;
    struct tb_patch p;
    fixture_patch(&p, "", "bass");
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_int_equal(tb_patch_create(f->store, &p, &f->err), TB_EINVAL);
    assert_string_equal(f->err.text, "name: is empty");
    fixture_patch(&p, "x", "bass");
    fill_values(&p, 2);
    strcpy(p.values[1].key, "key.0");
    assert_int_equal(tb_patch_create(f->store, &p, &f->err), TB_EINVAL);
    assert_string_equal(f->err.text, "key.0: given twice");
    strcpy(p.values[1].key, "key.1");
    p.values[1].value = (double)INFINITY;
    assert_int_equal(tb_patch_create(f->store, &p, &f->err), TB_EINVAL);
    p.values[1].value = 1.0;
    p.n_values = TB_MAX_VALUES + 1;
    assert_int_equal(tb_patch_create(f->store, &p, &f->err), TB_ETOOLARGE);
    p.n_values = 2;
    assert_ok(f, tb_patch_create(f->store, &p, &f->err));
    assert_int_equal(tb_patch_create(f->store, &p, &f->err), TB_ECONFLICT);
    assert_ok(f, tb_store_commit(f->store, &f->err));
    tb_patch_clear(&p);
    fixture_patch(&p, "full", "bass");
    fill_values(&p, TB_MAX_VALUES);
    fixture_create(f, &p);
    struct tb_patch none;
    assert_int_equal(tb_patch_read(f->store, "nope", &none, &f->err), TB_ENOTFOUND);
    assert_int_equal(tb_patch_delete(f->store, "nope", 0, &f->err), TB_ENOTFOUND);
    tb_patch_clear(&p);
}

static void revisions_are_kept_and_checked(void **state)
{
    struct fixture *f = *state;
    struct tb_patch p, old;
    struct tb_revision *list;
    size_t n;
    fixture_patch(&p, "first", "bass");
    fill_values(&p, 3);
    fixture_create(f, &p);
    assert_ok(f, tb_store_begin(f->store, &f->err));
    for (int i = 2; i <= 130; i++) {
        snprintf(p.name, sizeof p.name, "name %d", i);
        snprintf(p.note, sizeof p.note, "note %d", i);
        p.values[0].value = i;
        assert_ok(f, tb_patch_replace(f->store, &p, (uint32_t)i - 1, &f->err));
        assert_int_equal(p.revision, i);
        if (i < 99 || i > 102)
            continue;
        assert_ok(f, tb_patch_revisions(f->store, p.uuid, &list, &n, &f->err));
        assert_int_equal(n, i < 100 ? i : 100);
        free(list);
    }
    assert_int_equal(tb_patch_replace(f->store, &p, 131, &f->err), TB_ECONFLICT);
    assert_int_equal(tb_patch_replace(f->store, &p, 7, &f->err), TB_ECONFLICT);
    assert_string_equal(f->err.text, "the patch is at revision 130, not 7");
    assert_int_equal(p.revision, 130);
    assert_int_equal(tb_patch_delete(f->store, p.uuid, 7, &f->err), TB_ECONFLICT);
    assert_ok(f, tb_store_commit(f->store, &f->err));

    assert_ok(f, tb_patch_revisions(f->store, p.uuid, &list, &n, &f->err));
    assert_int_equal(n, 100); /* the current and the 99 before it */
    assert_int_equal(list[0].revision, 130);
    assert_string_equal(list[0].note, "note 130");
    assert_int_equal(list[n - 1].revision, 31);
    free(list);
    assert_ok(f, tb_patch_read_revision(f->store, p.uuid, 44, &old, &f->err));
    assert_string_equal(old.name, "name 44");
    assert_true(value_of(&old, "key.0") == 44.0 && old.revision == 44);
    tb_patch_clear(&old);
    assert_ok(f, tb_patch_read_revision(f->store, p.uuid, 130, &old, &f->err));
    assert_string_equal(old.name, "name 130");
    tb_patch_clear(&old);
    assert_int_equal(tb_patch_read_revision(f->store, p.uuid, 1, &old, &f->err), TB_ENOTFOUND);
    assert_int_equal(tb_patch_revisions(f->store, "nope", &list, &n, &f->err), TB_ENOTFOUND);

    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_patch_delete(f->store, p.uuid, 130, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    assert_int_equal(tb_patch_revisions(f->store, p.uuid, &list, &n, &f->err), TB_ENOTFOUND);
    tb_patch_clear(&p);
}

static void savepoints_keep_neighbours_apart(void **state)
{
    struct fixture *f = *state;
    struct tb_patch a, b, got;
    fixture_patch(&a, "kept", "");
    fixture_patch(&b, "dropped", "");
    fill_values(&b, 5); /* its keys are numbered inside the savepoint that is dropped */
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_store_savepoint(f->store, &f->err));
    assert_ok(f, tb_patch_create(f->store, &b, &f->err));
    tb_store_revert(f->store);
    assert_ok(f, tb_store_savepoint(f->store, &f->err));
    fill_values(&a, 7);
    assert_ok(f, tb_patch_create(f->store, &a, &f->err));
    assert_ok(f, tb_store_release(f->store, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    assert_int_equal(tb_patch_read(f->store, b.uuid, &got, &f->err), TB_ENOTFOUND);
    assert_ok(f, tb_patch_read(f->store, a.uuid, &got, &f->err));
    assert_int_equal(got.n_values, 7);
    assert_true(value_of(&got, "key.6") == -54.0);
    tb_patch_clear(&got);
    tb_patch_clear(&a);
    tb_patch_clear(&b);
}

static void rolled_back_is_gone(void **state)
{
    struct fixture *f = *state;
    struct tb_patch p, got;
    fixture_patch(&p, "gone", "");
    assert_int_equal(tb_store_commit(f->store, &f->err), TB_EINVAL);
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_int_equal(tb_store_begin(f->store, &f->err), TB_EINVAL);
    assert_ok(f, tb_patch_create(f->store, &p, &f->err));
    tb_store_rollback(f->store);
    assert_int_equal(tb_patch_read(f->store, p.uuid, &got, &f->err), TB_ENOTFOUND);
}

static void readers_see_commits(void **state)
{
    struct fixture *f = *state;
    struct tb_patch p, got;
    struct tb_store *reader = tb_store_open(f->directory, TB_STORE_READ, NULL, &f->err);
    assert_non_null(reader);
    fixture_patch(&p, "shared", "");
    fill_values(&p, 9);
    uint64_t before = tb_store_version(reader), own = tb_store_version(f->store);
    assert_true(before == tb_store_version(reader));
    fixture_create(f, &p);
    assert_true(before != tb_store_version(reader));
    assert_true(own != tb_store_version(f->store));
    assert_ok(f, tb_patch_read(reader, p.uuid, &got, &f->err));
    assert_int_equal(got.n_values, 9);
    tb_patch_clear(&got);
    assert_int_equal(tb_store_begin(reader, &f->err), TB_EDENIED);
    strcpy(p.uuid, "");
    assert_int_equal(tb_patch_create(reader, &p, &f->err), TB_EIO); /* not even without one */
    tb_store_close(reader);
    tb_patch_clear(&p);
}

static void one_writer_at_a_time(void **state)
{
    struct fixture *f = *state;
    assert_null(tb_store_open(f->directory, TB_STORE_WRITE, NULL, &f->err));
    assert_int_equal(f->err.status, TB_ECONFLICT);
}

static void factory_patches_respect_the_user(void **state)
{
    struct fixture *f = *state;
    struct tb_patch p[3], got;
    bool changed;
    assert_ok(f, tb_store_begin(f->store, &f->err));
    for (int i = 0; i < 3; i++) {
        fixture_patch(&p[i], "factory", "bass");
        snprintf(p[i].uuid, sizeof p[i].uuid, "00000000-0000-4000-8000-00000000000%d", i);
        assert_ok(f, tb_patch_install(f->store, &p[i], &changed, &f->err));
        assert_true(changed);
    }
    strcpy(p[1].name, "mine now");
    assert_ok(f, tb_patch_replace(f->store, &p[1], 0, &f->err));
    assert_ok(f, tb_patch_delete(f->store, p[2].uuid, 0, &f->err));
    for (int i = 0; i < 3; i++) {
        strcpy(p[i].name, "better");
        assert_ok(f, tb_patch_install(f->store, &p[i], &changed, &f->err));
        assert_true(changed == (i == 0));
    }
    assert_ok(f, tb_store_commit(f->store, &f->err));
    assert_ok(f, tb_patch_read(f->store, p[0].uuid, &got, &f->err));
    assert_true(strcmp(got.name, "better") == 0 && got.factory);
    tb_patch_clear(&got);
    assert_ok(f, tb_patch_read(f->store, p[1].uuid, &got, &f->err));
    assert_string_equal(got.name, "mine now");
    tb_patch_clear(&got);
    assert_int_equal(tb_patch_read(f->store, p[2].uuid, &got, &f->err), TB_ENOTFOUND);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(patch_comes_back_as_it_was),
        T(refused_patches_change_nothing),
        T(revisions_are_kept_and_checked),
        T(savepoints_keep_neighbours_apart),
        T(rolled_back_is_gone),
        T(readers_see_commits),
        T(one_writer_at_a_time),
        T(factory_patches_respect_the_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
