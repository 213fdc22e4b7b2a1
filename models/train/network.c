/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/network.h"

#include "models/train/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tb_network_spec tb_network_preset(enum tb_family family, bool reduced)
{
    struct tb_network_spec spec = {.family = family,
                                   .hidden = reduced ? 16 : 512,
                                   .harmonics = 100,
                                   .bands = 65,
                                   .tables = 20,
                                   .table_size = 512,
                                   .reverb = 16000,
                                   .rate_hz = 16000,
                                   .hop = 64};
    if (family == TB_FAMILY_DDX7) {
        spec.hidden = reduced ? 64 : 128;
        spec.blocks = reduced ? 3 : 5;
        spec.dropout = TB_R(0.5);
        spec.max_level = 2;
        spec.routing = (struct tb_fm_routing){.operators = 6, /* FLUTE 1: algorithm 16 */
                                              .modulates = {0, 1, 1, 4, 1, 16},
                                              .carriers = 1,
                                              .ratio = {1, 1, 1, 2, 2, TB_R(1.5)},
                                              .scale = 2};
    }
    return spec;
}

/* ---- the list of parameters, in the order of the model file */
enum init { INIT_FAN_IN, INIT_ONE, INIT_ZERO, INIT_TABLES, INIT_UNIT, INIT_FIVE, INIT_QUIET };

struct layout {
    struct tb_network *network;
    enum init init[TB_MAX_PARAMETERS];
    double bound[TB_MAX_PARAMETERS];
};

static void declare(struct layout *l, const char *prefix, const char *name, const size_t shape[2],
                    enum init init)
{
    struct tb_network *n = l->network;
    struct tb_parameter *p = &n->parameters[n->n_parameters];
    (void)snprintf(p->name, sizeof p->name, "%s%s", prefix, name);
    p->rows = shape[0];
    p->cols = shape[1];
    l->init[n->n_parameters] = init;
    l->bound[n->n_parameters] = 1.0 / sqrt((double)shape[1]);
    n->n_parameters++;
    n->n_values += shape[0] * shape[1];
}

static void declare_linear(struct layout *l, const char *prefix, size_t in, size_t out)
{
    declare(l, prefix, ".weight", (size_t[]){out, in}, INIT_FAN_IN);
    declare(l, prefix, ".bias", (size_t[]){1, out}, INIT_FAN_IN);
    l->bound[l->network->n_parameters - 1] = 1.0 / sqrt((double)in);
}

/* [Linear, LayerNorm, LeakyReLU] x 3; the numbers are PyTorch's places in a Sequential */
static void declare_mlp(struct layout *l, const char *prefix, size_t in, size_t width)
{
    for (int i = 0; i < 3; i++) {
        char name[TB_PARAMETER_PREFIX];
        (void)snprintf(name, sizeof name, "%s.%d", prefix, 3 * i);
        declare_linear(l, name, i == 0 ? in : width, width);
        (void)snprintf(name, sizeof name, "%s.%d", prefix, 3 * i + 1);
        declare(l, name, ".weight", (size_t[]){1, width}, INIT_ONE);
        declare(l, name, ".bias", (size_t[]){1, width}, INIT_ZERO);
    }
}

/* Noise begins at 0.1 in place of 0.4 beside harmonics: a piano's may drown in it for good (one
 * seed of six), and fell behind with the others. Much quieter, a violin's never came up. */
