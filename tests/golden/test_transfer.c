/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A phrase goes in, an instrument comes out: the same pitch, as soon as promised, the same samples
 * for every block size, and nothing but silence for what is no phrase. */
#include "tests/golden/engine_fixture.h"
#include "tests/golden/neural_fixture.h"

#include "dsp/analysis.h"

#include <stdio.h>

static const enum tb_model_family families[] = {TB_MODEL_HPN, TB_MODEL_WAVETABLE, TB_MODEL_DDX7,
                                                TB_MODEL_FM_ENVELOPE};
enum { N_FAMILIES = 4, RATE = 48000, HOP = RATE / 250, MOST = 6 * RATE };

static float phrase[MOST];

/* Plays one plain model from the input. */
static void set_up(struct fixture *f, enum tb_model_family family, bool fit, uint32_t block)
{
    static struct neural_model m;
    float values[TB_N_PARAMS];
    struct tb_error err = {0};
    tb_params_default(values);
    values[TB_P_TRANSFER_SOURCE] = 1;
    values[TB_P_TRANSFER_FIT] = fit;
    values[TB_P_NOTE_RELEASE] = 0.05F;
    values[TB_P_CHORUS_MIX] = values[TB_P_REVERB_MIX] = 0;
    neural_model_plain(&m, family, 0);
    fixture_new(f, TB_CPU_BEST);
    f->block = block;
    struct tb_program *program = tb_program_new_neural(
        f->engine, values, neural_model_instrument(&m, fixture_rate, TB_CPU_BEST), NULL, &err);
    if (!program)
        fail_msg("%s", err.text);
    assert_true(tb_engine_swap(f->engine, program));
    fixture_render(f, RATE / 10 / 64 * 64);
    tb_program_free(tb_engine_retired(f->engine));
    f->n = 0;
    neural_model_free(&m);
}

static void play(struct fixture *f, size_t n)
{
    for (size_t at = 0; at < n;) {
        const uint32_t part = n - at < f->block ? (uint32_t)(n - at) : f->block;
        tb_engine_input(f->engine, phrase + at, part);
        fixture_render(f, part);
        at += part;
    }
}

/* A tone with falling harmonics that follows hz(t). */
static void sing(double (*hz)(double), size_t from, size_t n)
{
    double phase = 0;
    for (size_t i = 0; i < n; i++) {
        const double edge = fmin(1, fmin((double)i, (double)(n - i)) / 96);
        double sum = 0;
        for (int k = 1; k <= 8; k++)
            sum += sin(k * phase) / k;
        phase += 2 * M_PI * hz((double)i / RATE) / RATE;
        phrase[from + i] = (float)(0.15 * edge * sum);
    }
}

static double glide(double t)
{
    return 220 * exp2(t / 4 + 0.02 * sin(2 * M_PI * 5.5 * t)); /* an octave in 4 s, with vibrato */
}

static size_t track(const float *x, size_t n, struct tb_analysis_frame *frames)
{
    const struct tb_analysis_config config = {
        .rate_hz = RATE, .gate_db = -60, .n_fft = 256, .floor_db = -80};
    struct tb_analysis *a = tb_analysis_new(&config, NULL);
    assert_non_null(a);
    const size_t made = tb_analysis_process(a, x, n, frames, MOST / HOP + 1);
    tb_analysis_free(a);
    return made;
}

