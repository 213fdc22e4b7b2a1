/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sets of units that are kept or removed together. GRU decoder: three layers each of m0, m1 and mo,
 * and the GRU. TCN: the first convolution of block b, and what comes out of it. */
enum { M0 = 0, M1 = 3, MO = 6, GRU = 9, C1 = 0, OUT = TB_NETWORK_MAX_BLOCKS };
enum { N_SETS = 2 * TB_NETWORK_MAX_BLOCKS, WHOLE = -1, MAX_PARTS = 3 };

/* One side of a matrix: parts side by side, each the units of a set (or `whole` columns that always
 * stay), and every unit `inner` entries wide. */
struct axis {
    int set[MAX_PARTS];
    size_t n_parts, inner, whole;
};

struct pruning {
    const struct tb_network *from;
    size_t hidden, width;
    int tied[N_SETS]; /* the set that decides */
    double *in, *out; /* [N_SETS][hidden] squares */
    size_t *kept;     /* [N_SETS][width] ascending */
};

static struct axis units_of(int set, size_t inner)
{
    return (struct axis){.set = {set}, .n_parts = 1, .inner = inner};
}

static struct axis all_of(size_t n)
{
    return (struct axis){.set = {WHOLE}, .n_parts = 1, .inner = 1, .whole = n};
}

/* ---- who feeds whom */
static void mlp_axes(const struct tb_parameter *p, int first, struct axis *rows, struct axis *cols)
{
    const unsigned place = (unsigned)(p->name[3] - '0'), layer = place / 3;
    const bool linear = place % 3 == 0 && strstr(p->name, ".weight") != NULL;
    const int here = first + (int)layer;
    *rows = linear ? units_of(here, 1) : all_of(1);
    *cols = units_of(here, 1);
    if (linear && layer > 0)
        *cols = units_of(here - 1, 1);
    else if (linear && first == MO)
        *cols = (struct axis){.set = {GRU, WHOLE}, .n_parts = 2, .inner = 1, .whole = 2};
    else if (linear)
        *cols = all_of(1);
}

static void gru_axes(const struct tb_parameter *p, struct axis *rows, struct axis *cols)
{
    const struct axis gates = {.set = {GRU, GRU, GRU}, .n_parts = 3, .inner = 1};
    const bool bias = strstr(p->name, "bias") != NULL;
    *rows = bias ? all_of(1) : gates;
    *cols = bias ? gates : units_of(GRU, 1);
    if (strstr(p->name, "weight_ih"))
        *cols = (struct axis){.set = {M0 + 2, M1 + 2}, .n_parts = 2, .inner = 1};
}

static void tcn_axes(const struct pruning *x, const struct tb_parameter *p, struct axis *rows,
                     struct axis *cols)
{
    const struct tb_network_spec *s = &x->from->spec;
    char *rest;
    const int b = (int)strtol(p->name + 2, &rest, 10), last = (int)s->blocks - 1;
    const bool matrix = strstr(rest, ".weight") && !strstr(rest, ".weight_g");
    const struct axis out = b == last ? all_of(s->routing.operators) : units_of(OUT + b, 1);
    const struct axis mine = strncmp(rest, ".c1", 3) == 0 ? units_of(C1 + b, 1) : out;
    const size_t inner = strncmp(rest, ".res", 4) == 0 ? 1 : 3;
    *rows = matrix ? mine : all_of(1);
    *cols = mine;
    if (matrix && strncmp(rest, ".c2", 3) == 0)
        *cols = units_of(C1 + b, inner);
    else if (matrix)
        *cols = b == 0 ? all_of(2 * inner) : units_of(OUT + b - 1, inner);
}

static void axes_of(const struct pruning *x, const struct tb_parameter *p, struct axis *rows,
                    struct axis *cols)
{
    if (strncmp(p->name, "m0.", 3) == 0)
        mlp_axes(p, M0, rows, cols);
    else if (strncmp(p->name, "m1.", 3) == 0)
        mlp_axes(p, M1, rows, cols);
    else if (strncmp(p->name, "mo.", 3) == 0)
        mlp_axes(p, MO, rows, cols);
    else if (strncmp(p->name, "gru.", 4) == 0)
        gru_axes(p, rows, cols);
    else if (strncmp(p->name, "b.", 2) == 0)
        tcn_axes(x, p, rows, cols);
    else {
        const bool head = strcmp(p->name, "p0.weight") == 0 || strcmp(p->name, "p1.weight") == 0;
        *rows = all_of(p->rows);
        *cols = head ? units_of(MO + 2, 1) : all_of(p->cols);
    }
}

