/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * All operations but products of matrices. Compiled once per processor variant. */
#include "models/nn/kernels_priv.h"

enum { HALF_VECTORS = TB_NN_HALF / TB_VLANES, DENSE_SUMS = 8 };

/* Both sums of all lanes, in as many steps as one of them. */
TB_INLINE void two_sums(tb_vf a, tb_vf b, float *sum_a, float *sum_b)
{
#if defined(__AVX512F__)
    tb_vf c = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    c +=
        __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    c += __builtin_shufflevector(c, c, 4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15);
    c += __builtin_shufflevector(c, c, 2, 3, 2, 3, 2, 3, 2, 3, 10, 11, 10, 11, 10, 11, 10, 11);
    c += __builtin_shufflevector(c, c, 1, 1, 1, 1, 1, 1, 1, 1, 9, 9, 9, 9, 9, 9, 9, 9);
    *sum_a = c[0];
    *sum_b = c[8];
#else
    *sum_a = tb_vsum(a);
    *sum_b = tb_vsum(b);
#endif
}

/* Mean and 1 / deviation out of the sums of n differences from shift and of their squares. */
struct moments {
    float mean, scale;
};
TB_INLINE struct moments moments_of(float sum, float squares, float shift, float share,
                                    float epsilon)
{
    const float centre = sum * share, variance = squares * share - centre * centre;
    return (struct moments){centre + shift,
                            1.0f / __builtin_sqrtf((variance > 0 ? variance : 0) + epsilon)};
}

/* In one pass; shifted by x[0], so that a large mean costs nothing. */
TB_INLINE struct moments moments(const float *x, unsigned n, float epsilon)
{
    const float shift = x[0];
    tb_vf sum = {0}, squares = {0};
    float s, q;
    unsigned i = 0;
    for (; i + TB_VLANES <= n; i += TB_VLANES) {
        const tb_vf d = tb_vload(x + i) - shift;
        sum += d;
        squares += d * d;
    }
    two_sums(sum, squares, &s, &q);
    for (; i < n; i++) {
        s += x[i] - shift;
        q += (x[i] - shift) * (x[i] - shift);
    }
    return moments_of(s, q, shift, 1.0f / (float)n, epsilon);
}

struct norm {
    const float *gain, *bias;
    float leak, epsilon, share; /* 1 / n */
};

TB_INLINE tb_vf norm_vector(const struct norm *l, struct moments m, tb_vf x, unsigned i)
{
    const tb_vf d = (x - m.mean) * m.scale * tb_vload(l->gain + i) + tb_vload(l->bias + i);
    return tb_vmax(d, d * l->leak);
}

/* As many whole vectors as there are registers for. */
TB_INLINE void norm_short(const struct norm *l, const float *x, float *y, const int vectors)
{
    tb_vf all[4], sum = {0}, squares = {0};
    float s, q;
    TB_UNROLL
    for (int v = 0; v < vectors; v++) {
        all[v] = tb_vload(x + v * TB_VLANES);
        const tb_vf d = all[v] - x[0];
        sum += d;
        squares += d * d;
    }
    two_sums(sum, squares, &s, &q);
    const struct moments m = moments_of(s, q, x[0], l->share, l->epsilon);
    TB_UNROLL
    for (int v = 0; v < vectors; v++)
        tb_vstore(y + v * TB_VLANES, norm_vector(l, m, all[v], (unsigned)v * TB_VLANES));
}

TB_INLINE void norm_any(const struct norm *l, const float *x, float *y, unsigned n)
{
    const struct moments m = moments(x, n, l->epsilon);
    for (unsigned i = 0; i < n; i += TB_VLANES) {
        const tb_vf d = norm_vector(l, m, tb_vload(x + i), i);
        if (n - i >= TB_VLANES)
            tb_vstore(y + i, d);
        else
            tb_vstore_part(y + i, d, n - i);
    }
}

void TB_VARIANT(tb_nn_norm)(const struct tb_nn_job *job)
{
    const struct tb_nn_op *op = job->op;
    const unsigned n = op->n_out;
    const float *gain = (const float *)(const void *)(job->model->arena + op->weights);
    const struct norm l = {.gain = gain,
                           .bias = gain + tb_nn_round(n, TB_NN_HALF),
                           .leak = job->model->spec.leak,
                           .epsilon = job->model->spec.norm_epsilon,
                           .share = 1.0f / (float)n};
    for (unsigned v = 0; v < job->n_voices; v++) {
        const float *x = job->scratch + v * job->stride + op->src;
        float *y = job->scratch + v * job->stride + op->dst;
        if (n == TB_VLANES)
            norm_short(&l, x, y, 1);
        else if (n == 2 * TB_VLANES)
            norm_short(&l, x, y, 2);
        else
            norm_any(&l, x, y, n);
    }
}

/* A layer and its norm in registers: voices first..first+n, `chains` sums an output. Weights are
 * such that outputs have no mean. */
