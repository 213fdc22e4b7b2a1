/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/play.h"
#include "models/train/network_file.h"
#include "models/train/random.h"
#include "models/train/routing.h"
#include "tests/train/stream_engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What is trained is what plays: a network's own forward pass against its model file, streamed
 * frame by frame through the decoder and the synthesisers of the engine. */

enum { FRAMES = 300, HOP = 64, SAMPLES = FRAMES * HOP, MAX_CONTROLS = 256 };

static float f0[FRAMES], pitch[FRAMES], loudness_db[FRAMES], loudness[FRAMES];
static float noise[SAMPLES + 16], audio[SAMPLES], streamed[SAMPLES],
    controls[FRAMES * MAX_CONTROLS];

static int curves(void **state)
{
    (void)state;
    for (size_t i = 0; i < FRAMES; i++) {
        double t = (double)i / FRAMES;
        f0[i] = (float)(i < 150 ? 196 : 311) + 4 * (float)sin(40 * t);
        pitch[i] = (float)((69 + 12 * log2((double)f0[i] / 440)) / 127);
        loudness_db[i] = (float)(-40 + 30 * sin(9 * t));
        loudness[i] = loudness_db[i] / 80 + 1;
    }
    stream_noise(noise, SAMPLES); /* the player's too, for seed 1 */
    return 0;
}

static struct tb_network *network_of(struct tb_network_spec spec, uint64_t seed)
{
    struct tb_error err = {0};
    struct tb_network *n = tb_network_new(&spec, seed, &err);
    if (!n)
        fail_msg("%s", err.text);
    for (size_t i = 0; n && i < n->n_values; i++) /* away from what is still neutral */
        n->memory[i] *= 1.4F;
    struct tb_parameter *wet = n ? tb_network_find(n, "reverb.wet") : NULL;
    if (wet)
        wet->value[0] = -3;
    return n;
}

static struct tb_pass forward(struct tb_tape *tape, const struct tb_network *n)
{
    const struct tb_batch batch = {.grid = {1, FRAMES, HOP, 16000, false},
                                   .f0_hz = f0,
                                   .pitch = pitch,
                                   .loudness = loudness,
                                   .noise = noise,
                                   .audio = audio};
    struct tb_random random;
    tb_random_seed(&random, 1);
    tb_tape_reset(tape);
    tb_tape_set_training(tape, false);
    return tb_network_forward(tape, n, &batch, NULL, &random);
}

static struct tb_model_file *written(const struct tb_network *n, enum tb_nn_dtype storage,
                                     void **data)
{
    struct tb_model_meta meta;
    struct tb_error err = {0};
    size_t size;
    tb_model_meta_init(&meta);
    (void)snprintf(meta.name, sizeof meta.name, "test");
    *data = tb_network_encode(n, &meta, storage, &size, &err);
    struct tb_model_file *file = *data ? tb_model_file_parse(*data, size, &err) : NULL;
    if (!file)
        fail_msg("%s", err.text);
    return file;
}

static double worst_control(const struct tb_pass *pass, size_t cols)
{
    double worst = 0;
    for (size_t t = 0; t < FRAMES; t++) {
        const float *got = controls + t * cols;
        for (size_t c = 0; c < pass->n_controls; c++) {
            const struct tb_tensor *want = &pass->control[c];
            for (size_t k = 0; k < want->cols; k++)
                worst = fmax(worst, fabs((double)(*got++ - want->value[t * want->cols + k])));
        }
    }
    return worst;
}

/* The largest difference of n samples against the loudest one. */
static double difference(const float *want, size_t n)
{
    double peak = 1e-30, worst = 0;
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)(streamed[i] - want[i])));
        peak = fmax(peak, fabs((double)want[i]));
    }
    return worst / peak;
}

/* Power of the difference against that of the sound, in dB. */
static double difference_db(const float *want)
{
    double sound = 1e-30, wrong = 1e-30;
    for (size_t i = 0; i < SAMPLES; i++) {
        double d = (double)(streamed[i] - want[i]);
        sound += (double)(want[i] * want[i]);
        wrong += d * d;
    }
    return 10 * log10(wrong / sound);
}