/* Entries [from, to) of the whole side become indices of it; returns how many stay. */
static size_t stay(const struct pruning *x, const struct axis *a, size_t *index)
{
    size_t n = 0, start = 0;
    for (size_t part = 0; part < a->n_parts; part++) {
        const int set = a->set[part];
        const size_t units = set == WHOLE ? a->whole : x->width;
        for (size_t u = 0; u < units; u++)
            for (size_t i = 0; i < a->inner; i++) {
                const size_t unit = set == WHOLE ? u : x->kept[(size_t)x->tied[set] * x->width + u];
                index[n++] = start + unit * a->inner + i;
            }
        start += (set == WHOLE ? a->whole : x->hidden) * a->inner;
    }
    return n;
}

/* Adds a square to the unit that entry i of the side belongs to. */
static void credit(const struct pruning *x, const struct axis *a, size_t i, double *sums,
                   double square)
{
    for (size_t part = 0; part < a->n_parts; part++) {
        const int set = a->set[part];
        const size_t length = (set == WHOLE ? a->whole : x->hidden) * a->inner;
        if (i < length) {
            if (set != WHOLE)
                sums[(size_t)x->tied[set] * x->hidden + i / a->inner] += square;
            return;
        }
        i -= length;
    }
}

/* ---- what a unit weighs */
/* g / |v| of a weight-normed row, 1 elsewhere; the gain follows its matrix in the list. */
static double row_gain(const struct tb_network *n, size_t k, size_t row)
{
    const struct tb_parameter *v = &n->parameters[k];
    double sum = 0;
    if (!strstr(v->name, ".weight_v"))
        return 1;
    for (size_t c = 0; c < v->cols; c++)
        sum += (double)v->value[row * v->cols + c] * (double)v->value[row * v->cols + c];
    return sum > 0 ? (double)n->parameters[k + 1].value[row] / sqrt(sum) : 0;
}

static bool is_normed(const struct tb_parameter *p)
{
    return p->name[0] == 'm' && (p->name[3] - '0') % 3 == 1;
}

static void weigh(struct pruning *x, size_t k)
{
    const struct tb_parameter *p = &x->from->parameters[k];
    struct axis rows, cols;
    axes_of(x, p, &rows, &cols);
    if (strstr(p->name, ".weight_g"))
        return;                                            /* in the rows of its matrix already */
    const bool layer = p->name[0] == 'm' && !is_normed(p); /* what its layer norm makes equal */
    for (size_t r = 0; r < p->rows; r++) {
        const double gain = row_gain(x->from, k, r);
        for (size_t c = 0; c < p->cols; c++) {
            const double w = gain * (double)p->value[r * p->cols + c];
            if (p->rows == 1) {
                if (!layer)
                    credit(x, &cols, c, x->in, w * w);
                continue;
            }
            if (!layer)
                credit(x, &rows, r, x->in, w * w);
            credit(x, &cols, c, x->out, w * w);
        }
    }
}

struct ranked {
    double weight;
    size_t unit;
};

static int heaviest_first(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return (x->unit > y->unit) - (x->unit < y->unit);
}

static int ascending(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void choose(struct pruning *x, size_t set, struct ranked *ranked)
{
    size_t *kept = x->kept + set * x->width;
    for (size_t u = 0; u < x->hidden; u++)
        ranked[u] = (struct ranked){x->in[set * x->hidden + u] * x->out[set * x->hidden + u], u};
    qsort(ranked, x->hidden, sizeof *ranked, heaviest_first);
    for (size_t u = 0; u < x->width; u++)
        kept[u] = ranked[u].unit;
    qsort(kept, x->width, sizeof *kept, ascending);
}

/* ---- and taking them over */
/* A weight-normed row keeps its weights: its gain shrinks with it. */
static void regain(const struct pruning *x, struct tb_network *to, size_t k, const size_t *rows)
{
    struct tb_parameter *v = &to->parameters[k], *g = &to->parameters[k + 1];
    for (size_t r = 0; r < v->rows; r++) {
        const double gain = row_gain(x->from, k, rows[r]);
        tb_real *row = v->value + r * v->cols;
        double sum = 0;
        for (size_t c = 0; c < v->cols; c++)
            sum += (double)row[c] * (double)row[c];
        g->value[r] = (tb_real)(gain * sqrt(sum));
        /* a direction for what is silent, which a norm of 0 has none of */
        for (size_t c = 0; !(sum > 0) && c < v->cols; c++)
            row[c] = (tb_real)(1 / sqrt((double)v->cols));
    }
}

static void take(const struct pruning *x, struct tb_network *to, size_t k, size_t *spare)
{
    const struct tb_parameter *p = &x->from->parameters[k];
    struct tb_parameter *q = &to->parameters[k];
    struct axis rows, cols;
    if (strstr(p->name, ".weight_g"))
        return;
    axes_of(x, p, &rows, &cols);
    const size_t n_rows = stay(x, &rows, spare);
    size_t *columns = spare + n_rows;
    const size_t n_cols = stay(x, &cols, columns);
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_cols; c++)
            q->value[r * n_cols + c] = p->value[spare[r] * p->cols + columns[c]];
    q->frozen = p->frozen;
    q->frozen_cols = p->frozen_cols;
    if (strstr(p->name, ".weight_v"))
        regain(x, to, k, spare);
}

