/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/model_file.h"

#include "models/model_priv.h"
#include "models/nn/half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANK = 4, MAX_ENTRIES = 1024 };

static const struct {
    const char *name;
    size_t bytes;
} dtypes[TB_NN_N_DTYPES] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I8", 1}};

size_t tb_model_dtype_bytes(enum tb_nn_dtype dtype)
{
    return (unsigned)dtype < TB_NN_N_DTYPES ? dtypes[dtype].bytes : 0;
}

const char *tb_model_dtype_name(enum tb_nn_dtype dtype)
{
    return (unsigned)dtype < TB_NN_N_DTYPES ? dtypes[dtype].name : "?";
}

/* One tensor of the header, checked against the data. */
struct entry {
    const char *name; /* the header's */
    enum tb_nn_dtype dtype;
    unsigned rank;
    uint64_t dim[MAX_RANK], values;
    uint64_t begin, end; /* bytes in the data section */
    bool used;
};

struct reader {
    const unsigned char *data; /* after the header */
    uint64_t size;
    struct entry *entries;
    size_t n;
    struct tb_model_file *file;
    struct tb_error *err;
};

static enum tb_status read_shape(struct reader *r, struct entry *e, const json_t *shape)
{
    if (!json_is_array(shape) || json_array_size(shape) > MAX_RANK)
        return tb_fail(r->err, TB_ECORRUPT, "%.60s: shape is not a list of up to %d", e->name,
                       MAX_RANK);
    e->rank = (unsigned)json_array_size(shape);
    e->values = 1;
    for (unsigned i = 0; i < e->rank; i++) {
        const json_t *dim = json_array_get(shape, i);
        const json_int_t value = json_integer_value(dim);
        if (!json_is_integer(dim) || value < 1 || value > INT32_MAX)
            return tb_fail(r->err, TB_ECORRUPT, "%.60s: shape[%u] is no size", e->name, i);
        e->dim[i] = (uint64_t)value;
        if (__builtin_mul_overflow(e->values, e->dim[i], &e->values))
            return tb_fail(r->err, TB_ECORRUPT, "%.60s: shape overflows", e->name);
    }
    return TB_OK;
}

static enum tb_status read_offsets(struct reader *r, struct entry *e, const json_t *offsets)
{
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return tb_fail(r->err, TB_ECORRUPT, "%.60s: data_offsets are not [begin, end]", e->name);
    e->begin = (uint64_t)json_integer_value(begin);
    e->end = (uint64_t)json_integer_value(end);
    if (e->end > r->size)
        return tb_fail(r->err, TB_ECORRUPT, "%.60s: ends at byte %llu of %llu", e->name,
                       (unsigned long long)e->end, (unsigned long long)r->size);
    uint64_t bytes;
    if (__builtin_mul_overflow(e->values, tb_model_dtype_bytes(e->dtype), &bytes) ||
        bytes != e->end - e->begin)
        return tb_fail(r->err, TB_ECORRUPT, "%.60s: shape and data_offsets disagree", e->name);
    return TB_OK;
}

static enum tb_status read_entry(struct reader *r, const char *name, const json_t *value)
{
    struct entry *e = &r->entries[r->n++];
    e->name = name;
    e->dtype = TB_NN_N_DTYPES;
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    for (int i = 0; dtype && i < TB_NN_N_DTYPES; i++)
        if (!strcmp(dtype, dtypes[i].name))
            e->dtype = (enum tb_nn_dtype)i;
    if (e->dtype == TB_NN_N_DTYPES)
        return tb_fail(r->err, TB_ECORRUPT, "%.60s: dtype %.10s is not F32, F16, BF16 or I8", name,
                       dtype ? dtype : "is missing,");
    if (json_object_size(value) != 3)
        return tb_fail(r->err, TB_ECORRUPT, "%.60s: has keys besides dtype, shape, data_offsets",
                       name);
    enum tb_status status = read_shape(r, e, json_object_get(value, "shape"));
    return status == TB_OK ? read_offsets(r, e, json_object_get(value, "data_offsets")) : status;
}

