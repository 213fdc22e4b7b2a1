/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The blocks of the neural synthesisers under the guard, with every kernel of this machine: pitches
 * that are no numbers, blocks of any length, reverb through all its partitions. */
#include "dsp/analysis.h"
#include "dsp/hpn.h"
#include "dsp/neural_controls.h"
#include "dsp/noise.h"
#include "dsp/reverb_learned.h"
#include "dsp/wavetable.h"
#include "tests/rt/rtguard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LONGEST = 300, ROUNDS = 400, IMPULSE = 20000 };

struct blocks {
    struct tb_hpn hpn;
    struct tb_noise noise;
    struct tb_wavetable wavetable;
    struct tb_learned_reverb *reverb;
    struct tb_analysis *analysis;
    struct tb_noise_shape *noise_shape;
    struct tb_wavetables *tables;
    float raw[144], f0[LONGEST], weight[LONGEST], out[LONGEST], wet[LONGEST];
};

static void build(struct blocks *b, enum tb_nn_cpu cpu)
{
    static float impulse[IMPULSE], tables[4][64];
    const struct tb_synth_kernels *kernels = tb_synth_kernels(cpu);
    for (int i = 0; i < IMPULSE; i++)
        impulse[i] = sinf((float)i) * expf(-(float)i / 3000.0f);
    for (int i = 0; i < 64; i++)
        for (int k = 0; k < 4; k++)
            tables[k][i] = sinf((float)(k + 1) * (float)i / 10.0f);
    tb_hpn_init(&b->hpn, kernels, 100, 0.5f);
    b->noise_shape = tb_noise_shape_new(kernels, 65, 16000, 48000);
    b->tables = tb_wavetables_new(kernels, tables[0], 4, 64);
    b->reverb = tb_learned_reverb_new(impulse, IMPULSE, 48000, 48000, cpu);
    b->analysis = tb_analysis_new(
        &(struct tb_analysis_config){
            .rate_hz = 44100, .gate_db = -60, .n_fft = 2048, .floor_db = -80},
        NULL);
    assert_true(b->noise_shape && b->tables && b->reverb && b->analysis);
    assert_true(tb_noise_init(&b->noise, b->noise_shape, 3));
    assert_true(tb_wavetable_init(&b->wavetable, b->tables, 0.5f));
}

static void render(struct blocks *b, int round, size_t n)
{
    static const float odd[] = {NAN, INFINITY, -1, 0.7f, 0};
    static const struct tb_level_curve curve = {2.0f, 2.30258509f, 1e-7f, 0.0f};
    static const struct tb_hpn_bend bend = {.tilt_db = -3, .balance = 0.5f};
    float amp[TB_SYNTH_MAX_HARMONICS], magnitudes[80];
    const float f0 = 0.001f + 0.0001f * (float)(round % 50);
    for (size_t i = 0; i < n; i++) {
        b->f0[i] = round % 9 == 4 ? odd[i % 5] : f0;
        b->out[i] = 0;
    }
    for (int i = 0; i < 144; i++)
        b->raw[i] = sinf((float)(round + i));
    tb_frame_weights((enum tb_interpolation)(round % 4), 0, (float)n, b->weight, n);
    tb_hpn_levels(&b->hpn, &curve, b->raw, f0, round % 2 ? &bend : NULL, amp);
    tb_hpn_frame(&b->hpn, amp);
    tb_hpn_render(&b->hpn, b->f0, b->weight, b->out, n);
    b->hpn.kernels->levels(magnitudes, b->raw, 65, &curve);
    tb_noise_frame(&b->noise, magnitudes, n);
    tb_noise_render(&b->noise, b->out, n);
    tb_wavetable_attention(b->tables, &curve, b->raw, amp);
    tb_wavetable_frame(&b->wavetable, amp, f0);
    tb_wavetable_render(&b->wavetable, b->f0, b->weight, b->out, n);
    tb_learned_reverb_process(b->reverb, b->out, b->wet, n);
    struct tb_analysis_frame frames[4];
    (void)tb_analysis_process(b->analysis, round % 9 == 4 ? b->f0 : b->out, n, frames, 4);
    if (round % 100 == 99) {
        tb_analysis_reset(b->analysis);
        tb_hpn_reset(&b->hpn);
        tb_noise_reset(&b->noise);
        tb_wavetable_reset(&b->wavetable);
    }
}

static void blocks_do_nothing_forbidden(void **state)
{
    (void)state;
    static struct blocks b;
    int kernels = 0;
    for (enum tb_nn_cpu cpu = 0; cpu < TB_NN_N_CPUS; cpu++) {
        if (!tb_nn_cpu_has(cpu))
            continue;
        kernels++;
        build(&b, cpu);
        for (int round = 0; round < ROUNDS; round++) {
            const size_t n = (size_t)(1 + round * 37 % LONGEST);
            tb_guard_enter("neural blocks");
            render(&b, round, n);
            tb_guard_exit();
            for (size_t i = 0; i < n; i++)
                assert_true(isfinite(b.out[i]) && isfinite(b.wet[i]));
        }
        tb_noise_clear(&b.noise);
        tb_wavetable_clear(&b.wavetable);
        tb_noise_shape_free(b.noise_shape);
        tb_wavetables_free(b.tables);
        tb_learned_reverb_free(b.reverb);
        tb_analysis_free(b.analysis);
    }
    assert_true(kernels > 0 && tb_guard_regions() > 0);
}

int main(void)
{
    tb_guard_start();
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_do_nothing_forbidden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
