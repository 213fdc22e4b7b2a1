/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/fm_env.h"

#include "models/nn/half.h"
#include "models/train/random.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OPERATORS = 6, INPUTS = 2, RATE_HZ = 16000, HOP = 64, TEST_NOTES = 64, N_TENSORS = 6 };
static const float FRAMES_HZ = (float)RATE_HZ / HOP;

struct tb_fm_env {
    const struct tb_fm_env_voice *voice;
    struct tb_fm_env_options options;
    struct tb_network network; /* only its parameters are used, by the optimiser */
    tb_real *gradients, *average;
    struct tb_tape *tape;
    struct tb_random random;
    float *input, *levels; /* [batch * frames][2], [batch * frames][6] in network output */
    float most;
    uint64_t step;
};

void tb_fm_env_defaults(struct tb_fm_env_options *o)
{
    *o = (struct tb_fm_env_options){.width = 128,
                                    .batch = 16,
                                    .frames = 500,
                                    .low_key = 24,
                                    .high_key = 96,
                                    .rate = 4e-3,
                                    .minutes = 4,
                                    .seed = 1};
}

static enum tb_status check(const struct tb_fm_env_options *o, struct tb_error *err)
{
    if (o->width < 2 || o->width > 512)
        return tb_fail(err, TB_EINVAL, "width: %zu is not within 2..512", o->width);
    if (o->batch < 1 || o->batch > 64 || o->frames < 50 || o->frames > 5000)
        return tb_fail(err, TB_EINVAL, "batch, frames: not within 1..64, 50..5000");
    if (o->low_key > o->high_key || o->high_key > 127)
        return tb_fail(err, TB_EINVAL, "keys: %u..%u is not within 0..127", o->low_key,
                       o->high_key);
    if (o->steps == 0 && !(o->minutes > 0))
        return tb_fail(err, TB_EINVAL, "steps, minutes: one must be given");
    return TB_OK;
}

/* Names as in the model file; shapes [rows][cols]. */
static void declare(struct tb_fm_env *e)
{
    const size_t h = e->options.width;
    const struct {
        const char *name;
        size_t rows, cols;
    } all[N_TENSORS] = {{"gru.weight_ih_l0", 3 * h, INPUTS},
                        {"gru.weight_hh_l0", 3 * h, h},
                        {"gru.bias_ih_l0", 1, 3 * h},
                        {"gru.bias_hh_l0", 1, 3 * h},
                        {"proj_matrices.0.weight", OPERATORS, h},
                        {"proj_matrices.0.bias", 1, OPERATORS}};
    struct tb_network *n = &e->network;
    n->n_parameters = N_TENSORS;
    for (size_t i = 0; i < N_TENSORS; i++) {
        struct tb_parameter *p = &n->parameters[i];
        (void)snprintf(p->name, sizeof p->name, "%s", all[i].name);
        p->rows = all[i].rows;
        p->cols = all[i].cols;
        n->n_values += p->rows * p->cols;
    }
}

/* Uniform within 1 / sqrt(width), as PyTorch does it. */
static void initialise(struct tb_fm_env *e)
{
    const double bound = 1 / sqrt((double)e->options.width);
    struct tb_network *n = &e->network;
    size_t at = 0;
    for (size_t i = 0; i < n->n_parameters; i++) {
        struct tb_parameter *p = &n->parameters[i];
        p->value = n->memory + at;
        p->moment1 = p->value + n->n_values;
        p->moment2 = p->moment1 + n->n_values;
        at += p->rows * p->cols;
    }
    for (size_t i = 0; i < n->n_values; i++)
        n->memory[i] = (tb_real)(bound * (2 * tb_random_uniform(&e->random) - 1));
    memcpy(e->average, n->memory, n->n_values * sizeof(tb_real));
}