static const struct subject {
    const char *name;
    enum tb_family family;
    enum tb_residual inner;
    double feedback;
    size_t hidden, blocks;
} subjects[] = {
    {"hpn", TB_FAMILY_HPN, TB_RESIDUAL_DEFAULT, 0, 16, 0},
    {"wavetable", TB_FAMILY_WAVETABLE, TB_RESIDUAL_DEFAULT, 0, 16, 0},
    {"ddx7", TB_FAMILY_DDX7, TB_RESIDUAL_DEFAULT, 0, 64, 3},
    {"ddx7, feedback", TB_FAMILY_DDX7, TB_RESIDUAL_DEFAULT, 5, 32, 3},
    {"ddx7, no inner residual", TB_FAMILY_DDX7, TB_RESIDUAL_NONE, 0, 32, 4},
    {"ddx7, convolutions", TB_FAMILY_DDX7, TB_RESIDUAL_CONV, 0, 32, 4},
};

static struct tb_network *subject_network(const struct subject *s)
{
    struct tb_error err = {0};
    struct tb_network_spec spec = tb_network_preset(s->family, true);
    spec.hidden = s->hidden;
    spec.reverb = 2000;
    if (s->family == TB_FAMILY_DDX7) {
        const struct tb_fm_voice_preset *voice = tb_fm_voice_preset_find("trumpet");
        struct tb_fm_choice c = {
            .algorithm = voice->algorithm, .feedback = s->feedback, .max_level = 0.5};
        memcpy(c.ratio, voice->ratio, sizeof c.ratio);
        assert_int_equal(tb_fm_routing_make(&c, &spec.routing, &err), TB_OK);
        spec.max_level = 0.5F;
        spec.blocks = s->blocks;
        for (size_t b = 1; b + 1 < s->blocks; b++)
            spec.residual[b] = s->inner;
    }
    return network_of(spec, 7);
}

static void streaming_is_forward(void **state)
{
    (void)state;
    struct tb_tape *tape = tb_tape_new((size_t)1 << 30);
    assert_non_null(tape);
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        const struct subject *s = &subjects[i];
        struct tb_error err = {0};
        void *data;
        struct tb_network *n = subject_network(s);
        struct tb_pass pass = forward(tape, n);
        struct tb_model_file *file = written(n, TB_NN_F32, &data);
        struct tb_player *player =
            tb_player_new(file, &(struct tb_play_options){.cpu = TB_NN_CPU_BEST, .seed = 1}, &err);
        if (!player)
            fail_msg("%s", err.text);
        const struct tb_curve curve = {f0, loudness_db, FRAMES};
        assert_true(tb_player_controls(player) <= MAX_CONTROLS);
        assert_true(tb_player_decode(player, &curve, controls));
        double worst = worst_control(&pass, tb_player_controls(player));
        assert_true(tb_player_render(player, &curve, streamed));
        double off = difference(pass.audio.value, SAMPLES);
        print_message("%-24s controls %.2g, sound %.2g of its peak, %.1f dB\n", s->name, worst, off,
                      difference_db(pass.audio.value));
        assert_true(worst <= 1e-5 && off <= 1e-5);
        tb_player_free(player);
        tb_model_file_free(file);
        free(data);
        tb_network_free(n);
    }
    tb_tape_free(tape);
}

/* The controls of two frames ago. */
static struct tb_pass delayed(struct tb_tape *tape, const struct tb_pass *pass)
{
    struct tb_pass late = {.n_controls = pass->n_controls};
    for (size_t c = 0; c < pass->n_controls; c++) {
        const struct tb_tensor *from = &pass->control[c];
        late.control[c] = tb_tape_tensor(tape, from->rows, from->cols, false);
        for (size_t t = 0; t < FRAMES; t++)
            memcpy(late.control[c].value + t * from->cols,
                   from->value + (t < 2 ? 0 : t - 2) * from->cols, from->cols * sizeof(tb_real));
    }
    return late;
}

static struct tb_network *engine_network(const struct subject *s, size_t harmonics)
{
    struct tb_network *plain = subject_network(s);
    struct tb_network_spec spec = plain->spec;
    tb_network_free(plain);
    spec.rate_hz = STREAM_RATE_HZ;
    spec.harmonics = harmonics;
    return network_of(spec, 7);
}

