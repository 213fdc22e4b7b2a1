/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"

#include "models/train/random.h"

#include <assert.h>
#include <string.h>

static int width(size_t n)
{
    assert(n <= INT32_MAX);
    return (int)n;
}

struct factor {
    const tb_real *value;
    bool transposed;
};

/* c [m][n] += a x b, where a is [m][k] (or [k][m] when transposed) and b likewise. */
static void gemm(struct factor a, struct factor b, size_t m, size_t n, size_t k, tb_real *c)
{
    tb_gemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
            b.transposed ? CblasTrans : CblasNoTrans, width(m), width(n), width(k), 1, a.value,
            width(a.transposed ? m : k), b.value, width(b.transposed ? k : n), 1, c, width(n));
}

TB_CLONES static void add_rows(const tb_real *x, size_t rows, size_t cols, tb_real *sum)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            sum[c] += x[r * cols + c];
}

static void linear_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *w = &note->in[1], *b = &note->in[2], *y = &note->out;
    if (x->grad)
        gemm((struct factor){y->grad, false}, (struct factor){w->value, false}, y->rows, x->cols,
             y->cols, x->grad);
    if (w->grad)
        gemm((struct factor){y->grad, true}, (struct factor){x->value, false}, y->cols, x->cols,
             y->rows, w->grad);
    if (!b->grad)
        return;
    add_rows(y->grad, y->rows, y->cols, b->grad);
}

struct tb_tensor tb_op_linear(struct tb_tape *tape, struct tb_tensor x, struct tb_tensor weight,
                              struct tb_tensor bias)
{
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, weight.rows, true);
    if (!y.value)
        return y;
    assert(weight.cols == x.cols && bias.cols == weight.rows);
    for (size_t r = 0; r < y.rows; r++)
        memcpy(y.value + r * y.cols, bias.value, y.cols * sizeof(tb_real));
    gemm((struct factor){x.value, false}, (struct factor){weight.value, true}, y.rows, y.cols,
         x.cols, y.value);
    tb_tape_push(tape, &(struct tb_note){linear_backward, {x, weight, bias}, y, NULL});
    return y;
}

/* saved: [rows][2] mean and 1 / deviation */
TB_CLONES static void layer_norm_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *gain = &note->in[1], *bias = &note->in[2],
                           *y = &note->out;
    const tb_real *stats = note->saved;
    size_t n = x->cols;
    for (size_t r = 0; r < x->rows; r++) {
        const tb_real *v = x->value + r * n, *d = y->grad + r * n;
        tb_real mean = stats[2 * r], inverse = stats[2 * r + 1], sum = 0, dot = 0;
        TB_SUM(sum, dot)
        for (size_t c = 0; c < n; c++) {
            tb_real hat = (v[c] - mean) * inverse, g = d[c] * gain->value[c];
            sum += g;
            dot += g * hat;
            gain->grad[c] += d[c] * hat;
            bias->grad[c] += d[c];
        }
        if (!x->grad)
            continue;
        tb_real *dx = x->grad + r * n, scale = 1 / (tb_real)n;
        for (size_t c = 0; c < n; c++) {
            tb_real hat = (v[c] - mean) * inverse;
            dx[c] += inverse * (d[c] * gain->value[c] - scale * (sum + hat * dot));
        }
    }
}

TB_CLONES struct tb_tensor tb_op_layer_norm(struct tb_tape *tape, struct tb_tensor x,
                                            struct tb_tensor gain, struct tb_tensor bias)
{
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, x.cols, true);
    tb_real *stats = tb_tape_alloc(tape, x.rows * 2 * sizeof *stats);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    size_t n = x.cols;
    for (size_t r = 0; r < x.rows; r++) {
        const tb_real *v = x.value + r * n;
        tb_real *out = y.value + r * n, mean = 0, variance = 0;
        TB_SUM(mean)
        for (size_t c = 0; c < n; c++)
            mean += v[c];
        mean /= (tb_real)n;
        TB_SUM(variance)
        for (size_t c = 0; c < n; c++)
            variance += (v[c] - mean) * (v[c] - mean);
        tb_real inverse = 1 / tb_sqrt(variance / (tb_real)n + TB_R(1e-5));
        for (size_t c = 0; c < n; c++)
            out[c] = (v[c] - mean) * inverse * gain.value[c] + bias.value[c];
        stats[2 * r] = mean;
        stats[2 * r + 1] = inverse;
    }
    tb_tape_push(tape, &(struct tb_note){layer_norm_backward, {x, gain, bias}, y, stats});
    return y;
}

