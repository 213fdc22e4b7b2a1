/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_STEP_H
#define TB_MODELS_TRAIN_STEP_H

#include "models/train/network.h"
#include "models/train/random.h"

/* Runs one batch on several threads: its clips are cut into shards, each with a tape, gradients and
 * a random stream of its own, and the shards are added in a fixed order, so that a run with the
 * same seeds and number of shards gives the same weights to the last bit. */
struct tb_stepper;

/* A loss for one shard, the mean over its clips: builds on pass and returns a [1][1] tensor. */
typedef struct tb_tensor tb_objective(struct tb_tape *tape, const struct tb_pass *pass,
                                      const struct tb_batch *batch, void *context);

/* shards 1..16; arena_bytes of address space each. */
struct tb_stepper *tb_stepper_new(const struct tb_network *network, size_t shards,
                                  size_t arena_bytes, uint64_t seed, struct tb_error *err);
void tb_stepper_free(struct tb_stepper *stepper);

/* What to do with a batch. training: dropout is active and gradients are made. */
struct tb_step {
    const struct tb_batch *batch;
    tb_objective *objective;
    void *context; /* for objective; its own business */
    bool training;
    size_t workers;         /* threads that share the shards, 0: one each. No part of the result */
    const atomic_int *stop; /* or NULL: not 0 ends the step, without a result */
};

/* Mean loss of the batch, gradients of it [n_values] summed over shards into the stepper's first
 * buffer, which is returned by tb_stepper_gradients. TB_ENOMEM when an arena is too small,
 * TB_ECORRUPT when the loss is not finite, TB_ECONFLICT when it was stopped. */
enum tb_status tb_stepper_run(struct tb_stepper *stepper, const struct tb_step *step, double *loss,
                              struct tb_error *err);
tb_real *tb_stepper_gradients(struct tb_stepper *stepper);

/* The random streams begin anew: shard i's with seed + i. */
void tb_stepper_seed(struct tb_stepper *stepper, uint64_t seed);

/* The usual objective: spectral loss against batch->audio. */
struct tb_tensor tb_spectral_objective(struct tb_tape *tape, const struct tb_pass *pass,
                                       const struct tb_batch *batch, void *context);

/* The same under a floor: both sides get the same white noise (batch->noise times *(double
 * *)context) first, so that what is far below it counts for little. Without one, the logarithm of
 * the spectral loss rewards FM for filling the gaps between harmonics with noise more than for the
 * harmonics: a DDX7 flute that is trained for minutes then has no pitch. */
struct tb_tensor tb_floor_objective(struct tb_tape *tape, const struct tb_pass *pass,
                                    const struct tb_batch *batch, void *context);

#endif
