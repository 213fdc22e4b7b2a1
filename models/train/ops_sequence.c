/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"

#include <assert.h>
#include <string.h>

/* Recurrent steps run over all clips at once: a step is one small product [clips][H] x [H][3H]. */
struct gru {
    size_t clips, frames, hidden;
    tb_real *gates_x; /* [clips * frames][3H] W x + b_x, then overwritten by r, z, n */
    tb_real *gates_h; /* [clips * frames][3H] W h + b_h */
    tb_real *previous, *step; /* [clips][H] and [clips][3H], gathered */
};

static int narrow(size_t n)
{
    assert(n <= INT32_MAX);
    return (int)n;
}

static tb_real sigmoid(tb_real x)
{
    return 1 / (1 + tb_exp(-x));
}

/* One frame of all clips: gathers the state, multiplies, applies the gates. */
TB_CLONES static void gru_step(const struct gru *g, const struct tb_gru_weights *w, tb_real *out,
                               size_t t)
{
    size_t h = g->hidden;
    for (size_t b = 0; b < g->clips; b++) {
        if (t > 0)
            memcpy(g->previous + b * h, out + (b * g->frames + t - 1) * h, h * sizeof(tb_real));
        memcpy(g->step + b * 3 * h, w->b_h.value, 3 * h * sizeof(tb_real));
    }
    tb_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, narrow(g->clips), narrow(3 * h), narrow(h), 1,
            g->previous, narrow(h), w->w_h.value, narrow(h), 1, g->step, narrow(3 * h));
    for (size_t b = 0; b < g->clips; b++) {
        size_t row = b * g->frames + t;
        tb_real *x = g->gates_x + row * 3 * h, *y = out + row * h;
        const tb_real *s = g->step + b * 3 * h, *p = g->previous + b * h;
        memcpy(g->gates_h + row * 3 * h, s, 3 * h * sizeof(tb_real));
        for (size_t i = 0; i < h; i++) {
            tb_real r = sigmoid(x[i] + s[i]), z = sigmoid(x[h + i] + s[h + i]);
            tb_real n = tb_tanh(x[2 * h + i] + r * s[2 * h + i]);
            x[i] = r;
            x[h + i] = z;
            x[2 * h + i] = n;
            y[i] = (1 - z) * n + z * p[i];
        }
    }
}

/* Turns the gradient of frame t into gradients before the gates: gates_x keeps the input side,
 * step the recurrent side; carry [clips][H] goes to frame t - 1. */
TB_CLONES static void gru_step_back(const struct gru *g, const struct tb_tensor *y, tb_real *carry,
                                    size_t t)
{
    size_t h = g->hidden;
    for (size_t b = 0; b < g->clips; b++) {
        size_t row = b * g->frames + t;
        tb_real *x = g->gates_x + row * 3 * h, *s = g->gates_h + row * 3 * h, *c = carry + b * h;
        const tb_real *d = y->grad + row * h, *p = t > 0 ? y->value + (row - 1) * h : NULL;
        for (size_t i = 0; i < h; i++) {
            tb_real r = x[i], z = x[h + i], n = x[2 * h + i], hn = s[2 * h + i];
            tb_real dy = d[i] + c[i], before = p ? p[i] : 0;
            tb_real dn = dy * (1 - z) * (1 - n * n), dz = dy * (before - n) * z * (1 - z);
            tb_real dr = dn * hn * r * (1 - r);
            x[i] = dr;
            x[h + i] = dz;
            x[2 * h + i] = dn;
            s[i] = dr;
            s[h + i] = dz;
            s[2 * h + i] = dn * r;
            c[i] = dy * z;
        }
        memcpy(g->step + b * 3 * h, s, 3 * h * sizeof(tb_real));
    }
}

static void add_rows(const tb_real *x, size_t rows, size_t cols, tb_real *sum)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            sum[c] += x[r * cols + c];
}