/* Both tracks are made by the same tracker; the output lags by what the tracker needs. */
static void the_output_has_the_inputs_pitch(void **state)
{
    (void)state;
    static struct tb_analysis_frame in[MOST / HOP + 1], out[MOST / HOP + 1];
    memset(phrase, 0, sizeof phrase);
    sing(glide, RATE / 4, 4 * RATE);
    for (int i = 0; i < N_FAMILIES; i++) {
        struct fixture f;
        set_up(&f, families[i], true, 64);
        play(&f, 5 * RATE);
        const size_t n = track(phrase, 5 * RATE, in), m = track(f.left, 5 * RATE, out);
        size_t followed = 0, voiced = 0, wrong = 0;
        for (size_t k = 75; k + 8 < n && k + 8 < m; k++) {
            if (!in[k].voiced || !in[k - 10].voiced || !in[k + 8].voiced)
                continue;
            voiced++;
            double least = 1e9; /* vibrato of 24 cents moves 3 cents a frame */
            for (size_t lag = 2; lag <= 6; lag++)
                if (out[k + lag].voiced)
                    least = fmin(
                        least, fabs(1200 * log2((double)out[k + lag].f0_hz / (double)in[k].f0_hz)));
            followed += least <= 20;
            wrong += least > 50 && least < 1e9;
        }
        assert_true(voiced > 900);
        if (followed < voiced * 99 / 100 || wrong > 0)
            fail_msg("family %d: %zu of %zu frames within 20 cents, %zu wrong", i, followed, voiced,
                     wrong);
        fixture_free(&f);
    }
}

static double steady_hz;

static double steady(double t)
{
    (void)t;
    return steady_hz;
}

static size_t first_above(const float *x, size_t n, float level)
{
    size_t i = 0;
    while (i < n && fabsf(x[i]) <= level)
        i++;
    return i;
}

/* From the first sample of a note at the input to the first of the output. The input is given to
 * the block that is made of it, so what a device adds is one block. */
static void it_sounds_within_25_ms(void **state)
{
    (void)state;
    double worst = 0;
    for (int key = 45; key <= 96; key++) { /* 110 Hz .. 2 kHz, at every phase of the frames */
        struct fixture f;
        memset(phrase, 0, sizeof phrase);
        steady_hz = note_hz(key);
        sing(steady, RATE / 4 + (size_t)key * 37 % HOP, RATE / 2);
        set_up(&f, TB_MODEL_HPN, false, 64);
        play(&f, RATE);
        const size_t on = first_above(phrase, RATE, 1e-3F), at = first_above(f.left, RATE, 1e-3F);
        assert_true(at > on);
        const double ms = 1e3 * (double)(at - on) / RATE;
        worst = fmax(worst, ms);
        if (ms > 25)
            fail_msg("key %d: %.1f ms", key, ms);
        fixture_free(&f);
    }
    print_message("at most %.1f ms from sound to sound, and a block\n", worst);
}

static void it_ends_with_the_input(void **state)
{
    (void)state;
    struct fixture f;
    struct tb_frame frame;
    memset(phrase, 0, sizeof phrase);
    steady_hz = 330;
    sing(steady, RATE / 4, RATE);
    set_up(&f, TB_MODEL_WAVETABLE, true, 64);
    play(&f, RATE);
    tb_engine_telemetry(f.engine, &frame);
    assert_int_equal(frame.voices, 1);
    assert_near((double)frame.neural.input_f0_hz, 330, 0.5);
    assert_true(frame.neural.confidence > 0.9F && frame.neural.input_db > -30);
    const size_t before = f.n;
    memmove(phrase, phrase + RATE, RATE * sizeof phrase[0]);
    play(&f, RATE);
    tb_engine_telemetry(f.engine, &frame);
    assert_int_equal(frame.voices, 0);
    assert_near((double)frame.neural.input_f0_hz, 0, 0);
    float most = 0;
    for (size_t i = before + RATE * 3 / 4; i < f.n; i++)
        most = fmaxf(most, fabsf(f.left[i]));
    assert_true(most < 1e-5F);
    fixture_free(&f);
}

static void block_size_changes_no_sample(void **state)
{
    (void)state;
    static const uint32_t blocks[] = {64, 16, 37, 480, 1024};
    static float first[2 * RATE];
    memset(phrase, 0, sizeof phrase);
    sing(glide, RATE / 8, RATE);
    for (unsigned i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        struct fixture f;
        set_up(&f, TB_MODEL_DDX7, true, 64);
        f.block = blocks[i];
        play(&f, 3 * RATE / 2);
        if (i == 0)
            memcpy(first, f.left, 3 * RATE / 2 * sizeof first[0]);
        assert_memory_equal(first, f.left, 3 * RATE / 2 * sizeof first[0]);
        fixture_free(&f);
    }
}

