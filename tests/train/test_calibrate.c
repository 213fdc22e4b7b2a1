/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/calibrate.h"
#include "models/train/file.h"
#include "tests/golden/neural_fixture.h"
#include "tests/train/tones.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A model that follows loudness, but bent: its offsets straighten it. */

static char folder[] = "/tmp/tb-calibrate-XXXXXX";
static struct tb_dataset *data;
static struct neural_model known;
static void *bytes; /* of the model, its metadata made fit */
static size_t size;
static struct tb_model_file *file;

static void describe(struct tb_model_meta *m)
{
    m->loudness_kind = TB_LOUDNESS_RMS;
    m->loudness_n_fft = 512;
    m->loudness_reference_db = 0;
    m->pitch_low_hz = 200;
    m->pitch_high_hz = 400;
    m->loudness_low_db = -40;
    m->loudness_high_db = -6;
    (void)snprintf(m->analysis, sizeof m->analysis, "causal 1, ahead 4");
}

static int make(void **state)
{
    (void)state;
    struct tb_error err = {0};
    if (!mkdtemp(folder) || !tb_tones_write(folder, 4, 1, 1))
        return -1;
    data = tb_dataset_open(folder, &err);
    neural_model_plain(&known, TB_MODEL_HPN, 14); /* 38 dB where 34 are asked for, some too loud */
    struct tb_model_meta meta = known.file->meta;
    describe(&meta);
    bytes = tb_model_file_with(known.data, known.size, &meta, &size, &err);
    file = bytes ? tb_model_file_parse(bytes, size, &err) : NULL;
    return data && file ? 0 : -1;
}

static int clear(void **state)
{
    (void)state;
    char command[64];
    tb_dataset_free(data);
    tb_model_file_free(file);
    free(bytes);
    neural_model_free(&known);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command); /* NOLINT(cert-env33-c): the folder is this test's */
}

static struct tb_calibrate_options options(void)
{
    return (struct tb_calibrate_options){data, 3, TB_CALIBRATE_ROUNDS, NULL};
}

static void errors_are_taken_out(void **state)
{
    (void)state;
    struct tb_error err = {0};
    struct tb_calibrate_report r;
    struct tb_model_meta meta;
    const struct tb_calibrate_options o = options();
    assert_int_equal(tb_calibrate(file, &o, &meta, &r, &err), TB_OK);
    print_message("%.2f dB, corrected %.2f dB in %u rounds\n", r.before_db, r.after_db, r.rounds);
    assert_true(r.worth && r.n_clips == 3 && r.before_db > 2);
    assert_true(r.after_db < 0.5 * r.before_db);
    const struct tb_model_grid *g = &meta.loudness_offsets;
    assert_int_equal(g->n_rows, 3); /* an octave, and half an octave each */
    assert_int_equal(g->n_columns, 17);
    for (unsigned p = 0; p < g->n_rows; p++) {
        assert_true(g->value[p][0] == 0);
        for (unsigned l = 1; l < g->n_columns; l++) {
            assert_true(fabsf(g->value[p][l]) <= 10);
            assert_true(g->value[p][l] - g->value[p][l - 1] > -3.1F);
        }
    }
}

/* What a file says is what is measured on it, and offsets that are there do not count. */
static void files_are_corrected(void **state)
{
    (void)state;
    char path[64];
    struct tb_error err = {0};
    struct tb_calibrate_report first, again;
    struct tb_model model;
    const struct tb_calibrate_options o = options();
    (void)snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_int_equal(tb_file_write(path, bytes, size, &err), TB_OK);
    assert_int_equal(tb_calibrate_file(path, &o, &first, &err), TB_OK);
    assert_true(tb_model_open(path, &model, &err));
    const struct tb_model_grid made = model.file->meta.loudness_offsets;
    tb_model_close(&model);
    assert_int_equal(made.n_rows, 3);
    assert_int_equal(tb_calibrate_file(path, &o, &again, &err), TB_OK);
    assert_true(again.before_db == first.before_db && again.after_db == first.after_db);
    assert_true(tb_model_open(path, &model, &err));
    assert_memory_equal(&model.file->meta.loudness_offsets, &made, sizeof made);
    tb_model_close(&model);
    assert_int_equal(tb_calibrate_file("/nowhere", &o, &again, &err), TB_ENOTFOUND);
}

static void a_stop_changes_nothing(void **state)
{
    (void)state;
    char path[64];
    struct tb_error err = {0};
    struct tb_calibrate_report r;
    static const atomic_int stop = 1;
    struct tb_calibrate_options o = options();
    o.stop = &stop;
    (void)snprintf(path, sizeof path, "%s/stopped.safetensors", folder);
    assert_int_equal(tb_file_write(path, bytes, size, &err), TB_OK);
    assert_int_equal(tb_calibrate_file(path, &o, &r, &err), TB_OK);
    assert_true(r.stopped && !r.worth);
    void *now;
    size_t now_size;
    assert_int_equal(tb_file_read(path, 1 << 20, &now, &now_size, &err), TB_OK);
    assert_int_equal(now_size, size);
    assert_memory_equal(now, bytes, size);
    free(now);
}

static void velocities_are_refused(void **state)
{
    (void)state;
    struct tb_error err = {0};
    struct tb_calibrate_report r;
    struct tb_model_meta meta = file->meta;
    size_t n;
    const struct tb_calibrate_options o = options();
    meta.loudness_kind = TB_LOUDNESS_VELOCITY;
    void *other = tb_model_file_with(bytes, size, &meta, &n, &err);
    assert_non_null(other);
    struct tb_model_file *velocity = tb_model_file_parse(other, n, &err);
    assert_int_equal(tb_calibrate(velocity, &o, &meta, &r, &err), TB_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "loudness_kind"));
    tb_model_file_free(velocity);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_taken_out),
        cmocka_unit_test(files_are_corrected),
        cmocka_unit_test(a_stop_changes_nothing),
        cmocka_unit_test(velocities_are_refused),
    };
    return cmocka_run_group_tests(tests, make, clear);
}
