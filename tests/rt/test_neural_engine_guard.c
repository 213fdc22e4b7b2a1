/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Neural instruments in the engine under the guard, with every kernel of this machine: every
 * family, every bend and note parameter, model swaps, A and B, the input, shedding. Random weights.
 */
#include "tests/golden/neural_fixture.h"
#include "tests/rt/rig.h"
#include "tests/rt/rtguard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 64, N_FAMILIES = 4, WIDTH = 32 };
static const enum tb_model_family families[N_FAMILIES] = {TB_MODEL_HPN, TB_MODEL_WAVETABLE,
                                                          TB_MODEL_DDX7, TB_MODEL_FM_ENVELOPE};

static enum tb_cpu cpu; /* of this pass over the tests */
static struct neural_model models[N_FAMILIES];

/* The shapes of published models, narrower; all weights random. */
static void make_models(void)
{
    for (int i = 0; i < N_FAMILIES; i++) {
        struct neural_model *m = &models[i];
        neural_model_init(m, families[i]);
        m->meta.width = WIDTH;
        m->meta.in_layers = m->meta.out_layers = families[i] == TB_MODEL_FM_ENVELOPE ? 0 : 2;
        m->meta.n_harmonics = 100;
        m->meta.n_bands = 65;
        if (families[i] == TB_MODEL_DDX7) {
            m->meta.dilations = (struct tb_model_reals){3, {1, 2, 4}};
            m->meta.residuals =
                (struct tb_model_reals){3, {TB_NN_RES_CONV, TB_NN_RES_IDENTITY, TB_NN_RES_CONV}};
            m->meta.fm_algorithm = 0;
            (void)snprintf(m->meta.fm_routing, sizeof m->meta.fm_routing, "6>5,4>3,2>1");
            m->meta.fm_carriers = (struct tb_model_reals){3, {1, 3, 5}};
            m->meta.fm_feedback = 5;
        }
        if (families[i] == TB_MODEL_HPN || families[i] == TB_MODEL_DDX7) {
            m->meta.reverb = TB_REVERB_IMPULSE;
            m->impulse[0] = 1;
            for (int k = 1; k < 2000; k++)
                m->impulse[k] = 0.2F * expf(-(float)k / 500) * sinf((float)(k * k));
        }
        neural_model_lay_out(m);
        neural_model_random(m, (unsigned)i + 1);
        neural_model_encode(m);
    }
}

static struct tb_neural *instrument(int family, float rate_hz)
{
    return neural_model_instrument(&models[family % N_FAMILIES], rate_hz, cpu);
}

static void load(struct rig *rig, struct tb_neural *a, struct tb_neural *b)
{
    struct tb_error err = {0};
    struct tb_program *program = tb_program_new_neural(rig->engine, rig->values, a, b, &err);
    if (!program)
        fail_msg("%s", err.text);
    rig_take(rig, program);
}

static void open_rig(struct rig *rig, const char *region, int family)
{
    assert_true(rig_open(rig, cpu, 48000, BLOCK));
    rig->region = region;
    load(rig, instrument(family, 48000), instrument(family, 48000));
}

static void chord(struct rig *rig, int notes)
{
    for (int i = 0; i < notes; i++)
        rig_note(rig, 36 + i * 3, 100);
}

static void every_family_plays(void **state)
{
    (void)state;
    for (int i = 0; i < N_FAMILIES; i++) {
        struct rig rig;
        open_rig(&rig, "neural notes", i);
        for (int key = 0; key < 128; key += 3) {
            rig_note(&rig, key, 1 + key % 127);
            rig_blocks(&rig, 2);
            rig_note(&rig, key - 12 < 0 ? 0 : key - 12, 0);
        }
        assert_true(rig.peak > 0.001F); /* a guard around silence shows nothing */
        rig_send(&rig, (struct tb_event){.type = TB_EVENT_ALL_NOTES_OFF});
        rig_blocks(&rig, 100);
        chord(&rig, 12);
        rig_blocks(&rig, 20);
        rig_send(&rig, (struct tb_event){.type = TB_EVENT_PANIC});
        rig_blocks(&rig, 100);
        rig_close(&rig);
    }
}

static bool is_neural(int id)
{
    return (id >= TB_P_NOTE_ATTACK && id <= TB_P_TRANSFER_LOUDNESS) || id == TB_P_MPE_LOWER ||
           id == TB_P_MPE_UPPER || id == TB_P_MPE_BEND;
}

static void every_bend_at_its_bounds(void **state)
{
    (void)state;
    for (int i = 0; i < N_FAMILIES; i++) {
        struct rig rig;
        open_rig(&rig, "neural bends", i);
        chord(&rig, 6);
        for (int id = 0; id < TB_N_PARAMS; id++) {
            const struct tb_param_info *info = &tb_params[id];
            const float ends[] = {(float)info->min, (float)info->max, (float)info->def};
            for (int k = 0; k < 3 && is_neural(id); k++) {
                rig_param(&rig, (enum tb_param)id, ends[k]);
                rig_blocks(&rig, 4);
                rig_note(&rig, 60 + k, 90);
                rig_blocks(&rig, 4);
                rig_note(&rig, 60 + k, 0);
            }
        }
        rig_close(&rig);
    }
}

static void both_models_mix_and_morph(void **state)
{
    (void)state;
    for (int a = 0; a < N_FAMILIES; a++)
        for (int b = 0; b < N_FAMILIES; b++) {
            struct rig rig;
            assert_true(rig_open(&rig, cpu, 48000, BLOCK));
            rig.region = "a and b";
            load(&rig, instrument(a, 48000), instrument(b, 48000));
            chord(&rig, 5);
            for (int k = 0; k < 12; k++) {
                rig_param(&rig, TB_P_AB_MIX, (float)(k % 4) / 3);
                rig_param(&rig, TB_P_AB_MORPH, (float)(k / 4 % 2));
                rig_blocks(&rig, 8);
            }
            rig_close(&rig);
        }
}

