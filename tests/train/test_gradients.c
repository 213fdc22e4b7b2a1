/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Every processor against central differences in double precision. A processor is called with
 * seeded random inputs; the loss is a fixed random projection of its output, so that no gradient
 * hides behind a symmetry.
 */
#include "models/train/ops.h"
#include "models/train/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIPS = 2, FRAMES = 5, HOP = 16, SAMPLES = FRAMES * HOP, MAX_IN = 5, MAX_VALUES = 6000 };

struct shape {
    size_t rows, cols;
    double low, high; /* uniform between */
};

struct context {
    struct tb_grid grid, published;
    struct tb_tape *kept; /* holds the pitch */
    struct tb_pitch pitch;
    tb_real noise[CLIPS * SAMPLES];
    tb_real target[MAX_VALUES];
    struct tb_fm_routing routing;
};

typedef struct tb_tensor build(struct tb_tape *tape, struct tb_tensor *in, struct context *c);

struct check {
    const char *name;
    build *build;
    struct shape in[MAX_IN];
};

#define ROWS (CLIPS * FRAMES)

static struct tb_tensor build_linear(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    (void)c;
    return tb_op_linear(t, in[0], in[1], in[2]);
}

static struct tb_tensor build_layer_norm(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    (void)c;
    return tb_op_layer_norm(t, in[0], in[1], in[2]);
}

static struct tb_tensor build_activations(struct tb_tape *t, struct tb_tensor *in,
                                          struct context *c)
{
    (void)c;
    struct tb_tensor a = tb_op_leaky_relu(t, in[0], 0.01);
    struct tb_tensor b = tb_op_concat(t, tb_op_sigmoid(t, a), tb_op_tanh(t, a));
    return tb_op_columns(t, tb_op_concat(t, b, tb_op_exp_sigmoid(t, in[0], -0.5)), 1, 7);
}

static struct tb_tensor build_arithmetic(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    (void)c;
    struct tb_tensor sum = tb_op_scale(t, tb_op_add(t, in[0], in[1]), 0.7);
    struct tb_tensor product = tb_op_multiply(t, tb_op_normalise(t, sum), in[1]);
    return tb_op_multiply(t, product, in[2]);
}

static struct tb_tensor build_gru(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    (void)c;
    struct tb_gru_weights w = {in[1], in[2], in[3], in[4]};
    return tb_op_gru(t, in[0], &w, CLIPS);
}

static struct tb_tensor build_conv(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    (void)c;
    struct tb_conv_weights w = {in[1], in[2], in[3], 3, 2};
    return tb_op_causal_conv(t, in[0], &w, CLIPS);
}

static struct tb_tensor build_harmonic(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    return tb_op_harmonic(t, &c->grid, in[0], &c->pitch);
}

static struct tb_tensor build_gain(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    return tb_op_gain(t, &c->grid, in[0], in[1]);
}

static struct tb_tensor build_noise(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    return tb_op_noise(t, &c->grid, in[0], c->noise);
}

static struct tb_tensor build_fm(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    return tb_op_fm(t, &c->grid, &c->routing, in[0], &c->pitch);
}

static struct tb_tensor build_wavetable(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    return tb_op_wavetable(t, &c->grid, in[0], in[1], &c->pitch);
}

/* As the papers' code has it, pitches near half the rate included. */
static struct tb_tensor build_published(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    struct tb_tensor tone = tb_op_harmonic(t, &c->published, in[0], &c->pitch);
    struct tb_tensor tables = tb_op_wavetable(t, &c->published, in[0], in[1], &c->pitch);
    struct tb_tensor hiss = tb_op_noise(t, &c->published, in[0], c->noise);
    return tb_op_add(t, tone, tb_op_multiply(t, tables, hiss));
}

static struct tb_tensor build_reverb(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    (void)c;
    struct tb_tensor h = tb_op_reverb_response(t, in[1], in[2], in[3], 16000);
    return tb_op_convolve(t, in[0], h, CLIPS);
}

