/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The envelope generator against the golden times (2 %) and shapes of the machine. */
#include "dsp/eg.h"

#include "dsp/fm_tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#define RATE_HZ 48000.0F

static void near_to(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        print_error("%g is not %g +- %g\n", value, expected, tolerance);
    assert_true(fabs(value - expected) <= tolerance);
}

/* Output level 99, no velocity sensitivity, all stages at one rate. */
static struct tb_eg_shape shape_of(int rate, int l1, int l2, int l3, int l4)
{
    return (struct tb_eg_shape){
        .rate = {(uint8_t)rate, (uint8_t)rate, (uint8_t)rate, (uint8_t)rate},
        .level = {(uint8_t)l1, (uint8_t)l2, (uint8_t)l3, (uint8_t)l4},
        .static_level = 15,
        .rate_hz = RATE_HZ,
    };
}

/* Milliseconds from level to level as stage 3 (no hold there). */
static double travel_ms(int rate, int from, int to)
{
    struct tb_eg_shape shape = shape_of(rate, 99, 99, to, from);
    struct tb_eg eg;
    tb_eg_begin(&eg, &shape, 2, tb_eg_target(from, shape.static_level), 0.0F);
    double frames = (double)eg.length;
    tb_eg_advance(&eg, &shape, eg.end);
    assert_int_equal(eg.end, TB_EG_SETTLED);
    near_to((double)tb_eg_att(&eg), (double)tb_eg_target(to, shape.static_level), 0.01);
    return 1000.0 * frames / (double)RATE_HZ;
}