struct tb_fm_env *tb_fm_env_new(const struct tb_fm_env_voice *voice,
                                const struct tb_fm_env_options *options, struct tb_error *err)
{
    if (check(options, err) != TB_OK)
        return NULL;
    struct tb_fm_env *e = calloc(1, sizeof *e);
    const size_t rows = options->batch * options->frames;
    assert(rows > 0); /* as checked */
    if (e) {
        e->voice = voice;
        e->options = *options;
        e->most = tb_fm_env_most(voice);
        declare(e);
        const size_t n = e->network.n_values;
        e->network.memory = tb_reals_new(3 * n);
        e->gradients = tb_reals_new(n);
        e->average = tb_reals_new(n);
        e->input = calloc(rows * INPUTS, sizeof(float));
        e->levels = calloc(rows * OPERATORS, sizeof(float));
        e->tape = tb_tape_new((size_t)4 << 30);
    }
    if (!e || !e->network.memory || !e->gradients || !e->average || !e->input || !e->levels ||
        !e->tape) {
        tb_fm_env_free(e);
        (void)tb_fail(err, TB_ENOMEM, "no memory for training");
        return NULL;
    }
    tb_random_seed(&e->random, options->seed);
    initialise(e);
    return e;
}

void tb_fm_env_free(struct tb_fm_env *e)
{
    if (!e)
        return;
    free(e->network.memory);
    free(e->gradients);
    free(e->average);
    free(e->input);
    free(e->levels);
    tb_tape_free(e->tape);
    free(e);
}

/* Note i of the batch: any key, velocity and length. */
static void render_note(struct tb_fm_env *e, size_t i, struct tb_random *random)
{
    const struct tb_fm_env_options *o = &e->options;
    const double seconds = (double)o->frames / (double)FRAMES_HZ;
    const double keys = o->high_key - o->low_key + 1;
    const struct tb_fm_env_note note = {
        o->low_key + (unsigned)(keys * tb_random_uniform(random)),
        1 + (unsigned)(127 * sqrt(tb_random_uniform(random))), /* soft keys are rarer */
        (float)(seconds * (0.03 + 0.9 * tb_random_uniform(random)))};
    float *levels = e->levels + i * o->frames * OPERATORS;
    tb_fm_env_render(e->voice, &note, FRAMES_HZ, o->frames, e->input + i * o->frames * INPUTS,
                     levels);
    for (size_t k = 0; k < o->frames * OPERATORS; k++)
        levels[k] /= e->most;
}

static struct tb_tensor parameter(struct tb_fm_env *e, size_t i)
{
    const struct tb_parameter *p = &e->network.parameters[i];
    return (struct tb_tensor){p->value, e->gradients + (p->value - e->network.memory), p->rows,
                              p->cols};
}

static struct tb_tensor forward(struct tb_fm_env *e)
{
    const size_t rows = e->options.batch * e->options.frames;
    tb_tape_reset(e->tape);
    const struct tb_gru_weights w = {parameter(e, 0), parameter(e, 1), parameter(e, 2),
                                     parameter(e, 3)};
    struct tb_tensor h =
        tb_op_gru(e->tape, tb_constant(e->input, rows, INPUTS), &w, e->options.batch);
    return h.value ? tb_op_linear(e->tape, h, parameter(e, 4), parameter(e, 5)) : h;
}