static struct tb_tensor build_spectral(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    return tb_op_spectral_loss(t, in[0], c->target, 2);
}

static struct tb_tensor build_l1_l2(struct tb_tape *t, struct tb_tensor *in, struct context *c)
{
    return tb_op_add(t, tb_op_l1(t, in[0], c->target), tb_op_l2(t, in[0], c->target));
}

static const struct check checks[] = {
    {"linear", build_linear, {{ROWS, 4, -1, 1}, {3, 4, -1, 1}, {1, 3, -1, 1}}},
    {"layer norm", build_layer_norm, {{ROWS, 6, -1, 1}, {1, 6, .5, 1.5}, {1, 6, -1, 1}}},
    {"activations", build_activations, {{ROWS, 3, -3, 3}}},
    {"arithmetic", build_arithmetic, {{ROWS, 4, .1, 1}, {ROWS, 4, .1, 1}, {ROWS, 1, -1, 1}}},
    {"gru",
     build_gru,
     {{ROWS, 3, -1, 1}, {12, 3, -1, 1}, {12, 4, -1, 1}, {1, 12, -1, 1}, {1, 12, -1, 1}}},
    {"conv", build_conv, {{ROWS, 3, -1, 1}, {4, 9, -1, 1}, {1, 4, .5, 2}, {1, 4, -1, 1}}},
    {"harmonic", build_harmonic, {{ROWS, 17, .1, 1}}}, /* the highest end within a frame */
    {"gain", build_gain, {{CLIPS * SAMPLES, 1, -1, 1}, {ROWS, 1, 0, 1}}},
    {"noise", build_noise, {{ROWS, 9, 0, 1}}},
    {"fm", build_fm, {{ROWS, 6, 0, 1}}},
    {"wavetable", build_wavetable, {{ROWS, 3, 0, 1}, {32, 3, -1, 1}}},
    {"published", build_published, {{ROWS, 17, 0, 1}, {32, 17, -1, 1}}},
    {"reverb",
     build_reverb,
     {{CLIPS * SAMPLES, 1, -1, 1}, {1, 40, -1, 1}, {1, 1, 1, 2}, {1, 1, -1, 1}}},
    {"spectral loss", build_spectral, {{2 * 2200, 1, -1, 1}}},
    {"l1 and l2", build_l1_l2, {{ROWS, 3, -1, 1}}},
};

static double project(const struct tb_tensor *y, tb_real *grad)
{
    struct tb_random random;
    tb_random_seed(&random, 99);
    double sum = 0;
    for (size_t i = 0; i < y->rows * y->cols; i++) {
        double w = 2 * tb_random_uniform(&random) - 1;
        sum += w * y->value[i];
        if (grad)
            grad[i] = w;
    }
    return sum;
}

struct inputs {
    struct tb_tensor in[MAX_IN];
    size_t n;
};

static void make_inputs(const struct check *check, struct inputs *x, struct tb_random *random)
{
    for (x->n = 0; x->n < MAX_IN && check->in[x->n].rows; x->n++) {
        const struct shape *s = &check->in[x->n];
        struct tb_tensor *t = &x->in[x->n];
        *t = (struct tb_tensor){.rows = s->rows, .cols = s->cols};
        t->value = calloc(s->rows * s->cols, sizeof(tb_real));
        t->grad = calloc(s->rows * s->cols, sizeof(tb_real));
        assert_true(t->value && t->grad);
        for (size_t i = 0; i < s->rows * s->cols; i++)
            t->value[i] = s->low + (s->high - s->low) * tb_random_uniform(random);
    }
}

static double forward(struct tb_tape *tape, const struct check *check, struct inputs *x,
                      struct context *c)
{
    tb_tape_reset(tape);
    struct tb_tensor y = check->build(tape, x->in, c);
    assert_false(tb_tape_failed(tape));
    return project(&y, NULL);
}

