/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/nn/nn_priv.h"

#include <string.h>

static const float INPUT_LIMIT = 16.0f;

void tb_nn_reset(struct tb_nn_bank *bank, unsigned slot)
{
    if (slot >= bank->n_slots)
        return;
    const size_t n = bank->model->state;
    memset(bank->state + slot * n, 0, n * sizeof(float));
    memset(bank->rings + (size_t)slot * TB_NN_MAX_RINGS, 0, TB_NN_MAX_RINGS * sizeof(uint32_t));
}

void tb_nn_begin(struct tb_nn_run *run, const uint8_t *slots, unsigned n, const float *inputs)
{
    const struct tb_nn_model *m = run->bank->model;
    if (run->left)
        (void)tb_nn_advance(run, UINT64_MAX);
    run->n_voices = 0;
    for (unsigned v = 0; v < n && v < TB_NN_MAX_BATCH; v++) {
        if (slots[v] >= run->bank->n_slots)
            continue;
        const unsigned at = run->n_voices++;
        float *x = run->scratch + (size_t)at * m->scratch + m->inputs;
        run->slots[at] = slots[v];
        run->state[at] = run->bank->state + slots[v] * (size_t)m->state;
        run->rings[at] = run->bank->rings + slots[v] * (size_t)TB_NN_MAX_RINGS;
        for (unsigned i = 0; i < m->spec.n_inputs; i++) {
            const float value = inputs[v * m->spec.n_inputs + i];
            x[i] = value < -INPUT_LIMIT ? -INPUT_LIMIT : value > INPUT_LIMIT ? INPUT_LIMIT : value;
            if (!__builtin_isfinite(value))
                x[i] = 0;
        }
    }
    run->op = run->n_voices ? 0 : m->n_ops;
    run->unit = 0;
    run->left = m->cost * run->n_voices;
}

static void perform(const struct tb_nn_job *job)
{
    const struct tb_nn_kernels *kernels = job->model->kernels;
    switch (job->op->kind) {
    case TB_NN_OP_LINEAR:
        kernels->linear(job);
        break;
    case TB_NN_OP_QUANTISE:
        kernels->quantise(job);
        break;
    case TB_NN_OP_NORM:
        kernels->norm(job);
        break;
    case TB_NN_OP_DENSE:
        kernels->dense(job);
        break;
    case TB_NN_OP_GRU:
        kernels->gru(job);
        break;
    case TB_NN_OP_LOAD:
    case TB_NN_OP_COPY:
        kernels->copy(job);
        break;
    }
}

/* Weights are finite and inputs bounded, so only a huge network can overflow; it must not stay so.
 */
static void check_outputs(struct tb_nn_run *run)
{
    const struct tb_nn_model *m = run->bank->model;
    for (unsigned v = 0; v < run->n_voices; v++) {
        float *scratch = run->scratch + (size_t)v * m->scratch;
        bool finite = true;
        for (unsigned h = 0; h < m->spec.n_heads; h++)
            finite = finite && m->kernels->finite(scratch + m->heads[h], m->spec.head[h]);
        if (finite)
            continue;
        for (unsigned h = 0; h < m->spec.n_heads; h++)
            memset(scratch + m->heads[h], 0, m->spec.head[h] * sizeof(float));
        tb_nn_reset(run->bank, run->slots[v]);
        run->nonfinite++;
    }
}

uint64_t tb_nn_advance(struct tb_nn_run *run, uint64_t budget)
{
    const struct tb_nn_model *m = run->bank->model;
    struct tb_nn_job job = {.model = m,
                            .scratch = run->scratch,
                            .stride = m->scratch,
                            .state = run->state,
                            .rings = run->rings,
                            .n_voices = run->n_voices};
    if (run->op >= m->n_ops)
        return 0;
    do {
        const struct tb_nn_op *op = &m->ops[run->op];
        const uint64_t cost = op->unit_cost * run->n_voices;
        const uint64_t todo = op->n_panels - run->unit; /* mostly all: no division */
        const uint64_t fits = todo * cost <= budget ? todo : budget / cost;
        const unsigned units = (unsigned)(fits ? fits : 1);
        job.op = op;
        job.first = run->unit;
        job.last = run->unit + units;
        perform(&job);
        run->left -= units * cost;
        budget -= units * cost < budget ? units * cost : budget;
        run->unit += units;
        if (run->unit == op->n_panels) {
            run->unit = 0;
            run->op++;
        }
    } while (budget && run->op < m->n_ops);
    if (run->op < m->n_ops)
        return run->left;
    run->left = 0;
    check_outputs(run);
    return 0;
}

uint64_t tb_nn_cost(const struct tb_nn_model *model, unsigned n)
{
    return model->cost * n;
}

const float *tb_nn_head(const struct tb_nn_run *run, unsigned i, unsigned head)
{
    const struct tb_nn_model *m = run->bank->model;
    return run->scratch + (size_t)i * m->scratch + m->heads[head];
}

uint32_t tb_nn_nonfinite(const struct tb_nn_run *run)
{
    return run->nonfinite;
}

void tb_nn_map(enum tb_nn_cpu cpu, enum tb_nn_function function, float *y, const float *x, size_t n)
{
    const struct tb_nn_kernels *kernels = tb_nn_kernels_of(cpu);
    if (kernels)
        kernels->map(function, y, x, n);
}