/* Silence, noise, DC, clipping, and values that are none. */
static void hostile_sounds_stay_bounded(void **state)
{
    (void)state;
    for (int kind = 0; kind < 6; kind++) {
        struct fixture f;
        struct tb_frame frame;
        uint32_t random = 1;
        for (size_t i = 0; i < RATE; i++) {
            random = random * 1664525U + 1013904223U;
            const float noise = (float)(int32_t)random * 0x1p-31F;
            const float sine = sinf(6.2831853F * 196.0F * (float)i / RATE);
            const float values[] = {0,
                                    noise,
                                    0.5F,
                                    sine > 0 ? 1.0F : -1.0F,
                                    i % 97 ? sine : i % 2 ? NAN : INFINITY,
                                    1e30F * sine};
            phrase[i] = values[kind];
        }
        set_up(&f, TB_MODEL_HPN, true, 64);
        play(&f, RATE);
        for (size_t i = 0; i < f.n; i++)
            assert_true(isfinite(f.left[i]) && fabsf(f.left[i]) <= 1.0F);
        tb_engine_telemetry(f.engine, &frame);
        const bool silent = kind == 0 || kind == 1 || kind == 2;
        if (silent)
            assert_int_equal(frame.voices, 0);
        if (kind == 3) { /* a clipped tone still has its pitch */
            assert_int_equal(frame.voices, 1);
            assert_near(1200 * log2((double)frame.neural.input_f0_hz / 196.0), 0, 10);
        }
        assert_true(isfinite(frame.neural.input_db) && isfinite(frame.neural.input_f0_hz));
        assert_int_equal(frame.nonfinite, 0);
        fixture_free(&f);
    }
}

/* Patches change while somebody sings: the voice goes on in the new one, and ends on plain FM. */
static void the_voice_survives_a_swap(void **state)
{
    (void)state;
    struct fixture f;
    struct tb_frame frame;
    struct tb_error err;
    float values[TB_N_PARAMS];
    memset(phrase, 0, sizeof phrase);
    steady_hz = 330;
    sing(steady, 0, 4 * RATE);
    set_up(&f, TB_MODEL_HPN, false, 64);
    play(&f, RATE / 2);
    static struct neural_model m;
    neural_model_plain(&m, TB_MODEL_WAVETABLE, 0);
    tb_params_default(values);
    values[TB_P_TRANSFER_SOURCE] = 1;
    struct tb_program *next = tb_program_new_neural(
        f.engine, values, neural_model_instrument(&m, fixture_rate, TB_CPU_BEST), NULL, &err);
    assert_non_null(next);
    assert_true(tb_engine_swap(f.engine, next));
    play(&f, RATE / 2);
    tb_program_free(tb_engine_retired(f.engine));
    tb_engine_telemetry(f.engine, &frame);
    assert_int_equal(frame.voices, 1);
    assert_int_equal(frame.neural.family, TB_FAMILY_WAVETABLE);
    assert_near((double)frame.neural.pitch_hz, 330, 1);
    next = tb_program_new(f.engine, values, &err);
    assert_non_null(next);
    assert_true(tb_engine_swap(f.engine, next));
    play(&f, RATE);
    tb_engine_telemetry(f.engine, &frame);
    assert_int_equal(frame.voices, 0);
    fixture_param(&f, TB_P_TRANSFER_SOURCE, 0);
    play(&f, 64);
    neural_model_free(&m);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_output_has_the_inputs_pitch),
        cmocka_unit_test(it_sounds_within_25_ms),
        cmocka_unit_test(it_ends_with_the_input),
        cmocka_unit_test(block_size_changes_no_sample),
        cmocka_unit_test(hostile_sounds_stay_bounded),
        cmocka_unit_test(the_voice_survives_a_swap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
