/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/nn/nn_priv.h"

/* Lays out what a frame does, in the order of its weights in the arena. Runs twice: once to size
 * the arena, once to fill it. */
struct plan {
    struct tb_nn_model *model;
    const struct tb_nn_tensor *tensors;
    enum tb_nn_dtype storage; /* TB_NN_N_DTYPES: as the tensor */
    unsigned n_tensors;       /* taken so far, in the order of tb_nn_shapes */
    unsigned quantised;       /* offset whose codes are current, or TB_NN_NONE */
    size_t bytes;
    unsigned widest;                                               /* inputs of any int8 matrix */
    unsigned product[TB_NN_MAX_INPUTS], between[TB_NN_MAX_INPUTS]; /* inside MLPs */
    bool full;
};

static unsigned take_floats(struct plan *p, unsigned n)
{
    const unsigned at = p->model->scratch;
    p->model->scratch += tb_nn_round(n, TB_NN_HALF);
    return at;
}

static struct tb_nn_op *add_op(struct plan *p, struct tb_nn_op op)
{
    struct tb_nn_model *m = p->model;
    if (m->n_ops == TB_NN_MAX_OPS) {
        p->full = true;
        return &m->ops[TB_NN_MAX_OPS - 1];
    }
    if (op.kind != TB_NN_OP_LINEAR) {
        op.n_panels = 1;
        op.unit_cost = op.kind == TB_NN_OP_GRU     ? 64 * op.n_out
                       : op.kind == TB_NN_OP_DENSE ? TB_NN_HALF * op.n_in + 64
                                                   : 8 * op.n_in;
        op.unit_cost += 64;
    }
    m->cost += op.n_panels * op.unit_cost;
    m->ops[m->n_ops] = op;
    return &m->ops[m->n_ops++];
}

static enum tb_nn_dtype storage_of(const struct plan *p, const struct tb_nn_matrix *m)
{
    enum tb_nn_dtype storage = p->storage;
    if (storage == TB_NN_N_DTYPES)
        storage = m->weight->dtype;
    if (m->in * m->kernel < TB_NN_SMALL)
        storage = TB_NN_F32;
    if (storage == TB_NN_F16 && !p->model->kernels->has_f16)
        storage = TB_NN_F32;
    return storage;
}

struct linear {
    unsigned src, dst, add;
    bool relu;
    unsigned dilation; /* of more than one tap */
};

/* Memory of what src was, for an operation that reads it. */
static void add_ring(struct plan *p, struct tb_nn_op *op, unsigned dilation)
{
    struct tb_nn_model *m = p->model;
    op->ring = m->n_rings++;
    op->dilation = dilation;
    op->state = m->state;
    m->state += tb_nn_round(op->n_row * (op->taps - 1) * dilation, TB_NN_HALF);
}

static void quantise(struct plan *p, struct tb_nn_op op, unsigned dilation)
{
    if (op.taps == 1 && p->quantised == op.src)
        return;
    op.kind = TB_NN_OP_QUANTISE;
    if (op.taps > 1)
        add_ring(p, &op, dilation);
    (void)add_op(p, op);
    p->quantised = op.taps > 1 ? TB_NN_NONE : op.src;
    if (op.n_in > p->widest)
        p->widest = op.n_in;
}

static void add_linear(struct plan *p, const struct tb_nn_matrix *m, struct linear l)
{
    const unsigned in = m->in * m->kernel;
    const unsigned rows = m->n_gates * tb_nn_round(m->out / m->n_gates, TB_NN_HALF);
    const enum tb_nn_dtype storage = storage_of(p, m);
    struct tb_nn_op op = {.kind = TB_NN_OP_LINEAR,
                          .storage = storage,
                          .relu = l.relu,
                          .n_in = in,
                          .n_out = rows,
                          .src = l.src,
                          .dst = l.dst,
                          .add = l.add,
                          .taps = storage == TB_NN_I8 ? 1 : m->kernel,
                          .n_row = m->in,
                          .weights = p->bytes,
                          .n_panels = (rows + TB_NN_PANEL - 1) / TB_NN_PANEL,
                          .unit_cost = (uint64_t)in * TB_NN_PANEL + 32};
    if (storage == TB_NN_I8)
        quantise(p, (struct tb_nn_op){.n_in = in, .src = l.src, .taps = m->kernel, .n_row = m->in},
                 l.dilation);
    if (op.taps > 1)
        add_ring(p, &op, l.dilation);
    if (p->quantised == l.dst)
        p->quantised = TB_NN_NONE;
    p->bytes += tb_nn_pack_size(m, storage, &op.panel_bytes);
    p->model->macs += (uint64_t)in * m->out;
    if (p->model->arena)
        tb_nn_pack(m, storage, p->model->arena + op.weights);
    (void)add_op(p, op);
}

