/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The DX7's golden vectors as they are heard: levels, modulation index, feedback, pitch, LFO depth.
 */
#include "engine_fixture.h"

enum { SECOND = 48000 };

/* One carrier, key 69: peak amplitude after the attack. */
static double steady(struct fixture *f, const float values[TB_N_PARAMS], double hz)
{
    fixture_load(f, values);
    fixture_on(f, 69, 100);
    fixture_render(f, 4800);
    size_t from = f->n;
    fixture_render(f, 9600);
    double a = line_amplitude(f->left + from, 9600, hz);
    fixture_event(f, (struct tb_event){.type = TB_EVENT_PANIC});
    fixture_render(f, 4800);
    return a;
}

static void output_levels(void **state)
{
    (void)state;
    static const struct {
        int level;
        double db;
    } table[] = {{99, 0},      {95, -3.01},  {90, -6.77},  {85, -10.54}, {80, -14.30},
                 {75, -18.06}, {70, -21.82}, {60, -29.35}, {50, -36.88}, {40, -44.40},
                 {30, -51.93}, {20, -59.45}, {10, -72.25}, {5, -80.53}};
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    float values[TB_N_PARAMS];
    tb_params_default(values);
    double full = steady(&f, values, 440.0);
    assert_near(full, 0.1305, 0.0003); /* 2.0886 cycles, shared by two, an eighth of it heard */
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        values[TB_P_FM_OP1_LEVEL] = (float)table[i].level;
        assert_near(to_db(steady(&f, values, 440.0) / full), table[i].db, 0.1);
    }
    /* 1 would be -91.8 dB, but lies beyond the 12 bits of attenuation: silent like 0 */
    for (int level = 0; level <= 1; level++) {
        values[TB_P_FM_OP1_LEVEL] = (float)level;
        assert_true(to_db(steady(&f, values, 440.0) / full) < -91.8);
    }
    fixture_free(&f);
}

static void sustain_levels(void **state)
{
    (void)state;
    static const struct {
        int level;
        double db;
    } table[] = {{98, 0},      {95, -3.01},  {90, -6.02},  {80, -13.55}, {70, -21.07}, {60, -28.60},
                 {50, -36.12}, {40, -43.65}, {30, -51.18}, {20, -58.70}, {10, -72.25}};
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    float values[TB_N_PARAMS];
    tb_params_default(values);
    double full = steady(&f, values, 440.0);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        values[TB_P_FM_OP1_L3] = (float)table[i].level;
        assert_near(to_db(steady(&f, values, 440.0) / full), table[i].db, 0.1);
    }
    fixture_free(&f);
}

/* n equal carriers: each softer by the chip's step. */
static void carriers_share(void **state)
{
    (void)state;
    static const struct {
        int algorithm, n;
        double db;
    } table[] = {{16, 1, 0.0},    {1, 2, -6.02},   {5, 3, -9.78},
                 {22, 4, -12.04}, {24, 5, -14.30}, {32, 6, -15.80}};
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    float values[TB_N_PARAMS];
    tb_params_default(values);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        values[TB_P_FM_ALGORITHM] = (float)table[i].algorithm;
        assert_near(to_db(steady(&f, values, 440.0) / 0.5221), table[i].db - 6.02, 0.1);
    }
    fixture_free(&f);
}

/* Carrier ratio 4, modulator ratio 1: line m has J(m-4), less the folded J(-m-4). */
static void modulation_index(void **state)
{
    (void)state;
    static const struct {
        int level;
        double index;
    } table[] = {{99, 13.123}, {95, 9.28},  {90, 6.02},  {85, 3.90},  {80, 2.53},
                 {75, 1.640},  {70, 1.064}, {60, 0.447}, {50, 0.188}, {40, 0.0791}};
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_FM_ALGORITHM] = 16.0F; /* one carrier, 2>1 */
    values[TB_P_FM_OP1_COARSE] = 4.0F;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        values[op_param(2, TB_P_FM_OP1_LEVEL)] = (float)table[i].level;
        double index = 13.123 * pow(10.0, round((table[i].level - 99) * 0.7526 * 1e4) / 2e5);
        assert_near(index / table[i].index, 1.0, 0.02);
        for (int m = 1; m <= 12; m++) {
            double expected = fabs(jn(m - 4, index) - jn(-m - 4, index)) * 0.2611;
            if (expected < 1e-4)
                continue;
            double heard = steady(&f, values, 440.0 * m);
            assert_near(heard, expected, expected * 0.0593 + 2e-5); /* 0.5 dB */
        }
    }
    fixture_free(&f);
}

