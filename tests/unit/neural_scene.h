/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_UNIT_NEURAL_SCENE_H
#define TB_TESTS_UNIT_NEURAL_SCENE_H

#include "tests/golden/engine_fixture.h"
#include "tests/golden/neural_fixture.h"

enum { N_FAMILIES = 4 };
static const enum tb_model_family families[N_FAMILIES] = {TB_MODEL_HPN, TB_MODEL_WAVETABLE,
                                                          TB_MODEL_DDX7, TB_MODEL_FM_ENVELOPE};

/* Swaps a and b in; values NULL: defaults. What sounded before fades meanwhile. */
static inline void scene_swap(struct fixture *f, struct tb_neural *a, struct tb_neural *b,
                              const float *values)
{
    struct tb_error err = {0};
    float defaults[TB_N_PARAMS];
    tb_params_default(defaults);
    struct tb_program *program =
        tb_program_new_neural(f->engine, values ? values : defaults, a, b, &err);
    if (!program)
        fail_msg("%s", err.text);
    for (int i = 0; !tb_engine_swap(f->engine, program); i++) {
        assert_true(i < 500);
        fixture_render(f, 256);
        tb_program_free(tb_engine_retired(f->engine));
    }
}

static inline struct tb_neural *scene_plain(enum tb_model_family family, float slope)
{
    static struct neural_model m;
    neural_model_plain(&m, family, slope);
    struct tb_neural *neural = neural_model_instrument(&m, fixture_rate, TB_CPU_BEST);
    neural_model_free(&m);
    return neural;
}

/* An engine that plays a and b, the INIT voice gone. */
static inline void scene_open_pair(struct fixture *f, struct tb_neural *a, struct tb_neural *b,
                                   const float *values)
{
    fixture_new(f, TB_CPU_BEST);
    scene_swap(f, a, b, values);
    fixture_render(f, 4800);
    tb_program_free(tb_engine_retired(f->engine));
    f->n = 0;
}

/* One plain model of the family; slope: how much louder hard keys are. */
static inline void scene_open(struct fixture *f, enum tb_model_family family, float slope,
                              const float *values)
{
    scene_open_pair(f, scene_plain(family, slope), NULL, values);
}

static inline float scene_loudest(const struct fixture *f, size_t from, size_t to)
{
    float most = 0.0F;
    for (size_t i = from; i < to; i++)
        most = fmaxf(most, fabsf(f->left[i]));
    return most;
}

static inline float scene_largest_step(const struct fixture *f, size_t from, size_t to)
{
    float most = 0.0F;
    for (size_t i = from + 1; i < to; i++)
        most = fmaxf(most, fabsf(f->left[i] - f->left[i - 1]));
    return most;
}

/* Frequency of the line near hz, from the turn of its phase between two halves. */
static inline double scene_hz(const float *x, size_t n, double hz)
{
    double phase[2];
    const size_t half = n / 2;
    for (size_t part = 0; part < 2; part++) {
        double re = 0, im = 0;
        for (size_t i = 0; i < half; i++) {
            const double w = 0.5 - 0.5 * cos(2 * M_PI * ((double)i + 0.5) / (double)half);
            const double p = 2 * M_PI * hz / (double)fixture_rate * (double)(i + part * half);
            re += w * (double)x[i + part * half] * cos(p);
            im -= w * (double)x[i + part * half] * sin(p);
        }
        phase[part] = atan2(im, re);
    }
    return hz + remainder(phase[1] - phase[0], 2 * M_PI) / (2 * M_PI) * (double)fixture_rate /
                    (double)half;
}

#endif