static size_t size_of(const struct tb_tensor *t)
{
    return t->rows * t->cols;
}

/* Values whose gradient is asked for. */
static size_t wanted(const struct tb_tensor *t)
{
    return t->grad ? size_of(t) : 0;
}

TB_CLONES static void leaky_relu_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *y = &note->out;
    const tb_real less = 1 - *(const tb_real *)note->saved;
    for (size_t i = 0, n = wanted(x); i < n; i++) {
        const tb_real by = 1 - less * (tb_real)(x->value[i] <= 0); /* gcc makes ?: a branch */
        x->grad[i] += y->grad[i] * by;
    }
}

TB_CLONES struct tb_tensor tb_op_leaky_relu(struct tb_tape *tape, struct tb_tensor x, tb_real slope)
{
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, x.cols, true);
    tb_real *saved = tb_tape_alloc(tape, sizeof *saved);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *saved = slope;
    for (size_t i = 0; i < size_of(&x); i++)
        y.value[i] = x.value[i] > 0 ? x.value[i] : slope * x.value[i];
    tb_tape_push(tape, &(struct tb_note){leaky_relu_backward, {x}, y, saved});
    return y;
}

TB_CLONES static void sigmoid_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *y = &note->out;
    for (size_t i = 0, n = wanted(x); i < n; i++)
        x->grad[i] += y->grad[i] * y->value[i] * (1 - y->value[i]);
}

TB_CLONES struct tb_tensor tb_op_sigmoid(struct tb_tape *tape, struct tb_tensor x)
{
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, x.cols, true);
    for (size_t i = 0; y.value && i < size_of(&x); i++)
        y.value[i] = 1 / (1 + tb_exp(-x.value[i]));
    tb_tape_push(tape, &(struct tb_note){sigmoid_backward, {x}, y, NULL});
    return y;
}

TB_CLONES static void tanh_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *y = &note->out;
    for (size_t i = 0, n = wanted(x); i < n; i++)
        x->grad[i] += y->grad[i] * (1 - y->value[i] * y->value[i]);
}

TB_CLONES struct tb_tensor tb_op_tanh(struct tb_tape *tape, struct tb_tensor x)
{
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, x.cols, true);
    for (size_t i = 0; y.value && i < size_of(&x); i++)
        y.value[i] = tb_tanh(x.value[i]);
    tb_tape_push(tape, &(struct tb_note){tanh_backward, {x}, y, NULL});
    return y;
}

#define LN10 TB_R(2.302585092994045684)

/* d/dx 2 s^p = p 2 s^p (1 - s); saved: 1 - s */
TB_CLONES static void exp_sigmoid_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *y = &note->out;
    const tb_real *rest = note->saved;
    for (size_t i = 0, n = wanted(x); i < n; i++)
        x->grad[i] += y->grad[i] * LN10 * (y->value[i] - TB_R(1e-7)) * rest[i];
}

TB_CLONES struct tb_tensor tb_op_exp_sigmoid(struct tb_tape *tape, struct tb_tensor x, tb_real bias)
{
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, x.cols, true);
    tb_real *rest = tb_tape_alloc(tape, size_of(&x) * sizeof *rest);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    for (size_t i = 0; i < size_of(&x); i++) {
        tb_real e = tb_exp(-(x.value[i] + bias));
        rest[i] = e / (1 + e);
        y.value[i] = 2 * tb_exp(-LN10 * tb_log(1 + e)) + TB_R(1e-7);
    }
    tb_tape_push(tape, &(struct tb_note){exp_sigmoid_backward, {x}, y, rest});
    return y;
}

