/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/lfo.h"

#include "dsp/fm_tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static void near_to(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        print_error("%g is not %g +- %g\n", value, expected, tolerance);
    assert_true(fabs(value - expected) <= tolerance);
}

static struct tb_program program_of(void)
{
    struct tb_program p;
    memset(&p, 0, sizeof p);
    tb_params_default(p.values);
    p.rate_hz = 48000.0F;
    tb_program_derive(&p);
    return p;
}

static void speeds(void **state)
{
    (void)state;
    static const struct {
        int speed;
        double hz;
    } table[] = {{0, 0.0625}, {1, 0.125},   {2, 0.312},   {5, 0.750},   {10, 1.562},
                 {20, 3.187}, {30, 4.812},  {35, 5.624},  {40, 6.437},  {50, 7.999},
                 {60, 9.624}, {63, 10.124}, {64, 11.248}, {70, 16.361}, {75, 20.83},
                 {80, 25.75}, {85, 31.10},  {90, 38.22},  {95, 44.36},  {99, 49.25}};
    struct tb_program p = program_of();
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct tb_lfo lfo;
        tb_lfo_reset(&lfo, 1);
        p.lfo_speed = (uint8_t)table[i].speed;
        p.lfo_wave = 3;
        int edges = 0, last = 127, first_tick = 0, last_tick = 0;
        for (int tick = 1; tick <= 60000; tick++) { /* rising edges of the square */
            tb_lfo_tick(&lfo, &p);
            if (last < 0 && lfo.value > 0) {
                first_tick = edges == 0 ? tick : first_tick;
                last_tick = tick;
                edges++;
            }
            last = lfo.value;
        }
        double hz = (edges - 1) / ((last_tick - first_tick) / 372.3);
        near_to(hz, table[i].hz, 0.005 * table[i].hz);
    }
}

static void delays(void **state)
{
    (void)state;
    static const struct {
        int delay;
        double onset_s, full_s;
    } table[] = {{1, 0.040, 0.081},  {10, 0.056, 0.115}, {30, 0.132, 0.269},
                 {50, 0.325, 0.669}, {60, 0.481, 1.166}, {70, 0.760, 1.445},
                 {80, 1.160, 1.845}, {90, 1.762, 2.447}, {99, 2.750, 3.435}};
    struct tb_program p = program_of();
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct tb_lfo lfo;
        tb_lfo_reset(&lfo, 1);
        p.lfo_delay = (uint8_t)table[i].delay;
        tb_lfo_key(&lfo, &p);
        int onset = 0, tick = 0;
        while (lfo.fade < 255) {
            tb_lfo_tick(&lfo, &p);
            tick++;
            if (lfo.fade == 0)
                onset = tick;
        }
        near_to(onset / 372.3, table[i].onset_s, 0.02 * table[i].onset_s + 0.003);
        near_to(tick / 372.3, table[i].full_s, 0.02 * table[i].full_s + 0.003);
    }
}

/* Where the first tick after a synchronised key on lands, and the extremes of a cycle. */
static void waves(void **state)
{
    (void)state;
    static const struct {
        int wave, after_sync, slack;
    } table[] = {{0, 127, 4}, {1, 127, 4}, {2, -128, 4}, {3, -128, 0}, {4, -6, 4}};
    struct tb_program p = program_of();
    p.lfo_sync = 1;
    p.lfo_speed = 20;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct tb_lfo lfo;
        int low = 127, high = -128;
        tb_lfo_reset(&lfo, 1);
        p.lfo_wave = (uint8_t)table[i].wave;
        tb_lfo_key(&lfo, &p);
        tb_lfo_tick(&lfo, &p);
        near_to(lfo.value, table[i].after_sync, table[i].slack);
        for (int tick = 0; tick < 400; tick++) {
            tb_lfo_tick(&lfo, &p);
            low = lfo.value < low ? lfo.value : low;
            high = lfo.value > high ? lfo.value : high;
        }
        assert_in_range(high, 125, 127);
        assert_in_range(-low, 125, 128);
    }
}

static void sample_and_hold_follows_its_generator(void **state)
{
    (void)state;
    struct tb_program p = program_of();
    struct tb_lfo lfo;
    tb_lfo_reset(&lfo, 42);
    p.lfo_wave = 5;
    p.lfo_speed = 99;
    unsigned x = 42;
    int changes = 0, last = 42;
    for (int tick = 0; tick < 4000; tick++) {
        tb_lfo_tick(&lfo, &p);
        if (lfo.value != last) {
            x = (179 * x + 17) % 256;
            assert_int_equal(lfo.value, (int8_t)x);
            changes++;
        }
        last = lfo.value;
    }
    assert_in_range(changes, 500, 540); /* 49.25 Hz over 10.74 s, a few repeats */
}

