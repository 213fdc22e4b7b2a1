/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/routing.h"
#include "tests/golden/neural_fixture.h"
#include "tests/train/stream_engine.h"

#include "dsp/neural_controls.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* An envelope network as it is trained (GRU and one layer, outputs held within 0..1) under the FM
 * of training, against what the engine plays of its file. */

enum { FRAMES = 200, HOP = STREAM_HOP, SAMPLES = FRAMES * HOP, OPERATORS = 6, WIDTH = 8 };

static float f0[FRAMES], velocity[FRAMES], streamed[SAMPLES];

static struct tb_tensor tensor_of(const struct neural_model *m, const char *name, size_t rows,
                                  size_t cols)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->shapes[i].name, name) == 0)
            return tb_constant(m->values[i], rows, cols);
    fail_msg("no tensor %s", name);
    return (struct tb_tensor){0};
}

/* Levels of the operators two frames after they were asked for, in turns. */
static struct tb_tensor levels_of(struct tb_tape *tape, const struct neural_model *m)
{
    static float input[FRAMES * 2];
    for (size_t k = 0; k < FRAMES; k++) {
        const size_t at = stream_heard(k, true);
        input[2 * k] = tb_scale_pitch((enum tb_pitch_scale)m->meta.pitch_scaling,
                                      stream_at(f0, FRAMES, at), 0, 1);
        input[2 * k + 1] = stream_at(velocity, FRAMES, at);
    }
    const struct tb_gru_weights w = {tensor_of(m, "gru.weight_ih_l0", 3 * WIDTH, 2),
                                     tensor_of(m, "gru.weight_hh_l0", 3 * WIDTH, WIDTH),
                                     tensor_of(m, "gru.bias_ih_l0", 1, 3 * WIDTH),
                                     tensor_of(m, "gru.bias_hh_l0", 1, 3 * WIDTH)};
    const struct tb_tensor h = tb_op_gru(tape, tb_constant(input, FRAMES, 2), &w, 1);
    const struct tb_tensor out =
        tb_op_linear(tape, h, tensor_of(m, "proj_matrices.0.weight", OPERATORS, WIDTH),
                     tensor_of(m, "proj_matrices.0.bias", 1, OPERATORS));
    struct tb_tensor late = tb_tape_tensor(tape, FRAMES, OPERATORS, false);
    for (size_t i = 0; i < FRAMES * OPERATORS; i++) {
        const float x = out.value[i < 2 * OPERATORS ? i % OPERATORS : i - 2 * OPERATORS];
        late.value[i] = fminf(fmaxf(x, 0), 1) * (float)m->meta.fm_max_level;
    }
    return late;
}

static void envelopes_are_forward(void **state)
{
    (void)state;
    static struct neural_model m;
    struct tb_fm_routing routing;
    struct tb_error err = {0};
    for (size_t t = 0; t < FRAMES; t++) {
        f0[t] = 220;
        velocity[t] = 0.5F + 0.4F * sinf(0.07F * (float)t);
    }
    neural_model_init(&m, TB_MODEL_FM_ENVELOPE);
    m.meta.width = WIDTH;
    m.meta.sample_rate = STREAM_RATE_HZ;
    m.meta.hop = HOP;
    m.meta.fm_algorithm = 5;
    m.meta.fm_feedback = 4;
    m.meta.fm_max_level = 0.5;
    m.meta.fm_ratios = (struct tb_model_reals){OPERATORS, {1, 2, 1, 3, 1, 0.5}};
    neural_model_lay_out(&m);
    neural_model_random(&m, 3);
    neural_model_encode(&m);
    assert_int_equal(tb_fm_routing_read(&m.file->meta, NULL, &routing, &err), TB_OK);
    struct tb_tape *tape = tb_tape_new((size_t)1 << 28);
    assert_non_null(tape);
    const struct tb_grid grid = {1, FRAMES, HOP, STREAM_RATE_HZ, false};
    const struct tb_pitch pitch = tb_pitch_from_f0(tape, &grid, f0);
    const float *want = tb_op_fm(tape, &grid, &routing, levels_of(tape, &m), &pitch).value;
    assert_non_null(want);
    stream_engine(m.file, &(struct stream_curve){f0, velocity, FRAMES, false}, streamed);
    double worst = 0, peak = 0;
    for (size_t i = 0; i < SAMPLES - HOP; i++) { /* training holds the last frame */
        worst = fmax(worst, fabs((double)(streamed[i] - want[i])));
        peak = fmax(peak, fabs((double)want[i]));
    }
    print_message("fm_envelope %.2g of a peak of %.2f\n", worst / peak, peak);
    assert_true(peak > 0.1 && worst <= 1e-5 * peak);
    tb_tape_free(tape);
    neural_model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(envelopes_are_forward)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
