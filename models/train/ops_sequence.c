/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"
#include "models/train/thin.h"

#include <assert.h>
#include <string.h>

/* Recurrent steps run over all clips at once: a step is one small product [clips][H] x [H][3H]. */
struct gru {
    size_t clips, frames, hidden;
    tb_real *gates_x;         /* [clips * frames][3H] W x + b_x, then overwritten by r, z, n */
    tb_real *gates_h;         /* [clips * frames][3H] W h + b_h */
    tb_real *previous, *step; /* [clips][H] and [clips][3H], gathered */
    tb_real *panels;          /* w_h as thin products read it, one way and then the other */
    struct tb_tape *tape;     /* a pass may be stopped within */
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
TB_CLONES static void gru_step(const struct gru *g, const tb_real *b_h, tb_real *out, size_t t)
{
    size_t h = g->hidden;
    for (size_t b = 0; b < g->clips; b++) {
        if (t > 0)
            memcpy(g->previous + b * h, out + (b * g->frames + t - 1) * h, h * sizeof(tb_real));
        memcpy(g->step + b * 3 * h, b_h, 3 * h * sizeof(tb_real));
    }
    tb_thin_multiply(&(struct tb_thin){h, 3 * h, g->panels}, g->previous, g->clips, g->step);
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

TB_CLONES static void add_rows(const tb_real *x, size_t rows, size_t cols, tb_real *sum)
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
    const struct tb_thin back = {3 * h, h, g->panels};
    tb_thin_pack(&back, w_h->value, false);
    memset(carry, 0, g->clips * h * sizeof *carry);
    for (size_t t = g->frames; t-- > 0 && !tb_tape_stopped(g->tape);) {
        gru_step_back(g, y, carry, t);
        tb_thin_multiply(&back, g->step, g->clips, carry);
    }
    if (tb_tape_failed(g->tape))
        return;
    /* w_h gradient: recurrent side of frame t against the state of frame t - 1, clip by clip */
    for (size_t b = 0; w_h->grad && b < g->clips; b++) {
        const tb_real *side = g->gates_h + (b * g->frames + 1) * 3 * h;
        tb_gemm(CblasRowMajor, CblasTrans, CblasNoTrans, narrow(3 * h), narrow(h),
                narrow(g->frames - 1), 1, side, narrow(3 * h), y->value + b * g->frames * h,
                narrow(h), 1, w_h->grad, narrow(h));
    }
    if (w_x->grad)
        tb_gemm(CblasRowMajor, CblasTrans, CblasNoTrans, narrow(3 * h), narrow(x->cols),
                narrow(rows), 1, g->gates_x, narrow(3 * h), x->value, narrow(x->cols), 1, w_x->grad,
                narrow(x->cols));
    if (note->in[3].grad)
        add_rows(g->gates_x, rows, 3 * h, note->in[3].grad);
    if (note->in[4].grad)
        add_rows(g->gates_h, rows, 3 * h, note->in[4].grad);
    if (x->grad)
        tb_gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, narrow(rows), narrow(x->cols),
                narrow(3 * h), 1, g->gates_x, narrow(3 * h), w_x->value, narrow(x->cols), 1,
                x->grad, narrow(x->cols));
}

struct tb_tensor tb_op_gru(struct tb_tape *tape, struct tb_tensor x, const struct tb_gru_weights *w,
                           size_t clips)
{
    size_t h = w->w_h.cols;
    if (tb_tape_failed(tape)) /* then what came in may be empty */
        return (struct tb_tensor){0};
    assert(w->w_h.rows == 3 * h && w->w_x.rows == 3 * h && w->w_x.cols == x.cols);
    assert(clips > 0 && x.rows % clips == 0);
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, h, true);
    struct gru *g = tb_tape_alloc(tape, sizeof *g);
    tb_real *gates_x = tb_tape_room(tape, x.rows * 3 * h * sizeof *gates_x);
    tb_real *gates_h = tb_tape_room(tape, x.rows * 3 * h * sizeof *gates_h);
    tb_real *previous = tb_tape_alloc(tape, clips * h * sizeof *previous);
    tb_real *step = tb_tape_alloc(tape, clips * 3 * h * sizeof *step);
    size_t there = tb_thin_room(h, 3 * h), back = tb_thin_room(3 * h, h);
    tb_real *panels = tb_tape_room(tape, (there > back ? there : back) * sizeof *panels);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *g = (struct gru){clips, x.rows / clips, h, gates_x, gates_h, previous, step, panels, tape};
    for (size_t r = 0; r < x.rows; r++)
        memcpy(gates_x + r * 3 * h, w->b_x.value, 3 * h * sizeof *gates_x);
    tb_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, narrow(x.rows), narrow(3 * h), narrow(x.cols),
            1, x.value, narrow(x.cols), w->w_x.value, narrow(x.cols), 1, gates_x, narrow(3 * h));
    tb_thin_pack(&(struct tb_thin){h, 3 * h, panels}, w->w_h.value, true);
    for (size_t t = 0; t < g->frames && !tb_tape_asked(tape); t++)
        gru_step(g, w->b_h.value, y.value, t);
    tb_tape_push(tape, &(struct tb_note){gru_backward, {x, w->w_x, w->w_h, w->b_x, w->b_h}, y, g});
    return y;
}

