/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/fm_tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static void near_to(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        print_error("%g is not %g +- %g\n", value, expected, tolerance);
    assert_true(fabs(value - expected) <= tolerance);
}

static void keyboard_level_scaling(void **state)
{
    (void)state;
    static const int notes[19] = {24, 30, 36, 42, 48, 54, 57, 58,  60, 61,
                                  63, 66, 72, 78, 84, 90, 96, 102, 108};
    static const struct {
        int level;
        struct tb_fm_scaling scaling;
        int after[19];
    } table[] = {
        {99,
         {39, 99, 99, 0, 0},
         {87, 71, 55, 39, 23, 7, 0, 7, 7, 15, 15, 23, 39, 55, 71, 87, 103, 119, 127}},
        {99, {39, 99, 99, 1, 1}, {13, 8, 6, 4, 2, 0, 0, 0, 0, 1, 1, 2, 4, 6, 8, 13, 18, 27, 38}},
        {50,
         {39, 50, 50, 3, 3},
         {5, 13, 21, 29, 37, 45, 49, 45, 45, 41, 41, 37, 29, 21, 13, 5, 0, 0, 0}},
        {40,
         {39, 99, 99, 2, 2},
         {46, 51, 53, 55, 57, 59, 59, 59, 59, 58, 58, 57, 55, 53, 51, 46, 41, 32, 21}},
        {90,
         {20, 30, 60, 0, 1},
         {21, 16, 11, 9, 10, 12, 12, 13, 13, 13, 13, 14, 17, 20, 25, 32, 43, 57, 76}},
        {60,
         {60, 60, 30, 3, 2},
         {0, 0, 0, 0, 0, 1, 6, 11, 11, 15, 15, 20, 30, 39, 39, 38, 38, 37, 36}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (size_t k = 0; k < 19; k++)
            assert_int_equal(
                tb_fm_scaled_level(tb_fm_total_level(table[i].level), &table[i].scaling, notes[k]),
                table[i].after[k]);
}

static void keyboard_rate_scaling(void **state)
{
    (void)state;
    static const struct {
        int note, added[7];
    } table[] = {{36, {0, 1, 1, 2, 3, 3, 4}},      {48, {1, 2, 3, 4, 5, 6, 7}},
                 {60, {1, 3, 4, 6, 8, 9, 11}},     {72, {2, 4, 6, 8, 10, 12, 14}},
                 {84, {2, 5, 7, 10, 13, 15, 18}},  {96, {3, 6, 9, 12, 15, 18, 21}},
                 {108, {3, 7, 10, 14, 18, 21, 25}}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (int rs = 1; rs <= 7; rs++)
            assert_int_equal(tb_fm_rate_scaling(rs, table[i].note), table[i].added[rs - 1]);
    for (int note = 0; note <= 23; note++)
        for (int rs = 0; rs <= 7; rs++)
            assert_int_equal(tb_fm_rate_scaling(rs, note), 0);
}

/* Louder (positive) by velocity, sensitivity 7, in 0.376 dB steps, keyboard / MIDI. */
static void velocity_curves(void **state)
{
    (void)state;
    static const struct {
        int velocity, keyboard, midi;
    } table[] = {{1, -209, -98}, {16, -93, -85}, {32, -63, -68}, {64, -28, -31},
                 {80, -13, -21}, {100, 1, 4},    {112, 7, 11},   {127, 14, 14}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        near_to(15 - tb_fm_velocity(7, table[i].velocity, 0), table[i].keyboard, 1);
        near_to(15 - tb_fm_velocity(7, table[i].velocity, 1), table[i].midi, 1);
    }
    for (int velocity = 0; velocity < 128; velocity++) {
        assert_int_equal(tb_fm_velocity(0, velocity, 0), 15);
        assert_int_equal(tb_fm_velocity(0, velocity, 1), 15);
    }
    for (int s = 1; s <= 7; s++)
        for (int velocity = 1; velocity < 128; velocity++)
            for (int midi = 0; midi < 2; midi++)
                assert_true(tb_fm_velocity(s, velocity, midi) <=
                            tb_fm_velocity(s, velocity - 1, midi));
}

static void pitch_envelope_tables(void **state)
{
    (void)state;
    static const struct {
        int level;
        double semitones;
    } levels[] = {{0, -48},   {10, -18.375}, {20, -11.25}, {40, -3.75}, {50, 0},
                  {60, 3.75}, {83, 12.375},  {90, 18.375}, {99, 47.625}};
    static const struct {
        int rate;
        double semitones_s;
    } rates[] = {{0, 0.55},   {10, 3.82},  {20, 6.54}, {30, 9.82}, {40, 14.73}, {50, 22.36},
                 {60, 31.63}, {70, 43.08}, {80, 62.7}, {90, 93.3}, {99, 139}};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        near_to(12.0 * (double)tb_fm_pitch_level(levels[i].level), levels[i].semitones, 0.001);
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        near_to(12.0 * (double)tb_fm_pitch_rate(rates[i].rate), rates[i].semitones_s,
                0.02 * rates[i].semitones_s);
}

static void values_out_of_range_are_limited(void **state)
{
    (void)state;
    assert_int_equal(tb_fm_total_level(-5), 127);
    assert_int_equal(tb_fm_total_level(300), 0);
    assert_int_equal(tb_fm_static_level(0, -300), 4);
    assert_int_equal(tb_fm_static_level(127, 300), 255);
    assert_int_equal(tb_fm_amp_curve(-1), tb_fm_amp_curve(0));
    assert_int_equal(tb_fm_amp_curve(999), 255);
    assert_int_equal(tb_fm_carrier_att(0), 0);
    assert_int_equal(tb_fm_carrier_att(9), 672);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyboard_level_scaling),
        cmocka_unit_test(keyboard_rate_scaling),
        cmocka_unit_test(velocity_curves),
        cmocka_unit_test(pitch_envelope_tables),
        cmocka_unit_test(values_out_of_range_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
