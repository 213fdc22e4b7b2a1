/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_GOLDEN_ENGINE_FIXTURE_H
#define TB_TESTS_GOLDEN_ENGINE_FIXTURE_H

#include "dsp/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An engine to listen to in tests: 48 kHz, 0 dB, what it renders lies in left. */
struct fixture {
    struct tb_engine *engine;
    uint32_t block; /* frames of a render call, changeable */
    size_t n;       /* frames rendered */
    float *left, *right;
    size_t room;
};

static const float fixture_rate = 48000.0F;

static inline void fixture_new(struct fixture *f, enum tb_cpu cpu)
{
    struct tb_error err;
    const struct tb_engine_config config = {
        .rate_hz = fixture_rate, .max_block = 2048, .cpu = cpu, .seed = 7};
    memset(f, 0, sizeof *f);
    f->engine = tb_engine_new(&config, &err);
    assert_non_null(f->engine);
    f->block = 64;
    struct tb_event gain = {.type = TB_EVENT_PARAM, .id = TB_P_MASTER_GAIN, .value = 0.0F};
    tb_engine_handle(f->engine, &gain);
    float skip[2048];
    for (int i = 0; i < 60; i++) /* the gain settles */
        tb_engine_render(f->engine, skip, skip + 1024, 1024);
}

static inline void fixture_free(struct fixture *f)
{
    tb_engine_free(f->engine);
    free(f->left);
    free(f->right);
}

/* Appends n frames. */
static inline void fixture_render(struct fixture *f, size_t n)
{
    if (f->n + n > f->room) {
        f->room = (f->n + n) * 2;
        f->left = realloc(f->left, f->room * sizeof *f->left);
        f->right = realloc(f->right, f->room * sizeof *f->right);
        assert_true(f->left && f->right);
    }
    while (n > 0) {
        uint32_t part = n < f->block ? (uint32_t)n : f->block;
        tb_engine_render(f->engine, f->left + f->n, f->right + f->n, part);
        f->n += part;
        n -= part;
    }
}

static inline void fixture_event(struct fixture *f, struct tb_event event)
{
    tb_engine_handle(f->engine, &event);
}

static inline void fixture_on(struct fixture *f, int key, int velocity)
{
    fixture_event(f, (struct tb_event){.type = TB_EVENT_NOTE_ON,
                                       .key = (uint8_t)key,
                                       .source = TB_SOURCE_MIDI,
                                       .value = (float)velocity});
}

static inline void fixture_off(struct fixture *f, int key)
{
    fixture_event(f, (struct tb_event){
                         .type = TB_EVENT_NOTE_OFF, .key = (uint8_t)key, .source = TB_SOURCE_MIDI});
}

static inline void fixture_controller(struct fixture *f, int number, float value)
{
    fixture_event(f, (struct tb_event){.type = TB_EVENT_CONTROLLER,
                                       .id = (uint16_t)number,
                                       .source = TB_SOURCE_MIDI,
                                       .value = value});
}

static inline void fixture_param(struct fixture *f, unsigned id, float value)
{
    fixture_event(f, (struct tb_event){.type = TB_EVENT_PARAM, .id = (uint16_t)id, .value = value});
}

/* Loads a patch and lets the previous one fade. */
static inline void fixture_load(struct fixture *f, const float values[TB_N_PARAMS])
{
    struct tb_error err;
    struct tb_program *program = tb_program_new(f->engine, values, &err);
    assert_non_null(program);
    assert_true(tb_engine_swap(f->engine, program));
    float skip[2][1024];
    for (int i = 0; i < 10; i++)
        tb_engine_render(f->engine, skip[0], skip[1], 1024);
    tb_program_free(tb_engine_retired(f->engine));
}

/* Amplitude of the line at hz in x[n], Hann window: 0 dB error between lines far apart. */
static inline double line_amplitude(const float *x, size_t n, double hz)
{
    double re = 0.0, im = 0.0, sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double w = 0.5 - 0.5 * cos(2.0 * M_PI * ((double)i + 0.5) / (double)n);
        double p = 2.0 * M_PI * hz / (double)fixture_rate * (double)i;
        re += w * (double)x[i] * cos(p);
        im += w * (double)x[i] * sin(p);
        sum += w;
    }
    return 2.0 * sqrt(re * re + im * im) / sum;
}

static inline double to_db(double x)
{
    return 20.0 * log10(x + 1e-30);
}

static inline double note_hz(double note)
{
    return 440.0 * pow(2.0, (note - 69.0) / 12.0);
}

static inline void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        print_error("%g is not %g +- %g\n", value, expected, tolerance);
    assert_true(fabs(value - expected) <= tolerance);
}

static inline unsigned op_param(int op, unsigned op1_id)
{
    return op1_id + (unsigned)(op - 1) * TB_FM_OP_STRIDE;
}

#endif