/* Linear layer of the next two tensors, weight and bias. */
static void next_linear(struct plan *p, unsigned out, unsigned in, unsigned kernel, struct linear l)
{
    const struct tb_nn_matrix m = {.weight = &p->tensors[p->n_tensors],
                                   .bias = &p->tensors[p->n_tensors + 1],
                                   .out = out,
                                   .in = in,
                                   .kernel = kernel,
                                   .n_gates = 1};
    p->n_tensors += 2;
    add_linear(p, &m, l);
}

static void next_norm(struct plan *p, unsigned src, unsigned dst)
{
    const unsigned n = p->model->spec.width, padded = tb_nn_round(n, TB_NN_HALF);
    struct tb_nn_op op = {
        .kind = TB_NN_OP_NORM, .n_in = n, .n_out = n, .src = src, .dst = dst, .weights = p->bytes};
    if (p->model->arena) {
        float *to = (float *)(void *)(p->model->arena + p->bytes);
        tb_nn_pack_vector(&p->tensors[p->n_tensors], n, to);
        tb_nn_pack_vector(&p->tensors[p->n_tensors + 1], n, to + padded);
    }
    p->n_tensors += 2;
    p->bytes += 2 * padded * sizeof(float);
    p->quantised = TB_NN_NONE;
    (void)add_op(p, op);
}

/* Both of the next four tensors at once: of the smallest nets, where what is between operations
 * costs more than they do. Weights stay float32. */
static void next_dense(struct plan *p, unsigned n_in, unsigned src, unsigned dst)
{
    const struct tb_nn_tensor *t = &p->tensors[p->n_tensors];
    p->n_tensors += 4;
    if (p->model->arena)
        tb_nn_pack_dense(&(struct tb_nn_dense){t, t + 1, t + 2, t + 3, n_in},
                         (float *)(void *)(p->model->arena + p->bytes));
    if (p->quantised == dst)
        p->quantised = TB_NN_NONE;
    (void)add_op(p, (struct tb_nn_op){.kind = TB_NN_OP_DENSE,
                                      .n_in = n_in,
                                      .n_out = TB_NN_HALF,
                                      .src = src,
                                      .dst = dst,
                                      .weights = p->bytes});
    p->bytes += (3 + n_in) * TB_NN_HALF * sizeof(float);
    p->model->macs += (uint64_t)n_in * TB_NN_HALF;
}

/* Linear, norm and leaky ReLU, `layers` times, the result to dst; and the same for further inputs
 * of one, which come layer by layer with the first: processors work on what does not depend on each
 * other at once, if it is near. */
struct mlp {
    unsigned layers, src, n_in, dst, n_inputs;
};

static void next_mlps(struct plan *p, struct mlp m)
{
    const unsigned width = p->model->spec.width, first = p->n_tensors;
    for (unsigned l = 0; l < m.layers; l++)
        for (unsigned i = 0; i < m.n_inputs; i++) {
            const unsigned n_in = l ? width : m.n_in, src = l ? p->between[i] : m.src + i;
            const unsigned dst = l + 1 < m.layers ? p->between[i] : m.dst + i * width;
            p->n_tensors = first + 4 * (i * m.layers + l);
            if (width == TB_NN_HALF) {
                next_dense(p, n_in, src, dst);
                continue;
            }
            next_linear(p, width, n_in, 1,
                        (struct linear){src, p->product[i], TB_NN_NONE, false, 0});
            next_norm(p, p->product[i], dst);
        }
    p->n_tensors = first + 4 * m.n_inputs * m.layers;
}

static void add_copy(struct plan *p, unsigned src, unsigned dst, unsigned n)
{
    p->quantised = TB_NN_NONE;
    (void)add_op(
        p, (struct tb_nn_op){.kind = TB_NN_OP_COPY, .n_in = n, .n_out = n, .src = src, .dst = dst});
}

static unsigned plan_gru_core(struct plan *p, unsigned src, unsigned n_in)
{
    const struct tb_nn_spec *s = &p->model->spec;
    const unsigned padded = tb_nn_round(s->width, TB_NN_HALF);
    const unsigned h = take_floats(p, padded);
    const unsigned in = take_floats(p, 3 * padded), back = take_floats(p, 3 * padded);
    const unsigned first = p->n_tensors;
    p->n_tensors += 4;
    add_linear(p,
               &(struct tb_nn_matrix){&p->tensors[first], &p->tensors[first + 2], 3 * s->width,
                                      n_in, 1, 3},
               (struct linear){src, in, TB_NN_NONE, false, 0});
    p->model->state = padded;
    (void)add_op(
        p, (struct tb_nn_op){.kind = TB_NN_OP_LOAD, .n_in = padded, .n_out = padded, .dst = h});
    add_linear(p,
               &(struct tb_nn_matrix){&p->tensors[first + 1], &p->tensors[first + 3], 3 * s->width,
                                      s->width, 1, 3},
               (struct linear){h, back, TB_NN_NONE, false, 0});
    p->quantised = TB_NN_NONE;
    (void)add_op(p, (struct tb_nn_op){.kind = TB_NN_OP_GRU,
                                      .n_in = s->width,
                                      .n_out = s->width,
                                      .src = in,
                                      .dst = h,
                                      .add = back});
    return h;
}

