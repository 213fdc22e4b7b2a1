/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/hpn.h"
#include "dsp/neural_controls.h"
#include "dsp/noise.h"
#include "dsp/wavetable.h"
#include "tests/golden/nn_reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double TWO_PI = 6.283185307179586;
static const struct tb_level_curve EXP_SIGMOID = {2.0f, 2.30258509f, 1e-7f, 0.0f};

/* Runs check for the kernels of every variant that this machine has. */
static void on_every_variant(void (*check)(const struct tb_synth_kernels *kernels))
{
    for (enum tb_nn_cpu cpu = 0; cpu < TB_NN_N_CPUS; cpu++)
        if (tb_nn_cpu_has(cpu))
            check(tb_synth_kernels(cpu));
}

static void check_levels(const struct tb_synth_kernels *kernels)
{
    /* Section 7 of the facts on published systems. */
    static const float x[16] = {-10, -5, -2, -1, 0, 1, 2, 5, 10};
    static const double want[9] = {1.00199979e-07, 1.97931254e-05, .01493155,
                                   .0972229411,    .405399233,     .972228511,
                                   1.4931451,      1.96931264,     1.99979104};
    float y[16];
    kernels->levels(y, x, 9, &EXP_SIGMOID);
    for (int i = 0; i < 9; i++)
        assert_true(fabs((double)y[i] / want[i] - 1) < 2e-6);
    for (int i = 0; i < 1622; i++) { /* -30..30 */
        const float a = -30 + 0.037f * (float)i;
        float one[16] = {a};
        kernels->levels(one, one, 1, &EXP_SIGMOID);
        const double exact = 2 * pow(1 / (1 + exp(-(double)a)), log(10)) + 1e-7;
        assert_true(fabs((double)one[0] / exact - 1) < 3e-6);
    }
}

static void exp_sigmoid(void **state)
{
    (void)state;
    on_every_variant(check_levels);
}

static void scalings(void **state)
{
    (void)state;
    static const float pitch[][2] = {
        {50, .2468501f}, {110, .3543307f}, {440, .5433071f}, {1000, .6552212f}, {2000, .7497094f}};
    static const float weight[][2] = {{31.25f, -39.6992f}, {100, -19.1424f}, {250, -8.6738f},
                                      {500, -3.2473f},     {1000, .0003f},   {2000, 1.2017f},
                                      {4000, .9636f},      {8000, -1.1468f}};
    for (int i = 0; i < 5; i++)
        assert_true(fabsf(tb_scale_pitch(TB_SCALE_MIDI, pitch[i][0], 0, 1) - pitch[i][1]) < 1e-6f);
    for (int i = 0; i < 8; i++)
        assert_true(fabsf(tb_a_weighting_db(weight[i][0]) - weight[i][1]) < 1e-3f);
    assert_true(tb_scale_pitch(TB_SCALE_MIDI, 0, 0, 1) == 0);
    assert_true(tb_scale_pitch(TB_SCALE_MIDI, NAN, 0, 1) == 0);
    assert_true(tb_scale_pitch(TB_SCALE_HZ, 440, 0, 1) == 440);
    assert_true(tb_scale_pitch(TB_SCALE_STANDARD, 440, 400, 20) == 2);
    assert_true(fabsf(tb_scale_pitch(TB_SCALE_NOTE, 445, 0, 1) - 69.0f / 127) < 1e-6f);
    assert_true(tb_a_weighting_db(0) == -160);
    assert_true(fabsf(tb_scale_loudness(-77.87f, -80, 80) - .0266f) < 1e-4f);
    assert_true(tb_scale_loudness(NAN, -80, 80) == 0 && tb_scale_loudness(-200, -80, 80) == 0);
    assert_true(tb_scale_loudness(5, -80, 80) == 1);
}

