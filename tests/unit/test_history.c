/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Steps of values, loads and models: what joins, what goes, and that it stays bounded. */
#include "server/state/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct tb_history history;

static int start(void **state)
{
    (void)state;
    tb_history_clear(&history);
    return 0;
}

static struct tb_place place(const char *uuid)
{
    struct tb_place p = {0};
    (void)snprintf(p.uuid, sizeof p.uuid, "%s", uuid);
    return p;
}

static void move_control(uint16_t id, float after, int64_t now_ms)
{
    struct tb_change change = {id, 0.0f, after};
    assert_true(tb_history_add(&history, &change, 1, 7, now_ms));
}

static void leave(const char *uuid, bool modified)
{
    struct tb_place p = place(uuid);
    assert_true(tb_history_load(&history, &p, modified));
}

static void moves_join_unless_something_was_loaded_between(void **state)
{
    (void)state;
    move_control(1, 1.0f, 0);
    move_control(1, 2.0f, 500);
    assert_int_equal(history.n, 1);
    leave("a", true);
    move_control(1, 3.0f, 600);
    assert_int_equal(history.n, 3);
    assert_true(tb_history_next(&history, true)->changes[0].after == 3.0f);
    tb_history_move(&history, true);
    assert_string_equal(tb_history_next(&history, true)->place->uuid, "a");
    tb_history_move(&history, true);
    assert_true(tb_history_next(&history, true)->changes[0].after == 2.0f);
    tb_history_move(&history, true);
    assert_null(tb_history_next(&history, true));
    assert_non_null(tb_history_next(&history, false));
}

static size_t steps_after(uint32_t client, const uint16_t *ids, size_t n_ids, int64_t now_ms)
{
    struct tb_change changes[2] = {{1, 0.0f, 1.0f}};
    tb_history_clear(&history);
    assert_true(tb_history_add(&history, changes, 1, 7, 0));
    for (size_t i = 0; i < n_ids; i++)
        changes[i] = (struct tb_change){ids[i], 1.0f, 2.0f};
    assert_true(tb_history_add(&history, changes, n_ids, client, now_ms));
    return history.n;
}

static void only_one_hand_on_one_control_joins(void **state)
{
    (void)state;
    static const uint16_t same[] = {1}, other[] = {2}, both[] = {1, 2};
    assert_int_equal(steps_after(7, same, 1, TB_HISTORY_JOIN_MS - 1), 1);
    assert_int_equal(steps_after(7, same, 1, TB_HISTORY_JOIN_MS), 2);
    assert_int_equal(steps_after(8, same, 1, 1), 2); /* somebody else's hand */
    assert_int_equal(steps_after(7, other, 1, 1), 2);
    assert_int_equal(steps_after(7, both, 2, 1), 2);
}

static void loads_without_edits_are_one_step_or_none(void **state)
{
    (void)state;
    leave("a", false);
    assert_int_equal(history.n, 0);
    leave("b", true);
    leave("c", false);
    leave("d", false);
    assert_int_equal(history.n, 1);
    assert_string_equal(tb_history_next(&history, true)->place->uuid, "b");
    leave("e", true);
    assert_int_equal(history.n, 2);
    struct tb_place p = place("f");
    assert_true(tb_history_models(&history, &p));
    leave("f", false); /* not straight from a load */
    assert_int_equal(history.n, 4);
    tb_history_move(&history, true);
    tb_history_move(&history, true);
    leave("e", false);
    assert_int_equal(history.n, 2);
    assert_null(tb_history_next(&history, false));
}

static void it_keeps_the_newest_and_tells_them_apart(void **state)
{
    (void)state;
    uint64_t last = 0;
    char uuid[16];
    for (int i = 0; i < 3 * TB_HISTORY_STEPS; i++) {
        (void)snprintf(uuid, sizeof uuid, "%d", i);
        leave(uuid, true);
        assert_true(tb_history_next(&history, true)->serial > last);
        last = tb_history_next(&history, true)->serial;
    }
    assert_int_equal(history.n, TB_HISTORY_STEPS);
    for (int i = 1; i < TB_HISTORY_STEPS; i++)
        tb_history_move(&history, true);
    (void)snprintf(uuid, sizeof uuid, "%d", 2 * TB_HISTORY_STEPS);
    assert_string_equal(tb_history_next(&history, true)->place->uuid, uuid);
    assert_true(sizeof(struct tb_place) * TB_HISTORY_STEPS < 512 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(moves_join_unless_something_was_loaded_between, start,
                                        start),
        cmocka_unit_test_setup_teardown(only_one_hand_on_one_control_joins, start, start),
        cmocka_unit_test_setup_teardown(loads_without_edits_are_one_step_or_none, start, start),
        cmocka_unit_test_setup_teardown(it_keeps_the_newest_and_tells_them_apart, start, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