static int by_begin(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Together the tensors are the data section, every byte of it once. */
static enum tb_status check_cover(struct reader *r)
{
    qsort(r->entries, r->n, sizeof *r->entries, by_begin);
    uint64_t at = 0;
    for (size_t i = 0; i < r->n; at = r->entries[i++].end)
        if (r->entries[i].begin != at)
            return tb_fail(r->err, TB_ECORRUPT, "%.60s: %s at byte %llu", r->entries[i].name,
                           r->entries[i].begin > at ? "a hole before it"
                                                    : "overlaps another tensor",
                           (unsigned long long)at);
    if (at != r->size)
        return tb_fail(r->err, TB_ECORRUPT, "%llu bytes after the last tensor",
                       (unsigned long long)(r->size - at));
    return TB_OK;
}

static struct entry *find(struct reader *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->entries[i].name, name))
            return &r->entries[i];
    return NULL;
}

static enum tb_status check_shape(struct reader *r, const struct entry *e, const char *name,
                                  unsigned rank, const uint64_t dim[MAX_RANK])
{
    char want[64] = "", got[64] = "";
    if (!e)
        return tb_fail(r->err, TB_ECORRUPT, "%s: missing", name);
    bool same = e->rank == rank;
    for (unsigned i = 0; i < rank; i++) {
        same = same && e->dim[i] == dim[i];
        (void)snprintf(want + strlen(want), sizeof want - strlen(want), "%s%llu", i ? ", " : "",
                       (unsigned long long)dim[i]);
    }
    for (unsigned i = 0; i < e->rank; i++)
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%llu", i ? ", " : "",
                       (unsigned long long)e->dim[i]);
    return same ? TB_OK
                : tb_fail(r->err, TB_ECORRUPT, "%s: shape is [%s], this network needs [%s]", name,
                          got, want);
}

static struct tb_nn_tensor tensor_of(const struct reader *r, const struct entry *e)
{
    return (struct tb_nn_tensor){r->data + e->begin, e->dtype, NULL};
}

static float value_at(const struct tb_nn_tensor *t, uint64_t i)
{
    const unsigned char *data = t->data;
    float value;
    uint16_t half;
    if (t->dtype == TB_NN_I8)
        return (float)(int8_t)data[i];
    if (t->dtype == TB_NN_F32) {
        memcpy(&value, data + i * sizeof value, sizeof value);
        return value;
    }
    memcpy(&half, data + i * sizeof half, sizeof half);
    return t->dtype == TB_NN_F16 ? tb_f16_to_f32(half) : tb_bf16_to_f32(half);
}

static enum tb_status check_values(struct reader *r, const struct entry *e)
{
    const struct tb_nn_tensor t = tensor_of(r, e);
    for (uint64_t i = 0; i < e->values; i++) {
        const float value = value_at(&t, i);
        if (!isfinite(value) || fabsf(value) > 1e9f)
            return tb_fail(r->err, TB_ECORRUPT, "%.60s: value %llu is %s", e->name,
                           (unsigned long long)i, isfinite(value) ? "above 1e9" : "not finite");
        if (t.dtype == TB_NN_I8 && value < -127)
            return tb_fail(r->err, TB_ECORRUPT, "%.60s: code %llu is -128, codes are -127..127",
                           e->name, (unsigned long long)i);
    }
    return TB_OK;
}

/* A tensor of floats as a new array. */
static enum tb_status take_floats(struct reader *r, struct entry *e, float **out)
{
    e->used = true;
    if (e->dtype == TB_NN_I8)
        return tb_fail(r->err, TB_ECORRUPT, "%.60s: I8 is not for this tensor", e->name);
    *out = calloc(e->values, sizeof **out);
    if (!*out)
        return tb_fail(r->err, TB_ENOMEM, "out of memory");
    const struct tb_nn_tensor t = tensor_of(r, e);
    for (uint64_t i = 0; i < e->values; i++)
        (*out)[i] = value_at(&t, i);
    return TB_OK;
}

