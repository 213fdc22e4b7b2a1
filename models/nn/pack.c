/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/nn/half.h"
#include "models/nn/nn_priv.h"

#include <math.h>
#include <string.h>

float tb_nn_value(const struct tb_nn_tensor *tensor, size_t i, size_t row)
{
    const unsigned char *data = tensor->data;
    float value;
    uint16_t half;
    switch (tensor->dtype) {
    case TB_NN_F16:
    case TB_NN_BF16:
        memcpy(&half, data + i * sizeof half, sizeof half);
        return tensor->dtype == TB_NN_F16 ? tb_f16_to_f32(half) : tb_bf16_to_f32(half);
    case TB_NN_I8:
        return tensor->scales[row] * (float)(int8_t)data[i];
    case TB_NN_F32:
    case TB_NN_N_DTYPES:
        break;
    }
    memcpy(&value, data + i * sizeof value, sizeof value);
    return value;
}

size_t tb_nn_pack_size(const struct tb_nn_matrix *m, enum tb_nn_dtype storage, size_t *panel_bytes)
{
    const unsigned rows = m->n_gates * tb_nn_round(m->out / m->n_gates, TB_NN_HALF);
    const size_t in = m->in * m->kernel;
    size_t head = TB_NN_PANEL * sizeof(float), row;
    if (storage == TB_NN_I8) {
        head += TB_NN_PANEL * (sizeof(float) + sizeof(int32_t));
        row = (in + 3) / 4 * 4;
    } else {
        row = in * (storage == TB_NN_F32 ? sizeof(float) : sizeof(uint16_t));
    }
    *panel_bytes = head + TB_NN_PANEL * row;
    const unsigned full = rows / TB_NN_PANEL;
    const size_t last = rows % TB_NN_PANEL ? head + TB_NN_HALF * row : 0;
    return (full * *panel_bytes + last + TB_NN_ALIGN - 1) / TB_NN_ALIGN * TB_NN_ALIGN;
}

/* Row of the tensor for packed output out, -1 for padding. */
static long source_row(const struct tb_nn_matrix *m, unsigned out)
{
    const unsigned gate_rows = m->out / m->n_gates;
    const unsigned padded = tb_nn_round(gate_rows, TB_NN_HALF);
    const unsigned gate = out / padded, row = out % padded;
    return gate < m->n_gates && row < gate_rows ? (long)(gate * gate_rows + row) : -1;
}

/* Input i of the packed row: [kernel][in], as TAPS gathers it; the tensor has [in][kernel]. */
static size_t source_index(const struct tb_nn_matrix *m, long row, size_t i)
{
    const size_t tap = i / m->in, in = i % m->in;
    return ((size_t)row * m->in + in) * m->kernel + tap;
}

static void pack_int8(const struct tb_nn_matrix *m, long row, unsigned char *head, unsigned lane,
                      unsigned width)
{
    const size_t n = m->in * m->kernel;
    float scale = 0;
    const bool keep = m->weight->dtype == TB_NN_I8;
    for (size_t i = 0; i < n; i++)
        scale = fmaxf(scale, fabsf(tb_nn_value(m->weight, source_index(m, row, i), (size_t)row)));
    scale = keep ? m->weight->scales[row] : scale / 127.0f;
    int32_t sum = 0;
    unsigned char *values = head + TB_NN_PANEL * (2 * sizeof(float) + sizeof(int32_t));
    for (size_t i = 0; i < n; i++) {
        const size_t at = source_index(m, row, i);
        long code = 0;
        if (keep)
            code = ((const int8_t *)m->weight->data)[at];
        else if (scale > 0)
            code = lrintf(tb_nn_value(m->weight, at, (size_t)row) / scale);
        sum += (int32_t)code;
        values[(i / 4 * width + lane) * 4 + i % 4] = (unsigned char)(int8_t)code;
    }
    const int32_t correction = -128 * sum;
    memcpy(head + (TB_NN_PANEL + lane) * sizeof(float), &scale, sizeof scale);
    memcpy(head + (2 * TB_NN_PANEL + lane) * sizeof(float), &correction, sizeof correction);
}

static void pack_float(const struct tb_nn_matrix *m, long row, unsigned char *values,
                       enum tb_nn_dtype storage, unsigned stride)
{
    const size_t n = m->in * m->kernel;
    for (size_t i = 0; i < n; i++) {
        const float value = tb_nn_value(m->weight, source_index(m, row, i), (size_t)row);
        const uint16_t half = storage == TB_NN_F16 ? tb_f32_to_f16(value) : tb_f32_to_bf16(value);
        if (storage == TB_NN_F32)
            memcpy(values + i * stride * sizeof value, &value, sizeof value);
        else
            memcpy(values + i * stride * sizeof half, &half, sizeof half);
    }
}

void tb_nn_pack(const struct tb_nn_matrix *m, enum tb_nn_dtype storage, unsigned char *to)
{
    size_t panel_bytes;
    memset(to, 0, tb_nn_pack_size(m, storage, &panel_bytes));
    const unsigned rows = m->n_gates * tb_nn_round(m->out / m->n_gates, TB_NN_HALF);
    for (unsigned out = 0; out < rows; out++) {
        const unsigned first = out / TB_NN_PANEL * TB_NN_PANEL, lane = out - first;
        const unsigned width = rows - first >= TB_NN_PANEL ? TB_NN_PANEL : TB_NN_HALF;
        unsigned char *head = to + out / TB_NN_PANEL * panel_bytes;
        const long row = source_row(m, out);
        if (row < 0)
            continue;
        const float bias = m->bias ? tb_nn_value(m->bias, (size_t)row, 0) : 0;
        memcpy(head + lane * sizeof bias, &bias, sizeof bias);
        if (storage == TB_NN_I8)
            pack_int8(m, row, head, lane, width);
        else
            pack_float(m, row,
                       head + TB_NN_PANEL * sizeof(float) +
                           lane * (storage == TB_NN_F32 ? sizeof(float) : sizeof(uint16_t)),
                       storage, width);
    }
}

void tb_nn_pack_vector(const struct tb_nn_tensor *tensor, unsigned n, float *to)
{
    for (unsigned i = 0; i < n; i++)
        to[i] = tb_nn_value(tensor, i, 0);
}

void tb_nn_pack_dense(const struct tb_nn_dense *d, float *to)
{
    enum { N = TB_NN_HALF };
    tb_nn_pack_vector(d->gain, N, to);
    tb_nn_pack_vector(d->offset, N, to + N);
    to += 2 * N;
    for (size_t i = 0; i <= d->in; i++, to += N) { /* bias, then the weights of an input */
        double mean = 0;
        for (size_t row = 0; row < N; row++) {
            to[row] =
                i ? tb_nn_value(d->weight, row * d->in + i - 1, row) : tb_nn_value(d->bias, row, 0);
            mean += (double)to[row] / N;
        }
        for (size_t row = 0; row < N; row++)
            to[row] = (float)((double)to[row] - mean);
    }
}