/* ---- causal dilated convolution: one product a tap on shifted rows, nothing unfolded */
struct conv {
    size_t clips, frames, kernel, dilation;
    tb_real *taps;   /* [kernel][out][in] after weight norm */
    tb_real *d_taps; /* the same shape, for the way back */
    tb_real *norm;   /* [out] |v| */
};

/* Rows of clip b that tap k reads and those it writes: x from its first row, y `back` rows later.
 */
struct shift {
    size_t in, out, rows;
};

static struct shift shifted(const struct conv *c, size_t b, size_t k)
{
    size_t back = (c->kernel - 1 - k) * c->dilation;
    size_t rows = back < c->frames ? c->frames - back : 0;
    return (struct shift){b * c->frames, b * c->frames + back, rows};
}

/* d_taps -> dv, dg for w = g v / |v| */
static void weight_norm_backward(const struct conv *c, const struct tb_tensor *v,
                                 const struct tb_tensor *gain)
{
    assert(c->kernel > 0);
    size_t in = v->cols / c->kernel;
    for (size_t o = 0; o < v->rows; o++) {
        const tb_real *vo = v->value + o * v->cols;
        tb_real *dvo = v->grad + o * v->cols;
        tb_real dot = 0, scale = gain->value ? gain->value[o] / c->norm[o] : 1;
        for (size_t i = 0; i < v->cols; i++)
            dot += c->d_taps[(i % c->kernel * v->rows + o) * in + i / c->kernel] * vo[i];
        if (gain->value)
            gain->grad[o] += dot / c->norm[o];
        tb_real inward = gain->value ? dot / (c->norm[o] * c->norm[o]) : 0;
        for (size_t i = 0; i < v->cols; i++) {
            tb_real d = c->d_taps[(i % c->kernel * v->rows + o) * in + i / c->kernel];
            dvo[i] += scale * (d - inward * vo[i]);
        }
    }
}

static void conv_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0], *v = &note->in[1], *gain = &note->in[2],
                           *bias = &note->in[3], *y = &note->out;
    const struct conv *c = note->saved;
    size_t out = y->cols, in = x->cols;
    for (size_t k = 0; k < c->kernel; k++) {
        for (size_t b = 0; b < c->clips; b++) {
            struct shift s = shifted(c, b, k);
            const tb_real *d = y->grad + s.out * out;
            if (v->grad && s.rows)
                tb_gemm(CblasRowMajor, CblasTrans, CblasNoTrans, narrow(out), narrow(in),
                        narrow(s.rows), 1, d, narrow(out), x->value + s.in * in, narrow(in), 1,
                        c->d_taps + k * out * in, narrow(in));
            if (x->grad && s.rows)
                tb_gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, narrow(s.rows), narrow(in),
                        narrow(out), 1, d, narrow(out), c->taps + k * out * in, narrow(in), 1,
                        x->grad + s.in * in, narrow(in));
        }
    }
    if (v->grad)
        weight_norm_backward(c, v, gain);
    if (bias->grad)
        add_rows(y->grad, y->rows, out, bias->grad);
}

static void apply_weight_norm(const struct conv *c, const struct tb_conv_weights *w)
{
    size_t in = w->v.cols / w->kernel;
    for (size_t o = 0; o < w->v.rows; o++) {
        const tb_real *v = w->v.value + o * w->v.cols;
        tb_real sum = TB_R(1e-24);
        for (size_t i = 0; i < w->v.cols; i++)
            sum += v[i] * v[i];
        c->norm[o] = tb_sqrt(sum);
        tb_real scale = w->g.value ? w->g.value[o] / c->norm[o] : 1;
        for (size_t i = 0; i < w->v.cols; i++)
            c->taps[(i % w->kernel * w->v.rows + o) * in + i / w->kernel] = v[i] * scale;
    }
}

struct tb_tensor tb_op_causal_conv(struct tb_tape *tape, struct tb_tensor x,
                                   const struct tb_conv_weights *w, size_t clips)
{
    size_t out = w->v.rows, in = x.cols, n = w->v.rows * w->v.cols;
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    assert(w->kernel > 0 && w->v.cols == in * w->kernel && clips > 0 && x.rows % clips == 0);
    struct tb_tensor y = tb_tape_tensor(tape, x.rows, out, true);
    struct conv *c = tb_tape_alloc(tape, sizeof *c);
    tb_real *memory = tb_tape_alloc(tape, (2 * n + out) * sizeof *memory);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *c = (struct conv){clips,  x.rows / clips, w->kernel,     w->dilation,
                       memory, memory + n,     memory + 2 * n};
    apply_weight_norm(c, w);
    for (size_t r = 0; r < y.rows; r++)
        memcpy(y.value + r * out, w->bias.value, out * sizeof *memory);
    for (size_t k = 0; k < c->kernel; k++) {
        for (size_t b = 0; b < clips; b++) {
            struct shift s = shifted(c, b, k);
            if (s.rows)
                tb_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, narrow(s.rows), narrow(out),
                        narrow(in), 1, x.value + s.in * in, narrow(in), c->taps + k * out * in,
                        narrow(in), 1, y.value + s.out * out, narrow(out));
        }
    }
    tb_tape_push(tape, &(struct tb_note){conv_backward, {x, w->v, w->g, w->bias}, y, c});
    return y;
}
