/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mono as on the machine: the extreme key sounds, what is played legato only changes its pitch. */
#include "tests/golden/engine_fixture.h"

static struct tb_frame told(const struct fixture *f)
{
    struct tb_frame frame;
    tb_engine_telemetry(f->engine, &frame);
    return frame;
}

static int voices(const struct fixture *f)
{
    return told(f).voices;
}

static double pitch(const struct fixture *f)
{
    const double hz = (double)told(f).f0_hz;
    return hz > 0 ? 69.0 + 12.0 * log2(hz / 440.0) : 0.0;
}

/* Renders for n frames; the loudest sample of them, in dB. */
static double peak_db(struct fixture *f, size_t n)
{
    const size_t from = f->n;
    fixture_render(f, n);
    float most = 0.0F;
    for (size_t i = from; i < f->n; i++)
        most = fmaxf(most, fabsf(f->left[i]));
    return to_db((double)most);
}

static void mono_plays_the_extreme_key(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    fixture_param(&f, TB_P_PLAY_MODE, 1.0F);
    static const struct {
        int on, off; /* 0: none */
        double sounds;
    } up[] = {{60, 0, 60}, {64, 0, 64}, {62, 0, 64}, {67, 0, 67},
              {0, 67, 64}, {0, 64, 62}, {0, 60, 62}},
      down[] = {{60, 0, 60}, {55, 0, 55}, {58, 0, 55}, {50, 0, 50},
                {0, 50, 55}, {0, 55, 58}, {0, 60, 58}};
    for (size_t i = 0; i < 7; i++) {
        if (up[i].on)
            fixture_on(&f, up[i].on, 100);
        else
            fixture_off(&f, up[i].off);
        fixture_render(&f, 480);
        assert_int_equal(voices(&f), 1);
        assert_near(pitch(&f), up[i].sounds, 0.01);
    }
    fixture_off(&f, 62);
    fixture_render(&f, 4800);
    assert_int_equal(voices(&f), 0);
    for (size_t i = 0; i < 7; i++) {
        if (down[i].on)
            fixture_on(&f, down[i].on, 100);
        else
            fixture_off(&f, down[i].off);
        fixture_render(&f, 480);
        assert_near(pitch(&f), down[i].sounds, 0.01);
    }
    fixture_free(&f);
}

/* One sine whose level falls with key and velocity, whose envelope falls slowly from its attack,
 * and whose pitch envelope goes from -12 semitones to 0 in some seconds. */
static void load_falling(struct fixture *f)
{
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_PLAY_MODE] = 1.0F;
    values[TB_P_FM_OP1_BREAK_POINT] = 39.0F; /* middle C */
    values[TB_P_FM_OP1_RIGHT_DEPTH] = 99.0F;
    values[TB_P_FM_OP1_VELOCITY] = 7.0F;
    values[TB_P_FM_OP1_RATE_SCALING] = 7.0F;
    values[TB_P_FM_OP1_R2] = 20.0F;
    values[TB_P_FM_OP1_L2] = 40.0F;
    values[TB_P_FM_OP1_L3] = 40.0F;
    values[TB_P_FM_OP1_R4] = 30.0F;
    values[TB_P_FM_PITCH_R1] = 10.0F;
    values[TB_P_FM_PITCH_R4] = 0.0F;
    values[TB_P_FM_PITCH_L4] = 18.0F; /* an octave down */
    fixture_load(f, values);
}

/* The machine's firmware only gives a legato note's pitch to the voice: level scaling, velocity and
 * both envelopes stay those of the first. */
static void legato_keeps_level_and_envelopes(void **state)
{
    (void)state;
    double plain[2] = {0}, tied[2] = {0}, at[2] = {0};
    for (int legato = 0; legato < 2; legato++) {
        struct fixture f;
        fixture_new(&f, TB_CPU_BEST);
        load_falling(&f);
        fixture_on(&f, 60, 120);
        fixture_render(&f, 9600);
        if (legato)
            fixture_on(&f, 84, 20); /* 24 dB and more less, were it a note of its own */
        double *heard = legato ? tied : plain;
        heard[0] = peak_db(&f, 2400);
        at[legato] = pitch(&f) - (legato ? 84 : 60);
        if (legato)
            fixture_off(&f, 84);
        heard[1] = peak_db(&f, 2400);
        assert_near(pitch(&f) - 60, at[legato], 1.0);
        assert_int_equal(voices(&f), 1);
        fixture_free(&f);
    }
    assert_near(tied[0], plain[0], 0.3);
    assert_near(tied[1], plain[1], 0.3);
    assert_true(at[0] < -4 && at[0] > -12);
    assert_near(at[1], at[0], 0.01);
}

/* Without a key held a note is a new one: level and velocity count, and the pitch envelope starts
 * from its last level while the operators go on from theirs. */
static void a_new_mono_note_starts_its_pitch_anew(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    load_falling(&f);
    fixture_on(&f, 60, 120);
    fixture_render(&f, 480);
    const double began = pitch(&f) - 60, loud = peak_db(&f, 2400);
    assert_near(began, -12, 0.2);
    fixture_render(&f, 480000);
    assert_near(pitch(&f), 60, 0.01);
    fixture_off(&f, 60);
    fixture_render(&f, 480);
    assert_int_equal(voices(&f), 1); /* dying away, at its pitch */
    assert_near(pitch(&f), 60, 0.2);
    fixture_on(&f, 84, 20);
    fixture_render(&f, 480);
    assert_near(pitch(&f) - 84, began, 0.01);
    fixture_render(&f, 9600); /* the level before has gone */
    assert_true(peak_db(&f, 2400) < loud - 20);
    assert_int_equal(voices(&f), 1);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mono_plays_the_extreme_key),
        cmocka_unit_test(legato_keeps_level_and_envelopes),
        cmocka_unit_test(a_new_mono_note_starts_its_pitch_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