static enum tb_status take_scales(struct reader *r, const struct tb_nn_shape *s, size_t i)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%.47s.scale", s->name);
    if (!s->quantisable)
        return tb_fail(r->err, TB_ECORRUPT, "%s: I8 is not for this tensor", s->name);
    struct entry *e = find(r, name);
    enum tb_status status = check_shape(r, e, name, 1, (uint64_t[MAX_RANK]){s->dim[0]});
    if (status == TB_OK)
        status = take_floats(r, e, &r->file->scales[i]);
    for (unsigned o = 0; status == TB_OK && o < s->dim[0]; o++)
        if (r->file->scales[i][o] < 0)
            status = tb_fail(r->err, TB_ECORRUPT, "%s: scale %u is negative", name, o);
    r->file->tensors[i].scales = r->file->scales[i];
    return status;
}

static enum tb_status take_network(struct reader *r)
{
    struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    struct tb_model_file *f = r->file;
    f->n_tensors = tb_nn_shapes(&f->spec, shapes);
    for (size_t i = 0; i < f->n_tensors; i++) {
        const struct tb_nn_shape *s = &shapes[i];
        struct entry *e = find(r, s->name);
        enum tb_status status = check_shape(r, e, s->name, s->rank,
                                            (uint64_t[MAX_RANK]){s->dim[0], s->dim[1], s->dim[2]});
        if (status != TB_OK)
            return status;
        e->used = true;
        f->tensors[i] = tensor_of(r, e);
        f->n_params += e->values;
        if (e->dtype == TB_NN_I8)
            status = take_scales(r, s, i);
        if (status != TB_OK)
            return status;
    }
    return TB_OK;
}

static enum tb_status take_wavetables(struct reader *r)
{
    const struct tb_model_meta *m = &r->file->meta;
    struct entry *e = find(r, "wavetables");
    const enum tb_status status =
        check_shape(r, e, "wavetables", 2,
                    (uint64_t[MAX_RANK]){(uint64_t)m->n_tables, (uint64_t)m->table_size});
    if (status != TB_OK)
        return status;
    r->file->n_params += e->values;
    return take_floats(r, e, &r->file->wavetables);
}

/* facts of the published systems: h[t] = noise[t] exp(-softplus(-decay) slope t) sigmoid(wet). */
static enum tb_status decaying_noise(struct reader *r)
{
    static const char *const names[2] = {"reverb.decay", "reverb.wet"};
    double value[2];
    struct tb_model_file *f = r->file;
    for (int i = 0; i < 2; i++) {
        struct entry *e = find(r, names[i]);
        const enum tb_status status = check_shape(r, e, names[i], 1, (uint64_t[MAX_RANK]){1});
        if (status != TB_OK)
            return status;
        if (e->dtype == TB_NN_I8)
            return tb_fail(r->err, TB_ECORRUPT, "%s: I8 is not for this tensor", names[i]);
        const struct tb_nn_tensor t = tensor_of(r, e);
        value[i] = (double)value_at(&t, 0);
        e->used = true;
        f->n_params++;
    }
    f->reverb_decay = (float)value[0];
    f->reverb_wet = (float)value[1];
    f->reverb_noise = malloc(f->n_impulse * sizeof *f->reverb_noise);
    if (!f->reverb_noise)
        return tb_fail(r->err, TB_ENOMEM, "out of memory");
    memcpy(f->reverb_noise, f->impulse, f->n_impulse * sizeof *f->reverb_noise);
    const double rate = log1p(exp(-value[0])) * f->meta.reverb_slope;
    const double wet = 1 / (1 + exp(-value[1]));
    for (size_t i = 0; i < f->n_impulse; i++)
        f->impulse[i] *= (float)(wet * exp(-rate * (double)i / f->meta.reverb_rate));
    return TB_OK;
}

static enum tb_status take_reverb(struct reader *r)
{
    struct tb_model_file *f = r->file;
    const bool noise = f->meta.reverb == TB_REVERB_DECAYING_NOISE;
    const char *name = noise ? "reverb.noise" : "reverb.impulse";
    struct entry *e = find(r, name);
    if (!e || e->rank != 1)
        return tb_fail(r->err, TB_ECORRUPT, "%s: missing, or not one row", name);
    if (e->values > TB_MODEL_MAX_IMPULSE)
        return tb_fail(r->err, TB_ETOOLARGE, "%s: %llu samples, at most %d", name,
                       (unsigned long long)e->values, TB_MODEL_MAX_IMPULSE);
    enum tb_status status = take_floats(r, e, &f->impulse);
    f->n_impulse = e->values;
    f->n_params += e->values;
    if (status == TB_OK && noise)
        status = decaying_noise(r);
    if (status == TB_OK)
        f->impulse[0] = 1; /* the dry path */
    return status;
}

