/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/step.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SHARDS = 16 };

struct shard {
    struct tb_stepper *stepper;
    struct tb_tape *tape;
    tb_real *gradients;
    struct tb_random random;
    struct tb_batch batch; /* this shard's part */
    double loss;
    bool failed;
};

struct tb_stepper {
    const struct tb_network *network;
    size_t n_shards;
    struct shard shards[MAX_SHARDS];
    struct tb_step step;  /* the one that runs */
    _Atomic size_t taken; /* shards of it */
};

struct tb_stepper *tb_stepper_new(const struct tb_network *network, size_t shards,
                                  size_t arena_bytes, uint64_t seed, struct tb_error *err)
{
    if (shards < 1 || shards > MAX_SHARDS) {
        (void)tb_fail(err, TB_EINVAL, "threads: %zu is not within 1..%d", shards, MAX_SHARDS);
        return NULL;
    }
    struct tb_stepper *s = calloc(1, sizeof *s);
    bool whole = s != NULL;
    for (size_t i = 0; whole && i < shards; i++) {
        struct shard *shard = &s->shards[i];
        s->n_shards = i + 1;
        shard->stepper = s;
        shard->tape = tb_tape_new(arena_bytes);
        shard->gradients = tb_reals_new(network->n_values);
        whole = shard->tape && shard->gradients;
    }
    if (!whole) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for %zu training threads", shards);
        tb_stepper_free(s);
        return NULL;
    }
    s->network = network;
    tb_stepper_seed(s, seed);
    return s;
}

void tb_stepper_seed(struct tb_stepper *stepper, uint64_t seed)
{
    for (size_t i = 0; i < stepper->n_shards; i++)
        tb_random_seed(&stepper->shards[i].random, seed + i);
}

void tb_stepper_free(struct tb_stepper *stepper)
{
    if (!stepper)
        return;
    for (size_t i = 0; i < stepper->n_shards; i++) {
        tb_tape_free(stepper->shards[i].tape);
        free(stepper->shards[i].gradients);
    }
    free(stepper);
}

static void run_shard(struct shard *shard)
{
    const struct tb_stepper *s = shard->stepper;
    const struct tb_step *step = &s->step;
    const struct tb_batch *b = &shard->batch;
    shard->loss = 0.0;
    shard->failed = false;
    if (b->grid.clips == 0)
        return;
    tb_tape_set_stop(shard->tape, step->stop);
    tb_tape_reset(shard->tape);
    tb_tape_set_training(shard->tape, step->training);
    struct tb_pass pass = tb_network_forward(
        shard->tape, s->network, b, step->training ? shard->gradients : NULL, &shard->random);
    struct tb_tensor loss = {0};
    if (pass.audio.value && !tb_tape_stopped(shard->tape))
        loss = step->objective(shard->tape, &pass, b, step->context);
    if (!loss.value || tb_tape_failed(shard->tape)) {
        shard->failed = true;
        return;
    }
    double share = (double)b->grid.clips / (double)step->batch->grid.clips;
    shard->loss = (double)loss.value[0] * share;
    if (!step->training)
        return;
    loss.grad[0] = (tb_real)share;
    tb_tape_backward(shard->tape);
    shard->failed = tb_tape_failed(shard->tape);
}

static void *work(void *arg)
{
    struct tb_stepper *s = arg;
    for (size_t i; (i = atomic_fetch_add(&s->taken, 1)) < s->n_shards;)
        run_shard(&s->shards[i]);
    return NULL;
}

static struct tb_batch part(const struct tb_batch *b, size_t first, size_t clips)
{
    struct tb_batch p = *b;
    size_t frame = first * b->grid.frames, sample = frame * b->grid.hop;
    p.grid.clips = clips;
    p.f0_hz += frame;
    p.pitch += frame;
    p.loudness += frame;
    p.noise += sample;
    p.audio += sample;
    return p;
}

static void run_shards(struct tb_stepper *s)
{
    const struct tb_batch *batch = s->step.batch;
    size_t workers = s->step.workers ? s->step.workers : s->n_shards;
    pthread_t threads[MAX_SHARDS];
    bool started[MAX_SHARDS] = {false};
    for (size_t i = 0; i < s->n_shards; i++) {
        size_t first = batch->grid.clips * i / s->n_shards;
        size_t end = batch->grid.clips * (i + 1) / s->n_shards;
        s->shards[i].batch = part(batch, first, end - first);
        memset(s->shards[i].gradients, 0, s->network->n_values * sizeof(tb_real));
    }
    atomic_store(&s->taken, 0);
    for (size_t i = 1; i < workers && i < s->n_shards; i++)
        started[i] = pthread_create(&threads[i], NULL, work, s) == 0;
    (void)work(s); /* and all of it where no thread is to be had */
    for (size_t i = 1; i < s->n_shards; i++)
        if (started[i])
            (void)pthread_join(threads[i], NULL);
}

enum tb_status tb_stepper_run(struct tb_stepper *stepper, const struct tb_step *step, double *loss,
                              struct tb_error *err)
{
    stepper->step = *step;
    run_shards(stepper);
    if (step->stop && *step->stop)
        return tb_fail(err, TB_ECONFLICT, "stopped");
    tb_real *sum = stepper->shards[0].gradients;
    *loss = 0.0;
    for (size_t i = 0; i < stepper->n_shards; i++) {
        const struct shard *shard = &stepper->shards[i];
        if (shard->failed)
            return tb_fail(err, TB_ENOMEM, "the batch does not fit the training memory");
        *loss += shard->loss;
        for (size_t k = 0; step->training && i > 0 && k < stepper->network->n_values; k++)
            sum[k] += shard->gradients[k];
    }
    if (!isfinite(*loss))
        return tb_fail(err, TB_ECORRUPT, "the loss is not finite any more");
    return TB_OK;
}

tb_real *tb_stepper_gradients(struct tb_stepper *stepper)
{
    return stepper->shards[0].gradients;
}

struct tb_tensor tb_spectral_objective(struct tb_tape *tape, const struct tb_pass *pass,
                                       const struct tb_batch *batch, void *context)
{
    (void)context;
    return tb_op_spectral_loss(tape, pass->audio, batch->audio, batch->grid.clips);
}

struct tb_tensor tb_floor_objective(struct tb_tape *tape, const struct tb_pass *pass,
                                    const struct tb_batch *batch, void *context)
{
    const tb_real gain = (tb_real) * (const double *)context;
    size_t n = batch->grid.clips * batch->grid.frames * batch->grid.hop;
    tb_real *masked = tb_tape_alloc(tape, n * sizeof *masked);
    tb_real *noise = tb_tape_alloc(tape, n * sizeof *noise);
    if (!masked || !noise || !pass->audio.value)
        return (struct tb_tensor){0};
    for (size_t i = 0; i < n; i++) {
        noise[i] = gain * batch->noise[(i + n / 2) % n]; /* not what the model's own noise is */
        masked[i] = batch->audio[i] + noise[i];
    }
    struct tb_tensor ours = tb_op_add(tape, pass->audio, tb_constant(noise, n, 1));
    return ours.value ? tb_op_spectral_loss(tape, ours, masked, batch->grid.clips) : ours;
}