static enum tb_status one_step(struct tb_fm_env *e, double rate, double *loss, struct tb_error *err)
{
    for (size_t i = 0; i < e->options.batch; i++)
        render_note(e, i, &e->random);
    memset(e->gradients, 0, e->network.n_values * sizeof(tb_real));
    struct tb_tensor out = forward(e);
    struct tb_tensor l1 = out.value ? tb_op_l1(e->tape, out, e->levels) : out;
    if (!l1.value)
        return tb_fail(err, TB_ENOMEM, "the batch does not fit the training memory");
    *loss = (double)l1.value[0];
    if (!isfinite(*loss))
        return tb_fail(err, TB_ECORRUPT, "the loss is not finite any more");
    l1.grad[0] = 1;
    tb_tape_backward(e->tape);
    const struct tb_adamw adamw = {rate, 0.9, 0.999, 1e-8, 0, 0.5};
    (void)tb_adamw_step(&e->network, &adamw, e->gradients, ++e->step);
    const tb_real keep = (tb_real)fmin(0.99, (double)e->step / (10 + (double)e->step));
    for (size_t i = 0; i < e->network.n_values; i++)
        e->average[i] = keep * e->average[i] + (1 - keep) * e->network.memory[i];
    return TB_OK;
}

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum tb_status tb_fm_env_go(struct tb_fm_env *e, const atomic_int *stop,
                            void (*report)(void *context, const struct tb_fm_env_report *report),
                            void *context, struct tb_error *err)
{
    const struct tb_fm_env_options *o = &e->options;
    const double began = now_s();
    double told = began, sum = 0, done = 0;
    uint64_t since = 0;
    enum tb_status s = TB_OK;
    while (s == TB_OK && done < 1 && !(stop && *stop)) {
        const double fall = 0.05 + 0.95 * 0.5 * (1 + cos(3.14159265358979 * done));
        const double warm = fmin(1, ((double)e->step + 1) / 50);
        double loss = 0;
        s = one_step(e, o->rate * fall * warm, &loss, err);
        const double now = now_s(), spent = now - began;
        done = o->steps ? (double)e->step / (double)o->steps : 0;
        if (o->minutes > 0)
            done = fmax(done, spent / (60 * o->minutes));
        sum += loss;
        since++;
        if (report && s == TB_OK && (now - told >= 1 || done >= 1)) {
            report(context, &(struct tb_fm_env_report){e->step, sum / (double)since,
                                                       (double)since / (now - told),
                                                       done < 1 ? spent / done - spent : 0});
            told = now;
            sum = 0;
            since = 0;
        }
    }
    memcpy(e->network.memory, e->average, e->network.n_values * sizeof(tb_real));
    return s;
}

enum tb_status tb_fm_env_test(struct tb_fm_env *e, double *l1, struct tb_error *err)
{
    struct tb_random random;
    double sum = 0;
    size_t n = 0;
    tb_random_seed(&random, ~e->options.seed);
    while (n < TEST_NOTES * e->options.frames * OPERATORS) {
        for (size_t i = 0; i < e->options.batch; i++)
            render_note(e, i, &random);
        const struct tb_tensor out = forward(e);
        if (!out.value)
            return tb_fail(err, TB_ENOMEM, "the batch does not fit the training memory");
        for (size_t i = 0; i < out.rows * OPERATORS; i++) {
            const double y = fmin(1, fmax(0, (double)out.value[i]));
            sum += fabs(y - (double)e->levels[i]) * (double)e->most / 2;
        }
        n += out.rows * OPERATORS;
    }
    *l1 = sum / (double)n;
    return TB_OK;
}

uint64_t tb_fm_env_steps(const struct tb_fm_env *e)
{
    return e->step;
}

void *tb_fm_env_encode(const struct tb_fm_env *e, const struct tb_model_meta *meta,
                       enum tb_nn_dtype storage, size_t *size, struct tb_error *err)
{
    struct tb_model_meta m = *meta;
    struct tb_model_tensor tensors[N_TENSORS];
    uint16_t *half = calloc(e->network.n_values, sizeof *half);
    if (!half) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for the model file");
        return NULL;
    }
    tb_fm_env_describe(e->voice, &m);
    m.sample_rate = RATE_HZ;
    m.hop = HOP;
    m.width = (int)e->options.width;
    for (size_t i = 0; i < e->network.n_values; i++)
        half[i] = tb_f32_to_f16(e->network.memory[i]);
    for (size_t i = 0; i < N_TENSORS; i++) {
        const struct tb_parameter *p = &e->network.parameters[i];
        const bool matrix = p->rows > 1, small = matrix && storage == TB_NN_F16;
        const void *data =
            small ? (const void *)(half + (p->value - e->network.memory)) : (const void *)p->value;
        tensors[i] = (struct tb_model_tensor){p->name,
                                              small ? TB_NN_F16 : TB_NN_F32,
                                              matrix ? 2 : 1,
                                              {matrix ? p->rows : p->cols, matrix ? p->cols : 0, 0},
                                              data};
    }
    void *file = tb_model_file_encode(&m, tensors, N_TENSORS, size, err);
    free(half);
    return file;
}
