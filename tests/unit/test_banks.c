/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/store_fixture.h"

static void make_patches(struct fixture *f, char uuids[][TB_UUID], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct tb_patch patch;
        fixture_patch(&patch, "patch", "x");
        fixture_create(f, &patch);
        memcpy(uuids[i], patch.uuid, TB_UUID);
    }
}

static void banks_keep_their_order_and_gaps(void **state)
{
    struct fixture *f = *state;
    char uuids[3][TB_UUID], uuid[TB_UUID];
    struct tb_bank bank = {.name = "Live", .number = 7, .patches = uuids, .n_patches = 3}, got;
    make_patches(f, uuids, 3);
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_bank_create(f->store, &bank, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    assert_ok(f, tb_bank_program(f->store, 7, 2, uuid, &f->err));
    assert_string_equal(uuid, uuids[2]);
    assert_int_equal(tb_bank_program(f->store, 7, 3, uuid, &f->err), TB_ENOTFOUND);
    assert_int_equal(tb_bank_program(f->store, 6, 0, uuid, &f->err), TB_ENOTFOUND);

    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_patch_delete(f->store, uuids[1], 0, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    assert_ok(f, tb_bank_read(f->store, bank.uuid, &got, &f->err));
    assert_int_equal(got.n_patches, 3); /* programs behind the gap keep their numbers */
    assert_string_equal(got.patches[1], "");
    assert_string_equal(got.patches[2], uuids[2]);
    tb_bank_clear(&got);

    struct tb_patch_query query = {.bank = bank.uuid, .limit = 10};
    struct tb_patch *list;
    size_t n, total;
    assert_ok(f, tb_patch_list(f->store, &query, &list, &n, &total, &f->err));
    assert_true(n == 2 && total == 2);
    assert_string_equal(list[0].uuid, uuids[0]);
    free(list);
}

static void bad_banks_are_refused(void **state)
{
    struct fixture *f = *state;
    char uuids[1][TB_UUID] = {"01234567-89ab-4cde-8f01-23456789abcd"};
    struct tb_bank a = {.name = "A", .number = 1}, b = {.name = "B", .number = 1};
    struct tb_bank c = {.name = "C", .number = 16384}, d = {.number = 2};
    struct tb_bank e = {.name = "E", .number = 3, .patches = uuids, .n_patches = 1};
    struct tb_bank g = {.name = "G", .number = 4, .n_patches = 129};
    struct {
        struct tb_bank *bank;
        enum tb_status status;
        const char *error;
    } cases[] = {
        {&a, TB_OK, ""},
        {&b, TB_ECONFLICT, "number: a bank with number 1 exists already"},
        {&c, TB_EINVAL, "number: 16384 is above 16383"},
        {&d, TB_EINVAL, "name: is empty"},
        {&e, TB_EINVAL, "patches: there is no patch 01234567-89ab-4cde-8f01-23456789abcd"},
        {&g, TB_EINVAL, "patches: 129 is above 128"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        f->err.text[0] = '\0';
        assert_ok(f, tb_store_begin(f->store, &f->err));
        assert_int_equal(tb_bank_create(f->store, cases[i].bank, &f->err), cases[i].status);
        assert_string_equal(f->err.text, cases[i].error);
        if (cases[i].status == TB_OK)
            assert_ok(f, tb_store_commit(f->store, &f->err));
        else
            tb_store_rollback(f->store);
    }
    struct tb_bank *banks;
    size_t n;
    assert_ok(f, tb_bank_list(f->store, &banks, &n, &f->err));
    assert_int_equal(n, 1);
    tb_bank_clear(&banks[0]);
    free(banks);
    assert_int_equal(tb_bank_delete(f->store, "nope", &f->err), TB_ENOTFOUND);
    strcpy(a.name, "renamed");
    assert_ok(f, tb_bank_replace(f->store, &a, &f->err));
    assert_ok(f, tb_bank_delete(f->store, a.uuid, &f->err));
}

static void settings_come_back(void **state)
{
    struct fixture *f = *state;
    char *text;
    assert_int_equal(tb_setting_get(f->store, "state", &text, &f->err), TB_ENOTFOUND);
    assert_null(text);
    assert_ok(f, tb_setting_set(f->store, "state", "{\"a\":1}", &f->err));
    assert_ok(f, tb_setting_set(f->store, "state", "{\"a\":2}", &f->err));
    assert_ok(f, tb_setting_get(f->store, "state", &text, &f->err));
    assert_string_equal(text, "{\"a\":2}");
    free(text);
}

static void tokens_are_listed_and_deleted(void **state)
{
    struct fixture *f = *state;
    struct tb_token token = {.role = "play", .label = "phone"}, *list;
    size_t n;
    memset(token.hash, 7, sizeof token.hash);
    assert_ok(f, tb_token_add(f->store, &token, &f->err));
    assert_int_equal(tb_token_add(f->store, &token, &f->err), TB_ECONFLICT); /* the same hash */
    strcpy(token.role, "root");
    assert_int_equal(tb_token_add(f->store, &token, &f->err), TB_EINVAL);
    assert_ok(f, tb_token_list(f->store, &list, &n, &f->err));
    assert_true(n == 1 && list[0].hash[31] == 7);
    assert_string_equal(list[0].role, "play");
    assert_ok(f, tb_token_delete(f->store, list[0].id, &f->err));
    assert_int_equal(tb_token_delete(f->store, list[0].id, &f->err), TB_ENOTFOUND);
    free(list);
}

static void benchmarks_are_newest_first(void **state)
{
    struct fixture *f = *state;
    char result[] = "{\"x\":1}";
    struct tb_benchmark b = {.time = 5, .machine = "pi", .version = "1", .result = result}, got;
    struct tb_benchmark *list;
    size_t n;
    assert_ok(f, tb_benchmark_add(f->store, &b, &f->err));
    b.time = 9;
    b.id = 77; /* chosen by the caller */
    assert_ok(f, tb_benchmark_add(f->store, &b, &f->err));
    assert_int_equal(b.id, 77);
    assert_ok(f, tb_benchmark_list(f->store, &list, &n, &f->err));
    assert_true(n == 2 && list[0].time == 9 && list[0].result == NULL);
    free(list);
    assert_ok(f, tb_benchmark_read(f->store, b.id, &got, &f->err));
    assert_string_equal(got.result, result);
    free(got.result);
    assert_ok(f, tb_benchmark_delete(f->store, b.id, &f->err));
    assert_int_equal(tb_benchmark_read(f->store, b.id, &got, &f->err), TB_ENOTFOUND);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(banks_keep_their_order_and_gaps), T(bad_banks_are_refused),       T(settings_come_back),
        T(tokens_are_listed_and_deleted),   T(benchmarks_are_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
