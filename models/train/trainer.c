/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/trainer_priv.h"

#include "dsp/neural_controls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tb_trainer_defaults(struct tb_trainer_options *o)
{
    *o = (struct tb_trainer_options){.batch = 16,
                                     .clip_frames = TB_CLIP_FRAMES,
                                     .threads = 2,
                                     .rate = 1e-3,
                                     .decay = 0.98,
                                     .decay_steps = 10000,
                                     .warm_up = 100,
                                     .clip = 3,
                                     .weight_decay = 0.01,
                                     .average = 0.995,
                                     .seed = 1,
                                     .validate = 200,
                                     .most_clips = 32};
}

const char *tb_trainer_end_text(enum tb_trainer_end end)
{
    static const char *const texts[] = {[TB_TRAIN_STEPS] = "all steps done",
                                        [TB_TRAIN_TIME] = "time is over",
                                        [TB_TRAIN_PATIENCE] = "no better any more",
                                        [TB_TRAIN_DIVERGED] = "the loss diverged, the best is kept",
                                        [TB_TRAIN_STOPPED] = "stopped"};
    return texts[end];
}

static enum tb_status check_options(const struct tb_trainer_options *o, struct tb_error *err)
{
    if (o->batch < 1 || o->batch > TB_TRAINER_MAX_BATCH)
        return tb_fail(err, TB_EINVAL, "batch: %zu is not within 1..%d", o->batch,
                       TB_TRAINER_MAX_BATCH);
    if (o->clip_frames < TB_TRAINER_MIN_FRAMES || o->clip_frames > TB_CLIP_FRAMES)
        return tb_fail(err, TB_EINVAL, "clip: %zu frames are not within %d..%d", o->clip_frames,
                       TB_TRAINER_MIN_FRAMES, TB_CLIP_FRAMES);
    if (o->threads < 1 || o->threads > TB_TRAINER_MAX_THREADS)
        return tb_fail(err, TB_EINVAL, "threads: %zu is not within 1..%d", o->threads,
                       TB_TRAINER_MAX_THREADS);
    if (!(o->rate > 0 && o->rate <= 1) || !(o->decay > 0 && o->decay <= 1) || o->decay_steps < 1)
        return tb_fail(err, TB_EINVAL, "rate, decay: not within 0..1");
    if (!(o->average >= 0 && o->average < 1))
        return tb_fail(err, TB_EINVAL, "average: %g is not within 0..1", o->average);
    if (o->validate < 1 || o->most_clips < 1)
        return tb_fail(err, TB_EINVAL, "validate: every 0 steps");
    return TB_OK;
}

static enum tb_status check_network(const struct tb_network *n, struct tb_error *err)
{
    if ((double)n->spec.rate_hz != TB_CLIP_RATE_HZ || n->spec.hop != TB_CLIP_HOP)
        return tb_fail(err, TB_EINVAL,
                       "sample_rate, hop: %.0f Hz, %zu; data sets have %d Hz and %d",
                       (double)n->spec.rate_hz, n->spec.hop, TB_CLIP_RATE_HZ, TB_CLIP_HOP);
    return TB_OK;
}

/* Address space for a thread's pass: what memory there is, so that a batch that is too large is
 * told and does not end in the kernel killing somebody. */
static size_t arena_bytes(size_t threads)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page <= 0)
        return (size_t)2 << 30;
    return (size_t)pages / 10 * 8 / threads * (size_t)page;
}

static bool allocate(struct tb_trainer *t)
{
    struct tb_trainer_buffers *b = &t->buffers;
    size_t frames = t->options.batch * t->options.clip_frames;
    size_t samples = frames * TB_CLIP_HOP, n = t->network->n_values;
    b->f0_hz = calloc(frames, sizeof *b->f0_hz);
    b->pitch = calloc(frames, sizeof *b->pitch);
    b->loudness = calloc(frames, sizeof *b->loudness);
    b->noise = calloc(samples, sizeof *b->noise);
    b->audio = calloc(samples, sizeof *b->audio);
    t->average = calloc(n, sizeof *t->average);
    t->best = calloc(n, sizeof *t->best);
    return b->f0_hz && b->pitch && b->loudness && b->noise && b->audio && t->average && t->best;
}