/* Largest error relative to the largest gradient of that input, over at most 60 values of each. */
static double worst_error(struct tb_tape *tape, const struct check *check, struct context *c)
{
    struct tb_random random;
    tb_random_seed(&random, 7);
    struct inputs x;
    make_inputs(check, &x, &random);
    tb_tape_reset(tape);
    struct tb_tensor y = check->build(tape, x.in, c);
    assert_false(tb_tape_failed(tape));
    (void)project(&y, y.grad);
    tb_tape_backward(tape);
    double worst = 0;
    for (size_t k = 0; k < x.n; k++) {
        struct tb_tensor *t = &x.in[k];
        size_t n = t->rows * t->cols, step = n / 60 + 1;
        double largest = 1e-12;
        for (size_t i = 0; i < n; i++)
            largest = fmax(largest, fabs(t->grad[i]));
        assert_true(largest > 1e-9);
        for (size_t i = 0; i < n; i += step) {
            double keep = t->value[i], h = 1e-6;
            t->value[i] = keep + h;
            double up = forward(tape, check, &x, c);
            t->value[i] = keep - h;
            double down = forward(tape, check, &x, c);
            t->value[i] = keep;
            double wanted = (up - down) / (2 * h);
            worst = fmax(worst, fabs(wanted - t->grad[i]) / largest);
        }
    }
    for (size_t k = 0; k < x.n; k++) {
        free(x.in[k].value);
        free(x.in[k].grad);
    }
    return worst;
}

static struct context *make_context(void)
{
    struct context *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->grid = c->published = (struct tb_grid){CLIPS, FRAMES, HOP, 16000, false};
    c->published.published = true;
    struct tb_random random;
    tb_random_seed(&random, 3);
    tb_real f0[CLIPS * FRAMES];
    for (size_t i = 0; i < CLIPS * FRAMES; i++)
        f0[i] = 300 + 500 * tb_random_uniform(&random);
    c->kept = tb_tape_new(1 << 20);
    assert_non_null(c->kept);
    c->pitch = tb_pitch_from_f0(c->kept, &c->grid, f0);
    for (size_t i = 0; i < CLIPS * SAMPLES; i++)
        c->noise[i] = 2 * tb_random_uniform(&random) - 1;
    for (size_t i = 0; i < MAX_VALUES; i++)
        c->target[i] = 2 * tb_random_uniform(&random) - 1;
    /* 6 drives 5 and 3, 5 drives 4, 4 and 3 drive 1, 2 drives 1 and is a carrier; 6 and 2 feed back
     */
    c->routing = (struct tb_fm_routing){.operators = 6,
                                        .modulates = {0, 1, 1, 1, 8, 16 | 4},
                                        .carriers = 3,
                                        .ratio = {1, 1.5, 2, 0.5, 3.01, 7},
                                        .feedback = {0, 0.2, 0, 0, 0, 0.4},
                                        .scale = 2};
    return c;
}

static void gradients_match_differences(void **state)
{
    (void)state;
    struct tb_tape *tape = tb_tape_new(64 << 20);
    assert_non_null(tape);
    struct context *c = make_context();
    int failed = 0;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        double error = worst_error(tape, &checks[i], c);
        printf("%-14s relative error %.2e\n", checks[i].name, error);
        failed += error <= 1e-4 ? 0 : 1;
    }
    assert_int_equal(failed, 0);
    tb_tape_free(c->kept);
    free(c);
    tb_tape_free(tape);
}

static void a_small_arena_fails_softly(void **state)
{
    (void)state;
    struct tb_tape *tape = tb_tape_new(4096);
    assert_non_null(tape);
    struct tb_tensor t = tb_tape_tensor(tape, 100, 100, true);
    assert_null(t.value);
    assert_true(tb_tape_failed(tape));
    tb_tape_reset(tape);
    assert_false(tb_tape_failed(tape));
    tb_tape_free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(a_small_arena_fails_softly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
