/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What an instrument plays bit by bit, voice by voice, frame by frame is what a float64 run of the
 * network over the whole phrase and the textbook's synthesis give. Its levels come two frames after
 * their controls (neural_priv.h), which the reference knows. */
#include "dsp/neural_priv.h"
#include "tests/golden/nn_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 40, HOP = 192, SAMPLES = FRAMES * HOP, VOICE = 5, HARMONICS = 100, OPERATORS = 6 };
static const float RATE_HZ = 48000, F0_HZ = 187.5F; /* 256 samples a period: exact phases */

static float loudness_at(unsigned t)
{
    const unsigned frame = t / HOP;
    return -40 + 35 * sinf((float)frame * 0.4F);
}

/* At the end of a slice; depth 0: it stands. */
static float f0_at(unsigned t, float depth)
{
    return F0_HZ * (1 + depth * sinf((float)t * 0.0011F));
}

static void play(struct tb_neural *n, float depth, float *out)
{
    memset(out, 0, SAMPLES * sizeof *out);
    tb_neural_start(n, VOICE, true);
    for (unsigned t = 0; t < SAMPLES; t += TB_SLICE) {
        const struct tb_neural_aim aim = {
            .f0_hz = f0_at(t + TB_SLICE, depth), .loudness = loudness_at(t), .gain = 1};
        tb_neural_aim(n, VOICE, &aim, TB_SLICE);
        tb_neural_slice(n, TB_SLICE, true);
        /* in parts, as events cut a slice */
        tb_neural_render(n, out + t, 11);
        tb_neural_render(n, out + t + 11, TB_SLICE - 11);
    }
}

/* Outputs of the whole network for every frame; early: the controls of a frame are taken that much
 * before it begins. */
static double *forward(const struct net *net, unsigned early, float depth)
{
    static double x[FRAMES][2];
    double *y = calloc((size_t)FRAMES * net_outputs(&net->spec), sizeof *y);
    assert_non_null(y);
    for (unsigned k = 0; k < FRAMES; k++) {
        const unsigned t = k * HOP > early ? k * HOP - early : 0;
        x[k][0] = (69 + 12 * log2((double)f0_at(t + TB_SLICE, depth) / 440)) / 127;
        x[k][1] = (double)loudness_at(t) / 80 + 1;
    }
    net_forward(net, x[0], y, FRAMES);
    return y;
}

/* Between the levels of two frames at sample t. */
static double between(const double *levels, size_t stride, unsigned t)
{
    if (t < 2 * HOP)
        return levels[0];
    const unsigned k = t / HOP - 2;
    const double w = (double)(t % HOP) / HOP;
    return levels[k * stride] + w * (levels[(k + 1) * stride] - levels[k * stride]);
}

static void compare(const float *out, const double *reference, double tolerance)
{
    double most = 0, peak = 0;
    for (unsigned t = TB_SLICE; t < SAMPLES; t++) { /* in the first slice the voice comes in */
        most = fmax(most, fabs((double)out[t] - reference[t]));
        peak = fmax(peak, fabs(reference[t]));
    }
    print_message("error %.2g of a peak of %.3f\n", most, peak);
    assert_true(peak > 0.05);
    assert_true(most <= tolerance * fmax(peak, 1));
}

static struct tb_neural_spec spec_of(const struct net *net, enum tb_family family)
{
    return (struct tb_neural_spec){
        .family = family,
        .network = &net->spec,
        .tensors = net->tensors,
        .model_rate_hz = 16000,
        .hop = 64,
        .floor_db = -80,
        .range_db = 80,
        .low_hz = 50,
        .high_hz = 2000,
        .low_db = -80,
        .n_harmonics = HARMONICS,
        .n_bands = 65,
        .curve = {.scale = 2, .power = 2.302585093F, .floor = 1e-7F},
        .noise_bias = -100,
        .n_operators = OPERATORS,
        .algorithm = 5,
        .ratios = {1, 2, 1, 3, 1, 0.5F},
        .max_level = 0.5F,
    };
}

/* Every processor sounds alike; out is the portable code's. */
static void hear(const struct tb_neural_spec *spec, float depth, float *out)
{
    static const enum tb_cpu cpus[] = {TB_CPU_PORTABLE, TB_CPU_AVX2, TB_CPU_AVX512, TB_CPU_BEST};
    float other[SAMPLES] = {0};
    for (size_t i = 0; i < sizeof cpus / sizeof cpus[0]; i++) {
        struct tb_error err = {0};
        struct tb_neural *n = tb_neural_new(spec, RATE_HZ, cpus[i], &err);
        if (!n && i > 0)
            continue; /* not this processor */
        if (!n)
            fail_msg("%s", err.text);
        play(n, depth, i ? other : out);
        tb_neural_free(n);
        for (unsigned t = 0; i && t < SAMPLES; t++)
            assert_true(fabsf(out[t] - other[t]) < 2e-5F);
    }
}

static double level(double x)
{
    return 2 * pow(1 / (1 + exp(-x)), log(10)) + 1e-7;
}

