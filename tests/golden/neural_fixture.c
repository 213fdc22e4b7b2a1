/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/golden/neural_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t count(const struct tb_nn_shape *s)
{
    return (size_t)s->dim[0] * s->dim[1] * s->dim[2];
}

void neural_model_init(struct neural_model *m, enum tb_model_family family)
{
    memset(m, 0, sizeof *m);
    tb_model_meta_init(&m->meta);
    m->meta.family = (int)family;
    (void)snprintf(m->meta.name, sizeof m->meta.name, "Known");
    m->meta.width = 4;
    m->meta.in_layers = m->meta.out_layers = 0;
    m->meta.n_harmonics = 8;
    m->meta.n_bands = 9;
    m->meta.n_tables = 4;
    m->meta.table_size = 64;
    m->meta.fm_algorithm = 32;
    m->meta.fm_ratios = (struct tb_model_reals){6, {1, 2, 3, 4, 5, 6}};
    if (family == TB_MODEL_FM_ENVELOPE)
        m->meta.loudness_kind = TB_LOUDNESS_VELOCITY;
    if (family == TB_MODEL_DDX7) {
        m->meta.dilations = (struct tb_model_reals){1, {1}};
        m->meta.residuals = (struct tb_model_reals){1, {TB_NN_RES_NONE}};
    }
    for (int i = 0; i < 63; i++)
        for (int k = 0; k < 4; k++)
            m->tables[k][i] = sinf(2.0F * (float)M_PI * (float)(i * (k + 1)) / 63.0F);
    for (int k = 0; k < 4; k++)
        m->tables[k][63] = m->tables[k][0];
}

void neural_model_lay_out(struct neural_model *m)
{
    struct tb_error err = {0};
    if (tb_model_spec(&m->meta, &m->spec, &err) != TB_OK)
        fail_msg("%s", err.text);
    m->n = tb_nn_shapes(&m->spec, m->shapes);
    for (size_t i = 0; i < m->n; i++) {
        m->values[i] = calloc(count(&m->shapes[i]), sizeof(float));
        assert_non_null(m->values[i]);
    }
}

static size_t find(const struct neural_model *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->shapes[i].name, name) == 0)
            return i;
    fail_msg("no tensor %s", name);
    return 0;
}

void neural_model_set(struct neural_model *m, const char *name, size_t index, float value)
{
    const size_t i = find(m, name);
    assert_true(index < count(&m->shapes[i]));
    m->values[i][index] = value;
}

void neural_model_output(struct neural_model *m, unsigned head, unsigned i, float bias, float slope)
{
    const bool tcn = m->spec.arch == TB_NN_TCN;
    const size_t width = m->spec.width, taps = m->spec.kernel;
    char name[48];
    if (tcn) {
        neural_model_set(m, "blocks.0.conv2.bias", i, bias);
        neural_model_set(m, "blocks.0.conv2.weight", i * width * taps + taps - 1, slope);
        return;
    }
    (void)snprintf(name, sizeof name, "proj_matrices.%u.bias", head);
    neural_model_set(m, name, i, bias);
    (void)snprintf(name, sizeof name, "proj_matrices.%u.weight", head);
    const struct tb_nn_shape *s = &m->shapes[find(m, name)];
    neural_model_set(m, name, i * s->dim[1], slope);
}

/* Hidden unit 0 listens to input 1. */
static void listen(struct neural_model *m)
{
    if (m->spec.arch == TB_NN_TCN) { /* [out][in][kernel], the last tap is now */
        neural_model_set(m, "blocks.0.conv1.weight", 2 * m->spec.kernel - 1, 1);
        return;
    }
    for (unsigned i = 0; i < m->spec.width; i++) { /* z is 0, so h = n = tanh(input) */
        neural_model_set(m, "gru.bias_ih_l0", m->spec.width + i, -15);
        neural_model_set(m, "gru.bias_hh_l0", m->spec.width + i, -15);
    }
    const struct tb_nn_shape *s = &m->shapes[find(m, "gru.weight_ih_l0")];
    neural_model_set(m, "gru.weight_ih_l0", (size_t)2 * m->spec.width * s->dim[1] + 1, 1);
}

void neural_model_random(struct neural_model *m, unsigned seed)
{
    uint32_t x = seed * 2654435761U | 1U;
    for (size_t i = 0; i < m->n; i++)
        for (size_t k = 0; k < count(&m->shapes[i]); k++) {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            m->values[i][k] = (float)(int32_t)x * 0x1p-31F;
        }
}

void neural_model_encode(struct neural_model *m)
{
    static struct tb_model_tensor tensors[TB_NN_MAX_TENSORS + 2];
    struct tb_error err = {0};
    size_t n = m->n;
    for (size_t i = 0; i < n; i++) {
        const struct tb_nn_shape *s = &m->shapes[i];
        tensors[i] = (struct tb_model_tensor){
            s->name, TB_NN_F32, s->rank, {s->dim[0], s->dim[1], s->dim[2]}, m->values[i]};
    }
    if (m->meta.family == TB_MODEL_WAVETABLE)
        tensors[n++] = (struct tb_model_tensor){"wavetables", TB_NN_F32, 2, {4, 64}, m->tables};
    if (m->meta.reverb == TB_REVERB_IMPULSE)
        tensors[n++] = (struct tb_model_tensor){"reverb.impulse", TB_NN_F32, 1, {2000}, m->impulse};
    m->data = tb_model_file_encode(&m->meta, tensors, n, &m->size, &err);
    if (!m->data)
        fail_msg("%s", err.text);
    m->file = tb_model_file_parse(m->data, m->size, &err);
    if (!m->file)
        fail_msg("%s", err.text);
}

void neural_model_free(struct neural_model *m)
{
    tb_model_file_free(m->file);
    free(m->data);
    for (size_t i = 0; i < m->n; i++)
        free(m->values[i]);
}

static void plain_outputs(struct neural_model *m, float slope)
{
    const float middle = -0.6F * slope; /* about what loudness 0.7 gives to the hidden unit */
    if (m->spec.n_heads == 1) {         /* carriers 1 and 2 of algorithm 32 */
        const float off = m->meta.family == TB_MODEL_DDX7 ? -30.0F : 0.0F;
        for (unsigned op = 0; op < 6; op++)
            neural_model_output(m, 0, op, off, 0);
        neural_model_output(m, 0, 0, m->meta.family == TB_MODEL_DDX7 ? middle : 0.1F, slope);
        return;
    }
    neural_model_output(m, 0, 0, middle, slope);
    for (unsigned k = 1; k < m->spec.head[0]; k++)
        neural_model_output(m, 0, k, k == 1 ? 3.0F : -6.0F, 0);
    for (unsigned k = 0; k < m->spec.head[1]; k++)
        neural_model_output(m, 1, k, -30.0F, 0);
}

void neural_model_plain(struct neural_model *m, enum tb_model_family family, float slope)
{
    neural_model_init(m, family);
    neural_model_lay_out(m);
    listen(m);
    plain_outputs(m, slope);
    neural_model_encode(m);
}

struct tb_neural *neural_model_instrument(const struct neural_model *m, float rate_hz,
                                          enum tb_cpu cpu)
{
    struct tb_neural_spec spec;
    struct tb_error err = {0};
    tb_neural_spec_of(m->file, &spec);
    struct tb_neural *neural = tb_neural_new(&spec, rate_hz, cpu, &err);
    if (!neural)
        fail_msg("%s", err.text);
    return neural;
}
