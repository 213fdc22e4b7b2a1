/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/training_history.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct tb_training_history history;

static void add(uint64_t step, double loss, double validation, double seconds)
{
    json_t *report =
        json_pack("{s:I, s:o, s:o, s:f}", "step", (json_int_t)step, "loss",
                  isfinite(loss) ? json_real(loss) : json_null(), "validation",
                  isfinite(validation) ? json_real(validation) : json_null(), "seconds", seconds);
    tb_training_history_add(&history, report);
    json_decref(report);
}

/* However long it was: few points, in order, over the whole of it, with the validations. */
static void long_curves_are_thinned_out(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 100000; n = n * 3 + 1) {
        tb_training_history_reset(&history);
        for (uint64_t i = 1; i <= n; i++)
            add(i * 10, 1.0 / (double)i, i % 7 == 0 ? 2.0 : (double)NAN, (double)i);
        json_t *list = tb_training_history_json(&history);
        const size_t points = json_array_size(list);
        assert_true(points <= TB_HISTORY_POINTS && points >= (n < 250 ? n : 250));
        bool validated = false;
        for (size_t i = 0; i < points; i++) {
            const json_t *p = json_array_get(list, i);
            validated |= json_is_real(json_array_get(p, 2));
            if (i > 0)
                assert_true(json_integer_value(json_array_get(p, 0)) >
                            json_integer_value(json_array_get(json_array_get(list, i - 1), 0)));
        }
        const json_t *last = json_array_get(list, points - 1);
        assert_true((uint64_t)json_integer_value(json_array_get(last, 0)) * 10 >= n * 9 * 10);
        assert_true(validated == (n >= 7));
        assert_true(history.spent_s == (double)n);
        json_decref(list);
    }
}

/* After a crash a run goes on from an older step, and its clock from 0. */
static void a_resumed_run_replaces_what_it_does_again(void **state)
{
    (void)state;
    tb_training_history_reset(&history);
    for (uint64_t i = 1; i <= 10; i++)
        add(i, 5, (double)NAN, (double)i * 2);
    history.call_s = 0;
    for (uint64_t i = 6; i <= 8; i++)
        add(i, 3, (double)NAN, (double)(i - 5) * 2);
    assert_int_equal(history.n, 8);
    assert_true(history.points[4].loss == 5.0 && history.points[5].loss == 3.0);
    assert_true(history.spent_s == 26.0);
    add(9, 3, (double)NAN, -1); /* time does not run back */
    add(10, 3, (double)NAN, 6);
    assert_true(history.n == 10 && history.spent_s == 26.0);
}

static void damaged_lines_count_for_nothing(void **state)
{
    (void)state;
    char path[] = "/tmp/tb-history-XXXXXX";
    static const char text[] = "{\"step\":1,\"loss\":4.5,\"seconds\":5}\n"
                               "not json\n[1,2]\n{\"step\":-1,\"loss\":1}\n{\"step\":\"2\"}\n\0\n"
                               "{\"step\":2,\"loss\":null,\"validation\":3.5,\"seconds\":9}\n"
                               "{\"step\":3,\"loss\":2.5,\"seconds\":10}\n{\"step\":4,\"lo";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
    (void)close(fd);
    json_t *last = tb_training_history_read(&history, path);
    (void)unlink(path);
    assert_int_equal(json_integer_value(json_object_get(last, "step")), 3);
    json_decref(last);
    assert_int_equal(history.n, 2);
    assert_true(history.points[1].loss == 2.5 && history.points[1].validation == 3.5);
    assert_true(history.spent_s == 10.0 && history.call_s == 0.0);
    assert_null(tb_training_history_read(&history, "/nowhere"));
    assert_int_equal(history.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_curves_are_thinned_out),
        cmocka_unit_test(a_resumed_run_replaces_what_it_does_again),
        cmocka_unit_test(damaged_lines_count_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