static void harmonics(void **state)
{
    (void)state;
    static float out[SAMPLES];
    static double reference[SAMPLES], amp[FRAMES][HARMONICS];
    struct net net;
    const struct tb_nn_spec shape = net_gru(24, 2, HARMONICS + 1, 65);
    net_random(&net, &shape, 5);
    const struct tb_neural_spec spec = spec_of(&net, TB_FAMILY_HPN);
    hear(&spec, 0, out);
    const size_t outputs = net_outputs(&shape);
    double *y = forward(&net, 0, 0);
    for (unsigned k = 0; k < FRAMES; k++) {
        double sum = 0;
        for (unsigned h = 0; h < HARMONICS; h++) {
            const bool heard = (double)(h + 1) * (double)F0_HZ < 8000;
            amp[k][h] = heard ? level(y[k * outputs + 1 + h]) : 0;
            sum += amp[k][h];
        }
        for (unsigned h = 0; h < HARMONICS; h++)
            amp[k][h] *= level(y[k * outputs]) / sum;
    }
    for (unsigned t = 0; t < SAMPLES; t++) {
        reference[t] = 0;
        for (unsigned h = 0; h < HARMONICS; h++)
            reference[t] += between(&amp[0][h], HARMONICS, t) *
                            sin(2 * M_PI * (double)((h + 1) * t % 256) / 256);
    }
    compare(out, reference, 1e-5);
    free(y);
    net_free(&net);
}

/* Turns of a voice's pitch at every sample: straight from slice to slice. */
static void turns_of(float depth, double turns[SAMPLES])
{
    double sum = 0;
    for (unsigned t = 0; t < SAMPLES; t++) {
        const unsigned begin = t / TB_SLICE * TB_SLICE, end = begin + TB_SLICE;
        const double to = (double)f0_at(end, depth);
        const double from = begin ? (double)f0_at(begin, depth) : to;
        turns[t] = sum;
        sum += (from + (to - from) * (double)(t - begin) / TB_SLICE) / (double)RATE_HZ;
    }
}

/* A routing that was compiled and the same as a free one, at a pitch that stands or moves. */
static void operators(void **state)
{
    (void)state;
    static float out[SAMPLES];
    static double reference[SAMPLES], turns[SAMPLES];
    struct net net;
    const struct tb_nn_spec shape = net_tcn(32, 4);
    net_random(&net, &shape, 6);
    struct tb_neural_spec spec = spec_of(&net, TB_FAMILY_DDX7);
    spec.routing = tb_algorithms[4];
    for (unsigned i = 0; i < 4; i++) {
        const float depth = i / 2 ? 0.03F : 0;
        spec.algorithm = i % 2 ? 5 : 0;
        hear(&spec, depth, out);
        turns_of(depth, turns);
        double *y = forward(&net, TB_SLICE, depth);
        for (size_t k = 0; k < FRAMES * (size_t)OPERATORS; k++)
            y[k] = 0.5 / (1 + exp(-y[k]));
        for (unsigned t = 0; t < SAMPLES; t++) { /* algorithm 5: 2>1, 4>3, 6>5 */
            double sound[OPERATORS];
            reference[t] = 0;
            for (int op = OPERATORS - 1; op >= 0; op--) {
                const double turn = (double)spec.ratios[op] * turns[t];
                const double by = op % 2 == 0 ? sound[op + 1] : 0;
                sound[op] = between(&y[op], OPERATORS, t) * sin(2 * M_PI * (turn + by));
                reference[t] += op % 2 == 0 ? sound[op] / 0.5 : 0;
            }
        }
        compare(out, reference, 1e-5);
        free(y);
    }
    net_free(&net);
}

/* Sixteen voices and more are several batches; each plays as if it were alone. */
static void batches_are_as_good_as_one(void **state)
{
    (void)state;
    static float alone[SAMPLES], out[SAMPLES];
    struct net net;
    struct tb_error err = {0};
    const struct tb_nn_spec shape = net_gru(24, 2, HARMONICS + 1, 65);
    net_random(&net, &shape, 5);
    const struct tb_neural_spec spec = spec_of(&net, TB_FAMILY_HPN);
    hear(&spec, 0, alone);
    struct tb_neural *n = tb_neural_new(&spec, RATE_HZ, TB_CPU_BEST, &err);
    assert_non_null(n);
    for (unsigned v = 0; v < 37; v++) { /* silent, but decoded: other pitches */
        if (v == VOICE)
            continue;
        tb_neural_start(n, v, true);
        tb_neural_aim(n, v, &(struct tb_neural_aim){.f0_hz = 100.0F + (float)v, .loudness = -20},
                      TB_SLICE);
    }
    play(n, 0, out);
    float most = 0;
    for (unsigned t = 0; t < SAMPLES; t++)
        most = fmaxf(most, fabsf(out[t] - alone[t]));
    assert_true(most < 1e-5F);
    tb_neural_free(n);
    net_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(harmonics),
        cmocka_unit_test(operators),
        cmocka_unit_test(batches_are_as_good_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
