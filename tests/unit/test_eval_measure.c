/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/measure.h"

#include "models/train/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RATE = 16000, SECONDS = 4, SAMPLES = RATE * SECONDS, FRAMES = SAMPLES / TB_ANALYSIS_HOP };
static float a[SAMPLES], b[SAMPLES];
static const double TURN = 6.283185307179586;

static void sine(float *x, double hz, double amplitude)
{
    for (int i = 0; i < SAMPLES; i++)
        x[i] = (float)(amplitude * sin(TURN * hz * i / RATE));
}

/* A tone with n harmonics of equal strength. */
static void buzz(float *x, double hz, int n, double amplitude)
{
    memset(x, 0, SAMPLES * sizeof *x);
    for (int k = 1; k <= n; k++)
        for (int i = 0; i < SAMPLES; i++)
            x[i] += (float)(amplitude / n * sin(TURN * hz * k * i / RATE));
}

static void hiss(float *x, double amplitude, uint64_t seed)
{
    struct tb_random random;
    tb_random_seed(&random, seed);
    for (int i = 0; i < SAMPLES; i++)
        x[i] = (float)(amplitude * (2 * tb_random_uniform(&random) - 1));
}

static void level(void **state)
{
    (void)state;
    sine(a, 440, 1);
    assert_true(fabs(tb_measure_level_db(a, SAMPLES) + 3.0103) < 1e-3);
    memset(a, 0, sizeof a);
    assert_true(tb_measure_level_db(a, SAMPLES) == -160 && tb_measure_level_db(a, 0) == -160);
}

static void mel_power_and_centroid(void **state)
{
    (void)state;
    static struct tb_mel_frame frames[SAMPLES / TB_MEL_HOP];
    assert_int_equal(tb_mel_frames(TB_MEL_FFT - 1), 0);
    assert_int_equal(tb_mel_frames(TB_MEL_FFT + TB_MEL_HOP), 2);
    sine(a, 1000, 1);
    assert_true(tb_mel(a, SAMPLES, frames));
    double bands = 0;
    for (int k = 0; k < TB_MEL_BANDS; k++)
        bands += (double)frames[9].power[k];
    assert_true(fabs((double)frames[9].total - 0.5) < 1e-4 && fabs(bands - 0.5) < 1e-3);
    assert_true(fabs((double)frames[9].centroid_hz - 1000) < 1);
    memset(a, 0, sizeof a);
    assert_true(tb_mel(a, SAMPLES, frames));
    assert_true(frames[3].total == 0 && frames[3].centroid_hz == 0);
}

static void loss_of_a_pair(void **state)
{
    (void)state;
    buzz(a, 220, 8, 0.5);
    memcpy(b, a, sizeof b);
    assert_true(tb_measure_mss(a, b, SAMPLES, false) < 1e-6);
    for (int i = 0; i < SAMPLES; i++)
        b[i] *= 0.25f;
    assert_true(tb_measure_mss(b, a, SAMPLES, false) > 1);
    assert_true(tb_measure_mss(b, a, SAMPLES, true) < 0.01); /* only the level was apart */
    for (int i = 0; i < SAMPLES; i++) { /* what lies far below the noise hardly counts */
        a[i] *= 1e-5f;
        b[i] = 0;
    }
    assert_true(tb_measure_mss_over_noise(a, b, SAMPLES) <
                0.1 * tb_measure_mss(a, b, SAMPLES, false));
}

static void envelope(void **state)
{
    (void)state;
    static struct tb_mel_frame x[SAMPLES / TB_MEL_HOP], y[SAMPLES / TB_MEL_HOP];
    const size_t n = tb_mel_frames(SAMPLES);
    hiss(a, 0.3, 1);
    hiss(b, 0.1, 1);
    assert_true(tb_mel(a, SAMPLES, x) && tb_mel(b, SAMPLES, y));
    assert_true(tb_measure_envelope_db(y, x, n) < 1e-3); /* softer, not other */
    for (int i = SAMPLES - 1; i > 0; i--)
        b[i] -= 0.9f * b[i - 1]; /* brighter */
    assert_true(tb_mel(b, SAMPLES, y));
    assert_true(tb_measure_envelope_db(y, x, n) > 3);
    memset(a, 0, sizeof a);
    assert_true(tb_mel(a, SAMPLES, x));
    assert_true(isnan(tb_measure_envelope_db(y, x, n)));
}

static void clicks(void **state)
{
    (void)state;
    struct tb_clicks c;
    sine(a, 440, 0.5);
    tb_measure_clicks(a, SAMPLES, &c);
    assert_true(c.n == 0 && c.largest < 2);
    hiss(a, 0.5, 3);
    tb_measure_clicks(a, SAMPLES, &c);
    assert_true(c.n == 0 && c.largest < 5);
    sine(a, 440, 0.5);
    for (int i = 30000; i < SAMPLES; i++)
        a[i] += 0.2f; /* a step is a click */
    tb_measure_clicks(a, SAMPLES, &c);
    assert_true(c.n > 0 && fabs(c.at_s - 30000.0 / RATE) < 1e-3);
    memset(a, 0, sizeof a);
    tb_measure_clicks(a, SAMPLES, &c);
    assert_true(c.n == 0 && c.largest == 0);
    tb_measure_clicks(a, 2, &c);
    assert_true(c.n == 0);
}

