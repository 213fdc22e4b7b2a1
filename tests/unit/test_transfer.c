/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From frames of an analysis to what an instrument is asked: gate, shifts, fit, and frames that are
 * no numbers. */
#include "dsp/transfer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct tb_transfer_settings plain = {.on = true, .gate_db = -50};
static const struct tb_transfer_range flute = {
    .low_hz = 250, .high_hz = 2000, .low_db = -50, .high_db = -20};

static struct tb_analysis_frame tone(float hz, float db)
{
    return (struct tb_analysis_frame){
        .f0_hz = hz, .confidence = 0.95F, .level_db = db, .loudness_db = db, .voiced = hz > 0};
}

static void feed(struct tb_transfer *t, struct tb_analysis_frame frame,
                 const struct tb_transfer_settings *s, int n)
{
    for (int i = 0; i < n; i++)
        tb_transfer_frame(t, &frame, s, &flute);
}

static void near(float value, float expected, float tolerance)
{
    if (!(fabsf(value - expected) <= tolerance))
        fail_msg("%g is not %g +- %g", (double)value, (double)expected, (double)tolerance);
}

static void the_gate_opens_and_closes(void **state)
{
    (void)state;
    struct tb_transfer t;
    tb_transfer_reset(&t);
    feed(&t, tone(440, -51), &plain, 20);
    assert_false(t.sounding);
    feed(&t, tone(440, -49), &plain, 1);
    assert_true(t.sounding);
    near(t.octaves, log2f(440), 1e-5F);
    near(t.below_high_db, -29, 1e-4F);
    assert_int_equal(t.key, 69);
    feed(&t, tone(440, -53), &plain, 50); /* within the hysteresis */
    assert_true(t.sounding);
    feed(&t, tone(440, -60), &plain, 7); /* a gap of 28 ms */
    assert_true(t.sounding);
    feed(&t, tone(440, -60), &plain, 2);
    assert_false(t.sounding);
}

static void a_lost_pitch_is_held_then_fades_then_ends(void **state)
{
    (void)state;
    struct tb_transfer t;
    tb_transfer_reset(&t);
    feed(&t, tone(0, -20), &plain, 100); /* noise alone is no note */
    assert_false(t.sounding);
    feed(&t, tone(330, -20), &plain, 10);
    feed(&t, tone(0, -20), &plain, 15);
    assert_true(t.sounding);
    near(t.octaves, log2f(330), 1e-5F);
    near(t.below_high_db, 0, 1e-4F);
    feed(&t, tone(0, -20), &plain, 20);
    assert_true(t.sounding);
    assert_true(t.below_high_db < -30);
    feed(&t, tone(0, -20), &plain, 60);
    assert_false(t.sounding);
    feed(&t, tone(330, -20), &plain, 1);
    assert_true(t.sounding);
    near(t.below_high_db, 0, 1e-4F);
}

static void frames_that_are_no_numbers_do_no_harm(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 0, -440, 1e30F, 1e-30F, 30000};
    struct tb_transfer t;
    tb_transfer_reset(&t);
    feed(&t, tone(440, -20), &plain, 5);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (unsigned k = 0; k < 5; k++) {
            struct tb_analysis_frame f = tone(440, -20);
            float *const field[] = {&f.f0_hz, &f.confidence, &f.level_db, &f.loudness_db};
            if (k < 4)
                *field[k] = bad[i];
            else
                f = (struct tb_analysis_frame){bad[i], bad[i], bad[i], bad[i], true};
            struct tb_transfer_settings fit = plain;
            fit.fit = i % 2;
            feed(&t, f, &fit, 30);
            assert_true(isfinite(t.octaves) && isfinite(t.below_high_db) && isfinite(t.lift_db));
            assert_true(t.octaves > 3 && t.octaves < 15);
            assert_true(t.below_high_db >= -160 && t.below_high_db <= 40);
            assert_true(t.velocity >= 0 && t.velocity <= 1);
            assert_true(t.key < 128 && t.heard.f0_hz >= 0 && t.heard.confidence <= 1);
        }
    feed(&t, tone(440, -20), &plain, 5);
    near(t.octaves, log2f(440), 1e-5F);
}