TB_CLONES static void dropout_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *y = &note->out;
    const tb_real *keep = note->saved;
    for (size_t i = 0, n = wanted(x); i < n; i++)
        x->grad[i] += y->grad[i] * keep[i];
}

/* One draw a tensor, and from it a hash of each place ("lowbias32", C. Wellons): a stream that goes
 * from draw to draw cannot be made a vector of. */
static inline uint32_t scramble(uint32_t x)
{
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    x = (x ^ (x >> 15)) * 0x846ca68bU;
    return x ^ (x >> 16);
}

TB_CLONES struct tb_tensor tb_op_dropout(struct tb_tape *tape, struct tb_tensor x, tb_real p,
                                         struct tb_random *random)
{
    if (!tb_tape_training(tape) || p <= 0)
        return x;
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, x.cols, true);
    tb_real *keep = tb_tape_alloc(tape, size_of(&x) * sizeof *keep);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    const uint32_t key = (uint32_t)(tb_random_next(random) >> 32);
    const uint32_t below = (uint32_t)(0x1p32 * (double)p);
    const tb_real kept = 1 / (1 - p);
    for (size_t i = 0; i < size_of(&x); i++) {
        keep[i] = scramble(key + (uint32_t)i) < below ? 0 : kept;
        y.value[i] = x.value[i] * keep[i];
    }
    tb_tape_push(tape, &(struct tb_note){dropout_backward, {x}, y, keep});
    return y;
}

TB_CLONES static void add_backward(const struct tb_note *note)
{
    for (int k = 0; k < 2; k++) {
        const struct tb_tensor *x = &note->in[k];
        for (size_t i = 0, n = wanted(x); i < n; i++)
            x->grad[i] += note->out.grad[i];
    }
}

TB_CLONES struct tb_tensor tb_op_add(struct tb_tape *tape, struct tb_tensor a, struct tb_tensor b)
{
    if (tb_tape_failed(tape)) /* then what came in may be empty */
        return (struct tb_tensor){0};
    assert(a.rows == b.rows && a.cols == b.cols);
    struct tb_tensor y = tb_tape_tensor(tape, a.rows, a.cols, true);
    for (size_t i = 0; y.value && i < size_of(&a); i++)
        y.value[i] = a.value[i] + b.value[i];
    tb_tape_push(tape, &(struct tb_note){add_backward, {a, b}, y, NULL});
    return y;
}

TB_CLONES static void scale_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0];
    tb_real factor = *(const tb_real *)note->saved;
    for (size_t i = 0, n = wanted(x); i < n; i++)
        x->grad[i] += note->out.grad[i] * factor;
}

TB_CLONES struct tb_tensor tb_op_scale(struct tb_tape *tape, struct tb_tensor x, tb_real factor)
{
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, x.cols, true);
    tb_real *saved = tb_tape_alloc(tape, sizeof *saved);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *saved = factor;
    for (size_t i = 0; i < size_of(&x); i++)
        y.value[i] = x.value[i] * factor;
    tb_tape_push(tape, &(struct tb_note){scale_backward, {x}, y, saved});
    return y;
}

TB_CLONES static void multiply_backward(const struct tb_note *note)
{
    const struct tb_tensor *a = &note->in[0], *b = &note->in[1], *y = &note->out;
    size_t step = b->cols == a->cols ? 1 : 0;
    for (size_t r = 0; r < a->rows; r++) {
        for (size_t c = 0; c < a->cols; c++) {
            size_t i = r * a->cols + c, j = r * b->cols + c * step;
            if (a->grad)
                a->grad[i] += y->grad[i] * b->value[j];
            if (b->grad)
                b->grad[j] += y->grad[i] * a->value[i];
        }
    }
}

