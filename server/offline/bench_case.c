/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/bench_priv.h"

#include "models/neural_spec.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { MIN_BLOCKS = 200, MAX_BLOCKS = 1 << 20, STRESS_ROUNDS = 200, LOWEST_KEY = 24 };
enum { MODEL_ROUNDS = 6 }; /* each builds an instrument */

uint64_t tb_bench_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void tb_bench_values(float values[TB_N_PARAMS])
{
    static const float levels[TB_N_OPERATORS] = {99, 78, 95, 74, 92, 70};
    static const float coarse[TB_N_OPERATORS] = {1, 1, 2, 3, 1, 14};
    static const float detune[TB_N_OPERATORS] = {-2, 1, 0, 3, 2, -1};
    tb_params_default(values);
    values[TB_P_FM_ALGORITHM] = 5;
    values[TB_P_FM_FEEDBACK] = 6;
    for (int op = 0; op < TB_N_OPERATORS; op++) {
        float *v = values + op * TB_FM_OP_STRIDE;
        v[TB_P_FM_OP1_LEVEL] = levels[op];
        v[TB_P_FM_OP1_COARSE] = coarse[op];
        v[TB_P_FM_OP1_DETUNE] = detune[op];
        v[TB_P_FM_OP1_VELOCITY] = 2;
        v[TB_P_FM_OP1_AMS] = (float)(1 + op % 3);
        v[TB_P_FM_OP1_R1] = 90;
        v[TB_P_FM_OP1_R2] = 20; /* minutes from level 1 to level 3: always moving */
        v[TB_P_FM_OP1_R3] = 10;
        v[TB_P_FM_OP1_L2] = 90;
        v[TB_P_FM_OP1_L3] = 75;
    }
    values[TB_P_LFO_SPEED] = 40;
    values[TB_P_LFO_PMD] = 30;
    values[TB_P_LFO_AMD] = 20;
}

static void send(struct tb_bench_case *c, enum tb_event_type type, uint8_t key, float value)
{
    struct tb_event event = {
        .type = (uint8_t)type, .key = key, .source = TB_SOURCE_REST, .value = value};
    tb_engine_handle(c->engine, &event);
}

static void send_param(struct tb_bench_case *c, int id, double value)
{
    struct tb_event event = {.type = TB_EVENT_PARAM, .id = (uint16_t)id, .value = (float)value};
    tb_engine_handle(c->engine, &event);
}

static void all_notes(struct tb_bench_case *c)
{
    for (uint32_t i = 0; i < c->voices; i++)
        send(c, TB_EVENT_NOTE_ON, (uint8_t)(LOWEST_KEY + i), 100.0F);
}

static struct tb_program *make_program(const struct tb_bench_case *c, const float *values,
                                       struct tb_error *err)
{
    struct tb_neural_spec spec;
    if (!c->spec->model)
        return tb_program_new(c->engine, values, err);
    tb_neural_spec_of(c->spec->model, &spec);
    struct tb_neural *neural = tb_neural_new(&spec, (float)c->rate_hz, c->spec->cpu, err);
    return neural ? tb_program_new_neural(c->engine, values, neural, NULL, err) : NULL;
}

enum tb_status tb_bench_case_open(struct tb_bench_case *c, struct tb_error *err)
{
    struct tb_engine_config config = {
        .rate_hz = (float)c->rate_hz, .max_block = c->block, .cpu = c->spec->cpu, .seed = 1};
    c->capacity = (size_t)fmin(MAX_BLOCKS, fmax(c->spec->seconds * 1e9 / 200.0, MIN_BLOCKS));
    c->times_ns = calloc(c->capacity, sizeof *c->times_ns);
    c->left = calloc(2 * (size_t)c->block, sizeof *c->left);
    if (!c->times_ns || !c->left)
        return tb_fail(err, TB_ENOMEM, "bench: no memory");
    c->right = c->left + c->block;
    c->engine = tb_engine_new(&config, err);
    if (!c->engine)
        return err->status;
    struct tb_program *program = make_program(c, c->values, err);
    if (!program)
        return err->status;
    if (!tb_engine_swap(c->engine, program)) {
        tb_program_free(program);
        return tb_fail(err, TB_ECONFLICT, "bench: the engine did not take the patch");
    }
    send_param(c, TB_P_ENGINE_VOICES, c->voices);
    return TB_OK;
}

