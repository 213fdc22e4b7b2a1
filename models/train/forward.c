/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/network.h"

#include <stdio.h>
#include <string.h>

/* Walks the network's parameters by name within one pass. */
struct walk {
    struct tb_tape *tape;
    const struct tb_network *network;
    const struct tb_batch *batch;
    tb_real *gradients; /* or NULL */
    struct tb_random *random;
    struct tb_pitch pitch;
};

/* The parameter as a tensor of this pass: values shared, gradients the pass's own. */
static struct tb_tensor parameter(const struct walk *w, const char *prefix, const char *suffix)
{
    char name[TB_PARAMETER_NAME];
    (void)snprintf(name, sizeof name, "%s%s", prefix, suffix);
    size_t at = 0;
    for (size_t i = 0; i < w->network->n_parameters; i++) {
        const struct tb_parameter *p = &w->network->parameters[i];
        if (strcmp(p->name, name) == 0)
            return (struct tb_tensor){.value = p->value,
                                      .grad = w->gradients ? w->gradients + at : NULL,
                                      .rows = p->rows,
                                      .cols = p->cols};
        at += p->rows * p->cols;
    }
    return (struct tb_tensor){0};
}

static struct tb_tensor linear(const struct walk *w, struct tb_tensor x, const char *prefix)
{
    return tb_op_linear(w->tape, x, parameter(w, prefix, ".weight"), parameter(w, prefix, ".bias"));
}

static struct tb_tensor mlp(const struct walk *w, struct tb_tensor x, const char *prefix)
{
    for (int i = 0; i < 3 && x.value && !tb_tape_stopped(w->tape); i++) {
        char name[TB_PARAMETER_PREFIX];
        (void)snprintf(name, sizeof name, "%s.%d", prefix, 3 * i);
        x = linear(w, x, name);
        (void)snprintf(name, sizeof name, "%s.%d", prefix, 3 * i + 1);
        if (!x.value)
            break;
        x = tb_op_layer_norm(w->tape, x, parameter(w, name, ".weight"),
                             parameter(w, name, ".bias"));
        x = tb_op_leaky_relu(w->tape, x, TB_R(0.01));
    }
    return x;
}

/* -> hidden features [rows][H] of the GRU decoder */
static struct tb_tensor gru_decoder(const struct walk *w)
{
    const struct tb_batch *b = w->batch;
    size_t rows = b->grid.clips * b->grid.frames;
    struct tb_tensor pitch = tb_constant(b->pitch, rows, 1);
    struct tb_tensor loudness = tb_constant(b->loudness, rows, 1);
    struct tb_tensor m0 = mlp(w, pitch, "m0"), m1 = mlp(w, loudness, "m1");
    if (tb_tape_failed(w->tape))
        return (struct tb_tensor){0};
    struct tb_tensor in = tb_op_concat(w->tape, m0, m1);
    struct tb_gru_weights weights = {
        parameter(w, "gru", ".weight_ih_l0"), parameter(w, "gru", ".weight_hh_l0"),
        parameter(w, "gru", ".bias_ih_l0"), parameter(w, "gru", ".bias_hh_l0")};
    struct tb_tensor h = tb_op_gru(w->tape, in, &weights, b->grid.clips);
    if (tb_tape_stopped(w->tape))
        return (struct tb_tensor){0};
    h = tb_op_concat(w->tape, tb_op_concat(w->tape, h, pitch), loudness);
    return mlp(w, h, "mo");
}

static struct tb_tensor conv(const struct walk *w, struct tb_tensor x, const char *prefix,
                             size_t dilation)
{
    struct tb_conv_weights c = {.v = parameter(w, prefix, ".weight_v"),
                                .g = parameter(w, prefix, ".weight_g"),
                                .bias = parameter(w, prefix, ".bias"),
                                .kernel = 3,
                                .dilation = dilation};
    if (!c.v.value) { /* the residual: a plain 1 x 1 */
        c.v = parameter(w, prefix, ".weight");
        c.kernel = 1;
    }
    return tb_op_causal_conv(w->tape, x, &c, w->batch->grid.clips);
}

static struct tb_tensor tcn(const struct walk *w)
{
    const struct tb_network_spec *s = &w->network->spec;
    size_t rows = w->batch->grid.clips * w->batch->grid.frames;
    struct tb_tensor x = tb_op_concat(w->tape, tb_constant(w->batch->pitch, rows, 1),
                                      tb_constant(w->batch->loudness, rows, 1));
    for (size_t b = 0; b < s->blocks && x.value && !tb_tape_stopped(w->tape); b++) {
        char name[TB_PARAMETER_PREFIX];
        (void)snprintf(name, sizeof name, "b.%zu.c1", b);
        struct tb_tensor y = tb_op_leaky_relu(w->tape, conv(w, x, name, 1UL << b), 0);
        y = tb_op_dropout(w->tape, y, s->dropout, w->random);
        (void)snprintf(name, sizeof name, "b.%zu.c2", b);
        y = conv(w, y, name, 1UL << b);
        if (b < s->blocks - 1) {
            y = tb_op_leaky_relu(w->tape, y, 0);
            y = tb_op_dropout(w->tape, y, s->dropout, w->random);
        }
        (void)snprintf(name, sizeof name, "b.%zu.res", b);
        enum tb_nn_residual by = tb_network_residual(s, b);
        if (by != TB_NN_RES_NONE)
            y = tb_op_add(w->tape, y, by == TB_NN_RES_CONV ? conv(w, x, name, 1) : x);
        x = y;
    }
    return x;
}

