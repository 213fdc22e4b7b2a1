/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/elementary.h"
#include "models/train/wide.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void functions_are_exact_to_a_few_bits(void **state)
{
    double exp_worst = 0, log_worst = 0, tanh_worst = 0;
    (void)state;
    for (int i = -86000; i <= 86000; i++) {
        const float x = (float)i * 1e-3F;
        const double e = exp((double)x), l = log(e);
        exp_worst = fmax(exp_worst, fabs((double)tb_exp_f32(x) / e - 1));
        tanh_worst = fmax(tanh_worst, fabs((double)tb_tanh_f32(x) - tanh((double)x)));
        const double off = fabs((double)tb_log_f32((float)e) - log((double)(float)e));
        log_worst = fmax(log_worst, off / fmax(1, fabs(l)));
    }
    printf("exp %.1e, log %.1e, tanh %.1e\n", exp_worst, log_worst, tanh_worst);
    assert_true(exp_worst < 2e-7);
    assert_true(log_worst < 2e-7);
    assert_true(tanh_worst < 2e-7);
    assert_true(tb_exp_f32(1000) < INFINITY && tb_exp_f32(-1000) > 0);
}

static void wide_functions_agree(void **state)
{
    (void)state;
    float base = 1e-30F;
    for (int i = 0; i < 105; i++) { /* to 1e30 */
        tb_wide x, inverse, logs;
        for (int l = 0; l < TB_WIDE; l++)
            x[l] = base * (1 + 0.31F * (float)l);
        tb_wide_inverse_sqrt(&x, &inverse);
        tb_wide_log(&x, &logs);
        for (int l = 0; l < TB_WIDE; l++) {
            assert_true(fabs((double)inverse[l] * sqrt((double)x[l]) - 1) < 3e-7);
            assert_true((double)fabsf(logs[l] - tb_log_f32(x[l])) <
                        2e-7 * fmax(1, fabs(log((double)x[l]))));
        }
        base *= 3.7F;
    }
    tb_wide zero = {0}, inverse;
    tb_wide_inverse_sqrt(&zero, &inverse);
    assert_true(inverse[0] > 0 && inverse[0] < INFINITY);
}

/* Every size against the sum that defines it, lanes with frequencies of their own. */
static void transforms_are_the_sums_that_define_them(void **state)
{
    (void)state;
    tb_real *turns = calloc(2 * TB_WIDE_FFT_MOST, sizeof *turns);
    const size_t bytes = TB_WIDE_FFT_MOST * sizeof(struct tb_wide_complex);
    struct tb_wide_complex *x = aligned_alloc(64, bytes), *scratch = aligned_alloc(64, bytes);
    assert_non_null(turns);
    assert_non_null(x);
    assert_non_null(scratch);
    tb_wide_fft_turns(turns);
    for (size_t n = 4; n <= TB_WIDE_FFT_MOST; n *= 2) {
        for (size_t i = 0; i < n; i++) {
            for (int l = 0; l < TB_WIDE; l++) {
                const double turn = 6.28318530717958647692 * (double)(i * (size_t)l) / (double)n;
                x[i].re[l] = (float)(cos(turn) + (i == 3 ? 2 : 0));
                x[i].im[l] = (float)sin(turn);
            }
        }
        const struct tb_wide_complex *y = tb_wide_fft(x, scratch, n, turns);
        for (size_t k = 0; k < n; k++) {
            const double turn = 6.28318530717958647692 * 3 * (double)k / (double)n;
            for (size_t l = 0; l < TB_WIDE; l++) {
                const double tone = l % n == k ? (double)n : 0; /* and an impulse at sample 3 */
                assert_true(fabs((double)y[k].re[l] - tone - 2 * cos(turn)) <
                            1e-6 * (double)n + 1e-5);
                assert_true(fabs((double)y[k].im[l] + 2 * sin(turn)) < 1e-6 * (double)n + 1e-5);
            }
        }
    }
    free(turns);
    free(x);
    free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_exact_to_a_few_bits),
        cmocka_unit_test(wide_functions_agree),
        cmocka_unit_test(transforms_are_the_sums_that_define_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