static void shifts_move_pitch_and_loudness(void **state)
{
    (void)state;
    struct tb_transfer_settings s;
    struct tb_transfer t;
    float values[TB_N_PARAMS] = {0};
    values[TB_P_TRANSFER_SOURCE] = 1;
    values[TB_P_TRANSFER_GATE] = -55;
    values[TB_P_TRANSFER_OCTAVE] = -1;
    values[TB_P_TRANSFER_SEMITONES] = 7;
    values[TB_P_TRANSFER_LOUDNESS] = 6;
    tb_transfer_derive(&s, values);
    assert_true(s.on && !s.fit);
    tb_transfer_reset(&t);
    feed(&t, tone(440, -30), &s, 3);
    near(t.octaves, log2f(440) - 1 + 7.0F / 12, 1e-5F);
    near(t.below_high_db, -30 + 6 + 20, 1e-4F);
    assert_int_equal(t.key, 69 - 12 + 7);
}

/* A low voice is lifted into the range by whole octaves, and never within a note. */
static void the_fit_moves_by_octaves_between_notes(void **state)
{
    (void)state;
    struct tb_transfer_settings s = plain;
    struct tb_transfer t;
    s.fit = true;
    tb_transfer_reset(&t);
    for (int note = 0; note < 8; note++) {
        feed(&t, tone(110.0F * exp2f((float)(note % 4) / 4), -25), &s, 100);
        near(t.shift, 2, 0); /* 440..784 Hz; one octave would leave a part below 250 */
        near(t.octaves, log2f(440) + (float)(note % 4) / 4, 1e-4F);
        feed(&t, tone(0, -90), &s, 20);
    }
    feed(&t, tone(600, -25), &s, 200); /* up there for once: the player's range is what counts */
    near(t.shift, 2, 0);
    feed(&t, tone(40, -25), &s, 10); /* the same note slides: no jump of an octave */
    near(t.shift, 2, 0);
}

static void the_fit_brings_loud_notes_to_the_models_loudest(void **state)
{
    (void)state;
    struct tb_transfer_settings s = plain;
    struct tb_transfer t;
    float last = 0;
    s.fit = true;
    s.gate_db = -80;
    tb_transfer_reset(&t);
    for (int i = 0; i < 1000; i++) { /* loud and soft notes of a quiet player */
        feed(&t, tone(440, i / 50 % 2 ? -45 : -60), &s, 1);
        assert_true(fabsf(t.lift_db - last) <= 0.1F); /* 24 dB a second */
        last = t.lift_db;
    }
    near(t.lift_db, 25, 1);
    feed(&t, tone(440, -45), &s, 1);
    near(t.below_high_db, 0, 1);
    s.fit = false;
    feed(&t, tone(440, -45), &s, 1);
    near(t.below_high_db, -25, 0.01F);
}

static void a_model_without_a_range_is_not_fitted(void **state)
{
    (void)state;
    const struct tb_transfer_range none = {.high_db = -20};
    const struct tb_analysis_frame f = tone(60, -30);
    struct tb_transfer_settings s = plain;
    struct tb_transfer t;
    s.fit = true;
    tb_transfer_reset(&t);
    tb_transfer_frame(&t, &f, &s, &none);
    near(t.octaves, log2f(60), 1e-5F);
}

static void a_panic_lasts_until_the_gate_closed(void **state)
{
    (void)state;
    struct tb_transfer t;
    tb_transfer_reset(&t);
    feed(&t, tone(440, -20), &plain, 10);
    tb_transfer_mute(&t);
    feed(&t, tone(440, -20), &plain, 100);
    assert_false(t.sounding);
    feed(&t, tone(0, -90), &plain, 10);
    feed(&t, tone(440, -20), &plain, 1);
    assert_true(t.sounding);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gate_opens_and_closes),
        cmocka_unit_test(a_lost_pitch_is_held_then_fades_then_ends),
        cmocka_unit_test(frames_that_are_no_numbers_do_no_harm),
        cmocka_unit_test(shifts_move_pitch_and_loudness),
        cmocka_unit_test(the_fit_moves_by_octaves_between_notes),
        cmocka_unit_test(the_fit_brings_loud_notes_to_the_models_loudest),
        cmocka_unit_test(a_model_without_a_range_is_not_fitted),
        cmocka_unit_test(a_panic_lasts_until_the_gate_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