void tb_bench_case_close(struct tb_bench_case *c)
{
    if (c->engine) {
        tb_program_free(tb_engine_retired(c->engine));
        tb_engine_free(c->engine);
    }
    free(c->times_ns);
    free(c->left);
    c->engine = NULL;
    c->times_ns = NULL;
    c->left = NULL;
}

void tb_bench_case_block(struct tb_bench_case *c, bool measured)
{
    uint64_t start = tb_bench_now_ns();
    tb_engine_render(c->engine, c->left, c->right, c->block);
    uint64_t ns = tb_bench_now_ns() - start;
    if (measured && c->n < c->capacity)
        c->times_ns[c->n++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

void tb_bench_case_warm(struct tb_bench_case *c)
{
    tb_bench_case_block(c, false);
    tb_program_free(tb_engine_retired(c->engine));
    all_notes(c);
    for (uint32_t n = 0; n < c->rate_hz / 4; n += c->block)
        tb_bench_case_block(c, false);
}

static void count_voices(struct tb_bench_case *c)
{
    struct tb_frame frame;
    tb_engine_telemetry(c->engine, &frame);
    c->sounding = frame.voices;
}

void tb_bench_steady(struct tb_bench_case *c)
{
    uint64_t end = tb_bench_now_ns() + (uint64_t)(c->spec->seconds * 1e9);
    while (c->n < c->capacity && (c->n < MIN_BLOCKS || tb_bench_now_ns() < end))
        tb_bench_case_block(c, true);
    count_voices(c);
}

/* The block in which every voice starts at once, over and over. */
void tb_bench_note_ons(struct tb_bench_case *c)
{
    for (int round = 0; round < STRESS_ROUNDS; round++) {
        send(c, TB_EVENT_PANIC, 0, 0.0F);
        for (uint32_t n = 0; n < c->rate_hz / 50; n += c->block)
            tb_bench_case_block(c, false);
        all_notes(c);
        tb_bench_case_block(c, true);
    }
    count_voices(c);
}

static bool is_swept(int id)
{
    return id != TB_P_ENGINE_VOICES && id != TB_P_MIDI_CHANNEL;
}

/* Every parameter moves in every block, from end to end within a second. */
void tb_bench_sweep(struct tb_bench_case *c)
{
    size_t blocks = c->rate_hz / c->block;
    for (size_t i = 0; i < blocks && c->n < c->capacity; i++) {
        double x = (double)i / (double)blocks;
        for (int id = 0; id < TB_N_PARAMS; id++) {
            if (is_swept(id))
                send_param(c, id, tb_param_denormalise((enum tb_param)id, x));
        }
        tb_bench_case_block(c, true);
    }
    count_voices(c);
}

/* The blocks of cross-fades between two patches while all voices sound. */
enum tb_status tb_bench_patch_change(struct tb_bench_case *c, struct tb_error *err)
{
    float other[TB_N_PARAMS];
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        other[i] = c->values[i];
    other[TB_P_FM_ALGORITHM] = 18;
    other[TB_P_FM_OP1_COARSE] = 2;
    const int rounds = c->spec->model ? MODEL_ROUNDS : STRESS_ROUNDS / 4;
    for (int round = 0; round < rounds; round++) {
        struct tb_program *next = make_program(c, round % 2 ? c->values : other, err);
        if (!next)
            return err->status;
        if (!tb_engine_swap(c->engine, next)) {
            tb_program_free(next);
            return tb_fail(err, TB_ECONFLICT, "bench: a cross-fade does not end");
        }
        struct tb_program *retired = NULL;
        for (uint32_t n = 0; !retired && n < c->rate_hz; n += c->block) {
            tb_bench_case_block(c, true);
            retired = tb_engine_retired(c->engine);
        }
        tb_program_free(retired);
    }
    count_voices(c);
    return TB_OK;
}
