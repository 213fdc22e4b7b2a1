/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/nn/nn_priv.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static enum tb_status bound(struct tb_error *err, const char *field, unsigned value, unsigned low,
                            unsigned high)
{
    if (value >= low && value <= high)
        return TB_OK;
    return tb_fail(err, TB_EINVAL, "%s: %u is outside %u..%u", field, value, low, high);
}

static enum tb_status check_gru(const struct tb_nn_spec *s, struct tb_error *err)
{
    enum tb_status status = bound(err, "in_layers", s->in_layers, 0, TB_NN_MAX_DEPTH);
    if (status == TB_OK)
        status = bound(err, "out_layers", s->out_layers, 0, TB_NN_MAX_DEPTH);
    return status;
}

static enum tb_status check_tcn(const struct tb_nn_spec *s, struct tb_error *err)
{
    enum tb_status status = bound(err, "n_blocks", s->n_blocks, 1, TB_NN_MAX_BLOCKS);
    if (status == TB_OK)
        status = bound(err, "kernel", s->kernel, 1, TB_NN_MAX_KERNEL);
    if (status == TB_OK)
        status = bound(err, "n_heads", s->n_heads, 1, 1);
    for (unsigned b = 0; status == TB_OK && b < s->n_blocks; b++) {
        const unsigned in = b ? s->width : s->n_inputs;
        const unsigned out = b + 1 < s->n_blocks ? s->width : s->head[0];
        status = bound(err, "dilation", s->dilation[b], 1, TB_NN_MAX_DILATION);
        if (status == TB_OK && s->residual[b] > TB_NN_RES_CONV)
            status = tb_fail(err, TB_EINVAL, "residual: block %u has an unknown kind", b);
        if (status == TB_OK && s->residual[b] == TB_NN_RES_IDENTITY && in != out)
            status =
                tb_fail(err, TB_EINVAL, "residual: block %u is identity from %u to %u", b, in, out);
    }
    return status;
}

enum tb_status tb_nn_spec_check(const struct tb_nn_spec *s, struct tb_error *err)
{
    if (s->arch >= TB_NN_N_ARCHS)
        return tb_fail(err, TB_EINVAL, "arch: unknown");
    enum tb_status status = bound(err, "n_inputs", s->n_inputs, 1, TB_NN_MAX_INPUTS);
    if (status == TB_OK)
        status = bound(err, "width", s->width, 1, TB_NN_MAX_WIDTH);
    if (status == TB_OK)
        status = bound(err, "n_heads", s->n_heads, 1, TB_NN_MAX_HEADS);
    for (unsigned h = 0; status == TB_OK && h < s->n_heads; h++)
        status = bound(err, "head", s->head[h], 1, TB_NN_MAX_HEAD);
    if (status != TB_OK)
        return status;
    if (!(s->leak >= 0 && s->leak <= 1))
        return tb_fail(err, TB_EINVAL, "leak: outside 0..1");
    if (!(s->norm_epsilon > 0 && s->norm_epsilon < 1))
        return tb_fail(err, TB_EINVAL, "norm_epsilon: outside 0..1");
    return s->arch == TB_NN_GRU ? check_gru(s, err) : check_tcn(s, err);
}

struct list {
    struct tb_nn_shape *shapes;
    size_t n;
};

__attribute__((format(printf, 4, 5))) static void
add(struct list *list, unsigned rank, const unsigned dim[3], const char *format, ...)
{
    if (list->n == TB_NN_MAX_TENSORS)
        return;
    struct tb_nn_shape *shape = &list->shapes[list->n++];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(shape->name, sizeof shape->name, format, args);
    va_end(args);
    shape->rank = rank;
    for (unsigned i = 0; i < 3; i++)
        shape->dim[i] = dim[i];
    shape->quantisable = rank > 1 && dim[1] * dim[2] >= TB_NN_SMALL;
}

static void add_linear(struct list *list, const char *prefix, unsigned out, unsigned in)
{
    add(list, 2, (unsigned[]){out, in, 1}, "%s.weight", prefix);
    add(list, 1, (unsigned[]){out, 1, 1}, "%s.bias", prefix);
}

static void add_mlp(struct list *list, const char *prefix, const struct tb_nn_spec *s,
                    unsigned layers, unsigned in)
{
    char name[40];
    for (unsigned l = 0; l < layers; l++) {
        (void)snprintf(name, sizeof name, "%s.%u", prefix, 3 * l);
        add_linear(list, name, s->width, l ? s->width : in);
        add(list, 1, (unsigned[]){s->width, 1, 1}, "%s.%u.weight", prefix, 3 * l + 1);
        add(list, 1, (unsigned[]){s->width, 1, 1}, "%s.%u.bias", prefix, 3 * l + 1);
    }
}

static void gru_shapes(struct list *list, const struct tb_nn_spec *s)
{
    char name[40];
    const unsigned gates = 3 * s->width;
    const unsigned in = s->in_layers ? s->n_inputs * s->width : s->n_inputs;
    for (unsigned i = 0; i < s->n_inputs && s->in_layers; i++) {
        (void)snprintf(name, sizeof name, "in_mlps.%u", i);
        add_mlp(list, name, s, s->in_layers, 1);
    }
    add(list, 2, (unsigned[]){gates, in, 1}, "gru.weight_ih_l0");
    add(list, 2, (unsigned[]){gates, s->width, 1}, "gru.weight_hh_l0");
    add(list, 1, (unsigned[]){gates, 1, 1}, "gru.bias_ih_l0");
    add(list, 1, (unsigned[]){gates, 1, 1}, "gru.bias_hh_l0");
    add_mlp(list, "out_mlp", s, s->out_layers, s->width + s->n_inputs);
    for (unsigned h = 0; h < s->n_heads; h++) {
        (void)snprintf(name, sizeof name, "proj_matrices.%u", h);
        add_linear(list, name, s->head[h], s->width);
    }
}

static void tcn_shapes(struct list *list, const struct tb_nn_spec *s)
{
    for (unsigned b = 0; b < s->n_blocks; b++) {
        const unsigned in = b ? s->width : s->n_inputs;
        const unsigned out = b + 1 < s->n_blocks ? s->width : s->head[0];
        add(list, 3, (unsigned[]){s->width, in, s->kernel}, "blocks.%u.conv1.weight", b);
        add(list, 1, (unsigned[]){s->width, 1, 1}, "blocks.%u.conv1.bias", b);
        add(list, 3, (unsigned[]){out, s->width, s->kernel}, "blocks.%u.conv2.weight", b);
        add(list, 1, (unsigned[]){out, 1, 1}, "blocks.%u.conv2.bias", b);
        if (s->residual[b] != TB_NN_RES_CONV)
            continue;
        add(list, 3, (unsigned[]){out, in, 1}, "blocks.%u.residual.weight", b);
        add(list, 1, (unsigned[]){out, 1, 1}, "blocks.%u.residual.bias", b);
    }
}

size_t tb_nn_shapes(const struct tb_nn_spec *spec, struct tb_nn_shape shapes[TB_NN_MAX_TENSORS])
{
    struct list list = {shapes, 0};
    if (spec->arch == TB_NN_GRU)
        gru_shapes(&list, spec);
    else
        tcn_shapes(&list, spec);
    return list.n;
}
