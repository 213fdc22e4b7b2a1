/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static void table_is_sound(void **state)
{
    (void)state;
    for (int i = 0; i < TB_N_PARAMS; i++) {
        const struct tb_param_info *p = &tb_params[i];
        assert_true(p->min < p->max && p->min <= p->def && p->def <= p->max);
        assert_true(p->scale != TB_SCALE_LOG || p->min > 0.0);
        assert_int_equal(tb_param_find(p->key), i);
        assert_true(strlen(p->label) > 0 && strlen(p->help) > 0);
        if (p->scale == TB_SCALE_ENUM) {
            int n = 0;
            while (p->choices[n])
                n++;
            assert_true(p->min == 0.0 && p->max == n - 1);
        }
    }
    assert_int_equal(tb_param_find(""), -1);
    assert_int_equal(tb_param_find("fm.op7.level"), -1);
    assert_string_equal(tb_params[TB_P_FM_OP1_LEVEL + 5 * TB_FM_OP_STRIDE].key, "fm.op6.level");
}

static void bounds_are_named(void **state)
{
    (void)state;
    struct tb_error err;
    float v = -1.0F;
    assert_int_equal(tb_param_check(TB_P_FM_OP1_COARSE, 64.0, &v, &err), TB_EINVAL);
    assert_string_equal(err.text, "fm.op1.coarse: 64 is above 31");
    assert_int_equal(tb_param_check(TB_P_FM_OP1_COARSE, -1.0, &v, &err), TB_EINVAL);
    assert_int_equal(tb_param_check(TB_P_FM_OP1_COARSE, 1.5, &v, &err), TB_EINVAL);
    assert_int_equal(tb_param_check(TB_P_MASTER_GAIN, (double)NAN, &v, &err), TB_EINVAL);
    assert_int_equal(tb_param_check(TB_P_MASTER_GAIN, (double)INFINITY, &v, &err), TB_EINVAL);
    assert_int_equal(tb_param_check(TB_P_MASTER_GAIN, 1e308, &v, &err), TB_EINVAL);
    assert_true(v == -1.0F); /* a refused value changes nothing */
    assert_int_equal(tb_param_check(TB_P_MASTER_GAIN, -6.5, &v, &err), TB_OK);
    assert_true(v == -6.5F);
}

static void normalised_values_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < TB_N_PARAMS; i++) {
        const struct tb_param_info *p = &tb_params[i];
        const double values[] = {p->min, p->def, p->max};
        for (size_t k = 0; k < 3; k++) {
            double norm = tb_param_normalise((enum tb_param)i, values[k]);
            assert_true(norm >= 0.0 && norm <= 1.0);
            double back = tb_param_denormalise((enum tb_param)i, norm);
            assert_true(fabs(back - values[k]) <= 1e-9 * (p->max - p->min));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_sound),
        cmocka_unit_test(bounds_are_named),
        cmocka_unit_test(normalised_values_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