static void plan_gru(struct plan *p)
{
    struct tb_nn_model *m = p->model;
    const struct tb_nn_spec *s = &m->spec;
    unsigned n_in = s->n_inputs, x = m->inputs;
    for (unsigned i = 0; i < (s->in_layers ? s->n_inputs : 1); i++) {
        p->product[i] = take_floats(p, s->width);
        p->between[i] = take_floats(p, s->width);
    }
    if (s->in_layers) {
        n_in = s->n_inputs * s->width;
        x = take_floats(p, n_in);
        next_mlps(p, (struct mlp){s->in_layers, m->inputs, 1, x, s->n_inputs});
    }
    unsigned h = plan_gru_core(p, x, n_in);
    if (s->out_layers) {
        const unsigned skip = take_floats(p, s->width + s->n_inputs);
        add_copy(p, h, skip, s->width);
        add_copy(p, m->inputs, skip + s->width, s->n_inputs);
        h = take_floats(p, s->width);
        next_mlps(p, (struct mlp){s->out_layers, skip, s->width + s->n_inputs, h, 1});
    }
    for (unsigned k = 0; k < s->n_heads; k++) {
        m->heads[k] = take_floats(p, s->head[k]);
        next_linear(p, s->head[k], s->width, 1,
                    (struct linear){h, m->heads[k], TB_NN_NONE, false, 0});
    }
}

static void plan_tcn(struct plan *p)
{
    struct tb_nn_model *m = p->model;
    const struct tb_nn_spec *s = &m->spec;
    const unsigned widest = s->width > s->head[0] ? s->width : s->head[0];
    const unsigned middle = take_floats(p, s->width), side = take_floats(p, widest);
    const unsigned next[2] = {take_floats(p, widest), take_floats(p, widest)};
    unsigned x = m->inputs;
    for (unsigned b = 0; b < s->n_blocks; b++) {
        const bool last = b + 1 == s->n_blocks;
        const unsigned in = b ? s->width : s->n_inputs, out = last ? s->head[0] : s->width;
        next_linear(p, s->width, in, s->kernel,
                    (struct linear){x, middle, TB_NN_NONE, true, s->dilation[b]});
        const unsigned first = p->n_tensors;
        unsigned add = s->residual[b] == TB_NN_RES_IDENTITY ? x : TB_NN_NONE;
        if (s->residual[b] == TB_NN_RES_CONV) { /* its tensors come after conv2's */
            p->n_tensors = first + 2;
            next_linear(p, out, in, 1, (struct linear){x, side, TB_NN_NONE, false, 0});
            add = side;
        }
        const unsigned after = p->n_tensors > first ? p->n_tensors : first + 2;
        p->n_tensors = first;
        next_linear(p, out, s->width, s->kernel,
                    (struct linear){middle, next[b % 2], add, !last, s->dilation[b]});
        p->n_tensors = after;
        x = next[b % 2];
    }
    m->heads[0] = x;
}

bool tb_nn_plan(struct tb_nn_model *model, const struct tb_nn_tensor *tensors,
                enum tb_nn_dtype storage)
{
    struct plan p = {
        .model = model, .tensors = tensors, .storage = storage, .quantised = TB_NN_NONE};
    model->n_ops = model->n_rings = model->scratch = model->state = 0;
    model->cost = model->macs = 0;
    model->inputs = take_floats(&p, model->spec.n_inputs);
    if (model->spec.arch == TB_NN_GRU)
        plan_gru(&p);
    else
        plan_tcn(&p);
    /* Codes are written by the vector, the last of a row past its end. */
    model->low_codes = tb_nn_round(p.widest + TB_NN_HALF, TB_NN_ALIGN);
    model->codes = take_floats(&p, TB_NN_HALF + 2 * model->low_codes / 4);
    model->state = tb_nn_round(model->state ? model->state : 1, TB_NN_HALF);
    /* 16 floats over a multiple of 4096 bytes would put all voices into one cache set. */
    if (model->scratch % 1024 == 0)
        model->scratch += TB_NN_HALF;
    model->arena_bytes = p.bytes;
    return !p.full;
}