struct tb_trainer *tb_trainer_new(struct tb_network *network, const struct tb_dataset *dataset,
                                  const struct tb_trainer_options *options, struct tb_error *err)
{
    struct tb_trainer *t = calloc(1, sizeof *t);
    if (!t) {
        tb_network_free(network);
        (void)tb_fail(err, TB_ENOMEM, "no memory for training");
        return NULL;
    }
    t->network = network;
    t->dataset = dataset;
    t->options = *options;
    if (!t->options.objective)
        t->options.objective = tb_spectral_objective;
    enum tb_status s = check_options(options, err);
    if (s == TB_OK)
        s = check_network(network, err);
    if (s == TB_OK && tb_dataset_n_clips(dataset, TB_SPLIT_TRAIN) == 0)
        s = tb_fail(err, TB_EINVAL, "the data set has no clips to train on");
    if (s == TB_OK && !allocate(t))
        s = tb_fail(err, TB_ENOMEM, "no memory for a batch of %zu clips", options->batch);
    if (s == TB_OK) {
        t->stepper = tb_stepper_new(network, options->threads, arena_bytes(options->threads),
                                    options->seed + 1, err);
        s = t->stepper ? TB_OK : err->status;
    }
    if (s != TB_OK) {
        tb_trainer_free(t);
        return NULL;
    }
    t->state.best = (double)INFINITY;
    tb_random_seed(&t->state.random, options->seed);
    memcpy(t->average, network->memory, network->n_values * sizeof(tb_real));
    memcpy(t->best, network->memory, network->n_values * sizeof(tb_real));
    return t;
}

void tb_trainer_free(struct tb_trainer *t)
{
    if (!t)
        return;
    tb_stepper_free(t->stepper);
    tb_network_free(t->network);
    free(t->buffers.f0_hz);
    free(t->buffers.pitch);
    free(t->buffers.loudness);
    free(t->buffers.noise);
    free(t->buffers.audio);
    free(t->average);
    free(t->best);
    free(t);
}

/* Clip i of the batch: `clip_frames` frames of the source from `first` on. */
static void cut(struct tb_trainer *t, size_t i, const struct tb_dataset_clip *clip, size_t first)
{
    const struct tb_dataset_info *info = tb_dataset_info(t->dataset);
    struct tb_trainer_buffers *b = &t->buffers;
    size_t n = t->options.clip_frames;
    for (size_t k = 0; k < n; k++) {
        float f0 = clip->f0_hz[first + k], db = clip->loudness_db[first + k];
        b->f0_hz[i * n + k] = f0;
        b->pitch[i * n + k] = tb_scale_pitch(TB_SCALE_MIDI, f0, 0, 1);
        b->loudness[i * n + k] =
            tb_scale_loudness(db, info->loudness_floor_db, -info->loudness_floor_db);
    }
    memcpy(b->audio + i * n * TB_CLIP_HOP, clip->audio + first * TB_CLIP_HOP,
           n * TB_CLIP_HOP * sizeof(float));
}

static struct tb_batch batch_of(const struct tb_trainer *t, size_t clips)
{
    const struct tb_trainer_buffers *b = &t->buffers;
    return (struct tb_batch){.grid = {clips, t->options.clip_frames, TB_CLIP_HOP, TB_CLIP_RATE_HZ},
                             .f0_hz = b->f0_hz,
                             .pitch = b->pitch,
                             .loudness = b->loudness,
                             .noise = b->noise,
                             .audio = b->audio};
}

static void make_noise(struct tb_trainer *t, struct tb_random *random, size_t clips)
{
    size_t n = clips * t->options.clip_frames * TB_CLIP_HOP;
    for (size_t i = 0; i < n; i++)
        t->buffers.noise[i] = (tb_real)(2.0 * tb_random_uniform(random) - 1.0);
}

static void random_batch(struct tb_trainer *t)
{
    struct tb_random *r = &t->state.random;
    size_t n = tb_dataset_n_clips(t->dataset, TB_SPLIT_TRAIN);
    size_t room = TB_CLIP_FRAMES - t->options.clip_frames + 1;
    for (size_t i = 0; i < t->options.batch; i++) {
        struct tb_dataset_clip clip =
            tb_dataset_clip(t->dataset, TB_SPLIT_TRAIN, (size_t)(tb_random_uniform(r) * (double)n));
        cut(t, i, &clip, (size_t)(tb_random_uniform(r) * (double)room));
    }
    make_noise(t, r, t->options.batch);
}

static enum tb_status told(enum tb_status status, const struct tb_error *fault,
                           struct tb_error *err)
{
    if (status == TB_ENOMEM)
        return tb_fail(err, status, "%.90s: fewer or shorter clips a batch will", fault->text);
    return tb_fail(err, status, "%s", fault->text);
}

