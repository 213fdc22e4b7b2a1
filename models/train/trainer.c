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
    b->f0_hz = tb_reals_new(frames);
    b->pitch = tb_reals_new(frames);
    b->loudness = tb_reals_new(frames);
    b->noise = tb_reals_new(samples);
    b->audio = tb_reals_new(samples);
    t->average = tb_reals_new(n);
    t->best = tb_reals_new(n);
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
    return (struct tb_batch){.grid = {.clips = clips,
                                      .frames = t->options.clip_frames,
                                      .hop = TB_CLIP_HOP,
                                      .rate_hz = TB_CLIP_RATE_HZ},
                             .f0_hz = b->f0_hz,
                             .pitch = b->pitch,
                             .loudness = b->loudness,
                             .noise = b->noise,
                             .audio = b->audio};
}

/* A batch of all ranks, and which of its clips are this one's. */
struct part {
    size_t clips, first, own;
};

static struct part part_of(const struct tb_trainer *t, size_t clips)
{
    struct part p = {.clips = clips};
    p.own = tb_ranks_part(t->options.ranks, clips, &p.first);
    return p;
}

/* Every rank draws the noise of all clips and keeps its own: the stream stays the same. */
static void make_noise(struct tb_trainer *t, struct tb_random *random, struct part p)
{
    const size_t n = t->options.clip_frames * TB_CLIP_HOP, from = p.first * n, count = p.own * n;
    for (size_t i = 0; i < p.clips * n; i++) {
        double x = tb_random_uniform(random);
        if (i >= from && i - from < count)
            t->buffers.noise[i - from] = (tb_real)(2.0 * x - 1.0);
    }
}

static struct part random_batch(struct tb_trainer *t)
{
    struct tb_random *r = &t->state.random;
    size_t n = tb_dataset_n_clips(t->dataset, TB_SPLIT_TRAIN);
    size_t room = TB_CLIP_FRAMES - t->options.clip_frames + 1;
    const struct part p = part_of(t, t->options.batch * tb_ranks_count(t->options.ranks));
    for (size_t i = 0; i < p.clips; i++) {
        struct tb_dataset_clip clip =
            tb_dataset_clip(t->dataset, TB_SPLIT_TRAIN, (size_t)(tb_random_uniform(r) * (double)n));
        size_t first = (size_t)(tb_random_uniform(r) * (double)room);
        if (i >= p.first && i - p.first < p.own)
            cut(t, i - p.first, &clip, first);
    }
    make_noise(t, r, p);
    return p;
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

enum tb_status tb_trainer_agree(const struct tb_trainer *t, enum tb_status status,
                                struct tb_error *err)
{
    const int worst = tb_ranks_most(t->options.ranks, (int)status);
    if (worst == TB_OK)
        return TB_OK;
    if (status == TB_OK)
        return tb_fail(err, (enum tb_status)worst, "another process of this run could not go on");
    if (err)
        err->status = (enum tb_status)worst;
    return (enum tb_status)worst;
}

void tb_trainer_share(struct tb_trainer *t)
{
    const struct tb_ranks *ranks = t->options.ranks;
    const size_t row = t->network->n_values * sizeof(tb_real);
    tb_ranks_share(ranks, &t->state, sizeof t->state);
    tb_ranks_share(ranks, &t->due, sizeof t->due);
    tb_ranks_share(ranks, t->network->memory, 3 * row);
    tb_ranks_share(ranks, t->average, row);
    tb_ranks_share(ranks, t->best, row);
}

static struct tb_step step_of(const struct tb_trainer *t, const struct tb_batch *batch,
                              bool training)
{
    return (struct tb_step){.batch = batch,
                            .objective = t->options.objective,
                            .context = t->options.context,
                            .training = training,
                            .workers = t->workers ? (size_t)*t->workers : 0,
                            .stop = t->stop};
}

/* The mean loss of what is in the buffers over all ranks, and its gradients when training. */
static enum tb_status run_part(struct tb_trainer *t, struct part p, bool training, double *loss,
                               struct tb_error *err)
{
    struct tb_error fault;
    struct tb_batch batch = batch_of(t, p.own);
    const struct tb_step step = step_of(t, &batch, training);
    const double share = (double)p.own / (double)p.clips;
    enum tb_status s = p.own ? tb_stepper_run(t->stepper, &step, loss, &fault) : TB_OK;
    s = tb_trainer_agree(t, s == TB_OK ? TB_OK : told(s, &fault, err), err);
    if (s != TB_OK)
        return s;
    *loss = tb_ranks_total(t->options.ranks, p.own ? *loss * share : 0);
    tb_real *g = tb_stepper_gradients(t->stepper);
    for (size_t i = 0; training && p.own < p.clips && i < t->network->n_values; i++)
        g[i] *= (tb_real)share;
    if (training)
        tb_ranks_sum(t->options.ranks, g, t->network->n_values);
    return TB_OK;
}

/* Streams are a function of seed, step and place among all ranks' shards: a run is the same however
 * its shards are spread over processes. */
static uint64_t stream_seed(const struct tb_trainer *t)
{
    return t->options.seed + 1 + tb_ranks_own(t->options.ranks) * t->options.threads +
           t->state.step * 0xd1342543de82ef95ULL;
}

enum tb_status tb_trainer_step(struct tb_trainer *t, double *loss, struct tb_error *err)
{
    const struct tb_random before = t->state.random;
    tb_stepper_seed(t->stepper, stream_seed(t));
    enum tb_status s = run_part(t, random_batch(t), true, loss, err);
    if (s == TB_ECONFLICT) /* stopped: as if it had not begun */
        t->state.random = before;
    if (s != TB_OK)
        return s;
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
    const size_t n = tb_dataset_n_clips(t->dataset, split);
    const size_t batch = t->options.batch * tb_ranks_count(t->options.ranks);
    size_t used = n < t->options.most_clips ? n : t->options.most_clips;
    struct tb_random random;
    double sum = 0;
    tb_random_seed(&random, 4711);
    for (size_t first = 0; first < used; first += batch) {
        size_t clips = used - first < batch ? used - first : batch;
        const struct part p = part_of(t, clips);
        for (size_t i = 0; i < p.own; i++) {
            struct tb_dataset_clip clip =
                tb_dataset_clip(t->dataset, split, (first + p.first + i) * n / used);
            cut(t, i, &clip, (TB_CLIP_FRAMES - t->options.clip_frames) / 2);
        }
        make_noise(t, &random, p);
        double loss_of_part;
        enum tb_status s = run_part(t, p, false, &loss_of_part, err);
        if (s != TB_OK)
            return s;
        sum += loss_of_part * (double)clips;
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
