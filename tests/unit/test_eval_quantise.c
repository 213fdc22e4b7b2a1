/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/quantise.h"
#include "models/train/network_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 500 };
static float f0[FRAMES], loudness[FRAMES];
static const struct tb_curve curve = {f0, loudness, FRAMES};
static const struct tb_curves curves = {&curve, 1};

static void open_network(const struct tb_network *network, struct tb_model *model)
{
    struct tb_model_meta meta;
    struct tb_error err = {0};
    size_t size;
    tb_model_meta_init(&meta);
    (void)snprintf(meta.name, sizeof meta.name, "test");
    (void)snprintf(meta.uuid, sizeof meta.uuid, "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    void *data = tb_network_encode(network, &meta, TB_NN_F32, &size, &err);
    if (!data || !tb_model_take(data, size, model, &err)) {
        fail_msg("%s", err.text);
        return;
    }
    tb_phrase(&model->file->meta, 3, FRAMES, f0, loudness);
}

static void open_small(enum tb_family family, struct tb_model *model)
{
    struct tb_network_spec spec = tb_network_preset(family, true);
    struct tb_error err;
    spec.reverb = 2000;
    struct tb_network *network = tb_network_new(&spec, 7, &err);
    assert_non_null(network);
    open_network(network, model);
    tb_network_free(network);
}

static void phrases(void **state)
{
    (void)state;
    struct tb_model_meta meta;
    tb_model_meta_init(&meta);
    meta.sample_rate = 16000;
    meta.hop = 64;
    meta.pitch_low_hz = 200;
    meta.pitch_high_hz = 800;
    meta.loudness_high_db = -10;
    meta.loudness_low_db = -50;
    size_t silent = 0;
    tb_phrase(&meta, 1, FRAMES, f0, loudness);
    for (int t = 0; t < FRAMES; t++) {
        assert_true(f0[t] > 190 && f0[t] < 850);
        assert_true(loudness[t] >= -80 && loudness[t] <= -10);
        silent += loudness[t] == -80;
    }
    assert_true(silent > 0 && silent < FRAMES / 2);
    static float again[FRAMES], other[FRAMES];
    tb_phrase(&meta, 1, FRAMES, again, other);
    assert_memory_equal(again, f0, sizeof f0);
    tb_phrase(&meta, 2, FRAMES, again, other);
    assert_memory_not_equal(again, f0, sizeof f0);
}

/* Errors are those of numbers: 11 bits, 8 bits, 127 steps. */
static void every_type(void **state)
{
    (void)state;
    static const struct {
        enum tb_nn_dtype to;
        double error, mss, size;
    } cases[] = {
        {TB_NN_F16, 2e-3, 0.3, 0.75}, {TB_NN_BF16, 1e-2, 0.6, 0.75}, {TB_NN_I8, 4e-2, 1.5, 0.75}};
    for (enum tb_family family = TB_FAMILY_HPN; family <= TB_FAMILY_WAVETABLE; family++)
        for (size_t i = 0; i < 3; i++) {
            struct tb_model model = {0}, smaller = {0};
            struct tb_quantise_report r;
            struct tb_error err = {0};
            open_small(family, &model);
            if (tb_quantise(&model, &(struct tb_quantise_wish){.to = cases[i].to}, &curves,
                            &smaller, &r, &err) != TB_OK)
                fail_msg("%s", err.text);
            if (!(r.control_error > 0 && r.control_error < cases[i].error && r.mss < cases[i].mss &&
                  fabs(r.level_db) < 0.5))
                fail_msg("family %d, %s: error %g, loss %g, level %g dB", (int)family,
                         tb_model_dtype_name(cases[i].to), r.control_error, r.mss, r.level_db);
            assert_true(cases[i].to != TB_NN_I8 || r.mss <= TB_QUANTISE_LOSS || r.halves > 0);
            assert_true(r.halves == 0 || (r.fine && r.coarse_mss > TB_QUANTISE_LOSS));
            assert_int_equal(r.bytes_before, model.size);
            assert_int_equal(r.bytes_after, smaller.size);
            assert_true((double)smaller.size < cases[i].size * (double)model.size);
            assert_string_equal(smaller.file->meta.uuid, "");
            assert_string_equal(smaller.file->meta.name, "test");
            tb_model_close(&model);
            tb_model_close(&smaller);
        }
}

/* An outlier nobody needs takes the steps of its whole row; calibration may clip it. */
static void calibration_helps(void **state)
{
    (void)state;
    struct tb_network_spec spec = tb_network_preset(TB_FAMILY_HPN, true);
    struct tb_error err;
    struct tb_network *network = tb_network_new(&spec, 7, &err);
    assert_non_null(network);
    struct tb_parameter *w = tb_network_find(network, "p1.weight");
    assert_non_null(w);
    for (size_t r = 0; r < w->rows; r++)
        w->value[r * w->cols] *= 1.5f;
    struct tb_model model = {0}, smaller = {0};
    struct tb_quantise_report r;
    open_network(network, &model);
    assert_int_equal(tb_quantise(&model, &(struct tb_quantise_wish){.to = TB_NN_I8}, &curves,
                                 &smaller, &r, &err),
                     TB_OK);
    assert_true(r.clipped > 0);
    tb_model_close(&smaller);
    tb_model_close(&model);
    tb_network_free(network);
}

/* A second time changes nothing more. */
static void twice(void **state)
{
    (void)state;
    struct tb_model model, once, again;
    struct tb_quantise_report r;
    struct tb_error err;
    open_small(TB_FAMILY_DDX7, &model);
    assert_int_equal(
        tb_quantise(&model, &(struct tb_quantise_wish){.to = TB_NN_F16}, &curves, &once, &r, &err),
        TB_OK);
    assert_int_equal(
        tb_quantise(&once, &(struct tb_quantise_wish){.to = TB_NN_F16}, &curves, &again, &r, &err),
        TB_OK);
    assert_int_equal(once.size, again.size);
    assert_memory_equal(once.data, again.data, once.size);
    assert_true(r.control_error == 0);
    tb_model_close(&again);
    tb_model_close(&once);
    tb_model_close(&model);
}

static void refusals(void **state)
{
    (void)state;
    struct tb_network_spec spec = tb_network_preset(TB_FAMILY_HPN, true);
    struct tb_error err;
    struct tb_model model = {0}, smaller = {0};
    struct tb_quantise_report r;
    struct tb_network *network = tb_network_new(&spec, 7, &err);
    assert_non_null(network);
    tb_network_find(network, "p0.weight")->value[3] = 1e6f;
    open_network(network, &model);
    assert_int_equal(tb_quantise(&model, &(struct tb_quantise_wish){.to = TB_NN_F16}, &curves,
                                 &smaller, &r, &err),
                     TB_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "proj_matrices.0.weight"));
    assert_null(smaller.file);
    assert_int_equal(tb_quantise(&model, &(struct tb_quantise_wish){.to = TB_NN_F32}, &curves,
                                 &smaller, &r, &err),
                     TB_EINVAL);
    tb_model_close(&model);
    tb_network_free(network);
    assert_false(tb_model_open("/nonexistent/model", &model, &err));
    assert_int_equal(err.status, TB_ENOTFOUND);
    void *short_file = calloc(1, 7);
    assert_non_null(short_file);
    assert_false(tb_model_take(short_file, 7, &model, &err));
    assert_int_equal(err.status, TB_ECORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phrases),           cmocka_unit_test(every_type),
        cmocka_unit_test(calibration_helps), cmocka_unit_test(twice),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
