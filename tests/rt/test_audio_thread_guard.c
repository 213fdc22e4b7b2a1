/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The real audio thread on the real null device, under the guard from the end of one wait to the
 * begin of the next: commands, MIDI, patches, networks of every family that play notes or follow
 * what the device hears, engines, devices, tone, full and empty rings, the loss of the web role.
 * Only the device's own wait lies outside. */
#include "dsp/clock.h"
#include "server/audio/audio_thread.h"
#include "tests/rt/random_models.h"
#include "tests/rt/rtguard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 64, RATE_HZ = 48000, ROUNDS = 60, CLIENT = TB_SOURCE_FIRST_CLIENT };

static atomic_bool ending; /* the thread is about to end, which is allowed to do system calls */

static struct tb_audio *open_null(const struct tb_audio_request *request, struct tb_error *err);

static enum tb_audio_result guarded_wait(struct tb_audio *audio)
{
    tb_guard_exit();
    enum tb_audio_result result = tb_audio_null.wait(audio);
    if (!atomic_load(&ending))
        tb_guard_enter("audio thread");
    return result;
}

static enum tb_audio_result guarded_write(struct tb_audio *audio, const float *left,
                                          const float *right)
{
    enum tb_audio_result result = tb_audio_null.write(audio, left, right);
    if (atomic_load(&ending))
        tb_guard_exit();
    return result;
}

/* A tone that comes and goes. */
static uint32_t guarded_read(struct tb_audio *audio, float *mono, uint32_t max)
{
    static float phase;
    for (uint32_t i = 0; i < audio->block && i < max; i++) {
        phase += 0.0092F;
        mono[i] = sinf(phase) > -0.9F && (int)(phase / 100) % 2 ? 0.3F * sinf(phase) : 0.0F;
    }
    return audio->block;
}

static void close_null(struct tb_audio *audio)
{
    tb_audio_null.close(audio);
}

static const struct tb_audio_driver guarded = {.name = "guarded",
                                               .realtime = true,
                                               .open = open_null,
                                               .close = close_null,
                                               .wait = guarded_wait,
                                               .write = guarded_write,
                                               .read = guarded_read};

static struct tb_audio *open_null(const struct tb_audio_request *request, struct tb_error *err)
{
    struct tb_audio *audio = tb_audio_null.open(request, err);
    if (audio)
        audio->driver = &guarded;
    return audio;
}

static struct tb_output new_output(void)
{
    struct tb_audio_request request = {.rate_hz = RATE_HZ, .block = BLOCK, .periods = 3};
    struct tb_error err = {0};
    struct tb_output output = {.device = open_null(&request, &err),
                               .clock = open_null(&request, &err)};
    if (!output.device || !output.clock)
        fail_msg("null device: %s", err.text);
    return output;
}

static struct tb_engine *new_engine(void)
{
    struct tb_engine_config config = {
        .rate_hz = RATE_HZ, .max_block = BLOCK, .cpu = TB_CPU_BEST, .seed = 1};
    struct tb_error err = {0};
    struct tb_engine *engine = tb_engine_new(&config, &err);
    if (!engine)
        fail_msg("engine: %s", err.text);
    return engine;
}

struct rig {
    struct tb_audio_thread *thread;
    struct tb_shm *shm;
    struct tb_engine *engine; /* for building programs only */
    struct tb_ring *commands;
};

static void push(struct rig *rig, struct tb_event event)
{
    (void)tb_ring_push(rig->commands, &event); /* a full ring is one of the cases */
}

/* Frees what the thread no longer needs. */
static void sweep(struct rig *rig)
{
    struct tb_retired r;
    while (tb_audio_thread_retired(rig->thread, &r)) {
        if (r.type == TB_RETIRED_PROGRAM)
            tb_program_free(r.program);
        else if (r.type == TB_RETIRED_ENGINE)
            tb_engine_free(r.engine);
        else
            tb_audio_close(r.audio);
    }
}

