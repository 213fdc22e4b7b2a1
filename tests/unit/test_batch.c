/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void good_lines(void **state)
{
    (void)state;
    struct tb_batch_job *jobs = NULL;
    size_t n = 0;
    struct tb_error err = {0};
    const char *text = "# comparison\n"
                       "0 60 100 1 2 first\n"
                       "\n"
                       "  31\t0 1  0.5   600 v31_n0\r\n"
                       "3 127 127 600 0.25 long-hold.1";
    assert_int_equal(tb_batch_parse("jobs", text, 32, &jobs, &n, &err), TB_OK);
    assert_int_equal(n, 3);
    assert_int_equal(jobs[0].note, 60);
    assert_int_equal(jobs[1].index, 31);
    assert_true(jobs[1].hold_s == 0.5 && jobs[1].total_s == 600.0);
    assert_string_equal(jobs[1].name, "v31_n0");
    assert_string_equal(jobs[2].name, "long-hold.1");
    free(jobs);
}

static void bad_lines_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"0 60 100 1 2 a\n32 60 100 1 2 b", "jobs:2: index: 32 is above 31"},
        {"-1 60 100 1 2 a", "jobs:1: index: -1 is below 0"},
        {"0.5 60 100 1 2 a", "jobs:1: index: 0.5 is not a whole number"},
        {"0 128 100 1 2 a", "jobs:1: note: 128 is above 127"},
        {"0 C4 100 1 2 a", "jobs:1: note: C4 is not a number"},
        {"0 60 0 1 2 a", "jobs:1: velocity: 0 is below 1"},
        {"0 60 128 1 2 a", "jobs:1: velocity: 128 is above 127"},
        {"0 60 100 -1 2 a", "jobs:1: hold_s: -1 is below 0"},
        {"0 60 100 nan 2 a", "jobs:1: hold_s: nan is not a number"},
        {"0 60 100 inf 2 a", "jobs:1: hold_s: inf is not a number"},
        {"0 60 100 1 0 a", "jobs:1: total_s: 0 is not above 0"},
        {"0 60 100 1 601 a", "jobs:1: total_s: 601 is above 600"},
        {"0 60 100 1 1e999 a", "jobs:1: total_s: 1e999 is above 600"},
        {"0 60 100 1 2", "jobs:1: name: missing"},
        {"0 60 100", "jobs:1: hold_s: missing"},
        {"0 60 100 1 2 a b", "jobs:1: name: a is followed by more: a name has no blanks"},
        {"0 60 100 1 2 ../a", "jobs:1: name: ../a contains \"/\""},
        {"0 60 100 1 2 a..b", "jobs:1: name: a..b contains \"..\""},
        {"0 60 100 1 2 .a", "jobs:1: name: .a begins with \".\""},
        {"0 60 100 1 2 a\033b", "jobs:1: name: contains a control character"},
        {"0 60 100 1 2 a\n0 61 100 1 2 a", "jobs: name: a is there twice"},
        {"", "jobs: no jobs"},
        {"# nothing\n\n", "jobs: no jobs"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_batch_job *jobs = NULL;
        size_t n = 0;
        struct tb_error err = {0};
        assert_int_equal(tb_batch_parse("jobs", cases[i][0], 32, &jobs, &n, &err), TB_EINVAL);
        assert_string_equal(err.text, cases[i][1]);
        assert_null(jobs);
    }
    char line[512] = "0 60 100 1 2 ";
    memset(line + strlen(line), 'x', 201);
    struct tb_batch_job *jobs = NULL;
    size_t n = 0;
    struct tb_error err;
    assert_int_equal(tb_batch_parse("jobs", line, 32, &jobs, &n, &err), TB_EINVAL);
    assert_non_null(strstr(err.text, "longer than 200 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lines),
        cmocka_unit_test(bad_lines_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