/* Line at the nearest of 32768 bins under a Blackman window: the golden figures of feedback were
 * read from such a spectrum, up to 1 dB below the true line where it lies between two bins. */
static double bin_amplitude(const float *x, double hz)
{
    const size_t n = 32768;
    double step = 2.0 * M_PI / (double)n, bin = round(hz * (double)n / (double)fixture_rate);
    double re = 0.0, im = 0.0;
    for (size_t i = 0; i < n; i++) {
        double t = step * (double)i;
        double w = 0.42 - 0.5 * cos(t) + 0.08 * cos(2.0 * t);
        re += w * (double)x[i] * cos(t * bin);
        im += w * (double)x[i] * sin(t * bin);
    }
    return sqrt(re * re + im * im);
}

/* Algorithm 32, operator 6 alone, note 57: harmonics 2.. in dB re 1. */
static void feedback_harmonics(void **state)
{
    (void)state;
    static const struct {
        int feedback;
        double db[7];
    } table[] = {
        {7, {-8.4, -13.4, -16.4, -19.0, -21.5, -24.0, -26.7}},
        {6, {-12.5, -21.4, -28.0, -34.1, -40.1, -46.0, 0}},
        {5, {-18.1, -32.5, -44.6, 0, 0, 0, 0}},
        {3, {-30.0, -56.3, 0, 0, 0, 0, 0}},
        {1, {-42.1, 0, 0, 0, 0, 0, 0}},
    };
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_FM_ALGORITHM] = 32.0F;
    values[TB_P_FM_OP1_LEVEL] = 0.0F;
    values[op_param(6, TB_P_FM_OP1_LEVEL)] = 99.0F;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        values[TB_P_FM_FEEDBACK] = (float)table[i].feedback;
        fixture_load(&f, values);
        fixture_on(&f, 57, 100);
        fixture_render(&f, SECOND / 10);
        size_t from = f.n;
        fixture_render(&f, 32768);
        double first = bin_amplitude(f.left + from, 220.0);
        for (int h = 0; h < 7 && table[i].db[h] < 0.0; h++)
            assert_near(to_db(bin_amplitude(f.left + from, 220.0 * (h + 2)) / first),
                        table[i].db[h], 0.3);
        fixture_off(&f, 57);
        fixture_render(&f, SECOND / 10);
    }
    fixture_free(&f);
}

/* Frequency by the phase that a line gains between two windows. */
static double frequency_near(const float *x, size_t n, double hz)
{
    double phase[2];
    size_t half = n / 2;
    for (int k = 0; k < 2; k++) {
        double re = 0.0, im = 0.0;
        for (size_t i = 0; i < half; i++) {
            double w = 0.5 - 0.5 * cos(2.0 * M_PI * ((double)i + 0.5) / (double)half);
            size_t at = (size_t)k * half + i;
            double p = 2.0 * M_PI * hz / (double)fixture_rate * (double)at;
            re += w * (double)x[at] * cos(p);
            im -= w * (double)x[at] * sin(p);
        }
        phase[k] = atan2(im, re);
    }
    double turn = (phase[1] - phase[0]) / (2.0 * M_PI);
    turn -= round(turn);
    return hz + turn * (double)fixture_rate / (double)half;
}

static double cents(double hz, double reference)
{
    return 1200.0 * log2(hz / reference);
}

static double heard_frequency(struct fixture *f, const float values[TB_N_PARAMS], int key,
                              double expected)
{
    fixture_load(f, values);
    fixture_on(f, key, 100);
    fixture_render(f, 2400);
    size_t from = f->n;
    fixture_render(f, 9600);
    double hz = frequency_near(f->left + from, 9600, expected);
    fixture_event(f, (struct tb_event){.type = TB_EVENT_PANIC});
    fixture_render(f, 2400);
    return hz;
}