static enum tb_status take_all(struct reader *r)
{
    struct tb_model_file *f = r->file;
    enum tb_status status = tb_model_spec(&f->meta, &f->spec, r->err);
    for (size_t i = 0; status == TB_OK && i < r->n; i++)
        status = check_values(r, &r->entries[i]);
    if (status == TB_OK)
        status = take_network(r);
    if (status == TB_OK && f->meta.family == TB_MODEL_WAVETABLE)
        status = take_wavetables(r);
    if (status == TB_OK && f->meta.reverb != TB_REVERB_NONE)
        status = take_reverb(r);
    if (status == TB_OK && f->meta.fm_algorithm == 0)
        status = tb_model_routing(&f->meta, f->fm_modulates, r->err);
    for (size_t i = 0; status == TB_OK && i < r->n; i++)
        if (!r->entries[i].used)
            status =
                tb_fail(r->err, TB_ECORRUPT, "%.60s: not part of such a model", r->entries[i].name);
    return status;
}

static enum tb_status read_header(struct reader *r, json_t *header)
{
    if (!json_is_object(header))
        return tb_fail(r->err, TB_ECORRUPT, "the header is not an object");
    const size_t n = json_object_size(header);
    if (n > MAX_ENTRIES)
        return tb_fail(r->err, TB_ETOOLARGE, "%zu tensors, at most %d", n, MAX_ENTRIES);
    r->entries = calloc(n + 1, sizeof *r->entries);
    if (!r->entries)
        return tb_fail(r->err, TB_ENOMEM, "out of memory");
    const char *name;
    json_t *value;
    enum tb_status status = TB_OK;
    json_object_foreach(header, name,
                        value) if (status == TB_OK && strcmp(name, "__metadata__") != 0) status =
        read_entry(r, name, value);
    if (status == TB_OK)
        status =
            tb_model_meta_read(&r->file->meta, json_object_get(header, "__metadata__"), r->err);
    if (status == TB_OK)
        status = check_cover(r);
    return status == TB_OK ? take_all(r) : status;
}

struct tb_model_file *tb_model_file_parse(const void *data, size_t size, struct tb_error *err)
{
    const unsigned char *bytes = data;
    uint64_t length = 0;
    if (size < 8) {
        (void)tb_fail(err, TB_ECORRUPT, "%zu bytes are no model file", size);
        return NULL;
    }
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)bytes[i] << 8 * i;
    if (length > TB_MODEL_MAX_HEADER || length > size - 8) {
        (void)tb_fail(err, TB_ECORRUPT,
                      "no model file: a header of %llu bytes in a file of %zu, at most %d",
                      (unsigned long long)length, size, TB_MODEL_MAX_HEADER);
        return NULL;
    }
    json_error_t where;
    json_t *header =
        json_loadb((const char *)bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, &where);
    if (!header) {
        (void)tb_fail(err, TB_ECORRUPT, "header, byte %d: %.100s", where.position, where.text);
        return NULL;
    }
    struct reader r = {.data = bytes + 8 + length,
                       .size = size - 8 - length,
                       .file = calloc(1, sizeof *r.file),
                       .err = err};
    enum tb_status status = r.file ? read_header(&r, header) : TB_ENOMEM;
    if (!r.file)
        (void)tb_fail(err, TB_ENOMEM, "out of memory");
    if (status != TB_OK) {
        tb_model_file_free(r.file);
        r.file = NULL;
    }
    free(r.entries);
    json_decref(header);
    return r.file;
}

void tb_model_file_free(struct tb_model_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < TB_NN_MAX_TENSORS; i++)
        free(file->scales[i]);
    free(file->wavetables);
    free(file->impulse);
    free(file->reverb_noise);
    free(file);
}

struct tb_nn_model *tb_model_file_decoder(const struct tb_model_file *file,
                                          const struct tb_nn_options *options, struct tb_error *err)
{
    return tb_nn_model_new(&file->spec, file->tensors, options, err);
}
