/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Creation when memory is short: each allocation fails once, in turn. */
#include "dsp/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>

static bool counting;
static int countdown, n_live;

/* The linker sends the library's calls here (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *p);

static bool fails(void)
{
    if (!counting)
        return false;
    if (--countdown == 0)
        return true;
    n_live++;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

void __wrap_free(void *p)
{
    if (counting && p)
        n_live--;
    __real_free(p);
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    const struct tb_engine_config config = {48000.0F, 64, TB_CPU_BEST, 0};
    int failures = 0;
    counting = true;
    for (int at = 1;; at++) {
        struct tb_error err = {.status = TB_OK};
        countdown = at;
        n_live = 0;
        struct tb_engine *e = tb_engine_new(&config, &err);
        if (e) {
            countdown = 0;
            tb_engine_free(e);
            break;
        }
        failures++;
        assert_int_equal(err.status, TB_ENOMEM);
        assert_int_equal(n_live, 0); /* nothing is left behind */
    }
    /* the engine, its analysis (3, and 2 for each window) and its first program */
    assert_int_equal(failures, 1 + 3 + 4 * 2 + 1);
    assert_int_equal(n_live, 0);
    counting = false;
}

static void a_program_may_fail(void **state)
{
    (void)state;
    const struct tb_engine_config config = {48000.0F, 64, TB_CPU_BEST, 0};
    struct tb_engine *e = tb_engine_new(&config, NULL);
    assert_non_null(e);
    float values[TB_N_PARAMS];
    tb_params_default(values);
    struct tb_error err = {.status = TB_OK};
    counting = true;
    countdown = 1;
    n_live = 0;
    assert_null(tb_program_new(e, values, &err));
    assert_int_equal(err.status, TB_ENOMEM);
    values[TB_P_FM_FEEDBACK] = -1.0F;
    countdown = 0;
    assert_null(tb_program_new(e, values, &err));
    assert_int_equal(err.status, TB_EINVAL);
    assert_int_equal(n_live, 0);
    counting = false;
    tb_engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(a_program_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
