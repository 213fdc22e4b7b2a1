/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Everything the audio thread asks of the engine, under the guard, with every kernel this machine
 * has: no allocation, lock, system call, page fault or wait, and every sample finite and in -1..1.
 * TIMBRED_FULL=1 runs the random patches in full. */
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

enum { BLOCK = 64, ALGORITHMS = 32, CONTROLLERS = 128, KEYS = 128 };
static const float RATE_HZ = 48000;

static enum tb_cpu cpu; /* of this pass over the tests */

static void open_rig(struct rig *rig, const char *region)
{
    assert_true(rig_open(rig, cpu, RATE_HZ, BLOCK));
    rig->region = region;
}

static void chord(struct rig *rig, int notes)
{
    for (int i = 0; i < notes; i++)
        rig_note(rig, 36 + i * 3, 100);
}

static void start_is_silent(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "start");
    rig_blocks(&rig, 20);
    assert_true(rig.peak < 1e-4F);
    rig_close(&rig);
}

static void notes_sound_and_end(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "notes");
    for (int key = 0; key < KEYS; key++) {
        rig_note(&rig, key, 1 + key % 127);
        rig_blocks(&rig, 2);
        rig_note(&rig, key, 0);
    }
    assert_true(rig.peak > 0.001F); /* a guard around silence shows nothing */
    rig_blocks(&rig, 100);
    rig_close(&rig);
}

static void every_parameter_at_its_bounds(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "parameters");
    chord(&rig, 4);
    for (int id = 0; id < TB_N_PARAMS; id++) {
        const struct tb_param_info *info = &tb_params[id];
        const float ends[] = {(float)info->min, (float)info->max, (float)info->def};
        for (int i = 0; i < 3; i++) {
            rig_param(&rig, (enum tb_param)id, ends[i]);
            rig_render(&rig, BLOCK);
            rig_note(&rig, 60 + i, 90);
            rig_blocks(&rig, 2);
            rig_note(&rig, 60 + i, 0);
        }
    }
    rig_close(&rig);
}

static void every_program_at_its_bounds(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "programs");
    for (int id = 0; id < TB_N_PARAMS; id++) {
        const struct tb_param_info *info = &tb_params[id];
        if (info->owner != TB_OWNER_PATCH)
            continue;
        rig.values[id] = (float)((id & 1) ? info->min : info->max);
        rig_load(&rig);
        rig_note(&rig, 48 + id % 24, 100);
        rig_blocks(&rig, 3);
        rig_note(&rig, 48 + id % 24, 0);
        rig.values[id] = (float)info->def;
    }
    rig_close(&rig);
}

static void every_algorithm_with_feedback(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "algorithms");
    for (int algorithm = 1; algorithm <= ALGORITHMS; algorithm++) {
        for (int op = 0; op < TB_N_OPERATORS; op++)
            rig.values[TB_P_FM_OP1_LEVEL + op * TB_FM_OP_STRIDE] = 99;
        rig.values[TB_P_FM_ALGORITHM] = (float)algorithm;
        rig.values[TB_P_FM_FEEDBACK] = 7;
        rig_load(&rig);
        chord(&rig, 6);
        rig_blocks(&rig, 12);
        rig_send(&rig, (struct tb_event){.type = TB_EVENT_ALL_NOTES_OFF});
    }
    assert_true(rig.peak > 0.01F);
    rig_close(&rig);
}

static void patch_changes_while_sounding(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "patch change");
    chord(&rig, 8);
    for (int i = 0; i < 40; i++) {
        rig_random_patch(&rig);
        rig_load(&rig);
        rig_note(&rig, 40 + i, 100);
        rig_blocks(&rig, 4);
    }
    rig_close(&rig);
}

static void more_events_than_a_block_holds(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "event flood");
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < TB_MAX_EVENTS + 200; i++)
            rig_send(&rig, (struct tb_event){.type = i % 2 ? TB_EVENT_NOTE_ON : TB_EVENT_BEND,
                                             .key = (uint8_t)(i % KEYS),
                                             .source = TB_SOURCE_FIRST_CLIENT,
                                             .offset = (uint16_t)(i % BLOCK),
                                             .value = i % 2 ? 100 : 0.5F});
        rig_blocks(&rig, 3);
    }
    rig_close(&rig);
}

static void notes_are_stolen(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "stealing");
    for (uint32_t source = 0; source < 4; source++)
        for (int key = 0; key < KEYS; key++) {
            rig_send(&rig, (struct tb_event){.type = TB_EVENT_NOTE_ON,
                                             .key = (uint8_t)key,
                                             .source = TB_SOURCE_FIRST_CLIENT + source,
                                             .value = 127});
            rig_render(&rig, BLOCK);
        }
    assert_true(rig.frame.stolen > 0);
    assert_true(rig.frame.voices <= TB_MAX_VOICES);
    rig_close(&rig);
}

static void panic_is_silence(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig, "panic");
    chord(&rig, 16);
    rig_blocks(&rig, 20);
    assert_true(rig.peak > 0.001F);
    rig_send(&rig, (struct tb_event){.type = TB_EVENT_PANIC});
    rig_blocks(&rig, 75); /* 100 ms: the fade of 5 ms and what the effects still hold */
    assert_int_equal(rig.frame.voices, 0);
    rig_close(&rig);
}

