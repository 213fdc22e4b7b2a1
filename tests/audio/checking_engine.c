/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/audio/checking_engine.h"

#include "dsp/neural.h"

#include <stdlib.h>
#include <string.h>

/* Stands in for the engine where not the sound matters but that every command arrives whole. */
struct tb_engine {
    struct tb_program *program, *retired;
    unsigned refused;
};

struct tb_program {
    float tag;
};

atomic_ullong checking_commands, checking_torn;
float checking_log[CHECKING_LOG];
atomic_uint checking_logged, checking_fades, checking_programs, checking_all_off;

static void note(float value)
{
    unsigned n = atomic_load(&checking_logged);
    if (n < CHECKING_LOG) {
        checking_log[n] = value;
        atomic_store(&checking_logged, n + 1);
    }
}

struct tb_event checking_command(uint64_t number)
{
    return (struct tb_event){
        .type = TB_EVENT_NOTE_ON,
        .channel = (uint8_t)(number % 16),
        .key = (uint8_t)(number % 128),
        .source = (uint32_t)(number * 2654435761U),
        .id = (uint16_t)(number * 40503U),
        .value = (float)(number % 127 + 1),
        .stamp_ns = number,
    };
}

struct tb_engine *tb_engine_new(const struct tb_engine_config *config, struct tb_error *err)
{
    (void)config, (void)err;
    return calloc(1, sizeof(struct tb_engine));
}

void tb_engine_free(struct tb_engine *engine)
{
    if (!engine)
        return;
    tb_program_free(engine->program);
    tb_program_free(engine->retired);
    free(engine);
}

struct tb_program *tb_program_new(const struct tb_engine *engine, const float values[TB_N_PARAMS],
                                  struct tb_error *err)
{
    (void)engine, (void)err;
    struct tb_program *program = malloc(sizeof *program);
    if (program) {
        program->tag = values[0];
        atomic_fetch_add(&checking_programs, 1);
    }
    return program;
}

struct tb_program *tb_program_new_neural(const struct tb_engine *engine,
                                         const float values[TB_N_PARAMS], struct tb_neural *a,
                                         struct tb_neural *b, struct tb_error *err)
{
    (void)a, (void)b; /* no test loads a model */
    return tb_program_new(engine, values, err);
}

/* What the builder of instruments needs to be linked; nothing is prepared here. */
struct tb_neural *tb_neural_new(const struct tb_neural_spec *spec, float rate_hz, enum tb_cpu cpu,
                                struct tb_error *err)
{
    (void)spec, (void)rate_hz, (void)cpu;
    (void)tb_fail(err, TB_EUNSUPPORTED, "no instruments here");
    return NULL;
}

void tb_neural_free(struct tb_neural *neural)
{
    (void)neural;
}

float tb_neural_rate_hz(const struct tb_neural *neural)
{
    (void)neural;
    return 0.0f;
}

void tb_program_free(struct tb_program *program)
{
    if (program)
        atomic_fetch_sub(&checking_programs, 1);
    free(program);
}

bool tb_engine_swap(struct tb_engine *engine, struct tb_program *program)
{
    if (engine->retired || engine->refused++ < atomic_load(&checking_fades))
        return false;
    engine->refused = 0;
    engine->retired = engine->program;
    engine->program = program;
    note(-program->tag);
    return true;
}

struct tb_program *tb_engine_retired(struct tb_engine *engine)
{
    struct tb_program *program = engine->retired;
    engine->retired = NULL;
    return program;
}

void tb_engine_handle(struct tb_engine *engine, const struct tb_event *event)
{
    (void)engine;
    if (event->type == TB_EVENT_PARAM && tb_params[event->id].owner == TB_OWNER_PATCH)
        note(event->value);
    if (event->type == TB_EVENT_ALL_NOTES_OFF)
        atomic_fetch_add(&checking_all_off, 1);
    if (event->type != TB_EVENT_NOTE_ON)
        return;
    struct tb_event right = checking_command(event->stamp_ns);
    atomic_fetch_add_explicit(&checking_commands, 1, memory_order_relaxed);
    /* A torn value need not be equal as a float: every bit is meant, and nothing is padding.
     * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
    if (memcmp(&right, event, sizeof right) != 0)
        atomic_fetch_add_explicit(&checking_torn, 1, memory_order_relaxed);
}

void tb_engine_render(struct tb_engine *engine, float *left, float *right, uint32_t n)
{
    (void)engine;
    memset(left, 0, n * sizeof *left);
    memset(right, 0, n * sizeof *right);
}

void tb_engine_input(struct tb_engine *engine, const float *mono, uint32_t n)
{
    (void)engine, (void)mono, (void)n;
}

void tb_engine_heard(const struct tb_engine *engine, struct tb_engine_heard *heard)
{
    (void)engine;
    memset(heard, 0, sizeof *heard);
}

void tb_engine_telemetry(const struct tb_engine *engine, struct tb_frame *frame)
{
    (void)engine, (void)frame;
}

void tb_engine_load(struct tb_engine *engine, float load)
{
    (void)engine;
    (void)load;
}

bool tb_engine_notice(struct tb_engine *engine, struct tb_notice *notice)
{
    (void)engine, (void)notice;
    return false;
}

const char *tb_cpu_name(enum tb_cpu cpu)
{
    (void)cpu;
    return "checking";
}

enum tb_cpu tb_engine_cpu(const struct tb_engine *engine)
{
    (void)engine;
    return TB_CPU_PORTABLE;
}
