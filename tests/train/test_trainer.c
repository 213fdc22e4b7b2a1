/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/measure.h"
#include "models/eval/play.h"
#include "models/train/file.h"
#include "models/train/network_file.h"
#include "models/train/trainer.h"
#include "tests/train/tones.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64] = "/tmp/tb-trainer-XXXXXX", data_folder[80], checkpoint[80], old[90];
static struct tb_dataset *dataset;

static int set_up(void **state)
{
    struct tb_error err = {0};
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(data_folder, sizeof data_folder, "%s/data", folder);
    (void)snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", folder);
    (void)snprintf(old, sizeof old, "%s.old", checkpoint);
    if (!tb_tones_write(data_folder, 5, 2, 1))
        return -1;
    dataset = tb_dataset_open(data_folder, &err);
    if (!dataset)
        (void)fprintf(stderr, "%s\n", err.text);
    return dataset ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"audio.f32",      "f0.f32",       "loudness.f32",
                                        "confidence.f32", "dataset.json", ""};
    char path[128];
    (void)state;
    tb_dataset_free(dataset);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", data_folder, names[i]);
        (void)remove(path);
    }
    (void)remove(checkpoint);
    (void)remove(old);
    return rmdir(folder);
}

/* A small network of each family with dropout, so that every random stream matters. */
static struct tb_trainer *trainer_of(enum tb_family family, const struct tb_trainer_options *o)
{
    struct tb_error err = {0};
    struct tb_network_spec spec = tb_network_preset(family, true);
    spec.hidden = 8;
    spec.harmonics = 20;
    spec.bands = 17;
    spec.reverb = 800;
    spec.blocks = 2;
    struct tb_network *network = tb_network_new(&spec, 3, &err);
    if (network)
        tb_network_find(network, "reverb.wet")->value[0] = -5;
    struct tb_trainer *t = network ? tb_trainer_new(network, dataset, o, &err) : NULL;
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

static struct tb_trainer_options quick(void)
{
    struct tb_trainer_options o;
    tb_trainer_defaults(&o);
    o.batch = 3;
    o.clip_frames = 60;
    o.rate = 3e-3;
    o.warm_up = 5;
    o.validate = 4;
    return o;
}

static void run(struct tb_trainer *t, struct tb_trainer_run limits, enum tb_trainer_end expected)
{
    struct tb_error err = {0};
    enum tb_trainer_end end;
    limits.checkpoint = checkpoint;
    limits.checkpoint_s = 1e9;
    limits.report_s = 1e9;
    if (tb_trainer_go(t, &limits, &end, &err) != TB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(end, expected);
}

/* Mean of what control c of a pass says. */
static double mean_of(const struct tb_pass *pass, size_t c)
{
    const struct tb_tensor *t = &pass->control[c];
    double sum = 0;
    for (size_t i = 0; i < t->rows * t->cols; i++)
        sum += (double)t->value[i];
    return sum / (double)(t->rows * t->cols);
}

/* Before any step, over eight seeds: harmonics together well above a band of the noise. */
static void tone_begins_above_noise(void **state)
{
    (void)state;
    enum { FRAMES = 50 };
    const struct tb_dataset_clip clip = tb_dataset_clip(dataset, TB_SPLIT_TRAIN, 0);
    const struct tb_network_spec spec = tb_network_preset(TB_FAMILY_HPN, true);
    struct tb_tape *tape = tb_tape_new(64 << 20);
    struct tb_random random;
    double tone = 0, noise = 0;
    tb_real f0[FRAMES], pitch[FRAMES], loudness[FRAMES];
    for (size_t t = 0; t < FRAMES; t++) {
        f0[t] = (tb_real)clip.f0_hz[t];
        pitch[t] = (tb_real)((69 + 12 * log2((double)clip.f0_hz[t] / 440)) / 127);
        loudness[t] = (tb_real)clip.loudness_db[t] / 80 + 1;
    }
    const struct tb_batch batch = {.grid = {1, FRAMES, 64, 16000, false},
                                   .f0_hz = f0,
                                   .pitch = pitch,
                                   .loudness = loudness,
                                   .controls_only = true};
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct tb_error err = {0};
        struct tb_network *n = tb_network_new(&spec, seed, &err);
        tb_random_seed(&random, seed);
        tb_tape_reset(tape);
        const struct tb_pass pass = tb_network_forward(tape, n, &batch, NULL, &random);
        tone += mean_of(&pass, 0) / 8;
        noise += mean_of(&pass, 2) / 8;
        tb_network_free(n);
    }
    print_message("tone %.3f, noise %.3f a band\n", tone, noise);
    assert_true(tone > 2 * noise && noise > 0.02);
    tb_tape_free(tape);
}

static void resumes_to_the_bit(void **state)
{
    (void)state;
    const struct tb_trainer_options o = quick();
    for (enum tb_family family = TB_FAMILY_HPN; family <= TB_FAMILY_WAVETABLE; family++) {
        struct tb_error err = {0};
        struct tb_trainer *a = trainer_of(family, &o), *b = trainer_of(family, &o);
        run(a, (struct tb_trainer_run){.steps = 11}, TB_TRAIN_STEPS);
        run(b, (struct tb_trainer_run){.steps = 6}, TB_TRAIN_STEPS);
        tb_trainer_free(b);
        b = trainer_of(family, &o);
        assert_int_equal(tb_trainer_resume(b, checkpoint, &err), TB_OK);
        assert_int_equal(tb_trainer_steps(b), 6);
        run(b, (struct tb_trainer_run){.steps = 11}, TB_TRAIN_STEPS);
        /* the one that stopped was validated once more, which is no step */
        double la, lb;
        assert_int_equal(tb_trainer_step(a, &la, &err), TB_OK);
        assert_int_equal(tb_trainer_step(b, &lb, &err), TB_OK);
        assert_true(la == lb);
        assert_int_equal(tb_trainer_loss(a, TB_SPLIT_TEST, &la, &err), TB_OK);
        assert_int_equal(tb_trainer_loss(b, TB_SPLIT_TEST, &lb, &err), TB_OK);
        assert_true(la == lb);
        tb_trainer_free(a);
        tb_trainer_free(b);
    }
}

static void damage(size_t at, bool cut)
{
    void *data;
    size_t size;
    struct tb_error err;
    assert_int_equal(tb_file_read(checkpoint, 1 << 30, &data, &size, &err), TB_OK);
    ((unsigned char *)data)[at % size] ^= 0x10;
    assert_int_equal(tb_file_write(checkpoint, data, cut ? at % size : size, &err), TB_OK);
    free(data);
}

static void damage_is_seen(void **state)
{
    (void)state;
    const struct tb_trainer_options o = quick();
    struct tb_trainer_options other = o;
    struct tb_error err = {0};
    struct tb_trainer *t = trainer_of(TB_FAMILY_HPN, &o);
    for (size_t at = 0; at < 20000; at += 1777) {
        for (int cut = 0; cut < 2; cut++) {
            assert_int_equal(tb_trainer_save(t, checkpoint, &err), TB_OK);
            assert_int_equal(tb_trainer_resume(t, checkpoint, &err), TB_OK);
            damage(at, cut);
            assert_int_equal(tb_trainer_resume(t, checkpoint, &err), TB_ECORRUPT);
        }
    }
    /* the predecessor is sound when only the newest is not */
    assert_int_equal(tb_trainer_save(t, checkpoint, &err), TB_OK);
    assert_int_equal(tb_trainer_save(t, checkpoint, &err), TB_OK);
    damage(100, false);
    assert_int_equal(tb_trainer_resume(t, checkpoint, &err), TB_ECORRUPT);
    assert_int_equal(tb_trainer_resume(t, old, &err), TB_OK);
    /* and what is of another network or number of threads is not taken */
    struct tb_trainer *fm = trainer_of(TB_FAMILY_DDX7, &o);
    assert_int_equal(tb_trainer_resume(fm, old, &err), TB_ECONFLICT);
    tb_trainer_free(fm);
    other.threads = 1;
    struct tb_trainer *alone = trainer_of(TB_FAMILY_HPN, &other);
    assert_int_equal(tb_trainer_resume(alone, old, &err), TB_ECONFLICT);
    tb_trainer_free(alone);
    tb_trainer_free(t);
}

/* An objective that goes wrong at its 30th call. */
static struct tb_tensor failing(struct tb_tape *tape, const struct tb_pass *pass,
                                const struct tb_batch *batch, void *context)
{
    int *calls = context;
    struct tb_tensor loss = tb_spectral_objective(tape, pass, batch, NULL);
    if (loss.value && ++*calls >= 30)
        loss.value[0] = NAN;
    return loss;
}

static void keep_best(void *context, const struct tb_network *best)
{
    memcpy(context, best->memory, 64 * sizeof(float));
}

/* Killed after the checkpoint and before its model was written: the next run makes up for it, also
 * where nothing gets better any more. */
static void the_best_is_told_again(void **state)
{
    (void)state;
    float kept[64] = {0}, again[64] = {0};
    const struct tb_trainer_options o = quick();
    struct tb_error err = {0};
    struct tb_trainer *t = trainer_of(TB_FAMILY_HPN, &o);
    const struct tb_trainer_run all = {.steps = 8, .better = keep_best, .context = kept};
    run(t, all, TB_TRAIN_STEPS);
    tb_trainer_free(t);
    t = trainer_of(TB_FAMILY_HPN, &o);
    assert_int_equal(tb_trainer_resume(t, checkpoint, &err), TB_OK);
    run(t, (struct tb_trainer_run){.steps = 8, .better = keep_best, .context = again},
        TB_TRAIN_STEPS);
    assert_true(kept[0] != 0);
    assert_memory_equal(kept, again, sizeof kept);
    tb_trainer_free(t);
}

static void divergence_keeps_the_best(void **state)
{
    (void)state;
    int calls = 0;
    float kept[64] = {0};
    struct tb_trainer_options o = quick();
    o.threads = 1;
    o.objective = failing;
    o.context = &calls;
    struct tb_trainer *t = trainer_of(TB_FAMILY_HPN, &o);
    run(t, (struct tb_trainer_run){.steps = 100, .better = keep_best, .context = kept},
        TB_TRAIN_DIVERGED);
    assert_true(tb_trainer_steps(t) < 30 && tb_trainer_best_step(t) > 0);
    assert_true(isfinite(tb_trainer_best_loss(t)));
    assert_memory_equal(kept, tb_trainer_best(t)->memory, sizeof kept);
    for (size_t i = 0; i < 64; i++)
        assert_true(isfinite(kept[i]));
    tb_trainer_free(t);
}

static void patience_and_requests_end_it(void **state)
{
    (void)state;
    struct tb_trainer_options o = quick();
    o.average = 0;
    o.rate = 0.5; /* too fast to get any better */
    o.patience = 3;
    struct tb_trainer *t = trainer_of(TB_FAMILY_WAVETABLE, &o);
    run(t, (struct tb_trainer_run){.steps = 2000}, TB_TRAIN_PATIENCE);
    tb_trainer_free(t);
    const atomic_int stop = 1;
    o.patience = 0; /* a fast machine lost it before the time was over */
    t = trainer_of(TB_FAMILY_WAVETABLE, &o);
    run(t, (struct tb_trainer_run){.stop = &stop}, TB_TRAIN_STOPPED);
    assert_int_equal(tb_trainer_steps(t), 0);
    run(t, (struct tb_trainer_run){.minutes = 0.005}, TB_TRAIN_TIME);
    tb_trainer_free(t);
}

/* Asks to stop at its n-th call: in the middle of a step, or of a validation. */
struct stopping {
    atomic_int calls, stop;
    int at;
};

static struct tb_tensor stopping(struct tb_tape *tape, const struct tb_pass *pass,
                                 const struct tb_batch *batch, void *context)
{
    struct stopping *s = context;
    if (++s->calls == s->at)
        s->stop = 1;
    return tb_spectral_objective(tape, pass, batch, NULL);
}

static void a_stop_within_a_step_leaves_no_trace(void **state)
{
    (void)state;
    struct stopping plain = {.at = -1};
    const atomic_int alone = 1; /* thread for both shards: the result is the same */
    struct tb_trainer_options o = quick();
    o.threads = 2;
    o.objective = stopping;
    o.context = &plain;
    double wanted, found;
    struct tb_error err = {0};
    struct tb_trainer *a = trainer_of(TB_FAMILY_HPN, &o);
    run(a, (struct tb_trainer_run){.steps = 11, .workers = &alone}, TB_TRAIN_STEPS);
    assert_int_equal(tb_trainer_step(a, &wanted, &err), TB_OK);
    for (int at = 1; at < 24; at += 2) { /* calls: 2 a step, 2 a validation every 4 */
        struct stopping s = {.at = at};
        o.context = &s;
        struct tb_trainer *b = trainer_of(TB_FAMILY_HPN, &o);
        run(b, (struct tb_trainer_run){.steps = 11, .stop = &s.stop, .workers = &alone},
            TB_TRAIN_STOPPED);
        tb_trainer_free(b);
        b = trainer_of(TB_FAMILY_HPN, &o);
        assert_int_equal(tb_trainer_resume(b, checkpoint, &err), TB_OK);
        run(b, (struct tb_trainer_run){.steps = 11}, TB_TRAIN_STEPS);
        assert_int_equal(tb_trainer_best_step(b), tb_trainer_best_step(a));
        assert_true(tb_trainer_best_loss(b) == tb_trainer_best_loss(a));
        assert_int_equal(tb_trainer_step(b, &found, &err), TB_OK);
        assert_true(found == wanted);
        tb_trainer_free(b);
    }
    tb_trainer_free(a);
}

static atomic_int wanted_stop;

static void *ask_soon(void *delay_us)
{
    (void)usleep(*(const unsigned *)delay_us);
    wanted_stop = 1;
    return NULL;
}

/* Wherever in a pass it comes: nothing but the time is lost. */
static void a_stop_may_come_at_any_moment(void **state)
{
    (void)state;
    const struct tb_trainer_options o = quick();
    for (unsigned i = 0; i < 36; i++) {
        const enum tb_family family = (enum tb_family)(TB_FAMILY_HPN + (int)(i % 3));
        struct tb_trainer *t = trainer_of(family, &o);
        unsigned delay_us = i * 900;
        pthread_t thread;
        struct tb_error err = {0};
        wanted_stop = 0;
        assert_int_equal(pthread_create(&thread, NULL, ask_soon, &delay_us), 0);
        run(t, (struct tb_trainer_run){.stop = &wanted_stop}, TB_TRAIN_STOPPED);
        (void)pthread_join(thread, NULL);
        assert_int_equal(tb_trainer_resume(t, checkpoint, &err), TB_OK);
        tb_trainer_free(t);
    }
}

static void bad_options_are_named(void **state)
{
    (void)state;
    static const struct {
        size_t offset, value;
        const char *word;
    } bad[] = {{offsetof(struct tb_trainer_options, batch), 0, "batch"},
               {offsetof(struct tb_trainer_options, batch), 65, "batch"},
               {offsetof(struct tb_trainer_options, clip_frames), 1001, "clip"},
               {offsetof(struct tb_trainer_options, threads), 0, "threads"},
               {offsetof(struct tb_trainer_options, validate), 0, "validate"}};
    struct tb_network_spec spec = tb_network_preset(TB_FAMILY_HPN, true);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tb_trainer_options o = quick();
        struct tb_error err = {0};
        memcpy((char *)&o + bad[i].offset, &bad[i].value, sizeof bad[i].value);
        assert_null(tb_trainer_new(tb_network_new(&spec, 1, &err), dataset, &o, &err));
        assert_int_equal(err.status, TB_EINVAL);
        assert_non_null(strstr(err.text, bad[i].word));
    }
    spec.hop = 128;
    struct tb_error err = {0};
    const struct tb_trainer_options o = quick();
    assert_null(tb_trainer_new(tb_network_new(&spec, 1, &err), dataset, &o, &err));
    assert_int_equal(err.status, TB_EINVAL);
}