static void gru_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *w_x = &note->in[1], *w_h = &note->in[2],
                           *y = &note->out;
    const struct gru *g = note->saved;
    size_t h = g->hidden, rows = g->clips * g->frames;
    tb_real *carry = g->previous;
    memset(carry, 0, g->clips * h * sizeof *carry);
    for (size_t t = g->frames; t-- > 0;) {
        gru_step_back(g, y, carry, t);
        tb_gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, narrow(g->clips), narrow(h),
                narrow(3 * h), 1, g->step, narrow(3 * h), w_h->value, narrow(h), 1, carry,
                narrow(h));
    }
    /* w_h gradient: recurrent side of frame t against the state of frame t - 1, clip by clip */
    for (size_t b = 0; w_h->grad && b < g->clips; b++) {
        const tb_real *side = g->gates_h + (b * g->frames + 1) * 3 * h;
        tb_gemm(CblasRowMajor, CblasTrans, CblasNoTrans, narrow(3 * h), narrow(h),
                narrow(g->frames - 1), 1, side, narrow(3 * h), y->value + b * g->frames * h,
                narrow(h), 1, w_h->grad, narrow(h));
    }
    if (w_x->grad)
        tb_gemm(CblasRowMajor, CblasTrans, CblasNoTrans, narrow(3 * h), narrow(x->cols),
                narrow(rows), 1, g->gates_x, narrow(3 * h), x->value, narrow(x->cols), 1,
                w_x->grad, narrow(x->cols));
    if (note->in[3].grad)
        add_rows(g->gates_x, rows, 3 * h, note->in[3].grad);
    if (note->in[4].grad)
        add_rows(g->gates_h, rows, 3 * h, note->in[4].grad);
    if (x->grad)
        tb_gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, narrow(rows), narrow(x->cols),
                narrow(3 * h), 1, g->gates_x, narrow(3 * h), w_x->value, narrow(x->cols), 1,
                x->grad, narrow(x->cols));
}

struct tb_tensor tb_op_gru(struct tb_tape *tape, struct tb_tensor x,
                           const struct tb_gru_weights *w, size_t clips)
{
    size_t h = w->w_h.cols;
    assert(w->w_h.rows == 3 * h && w->w_x.rows == 3 * h && w->w_x.cols == x.cols);
    assert(clips > 0 && x.rows % clips == 0);
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, h, true);
    struct gru *g = tb_tape_alloc(tape, sizeof *g);
    tb_real *gates_x = tb_tape_alloc(tape, x.rows * 3 * h * sizeof *gates_x);
    tb_real *gates_h = tb_tape_alloc(tape, x.rows * 3 * h * sizeof *gates_h);
    tb_real *previous = tb_tape_alloc(tape, clips * h * sizeof *previous);
    tb_real *step = tb_tape_alloc(tape, clips * 3 * h * sizeof *step);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *g = (struct gru){clips, x.rows / clips, h, gates_x, gates_h, previous, step};
    for (size_t r = 0; r < x.rows; r++)
        memcpy(gates_x + r * 3 * h, w->b_x.value, 3 * h * sizeof *gates_x);
    tb_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, narrow(x.rows), narrow(3 * h), narrow(x.cols),
            1, x.value, narrow(x.cols), w->w_x.value, narrow(x.cols), 1, gates_x, narrow(3 * h));
    for (size_t t = 0; t < g->frames; t++)
        gru_step(g, w, y.value, t);
    tb_tape_push(tape,
                 &(struct tb_note){gru_backward, {x, w->w_x, w->w_h, w->b_x, w->b_h}, y, g});
    return y;
}

/* ---- causal dilated convolution: unfolded to [rows][in * kernel], then one product */
struct conv {
    size_t clips, frames, kernel, dilation;
    tb_real *columns; /* [rows][in * kernel], channel-major as v: index = channel * kernel + tap */
    tb_real *weight;  /* [out][in * kernel] after weight norm */
    tb_real *norm;    /* [out] |v| */
};

/* Copies (or, backwards, adds) between x and its unfolded columns. */
static void unfold(const struct conv *c, const tb_real *x, size_t channels)
{
    for (size_t b = 0; b < c->clips; b++) {
        for (size_t t = 0; t < c->frames; t++) {
            tb_real *row = c->columns + (b * c->frames + t) * channels * c->kernel;
            for (size_t k = 0; k < c->kernel; k++) {
                size_t back = (c->kernel - 1 - k) * c->dilation;
                if (back > t)
                    continue;
                const tb_real *in = x + (b * c->frames + t - back) * channels;
                for (size_t i = 0; i < channels; i++)
                    row[i * c->kernel + k] = in[i];
            }
        }
    }
}

