/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/measure.h"
#include "models/eval/play.h"
#include "models/train/network_file.h"
#include "models/train/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 250, HOP = 64, SAMPLES = FRAMES * HOP };
static float f0[FRAMES], loudness[FRAMES], pitch[FRAMES], scaled[FRAMES];
static float noise[SAMPLES], ours[3 * SAMPLES], again[3 * SAMPLES], theirs[SAMPLES];
static const struct tb_curve curve = {f0, loudness, FRAMES};

static int fill_curves(void **state)
{
    (void)state;
    for (int t = 0; t < FRAMES; t++) {
        f0[t] = (float)(220 * pow(2, sin(0.02 * t) / 240));
        loudness[t] = (float)(-40 + 20 * sin(0.03 * t));
        pitch[t] = (float)((69 + 12 * log2((double)f0[t] / 440)) / 127);
        scaled[t] = loudness[t] / 80 + 1;
    }
    return 0;
}

static struct tb_network *small_network(enum tb_family family, float noise_bias)
{
    struct tb_network_spec spec = tb_network_preset(family, true);
    struct tb_error err;
    spec.reverb = 4000;
    struct tb_network *n = tb_network_new(&spec, 7, &err);
    assert_non_null(n);
    struct tb_parameter *bias = tb_network_find(n, "p1.bias");
    for (size_t i = 0; bias && i < bias->cols; i++)
        bias->value[i] += noise_bias;
    return n;
}

static struct tb_model_file *file_of(const struct tb_network *network, void **data)
{
    struct tb_model_meta meta;
    struct tb_error err = {0};
    size_t size;
    tb_model_meta_init(&meta);
    (void)snprintf(meta.name, sizeof meta.name, "test");
    *data = tb_network_encode(network, &meta, TB_NN_F32, &size, &err);
    if (!*data)
        fail_msg("%s", err.text);
    struct tb_model_file *file = tb_model_file_parse(*data, size, &err);
    if (!file)
        fail_msg("%s", err.text);
    return file;
}

static void play(const struct tb_model_file *file, const struct tb_play_options *options,
                 float *audio)
{
    struct tb_error err = {0};
    struct tb_player *player = tb_player_new(file, options, &err);
    if (!player)
        fail_msg("%s", err.text);
    assert_true(tb_player_render(player, &curve, audio));
    tb_player_free(player);
}

/* The forward pass of training on the same curves. */
static void train_forward(const struct tb_network *network)
{
    struct tb_tape *tape = tb_tape_new((size_t)4 << 30);
    struct tb_random random;
    tb_random_seed(&random, 1);
    assert_non_null(tape);
    const struct tb_batch batch = {.grid = {1, FRAMES, HOP, 16000, false},
                                   .f0_hz = f0,
                                   .pitch = pitch,
                                   .loudness = scaled,
                                   .noise = noise,
                                   .audio = theirs};
    tb_tape_set_training(tape, false);
    const struct tb_pass pass = tb_network_forward(tape, network, &batch, NULL, &random);
    assert_non_null(pass.audio.value);
    memcpy(theirs, pass.audio.value, sizeof theirs);
    tb_tape_free(tape);
}

/* Power of what differs, in dB of what training gives. */
static double apart_db(void)
{
    double apart = 0, whole = 0;
    for (int i = 0; i < SAMPLES; i++) {
        const double d = (double)ours[i] - (double)theirs[i];
        apart += d * d;
        whole += (double)theirs[i] * (double)theirs[i];
    }
    return 10 * log10(apart / whole);
}

