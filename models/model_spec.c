/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/model_priv.h"

#include <stdlib.h>
#include <string.h>

static enum tb_status tcn_spec(const struct tb_model_meta *m, struct tb_nn_spec *s,
                               struct tb_error *err)
{
    if (m->dilations.n == 0 || m->residuals.n != m->dilations.n)
        return tb_fail(err, TB_EINVAL, "dilations and residuals: %u and %u values, one a block",
                       m->dilations.n, m->residuals.n);
    s->n_blocks = m->dilations.n;
    s->kernel = (unsigned)m->kernel;
    for (unsigned b = 0; b < s->n_blocks; b++) {
        s->dilation[b] = (unsigned)m->dilations.value[b];
        s->residual[b] = (enum tb_nn_residual)m->residuals.value[b];
    }
    return TB_OK;
}

/* Silence stays silence, and more loudness is never less of it. */
static enum tb_status check_offsets(const struct tb_model_meta *m, struct tb_error *err)
{
    const struct tb_model_grid *g = &m->loudness_offsets;
    if (g->n_rows == 0)
        return TB_OK;
    if (m->loudness_kind == TB_LOUDNESS_VELOCITY)
        return tb_fail(err, TB_EINVAL, "loudness_offsets: loudness_kind is velocity");
    if (g->n_columns < 2)
        return tb_fail(err, TB_EINVAL, "loudness_offsets: %u columns, at least 2", g->n_columns);
    const double step_db = m->loudness_range_db / (g->n_columns - 1);
    for (unsigned r = 0; r < g->n_rows; r++) {
        if (g->value[r][0] != 0)
            return tb_fail(err, TB_EINVAL, "loudness_offsets: row %u begins with %g, not 0", r,
                           (double)g->value[r][0]);
        for (unsigned c = 1; c < g->n_columns; c++)
            if ((double)(g->value[r][c] - g->value[r][c - 1]) < -step_db)
                return tb_fail(err, TB_EINVAL,
                               "loudness_offsets: row %u falls by more than %g dB at column %u", r,
                               step_db, c);
    }
    return TB_OK;
}

/* What no single key can say. */
static enum tb_status check_together(const struct tb_model_meta *m, struct tb_error *err)
{
    const int steps = m->n_bands - 1;
    if ((m->sample_rate / (double)m->hop) > 2000 || (m->sample_rate / (double)m->hop) < 20)
        return tb_fail(err, TB_EINVAL, "hop: %d Hz / %d is not 20 to 2000 frames a second",
                       m->sample_rate, m->hop);
    if (steps < 1 || (steps & (steps - 1)))
        return tb_fail(err, TB_EINVAL, "n_bands: %d is not a power of two plus one", m->n_bands);
    if (m->pitch_low_hz > m->pitch_high_hz)
        return tb_fail(err, TB_EINVAL, "pitch_low_hz: above pitch_high_hz");
    if (m->loudness_low_db > m->loudness_high_db)
        return tb_fail(err, TB_EINVAL, "loudness_low_db: above loudness_high_db");
    const enum tb_status status = check_offsets(m, err);
    if (status != TB_OK)
        return status;
    const bool fm = m->family == TB_MODEL_DDX7 || m->family == TB_MODEL_FM_ENVELOPE;
    if (fm && m->fm_ratios.n != (unsigned)m->n_operators)
        return tb_fail(err, TB_EINVAL, "fm.ratios: %u values for %d operators", m->fm_ratios.n,
                       m->n_operators);
    if (fm && m->fm_algorithm > 0 && m->n_operators != 6)
        return tb_fail(err, TB_EINVAL, "fm.algorithm: %d needs 6 operators", m->fm_algorithm);
    return TB_OK;
}

enum tb_status tb_model_spec(const struct tb_model_meta *m, struct tb_nn_spec *s,
                             struct tb_error *err)
{
    *s = (struct tb_nn_spec){.arch = TB_NN_GRU,
                             .n_inputs = 2,
                             .width = (unsigned)m->width,
                             .n_heads = 1,
                             .head = {(unsigned)m->n_operators},
                             .leak = (float)m->leak,
                             .norm_epsilon = (float)m->norm_epsilon,
                             .fine = m->activations != 0};
    enum tb_status status = check_together(m, err);
    if (m->family == TB_MODEL_HPN || m->family == TB_MODEL_WAVETABLE) {
        s->n_heads = 2;
        s->head[0] = 1 + (unsigned)(m->family == TB_MODEL_HPN ? m->n_harmonics : m->n_tables);
        s->head[1] = (unsigned)m->n_bands;
        s->in_layers = (unsigned)m->in_layers;
        s->out_layers = (unsigned)m->out_layers;
    } else if (m->family == TB_MODEL_DDX7) {
        s->arch = TB_NN_TCN;
        if (status == TB_OK)
            status = tcn_spec(m, s, err);
    }
    return status == TB_OK ? tb_nn_spec_check(s, err) : status;
}

