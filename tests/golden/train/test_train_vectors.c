/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Every differentiable processor against PyTorch: outputs and gradients of vectors.txt, which
 * make_vectors.py writes. Built in single and in double precision.
 */
#include "models/train/ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIPS = 2, FRAMES = 4, HOP = 16, MAX_TENSORS = 160, MAX_IN = 5 };

static const struct tb_grid grid = {CLIPS, FRAMES, HOP, 16000, .published = true};

struct entry {
    char label[32]; /* "gru/x0" */
    struct tb_tensor t;
};

static struct entry entries[MAX_TENSORS];
static size_t n_entries;
static struct tb_tape *kept; /* holds the pitch */
static struct tb_pitch pitch;

static struct tb_tensor *find(const char *name, const char *part)
{
    char label[32];
    (void)snprintf(label, sizeof label, "%s/%s", name, part);
    for (size_t i = 0; i < n_entries; i++)
        if (strcmp(entries[i].label, label) == 0)
            return &entries[i].t;
    return NULL;
}

/* One that must be there. */
static const struct tb_tensor *want(const char *name, const char *part)
{
    const struct tb_tensor *t = find(name, part);
    if (!t) {
        print_error("vectors.txt lacks %s/%s\n", name, part);
        abort();
    }
    return t;
}

static void read_tensor(FILE *file, struct tb_tensor *t)
{
    t->value = calloc(t->rows * t->cols, sizeof(tb_real));
    t->grad = calloc(t->rows * t->cols, sizeof(tb_real));
    assert_true(t->value && t->grad);
    for (size_t i = 0; i < t->rows * t->cols; i++) {
        double v;
        assert_int_equal(fscanf(file, "%lf", &v), 1);
        t->value[i] = (tb_real)v;
    }
}

static int load(void **state)
{
    (void)state;
    FILE *file = fopen(TB_VECTORS, "r");
    assert_non_null(file);
    char word[16], name[16] = "";
    while (fscanf(file, "%15s", word) == 1) {
        if (strcmp(word, "case") == 0) {
            assert_int_equal(fscanf(file, "%15s", name), 1);
            continue;
        }
        assert_true(n_entries < MAX_TENSORS);
        struct entry *e = &entries[n_entries++];
        (void)snprintf(e->label, sizeof e->label, "%s/%s", name, word);
        assert_int_equal(fscanf(file, "%zu %zu", &e->t.rows, &e->t.cols), 2);
        read_tensor(file, &e->t);
    }
    (void)fclose(file);
    kept = tb_tape_new(1 << 20);
    assert_non_null(kept);
    pitch = tb_pitch_from_f0(kept, &grid, want("common", "f0")->value);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    tb_tape_free(kept);
    for (size_t i = 0; i < n_entries; i++) {
        free(entries[i].t.value);
        free(entries[i].t.grad);
    }
    return 0;
}

static struct tb_tensor build_fm(struct tb_tape *tape, const struct tb_tensor *x)
{
    const struct tb_fm_routing routing = {.operators = 6,
                                          .modulates = {0, 1, 1, 1, 8, 16 | 4},
                                          .carriers = 3,
                                          .ratio = {1, TB_R(1.5), 2, TB_R(0.5), TB_R(3.01), 7},
                                          .scale = 2};
    return tb_op_fm(tape, &grid, &routing, x[0], &pitch);
}

static struct tb_tensor build_sequence(struct tb_tape *tape, const char *name,
                                       const struct tb_tensor *x)
{
    if (strcmp(name, "gru") == 0) {
        const struct tb_gru_weights w = {x[1], x[2], x[3], x[4]};
        return tb_op_gru(tape, x[0], &w, CLIPS);
    }
    const struct tb_conv_weights w = {x[1], x[2], x[3], 3, 2};
    return tb_op_causal_conv(tape, x[0], &w, CLIPS);
}

static struct tb_tensor build_synth(struct tb_tape *tape, const char *name,
                                    const struct tb_tensor *x)
{
    if (strcmp(name, "harmonic") == 0)
        return tb_op_harmonic(tape, &grid, x[0], &pitch);
    if (strcmp(name, "noise") == 0)
        return tb_op_noise(tape, &grid, x[0], want("common", "noise")->value);
    if (strcmp(name, "fm") == 0)
        return build_fm(tape, x);
    if (strcmp(name, "wavetable") == 0)
        return tb_op_wavetable(tape, &grid, x[0], x[1], &pitch);
    if (strcmp(name, "reverb") == 0)
        return tb_op_convolve(tape, x[0], tb_op_reverb_response(tape, x[1], x[2], x[3], 16000),
                              CLIPS);
    return tb_op_spectral_loss(tape, x[0], want("common", "target")->value, 1);
}