/* Networks without noise: training draws other numbers (tests/train/test_stream.c has the same). */
static void sounds_as_in_training(void **state)
{
    (void)state;
    for (enum tb_family family = TB_FAMILY_HPN; family <= TB_FAMILY_WAVETABLE; family++) {
        struct tb_network *network = small_network(family, -20);
        void *data;
        struct tb_model_file *file = file_of(network, &data);
        train_forward(network);
        play(file, &(struct tb_play_options){.cpu = TB_NN_CPU_BEST, .seed = 1}, ours);
        const double db = apart_db();
        if (!(db < -95))
            fail_msg("family %d: %.1f dB apart", (int)family, db);
        tb_model_file_free(file);
        tb_network_free(network);
        free(data);
    }
}

static void same_curves_same_samples(void **state)
{
    (void)state;
    struct tb_network *network = small_network(TB_FAMILY_HPN, 0);
    void *data;
    struct tb_model_file *file = file_of(network, &data);
    const struct tb_play_options options = {.cpu = TB_NN_CPU_BEST, .seed = 5};
    struct tb_error err;
    struct tb_player *player = tb_player_new(file, &options, &err);
    assert_non_null(player);
    assert_int_equal(tb_player_hop(player), HOP);
    assert_int_equal(tb_player_controls(player), 1 + 100 + 65);
    assert_true(tb_player_render(player, &curve, ours));
    assert_true(tb_player_render(player, &curve, again)); /* and the state is forgotten */
    assert_memory_equal(ours, again, SAMPLES * sizeof(float));
    tb_player_free(player);
    play(file, &(struct tb_play_options){.cpu = TB_NN_CPU_BEST, .seed = 6}, again);
    assert_memory_not_equal(ours, again, SAMPLES * sizeof(float));
    tb_model_file_free(file);
    tb_network_free(network);
    free(data);
}

/* At three times the rate: as loud. */
static void at_48_khz(void **state)
{
    (void)state;
    for (enum tb_family family = TB_FAMILY_HPN; family <= TB_FAMILY_WAVETABLE; family++) {
        struct tb_network *network = small_network(family, -20);
        void *data;
        struct tb_model_file *file = file_of(network, &data);
        struct tb_play_options options = {.cpu = TB_NN_CPU_BEST, .seed = 1, .dry = true};
        play(file, &options, theirs);
        options.rate_hz = 48000;
        play(file, &options, ours);
        assert_true(fabs(tb_measure_level_db(ours, 3 * SAMPLES) -
                         tb_measure_level_db(theirs, SAMPLES)) < 1.5);
        options.rate_hz = 44100;
        struct tb_error err;
        assert_null(tb_player_new(file, &options, &err));
        assert_true(err.status == TB_EINVAL && strstr(err.text, "rate"));
        tb_model_file_free(file);
        tb_network_free(network);
        free(data);
    }
}

static void controls_and_options(void **state)
{
    (void)state;
    static float controls[FRAMES * 166];
    struct tb_network *network = small_network(TB_FAMILY_HPN, -20);
    void *data;
    struct tb_model_file *file = file_of(network, &data);
    struct tb_play_options options = {.cpu = TB_NN_CPU_BEST, .seed = 1};
    struct tb_error err;
    struct tb_player *player = tb_player_new(file, &options, &err);
    assert_non_null(player);
    assert_true(tb_player_decode(player, &curve, controls));
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++)
        assert_true(controls[i] >= 0 && controls[i] <= 2.0001f);
    assert_true(tb_player_render(player, &(struct tb_curve){f0, loudness, 0}, ours));
    tb_player_free(player);
    play(file, &options, ours);
    options.dry = true;
    play(file, &options, again);
    assert_memory_not_equal(ours, again, SAMPLES * sizeof(float));
    options.held = true; /* steps at frames: rougher */
    play(file, &options, theirs);
    assert_memory_not_equal(theirs, again, SAMPLES * sizeof(float));
    tb_model_file_free(file);
    tb_network_free(network);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sounds_as_in_training),
        cmocka_unit_test(same_curves_same_samples),
        cmocka_unit_test(at_48_khz),
        cmocka_unit_test(controls_and_options),
    };
    return cmocka_run_group_tests(tests, fill_curves, NULL);
}
