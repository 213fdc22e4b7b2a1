/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/params.h"
#include "models/train/fm_env.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 400, OPERATORS = 6 };
static float input[FRAMES * 2], levels[FRAMES * OPERATORS];

/* Operator 2 on 1, the second decays; everything else silent. */
static void pluck(float *values)
{
    enum { STRIDE = TB_P_FM_OP2_ON - TB_P_FM_OP1_ON };
    tb_params_default(values);
    values[TB_P_FM_ALGORITHM] = 5;
    for (unsigned op = 0; op < OPERATORS; op++)
        values[op * STRIDE + TB_P_FM_OP1_LEVEL] = op < 2 ? 95 : 0;
    for (unsigned op = 0; op < 2; op++) {
        const unsigned base = op * STRIDE;
        const float rates[4] = {80, 40, 25, 55}, ends[4] = {99, 70, 0, 0};
        for (unsigned i = 0; i < 4; i++) {
            values[base + TB_P_FM_OP1_R1 + i] = rates[i];
            values[base + TB_P_FM_OP1_R1 + 4 + i] = ends[i];
        }
        values[base + TB_P_FM_OP1_VELOCITY] = 5;
    }
}

static struct tb_fm_env_voice *voice_of(const float *values)
{
    struct tb_error err = {0};
    struct tb_fm_env_voice *v = tb_fm_env_voice_new(values, &err);
    if (!v)
        fail_msg("%s", err.text);
    return v;
}

static void notes_are_what_the_dx7_does(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    pluck(values);
    struct tb_fm_env_voice *v = voice_of(values);
    const struct tb_fm_env_note hard = {60, 120, 0.8F}, soft = {60, 20, 0.8F};
    tb_fm_env_render(v, &soft, 250, FRAMES, input, levels);
    const float softest = levels[20 * OPERATORS];
    tb_fm_env_render(v, &hard, 250, FRAMES, input, levels);
    assert_true(levels[20 * OPERATORS] > 2 * softest); /* velocity opens it */
    assert_true(levels[20 * OPERATORS] > levels[150 * OPERATORS]);
    assert_true(levels[FRAMES * OPERATORS - 6] < 1e-3F); /* released */
    for (size_t t = 0; t < FRAMES; t++) {
        for (unsigned op = 0; op < OPERATORS; op++) {
            const float level = levels[t * OPERATORS + op];
            assert_true(level >= 0 && level <= tb_fm_env_most(v));
            assert_true(op < 2 || level < 0.01F);
        }
        assert_true(input[2 * t] == 60.0F / 127);
    }
    assert_true(input[2 * 199 + 1] == 120.0F / 127 && input[2 * 231 + 1] < 70.0F / 127);
    assert_true(input[2 * 263 + 1] == 0);
    tb_fm_env_voice_free(v);
}

static void what_no_file_can_say_is_refused(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    struct tb_error err = {0};
    pluck(values);
    values[TB_P_FM_OP2_MODE] = 1;
    assert_null(tb_fm_env_voice_new(values, &err));
    assert_int_equal(err.status, TB_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "fm.op2.mode"));
}

static void a_small_network_learns_it(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    struct tb_error err = {0};
    struct tb_fm_env_options o;
    struct tb_model_meta meta;
    double before, after;
    size_t size;
    pluck(values);
    struct tb_fm_env_voice *v = voice_of(values);
    tb_fm_env_defaults(&o);
    o.width = 24;
    o.batch = 8;
    o.frames = 250;
    o.steps = 500;
    o.minutes = 0;
    o.rate = 0.01;
    struct tb_fm_env *env = tb_fm_env_new(v, &o, &err);
    if (!env)
        fail_msg("%s", err.text);
    assert_int_equal(tb_fm_env_test(env, &before, &err), TB_OK);
    assert_int_equal(tb_fm_env_go(env, NULL, NULL, NULL, &err), TB_OK);
    assert_int_equal(tb_fm_env_steps(env), 500);
    assert_int_equal(tb_fm_env_test(env, &after, &err), TB_OK);
    print_message("L1 %.4f to %.4f\n", before, after);
    assert_true(after < 0.3 * before && after < 0.02);
    tb_model_meta_init(&meta);
    (void)snprintf(meta.name, sizeof meta.name, "Pluck");
    void *data = tb_fm_env_encode(env, &meta, TB_NN_F16, &size, &err);
    struct tb_model_file *file = data ? tb_model_file_parse(data, size, &err) : NULL;
    if (!file) {
        fail_msg("%s", err.text);
        return;
    }
    assert_int_equal(file->meta.family, TB_MODEL_FM_ENVELOPE);
    assert_int_equal(file->meta.fm_algorithm, 5);
    assert_int_equal(file->meta.loudness_kind, TB_LOUDNESS_VELOCITY);
    assert_int_equal(file->meta.width, 24);
    tb_model_file_free(file);
    free(data);
    tb_fm_env_free(env);
    tb_fm_env_voice_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_are_what_the_dx7_does),
        cmocka_unit_test(what_no_file_can_say_is_refused),
        cmocka_unit_test(a_small_network_learns_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