/* Frames whose bands are random around a mean. */
static void random_set(struct tb_frechet_set *set, double shift, uint64_t seed)
{
    static struct tb_mel_frame frames[3000];
    struct tb_random random;
    tb_random_seed(&random, seed);
    for (int t = 0; t < 3000; t++) {
        frames[t].total = 1;
        for (int k = 0; k < TB_MEL_BANDS; k++)
            frames[t].power[k] = (float)exp(shift - 3 + 0.5 * tb_random_normal(&random));
    }
    memset(set, 0, sizeof *set);
    tb_frechet_add(set, frames, 3000);
}

static void frechet(void **state)
{
    (void)state;
    static struct tb_frechet_set x, y;
    random_set(&x, 0, 1);
    assert_int_equal(x.n, (3000 - 30) / 15 + 1);
    assert_true(tb_frechet_distance(&x, &x) < 1e-6);
    random_set(&y, 0, 2);
    const double other_draw = tb_frechet_distance(&x, &y);
    double last = other_draw;
    for (int i = 1; i <= 3; i++) {
        random_set(&y, 0.5 * i, 2);
        const double d = tb_frechet_distance(&x, &y);
        /* each of 40 means moves by shift: 40 shift^2 on top of the chance of two draws */
        const double want = TB_MEL_BANDS * 0.25 * i * i;
        assert_true(d > last && fabs(d - want) < other_draw + 0.2 * want);
        assert_true(fabs(d - tb_frechet_distance(&y, &x)) < 1e-6 * d);
        last = d;
    }
    memset(&y, 0, sizeof y);
    assert_true(isnan(tb_frechet_distance(&x, &y)));
}

static void silence_is_no_window(void **state)
{
    (void)state;
    static struct tb_frechet_set set;
    static struct tb_mel_frame frames[300];
    tb_frechet_add(&set, frames, 300);
    tb_frechet_add(&set, frames, 29);
    assert_int_equal(set.n, 0);
}

/* What the analysis hears of a tone, asked for as it is and otherwise. */
static void follow_tone(double asked_hz, double loudness_off_db, struct tb_follow *f)
{
    static float f0[FRAMES], loudness[FRAMES];
    static struct tb_analysis_frame heard[FRAMES + 2];
    const struct tb_analysis_config config = {RATE, -60, TB_ANALYSIS_MAGENTA_V2, 512, 0, -80};
    struct tb_error err;
    struct tb_analysis *analysis = tb_analysis_new(&config, &err);
    assert_non_null(analysis);
    buzz(a, 220, 8, 0.5);
    for (int i = 0; i < SAMPLES; i++)
        a[i] *= 0.2f + 0.8f * (float)i / SAMPLES;
    const size_t n = tb_analysis_process(analysis, a, SAMPLES, heard, FRAMES + 2);
    tb_analysis_free(analysis);
    assert_true(n == FRAMES);
    for (int t = 0; t < FRAMES; t++) {
        f0[t] = (float)asked_hz;
        loudness[t] =
            heard[t + 4 < FRAMES ? t + 4 : FRAMES - 1].loudness_db + (float)loudness_off_db;
    }
    const struct tb_asked asked = {f0, loudness, NULL, FRAMES, 4, -80};
    struct tb_follow_sums sums = {0};
    assert_int_equal(tb_measure_follow(a, &asked, &config, &sums, &err), TB_OK);
    tb_measure_follow_end(&sums, f);
}

static void following(void **state)
{
    (void)state;
    struct tb_follow f;
    follow_tone(220, 0, &f);
    assert_true(f.cents_median < 3 && f.cents_mean < 5 && f.off == 0 && f.heard > 0.99);
    assert_true(f.loudness_db < 1e-6 && f.correlation > 0.9999);
    follow_tone(220 * pow(2, 60.0 / 1200), -3, &f);
    assert_true(fabs(f.cents_median - 60) < 4 && f.off > 0.99);
    assert_true(fabs(f.loudness_db - 3) < 1e-3 && f.correlation > 0.9999);
    struct tb_follow_sums none = {0};
    tb_measure_follow_end(&none, &f);
    assert_true(isnan(f.cents_median) && isnan(f.loudness_db) && isnan(f.correlation));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level),
        cmocka_unit_test(mel_power_and_centroid),
        cmocka_unit_test(loss_of_a_pair),
        cmocka_unit_test(envelope),
        cmocka_unit_test(clicks),
        cmocka_unit_test(frechet),
        cmocka_unit_test(silence_is_no_window),
        cmocka_unit_test(following),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