static void declare_gru_decoder(struct layout *l)
{
    const struct tb_network_spec *s = &l->network->spec;
    size_t h = s->hidden, first = s->family == TB_FAMILY_HPN ? s->harmonics : s->tables;
    declare_mlp(l, "m0", 1, h);
    declare_mlp(l, "m1", 1, h);
    size_t at = l->network->n_parameters;
    declare(l, "gru", ".weight_ih_l0", (size_t[]){3 * h, 2 * h}, INIT_FAN_IN);
    declare(l, "gru", ".weight_hh_l0", (size_t[]){3 * h, h}, INIT_FAN_IN);
    declare(l, "gru", ".bias_ih_l0", (size_t[]){1, 3 * h}, INIT_FAN_IN);
    declare(l, "gru", ".bias_hh_l0", (size_t[]){1, 3 * h}, INIT_FAN_IN);
    for (size_t i = at; i < l->network->n_parameters; i++)
        l->bound[i] = 1.0 / sqrt((double)h);
    declare_mlp(l, "mo", h + 2, h);
    declare_linear(l, "p0", h, 1 + first);
    declare_linear(l, "p1", h, s->bands);
    if (s->family == TB_FAMILY_HPN)
        l->init[l->network->n_parameters - 1] = INIT_QUIET;
}

static void declare_conv(struct layout *l, const char *prefix, const size_t shape[3],
                         bool weight_norm)
{
    size_t in = shape[1] * shape[2];
    declare(l, prefix, weight_norm ? ".weight_v" : ".weight", (size_t[]){shape[0], in},
            INIT_FAN_IN);
    if (weight_norm)
        declare(l, prefix, ".weight_g", (size_t[]){1, shape[0]}, INIT_ONE);
    declare(l, prefix, ".bias", (size_t[]){1, shape[0]}, INIT_FAN_IN);
    l->bound[l->network->n_parameters - 1] = 1.0 / sqrt((double)in);
}

static size_t channels_in(const struct tb_network_spec *s, size_t b)
{
    return b == 0 ? 2 : s->hidden;
}

static size_t channels_out(const struct tb_network_spec *s, size_t b)
{
    return b == s->blocks - 1 ? s->routing.operators : s->hidden;
}

enum tb_nn_residual tb_network_residual(const struct tb_network_spec *s, size_t b)
{
    bool same = channels_in(s, b) == channels_out(s, b);
    switch (s->residual[b]) {
    case TB_RESIDUAL_NONE:
        return TB_NN_RES_NONE;
    case TB_RESIDUAL_IDENTITY:
        return TB_NN_RES_IDENTITY;
    case TB_RESIDUAL_CONV:
        return TB_NN_RES_CONV;
    case TB_RESIDUAL_DEFAULT:
        break;
    }
    return same ? TB_NN_RES_IDENTITY : TB_NN_RES_CONV;
}

static void declare_tcn(struct layout *l)
{
    const struct tb_network_spec *s = &l->network->spec;
    for (size_t b = 0; b < s->blocks; b++) {
        size_t in = channels_in(s, b), out = channels_out(s, b);
        char name[TB_PARAMETER_PREFIX];
        (void)snprintf(name, sizeof name, "b.%zu.c1", b);
        declare_conv(l, name, (size_t[]){s->hidden, in, 3}, true);
        (void)snprintf(name, sizeof name, "b.%zu.c2", b);
        declare_conv(l, name, (size_t[]){out, s->hidden, 3}, true);
        if (tb_network_residual(s, b) != TB_NN_RES_CONV)
            continue;
        (void)snprintf(name, sizeof name, "b.%zu.res", b);
        declare_conv(l, name, (size_t[]){out, in, 1}, false);
    }
}

static void declare_tables(struct layout *l)
{
    const struct tb_network_spec *s = &l->network->spec;
    declare(l, "wavetables", "", (size_t[]){s->table_size, s->tables}, INIT_TABLES);
    struct tb_parameter *p = &l->network->parameters[l->network->n_parameters - 1];
    p->frozen_cols = s->tables < 4 ? s->tables : 4; /* sines, as published */
}

static void declare_all(struct layout *l)
{
    const struct tb_network_spec *s = &l->network->spec;
    if (s->family == TB_FAMILY_DDX7)
        declare_tcn(l);
    else
        declare_gru_decoder(l);
    if (s->family == TB_FAMILY_WAVETABLE)
        declare_tables(l);
    if (s->reverb == 0)
        return;
    declare(l, "reverb", ".noise", (size_t[]){1, s->reverb}, INIT_UNIT);
    declare(l, "reverb", ".decay", (size_t[]){1, 1}, INIT_FIVE);
    declare(l, "reverb", ".wet", (size_t[]){1, 1}, INIT_ZERO);
}

