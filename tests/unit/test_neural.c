/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Neural instruments in the engine: every family, its pitch, loudness, end, and what players and
 * knobs do to it. */
#include "tests/golden/engine_fixture.h"
#include "tests/golden/neural_fixture.h"

#include <stdio.h>

static const enum tb_model_family families[] = {TB_MODEL_HPN, TB_MODEL_WAVETABLE, TB_MODEL_DDX7,
                                                TB_MODEL_FM_ENVELOPE};
enum { N_FAMILIES = 4 };

static void play(struct fixture *f, struct tb_neural *a, struct tb_neural *b,
                 const float values[TB_N_PARAMS])
{
    struct tb_error err = {0};
    struct tb_program *program = tb_program_new_neural(f->engine, values, a, b, &err);
    if (!program)
        fail_msg("%s", err.text);
    for (int i = 0; i < 200 && !tb_engine_swap(f->engine, program); i++)
        fixture_render(f, 1024);
    fixture_render(f, 4800);
    tb_program_free(tb_engine_retired(f->engine));
    f->n = 0;
}

/* An engine that plays one plain model. */
static void open(struct fixture *f, enum tb_model_family family, float slope,
                 const float values[TB_N_PARAMS])
{
    static struct neural_model m;
    float defaults[TB_N_PARAMS];
    tb_params_default(defaults);
    neural_model_plain(&m, family, slope);
    fixture_new(f, TB_CPU_BEST);
    play(f, neural_model_instrument(&m, fixture_rate, TB_CPU_BEST), NULL,
         values ? values : defaults);
    neural_model_free(&m);
}

static float loudest(const struct fixture *f, size_t from, size_t to)
{
    float most = 0.0F;
    for (size_t i = from; i < to; i++)
        most = fmaxf(most, fabsf(f->left[i]));
    return most;
}

/* Frequency of the strongest line near hz, from the turn of its phase. */
static double measured_hz(const float *x, size_t n, double hz)
{
    double phase[2];
    for (int part = 0; part < 2; part++) {
        double re = 0, im = 0;
        for (size_t i = 0; i < n / 2; i++) {
            const size_t at = i + (size_t)part * (n / 2);
            const double w = 0.5 - 0.5 * cos(2 * M_PI * ((double)i + 0.5) / ((double)n / 2));
            const double p = 2 * M_PI * hz / (double)fixture_rate * (double)at;
            re += w * (double)x[at] * cos(p);
            im -= w * (double)x[at] * sin(p);
        }
        phase[part] = atan2(im, re);
    }
    const double turn = remainder(phase[1] - phase[0], 2 * M_PI);
    return hz + turn / (2 * M_PI) * (double)fixture_rate / ((double)n / 2);
}

static void every_family_sounds_in_tune(void **state)
{
    (void)state;
    for (int i = 0; i < N_FAMILIES; i++)
        for (int key = 40; key <= 88; key += 16) {
            struct fixture f;
            open(&f, families[i], 0, NULL);
            fixture_on(&f, key, 100);
            fixture_render(&f, 48000);
            const double hz = note_hz(key), found = measured_hz(f.left + 9600, 32768, hz);
            assert_true(line_amplitude(f.left + 9600, 32768, hz) > 0.01);
            assert_near(1200 * log2(found / hz), 0, 0.1);
            fixture_free(&f);
        }
}

static void a_released_note_ends_in_silence(void **state)
{
    (void)state;
    for (int i = 0; i < N_FAMILIES; i++) {
        struct fixture f;
        struct tb_frame frame;
        open(&f, families[i], families[i] == TB_MODEL_FM_ENVELOPE ? 1 : 0, NULL);
        fixture_on(&f, 60, 100);
        fixture_render(&f, 24000);
        assert_true(loudest(&f, 12000, 24000) > 0.01F);
        fixture_off(&f, 60);
        fixture_render(&f, 72000);
        tb_engine_telemetry(f.engine, &frame);
        assert_int_equal(frame.voices, families[i] == TB_MODEL_FM_ENVELOPE ? frame.voices : 0);
        if (families[i] != TB_MODEL_FM_ENVELOPE)
            assert_true(loudest(&f, 72000, 96000) < 1e-5F);
        fixture_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_sounds_in_tune),
        cmocka_unit_test(a_released_note_ends_in_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
