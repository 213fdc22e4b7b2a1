/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/reverb_learned.h"
#include "tests/golden/nn_reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LENGTH = 14000, MAX_TAPS = 20000 };

static float taps[MAX_TAPS], in[LENGTH], out[LENGTH];
static double want[LENGTH];

/* Decaying noise as a learned response is, and noise with a loud start as input. */
static void make(size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++)
        taps[i] = net_noise(&seed) * expf(-(float)i / 4000.0f);
    taps[0] = 1;
    for (size_t i = 0; i < LENGTH; i++)
        in[i] = i % 3000 < 700 ? net_noise(&seed) : 0;
}

static void convolve(size_t n)
{
    for (size_t i = 0; i < LENGTH; i++) {
        double sum = 0;
        for (size_t t = 1; t < n && t <= i; t++)
            sum += (double)taps[t] * (double)in[i - t];
        want[i] = sum;
    }
}

static double render(struct tb_learned_reverb *r, const size_t *blocks, size_t n_blocks)
{
    size_t at = 0;
    for (size_t b = 0; at < LENGTH; b++) {
        const size_t n = blocks[b % n_blocks] < LENGTH - at ? blocks[b % n_blocks] : LENGTH - at;
        tb_learned_reverb_process(r, in + at, out + at, n);
        at += n;
    }
    double worst = 0;
    for (size_t i = 0; i < LENGTH; i++)
        worst = fmax(worst, fabs((double)out[i] - want[i]));
    return worst;
}

static void partitions_are_the_convolution(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 2, 64, 65, 129, 1024, 1025, 1600, 8192, 8193, 20000};
    static const size_t patterns[][3] = {{64, 64, 64}, {1, 37, 200}, {2048, 16, 441}};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        make(lengths[l], (uint32_t)l + 1);
        convolve(lengths[l]);
        for (enum tb_nn_cpu cpu = 0; cpu < TB_NN_N_CPUS; cpu++) {
            if (!tb_nn_cpu_has(cpu))
                continue;
            struct tb_learned_reverb *r =
                tb_learned_reverb_new(taps, lengths[l], 48000, 48000, cpu);
            assert_non_null(r);
            for (size_t p = 0; p < 3; p++) {
                const double worst = render(r, patterns[p], 3);
                if (!(worst < 2e-5)) /* of sums that reach about 20 */
                    fail_msg("%zu taps, %s, blocks of %zu: %g", lengths[l], tb_nn_cpu_name(cpu),
                             patterns[p][0], worst);
                tb_learned_reverb_reset(r);
            }
            tb_learned_reverb_free(r);
        }
    }
}

/* Cleared at any point of its partitions it rings as one that heard nothing before. */
static void cleared_is_as_new(void **state)
{
    (void)state;
    static const size_t before[] = {1, 64, 700, 4096, 5000, 13000};
    static float rest[LENGTH];
    make(MAX_TAPS, 9);
    for (size_t b = 0; b < sizeof before / sizeof *before; b++) {
        struct tb_learned_reverb *r =
            tb_learned_reverb_new(taps, MAX_TAPS, 48000, 48000, TB_NN_CPU_BEST);
        struct tb_learned_reverb *fresh =
            tb_learned_reverb_new(taps, MAX_TAPS, 48000, 48000, TB_NN_CPU_BEST);
        assert_true(r && fresh);
        tb_learned_reverb_process(r, in, out, before[b]);
        tb_learned_reverb_clear(r);
        tb_learned_reverb_process(r, in, out, LENGTH);
        tb_learned_reverb_process(fresh, in, rest, LENGTH);
        for (size_t i = 0; i < LENGTH; i++)
            if (!(fabs((double)out[i] - (double)rest[i]) < 2e-5))
                fail_msg("after %zu: sample %zu is %g, not %g", before[b], i, (double)out[i],
                         (double)rest[i]);
        tb_learned_reverb_free(r);
        tb_learned_reverb_free(fresh);
    }
}

/* Response of h[n] at rate_hz to a tone. */
static double response(const float *h, size_t n, double rate_hz, double tone_hz)
{
    double re = 0, im = 0;
    for (size_t i = 0; i < n; i++) {
        re += (double)h[i] * cos(6.283185307179586 * tone_hz / rate_hz * (double)i);
        im += (double)h[i] * sin(6.283185307179586 * tone_hz / rate_hz * (double)i);
    }
    return sqrt(re * re + im * im);
}

static void resampling_keeps_the_response(void **state)
{
    (void)state;
    static const float rates[] = {44100, 48000, 96000, 16000, 12000, 31999.5f};
    static float h[3000], resampled[20000];
    memset(h, 0, sizeof h);
    uint32_t seed = 3;
    for (int i = 0; i < 600; i++) /* away from both ends */
        h[1000 + i] = net_noise(&seed) * expf(-(float)i / 100.0f);
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        const size_t n = tb_resample_length(3000, 16000, rates[k]);
        assert_true(n <= 20000);
        tb_resample_impulse(h, 3000, 16000, rates[k], resampled);
        const double top = 0.9 * fmin(8000, (double)rates[k] / 2);
        for (int i = 0; 50 + 431 * i < top; i++) {
            const double tone = 50 + 431 * i;
            const double was = response(h, 3000, 16000, tone);
            const double is = response(resampled, n, (double)rates[k], tone);
            assert_true(fabs(20 * log10(is / was)) < 0.01);
        }
        /* Above the old Nyquist frequency there is nothing. */
        if (rates[k] > 20000)
            assert_true(response(resampled, n, (double)rates[k], 9500) <
                        1e-4 * response(h, 3000, 16000, 1000));
    }
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    const float one = 1;
    assert_null(tb_learned_reverb_new(&one, 0, 48000, 48000, TB_NN_CPU_BEST));
    assert_null(tb_learned_reverb_new(&one, 1, 4000, 48000, TB_NN_CPU_BEST));
    assert_null(tb_learned_reverb_new(&one, 1, 48000, NAN, TB_NN_CPU_BEST));
    assert_null(tb_learned_reverb_new(&one, 1, 48000, 48000, (enum tb_nn_cpu)77));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_are_the_convolution),
        cmocka_unit_test(cleared_is_as_new),
        cmocka_unit_test(resampling_keeps_the_response),
        cmocka_unit_test(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