static struct tb_tensor build(struct tb_tape *tape, const char *name, const struct tb_tensor *x)
{
    if (strcmp(name, "linear") == 0)
        return tb_op_linear(tape, x[0], x[1], x[2]);
    if (strcmp(name, "layer_norm") == 0)
        return tb_op_layer_norm(tape, x[0], x[1], x[2]);
    if (strcmp(name, "leaky_relu") == 0)
        return tb_op_leaky_relu(tape, x[0], TB_R(0.01));
    if (strcmp(name, "sigmoid") == 0)
        return tb_op_sigmoid(tape, x[0]);
    if (strcmp(name, "tanh") == 0)
        return tb_op_tanh(tape, x[0]);
    if (strcmp(name, "exp_sigmoid") == 0)
        return tb_op_exp_sigmoid(tape, x[0], 0);
    if (strcmp(name, "gru") == 0 || strcmp(name, "conv") == 0)
        return build_sequence(tape, name, x);
    return build_synth(tape, name, x);
}

/* Largest difference relative to the largest wanted value. */
static double apart(const tb_real *got, const struct tb_tensor *wanted)
{
    double worst = 0.0, largest = 1e-12;
    for (size_t i = 0; i < wanted->rows * wanted->cols; i++) {
        worst = fmax(worst, fabs((double)(got[i] - wanted->value[i])));
        largest = fmax(largest, fabs((double)wanted->value[i]));
    }
    return worst / largest;
}

static double compare(struct tb_tape *tape, const char *name)
{
    struct tb_tensor x[MAX_IN] = {0};
    size_t n = 0;
    for (; n < MAX_IN; n++) {
        char part[8];
        (void)snprintf(part, sizeof part, "x%zu", n);
        const struct tb_tensor *in = find(name, part);
        if (!in)
            break;
        x[n] = *in;
        memset(x[n].grad, 0, in->rows * in->cols * sizeof(tb_real));
    }
    assert_true(n > 0);
    tb_tape_reset(tape);
    struct tb_tensor y = build(tape, name, x);
    const struct tb_tensor *w = want(name, "w"), *wanted = want(name, "y");
    assert_true(y.value && y.rows == wanted->rows && y.cols == wanted->cols);
    double worst = apart(y.value, wanted);
    memcpy(y.grad, w->value, y.rows * y.cols * sizeof(tb_real));
    tb_tape_backward(tape);
    for (size_t i = 0; i < n; i++) {
        char part[8];
        (void)snprintf(part, sizeof part, "d%zu", i);
        worst = fmax(worst, apart(x[i].grad, want(name, part)));
    }
    return worst;
}

/* The gradient of the spectral loss is badly conditioned: that of ln|S| turns with the phase of
 * nearly empty bins. Rounding nothing but the inputs to single precision moves it by 8e-5 here, and
 * PyTorch's own in single precision is 1.16e-4 from its double one (s0 of vectors.txt),
 * ours 1.22e-4. Over ten other inputs, exact in single precision, the median was 2.2e-4 for PyTorch
 * and 1.4e-4 for ours, between 2e-5 and 3e-3 for both. So single precision is held to PyTorch's
 * own, within the spread between two orders of summation. */
static double tolerance(const char *name)
{
    const struct tb_tensor *theirs = find(name, "s0");
    if (sizeof(tb_real) != sizeof(float) || !theirs)
        return 1e-4;
    return fmax(1e-4, 2 * apart(theirs->value, want(name, "d0")));
}

static void outputs_and_gradients_match(void **state)
{
    (void)state;
    static const char *const names[] = {
        "linear", "layer_norm", "leaky_relu", "sigmoid", "tanh",      "exp_sigmoid", "gru",
        "conv",   "harmonic",   "noise",      "fm",      "wavetable", "reverb",      "spectral"};
    struct tb_tape *tape = tb_tape_new(32 << 20);
    assert_non_null(tape);
    int failed = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        double error = compare(tape, names[i]);
        printf("%-12s relative error %.2e\n", names[i], error);
        failed += error <= tolerance(names[i]) ? 0 : 1;
    }
    tb_tape_free(tape);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(outputs_and_gradients_match)};
    return cmocka_run_group_tests(tests, load, unload);
}
