/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/golden/nn_reference.h"

#include "models/nn/half.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

float net_noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

struct tb_nn_spec net_gru(unsigned width, unsigned layers, unsigned head0, unsigned head1)
{
    return (struct tb_nn_spec){.arch = TB_NN_GRU,
                               .n_inputs = 2,
                               .width = width,
                               .n_heads = head1 ? 2 : 1,
                               .head = {head0, head1},
                               .in_layers = layers,
                               .out_layers = layers,
                               .leak = 0.01f,
                               .norm_epsilon = 1e-5f};
}

struct tb_nn_spec net_tcn(unsigned width, unsigned blocks)
{
    struct tb_nn_spec s = {.arch = TB_NN_TCN,
                           .n_inputs = 2,
                           .width = width,
                           .n_heads = 1,
                           .head = {6},
                           .n_blocks = blocks,
                           .kernel = 3,
                           .leak = 0.01f,
                           .norm_epsilon = 1e-5f};
    for (unsigned b = 0; b < blocks; b++) {
        s.dilation[b] = 1u << b;
        s.residual[b] = b == 0 || b + 1 == blocks ? TB_NN_RES_CONV : TB_NN_RES_NONE;
    }
    return s;
}

static size_t count(const struct tb_nn_shape *s)
{
    return (size_t)s->dim[0] * s->dim[1] * s->dim[2];
}

static void begin(struct net *net, const struct tb_nn_spec *spec)
{
    memset(net, 0, sizeof *net);
    net->spec = *spec;
    net->n = tb_nn_shapes(spec, net->shapes);
    for (size_t t = 0; t < net->n; t++) {
        net->values[t] = calloc(count(&net->shapes[t]), sizeof(float));
        assert(net->values[t]);
        net->tensors[t] = (struct tb_nn_tensor){net->values[t], TB_NN_F32, NULL};
    }
}

void net_random(struct net *net, const struct tb_nn_spec *spec, uint32_t seed)
{
    begin(net, spec);
    for (size_t t = 0; t < net->n; t++) {
        const struct tb_nn_shape *s = &net->shapes[t];
        const float scale = s->rank > 1 ? sqrtf(2.0f / (float)(s->dim[1] * s->dim[2])) : 0.2f;
        const bool gain = s->rank == 1 && strstr(s->name, ".weight");
        for (size_t i = 0; i < count(s); i++)
            net->values[t][i] = (gain ? 1.0f : 0.0f) + scale * net_noise(&seed);
    }
}

bool net_read(struct net *net, const struct tb_nn_spec *spec, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    begin(net, spec);
    bool good = true;
    for (size_t t = 0; t < net->n; t++)
        good = good && fread(net->values[t], sizeof(float), count(&net->shapes[t]), file) ==
                           count(&net->shapes[t]);
    good = good && fgetc(file) == EOF;
    (void)fclose(file);
    if (!good)
        net_free(net);
    return good;
}

static void *store_int8(const struct tb_nn_shape *s, float *values, float *scales)
{
    const size_t row = (size_t)s->dim[1] * s->dim[2];
    int8_t *codes = malloc(count(s));
    assert(codes);
    for (size_t o = 0; o < s->dim[0]; o++) {
        float peak = 1e-9f;
        for (size_t i = 0; i < row; i++)
            peak = fmaxf(peak, fabsf(values[o * row + i]));
        scales[o] = peak / 127;
        for (size_t i = 0; i < row; i++) {
            codes[o * row + i] = (int8_t)lrintf(values[o * row + i] / scales[o]);
            values[o * row + i] = scales[o] * (float)codes[o * row + i];
        }
    }
    return codes;
}

static void *store_half(const struct tb_nn_shape *s, float *values, enum tb_nn_dtype dtype)
{
    uint16_t *half = malloc(count(s) * sizeof *half);
    assert(half);
    for (size_t i = 0; i < count(s); i++) {
        half[i] = dtype == TB_NN_F16 ? tb_f32_to_f16(values[i]) : tb_f32_to_bf16(values[i]);
        values[i] = dtype == TB_NN_F16 ? tb_f16_to_f32(half[i]) : tb_bf16_to_f32(half[i]);
    }
    return half;
}