static json_t *header_entry(const struct tb_model_tensor *t, uint64_t begin, uint64_t *end,
                            struct tb_error *err)
{
    uint64_t bytes = tb_model_dtype_bytes(t->dtype);
    json_t *shape = json_array();
    bool good = bytes > 0 && t->rank >= 1 && t->rank <= 3;
    for (unsigned i = 0; good && i < t->rank; i++) {
        good = t->dim[i] > 0 && !__builtin_mul_overflow(bytes, (uint64_t)t->dim[i], &bytes);
        good = good && json_array_append_new(shape, json_integer((json_int_t)t->dim[i])) == 0;
    }
    if (!good || __builtin_add_overflow(begin, bytes, end) || *end > INT64_MAX) {
        json_decref(shape);
        (void)tb_fail(err, TB_EINVAL, "%.60s: bad type or shape", t->name);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", tb_model_dtype_name(t->dtype), "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)*end);
}

static char *dump_header(const struct tb_model_meta *meta, const struct tb_model_tensor *tensors,
                         size_t n, uint64_t *data_bytes, struct tb_error *err)
{
    json_t *header = json_object();
    bool good =
        header && json_object_set_new(header, "__metadata__", tb_model_meta_write(meta)) == 0;
    *data_bytes = 0;
    for (size_t i = 0; good && i < n; i++) {
        if (json_object_get(header, tensors[i].name)) {
            (void)tb_fail(err, TB_EINVAL, "%.60s: twice", tensors[i].name);
            good = false;
            break;
        }
        json_t *entry = header_entry(&tensors[i], *data_bytes, data_bytes, err);
        good = entry && json_object_set_new(header, tensors[i].name, entry) == 0;
    }
    char *text = good ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    return text;
}

/* Length, header and room for data_bytes behind it, at *data. Blanks after the header align the
 * data to 8 bytes, as safetensors does. */
static unsigned char *begin_file(const char *text, uint64_t data_bytes, unsigned char **data,
                                 size_t *size)
{
    const size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    unsigned char *out =
        data_bytes < SIZE_MAX - 8 - padded ? malloc(8 + padded + (size_t)data_bytes) : NULL;
    if (!out)
        return NULL;
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    memcpy(out + 8, text, length);
    memset(out + 8 + length, ' ', padded - length);
    *data = out + 8 + padded;
    *size = 8 + padded + (size_t)data_bytes;
    return out;
}

/* out, or NULL with *err when it does not parse. */
static void *parsed(unsigned char *out, size_t size, struct tb_error *err)
{
    struct tb_model_file *check = tb_model_file_parse(out, size, err);
    if (!check) {
        free(out);
        return NULL;
    }
    tb_model_file_free(check);
    return out;
}

void *tb_model_file_encode(const struct tb_model_meta *meta, const struct tb_model_tensor *tensors,
                           size_t n, size_t *size, struct tb_error *err)
{
    uint64_t data_bytes;
    (void)tb_fail(err, TB_ENOMEM, "out of memory");
    char *text = dump_header(meta, tensors, n, &data_bytes, err);
    if (!text)
        return NULL;
    unsigned char *to, *out = begin_file(text, data_bytes, &to, size);
    for (size_t i = 0; out && i < n; i++) {
        size_t bytes = tb_model_dtype_bytes(tensors[i].dtype);
        for (unsigned k = 0; k < tensors[i].rank; k++)
            bytes *= tensors[i].dim[k];
        memcpy(to, tensors[i].data, bytes);
        to += bytes;
    }
    free(text);
    return out ? parsed(out, *size, err) : NULL;
}

void *tb_model_file_with(const void *data, size_t size, const struct tb_model_meta *meta,
                         size_t *out_size, struct tb_error *err)
{
    struct tb_model_file *file = tb_model_file_parse(data, size, err);
    if (!file)
        return NULL;
    tb_model_file_free(file);
    (void)tb_fail(err, TB_ENOMEM, "out of memory");
    const unsigned char *bytes = data;
    uint64_t length = 0;
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)bytes[i] << 8 * i;
    json_t *header = json_loadb((const char *)bytes + 8, (size_t)length, 0, NULL);
    char *text = header && tb_model_meta_replace(json_object_get(header, "__metadata__"), meta)
                     ? json_dumps(header, JSON_COMPACT)
                     : NULL;
    json_decref(header);
    const size_t left = size - 8 - (size_t)length;
    unsigned char *to, *out = text ? begin_file(text, left, &to, out_size) : NULL;
    if (out)
        memcpy(to, bytes + 8 + length, left);
    free(text);
    return out ? parsed(out, *out_size, err) : NULL;
}