/* Blocks whose output is their input plus something share the set of the block before. */
static void tie(struct pruning *x)
{
    const struct tb_network_spec *s = &x->from->spec;
    for (int i = 0; i < N_SETS; i++)
        x->tied[i] = i;
    if (s->family != TB_FAMILY_DDX7)
        return;
    for (size_t b = 1; b + 1 < s->blocks; b++)
        if (tb_network_residual(s, b) == TB_NN_RES_IDENTITY)
            x->tied[OUT + b] = x->tied[OUT + b - 1];
}

/* The residuals stay what they are, even where channels happen to become equal. */
static void keep_residuals(const struct tb_network_spec *from, struct tb_network_spec *to)
{
    static const enum tb_residual same[] = {[TB_NN_RES_NONE] = TB_RESIDUAL_NONE,
                                            [TB_NN_RES_IDENTITY] = TB_RESIDUAL_IDENTITY,
                                            [TB_NN_RES_CONV] = TB_RESIDUAL_CONV};
    for (size_t b = 0; b < from->blocks && b < TB_NETWORK_MAX_BLOCKS; b++)
        to->residual[b] = same[tb_network_residual(from, b)];
}

static enum tb_status check(const struct tb_network_spec *s, size_t width, struct tb_error *err)
{
    if (width < 1 || width >= s->hidden)
        return tb_fail(err, TB_EINVAL, "width: %zu is not within 1..%zu", width, s->hidden - 1);
    const bool ends = s->family == TB_FAMILY_DDX7 &&
                      (tb_network_residual(s, 0) == TB_NN_RES_IDENTITY ||
                       tb_network_residual(s, s->blocks - 1) == TB_NN_RES_IDENTITY);
    return ends ? tb_fail(err, TB_EUNSUPPORTED,
                          "residuals: an end of the network is as wide as its inner blocks, %zu",
                          s->hidden)
                : TB_OK;
}

struct tb_network *tb_prune(const struct tb_network *network, size_t width, struct tb_error *err)
{
    struct pruning x = {.from = network, .hidden = network->spec.hidden, .width = width};
    struct tb_network_spec spec = network->spec;
    if (check(&network->spec, width, err) != TB_OK)
        return NULL;
    spec.hidden = width;
    keep_residuals(&network->spec, &spec);
    x.in = calloc(2 * N_SETS * x.hidden, sizeof *x.in);
    x.out = x.in ? x.in + N_SETS * x.hidden : NULL;
    x.kept = calloc(N_SETS * width, sizeof *x.kept);
    struct ranked *ranked = calloc(x.hidden, sizeof *ranked);
    size_t *spare = calloc(network->n_values, sizeof *spare); /* rows + columns <= values + 1 */
    struct tb_network *to = NULL;
    (void)tb_fail(err, TB_ENOMEM, "out of memory");
    if (x.in && x.kept && ranked && spare)
        to = tb_network_new(&spec, 1, err);
    if (to) {
        tie(&x);
        for (size_t k = 0; k < network->n_parameters; k++)
            weigh(&x, k);
        for (size_t set = 0; set < N_SETS; set++)
            choose(&x, set, ranked);
        for (size_t k = 0; k < network->n_parameters; k++)
            take(&x, to, k, spare);
    }
    free(x.in);
    free(x.kept);
    free(ranked);
    free(spare);
    return to;
}