void net_store(struct net *net, enum tb_nn_dtype dtype)
{
    for (size_t t = 0; t < net->n && dtype != TB_NN_F32; t++) {
        const struct tb_nn_shape *s = &net->shapes[t];
        if (!s->quantisable)
            continue;
        if (dtype == TB_NN_I8) {
            float *scales = malloc(s->dim[0] * sizeof *scales);
            assert(scales);
            void *codes = store_int8(s, net->values[t], scales);
            net->tensors[t] = (struct tb_nn_tensor){codes, dtype, scales};
        } else {
            net->tensors[t].data = store_half(s, net->values[t], dtype);
            net->tensors[t].dtype = dtype;
        }
    }
}

void net_free(struct net *net)
{
    for (size_t t = 0; t < net->n; t++) {
        if (net->tensors[t].data != net->values[t])
            free((void *)(uintptr_t)net->tensors[t].data);
        free((void *)(uintptr_t)net->tensors[t].scales);
        free(net->values[t]);
    }
    net->n = 0;
}

unsigned net_outputs(const struct tb_nn_spec *spec)
{
    unsigned n = 0;
    for (unsigned h = 0; h < spec->n_heads; h++)
        n += spec->head[h];
    return n;
}

static const float *named(const struct net *net, const char *name)
{
    for (size_t t = 0; t < net->n; t++)
        if (!strcmp(net->shapes[t].name, name))
            return net->values[t];
    fprintf(stderr, "no tensor %s\n", name);
    abort();
}

static const float *part(const struct net *net, const char *prefix, const char *suffix)
{
    char name[96];
    (void)snprintf(name, sizeof name, "%s.%s", prefix, suffix);
    return named(net, name);
}

static void dense(const float *w, const float *b, const double *x, double *y, const unsigned dim[2])
{
    for (unsigned o = 0; o < dim[0]; o++) {
        double sum = b[o];
        for (unsigned i = 0; i < dim[1]; i++)
            sum += (double)w[o * dim[1] + i] * x[i];
        y[o] = sum;
    }
}

/* x is replaced; room for the width. Returns the number of values. */
static unsigned mlp(const struct net *net, const char *prefix, unsigned layers, unsigned n,
                    double *x)
{
    const unsigned width = net->spec.width;
    double y[TB_NN_MAX_WIDTH];
    for (unsigned l = 0; l < layers; l++, n = width) {
        char at[64];
        (void)snprintf(at, sizeof at, "%s.%u", prefix, 3 * l);
        dense(part(net, at, "weight"), part(net, at, "bias"), x, y, (unsigned[]){width, n});
        double mean = 0, square = 0;
        for (unsigned i = 0; i < width; i++)
            mean += y[i] / width;
        for (unsigned i = 0; i < width; i++)
            square += (y[i] - mean) * (y[i] - mean) / width;
        (void)snprintf(at, sizeof at, "%s.%u", prefix, 3 * l + 1);
        const float *gain = part(net, at, "weight"), *bias = part(net, at, "bias");
        for (unsigned i = 0; i < width; i++) {
            const double d =
                (y[i] - mean) / sqrt(square + (double)net->spec.norm_epsilon) * (double)gain[i] +
                (double)bias[i];
            x[i] = d > 0 ? d : (double)net->spec.leak * d;
        }
    }
    return n;
}

static void gru_step(const struct net *net, const double *x, unsigned n, double *h)
{
    const unsigned width = net->spec.width;
    double in[3 * TB_NN_MAX_WIDTH] = {0}, back[3 * TB_NN_MAX_WIDTH] = {0};
    dense(named(net, "gru.weight_ih_l0"), named(net, "gru.bias_ih_l0"), x, in,
          (unsigned[]){3 * width, n});
    dense(named(net, "gru.weight_hh_l0"), named(net, "gru.bias_hh_l0"), h, back,
          (unsigned[]){3 * width, width});
    for (unsigned i = 0; i < width; i++) {
        const double r = 1 / (1 + exp(-in[i] - back[i]));
        const double z = 1 / (1 + exp(-in[width + i] - back[width + i]));
        const double c = tanh(in[2 * width + i] + r * back[2 * width + i]);
        h[i] = (1 - z) * c + z * h[i];
    }
}