TB_INLINE void dense_tile(const struct tb_nn_job *job, unsigned first, const unsigned n,
                          const unsigned chains)
{
    const struct tb_nn_op *op = job->op;
    const float *w = (const float *)(const void *)(job->model->arena + op->weights);
    const struct norm l = {
        .gain = w, .bias = w + TB_NN_HALF, .leak = job->model->spec.leak, .epsilon = 0};
    const float epsilon = job->model->spec.norm_epsilon;
    const float *x = job->scratch + first * job->stride + op->src;
    tb_vf acc[DENSE_SUMS];
    w += 2 * TB_NN_HALF;
    TB_UNROLL
    for (unsigned v = 0; v < n * chains; v++) {
        TB_UNROLL
        for (unsigned s = 0; s < HALF_VECTORS; s++)
            acc[v * HALF_VECTORS + s] = v < n ? tb_vload(w + s * TB_VLANES) : (tb_vf){0};
    }
    w += TB_NN_HALF;
    const unsigned steps = chains > 4 ? chains : 4; /* they pay for the addresses */
    unsigned i = 0;
    for (; i + steps <= op->n_in; i += steps, x += steps, w += steps * TB_NN_HALF) {
        TB_UNROLL
        for (unsigned c = 0; c < steps; c++) {
            TB_UNROLL
            for (unsigned v = 0; v < n; v++) {
                TB_UNROLL
                for (unsigned s = 0; s < HALF_VECTORS; s++)
                    acc[(c % chains * n + v) * HALF_VECTORS + s] +=
                        tb_vload(w + c * TB_NN_HALF + s * TB_VLANES) * x[v * job->stride + c];
            }
        }
    }
    for (; i < op->n_in; i++, x++, w += TB_NN_HALF) {
        TB_UNROLL
        for (unsigned v = 0; v < n; v++) {
            TB_UNROLL
            for (unsigned s = 0; s < HALF_VECTORS; s++)
                acc[v * HALF_VECTORS + s] += tb_vload(w + s * TB_VLANES) * x[v * job->stride];
        }
    }
    TB_UNROLL
    for (unsigned v = 0; v < n; v++) {
        float *y = job->scratch + (first + v) * job->stride + op->dst;
        tb_vf out[HALF_VECTORS], squares = {0};
        TB_UNROLL
        for (unsigned s = 0; s < HALF_VECTORS; s++) {
            out[s] = tb_nn_chain_sum(acc + v * HALF_VECTORS + s, n * HALF_VECTORS, chains);
            squares += out[s] * out[s];
        }
        const float variance = tb_vsum(squares) * (1.0f / TB_NN_HALF);
        const struct moments m = {0, 1.0f / __builtin_sqrtf(variance + epsilon)};
        TB_UNROLL
        for (unsigned s = 0; s < HALF_VECTORS; s++)
            tb_vstore(y + s * TB_VLANES, norm_vector(&l, m, out[s], s * TB_VLANES));
    }
}

void TB_VARIANT(tb_nn_dense)(const struct tb_nn_job *job)
{
    enum { MANY = DENSE_SUMS / HALF_VECTORS };
    unsigned v = 0;
    for (; v + MANY <= job->n_voices; v += MANY)
        dense_tile(job, v, MANY, 1);
    for (; MANY > 2 && v + 2 <= job->n_voices; v += 2)
        dense_tile(job, v, 2, MANY > 4 ? 4 : 2);
    for (; v < job->n_voices; v++)
        dense_tile(job, v, 1, MANY);
}

/* Largest magnitude of a voice's inputs; several at once, so that none waits for the one before. */
TB_INLINE float loudest(const struct tb_nn_job *job, unsigned voice)
{
    const unsigned n = job->op->n_row;
    tb_vf peak[4] = {{0}};
    for (unsigned k = 0; k < job->op->taps; k++) {
        const float *x = tb_nn_row(job, voice, k);
        unsigned i = 0;
        for (; i + 4 * TB_VLANES <= n; i += 4 * TB_VLANES) {
            TB_UNROLL
            for (unsigned c = 0; c < 4; c++)
                peak[c] = tb_vmax(peak[c], tb_vabs(tb_vload(x + i + c * TB_VLANES)));
        }
        for (; i + TB_VLANES <= n; i += TB_VLANES)
            peak[0] = tb_vmax(peak[0], tb_vabs(tb_vload(x + i)));
        if (i < n)
            peak[0] = tb_vmax(peak[0], tb_vabs(tb_vload_part(x + i, n - i)));
    }
    return tb_vpeak(tb_vmax(tb_vmax(peak[0], peak[1]), tb_vmax(peak[2], peak[3])));
}

/* Codes of TB_VLANES inputs, of which the upper halves come first where low > 0, the lower ones
 * `low` bytes on. */