/* What a trained model plays for one second at a pitch and a level. */
static void play(const struct tb_model_file *file, float f0, float db, float *audio)
{
    float pitch[250], loudness[250];
    struct tb_error err = {0};
    struct tb_player *p =
        tb_player_new(file, &(struct tb_play_options){.cpu = TB_NN_CPU_BEST}, &err);
    if (!p)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < 250; i++) {
        pitch[i] = f0;
        loudness[i] = db;
    }
    const struct tb_curve curve = {pitch, loudness, 250};
    assert_true(tb_player_render(p, &curve, audio));
    tb_player_free(p);
}

static double median_cents(const float *audio, float f0)
{
    static float asked_hz[250], loudness[250];
    static struct tb_follow_sums sums;
    struct tb_follow follow;
    struct tb_error err = {0};
    const struct tb_analysis_config config = {16000, -60, TB_ANALYSIS_RMS, 512, 0, -80};
    for (size_t i = 0; i < 250; i++) {
        asked_hz[i] = f0;
        loudness[i] = -15;
    }
    const struct tb_asked asked = {asked_hz, loudness, NULL, 250, 4, -80};
    memset(&sums, 0, sizeof sums);
    assert_int_equal(tb_measure_follow(audio, &asked, &config, &sums, &err), TB_OK);
    tb_measure_follow_end(&sums, &follow);
    return follow.heard > 0.9 ? follow.cents_median : 1200;
}