/* The tables are read through tanh; the fixed sines are stored as what tanh turns into them. */
static double table_value(size_t position, size_t size, size_t table, struct tb_random *random)
{
    if (table >= 4)
        return 0.01 * tb_random_normal(random);
    double turn = (double)position / (double)size * (double)(table + 1);
    return atanh(0.999 * sin(6.28318530717958647692 * turn));
}

static void fill(struct tb_parameter *p, enum init init, double bound, struct tb_random *random)
{
    for (size_t i = 0; i < p->rows * p->cols; i++) {
        double v = 0.0;
        switch (init) {
        case INIT_FAN_IN:
            v = bound * (2.0 * tb_random_uniform(random) - 1.0);
            break;
        case INIT_UNIT:
            v = 2.0 * tb_random_uniform(random) - 1.0;
            break;
        case INIT_TABLES:
            v = table_value(i / p->cols, p->rows, i % p->cols, random);
            break;
        case INIT_ONE:
            v = 1.0;
            break;
        case INIT_FIVE:
            v = 5.0;
            break;
        case INIT_QUIET:
            v = -1.0 + bound * (2.0 * tb_random_uniform(random) - 1.0);
            break;
        case INIT_ZERO:
            break;
        }
        p->value[i] = (tb_real)v;
    }
}

/* Weight norm starts neutral: g = |v|, so that the first weights are those of a plain layer. */
static void neutral_gains(struct tb_network *n)
{
    for (size_t i = 1; i < n->n_parameters; i++) {
        const struct tb_parameter *v = &n->parameters[i - 1];
        struct tb_parameter *g = &n->parameters[i];
        if (!strstr(g->name, ".weight_g"))
            continue;
        for (size_t o = 0; o < v->rows; o++) {
            double sum = 0.0;
            for (size_t k = 0; k < v->cols; k++)
                sum += (double)(v->value[o * v->cols + k] * v->value[o * v->cols + k]);
            g->value[o] = (tb_real)sqrt(sum);
        }
    }
}

static enum tb_status check_spec(const struct tb_network_spec *s, struct tb_error *err)
{
    if (s->hidden < 1 || s->hidden > 4096)
        return tb_fail(err, TB_EINVAL, "hidden: %zu is not within 1..4096", s->hidden);
    if (s->hop < 16 || s->hop > 1024)
        return tb_fail(err, TB_EINVAL, "hop: %zu is not within 16..1024", s->hop);
    if (s->family == TB_FAMILY_DDX7 && (s->blocks < 1 || s->blocks > TB_NETWORK_MAX_BLOCKS))
        return tb_fail(err, TB_EINVAL, "blocks: %zu is not within 1..%d", s->blocks,
                       TB_NETWORK_MAX_BLOCKS);
    for (size_t b = 0; s->family == TB_FAMILY_DDX7 && b < s->blocks; b++)
        if (s->residual[b] == TB_RESIDUAL_IDENTITY && channels_in(s, b) != channels_out(s, b))
            return tb_fail(err, TB_EINVAL, "residuals: block %zu has %zu inputs and %zu outputs", b,
                           channels_in(s, b), channels_out(s, b));
    if (s->family == TB_FAMILY_DDX7 &&
        (s->routing.operators < 1 || s->routing.operators > TB_MAX_FM_OPERATORS))
        return tb_fail(err, TB_EINVAL, "operators: %zu is not within 1..%d", s->routing.operators,
                       TB_MAX_FM_OPERATORS);
    if (s->family != TB_FAMILY_DDX7 && (s->bands < 2 || s->bands > 513))
        return tb_fail(err, TB_EINVAL, "bands: %zu is not within 2..513", s->bands);
    if (s->family == TB_FAMILY_HPN && (s->harmonics < 1 || s->harmonics > 128))
        return tb_fail(err, TB_EINVAL, "harmonics: %zu is not within 1..128", s->harmonics);
    if (s->family == TB_FAMILY_WAVETABLE && (s->tables < 1 || s->tables > 64))
        return tb_fail(err, TB_EINVAL, "tables: %zu is not within 1..64", s->tables);
    if (s->reverb > 192000)
        return tb_fail(err, TB_EINVAL, "reverb: %zu is above 192000", s->reverb);
    return TB_OK;
}