/* Offsets at two pitches, an octave apart, and three levels; straight between, held outside. */
static void loudness_offsets(void **state)
{
    (void)state;
    static const struct tb_loudness_map none = {0},
                                        map = {2, 3, 8, 1, -80, 40, {{0, 4, -2}, {0, 8, 2}}};
    static const struct {
        float hz, asked, given;
    } cases[] = {{256, -40, -36}, {512, -40, -32}, {362.0387f, -40, -34}, {256, -60, -58},
                 {512, -20, -15}, {256, 0, -2},    {100, 5, 3},           {4000, -40, -32},
                 {256, -80, -80}, {512, -90, -90}, {0, -40, -36},         {NAN, -40, -36}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const float given = tb_map_loudness(&map, cases[i].asked, cases[i].hz);
        if (!(fabsf(given - cases[i].given) < 1e-4f))
            fail_msg("%g Hz, %g dB: %g, not %g", (double)cases[i].hz, (double)cases[i].asked,
                     (double)given, (double)cases[i].given);
        assert_true(tb_map_loudness(&none, cases[i].asked, cases[i].hz) == cases[i].asked);
    }
    assert_true(tb_scale_loudness(tb_map_loudness(&map, NAN, 256), -80, 80) == 0);
}

/* Section 6: frames 0, 1, .5, hop 4. */
static void interpolation(void **state)
{
    (void)state;
    static const float frames[3] = {0, 1, .5f};
    static const float hann[9] = {0, .1464f, .5f, .8536f, 1, .9268f, .75f, .5732f, .5f};
    static const float linear[9] = {0, .25f, .5f, .75f, 1, .875f, .75f, .625f, .5f};
    static const float centre[12] = {0,      0,      .125f,  .375f,  .625f, .875f,
                                     .9375f, .8125f, .6875f, .5625f, .5f,   .5f};
    static const float held[9] = {0, 0, 0, 0, 1, 1, 1, 1, .5f};
    const float *const want[] = {linear, centre, hann, held};
    for (enum tb_interpolation kind = TB_INTERPOLATE_LINEAR; kind <= TB_INTERPOLATE_NEAREST;
         kind++) {
        const int shift = kind == TB_INTERPOLATE_LINEAR_CENTRE ? 2 : 0; /* half a hop */
        for (int f = 0; f < 2; f++) {
            float w[4];
            tb_frame_weights(kind, 0, 4, w, 1); /* in two pieces, as blocks cut it */
            tb_frame_weights(kind, 1, 4, w + 1, 3);
            for (int i = 0; i < 4; i++) {
                const float got = frames[f] + w[i] * (frames[f + 1] - frames[f]);
                assert_true(fabsf(got - want[kind][4 * f + i + shift]) < 1e-4f);
            }
        }
    }
}

enum { SAMPLES = 1500 };

struct sweep {
    unsigned n_harmonics;
    double from_hz, to_hz, limit_cps;
    size_t block;
};

/* Two frames of levels, a pitch that glides, against a sum of sines in float64. */
static void check_sweep(const struct tb_synth_kernels *kernels, const struct sweep *s)
{
    static float f0[SAMPLES], weight[SAMPLES], out[SAMPLES], amp[2][TB_SYNTH_MAX_HARMONICS];
    struct tb_hpn hpn;
    uint32_t seed = 5;
    double total = 0, phase = 0, worst = 0;
    tb_hpn_init(&hpn, kernels, s->n_harmonics, (float)s->limit_cps);
    for (unsigned k = 0; k < s->n_harmonics; k++) {
        amp[0][k] = 0.5f + 0.5f * net_noise(&seed);
        amp[1][k] = 0.5f + 0.5f * net_noise(&seed);
        total += fmax((double)amp[0][k], (double)amp[1][k]);
    }
    tb_hpn_frame(&hpn, amp[0]);
    tb_hpn_frame(&hpn, amp[1]);
    for (int i = 0; i < SAMPLES; i++) {
        f0[i] = (float)((s->from_hz + (s->to_hz - s->from_hz) * i / SAMPLES) / 48000);
        weight[i] = (float)i / SAMPLES;
        out[i] = 0.25f;
    }
    for (size_t at = 0; at < SAMPLES; at += s->block) {
        const size_t n = SAMPLES - at < s->block ? SAMPLES - at : s->block;
        tb_hpn_render(&hpn, f0 + at, weight + at, out + at, n);
    }
    for (int i = 0; i < SAMPLES; i++) {
        double want = 0.25;
        for (unsigned k = 0; k < s->n_harmonics; k++) {
            const double level =
                (double)amp[0][k] + (double)weight[i] * ((double)amp[1][k] - (double)amp[0][k]);
            if (f0[i] * (float)(k + 1) < (float)s->limit_cps)
                want += level * sin(TWO_PI * (k + 1) * phase);
        }
        worst = fmax(worst, fabs((double)out[i] - want));
        phase += (double)f0[i];
        phase -= floor(phase);
    }
    if (!(worst < 1e-6 * total))
        fail_msg("%u harmonics, %g to %g Hz: %g of %g", s->n_harmonics, s->from_hz, s->to_hz, worst,
                 total);
}