/* What training plays of what the engine's decoder hears, as late as the engine has it. */
static const float *sound_of(struct tb_tape *tape, const struct tb_network *n,
                             const struct stream_curve *c)
{
    static float heard_pitch[FRAMES], heard_loudness[FRAMES], share_hz[FRAMES];
    const bool fm = n->spec.family == TB_FAMILY_DDX7;
    for (size_t k = 0; k < FRAMES; k++) {
        const double hz = (double)stream_at(c->f0_hz, FRAMES, stream_heard(k, fm));
        heard_pitch[k] = (float)((69 + 12 * log2(hz / 440)) / 127);
        heard_loudness[k] = stream_at(c->loudness_db, FRAMES, stream_heard(k, fm)) / 80 + 1;
        share_hz[k] = stream_at(c->f0_hz, FRAMES, stream_heard(k > 0 ? k - 1 : 0, fm));
    }
    const struct tb_batch batch = {.grid = {1, FRAMES, HOP, STREAM_RATE_HZ, false},
                                   .f0_hz = c->f0_hz,
                                   .pitch = heard_pitch,
                                   .loudness = heard_loudness,
                                   .noise = noise,
                                   .share_hz = share_hz,
                                   .controls_only = true};
    struct tb_random random;
    tb_random_seed(&random, 1);
    tb_tape_reset(tape);
    tb_tape_set_training(tape, false);
    const struct tb_pass pass = tb_network_forward(tape, n, &batch, NULL, &random);
    const struct tb_pass late = delayed(tape, &pass);
    return tb_network_sound(tape, n, &batch, &late, NULL).value;
}

/* How far the engine is from training on a phrase, of the loudest sample. */
static double engine_apart(struct tb_tape *tape, const struct subject *s, size_t harmonics,
                           bool vibrato)
{
    float hz[FRAMES]; /* vibrato: 50 cents, 5.5 a second; in steps of which halves are exact too */
    for (size_t t = 0; t < FRAMES; t++)
        hz[t] =
            ldexpf(rintf(1024 * 210 * (vibrato ? 1 + 0.03F * sinf(0.069F * (float)t) : 1)), -10);
    const struct stream_curve curve = {hz, loudness_db, FRAMES, vibrato};
    void *data;
    struct tb_network *n = engine_network(s, harmonics);
    struct tb_model_file *file = written(n, TB_NN_F32, &data);
    stream_engine(file, &curve, streamed);
    const double apart = difference(sound_of(tape, n, &curve), SAMPLES - HOP); /* the last holds */
    print_message("%-24s %s, %zu harmonics: %.2g of the peak\n", s->name,
                  vibrato ? "vibrato" : "steady", harmonics, apart);
    tb_model_file_free(file);
    free(data);
    tb_network_free(n);
    return apart;
}

/* Of harmonics that end within a frame (all 100, under vibrato) the engine knows its first pitch
 * when it shares them out, where training knows its last. */
static void engine_is_forward(void **state)
{
    (void)state;
    struct tb_tape *tape = tb_tape_new((size_t)1 << 30);
    assert_non_null(tape);
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        assert_true(engine_apart(tape, &subjects[i], 40, false) <= 1e-5);
        assert_true(engine_apart(tape, &subjects[i], 40, true) <= 1e-5);
    }
    assert_true(engine_apart(tape, &subjects[0], 100, false) <= 1e-5);
    assert_true(engine_apart(tape, &subjects[0], 100, true) <= 1e-5);
    tb_tape_free(tape);
}

/* A file with offsets plays as one without them plays what they make of loudness: here a tenth more
 * for every dB above the floor. */
