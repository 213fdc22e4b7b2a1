/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/factory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/store_fixture.h"

static size_t count(struct fixture *f, const char *text)
{
    struct tb_patch_query query = {.text = text, .limit = 1};
    struct tb_patch *list;
    size_t n, total;
    assert_ok(f, tb_patch_list(f->store, &query, &list, &n, &total, &f->err));
    free(list);
    return total;
}

static void the_first_start_installs_once(void **state)
{
    struct fixture *f = *state;
    struct tb_patch_file file;
    char uuid[TB_UUID];
    bool changed;
    assert_ok(f, tb_factory_install(f->store, &changed, &f->err));
    assert_true(changed);
    assert_ok(f, tb_factory_parse(&file, &f->err));
    assert_true(file.n_patches >= 40 && file.n_banks == 1);
    assert_int_equal(count(f, NULL), file.n_patches);
    for (uint32_t i = 0; i < file.n_patches; i++) {
        struct tb_patch patch;
        assert_ok(f, tb_bank_program(f->store, 0, i, uuid, &f->err));
        assert_ok(f, tb_patch_read(f->store, uuid, &patch, &f->err));
        assert_true(patch.factory && patch.category[0] && patch.n_tags > 0 && patch.comment[0]);
        assert_string_equal(patch.name, file.patches[i].name);
        tb_patch_clear(&patch);
    }
    uint64_t version = tb_store_version(f->store);
    assert_ok(f, tb_factory_install(f->store, &changed, &f->err));
    assert_false(changed);
    assert_true(tb_store_version(f->store) == version);
    tb_patch_file_clear(&file);
}

/* A mark of another version makes it look again. */
static void an_update_leaves_the_users_work_alone(void **state)
{
    struct fixture *f = *state;
    struct tb_patch edited, plain;
    char first[TB_UUID], second[TB_UUID], third[TB_UUID];
    assert_ok(f, tb_factory_install(f->store, NULL, &f->err));
    size_t all = count(f, NULL);
    assert_ok(f, tb_bank_program(f->store, 0, 0, first, &f->err));
    assert_ok(f, tb_bank_program(f->store, 0, 1, second, &f->err));
    assert_ok(f, tb_bank_program(f->store, 0, 2, third, &f->err));
    assert_ok(f, tb_patch_read(f->store, first, &edited, &f->err));
    assert_ok(f, tb_store_begin(f->store, &f->err));
    strcpy(edited.name, "My version");
    assert_ok(f, tb_patch_replace(f->store, &edited, 0, &f->err));
    assert_ok(f, tb_patch_delete(f->store, second, 0, &f->err));
    assert_ok(f, tb_setting_set(f->store, "factory.bank", "an older one", &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    tb_patch_clear(&edited);

    assert_ok(f, tb_factory_install(f->store, NULL, &f->err));
    assert_int_equal(count(f, NULL), all - 1);
    assert_ok(f, tb_patch_read(f->store, first, &edited, &f->err));
    assert_string_equal(edited.name, "My version");
    assert_ok(f, tb_patch_read(f->store, third, &plain, &f->err));
    assert_int_equal(plain.revision, 1); /* the same content is not saved again */
    assert_int_equal(tb_bank_program(f->store, 0, 1, second, &f->err), TB_ENOTFOUND);
    tb_patch_clear(&edited);
    tb_patch_clear(&plain);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(the_first_start_installs_once),
        T(an_update_leaves_the_users_work_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