static void check_bank(const struct tb_synth_kernels *kernels)
{
    static const struct sweep sweeps[] = {
        {1, 440, 440, 0.5, 64},   {100, 110, 130, 0.5, 64},     {100, 300, 700, 0.5, 37},
        {128, 55, 54, 0.5, 1500}, {60, 900, 2000, 1.0 / 6, 17}, {100, 20000, 26000, 0.5, 64},
        {128, 0, 30, 0.5, 1},
    };
    for (size_t i = 0; i < sizeof sweeps / sizeof *sweeps; i++)
        check_sweep(kernels, &sweeps[i]);
    /* What is no pitch is silence or a finite value, never NaN. */
    static const float odd[4] = {NAN, -INFINITY, INFINITY, 3e38f};
    static const float weight[4] = {0, 0, 0, 0};
    float out[4] = {0}, amp[TB_SYNTH_MAX_HARMONICS] = {1};
    struct tb_hpn hpn;
    tb_hpn_init(&hpn, kernels, 100, 0.5f);
    tb_hpn_frame(&hpn, amp);
    tb_hpn_frame(&hpn, amp);
    tb_hpn_render(&hpn, odd, weight, out, 4);
    for (int i = 0; i < 4; i++)
        assert_true(isfinite(out[i]));
}

static void harmonic_bank(void **state)
{
    (void)state;
    on_every_variant(check_bank);
}

static void check_hpn_levels(const struct tb_synth_kernels *kernels)
{
    static float raw[128], amp[TB_SYNTH_MAX_HARMONICS];
    uint32_t seed = 8;
    struct tb_hpn hpn;
    tb_hpn_init(&hpn, kernels, 100, 0.5f);
    for (int i = 0; i < 101; i++)
        raw[i] = 3 * net_noise(&seed);
    /* 300 Hz at 48 kHz: 79 harmonics are below 24 kHz. */
    tb_hpn_levels(&hpn, &EXP_SIGMOID, raw, 300.0f / 48000, NULL, amp);
    double sum = 0;
    for (int k = 0; k < 100; k++)
        sum += (double)amp[k];
    const double level = 2 * pow(1 / (1 + exp(-(double)raw[0])), log(10)) + 1e-7;
    assert_true(fabs(sum - level) < 1e-5 * level);
    assert_true(amp[78] > 0 && amp[79] == 0 && amp[99] == 0);
    tb_hpn_levels(&hpn, &EXP_SIGMOID, raw, 0.6f, NULL, amp);
    for (int k = 0; k < 100; k++)
        assert_true(amp[k] == 0);
    const struct tb_hpn_bend even = {.tilt_db = 0, .balance = 1};
    tb_hpn_levels(&hpn, &EXP_SIGMOID, raw, 0.001f, &even, amp);
    assert_true(amp[0] == 0 && amp[1] > 0 && amp[2] == 0);
    float plain[TB_SYNTH_MAX_HARMONICS];
    const struct tb_hpn_bend tilt = {.tilt_db = -6.0206f, .balance = 0};
    tb_hpn_levels(&hpn, &EXP_SIGMOID, raw, 0.001f, NULL, plain);
    tb_hpn_levels(&hpn, &EXP_SIGMOID, raw, 0.001f, &tilt, amp);
    assert_true(fabsf(amp[7] / amp[0] - plain[7] / plain[0] / 8) < 1e-4f);
}