/* Every third one is the DX7's own voice; of the networks each second one follows the input. */
static struct tb_program *new_program(struct rig *rig, int number)
{
    float values[TB_N_PARAMS];
    struct tb_error err = {0};
    tb_params_default(values);
    values[TB_P_FM_ALGORITHM] = (float)(1 + number % 32);
    values[TB_P_TRANSFER_SOURCE] = (float)(number % 2);
    if (number % 3 == 2)
        return tb_program_new(rig->engine, values, &err);
    return tb_program_new_neural(
        rig->engine, values, random_model_instrument(number, RATE_HZ, TB_CPU_BEST),
        number % 4 ? NULL : random_model_instrument(number / 4, RATE_HZ, TB_CPU_BEST), &err);
}

static void load_patch(struct rig *rig, int number)
{
    struct tb_program *program = new_program(rig, number);
    assert_non_null(program);
    uint32_t after = atomic_load(&rig->commands->write);
    if (!tb_audio_thread_program(rig->thread, program, after))
        tb_program_free(program);
}

static void play(struct rig *rig, int round)
{
    for (int i = 0; i < 8; i++) {
        uint8_t key = (uint8_t)(36 + (round * 7 + i * 5) % 60);
        push(rig, (struct tb_event){
                      .type = TB_EVENT_NOTE_ON, .key = key, .source = CLIENT, .value = 100});
        push(rig, (struct tb_event){
                      .type = TB_EVENT_PARAM, .id = TB_P_REVERB_MIX, .value = (float)i / 8});
        push(rig, (struct tb_event){
                      .type = TB_EVENT_PARAM, .id = TB_P_NEURAL_TILT, .value = (float)i - 4});
        struct tb_midi_message midi = {.event = {.type = i % 2 ? TB_EVENT_NOTE_ON : TB_EVENT_BEND,
                                                 .key = key,
                                                 .source = TB_SOURCE_MIDI,
                                                 .value = i % 2 ? 90 : 0.3F}};
        (void)tb_audio_thread_midi(rig->thread, &midi);
    }
}

static void flood(struct rig *rig)
{
    for (int i = 0; i < TB_COMMANDS + 100; i++)
        push(rig, (struct tb_event){.type = TB_EVENT_PARAM,
                                    .id = (uint16_t)(i % TB_N_PARAMS),
                                    .value = tb_params[i % TB_N_PARAMS].max > 1 ? 1 : 0});
}

/* One of the rarer things a round. */
static void disturb(struct rig *rig, int round)
{
    struct tb_output output;
    struct tb_event panic = {.type = TB_EVENT_PANIC};
    switch (round % 6) {
    case 0:
        flood(rig);
        break;
    case 1:
        assert_true(tb_audio_thread_tone(rig->thread));
        break;
    case 2:
        output = new_output();
        assert_true(tb_audio_thread_output(rig->thread, &output));
        break;
    case 3:
        assert_true(tb_audio_thread_engine(rig->thread, new_engine()));
        break;
    case 4:
        assert_true(tb_audio_thread_release_web(rig->thread));
        break;
    default:
        assert_true(tb_audio_thread_event(rig->thread, &panic));
        break;
    }
}

static void nothing_forbidden_between_two_waits(void **state)
{
    (void)state;
    struct tb_error err = {0};
    int fd = -1;
    bool heard = false;
    struct rig rig = {.engine = new_engine(), .shm = tb_shm_new(&fd, &err)};
    assert_non_null(rig.shm);
    rig.commands = tb_shm_ring(rig.shm, rig.shm->commands);
    struct tb_audio_start start = {
        .shm = rig.shm, .engine = new_engine(), .output = new_output(), .cpu = -2};
    rig.thread = tb_audio_thread_start(&start, &err);
    if (!rig.thread)
        fail_msg("audio thread: %s", err.text);
    for (int round = 0; round < ROUNDS; round++) {
        load_patch(&rig, round);
        play(&rig, round);
        disturb(&rig, round);
        tb_clock_sleep_ms(15);
        sweep(&rig);
        heard = heard || atomic_load(&rig.shm->audio.input_open);
    }
    assert_true(heard);
    assert_true(atomic_load(&rig.shm->audio.blocks) > 100);
    atomic_store(&ending, true);
    tb_audio_thread_stop(rig.thread);
    assert_true(tb_guard_regions() > 100);
    printf("%lu blocks guarded\n", tb_guard_regions());
    tb_engine_free(rig.engine);
    tb_shm_unmap(rig.shm);
}

int main(void)
{
    random_models_make();
    tb_guard_start();
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_forbidden_between_two_waits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
