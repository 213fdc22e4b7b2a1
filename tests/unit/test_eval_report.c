/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/png.h"
#include "models/eval/report.h"
#include "models/train/network_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 1000, HOP = 64, SAMPLES = FRAMES * HOP };
static float f0[FRAMES], loudness[FRAMES], sound[SAMPLES], ours[SAMPLES];
static const struct tb_asked asked = {f0, loudness, NULL, FRAMES, 0, 0};

static void open_small(enum tb_family family, int hop, struct tb_model *model)
{
    struct tb_network_spec spec = tb_network_preset(family, true);
    struct tb_model_meta meta;
    struct tb_error err = {0};
    size_t size;
    spec.reverb = 0;
    spec.hop = (size_t)hop;
    struct tb_network *network = tb_network_new(&spec, 7, &err);
    assert_non_null(network);
    tb_model_meta_init(&meta);
    (void)snprintf(meta.name, sizeof meta.name, "<b>\"Test\" & co");
    meta.loudness_kind = TB_LOUDNESS_MAGENTA_V2;
    meta.loudness_n_fft = 512;
    meta.loudness_reference_db = 0;
    meta.pitch_low_hz = 200;
    meta.pitch_high_hz = 800;
    void *data = tb_network_encode(network, &meta, TB_NN_F32, &size, &err);
    if (!data || !tb_model_take(data, size, model, &err)) {
        fail_msg("%s", err.text);
        return;
    }
    tb_phrase(&model->file->meta, 3, FRAMES, f0, loudness);
    tb_network_free(network);
}

static void evaluate(const struct tb_model *model, const float *reference,
                     struct tb_eval_result *result)
{
    static struct tb_evaluation e;
    struct tb_error err;
    const struct tb_play_options options = {.cpu = TB_NN_CPU_BEST, .seed = 1};
    assert_true(tb_evaluation_begin(&e, model->file, &options, &err));
    for (int i = 0; i < 2; i++)
        assert_int_equal(tb_evaluation_add(&e, &asked, reference, ours, &err), TB_OK);
    assert_int_equal(tb_evaluation_end(&e, result, &err), TB_OK);
    tb_evaluation_clear(&e);
}

static void render(const struct tb_model *model)
{
    struct tb_error err;
    const struct tb_play_options options = {.cpu = TB_NN_CPU_BEST, .seed = 1};
    struct tb_player *player = tb_player_new(model->file, &options, &err);
    assert_non_null(player);
    assert_true(tb_player_render(player, &(struct tb_curve){f0, loudness, FRAMES}, sound));
    tb_player_free(player);
}

static void a_model_against_itself(void **state)
{
    (void)state;
    struct tb_model model = {0};
    struct tb_eval_result r;
    open_small(TB_FAMILY_HPN, HOP, &model);
    render(&model);
    evaluate(&model, sound, &r);
    assert_int_equal(r.n_clips, 2);
    assert_true(fabs(r.minutes - 8.0 / 60) < 1e-9);
    assert_true(r.loss < 1e-4 && r.loss_levelled < 1e-4 && r.frechet < 1e-6);
    assert_true(r.envelope_db < 1e-6 && r.clicks.n == r.reference_clicks.n);
    assert_true(r.follow.loudness_db == r.reference.loudness_db);
    assert_true(r.us_per_frame > 0 && r.us_per_frame_of_8 > 0 && r.share > 0 && r.share < 1);
    /* an untrained network knows nothing of loudness: it drones */
    assert_true(r.probe.silence_db > -60);
    for (int i = 0; i < SAMPLES; i++)
        sound[i] = (float)(0.2 * sin(0.1 * i));
    evaluate(&model, sound, &r);
    assert_true(r.loss > 1 && r.frechet > 1 && r.envelope_db > 1);
    tb_model_close(&model);
}