static void harmonic_levels(void **state)
{
    (void)state;
    on_every_variant(check_hpn_levels);
}

/* Inverse real transform of 65 magnitudes, periodic Hann, centred: tap i of 128. */
static double reference_tap(const float *magnitudes, int i)
{
    double sum = (double)magnitudes[0] + (double)magnitudes[64] * cos(TWO_PI * 64 * (i - 64) / 128);
    for (int k = 1; k < 64; k++)
        sum += 2 * (double)magnitudes[k] * cos(TWO_PI * k * (i - 64) / 128);
    return sum / 128 * (0.5 - 0.5 * cos(TWO_PI * i / 128));
}

static void render_in_blocks(struct tb_noise *noise, size_t block, float *out, size_t n)
{
    for (size_t at = 0; at < n; at += block)
        tb_noise_render(noise, out + at, block < n - at ? block : n - at);
}

static void check_noise(const struct tb_synth_kernels *kernels)
{
    enum { FRAMES = 8, HOP = 64, N = FRAMES * HOP };
    static const size_t blocks[] = {64, 16, 37, 512};
    static float magnitudes[FRAMES][80], x[N + 16];
    static double want[N + 128];
    uint32_t seed = 2;
    struct tb_noise_shape *shape = tb_noise_shape_new(kernels, 65, 16000, 16000);
    struct tb_noise noise;
    assert_non_null(shape);
    assert_true(tb_noise_init(&noise, shape, 9));
    kernels->noise(x, noise.counter, N);
    memset(want, 0, sizeof want);
    for (int f = 0; f < FRAMES; f++) {
        for (int k = 0; k < 65; k++)
            magnitudes[f][k] = f == 0 ? 1.0f : 1 + net_noise(&seed);
        for (int j = 0; j < HOP; j++)
            for (int i = 1; i < 128; i++) /* tap 0 is under the window's zero */
                want[f * HOP + j + i - 1] +=
                    (double)x[f * HOP + j] * reference_tap(magnitudes[f], i);
    }
    for (size_t b = 0; b < 4; b++) {
        float out[N] = {0};
        tb_noise_clear(&noise);
        assert_true(tb_noise_init(&noise, shape, 9));
        for (size_t f = 0; f < FRAMES; f++) {
            tb_noise_frame(&noise, magnitudes[f], b % 2 ? HOP : 0);
            render_in_blocks(&noise, blocks[b], out + f * HOP, HOP);
        }
        for (int i = 0; i < N; i++)
            assert_true(fabs((double)out[i] - want[i]) < 2e-5);
        /* Flat magnitudes pass the noise, 63 samples late. */
        for (int i = 63; i < HOP; i++)
            assert_true(fabsf(out[i] - x[i - 63]) < 1e-5f);
    }
    tb_noise_clear(&noise);
    tb_noise_shape_free(shape);
}

static void filtered_noise(void **state)
{
    (void)state;
    on_every_variant(check_noise);
}

/* Where the device's rate is a multiple of the model's, what the model was trained with is among
 * the samples. */
static void check_finer_noise(const struct tb_synth_kernels *kernels, unsigned times)
{
    enum { FRAMES = 5, HOP = 64, N = FRAMES * HOP, MOST = 6 };
    static float coarse[N + 64], fine[MOST * (N + 64)];
    struct tb_noise_shape *shape[2] = {
        tb_noise_shape_new(kernels, 65, 16000, 16000),
        tb_noise_shape_new(kernels, 65, 16000, 16000.0f * (float)times)};
    struct tb_noise noise[2];
    float magnitudes[80] = {0};
    uint32_t seed = 4;
    double worst = 0;
    for (int i = 0; i < 2; i++)
        assert_true(shape[i] && tb_noise_init(&noise[i], shape[i], 7));
    assert_int_equal(shape[1]->spacing, times);
    memset(coarse, 0, sizeof coarse);
    memset(fine, 0, sizeof fine);
    for (size_t f = 0; f < FRAMES; f++) {
        for (int k = 0; k < 65; k++)
            magnitudes[k] = 1 + net_noise(&seed);
        tb_noise_frame(&noise[0], magnitudes, HOP);
        tb_noise_render(&noise[0], coarse + f * HOP, HOP);
        tb_noise_frame(&noise[1], magnitudes, HOP * times);
        for (size_t at = 0; at < HOP * times; at += 32)
            tb_noise_render(&noise[1], fine + f * HOP * times + at, 32);
    }
    /* middles are 63 samples late, and 64 * times - 1 */
    for (size_t i = 0; i + 1 < N; i++)
        worst = fmax(worst, fabs((double)(coarse[i] - fine[(i + 1) * times - 1])));
    if (!(worst < 2e-6))
        fail_msg("%u times finer: %g", times, worst);
    for (int i = 0; i < 2; i++) {
        tb_noise_clear(&noise[i]);
        tb_noise_shape_free(shape[i]);
    }
}

