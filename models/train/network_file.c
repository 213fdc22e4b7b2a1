/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/network_file.h"

#include "models/nn/half.h"
#include "models/train/file.h"
#include "models/train/routing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KERNEL = 3, MAX_FILE = 256 << 20, MAX_OUT = TB_MAX_PARAMETERS, MAX_EXACT = 4096 };

enum tb_status tb_network_describe(const struct tb_network *n, struct tb_model_meta *m,
                                   struct tb_error *err)
{
    static const enum tb_model_family families[] = {TB_MODEL_HPN, TB_MODEL_DDX7,
                                                    TB_MODEL_WAVETABLE};
    const struct tb_network_spec *s = &n->spec;
    m->family = (int)families[s->family];
    m->sample_rate = (int)s->rate_hz;
    m->hop = (int)s->hop;
    m->width = (int)s->hidden;
    m->reverb = s->reverb > 0 ? TB_REVERB_DECAYING_NOISE : TB_REVERB_NONE;
    m->reverb_rate = (int)s->rate_hz;
    if (s->family == TB_FAMILY_DDX7) {
        m->dilations.n = m->residuals.n = (unsigned)s->blocks;
        for (size_t b = 0; b < s->blocks; b++) {
            m->dilations.value[b] = (double)(1UL << b);
            m->residuals.value[b] = (double)tb_network_residual(s, b);
        }
        return tb_fm_routing_describe(&s->routing, m, err);
    }
    m->n_bands = (int)s->bands;
    if (s->family == TB_FAMILY_HPN) {
        m->n_harmonics = (int)s->harmonics;
    } else {
        m->n_tables = (int)s->tables;
        m->table_size = (int)s->table_size + 1;
    }
    return TB_OK;
}

