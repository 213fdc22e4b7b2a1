/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Neural instruments in the engine under the guard, with every kernel of this machine: every
 * family and its learned reverb, every bend and note parameter at its bounds and swept, models
 * swapped under keys that are held and under a sound that is followed, A and B, shedding, panic.
 */
#include "tests/rt/random_models.h"
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

enum { BLOCK = 64, N_FAMILIES = N_RANDOM_MODELS };

static enum tb_cpu cpu; /* of this pass over the tests */

static struct tb_neural *instrument(int family, float rate_hz)
{
    return random_model_instrument(family, rate_hz, cpu);
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

static bool is_swept(int id)
{
    return (id >= TB_P_NEURAL_PITCH && id <= TB_P_AB_MORPH) ||
           (id >= TB_P_TRANSFER_GATE && id <= TB_P_TRANSFER_LOUDNESS);
}

/* From one end to the other under a chord, as a hand or a controller moves it: all that is ramped
 * moves, routings fade into each other, two blocks a step. */
static void every_bend_swept_under_a_chord(void **state)
{
    (void)state;
    enum { STEPS = 7 };
    for (int i = 0; i < N_FAMILIES; i++) {
        struct rig rig;
        open_rig(&rig, "neural sweeps", i);
        chord(&rig, 4);
        rig_blocks(&rig, 20);
        assert_true(rig.peak > 0.001F);
        for (int id = 0; id < TB_N_PARAMS; id++) {
            if (!is_swept(id))
                continue;
            for (int k = 0; k <= STEPS; k++) {
                const double at = tb_param_denormalise((enum tb_param)id, (double)k / STEPS);
                rig_param(&rig, (enum tb_param)id, (float)at);
                rig_blocks(&rig, 2);
            }
            rig_param(&rig, (enum tb_param)id, (float)tb_params[id].def);
        }
        assert_true(rig.frame.voices > 0);
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

/* From each to each, the DX7's own voice among them, at another place in a frame each time. */
static void models_swap_while_sounding(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "model swaps", 0);
    chord(&rig, 8);
    for (int k = 0; k < (N_FAMILIES + 1) * (N_FAMILIES + 1); k++) {
        const int from = k / (N_FAMILIES + 1), to = k % (N_FAMILIES + 1);
        const int order[] = {from, to};
        for (int i = 0; i < 2; i++) {
            if (order[i] == N_FAMILIES)
                rig_load(&rig);
            else
                load(&rig, instrument(order[i], 48000), k % 2 ? instrument(k, 48000) : NULL);
            rig_note(&rig, 40 + k, 100);
            rig_blocks(&rig, 1 + k % 4);
        }
        assert_true(rig.frame.voices > 0); /* keys are held through it */
    }
    assert_true(rig.peak > 0.001F);
    rig_close(&rig);
}

/* ---- a sound that is followed */

struct player {
    uint32_t n;   /* samples so far */
    double phase; /* cycles */
};

/* A tone with two harmonics. */
static void sing(struct rig *rig, struct player *player, double hz, float level)
{
    float sound[BLOCK];
    for (int i = 0; i < BLOCK; i++, player->n++) {
        player->phase = fmod(player->phase + hz / 48000, 1.0);
        const float p = (float)(2 * M_PI * player->phase);
        sound[i] = level * (sinf(p) + 0.5F * sinf(2 * p) + 0.25F * sinf(3 * p));
    }
    tb_guard_enter(rig->region);
    tb_engine_input(rig->engine, sound, BLOCK);
    tb_guard_exit();
    rig_render(rig, BLOCK);
}

static void open_transfer(struct rig *rig, int family)
{
    open_rig(rig, "timbre transfer", family);
    rig->values[TB_P_TRANSFER_SOURCE] = 1; /* of programs that come later, too */
    rig_param(rig, TB_P_TRANSFER_SOURCE, 1);
}

static void a_voice_follows_the_input(void **state)
{
    (void)state;
    static const double tones[] = {220, 523.25, 146.83, 880};
    for (int i = 0; i < N_FAMILIES; i++) {
        struct rig rig;
        struct player player = {0};
        open_transfer(&rig, i);
        for (size_t t = 0; t < sizeof tones / sizeof tones[0]; t++) {
            const double before = t ? tones[t - 1] : tones[t];
            for (int k = 0; k < 40; k++) /* glides there */
                sing(&rig, &player, before * pow(tones[t] / before, k / 40.0), 0.2F);
            for (int k = 0; k < 70; k++)
                sing(&rig, &player, tones[t], 0.2F);
            assert_int_equal(rig.frame.voices, 1);
            if (fabs(12 * log2((double)rig.frame.f0_hz / tones[t])) > 0.3)
                fail_msg("family %d: %g Hz for %g", i, (double)rig.frame.f0_hz, tones[t]);
        }
        assert_true(rig.peak > 0.0005F);
        for (int k = 0; k < 600; k++)
            sing(&rig, &player, 440, 0);
        if (i < N_FAMILIES - 1) /* with the sound it ends; a random envelope never does */
            assert_int_equal(rig.frame.voices, 0);
        rig_close(&rig);
    }
}

static void what_is_no_tone_is_followed_too(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 1e30F, 1e-40F};
    for (int i = 0; i < N_FAMILIES; i++) {
        struct rig rig;
        struct player player = {0};
        float sound[BLOCK];
        open_transfer(&rig, i);
        for (int k = 0; k < 200; k++) {
            for (int s = 0; s < BLOCK; s++)
                sound[s] = k % 100 < 50 ? (float)rig_random(&rig) * 4 - 2 : 0.9F; /* noise, DC */
            if (k % 7 == 3)
                sound[k % BLOCK] = bad[k % 5];
            tb_guard_enter(rig.region);
            tb_engine_input(rig.engine, sound, k % 5 ? BLOCK : BLOCK / 3);
            tb_guard_exit();
            rig_render(&rig, BLOCK);
        }
        for (int k = 0; k < 150; k++)
            sing(&rig, &player, 330, 0.2F);
        assert_true(rig.frame.voices > 0); /* it hears again */
        rig_close(&rig);
    }
}

/* The player sings on; all that can change under it changes. */
static void models_and_bends_change_under_the_input(void **state)
{
    (void)state;
    struct rig rig;
    struct player player = {0};
    open_transfer(&rig, 0);
    for (int k = 0; k < 700; k++) {
        sing(&rig, &player, 330 + 100 * sin(k * 0.02), k % 300 < 250 ? 0.3F : 0.0F);
        if (k % 60 == 59)
            load(&rig, instrument(k / 60, 48000), k % 120 < 60 ? instrument(k, 48000) : NULL);
        const int id = TB_P_NEURAL_PITCH + k % (TB_P_TRANSFER_LOUDNESS - TB_P_NEURAL_PITCH + 1);
        if (id == TB_P_TRANSFER_SOURCE)
            continue;
        rig_param(&rig, (enum tb_param)id,
                  (float)tb_param_denormalise((enum tb_param)id, rig_random(&rig)));
        if (k % 97 == 96)
            rig_send(&rig, (struct tb_event){.type = TB_EVENT_PANIC});
    }
    assert_true(rig.peak > 0.0005F);
    rig_close(&rig);
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
        cmocka_unit_test(every_bend_swept_under_a_chord),
        cmocka_unit_test(both_models_mix_and_morph),
        cmocka_unit_test(models_swap_while_sounding),
        cmocka_unit_test(a_voice_follows_the_input),
        cmocka_unit_test(what_is_no_tone_is_followed_too),
        cmocka_unit_test(models_and_bends_change_under_the_input),
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
    random_models_make();
    tb_guard_start();
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++)
        failed += passes(kernels[i]);
    random_models_free();
    printf("%lu regions guarded\n", tb_guard_regions());
    return failed || tb_guard_regions() == 0;
}
