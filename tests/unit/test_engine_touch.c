/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bend and pressure of one note alone, on the DX7's own voice: members of an MPE zone, and keys
 * that are pressed. */
#include "dsp/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/golden/engine_fixture.h"

enum { A = 57, B = 64, N = 16384, SETTLE = 9600 };

/* One sine a key, two of them on member channels 1 and 2 where zone is not 0. */
static void open_two(struct fixture *f, const float *values, int zone)
{
    float defaults[TB_N_PARAMS];
    tb_params_default(defaults);
    fixture_new(f, TB_CPU_BEST);
    fixture_load(f, values ? values : defaults);
    fixture_param(f, TB_P_MPE_LOWER, (float)zone);
    fixture_param(f, TB_P_MPE_BEND, 24);
}

static void strike(struct fixture *f, int channel, int key)
{
    fixture_event(f, (struct tb_event){.type = TB_EVENT_NOTE_ON,
                                       .channel = (uint8_t)channel,
                                       .key = (uint8_t)key,
                                       .source = TB_SOURCE_MIDI,
                                       .value = 100});
}

static void touch(struct fixture *f, enum tb_event_type type, int channel, float value)
{
    fixture_event(f, (struct tb_event){.type = (uint8_t)type,
                                       .channel = (uint8_t)channel,
                                       .key = A,
                                       .source = TB_SOURCE_MIDI,
                                       .value = value});
}

/* dB of the line at a note, once all has settled. */
static double line_db(struct fixture *f, double note)
{
    return to_db(line_amplitude(f->left + f->n - N, N, note_hz(note)));
}

static void expect_lines(struct fixture *f, const char *when, const double *notes, double absent)
{
    fixture_render(f, SETTLE + N);
    for (int i = 0; i < 2; i++)
        if (line_db(f, notes[i]) < -30)
            fail_msg("%s: note %g has %.1f dB", when, notes[i], line_db(f, notes[i]));
    if (line_db(f, absent) > -45)
        fail_msg("%s: note %g has %.1f dB", when, absent, line_db(f, absent));
}

static void a_member_bends_its_note_alone(void **state)
{
    (void)state;
    struct fixture f;
    open_two(&f, NULL, 7);
    strike(&f, 1, A);
    strike(&f, 2, B);
    expect_lines(&f, "at rest", (const double[]){A, B}, A + 2);
    touch(&f, TB_EVENT_BEND, 1, 2.0F / 24);
    expect_lines(&f, "A bent", (const double[]){A + 2, B}, A);
    touch(&f, TB_EVENT_BEND, 2, -3.0F / 24);
    expect_lines(&f, "B too", (const double[]){A + 2, B - 3}, B);
    touch(&f, TB_EVENT_BEND, 0, 0.5F); /* the zone's own channel: both, by the patch's range */
    expect_lines(&f, "both", (const double[]){A + 3, B - 2}, A + 2);
    touch(&f, TB_EVENT_BEND, 0, 0);
    touch(&f, TB_EVENT_BEND, 1, 0);
    touch(&f, TB_EVENT_BEND, 2, 0);
    expect_lines(&f, "back", (const double[]){A, B}, A + 2);
    touch(&f, TB_EVENT_BEND, 1, 2.0F / 24);
    fixture_param(&f, TB_P_MPE_LOWER, 0); /* without a zone nothing is left of it */
    expect_lines(&f, "no zone", (const double[]){A, B}, A + 2);
    fixture_free(&f);
}

/* Controllers send the bend before the note: no sample of it is out of tune. */
static void a_note_begins_with_its_bend(void **state)
{
    (void)state;
    struct fixture f, straight;
    open_two(&f, NULL, 7);
    open_two(&straight, NULL, 7);
    touch(&f, TB_EVENT_BEND, 1, 5.0F / 24);
    strike(&f, 1, A);
    strike(&straight, 1, A + 5);
    fixture_render(&f, 2000);
    fixture_render(&straight, 2000);
    for (size_t i = 0; i < f.n; i++)
        if (fabsf(f.left[i] - straight.left[i]) > 2e-3F)
            fail_msg("sample %zu: %g, not %g", i, (double)f.left[i], (double)straight.left[i]);
    fixture_free(&straight);
    fixture_free(&f);
}