static void fold(const struct conv *c, const tb_real *columns, size_t channels, tb_real *dx)
{
    for (size_t b = 0; b < c->clips; b++) {
        for (size_t t = 0; t < c->frames; t++) {
            const tb_real *row = columns + (b * c->frames + t) * channels * c->kernel;
            for (size_t k = 0; k < c->kernel; k++) {
                size_t back = (c->kernel - 1 - k) * c->dilation;
                if (back > t)
                    continue;
                tb_real *out = dx + (b * c->frames + t - back) * channels;
                for (size_t i = 0; i < channels; i++)
                    out[i] += row[i * c->kernel + k];
            }
        }
    }
}

/* dw -> dv, dg for w = g v / |v| */
static void weight_norm_backward(const struct conv *c, const struct tb_tensor *v,
                                 const struct tb_tensor *gain, const tb_real *dw)
{
    for (size_t o = 0; o < v->rows; o++) {
        const tb_real *dwo = dw + o * v->cols, *vo = v->value + o * v->cols;
        tb_real *dvo = v->grad + o * v->cols;
        if (!gain->value) {
            for (size_t i = 0; i < v->cols; i++)
                dvo[i] += dwo[i];
            continue;
        }
        tb_real dot = 0, inverse = 1 / c->norm[o], g = gain->value[o];
        for (size_t i = 0; i < v->cols; i++)
            dot += dwo[i] * vo[i];
        dot *= inverse;
        gain->grad[o] += dot;
        for (size_t i = 0; i < v->cols; i++)
            dvo[i] += g * inverse * (dwo[i] - dot * inverse * vo[i]);
    }
}

static void conv_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *v = &note->in[1], *gain = &note->in[2],
                           *bias = &note->in[3], *y = &note->out;
    struct conv *c = note->saved;
    size_t out = y->cols, in = v->cols, rows = y->rows;
    if (v->grad) {
        tb_real *dw = c->norm + out; /* [out][in], reserved behind norm */
        tb_gemm(CblasRowMajor, CblasTrans, CblasNoTrans, narrow(out), narrow(in), narrow(rows), 1,
                y->grad, narrow(out), c->columns, narrow(in), 0, dw, narrow(in));
        weight_norm_backward(c, v, gain, dw);
    }
    if (bias->grad)
        add_rows(y->grad, rows, out, bias->grad);
    if (!x->grad)
        return;
    tb_gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, narrow(rows), narrow(in), narrow(out), 1,
            y->grad, narrow(out), c->weight, narrow(in), 0, c->columns, narrow(in));
    fold(c, c->columns, x->cols, x->grad);
}

static void apply_weight_norm(struct conv *c, const struct tb_conv_weights *w)
{
    for (size_t o = 0; o < w->v.rows; o++) {
        const tb_real *v = w->v.value + o * w->v.cols;
        tb_real sum = TB_R(1e-24), scale = 1;
        for (size_t i = 0; i < w->v.cols; i++)
            sum += v[i] * v[i];
        c->norm[o] = tb_sqrt(sum);
        if (w->g.value)
            scale = w->g.value[o] / c->norm[o];
        for (size_t i = 0; i < w->v.cols; i++)
            c->weight[o * w->v.cols + i] = v[i] * scale;
    }
}

struct tb_tensor tb_op_causal_conv(struct tb_tape *tape, struct tb_tensor x,
                                   const struct tb_conv_weights *w, size_t clips)
{
    size_t out = w->v.rows, in = w->v.cols;
    assert(in == x.cols * w->kernel && clips > 0 && x.rows % clips == 0);
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, out, true);
    struct conv *c = tb_tape_alloc(tape, sizeof *c);
    tb_real *columns = tb_tape_alloc(tape, x.rows * in * sizeof *columns);
    tb_real *weight = tb_tape_alloc(tape, out * in * sizeof *weight);
    tb_real *norm = tb_tape_alloc(tape, (out + out * in) * sizeof *norm);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *c = (struct conv){clips, x.rows / clips, w->kernel, w->dilation, columns, weight, norm};
    unfold(c, x.value, x.cols);
    apply_weight_norm(c, w);
    for (size_t r = 0; r < y.rows; r++)
        memcpy(y.value + r * out, w->bias.value, out * sizeof *columns);
    tb_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, narrow(x.rows), narrow(out), narrow(in), 1,
            columns, narrow(in), weight, narrow(in), 1, y.value, narrow(out));
    tb_tape_push(tape, &(struct tb_note){conv_backward, {x, w->v, w->g, w->bias}, y, c});
    return y;
}
