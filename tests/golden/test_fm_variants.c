/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One sound whatever computes it: the kernels of every processor against the portable ones, any
 * block size against another, and the kernels' sine against libm. */
#include "dsp/fm_group.h"
#include "engine_fixture.h"

static const enum tb_cpu cpus[] = {TB_CPU_PORTABLE, TB_CPU_AVX2, TB_CPU_AVX512, TB_CPU_NEON};

static bool has_cpu(enum tb_cpu cpu)
{
    struct tb_engine_config config = {48000.0F, 64, cpu, 0};
    struct tb_engine *e = tb_engine_new(&config, NULL);
    tb_engine_free(e);
    return e != NULL;
}

/* A lively patch: everything that the kernels do. */
static void lively(float values[TB_N_PARAMS], int algorithm)
{
    tb_params_default(values);
    values[TB_P_FM_ALGORITHM] = (float)algorithm;
    values[TB_P_FM_FEEDBACK] = 3.0F;
    values[TB_P_LFO_PMD] = 20.0F;
    values[TB_P_LFO_AMD] = 40.0F;
    values[TB_P_LFO_SPEED] = 70.0F;
    values[TB_P_FM_PITCH_L1] = 60.0F;
    values[TB_P_FM_PITCH_R2] = 40.0F;
    for (int op = 1; op <= 6; op++) {
        values[op_param(op, TB_P_FM_OP1_LEVEL)] = (float)(88 - 4 * op);
        values[op_param(op, TB_P_FM_OP1_COARSE)] = (float)(op % 3 + 1);
        values[op_param(op, TB_P_FM_OP1_DETUNE)] = (float)(op - 3);
        values[op_param(op, TB_P_FM_OP1_AMS)] = (float)(op % 3);
        values[op_param(op, TB_P_FM_OP1_R1)] = (float)(60 + 5 * op);
        values[op_param(op, TB_P_FM_OP1_R2)] = 50.0F;
        values[op_param(op, TB_P_FM_OP1_L2)] = 80.0F;
        values[op_param(op, TB_P_FM_OP1_R4)] = 60.0F;
        values[op_param(op, TB_P_FM_OP1_VELOCITY)] = 3.0F;
    }
}

static void play(struct fixture *f, int algorithm, float mix)
{
    float values[TB_N_PARAMS];
    lively(values, algorithm);
    values[TB_P_REVERB_MIX] = values[TB_P_CHORUS_MIX] = mix;
    fixture_load(f, values);
    for (int i = 0; i < 20; i++) {
        fixture_event(f, (struct tb_event){.type = TB_EVENT_NOTE_ON,
                                           .key = (uint8_t)(40 + 2 * i),
                                           .source = 1,
                                           .value = (float)(40 + 4 * i)});
        fixture_render(f, 211);
    }
    fixture_controller(f, 1, 0.7F);
    fixture_render(f, 2000);
    for (int i = 0; i < 20; i += 2)
        fixture_off(f, 40 + 2 * i);
    fixture_render(f, 2000);
}

static void every_kernel_sounds_alike(void **state)
{
    (void)state;
    for (int algorithm = 1; algorithm <= 32; algorithm++) {
        struct fixture reference;
        fixture_new(&reference, TB_CPU_PORTABLE);
        play(&reference, algorithm, 0.0F);
        for (size_t c = 1; c < sizeof cpus / sizeof cpus[0]; c++) {
            if (!has_cpu(cpus[c]))
                continue;
            struct fixture f;
            fixture_new(&f, cpus[c]);
            play(&f, algorithm, 0.0F);
            double error = 0.0, power = 0.0;
            for (size_t k = 0; k < f.n; k++) {
                error += pow((double)f.left[k] - (double)reference.left[k], 2.0);
                power += pow((double)reference.left[k], 2.0);
            }
            double db = 10.0 * log10((error + 1e-30) / power);
            if (db > -80.0)
                print_error("%s, algorithm %d: %.1f dB\n", tb_cpu_name(cpus[c]), algorithm, db);
            assert_true(power > 1.0 && db <= -80.0);
            fixture_free(&f);
        }
        fixture_free(&reference);
    }
}

static void block_sizes_give_the_same_samples(void **state)
{
    (void)state;
    static const uint32_t blocks[] = {64, 1, 16, 31, 100, 211};
    for (size_t c = 0; c < sizeof cpus / sizeof cpus[0]; c++) {
        if (!has_cpu(cpus[c]))
            continue;
        struct fixture reference = {0};
        for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++) {
            struct fixture f;
            fixture_new(&f, cpus[c]);
            f.block = blocks[b];
            play(&f, 5, 0.4F);
            if (b == 0) {
                reference = f;
                continue;
            }
            assert_int_equal(f.n, reference.n);
            assert_memory_equal(f.left, reference.left, f.n * sizeof(float));
            assert_memory_equal(f.right, reference.right, f.n * sizeof(float));
            fixture_free(&f);
        }
        fixture_free(&reference);
    }
}

static void sine_is_exact_to_a_millionth(void **state)
{
    (void)state;
    const struct tb_fm_kernels *kernels[] = {
        &tb_fm_kernels_portable,
#ifdef __x86_64__
        has_cpu(TB_CPU_AVX2) ? &tb_fm_kernels_avx2 : NULL,
        has_cpu(TB_CPU_AVX512) ? &tb_fm_kernels_avx512 : NULL,
#endif
    };
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        double worst = 0.0;
        for (uint64_t start = 0; kernels[i] && start < UINT64_C(1) << 32; start += 16 * 997) {
            uint32_t phase[16];
            float out[16];
            for (uint32_t k = 0; k < 16; k++)
                phase[k] = (uint32_t)start + 997 * k;
            kernels[i]->sine(phase, out, 16);
            for (uint32_t k = 0; k < 16; k++) {
                double exact = sin(2.0 * M_PI * (double)phase[k] / 4294967296.0);
                worst = fmax(worst, fabs((double)out[k] - exact));
            }
        }
        if (kernels[i])
            print_message("width %u: sine error %.2e\n", kernels[i]->width, worst);
        assert_true(worst <= 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_sounds_alike),
        cmocka_unit_test(block_sizes_give_the_same_samples),
        cmocka_unit_test(sine_is_exact_to_a_millionth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