static void golden_times(void **state)
{
    (void)state;
    static const int way[9][2] = {{99, 0}, {99, 90}, {99, 50}, {50, 0}, {0, 99},
                                  {0, 80}, {0, 50},  {50, 99}, {90, 99}};
    static const struct {
        int rate;
        double ms[9];
    } table[] = {
        {0, {320400, 21360, 128100, 192200, 39700, 20560, 5677, 34020, 10680}},
        {10, {106800, 7119, 42720, 64070, 13230, 6854, 1892, 11340, 3560}},
        {20, {40050, 2670, 16020, 24030, 4962, 2570, 709.6, 4252, 1335}},
        {30, {11440, 762.8, 4577, 6865, 1418, 734.4, 202.7, 1215, 381.4}},
        {40, {4005, 267.0, 1602, 2403, 496.2, 257.0, 70.96, 425.2, 133.5}},
        {50, {1251, 83.43, 500.6, 750.9, 155.1, 80.33, 22.17, 132.9, 41.71}},
        {60, {417.1, 27.81, 166.9, 250.3, 51.69, 26.78, 7.392, 44.30, 13.90}},
        {70, {156.4, 10.43, 62.57, 93.86, 19.38, 10.04, 2.772, 16.61, 5.214}},
        {80, {44.69, 2.980, 17.88, 26.82, 5.538, 2.869, 0.792, 4.746, 1.490}},
        {90, {15.64, 1.043, 6.257, 9.386, 1.938, 1.004, 0.277, 1.661, 0.521}},
        {99, {5.587, 0.372, 2.235, 3.352, 0.692, 0.359, 0.099, 0.593, 0.186}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (size_t k = 0; k < 9; k++)
            near_to(travel_ms(table[i].rate, way[k][0], way[k][1]), table[i].ms[k],
                    0.02 * table[i].ms[k]);
}

static void attack_shape(void **state)
{
    (void)state;
    static const struct {
        double share, db;
    } table[] = {{0, -49.95}, {.05, -44.7}, {.1, -40.0}, {.2, -31.7}, {.3, -24.7}, {.4, -19.0},
                 {.5, -14.3}, {.6, -10.4},  {.7, -7.1},  {.8, -4.5},  {.9, -2.2}};
    for (int rate = 10; rate <= 60; rate += 50) {
        struct tb_eg_shape shape = shape_of(rate, 99, 99, 99, 0);
        struct tb_eg start;
        tb_eg_begin(&start, &shape, 0, tb_eg_target(0, 15), 0.0F);
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
            struct tb_eg eg = start;
            tb_eg_advance(&eg, &shape, (int32_t)((double)start.length * table[i].share));
            double db = -6.0205999 / 256.0 * ((double)tb_eg_att(&eg) - TB_ATT_FULL);
            near_to(db, table[i].db, 0.1);
        }
    }
}

/* Any division of time gives the same envelope. */
static void steps_do_not_matter(void **state)
{
    (void)state;
    struct tb_eg_shape shape = shape_of(70, 99, 60, 80, 0);
    shape.rate[1] = 45;
    struct tb_eg fine, coarse;
    tb_eg_begin(&fine, &shape, 0, tb_eg_target(0, 15), 0.0F);
    coarse = fine;
    for (int block = 1; block <= 400; block++) {
        for (int i = 0; i < 97; i++)
            tb_eg_advance(&fine, &shape, 1);
        tb_eg_advance(&coarse, &shape, 97);
        near_to((double)tb_eg_att(&fine), (double)tb_eg_att(&coarse), 0.05);
        assert_int_equal(fine.stage, coarse.stage);
    }
}

static void a_slow_stage_does_not_stall(void **state)
{
    (void)state;
    struct tb_eg_shape shape = shape_of(0, 99, 99, 0, 0);
    shape.rate_hz = 192000.0F;
    struct tb_eg eg;
    tb_eg_begin(&eg, &shape, 2, (float)TB_ATT_FULL, 0.0F);
    for (int i = 0; i < 6000000; i++) /* 100 s in steps of 3.2 frames on average */
        tb_eg_advance(&eg, &shape, 3 + (i % 5 == 0));
    near_to((double)tb_eg_att(&eg), TB_ATT_FULL + 11.986 * 100.0, 2.0);
}

/* "Water garden": equal low levels wait 480 / v seconds in stage 2. */
static void equal_low_levels_hold(void **state)
{
    (void)state;
    static const struct {
        int rate;
        double seconds;
    } table[] = {{0, 40.0}, {50, 0.156}};
    for (size_t i = 0; i < 2; i++) {
        for (int hold = 0; hold < 2; hold++) {
            struct tb_eg_shape shape = shape_of(table[i].rate, 0, 0, 99, 0);
            shape.hold = hold;
            struct tb_eg eg;
            tb_eg_begin(&eg, &shape, 1, (float)TB_ATT_SILENT, 0.0F);
            if (!hold) {
                assert_int_equal(eg.stage, 2);
                continue;
            }
            assert_int_equal(eg.stage, 1);
            near_to((double)(eg.length / RATE_HZ), table[i].seconds, 0.02 * table[i].seconds);
            tb_eg_begin(&eg, &shape, 0, (float)TB_ATT_SILENT, 0.0F);
            assert_int_equal(eg.stage, 0);
            double wait = (double)(eg.length / RATE_HZ) / table[i].seconds;
            assert_true(wait >= 1.0 / 32 && wait <= 1.0 / 20);
        }
    }
}

static void retrigger_goes_on_from_the_level(void **state)
{
    (void)state;
    struct tb_eg_shape shape = shape_of(50, 99, 99, 99, 0);
    struct tb_eg eg;
    tb_eg_begin(&eg, &shape, 0, tb_eg_target(0, 15), 0.0F);
    tb_eg_advance(&eg, &shape, 3000);
    float before = tb_eg_att(&eg);
    tb_eg_begin(&eg, &shape, TB_EG_RELEASE, before, 0.0F);
    assert_true(tb_eg_att(&eg) == before);
    tb_eg_advance(&eg, &shape, 100);
    float released = tb_eg_att(&eg);
    assert_true(released > before);
    tb_eg_begin(&eg, &shape, 0, released, 0.0F);
    near_to((double)tb_eg_att(&eg), (double)released, 0.01);
}

static void attack_curve_and_its_inverse_agree(void **state)
{
    (void)state;
    for (int att = 0; att <= TB_ATT_JUMP; att++)
        near_to((double)tb_eg_att_of_u(tb_eg_u_of_att((float)att)), att, 0.01);
}

static void pitch_envelope_moves_evenly(void **state)
{
    (void)state;
    struct tb_eg_shape shape = shape_of(50, 83, 50, 50, 50);
    struct tb_eg eg;
    tb_pitch_eg_begin(&eg, &shape, 0, 0.0F, 0.0F);
    tb_pitch_eg_advance(&eg, &shape, 4800);
    near_to(12.0 * (double)tb_pitch_eg_octaves(&eg), 2.236, 0.02);
    tb_pitch_eg_advance(&eg, &shape, eg.end - eg.elapsed);
    assert_int_equal(eg.stage, 1);
    near_to(12.0 * (double)tb_pitch_eg_octaves(&eg), 12.375, 0.01);
    for (int i = 0; i < 100; i++)
        tb_pitch_eg_advance(&eg, &shape, 4800);
    assert_int_equal(eg.end, TB_EG_SETTLED);
    near_to((double)tb_pitch_eg_octaves(&eg), 0.0, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_times),
        cmocka_unit_test(attack_shape),
        cmocka_unit_test(steps_do_not_matter),
        cmocka_unit_test(a_slow_stage_does_not_stall),
        cmocka_unit_test(equal_low_levels_hold),
        cmocka_unit_test(retrigger_goes_on_from_the_level),
        cmocka_unit_test(attack_curve_and_its_inverse_agree),
        cmocka_unit_test(pitch_envelope_moves_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