static void forward_gru(const struct net *net, const double *x, double *y, size_t frames)
{
    const struct tb_nn_spec *s = &net->spec;
    const unsigned n_out = net_outputs(s);
    double h[TB_NN_MAX_WIDTH] = {0};
    for (size_t f = 0; f < frames; f++) {
        const double *frame = x + f * s->n_inputs;
        double in[TB_NN_MAX_INPUTS * TB_NN_MAX_WIDTH], out[TB_NN_MAX_WIDTH + TB_NN_MAX_INPUTS];
        unsigned n = 0;
        for (unsigned i = 0; i < s->n_inputs; i++) {
            char name[32];
            (void)snprintf(name, sizeof name, "in_mlps.%u", i);
            in[n] = frame[i];
            n += mlp(net, name, s->in_layers, 1, in + n);
        }
        gru_step(net, in, n, h);
        memcpy(out, h, s->width * sizeof *h);
        memcpy(out + s->width, frame, s->n_inputs * sizeof *frame);
        (void)mlp(net, "out_mlp", s->out_layers, s->width + s->n_inputs, out);
        double *to = y + f * n_out;
        for (unsigned k = 0; k < s->n_heads; to += s->head[k++]) {
            char name[32];
            (void)snprintf(name, sizeof name, "proj_matrices.%u", k);
            dense(part(net, name, "weight"), part(net, name, "bias"), out, to,
                  (unsigned[]){s->head[k], s->width});
        }
    }
}

struct conv {
    const char *name;
    unsigned block, in, out, kernel;
    bool relu;
};

/* Causal convolution of a whole sequence, added to y. */
static void convolve(const struct net *net, struct conv c, const double *x, double *y,
                     size_t frames)
{
    char prefix[48];
    (void)snprintf(prefix, sizeof prefix, "blocks.%u.%s", c.block, c.name);
    const float *w = part(net, prefix, "weight"), *b = part(net, prefix, "bias");
    for (size_t f = 0; f < frames; f++)
        for (unsigned o = 0; o < c.out; o++) {
            double sum = b[o];
            for (unsigned k = 0; k < c.kernel; k++) {
                const size_t delay = (size_t)(c.kernel - 1 - k) * net->spec.dilation[c.block];
                for (unsigned i = 0; i < c.in && delay <= f; i++)
                    sum += (double)w[(o * c.in + i) * c.kernel + k] * x[(f - delay) * c.in + i];
            }
            y[f * c.out + o] += c.relu && sum < 0 ? 0 : sum;
        }
}

static void forward_tcn(const struct net *net, const double *x, double *y, size_t frames)
{
    const struct tb_nn_spec *s = &net->spec;
    unsigned in = s->n_inputs;
    double *from = malloc(frames * in * sizeof *from);
    assert(from);
    memcpy(from, x, frames * in * sizeof *from);
    for (unsigned b = 0; b < s->n_blocks; b++) {
        const bool last = b + 1 == s->n_blocks;
        const unsigned out = last ? s->head[0] : s->width;
        double *middle = calloc(frames * s->width, sizeof *middle);
        double *to = calloc(frames * out, sizeof *to);
        assert(middle && to);
        convolve(net, (struct conv){"conv1", b, in, s->width, s->kernel, true}, from, middle,
                 frames);
        convolve(net, (struct conv){"conv2", b, s->width, out, s->kernel, !last}, middle, to,
                 frames);
        if (s->residual[b] == TB_NN_RES_CONV)
            convolve(net, (struct conv){"residual", b, in, out, 1, false}, from, to, frames);
        for (size_t i = 0; s->residual[b] == TB_NN_RES_IDENTITY && i < frames * out; i++)
            to[i] += from[i];
        free(from);
        free(middle);
        from = to;
        in = out;
    }
    memcpy(y, from, frames * in * sizeof *y);
    free(from);
}

void net_forward(const struct net *net, const double *x, double *y, size_t frames)
{
    if (net->spec.arch == TB_NN_GRU)
        forward_gru(net, x, y, frames);
    else
        forward_tcn(net, x, y, frames);
}