/* From tones to a model file that plays their pitch and follows their loudness. */
static void learns_to_play(void **state)
{
    (void)state;
    static float loud[16000], soft[16000], silent[16000];
    struct tb_trainer_options o = quick();
    struct tb_error err = {0};
    struct tb_model_meta meta;
    double before, after;
    size_t size;
    o.clip_frames = 125;
    o.rate = 1e-2;
    o.decay = 0.05; /* it settles: at the full rate the levels go up and down */
    o.decay_steps = 400;
    o.validate = 50;
    o.average = 0.98;
    struct tb_trainer *t = trainer_of(TB_FAMILY_HPN, &o);
    assert_int_equal(tb_trainer_loss(t, TB_SPLIT_TEST, &before, &err), TB_OK);
    run(t, (struct tb_trainer_run){.steps = 400}, TB_TRAIN_STEPS);
    assert_int_equal(tb_trainer_loss(t, TB_SPLIT_TEST, &after, &err), TB_OK);
    tb_model_meta_init(&meta);
    (void)snprintf(meta.name, sizeof meta.name, "Tones");
    meta.loudness_kind = TB_LOUDNESS_RMS;
    void *data = tb_network_encode(tb_trainer_best(t), &meta, TB_NN_F16, &size, &err);
    struct tb_model_file *file = data ? tb_model_file_parse(data, size, &err) : NULL;
    if (!file)
        fail_msg("%s", err.text);
    play(file, 294, -10, loud);
    play(file, 294, -30, soft);
    play(file, 294, -80, silent);
    double cents = median_cents(loud, 294);
    double loud_db = tb_measure_level_db(loud + 8000, 8000);
    double soft_db = tb_measure_level_db(soft + 8000, 8000);
    double silent_db = tb_measure_level_db(silent + 8000, 8000);
    print_message("loss %.2f to %.2f; %.1f cents; %.1f, %.1f, %.1f dB\n", before, after, cents,
                  loud_db, soft_db, silent_db);
    assert_true(after < 0.5 * before);
    assert_true(cents < 10);
    assert_true(loud_db - soft_db > 10 && loud_db - soft_db < 30);
    assert_true(silent_db < soft_db - 6);
    tb_model_file_free(file);
    free(data);
    tb_trainer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tone_begins_above_noise),
        cmocka_unit_test(resumes_to_the_bit),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(the_best_is_told_again),
        cmocka_unit_test(divergence_keeps_the_best),
        cmocka_unit_test(patience_and_requests_end_it),
        cmocka_unit_test(a_stop_within_a_step_leaves_no_trace),
        cmocka_unit_test(a_stop_may_come_at_any_moment),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(learns_to_play),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