/* A ramp of bends like a finger's: steps no larger than the wave's own. */
static void a_sliding_member_makes_no_steps(void **state)
{
    (void)state;
    struct fixture f;
    float largest[2] = {0};
    open_two(&f, NULL, 7);
    strike(&f, 1, A);
    for (int k = 0; k < 400; k++) {
        if (k >= 200)
            touch(&f, TB_EVENT_BEND, 1, (float)(k - 200) / 400);
        fixture_render(&f, 96);
        for (size_t i = f.n - 95; i < f.n && k > 50; i++)
            largest[k >= 200] = fmaxf(largest[k >= 200], fabsf(f.left[i] - f.left[i - 1]));
    }
    assert_true(largest[0] > 1e-4F);
    assert_true(largest[1] < 2.1F * largest[0]); /* an octave up: twice as steep */
    fixture_free(&f);
}

/* Aftertouch opens the level of both operators' voices (EG bias), or is vibrato. */
static void bias_patch(float *values)
{
    tb_params_default(values);
    values[TB_P_AFTERTOUCH_RANGE] = 99;
    values[TB_P_AFTERTOUCH_EG_BIAS] = 1;
    values[TB_P_FM_OP1_AMS] = 3;
}

static void pressure_is_of_its_note(void **state)
{
    (void)state;
    static const struct {
        enum tb_event_type type;
        int zone, channel;
        bool both;
    } cases[] = {{TB_EVENT_PRESSURE, 7, 1, false},
                 {TB_EVENT_PRESSURE, 7, 0, true},
                 {TB_EVENT_PRESSURE, 0, 1, true},
                 {TB_EVENT_KEY_PRESSURE, 0, 1, false},
                 {TB_EVENT_KEY_PRESSURE, 7, 1, false}};
    float values[TB_N_PARAMS];
    bias_patch(values);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        open_two(&f, values, cases[i].zone);
        strike(&f, 1, A);
        strike(&f, 2, B);
        fixture_render(&f, SETTLE + N);
        const double before[2] = {line_db(&f, A), line_db(&f, B)};
        touch(&f, cases[i].type, cases[i].channel, 1);
        fixture_render(&f, SETTLE + N);
        const double rise[2] = {line_db(&f, A) - before[0], line_db(&f, B) - before[1]};
        if (rise[0] < 20 || (cases[i].both ? rise[1] < 20 : fabs(rise[1]) > 1))
            fail_msg("case %zu: %.1f dB and %.1f dB", i, rise[0], rise[1]);
        touch(&f, cases[i].type, cases[i].channel, 0);
        fixture_render(&f, SETTLE + N);
        assert_near(line_db(&f, A), before[0], 3); /* near silence */
        fixture_free(&f);
    }
}

/* Share of the line that a vibrato takes away, in dB. */
static void pressure_is_a_vibrato_of_its_note(void **state)
{
    (void)state;
    struct fixture f;
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_AFTERTOUCH_RANGE] = 99;
    values[TB_P_AFTERTOUCH_PITCH] = 1;
    values[TB_P_LFO_PMS] = 7;
    open_two(&f, values, 7);
    strike(&f, 1, A);
    strike(&f, 2, B);
    fixture_render(&f, SETTLE + N);
    const double before[2] = {line_db(&f, A), line_db(&f, B)};
    touch(&f, TB_EVENT_PRESSURE, 1, 1);
    fixture_render(&f, SETTLE + N);
    assert_true(line_db(&f, A) < before[0] - 6);
    assert_near(line_db(&f, B), before[1], 1);
    touch(&f, TB_EVENT_PRESSURE, 1, 0);
    fixture_render(&f, SETTLE + N);
    assert_near(line_db(&f, A), before[0], 0.5);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_bends_its_note_alone),
        cmocka_unit_test(a_note_begins_with_its_bend),
        cmocka_unit_test(a_sliding_member_makes_no_steps),
        cmocka_unit_test(pressure_is_of_its_note),
        cmocka_unit_test(pressure_is_a_vibrato_of_its_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