/* Loudness of a model made by hand: its first control is all that its second input is. */
static void a_model_that_follows(void **state)
{
    (void)state;
    struct tb_network_spec spec = tb_network_preset(TB_FAMILY_DDX7, true);
    struct tb_error err = {0};
    struct tb_model_meta meta;
    struct tb_model model = {0};
    struct tb_eval_result r;
    size_t size;
    spec.hidden = 2;
    spec.blocks = 1;
    spec.reverb = 0;
    spec.max_level = 1;
    spec.routing.scale = 1;
    struct tb_network *network = tb_network_new(&spec, 7, &err);
    assert_non_null(network);
    for (size_t i = 0; i < network->n_parameters; i++)
        memset(network->parameters[i].value, 0,
               network->parameters[i].rows * network->parameters[i].cols * sizeof(float));
    struct tb_parameter *bias = tb_network_find(network, "b.0.c2.bias");
    struct tb_parameter *straight = tb_network_find(network, "b.0.res.weight");
    assert_true(bias && straight);
    for (size_t o = 0; o < bias->cols; o++)
        bias->value[o] = -40; /* the modulators are silent */
    bias->value[0] = -9;
    straight->value[1] = 9; /* of loudness to operator 1 */
    tb_model_meta_init(&meta);
    (void)snprintf(meta.name, sizeof meta.name, "ramp");
    meta.loudness_kind = TB_LOUDNESS_RMS;
    meta.loudness_n_fft = 512;
    void *data = tb_network_encode(network, &meta, TB_NN_F32, &size, &err);
    if (!data || !tb_model_take(data, size, &model, &err)) {
        fail_msg("%s", err.text);
        return;
    }
    tb_phrase(&model.file->meta, 3, FRAMES, f0, loudness);
    evaluate(&model, sound, &r);
    assert_true(r.probe.correlation > 0.98 && r.probe.silence_db < -70);
    assert_true(r.follow.correlation > 0.9 && r.follow.cents_median < 5);
    assert_true(fabs(r.probe.brightness) < 0.05); /* a sine is as bright as ever */
    tb_model_close(&model);
    tb_network_free(network);
}

static void what_cannot_be_evaluated(void **state)
{
    (void)state;
    static struct tb_evaluation e;
    struct tb_error err;
    struct tb_model model = {0};
    const struct tb_play_options options = {.cpu = TB_NN_CPU_BEST, .seed = 1};
    open_small(TB_FAMILY_DDX7, 128, &model);
    assert_false(tb_evaluation_begin(&e, model.file, &options, &err));
    assert_true(err.status == TB_EUNSUPPORTED && strstr(err.text, "hop"));
    tb_model_close(&model);
}

static void pictures(void **state)
{
    (void)state;
    static const uint8_t palette[256][3] = {{1, 2, 3}};
    static const uint8_t pixels[6] = {0, 1, 2, 3, 4, 5};
    size_t size;
    unsigned char *png = tb_png(pixels, 3, 2, palette, &size);
    assert_non_null(png);
    assert_memory_equal(png + 1, "PNG", 3);
    assert_memory_equal(png + 16, "\0\0\0\3\0\0\0\2\10\3", 10);
    assert_memory_equal(png + size - 12, "\0\0\0\0IEND\xae\x42\x60\x82", 12); /* known checksum */
    free(png);
    assert_null(tb_png(pixels, 0, 2, palette, &size));
    assert_null(tb_png(pixels, 3, 8193, palette, &size));
    static const float x[3] = {0, 2, -1};
    unsigned char *wav = tb_wav16(x, 3, 16000, &size);
    assert_int_equal(size, 50);
    assert_memory_equal(wav + 44, "\0\0\xff\x7f\x01\x80", 6);
    free(wav);
    static const char *const words[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < 5; i++) {
        char *text = tb_base64(words[i][0], strlen(words[i][0]));
        assert_string_equal(text, words[i][1]); /* RFC 4648 */
        free(text);
    }
}

static void page(void **state)
{
    (void)state;
    struct tb_model model = {0};
    struct tb_eval_result r;
    char *text = NULL;
    size_t size = 0;
    open_small(TB_FAMILY_HPN, HOP, &model);
    render(&model);
    evaluate(&model, sound, &r);
    r.frechet = (double)NAN;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    const struct tb_eval_page p = {"a<b.safetensors", "that & this", model.file, &r};
    tb_report_begin(out, &p);
    assert_true(tb_report_clip(out, "Clip 1", sound, ours, SAMPLES));
    tb_report_end(out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "&lt;b>&quot;Test&quot; &amp; co"));
    assert_non_null(strstr(text, "a&lt;b.safetensors"));
    assert_null(strstr(text, ">nan")); /* three letters alone are in any sound's base64 */
    assert_null(strstr(text, ">-nan"));
    const char *first = strstr(text, "data:image/png;base64,iVBOR");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "data:image/png;base64,iVBOR"));
    assert_non_null(strstr(text, "data:audio/wav;base64,UklGR"));
    assert_null(strstr(text, "http")); /* nothing from elsewhere */
    for (const struct tb_eval_row *row = tb_eval_rows; row->key; row++)
        assert_non_null(strstr(text, row->name));
    free(text);
    tb_model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_against_itself),
        cmocka_unit_test(a_model_that_follows),
        cmocka_unit_test(what_cannot_be_evaluated),
        cmocka_unit_test(pictures),
        cmocka_unit_test(page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
