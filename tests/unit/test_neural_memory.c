/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Making neural instruments when memory is short: each allocation fails once, in turn. */
#include "tests/golden/neural_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

static bool counting;
static int countdown, n_live;

/* The linker sends the library's calls here (--wrap). */
void *__real_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
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

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
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

/* Allocations until it works; nothing is left behind. */
static int failures_of(const struct tb_neural_spec *spec)
{
    int failures = 0;
    for (countdown = 1, counting = true;; failures++) {
        struct tb_error err = {.status = TB_OK};
        countdown = failures + 1;
        n_live = 0;
        struct tb_neural *n = tb_neural_new(spec, 48000, TB_CPU_BEST, &err);
        countdown = 0;
        if (n) {
            tb_neural_free(n);
            break;
        }
        assert_int_equal(err.status, TB_ENOMEM);
        assert_int_equal(n_live, 0);
    }
    assert_int_equal(n_live, 0);
    counting = false;
    return failures;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    for (int family = TB_MODEL_HPN; family <= TB_MODEL_FM_ENVELOPE; family++) {
        static struct neural_model m;
        struct tb_neural_spec spec;
        neural_model_init(&m, (enum tb_model_family)family);
        m.meta.reverb = family == TB_MODEL_HPN ? TB_REVERB_IMPULSE : TB_REVERB_NONE;
        neural_model_lay_out(&m);
        neural_model_encode(&m);
        tb_neural_spec_of(m.file, &spec);
        assert_true(failures_of(&spec) >= 8);
        neural_model_free(&m);
    }
}

static void a_program_takes_its_models_with_it(void **state)
{
    (void)state;
    static struct neural_model m;
    struct tb_error err = {0};
    float values[TB_N_PARAMS];
    tb_params_default(values);
    neural_model_plain(&m, TB_MODEL_DDX7, 0);
    struct tb_engine *e =
        tb_engine_new(&(struct tb_engine_config){48000, 64, TB_CPU_BEST, 0}, &err);
    for (int at = 1;; at++) {
        struct tb_neural *a = neural_model_instrument(&m, 48000, TB_CPU_BEST);
        struct tb_neural *b = neural_model_instrument(&m, 48000, TB_CPU_BEST);
        counting = true;
        countdown = at;
        n_live = 0;
        struct tb_program *p = tb_program_new_neural(e, values, a, b, &err);
        countdown = 0;
        const bool made = p != NULL;
        tb_program_free(p);
        counting = false;
        assert_true(n_live < 0); /* both instruments went, and whatever was made meanwhile */
        if (made)
            break;
        assert_int_equal(err.status, TB_ENOMEM);
        assert_true(at < 50);
    }
    tb_engine_free(e);
    neural_model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(a_program_takes_its_models_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