static void offsets_are_applied(void **state)
{
    (void)state;
    static float mapped_db[FRAMES], hz[FRAMES], mapped[SAMPLES];
    static const struct tb_model_grid tenth = {2, 3, {{0, 4, 8}, {0, 4, 8}}};
    for (size_t t = 0; t < FRAMES; t++) {
        mapped_db[t] = loudness_db[t] + 0.1F * (loudness_db[t] + 80);
        hz[t] = 210;
    }
    for (size_t i = 0; i < 3; i++) { /* a model of every family */
        struct tb_error err = {0};
        void *data;
        size_t size;
        struct tb_network *n = engine_network(&subjects[i], 40);
        struct tb_model_file *plain = written(n, TB_NN_F32, &data);
        struct tb_model_meta meta = plain->meta;
        meta.loudness_offsets = tenth;
        void *with = NULL, *first = tb_network_encode(n, &plain->meta, TB_NN_F32, &size, &err);
        with = tb_model_file_with(first, size, &meta, &size, &err);
        struct tb_model_file *file = with ? tb_model_file_parse(with, size, &err) : NULL;
        if (!file)
            fail_msg("%s", err.text);
        stream_engine(plain, &(struct stream_curve){hz, mapped_db, FRAMES, false}, mapped);
        stream_engine(file, &(struct stream_curve){hz, loudness_db, FRAMES, false}, streamed);
        const double engine = difference(mapped, SAMPLES);
        const struct tb_play_options options = {.cpu = TB_NN_CPU_BEST, .seed = 1};
        struct tb_player *players[2] = {tb_player_new(plain, &options, &err),
                                        tb_player_new(file, &options, &err)};
        assert_true(players[0] && players[1]);
        assert_true(
            tb_player_render(players[0], &(struct tb_curve){hz, mapped_db, FRAMES}, mapped));
        assert_true(
            tb_player_render(players[1], &(struct tb_curve){hz, loudness_db, FRAMES}, streamed));
        const double player = difference(mapped, SAMPLES);
        print_message("%-24s offsets: engine %.2g, player %.2g\n", subjects[i].name, engine,
                      player);
        assert_true(engine <= 1e-4 && player <= 1e-4);
        tb_player_free(players[0]);
        tb_player_free(players[1]);
        tb_model_file_free(file);
        tb_model_file_free(plain);
        free(with);
        free(first);
        free(data);
        tb_network_free(n);
    }
}

/* Written, read and written again: the same file, but for rounding of |v| and atanh. */
static void networks_return(void **state)
{
    (void)state;
    static const enum tb_nn_dtype storages[] = {TB_NN_F32, TB_NN_F16};
    struct tb_tape *tape = tb_tape_new((size_t)1 << 30);
    assert_non_null(tape);
    for (size_t i = 0; i < 2 * sizeof subjects / sizeof subjects[0]; i++) {
        struct tb_error err = {0};
        void *data;
        struct tb_network *n = subject_network(&subjects[i / 2]);
        struct tb_model_file *file = written(n, storages[i % 2], &data);
        struct tb_network *again = tb_network_decode(file, &err);
        if (!again) {
            fail_msg("%s", err.text);
            return;
        }
        assert_int_equal(again->n_values, n->n_values);
        memcpy(streamed, forward(tape, n).audio.value, sizeof streamed);
        double db = difference_db(forward(tape, again).audio.value);
        if (!(db <= (i % 2 ? -25 : -60)))
            fail_msg("%s, storage %zu: %.1f dB", subjects[i / 2].name, i % 2, db);
        tb_network_free(again);
        tb_model_file_free(file);
        free(data);
        tb_network_free(n);
    }
    tb_tape_free(tape);
}

static void routings_are_spelt(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 32; n++) {
        struct tb_model_meta meta;
        struct tb_error err = {0};
        struct tb_fm_routing r, back;
        const struct tb_fm_choice c = {n, {1, 2, 3, 1.5, 0.5, 14}, n == 4 || n == 6 ? 0 : 6, 1.5};
        tb_model_meta_init(&meta);
        assert_int_equal(tb_fm_routing_make(&c, &r, &err), TB_OK);
        assert_int_equal(tb_fm_routing_describe(&r, &meta, &err), TB_OK);
        assert_true(meta.fm_algorithm > 0);
        assert_true(fabs(meta.fm_feedback - c.feedback) < 1e-6);
        assert_int_equal(tb_fm_routing_read(&meta, NULL, &back, &err), TB_OK);
        assert_memory_equal(&r, &back, sizeof r);
    }
    struct tb_error err = {0};
    struct tb_fm_routing r;
    assert_int_equal(tb_fm_routing_make(&(struct tb_fm_choice){.algorithm = 33}, &r, &err),
                     TB_EINVAL);
    assert_int_equal(
        tb_fm_routing_make(&(struct tb_fm_choice){.algorithm = 4, .feedback = 3}, &r, &err),
        TB_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streaming_is_forward), cmocka_unit_test(engine_is_forward),
        cmocka_unit_test(offsets_are_applied),  cmocka_unit_test(networks_return),
        cmocka_unit_test(routings_are_spelt),
    };
    return cmocka_run_group_tests(tests, curves, NULL);
}