TB_INLINE void put_codes(tb_vf x, tb_vf factor, unsigned char *codes, unsigned low)
{
    typedef int8_t narrow __attribute__((vector_size(TB_VLANES)));
    tb_vi code = tb_vround(x * factor);
    if (low) {
        const narrow rest = __builtin_convertvector(code & (TB_NN_LOW_CODES - 1), narrow);
        memcpy(codes + low, &rest, sizeof rest);
        code >>= 7;
    }
    const narrow bytes = __builtin_convertvector(code ^ (TB_VLANES == 16 ? 0x80 : 0), narrow);
    memcpy(codes, &bytes, sizeof bytes);
}

TB_INLINE void put_row(const float *x, unsigned n, tb_vf factor, unsigned char *codes, unsigned low)
{
    unsigned i = 0;
    for (; i + TB_VLANES <= n; i += TB_VLANES)
        put_codes(tb_vload(x + i), factor, codes + i, low);
    if (i < n)
        put_codes(tb_vload_part(x + i, n - i), factor, codes + i, low);
}

/* Symmetric, one scale a voice: the loudest input is code 127, or 16383 where it is fine. Codes
 * behind the last row are those of 0. */
void TB_VARIANT(tb_nn_quantise)(const struct tb_nn_job *job)
{
    const unsigned n = job->op->n_row;
    const bool fine = job->model->spec.fine;
    const float most = fine ? (float)TB_NN_FINE_CODE : (float)TB_NN_COARSE_CODE;
    for (unsigned v = 0; v < job->n_voices; v++) {
        float *scale = job->scratch + v * job->stride + job->model->codes;
        unsigned char *codes = (unsigned char *)(scale + TB_NN_HALF);
        const float peak = loudest(job, v) + 1e-30f;
        const tb_vf factor = tb_vset(most / peak);
        scale[0] = peak / most;
        for (unsigned k = 0; k < job->op->taps; k++, codes += n)
            if (fine)
                put_row(tb_nn_row(job, v, k), n, factor, codes, job->model->low_codes);
            else
                put_row(tb_nn_row(job, v, k), n, factor, codes, 0);
    }
    tb_nn_remember(job);
}

void TB_VARIANT(tb_nn_copy)(const struct tb_nn_job *job)
{
    const struct tb_nn_op *op = job->op;
    for (unsigned v = 0; v < job->n_voices; v++) {
        float *scratch = job->scratch + v * job->stride;
        const float *from =
            op->kind == TB_NN_OP_LOAD ? job->state[v] + op->state : scratch + op->src;
        tb_nn_copy_floats(scratch + op->dst, from, op->n_out);
    }
}

/* x is padded with zeros to a multiple of 16. */
bool TB_VARIANT(tb_nn_finite)(const float *x, size_t n)
{
    tb_vi bad = {0};
    for (size_t i = 0; i < n; i += TB_VLANES)
        bad |= ((tb_vi)tb_vload(x + i) & 0x7f800000) == 0x7f800000;
    int32_t part[TB_VLANES], any = 0;
    memcpy(part, &bad, sizeof part);
    for (int i = 0; i < TB_VLANES; i++)
        any |= part[i];
    return any == 0;
}

/* PyTorch's GRU: gates r, z, n; src = W_ih x + b_ih, add = W_hh h + b_hh, each gate padded. */
void TB_VARIANT(tb_nn_gru)(const struct tb_nn_job *job)
{
    const struct tb_nn_op *op = job->op;
    const unsigned n = tb_nn_round(op->n_out, TB_NN_HALF);
    for (unsigned v = 0; v < job->n_voices; v++) {
        float *scratch = job->scratch + v * job->stride;
        const float *in = scratch + op->src, *back = scratch + op->add;
        float *h = job->state[v] + op->state;
        for (unsigned i = 0; i < n; i += TB_VLANES) {
            const tb_vf r = tb_vsigmoid(tb_vload(in + i) + tb_vload(back + i));
            const tb_vf z = tb_vsigmoid(tb_vload(in + n + i) + tb_vload(back + n + i));
            const tb_vf c = tb_vtanh(tb_vload(in + 2 * n + i) + r * tb_vload(back + 2 * n + i));
            const tb_vf next = c + z * (tb_vload(h + i) - c);
            tb_vstore(h + i, next);
            tb_vstore(scratch + op->dst + i, next);
        }
    }
}

void TB_VARIANT(tb_nn_map)(enum tb_nn_function function, float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += TB_VLANES) {
        const size_t part = n - i < TB_VLANES ? n - i : TB_VLANES;
        tb_vf v = part == TB_VLANES ? tb_vload(x + i) : tb_vload_part(x + i, part);
        if (function == TB_NN_SIGMOID)
            v = tb_vsigmoid(v);
        else
            v = function == TB_NN_TANH ? tb_vtanh(v) : tb_vexp(v);
        if (part == TB_VLANES)
            tb_vstore(y + i, v);
        else
            tb_vstore_part(y + i, v, part);
    }
}