static void every_controller(void **state)
{
    (void)state;
    static const float ends[] = {0, 1, 0.5F};
    struct rig rig;
    open_rig(&rig, "controllers");
    for (int number = 0; number < CONTROLLERS; number++)
        for (int i = 0; i < 3; i++) {
            rig_note(&rig, 60, 100);
            rig_send(&rig, (struct tb_event){.type = TB_EVENT_CONTROLLER,
                                             .id = (uint16_t)number,
                                             .source = TB_SOURCE_MIDI,
                                             .value = ends[i]});
            rig_send(&rig, (struct tb_event){.type = TB_EVENT_PRESSURE, .value = ends[i]});
            rig_send(&rig,
                     (struct tb_event){.type = TB_EVENT_KEY_PRESSURE, .key = 60, .value = ends[i]});
            rig_send(&rig, (struct tb_event){.type = TB_EVENT_BEND, .value = ends[i] * 2 - 1});
            rig_blocks(&rig, 2);
        }
    rig_close(&rig);
}

static void nonsense_is_ignored(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 1e30F, -1e30F, 1e-40F, -0.0F, 3e9F};
    struct rig rig;
    open_rig(&rig, "nonsense");
    for (int type = 0; type < 256; type++)
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            rig_send(&rig, (struct tb_event){.type = (uint8_t)type,
                                             .channel = 255,
                                             .key = (uint8_t)(type * 7),
                                             .source = UINT32_MAX,
                                             .id = (uint16_t)(type * 31 + (int)i),
                                             .offset = UINT16_MAX,
                                             .value = bad[i]});
            if (i % 2)
                rig_render(&rig, BLOCK);
        }
    rig_note(&rig, 60, 100);
    rig_blocks(&rig, 20);
    rig_close(&rig);
}

static void every_block_size_and_rate(void **state)
{
    (void)state;
    static const float rates[] = {22050, 44100, 48000, 88200, 96000, 192000};
    static const uint32_t sizes[] = {16, 17, 32, 63, 64, 128, 480, 512, 1024, 2048};
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            struct rig rig;
            assert_true(rig_open(&rig, cpu, rates[r], sizes[s]));
            rig.region = "block sizes";
            chord(&rig, 3);
            rig_blocks(&rig, 3);
            rig_render(&rig, 0);
            rig_render(&rig, 1);
            rig_render(&rig, sizes[s] - 1);
            rig_note(&rig, 36, 0);
            rig_blocks(&rig, 2);
            rig_close(&rig);
        }
}

static void random_patches_stay_in_bounds(void **state)
{
    (void)state;
    const char *full = getenv("TIMBRED_FULL");
    int count = full && *full == '1' ? 100000 : 300;
    struct rig rig;
    open_rig(&rig, "random patches");
    for (int i = 0; i < count; i++) {
        rig_random_patch(&rig);
        rig_load(&rig);
        for (int n = 0; n < 4; n++)
            rig_note(&rig, (int)(rig_random(&rig) * 127), 1 + (int)(rig_random(&rig) * 126));
        rig_blocks(&rig, 4);
        for (int n = 0; n < 4; n++)
            rig_param(&rig, (enum tb_param)(rig_random(&rig) * TB_N_PARAMS),
                      (float)(rig_random(&rig) * 1e6 - 5e5));
        rig_blocks(&rig, 4);
        if (i % 8 == 7)
            rig_send(&rig, (struct tb_event){.type = TB_EVENT_PANIC});
    }
    assert_true(rig.peak > 0.01F);
    rig_close(&rig);
}

static int passes(enum tb_cpu kernel)
{
    struct rig rig;
    cpu = kernel;
    if (!rig_open(&rig, kernel, RATE_HZ, BLOCK)) {
        printf("SKIPPED %s: not on this machine\n", tb_cpu_name(kernel));
        return 0;
    }
    rig_close(&rig);
    printf("kernels: %s\n", tb_cpu_name(kernel));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_is_silent),
        cmocka_unit_test(notes_sound_and_end),
        cmocka_unit_test(every_parameter_at_its_bounds),
        cmocka_unit_test(every_program_at_its_bounds),
        cmocka_unit_test(every_algorithm_with_feedback),
        cmocka_unit_test(patch_changes_while_sounding),
        cmocka_unit_test(more_events_than_a_block_holds),
        cmocka_unit_test(notes_are_stolen),
        cmocka_unit_test(panic_is_silence),
        cmocka_unit_test(every_controller),
        cmocka_unit_test(nonsense_is_ignored),
        cmocka_unit_test(every_block_size_and_rate),
        cmocka_unit_test(random_patches_stay_in_bounds),
    };
    return cmocka_run_group_tests_name(tb_cpu_name(kernel), tests, NULL, NULL);
}

int main(void)
{
    static const enum tb_cpu kernels[] = {TB_CPU_PORTABLE, TB_CPU_AVX2, TB_CPU_AVX512, TB_CPU_NEON};
    int failed = 0;
    tb_guard_start();
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++)
        failed += passes(kernels[i]);
    struct tb_guard_layers layers = tb_guard_layers();
    printf("%lu regions guarded; system calls %s, page faults %s\n", tb_guard_regions(),
           layers.syscalls ? "caught" : "SKIPPED", layers.faults ? "caught" : "SKIPPED");
    return failed || tb_guard_regions() == 0;
}