double tb_trainer_rate(const struct tb_trainer *t)
{
    const struct tb_trainer_options *o = &t->options;
    double step = (double)t->state.step, warm = o->warm_up > 0 ? (step + 1) / o->warm_up : 1;
    return o->rate * fmin(1, warm) * pow(o->decay, step / o->decay_steps);
}

static void take_average(struct tb_trainer *t)
{
    const tb_real *now = t->network->memory;
    double step = (double)t->state.step;
    /* young means forget faster */
    tb_real keep = (tb_real)fmin(t->options.average, (1 + step) / (10 + step));
    if (t->options.average <= 0)
        keep = 0;
    for (size_t i = 0; i < t->network->n_values; i++)
        t->average[i] = keep * t->average[i] + (1 - keep) * now[i];
}

enum tb_status tb_trainer_step(struct tb_trainer *t, double *loss, struct tb_error *err)
{
    struct tb_error fault;
    random_batch(t);
    struct tb_batch batch = batch_of(t, t->options.batch);
    const struct tb_step step = {&batch, t->options.objective, t->options.context, true};
    enum tb_status s = tb_stepper_run(t->stepper, &step, loss, &fault);
    if (s != TB_OK)
        return told(s, &fault, err);
    const struct tb_adamw adamw = {tb_trainer_rate(t), 0.9, 0.999, 1e-8, t->options.weight_decay,
                                   t->options.clip};
    t->norm =
        tb_adamw_step(t->network, &adamw, tb_stepper_gradients(t->stepper), t->state.step + 1);
    t->state.step++;
    take_average(t);
    return isfinite(t->norm) ? TB_OK
                             : tb_fail(err, TB_ECORRUPT, "the gradient is not finite any more");
}

void tb_trainer_swap(struct tb_trainer *t, tb_real *other)
{
    for (size_t i = 0; i < t->network->n_values; i++) {
        tb_real now = t->network->memory[i];
        t->network->memory[i] = other[i];
        other[i] = now;
    }
}

static enum tb_status loss_of(struct tb_trainer *t, enum tb_split split, double *loss,
                              struct tb_error *err)
{
    size_t n = tb_dataset_n_clips(t->dataset, split), batch = t->options.batch;
    size_t used = n < t->options.most_clips ? n : t->options.most_clips;
    struct tb_random random;
    struct tb_error fault;
    double sum = 0;
    tb_random_seed(&random, 4711);
    for (size_t first = 0; first < used; first += batch) {
        size_t clips = used - first < batch ? used - first : batch;
        for (size_t i = 0; i < clips; i++) {
            struct tb_dataset_clip clip =
                tb_dataset_clip(t->dataset, split, (first + i) * n / used);
            cut(t, i, &clip, (TB_CLIP_FRAMES - t->options.clip_frames) / 2);
        }
        make_noise(t, &random, clips);
        struct tb_batch b = batch_of(t, clips);
        const struct tb_step step = {&b, t->options.objective, t->options.context, false};
        double part;
        enum tb_status s = tb_stepper_run(t->stepper, &step, &part, &fault);
        if (s != TB_OK)
            return told(s, &fault, err);
        sum += part * (double)clips;
    }
    *loss = sum / (double)used;
    return TB_OK;
}

enum tb_status tb_trainer_loss(struct tb_trainer *t, enum tb_split split, double *loss,
                               struct tb_error *err)
{
    if (tb_dataset_n_clips(t->dataset, split) == 0)
        return tb_fail(err, TB_ENOTFOUND, "the data set has no %s clips", tb_split_names[split]);
    tb_trainer_swap(t, t->average); /* a pass reads the weights in the network */
    enum tb_status s = loss_of(t, split, loss, err);
    tb_trainer_swap(t, t->average);
    return s;
}

struct tb_network *tb_trainer_best(struct tb_trainer *t)
{
    const tb_real *from = isfinite(t->state.best) ? t->best : t->average;
    memcpy(t->network->memory, from, t->network->n_values * sizeof(tb_real));
    return t->network;
}

uint64_t tb_trainer_steps(const struct tb_trainer *t)
{
    return t->state.step;
}

uint64_t tb_trainer_best_step(const struct tb_trainer *t)
{
    return t->state.best_step;
}

double tb_trainer_best_loss(const struct tb_trainer *t)
{
    return isfinite(t->state.best) ? t->state.best : (double)NAN;
}