struct tb_network *tb_network_new(const struct tb_network_spec *spec, uint64_t seed,
                                  struct tb_error *err)
{
    if (check_spec(spec, err) != TB_OK)
        return NULL;
    struct tb_network *n = calloc(1, sizeof *n);
    struct layout *l = calloc(1, sizeof *l);
    if (n && l) {
        n->spec = *spec;
        l->network = n;
        declare_all(l);
        n->memory = tb_reals_new(3 * n->n_values);
    }
    if (!n || !l || !n->memory) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for the network");
        tb_network_free(n);
        free(l);
        return NULL;
    }
    struct tb_random random;
    tb_random_seed(&random, seed);
    size_t at = 0;
    for (size_t i = 0; i < n->n_parameters; i++) {
        struct tb_parameter *p = &n->parameters[i];
        p->value = n->memory + at;
        p->moment1 = n->memory + n->n_values + at;
        p->moment2 = n->memory + 2 * n->n_values + at;
        fill(p, l->init[i], l->bound[i], &random);
        at += p->rows * p->cols;
    }
    neutral_gains(n);
    free(l);
    return n;
}

void tb_network_free(struct tb_network *network)
{
    if (!network)
        return;
    free(network->memory);
    free(network);
}

struct tb_parameter *tb_network_find(struct tb_network *network, const char *name)
{
    for (size_t i = 0; i < network->n_parameters; i++)
        if (strcmp(network->parameters[i].name, name) == 0)
            return &network->parameters[i];
    return NULL;
}

static bool moves(const struct tb_parameter *p, size_t i)
{
    return p->frozen_cols == 0 || i % p->cols >= p->frozen_cols;
}

static double square_of_moving(const struct tb_network *network, const tb_real *g)
{
    double sum = 0.0;
    for (size_t k = 0; k < network->n_parameters; k++) {
        const struct tb_parameter *p = &network->parameters[k];
        size_t n = p->rows * p->cols;
        for (size_t i = 0; !p->frozen && i < n; i++)
            if (moves(p, i))
                sum += (double)g[i] * (double)g[i];
        g += n;
    }
    return sum;
}

double tb_adamw_step(struct tb_network *network, const struct tb_adamw *o, tb_real *gradients,
                     uint64_t step)
{
    double sum = square_of_moving(network, gradients);
    double norm = sqrt(sum), scale = norm > o->clip ? o->clip / norm : 1.0;
    double fix1 = 1.0 - pow(o->beta1, (double)step), fix2 = 1.0 - pow(o->beta2, (double)step);
    const tb_real *g = gradients;
    for (size_t k = 0; k < network->n_parameters; k++) {
        struct tb_parameter *p = &network->parameters[k];
        size_t n = p->rows * p->cols;
        for (size_t i = 0; !p->frozen && i < n; i++) {
            if (!moves(p, i))
                continue;
            double d = (double)g[i] * scale;
            double m = o->beta1 * (double)p->moment1[i] + (1.0 - o->beta1) * d;
            double v = o->beta2 * (double)p->moment2[i] + (1.0 - o->beta2) * d * d;
            p->moment1[i] = (tb_real)m;
            p->moment2[i] = (tb_real)v;
            double x = (double)p->value[i];
            x -= o->rate * (o->decay * x + (m / fix1) / (sqrt(v / fix2) + o->epsilon));
            p->value[i] = (tb_real)x;
        }
        g += n;
    }
    return norm;
}