/* The controls of the two decoders with noise: amplitude, `shares` columns, bands. */
static void take_controls(const struct walk *w, size_t shares, struct tb_pass *pass)
{
    struct tb_tensor hidden = gru_decoder(w);
    if (tb_tape_failed(w->tape))
        return;
    struct tb_tensor head = tb_op_exp_sigmoid(w->tape, linear(w, hidden, "p0"), 0);
    if (tb_tape_stopped(w->tape))
        return;
    pass->control[0] = tb_op_columns(w->tape, head, 0, 1);
    pass->control[1] = tb_op_columns(w->tape, head, 1, shares);
    pass->control[2] = tb_op_exp_sigmoid(w->tape, linear(w, hidden, "p1"), 0);
}

static struct tb_tensor filtered_noise(const struct walk *w, const struct tb_pass *pass)
{
    return tb_op_noise(w->tape, &w->batch->grid, pass->control[2], w->batch->noise);
}

static struct tb_tensor hpn(const struct walk *w, const struct tb_pass *pass)
{
    const struct tb_batch *b = w->batch;
    size_t n = w->network->spec.harmonics, rows = b->grid.clips * b->grid.frames;
    tb_real *mask = tb_tape_alloc(w->tape, rows * n * sizeof *mask);
    if (tb_tape_failed(w->tape))
        return (struct tb_tensor){0};
    tb_nyquist_mask(&b->grid, b->share_hz ? b->share_hz : b->f0_hz, n, mask);
    struct tb_tensor below = tb_op_multiply(w->tape, pass->control[1], tb_constant(mask, rows, n));
    struct tb_tensor amplitude =
        tb_op_multiply(w->tape, tb_op_normalise(w->tape, below), pass->control[0]);
    struct tb_tensor tone = tb_op_harmonic(w->tape, &b->grid, amplitude, &w->pitch);
    return tb_op_add(w->tape, tone, filtered_noise(w, pass));
}

static struct tb_tensor wavetable(const struct walk *w, const struct tb_pass *pass)
{
    const struct tb_grid *grid = &w->batch->grid;
    struct tb_tensor tables = tb_op_tanh(w->tape, parameter(w, "wavetables", ""));
    struct tb_tensor attention =
        tb_op_multiply(w->tape, tb_op_normalise(w->tape, pass->control[1]), pass->control[0]);
    struct tb_tensor tone = tb_op_wavetable(w->tape, grid, attention, tables, &w->pitch);
    return tb_op_add(w->tape, tone, filtered_noise(w, pass));
}

struct tb_tensor tb_network_sound(struct tb_tape *tape, const struct tb_network *network,
                                  const struct tb_batch *batch, const struct tb_pass *pass,
                                  tb_real *gradients)
{
    const struct tb_network_spec *s = &network->spec;
    struct walk w = {.tape = tape, .network = network, .batch = batch, .gradients = gradients};
    w.pitch = tb_pitch_from_f0(tape, &batch->grid, batch->f0_hz);
    struct tb_tensor sound = {0};
    if (tb_tape_stopped(tape))
        return sound;
    if (s->family == TB_FAMILY_HPN)
        sound = hpn(&w, pass);
    else if (s->family == TB_FAMILY_WAVETABLE)
        sound = wavetable(&w, pass);
    else
        sound = tb_op_fm(tape, &batch->grid, &s->routing, pass->control[0], &w.pitch);
    if (s->reverb == 0 || tb_tape_stopped(tape))
        return sound;
    struct tb_tensor response = tb_op_reverb_response(tape, parameter(&w, "reverb", ".noise"),
                                                      parameter(&w, "reverb", ".decay"),
                                                      parameter(&w, "reverb", ".wet"), s->rate_hz);
    return tb_op_convolve(tape, sound, response, batch->grid.clips);
}

struct tb_pass tb_network_forward(struct tb_tape *tape, const struct tb_network *network,
                                  const struct tb_batch *batch, tb_real *gradients,
                                  struct tb_random *random)
{
    const struct tb_network_spec *s = &network->spec;
    const struct walk w = {tape, network, batch, gradients, random, {NULL, NULL}};
    struct tb_pass pass = {.n_controls = s->family == TB_FAMILY_DDX7 ? 1 : 3};
    if (s->family == TB_FAMILY_DDX7)
        pass.control[0] = tb_op_scale(tape, tb_op_sigmoid(tape, tcn(&w)), s->max_level);
    else
        take_controls(&w, s->family == TB_FAMILY_HPN ? s->harmonics : s->tables, &pass);
    if (!batch->controls_only && !tb_tape_failed(tape))
        pass.audio = tb_network_sound(tape, network, batch, &pass, gradients);
    return pass;
}