static void check_multiples(const struct tb_synth_kernels *kernels)
{
    check_finer_noise(kernels, 2);
    check_finer_noise(kernels, 3);
    check_finer_noise(kernels, 6);
}

static void noise_between_samples(void **state)
{
    (void)state;
    on_every_variant(check_multiples);
}

static double tap_response(const struct tb_noise *noise, double tone_cps)
{
    const int half = (int)noise->shape->half;
    const float *middle = tb_noise_middle(noise);
    double sum = 0;
    for (int i = -half; i <= half; i++)
        sum += (double)middle[i] * cos(TWO_PI * tone_cps * i);
    return sum;
}

/* At 44.1 and 48 kHz: the bands where they were, as loud a Hz, and nothing above 8 kHz. */
static void noise_at_device_rates(void **state)
{
    (void)state;
    static const float rates[] = {44100, 48000, 96000};
    for (int r = 0; r < 3; r++) {
        struct tb_noise_shape *shape =
            tb_noise_shape_new(tb_synth_kernels(TB_NN_CPU_BEST), 65, 16000, rates[r]);
        struct tb_noise noise;
        float magnitudes[80];
        assert_non_null(shape);
        assert_true(tb_noise_init(&noise, shape, 1));
        for (int k = 0; k < 65; k++)
            magnitudes[k] = k < 32 ? 1.0f : 0.25f;
        tb_noise_frame(&noise, magnitudes, 0);
        const double rate = (double)rates[r], gain = sqrt(rate / 16000 * shape->spacing);
        assert_true(fabs(tap_response(&noise, 1000 / rate) - gain) < 1e-3);
        assert_true(fabs(tap_response(&noise, 2500 / rate) - gain) < 1e-3);
        assert_true(fabs(tap_response(&noise, 6000 / rate) - gain / 4) < 1e-3);
        assert_true(fabs(tap_response(&noise, 9000 / rate)) < 1e-3);
        assert_true(fabs(tap_response(&noise, 15000 / rate)) < 1e-3);
        tb_noise_clear(&noise);
        tb_noise_shape_free(shape);
    }
    assert_null(tb_noise_shape_new(tb_synth_kernels(TB_NN_CPU_BEST), 1, 16000, 48000));
    assert_null(tb_noise_shape_new(tb_synth_kernels(TB_NN_CPU_BEST), 65, NAN, 48000));
    assert_null(tb_noise_shape_new(tb_synth_kernels(TB_NN_CPU_BEST), 257, 8000, 192000));
}

enum { TABLES = 3, TABLE_SIZE = 512 };

/* A sine, a saw and a fifth harmonic with an offset, weighted by a; phase in cycles. */
static double wanted(const double a[TABLES], unsigned n_harmonics, double phase)
{
    const double step = 2.0 / (TABLE_SIZE - 1);
    double want = a[0] * sin(TWO_PI * phase);
    if (n_harmonics >= 5)
        want += a[2] * sin(TWO_PI * 5 * phase);
    for (unsigned k = 1; k <= n_harmonics; k++) /* of the sampled saw, not the ideal one */
        want -= a[1] * step *
                (sin(TWO_PI * k * phase) / tan(TWO_PI / 2 * k / (TABLE_SIZE - 1)) +
                 cos(TWO_PI * k * phase));
    return want;
}