/* Our short names are those of the file with other beginnings. */
static void file_name(const char *ours, char name[TB_PARAMETER_NAME])
{
    static const struct {
        const char *ours, *file;
    } begins[] = {{"m0.", "in_mlps.0."},
                  {"m1.", "in_mlps.1."},
                  {"mo.", "out_mlp."},
                  {"p0.", "proj_matrices.0."},
                  {"p1.", "proj_matrices.1."}};
    (void)snprintf(name, TB_PARAMETER_NAME, "%s", ours);
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        if (strncmp(ours, begins[i].ours, 3) == 0)
            (void)snprintf(name, TB_PARAMETER_NAME, "%s%s", begins[i].file, ours + 3);
    if (strncmp(ours, "b.", 2) != 0)
        return;
    const char *layer = strchr(ours + 2, '.'), *rest = layer ? strchr(layer + 1, '.') : NULL;
    if (!rest)
        return;
    const char *what = layer[1] == 'r' ? "residual" : layer[2] == '1' ? "conv1" : "conv2";
    bool weight = strncmp(rest, ".weight", 7) == 0; /* .weight_v and .weight_g become one */
    (void)snprintf(name, TB_PARAMETER_NAME, "blocks.%.*s.%s%s", (int)(layer - ours - 2), ours + 2,
                   what, weight ? ".weight" : rest);
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* ---- out */
struct out {
    struct tb_model_tensor tensors[MAX_OUT];
    char names[MAX_OUT][TB_PARAMETER_NAME];
    void *data[MAX_OUT];
    size_t n;
    enum tb_nn_dtype storage;
    struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    size_t n_shapes;
};

static const struct tb_nn_shape *shape_of(const struct out *o, const char *name)
{
    for (size_t i = 0; i < o->n_shapes; i++)
        if (strcmp(o->shapes[i].name, name) == 0)
            return &o->shapes[i];
    return NULL;
}

/* v [out][in * kernel] and the next parameter g -> w = g v / |v|, as ops_sequence.c does it. */
static void fold(const struct tb_parameter *v, float *w)
{
    const struct tb_parameter *g = v + 1;
    for (size_t o = 0; o < v->rows; o++) {
        const tb_real *row = v->value + o * v->cols;
        tb_real sum = TB_R(1e-24);
        for (size_t i = 0; i < v->cols; i++)
            sum += row[i] * row[i];
        tb_real scale = g->value[o] / tb_sqrt(sum);
        for (size_t i = 0; i < v->cols; i++)
            w[o * v->cols + i] = (float)(row[i] * scale);
    }
}

/* [size][tables] -> [tables][size + 1] through tanh */
static void turn_tables(const struct tb_parameter *p, float *to)
{
    for (size_t t = 0; t < p->cols; t++)
        for (size_t i = 0; i <= p->rows; i++)
            to[t * (p->rows + 1) + i] = (float)tb_tanh(p->value[i % p->rows * p->cols + t]);
}

static size_t plain_values(const struct tb_parameter *p)
{
    return strcmp(p->name, "wavetables") == 0 ? (p->rows + 1) * p->cols : p->rows * p->cols;
}

static void set_shape(const struct out *o, const struct tb_parameter *p, struct tb_model_tensor *t)
{
    const struct tb_nn_shape *shape = shape_of(o, t->name);
    if (shape) {
        t->rank = shape->rank;
        for (int i = 0; i < 3; i++)
            t->dim[i] = shape->dim[i];
    } else if (strcmp(p->name, "wavetables") == 0) {
        t->rank = 2;
        t->dim[0] = p->cols;
        t->dim[1] = p->rows + 1;
    } else {
        t->rank = 1;
        t->dim[0] = p->rows * p->cols;
    }
}

/* The last tensor as binary16. */
static bool halve(struct out *o, size_t n)
{
    const float *values = o->data[o->n - 1];
    uint16_t *half = calloc(n, sizeof *half);
    if (!half)
        return false;
    for (size_t i = 0; i < n; i++)
        half[i] = tb_f32_to_f16(values[i]);
    free(o->data[o->n - 1]);
    o->data[o->n - 1] = half;
    o->tensors[o->n - 1].data = half;
    o->tensors[o->n - 1].dtype = TB_NN_F16;
    return true;
}

static bool add(struct out *o, const struct tb_parameter *p)
{
    size_t n = plain_values(p);
    float *values = calloc(n, sizeof *values);
    if (!values)
        return false;
    if (ends_with(p->name, ".weight_v"))
        fold(p, values);
    else if (strcmp(p->name, "wavetables") == 0)
        turn_tables(p, values);
    else
        for (size_t i = 0; i < n; i++)
            values[i] = (float)p->value[i];
    struct tb_model_tensor *t = &o->tensors[o->n];
    o->data[o->n] = values;
    file_name(p->name, o->names[o->n]);
    t->name = o->names[o->n++];
    t->data = values;
    t->dtype = TB_NN_F32;
    set_shape(o, p, t);
    return o->storage == TB_NN_F32 || (t->rank == 1 && t->dim[0] <= MAX_EXACT) || halve(o, n);
}

void *tb_network_encode(const struct tb_network *network, const struct tb_model_meta *meta,
                        enum tb_nn_dtype storage, size_t *size, struct tb_error *err)
{
    struct tb_model_meta m = *meta;
    struct tb_nn_spec spec;
    if (tb_network_describe(network, &m, err) != TB_OK || tb_model_spec(&m, &spec, err) != TB_OK)
        return NULL;
    struct out *o = calloc(1, sizeof *o);
    bool whole = o != NULL;
    if (whole) {
        o->storage = storage;
        o->n_shapes = tb_nn_shapes(&spec, o->shapes);
    }
    for (size_t i = 0; whole && i < network->n_parameters; i++)
        if (!ends_with(network->parameters[i].name, ".weight_g"))
            whole = add(o, &network->parameters[i]);
    void *file = NULL;
    if (whole)
        file = tb_model_file_encode(&m, o->tensors, o->n, size, err);
    else
        (void)tb_fail(err, TB_ENOMEM, "no memory for the model file");
    for (size_t i = 0; o && i < o->n; i++)
        free(o->data[i]);
    free(o);
    return file;
}

enum tb_status tb_network_save(const struct tb_network *network, const struct tb_model_meta *meta,
                               enum tb_nn_dtype storage, const char *path, struct tb_error *err)
{
    size_t size;
    void *data = tb_network_encode(network, meta, storage, &size, err);
    if (!data)
        return err->status;
    enum tb_status status = tb_file_write(path, data, size, err);
    free(data);
    return status;
}

/* ---- in */
static enum tb_status tcn_shape(const struct tb_model_file *f, struct tb_network_spec *s,
                                struct tb_error *err)
{
    static const enum tb_residual residuals[] = {[TB_NN_RES_NONE] = TB_RESIDUAL_NONE,
                                                 [TB_NN_RES_IDENTITY] = TB_RESIDUAL_IDENTITY,
                                                 [TB_NN_RES_CONV] = TB_RESIDUAL_CONV};
    s->blocks = f->spec.n_blocks;
    if (f->spec.kernel != KERNEL)
        return tb_fail(err, TB_EUNSUPPORTED, "kernel: %u, only %d can be trained", f->spec.kernel,
                       KERNEL);
    if (s->blocks > TB_NETWORK_MAX_BLOCKS)
        return tb_fail(err, TB_EUNSUPPORTED, "blocks: %zu, at most %d can be trained", s->blocks,
                       TB_NETWORK_MAX_BLOCKS);
    for (size_t b = 0; b < s->blocks; b++) {
        s->residual[b] = residuals[f->spec.residual[b]];
        if (f->spec.dilation[b] != 1U << b)
            return tb_fail(err, TB_EUNSUPPORTED,
                           "dilations: %u in block %zu, only %u can be trained",
                           f->spec.dilation[b], b, 1U << b);
    }
    return tb_fm_routing_read(&f->meta, f->fm_modulates, &s->routing, err);
}

static enum tb_status spec_from(const struct tb_model_file *f, struct tb_network_spec *s,
                                struct tb_error *err)
{
    static const enum tb_family families[] = {[TB_MODEL_HPN] = TB_FAMILY_HPN,
                                              [TB_MODEL_WAVETABLE] = TB_FAMILY_WAVETABLE,
                                              [TB_MODEL_DDX7] = TB_FAMILY_DDX7};
    const struct tb_model_meta *m = &f->meta;
    if (m->family == TB_MODEL_FM_ENVELOPE)
        return tb_fail(err, TB_EUNSUPPORTED, "family: fm_envelope is trained by fm-env");
    *s = tb_network_preset(families[m->family], true);
    s->hidden = (size_t)m->width;
    s->rate_hz = (tb_real)m->sample_rate;
    s->hop = (size_t)m->hop;
    s->harmonics = (size_t)m->n_harmonics;
    s->bands = (size_t)m->n_bands;
    s->tables = (size_t)m->n_tables;
    s->table_size = (size_t)m->table_size - 1;
    s->reverb = f->n_impulse;
    s->max_level = (tb_real)m->fm_max_level;
    if (f->n_impulse > 0 && m->reverb_rate != m->sample_rate)
        return tb_fail(err, TB_EUNSUPPORTED, "reverb_rate: %d Hz, only sample_rate can be trained",
                       m->reverb_rate);
    if (m->family == TB_MODEL_DDX7)
        return tcn_shape(f, s, err);
    if (m->in_layers != 3 || m->out_layers != 3)
        return tb_fail(err, TB_EUNSUPPORTED, "in_layers, out_layers: only 3 can be trained");
    if (m->sigmoid_exponent != 10 || m->sigmoid_max != 2 || m->sigmoid_floor != 1e-7)
        return tb_fail(err, TB_EUNSUPPORTED, "sigmoid_*: only 10, 2, 1e-7 can be trained");
    if (m->leak != 0.01 || m->norm_epsilon != 1e-5)
        return tb_fail(err, TB_EUNSUPPORTED, "leak, norm_epsilon: only 0.01, 1e-5");
    return TB_OK;
}

static float value_of(const struct tb_nn_tensor *t, size_t i, size_t row)
{
    uint16_t half = 0;
    float single = 0;
    int8_t code = 0;
    const char *data = t->data;
    switch (t->dtype) {
    case TB_NN_F16:
    case TB_NN_BF16:
        memcpy(&half, data + 2 * i, sizeof half);
        return t->dtype == TB_NN_F16 ? tb_f16_to_f32(half) : tb_bf16_to_f32(half);
    case TB_NN_I8:
        memcpy(&code, data + i, 1);
        return (float)code * t->scales[i / row];
    case TB_NN_F32:
    case TB_NN_N_DTYPES:
        break;
    }
    memcpy(&single, data + 4 * i, sizeof single);
    return single;
}

/* Weights that the decoder has; g = |v| behind a weight-normed v. */
static void take_tensor(struct tb_network *n, size_t k, const struct tb_nn_tensor *t)
{
    struct tb_parameter *p = &n->parameters[k];
    for (size_t i = 0; i < p->rows * p->cols; i++)
        p->value[i] = (tb_real)value_of(t, i, p->cols);
    if (!ends_with(p->name, ".weight_v"))
        return;
    for (size_t o = 0; o < p->rows; o++) {
        tb_real sum = TB_R(1e-24);
        for (size_t i = 0; i < p->cols; i++)
            sum += p->value[o * p->cols + i] * p->value[o * p->cols + i];
        p[1].value[o] = tb_sqrt(sum);
    }
}

static void take_tables(const struct tb_model_file *f, struct tb_parameter *p)
{
    for (size_t i = 0; i < p->rows; i++)
        for (size_t t = 0; t < p->cols; t++) {
            double v = (double)f->wavetables[t * (p->rows + 1) + i];
            p->value[i * p->cols + t] = (tb_real)atanh(fmax(-0.999999, fmin(0.999999, v)));
        }
}

/* An impulse response without parameters is noise that does not decay. */
static void take_reverb(const struct tb_model_file *f, struct tb_network *n)
{
    const float *from = f->reverb_noise ? f->reverb_noise : f->impulse;
    double decay = 40, wet = 40; /* no decay, all of it */
    if (f->reverb_noise) {
        decay = (double)f->reverb_decay;
        wet = (double)f->reverb_wet;
        if (f->meta.reverb_slope != 500) /* another slope is another decay */
            decay = -log(expm1(log1p(exp(-decay)) * f->meta.reverb_slope / 500));
    }
    struct tb_parameter *noise = tb_network_find(n, "reverb.noise");
    for (size_t i = 0; i < f->n_impulse; i++)
        noise->value[i] = (tb_real)from[i];
    tb_network_find(n, "reverb.decay")->value[0] = (tb_real)decay;
    tb_network_find(n, "reverb.wet")->value[0] = (tb_real)wet;
}

struct tb_network *tb_network_decode(const struct tb_model_file *f, struct tb_error *err)
{
    struct tb_network_spec spec = {0};
    struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    if (spec_from(f, &spec, err) != TB_OK)
        return NULL;
    struct tb_network *n = tb_network_new(&spec, 1, err);
    size_t n_shapes = tb_nn_shapes(&f->spec, shapes);
    for (size_t k = 0; n && k < n->n_parameters; k++) {
        char name[TB_PARAMETER_NAME];
        file_name(n->parameters[k].name, name);
        for (size_t i = 0; i < n_shapes && !ends_with(n->parameters[k].name, ".weight_g"); i++)
            if (strcmp(shapes[i].name, name) == 0)
                take_tensor(n, k, &f->tensors[i]);
    }
    if (!n)
        return NULL;
    if (f->wavetables)
        take_tables(f, tb_network_find(n, "wavetables"));
    if (f->n_impulse > 0)
        take_reverb(f, n);
    struct tb_parameter *bias =
        spec.family == TB_FAMILY_DDX7 ? NULL : tb_network_find(n, "p1.bias");
    for (size_t i = 0; bias && i < bias->cols; i++)
        bias->value[i] += (tb_real)f->meta.noise_bias;
    return n;
}

struct tb_network *tb_network_load(const char *path, struct tb_model_meta *meta,
                                   struct tb_error *err)
{
    void *data;
    size_t size;
    struct tb_error fault;
    if (tb_file_read(path, MAX_FILE, &data, &size, err) != TB_OK)
        return NULL;
    struct tb_model_file *file = tb_model_file_parse(data, size, &fault);
    struct tb_network *n = file ? tb_network_decode(file, &fault) : NULL;
    if (!n)
        (void)tb_fail(err, fault.status, "%.60s: %.90s", path, fault.text);
    if (n && meta)
        *meta = file->meta;
    tb_model_file_free(file);
    free(data);
    return n;
}