TB_CLONES struct tb_tensor tb_op_multiply(struct tb_tape *tape, struct tb_tensor a,
                                          struct tb_tensor b)
{
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    assert(a.rows == b.rows && (b.cols == a.cols || b.cols == 1));
    struct tb_tensor y = tb_tape_tensor(tape, a.rows, a.cols, true);
    size_t step = b.cols == a.cols ? 1 : 0;
    for (size_t r = 0; y.value && r < a.rows; r++)
        for (size_t c = 0; c < a.cols; c++)
            y.value[r * a.cols + c] = a.value[r * a.cols + c] * b.value[r * b.cols + c * step];
    tb_tape_push(tape, &(struct tb_note){multiply_backward, {a, b}, y, NULL});
    return y;
}

static void concat_backward(const struct tb_note *note)
{
    const struct tb_tensor *a = &note->in[0], *b = &note->in[1], *y = &note->out;
    for (size_t r = 0; r < y->rows; r++) {
        const tb_real *d = y->grad + r * y->cols;
        for (size_t c = 0; a->grad && c < a->cols; c++)
            a->grad[r * a->cols + c] += d[c];
        for (size_t c = 0; b->grad && c < b->cols; c++)
            b->grad[r * b->cols + c] += d[a->cols + c];
    }
}

struct tb_tensor tb_op_concat(struct tb_tape *tape, struct tb_tensor a, struct tb_tensor b)
{
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    assert(a.rows == b.rows);
    struct tb_tensor y = tb_tape_tensor(tape, a.rows, a.cols + b.cols, true);
    for (size_t r = 0; y.value && r < y.rows; r++) {
        memcpy(y.value + r * y.cols, a.value + r * a.cols, a.cols * sizeof(tb_real));
        memcpy(y.value + r * y.cols + a.cols, b.value + r * b.cols, b.cols * sizeof(tb_real));
    }
    tb_tape_push(tape, &(struct tb_note){concat_backward, {a, b}, y, NULL});
    return y;
}

static void columns_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *y = &note->out;
    size_t first = *(const size_t *)note->saved;
    for (size_t r = 0; x->grad && r < y->rows; r++)
        for (size_t c = 0; c < y->cols; c++)
            x->grad[r * x->cols + first + c] += y->grad[r * y->cols + c];
}

struct tb_tensor tb_op_columns(struct tb_tape *tape, struct tb_tensor x, size_t first, size_t count)
{
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    assert(first + count <= x.cols);
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, count, true);
    size_t *saved = tb_tape_alloc(tape, sizeof *saved);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *saved = first;
    for (size_t r = 0; r < x.rows; r++)
        memcpy(y.value + r * count, x.value + r * x.cols + first, count * sizeof(tb_real));
    tb_tape_push(tape, &(struct tb_note){columns_backward, {x}, y, saved});
    return y;
}

/* y = x / s: dx = (dy - sum(dy y)) / s; saved: [rows] 1 / s */
TB_CLONES static void normalise_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *y = &note->out;
    const tb_real *inverse = note->saved;
    for (size_t r = 0; x->grad && r < x->rows; r++) {
        const tb_real *d = y->grad + r * y->cols, *v = y->value + r * y->cols;
        tb_real dot = 0;
        TB_SUM(dot)
        for (size_t c = 0; c < x->cols; c++)
            dot += d[c] * v[c];
        for (size_t c = 0; c < x->cols; c++)
            x->grad[r * x->cols + c] += (d[c] - dot) * inverse[r];
    }
}

TB_CLONES struct tb_tensor tb_op_normalise(struct tb_tape *tape, struct tb_tensor x)
{
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, x.cols, true);
    tb_real *inverse = tb_tape_alloc(tape, x.rows * sizeof *inverse);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    for (size_t r = 0; r < x.rows; r++) {
        tb_real sum = 0;
        TB_SUM(sum)
        for (size_t c = 0; c < x.cols; c++)
            sum += x.value[r * x.cols + c];
        inverse[r] = sum > TB_R(1e-20) ? 1 / sum : 0;
        for (size_t c = 0; c < x.cols; c++)
            y.value[r * x.cols + c] = x.value[r * x.cols + c] * inverse[r];
    }
    tb_tape_push(tape, &(struct tb_note){normalise_backward, {x}, y, inverse});
    return y;
}