static void check_wavetable(const struct tb_synth_kernels *kernels)
{
    enum { SIZE = TABLE_SIZE, N = 960 };
    static float tables[TABLES][SIZE];
    static const double rates_hz[] = {60, 437, 3000, 9000};
    for (int k = 0; k < TABLES; k++)
        for (int i = 0; i < SIZE; i++) {
            const double t = (double)(i % (SIZE - 1)) / (SIZE - 1);
            tables[k][i] = (float)(k == 0   ? sin(TWO_PI * t)
                                   : k == 1 ? 2 * t - 1 /* every harmonic, 2 / (pi k) */
                                            : sin(TWO_PI * 5 * t) + 0.5);
        }
    struct tb_wavetables *shape = tb_wavetables_new(kernels, tables[0], TABLES, SIZE);
    struct tb_wavetable w;
    assert_non_null(shape);
    for (int r = 0; r < 4; r++) {
        static float f0[N], weight[N], out[N];
        static const float attention[2][TABLES] = {{0.5f, 0, 0.25f}, {0.1f, 0.4f, 0.2f}};
        const double cps = rates_hz[r] / 48000;
        double phase = 0, worst = 0;
        assert_true(tb_wavetable_init(&w, shape, 0.5f));
        for (int i = 0; i < N; i++) {
            f0[i] = (float)cps;
            weight[i] = (float)i / N;
            out[i] = 0;
        }
        tb_wavetable_frame(&w, attention[0], (float)cps);
        tb_wavetable_frame(&w, attention[1], (float)cps);
        assert_true(w.level[0] == w.level[1]);
        tb_wavetable_render(&w, f0, weight, out, 500);
        tb_wavetable_render(&w, f0 + 500, weight + 500, out + 500, N - 500);
        const unsigned most = shape->level[w.level[1]].n_harmonics;
        /* No more than what fits, and no less than half an octave below it. */
        assert_true(most * cps < 0.5 && (most >= 255 || most * cps * 1.5 >= 0.5 || most < 3));
        for (int i = 0; i < N; i++) {
            double a[TABLES];
            for (int k = 0; k < TABLES; k++)
                a[k] = (double)attention[0][k] +
                       (double)weight[i] * ((double)attention[1][k] - (double)attention[0][k]);
            worst = fmax(worst, fabs((double)out[i] - wanted(a, most, phase)));
            phase += (double)f0[i];
        }
        if (!(worst < 1e-3))
            fail_msg("%g Hz: off by %g", rates_hz[r], worst);
        tb_wavetable_clear(&w);
    }
    tb_wavetables_free(shape);
}

static void wavetable(void **state)
{
    (void)state;
    on_every_variant(check_wavetable);
}

/* Section 3: exp_sigmoid, then divided by its sum; the amplitude is the first output. */
static void attention(void **state)
{
    (void)state;
    static const float tables[2][16] = {{0}}, raw[16] = {1, 0, 2};
    struct tb_wavetables *shape =
        tb_wavetables_new(tb_synth_kernels(TB_NN_CPU_BEST), tables[0], 2, 16);
    float a[2];
    tb_wavetable_attention(shape, &EXP_SIGMOID, raw, a);
    assert_true(fabsf(a[0] - .972228511f * .405399233f / (.405399233f + 1.4931451f)) < 1e-5f);
    assert_true(fabsf(a[0] + a[1] - .972228511f) < 1e-5f);
    tb_wavetables_free(shape);
    assert_null(tb_wavetables_new(tb_synth_kernels(TB_NN_CPU_BEST), tables[0], 0, 16));
    assert_null(tb_wavetables_new(tb_synth_kernels(TB_NN_CPU_BEST), tables[0], 2, 15));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_sigmoid),
        cmocka_unit_test(scalings),
        cmocka_unit_test(loudness_offsets),
        cmocka_unit_test(interpolation),
        cmocka_unit_test(harmonic_bank),
        cmocka_unit_test(harmonic_levels),
        cmocka_unit_test(filtered_noise),
        cmocka_unit_test(noise_between_samples),
        cmocka_unit_test(noise_at_device_rates),
        cmocka_unit_test(wavetable),
        cmocka_unit_test(attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