static void pitch_of_notes_and_ratios(void **state)
{
    (void)state;
    static const struct {
        int coarse, fine;
        double ratio;
    } ratios[] = {{0, 0, 0.5},  {0, 99, 0.995}, {1, 0, 1.0},    {1, 41, 1.41},
                  {2, 25, 2.5}, {14, 3, 14.42}, {31, 99, 61.69}};
    static const struct {
        int coarse, fine;
        double hz;
    } fixed[] = {{1, 50, 31.62}, {2, 50, 316.2}, {3, 99, 9772.0}, {7, 0, 1000.0}, {3, 0, 1000.0}};
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    float values[TB_N_PARAMS];
    tb_params_default(values);
    for (int key = 24; key <= 120; key += 12)
        assert_near(cents(heard_frequency(&f, values, key, note_hz(key)), note_hz(key)), 0.0, 0.5);
    for (size_t i = 0; i < sizeof ratios / sizeof ratios[0]; i++) {
        values[TB_P_FM_OP1_COARSE] = (float)ratios[i].coarse;
        values[TB_P_FM_OP1_FINE] = (float)ratios[i].fine;
        double hz = note_hz(60) * ratios[i].ratio;
        assert_near(cents(heard_frequency(&f, values, 60, hz), hz), 0.0, 0.5);
    }
    values[TB_P_FM_OP1_MODE] = 1.0F;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        values[TB_P_FM_OP1_COARSE] = (float)fixed[i].coarse;
        values[TB_P_FM_OP1_FINE] = (float)fixed[i].fine;
        double exact = pow(10.0, fixed[i].coarse % 4 + 0.01 * fixed[i].fine);
        assert_near(exact, fixed[i].hz, fixed[i].hz * 2e-4);
        assert_near(cents(heard_frequency(&f, values, 90, exact), exact), 0.0, 0.5);
    }
    fixture_free(&f);
}

static void detune_follows_the_key(void **state)
{
    (void)state;
    static const struct {
        int note;
        double cents_a_step;
    } table[] = {{24, 2.46}, {36, 1.98}, {48, 1.56}, {60, 1.20},
                 {69, 0.97}, {84, 0.68}, {96, 0.50}};
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    float values[TB_N_PARAMS];
    tb_params_default(values);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (int detune = -7; detune <= 7; detune += 7) {
            values[TB_P_FM_OP1_DETUNE] = (float)detune;
            double hz = note_hz(table[i].note);
            assert_near(cents(heard_frequency(&f, values, table[i].note, hz), hz),
                        detune * table[i].cents_a_step, 0.2);
        }
    }
    fixture_free(&f);
}

static double bent(struct fixture *f, float bend)
{
    fixture_event(f, (struct tb_event){.type = TB_EVENT_BEND, .value = bend});
    fixture_render(f, 2400);
    size_t from = f->n;
    fixture_render(f, 4800);
    struct tb_frame frame;
    tb_engine_telemetry(f->engine, &frame);
    double hz = frequency_near(f->left + from, 4800, (double)frame.f0_hz);
    return 12.0 * log2(hz / 440.0);
}

static void bend_tune_and_transpose(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    fixture_on(&f, 69, 100);
    assert_near(bent(&f, 1.0F), 2.0, 0.005);
    assert_near(bent(&f, -0.5F), -1.0, 0.005);
    fixture_param(&f, TB_P_BEND_RANGE, 12.0F);
    assert_near(bent(&f, -1.0F), -12.0, 0.005);
    fixture_param(&f, TB_P_BEND_STEP, 5.0F);
    assert_near(bent(&f, 1.0F), 10.0, 0.005);
    fixture_param(&f, TB_P_BEND_STEP, 7.0F);
    assert_near(bent(&f, -1.0F), -7.0, 0.005);
    assert_near(bent(&f, 0.01F), 0.0, 0.005);
    fixture_param(&f, TB_P_MASTER_TUNE, 50.0F);
    assert_near(bent(&f, 0.0F), 0.5, 0.005);
    fixture_param(&f, TB_P_MASTER_TUNE, 0.0F);
    fixture_param(&f, TB_P_FM_TRANSPOSE, -12.0F);
    assert_near(bent(&f, 0.0F), -12.0, 0.005);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_levels),          cmocka_unit_test(sustain_levels),
        cmocka_unit_test(carriers_share),         cmocka_unit_test(modulation_index),
        cmocka_unit_test(feedback_harmonics),     cmocka_unit_test(pitch_of_notes_and_ratios),
        cmocka_unit_test(detune_follows_the_key), cmocka_unit_test(bend_tune_and_transpose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
