/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Networks as the audio thread runs them, under the guard: both architectures, every storage of the
 * weights, every kernel of this machine, whole frames and small pieces, inputs that are no numbers.
 */
#include "models/nn/nn.h"
#include "tests/rt/rtguard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 5, FRAMES = 50, WEIGHTS = 1 << 16 };

static const struct tb_nn_spec specs[] = {
    {.arch = TB_NN_GRU,
     .n_inputs = 2,
     .width = 32,
     .n_heads = 2,
     .head = {101, 65},
     .in_layers = 2,
     .out_layers = 2,
     .leak = 0.01F,
     .norm_epsilon = 1e-5F},
    {.arch = TB_NN_TCN,
     .n_inputs = 2,
     .width = 32,
     .n_heads = 1,
     .head = {6},
     .n_blocks = 3,
     .kernel = 3,
     .dilation = {1, 2, 4},
     .residual = {TB_NN_RES_CONV, TB_NN_RES_IDENTITY, TB_NN_RES_CONV},
     .leak = 0.01F,
     .norm_epsilon = 1e-5F},
};

static float weights[WEIGHTS];

static struct tb_nn_model *new_model(const struct tb_nn_spec *spec, enum tb_nn_cpu cpu,
                                     enum tb_nn_dtype storage)
{
    static struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    static struct tb_nn_tensor tensors[TB_NN_MAX_TENSORS];
    size_t n = tb_nn_shapes(spec, shapes);
    for (size_t i = 0; i < n; i++) {
        assert_true((size_t)shapes[i].dim[0] * shapes[i].dim[1] * shapes[i].dim[2] <= WEIGHTS);
        tensors[i] = (struct tb_nn_tensor){.data = weights, .dtype = TB_NN_F32};
    }
    struct tb_nn_options options = {.cpu = cpu, .storage = storage, .lock = true};
    struct tb_error err = {0};
    struct tb_nn_model *model = tb_nn_model_new(spec, tensors, &options, &err);
    if (!model)
        fail_msg("%s: %s", tb_nn_cpu_name(cpu), err.text);
    return model;
}

static void decode(struct tb_nn_run *run, unsigned frame, const struct tb_nn_spec *spec)
{
    static const uint8_t slots[SLOTS] = {4, 0, 2, 1, 3};
    float inputs[SLOTS * TB_NN_MAX_INPUTS];
    unsigned n = 1 + frame % SLOTS;
    for (unsigned i = 0; i < n * spec->n_inputs; i++)
        inputs[i] = frame % 7 == 3 ? NAN : sinf((float)(frame + i)) * (frame % 11 == 5 ? 1e30F : 1);
    tb_nn_begin(run, slots, n, inputs);
    while (tb_nn_advance(run, frame % 2 ? 1000 : UINT64_MAX) > 0) {
    }
    for (unsigned i = 0; i < n; i++)
        for (unsigned head = 0; head < spec->n_heads; head++)
            assert_true(isfinite(tb_nn_head(run, i, head)[spec->head[head] - 1]));
}

static void run_guarded(const struct tb_nn_spec *spec, enum tb_nn_cpu cpu, enum tb_nn_dtype storage)
{
    struct tb_nn_model *model = new_model(spec, cpu, storage);
    struct tb_nn_bank *bank = tb_nn_bank_new(model, SLOTS);
    struct tb_nn_run *run = tb_nn_run_new(bank);
    assert_non_null(run);
    for (unsigned frame = 0; frame < FRAMES; frame++) {
        tb_guard_enter("network");
        decode(run, frame, spec);
        if (frame % 10 == 9)
            tb_nn_reset(bank, frame % SLOTS);
        tb_guard_exit();
    }
    tb_nn_run_free(run);
    tb_nn_bank_free(bank);
    tb_nn_model_free(model);
}

static void networks_do_nothing_forbidden(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEIGHTS; i++)
        weights[i] = (float)((double)(i * 2654435761U % 2000) / 1000.0 - 1.0) * 0.2F;
    int kernels = 0;
    for (int cpu = 0; cpu < TB_NN_N_CPUS; cpu++) {
        if (!tb_nn_cpu_has((enum tb_nn_cpu)cpu)) {
            printf("SKIPPED %s: not on this machine\n", tb_nn_cpu_name((enum tb_nn_cpu)cpu));
            continue;
        }
        kernels++;
        for (size_t s = 0; s < sizeof specs / sizeof specs[0]; s++)
            for (int storage = 0; storage < TB_NN_N_DTYPES; storage++)
                run_guarded(&specs[s], (enum tb_nn_cpu)cpu, (enum tb_nn_dtype)storage);
    }
    assert_true(kernels > 0 && tb_guard_regions() > 0);
}

int main(void)
{
    tb_guard_start();
    const struct CMUnitTest tests[] = {cmocka_unit_test(networks_do_nothing_forbidden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