static void models_swap_while_sounding(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "model swaps", 0);
    chord(&rig, 8);
    for (int k = 0; k < 24; k++) {
        if (k % 5 == 4)
            rig_load(&rig); /* the DX7's own voice between them */
        else
            load(&rig, instrument(k, 48000), k % 2 ? instrument(k + 1, 48000) : NULL);
        rig_note(&rig, 40 + k, 100);
        rig_blocks(&rig, 3);
    }
    assert_true(rig.peak > 0.001F);
    rig_close(&rig);
}

static void the_input_plays(void **state)
{
    (void)state;
    float sound[BLOCK];
    for (int i = 0; i < N_FAMILIES; i++) {
        struct rig rig;
        open_rig(&rig, "timbre transfer", i);
        rig_param(&rig, TB_P_TRANSFER_SOURCE, 1);
        for (int k = 0; k < 800; k++) {
            for (int s = 0; s < BLOCK; s++) {
                const float t = (float)(k * BLOCK + s) / 48000;
                sound[s] = k % 400 < 300 ? 0.4F * sinf(2 * (float)M_PI * 330 * t) : 0;
                if (k % 97 == 96)
                    sound[s] = NAN;
            }
            tb_guard_enter(rig.region);
            tb_engine_input(rig.engine, sound, BLOCK);
            tb_guard_exit();
            rig_render(&rig, BLOCK);
        }
        assert_true(rig.peak > 0.0005F);
        rig_close(&rig);
    }
}

static void players_do_everything_besides_keys(void **state)
{
    (void)state;
    static const float ends[] = {0, 1, 0.5F};
    struct rig rig;
    open_rig(&rig, "neural controllers", 0);
    rig_param(&rig, TB_P_MPE_LOWER, 7);
    for (int number = 0; number < 128; number++)
        for (int k = 0; k < 3; k++) {
            const struct tb_event at = {.channel = (uint8_t)(number % 16),
                                        .source = TB_SOURCE_MIDI,
                                        .key = 60,
                                        .id = (uint16_t)number,
                                        .value = ends[k]};
            struct tb_event e = at;
            e.type = TB_EVENT_NOTE_ON;
            e.value = 100;
            rig_send(&rig, e);
            for (int type = TB_EVENT_BEND; type <= TB_EVENT_KEY_PRESSURE; type++) {
                e = at;
                e.type = (uint8_t)type;
                rig_send(&rig, e);
            }
            rig_blocks(&rig, 1);
        }
    rig_close(&rig);
}

static void every_block_size_and_rate(void **state)
{
    (void)state;
    static const float rates[] = {22050, 44100, 96000, 192000};
    static const uint32_t sizes[] = {16, 17, 63, 480, 2048};
    for (int r = 0; r < 4; r++)
        for (int s = 0; s < 5; s++) {
            struct rig rig;
            assert_true(rig_open(&rig, cpu, rates[r], sizes[s]));
            rig.region = "neural blocks";
            load(&rig, instrument(r + s, rates[r]), NULL);
            chord(&rig, 3);
            rig_blocks(&rig, 6);
            rig_render(&rig, 0);
            rig_render(&rig, 1);
            rig_note(&rig, 36, 0);
            rig_blocks(&rig, 4);
            rig_close(&rig);
        }
}

static void random_patches_and_floods(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "neural random", 2);
    for (int k = 0; k < 40; k++) {
        rig_random_patch(&rig);
        load(&rig, instrument(k, 48000), k % 3 ? NULL : instrument(k / 2, 48000));
        for (int n = 0; n < 90; n++)
            rig_note(&rig, (int)(rig_random(&rig) * 127), 1 + (int)(rig_random(&rig) * 126));
        for (int n = 0; n < 3; n++) {
            tb_guard_enter(rig.region);
            tb_engine_load(rig.engine, (float)rig_random(&rig) * 1.5F);
            tb_guard_exit();
            rig_blocks(&rig, 2);
        }
    }
    rig_close(&rig);
}

static int passes(enum tb_cpu kernel)
{
    struct rig rig;
    cpu = kernel;
    if (!rig_open(&rig, kernel, 48000, BLOCK)) {
        printf("SKIPPED %s: not on this machine\n", tb_cpu_name(kernel));
        return 0;
    }
    rig_close(&rig);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_plays),
        cmocka_unit_test(every_bend_at_its_bounds),
        cmocka_unit_test(both_models_mix_and_morph),
        cmocka_unit_test(models_swap_while_sounding),
        cmocka_unit_test(the_input_plays),
        cmocka_unit_test(players_do_everything_besides_keys),
        cmocka_unit_test(every_block_size_and_rate),
        cmocka_unit_test(random_patches_and_floods),
    };
    return cmocka_run_group_tests_name(tb_cpu_name(kernel), tests, NULL, NULL);
}

int main(void)
{
    static const enum tb_cpu kernels[] = {TB_CPU_PORTABLE, TB_CPU_AVX2, TB_CPU_AVX512, TB_CPU_NEON};
    int failed = 0;
    make_models();
    tb_guard_start();
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++)
        failed += passes(kernels[i]);
    for (int i = 0; i < N_FAMILIES; i++)
        neural_model_free(&models[i]);
    printf("%lu regions guarded\n", tb_guard_regions());
    return failed || tb_guard_regions() == 0;
}