static void pitch_depth(void **state)
{
    (void)state;
    static const struct {
        int pms;
        double down, up;
    } table[] = {{0, 0, 0},       {1, 0.47, 0.37}, {2, 0.93, 0.84}, {3, 1.49, 1.49},
                 {4, 2.51, 2.51}, {5, 4.28, 4.19}, {6, 7.07, 6.98}, {7, 11.8, 11.7}};
    struct tb_program p = program_of();
    struct tb_mod_state mods = {{0}};
    p.lfo_pmd = 99;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct tb_lfo lfo;
        tb_lfo_reset(&lfo, 1);
        p.lfo_pms = (uint8_t)table[i].pms;
        lfo.value = -128;
        near_to(-12.0 * (double)tb_lfo_pitch(&lfo, &p, &mods), table[i].down, 0.06);
        lfo.value = 127;
        near_to(12.0 * (double)tb_lfo_pitch(&lfo, &p, &mods), table[i].up, 0.06);
    }
    p.lfo_pmd = 0; /* the wheel alone: range 99 as deep, range 50 half */
    p.lfo_pms = 7;
    struct tb_lfo lfo;
    tb_lfo_reset(&lfo, 1);
    lfo.value = 127;
    p.mod[TB_MOD_WHEEL] = (struct tb_mod_route){.range = (uint8_t)tb_fm_widen(99), .pitch = 1};
    mods.position[TB_MOD_WHEEL] = 1.0F;
    near_to(12.0 * (double)tb_lfo_pitch(&lfo, &p, &mods), 11.7, 0.1);
    p.mod[TB_MOD_WHEEL].range = (uint8_t)tb_fm_widen(50);
    near_to(12.0 * (double)tb_lfo_pitch(&lfo, &p, &mods), 5.9, 0.1);
    mods.position[TB_MOD_WHEEL] = 0.5F;
    near_to(12.0 * (double)tb_lfo_pitch(&lfo, &p, &mods), 2.95, 0.1);
}

static double amp_db(const struct tb_lfo *lfo, const struct tb_program *p,
                     const struct tb_mod_state *mods, int ams)
{
    return (double)tb_lfo_amp(lfo, p, mods) * (1 << ams) * 6.0205999 / 256.0;
}

static void amplitude_depth(void **state)
{
    (void)state;
    static const struct {
        int amd;
        double db[3];
    } table[] = {{10, {0.19, 0.38, 0.75}},   {30, {0.75, 1.51, 3.01}},   {50, {1.46, 2.92, 5.83}},
                 {70, {2.59, 5.17, 10.35}},  {80, {3.48, 6.96, 13.92}},  {90, {5.03, 10.07, 20.13}},
                 {95, {6.44, 12.89, 25.78}}, {99, {10.54, 21.07, 42.14}}};
    struct tb_program p = program_of();
    struct tb_mod_state mods = {{0}};
    struct tb_lfo lfo;
    tb_lfo_reset(&lfo, 1);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        p.lfo_amd = (uint8_t)table[i].amd;
        lfo.value = -128;
        for (int ams = 1; ams <= 3; ams++)
            near_to(amp_db(&lfo, &p, &mods, ams), table[i].db[ams - 1], 0.1);
        lfo.value = 127;
        near_to(amp_db(&lfo, &p, &mods, 3), 0.0, 0.01);
    }
}

/* EG bias: the foot pedal up holds the level down, fully down lets it go. */
static void eg_bias(void **state)
{
    (void)state;
    struct tb_program p = program_of();
    struct tb_mod_state mods = {{0}};
    struct tb_lfo lfo;
    tb_lfo_reset(&lfo, 1);
    lfo.value = 127;
    near_to(amp_db(&lfo, &p, &mods, 3), 0.0, 0.01);
    p.mod[TB_MOD_FOOT] = (struct tb_mod_route){.range = 255, .eg_bias = 1};
    near_to(amp_db(&lfo, &p, &mods, 3), 48.0, 0.1);
    double last = 100.0;
    for (int step = 0; step <= 10; step++) {
        mods.position[TB_MOD_FOOT] = 0.1F * (float)step;
        double db = amp_db(&lfo, &p, &mods, 3);
        assert_true(db <= last);
        last = db;
    }
    near_to(last, 0.0, 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speeds),      cmocka_unit_test(delays),
        cmocka_unit_test(waves),       cmocka_unit_test(sample_and_hold_follows_its_generator),
        cmocka_unit_test(pitch_depth), cmocka_unit_test(amplitude_depth),
        cmocka_unit_test(eg_bias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
