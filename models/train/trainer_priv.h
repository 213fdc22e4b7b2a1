/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_TRAINER_PRIV_H
#define TB_MODELS_TRAIN_TRAINER_PRIV_H

#include "models/train/trainer.h"

enum { TB_TRAINER_MAX_BATCH = 64, TB_TRAINER_MIN_FRAMES = 32, TB_TRAINER_MAX_THREADS = 16 };

/* What a run is at a step, and a checkpoint holds beside weights. Fixed sizes, no pointers, no
 * padding. */
struct tb_trainer_state {
    uint64_t step, best_step, since_best; /* since_best: validations */
    double best;                          /* INFINITY before the first */
    struct tb_random random;              /* cuts and noise */
};

/* The batch that is being made. */
struct tb_trainer_buffers {
    tb_real *f0_hz, *pitch, *loudness, *noise, *audio;
};

struct tb_trainer {
    struct tb_network *network;
    const struct tb_dataset *dataset;
    struct tb_trainer_options options;
    struct tb_stepper *stepper;
    struct tb_trainer_buffers buffers;
    tb_real *average, *best; /* [n_values] */
    struct tb_trainer_state state;
    double norm;                      /* of the last gradient */
    bool due;                         /* the validation of this step has still to be made */
    const atomic_int *stop, *workers; /* of the run under way, or NULL */
};

/* The rate of the next step. */
double tb_trainer_rate(const struct tb_trainer *trainer);

/* The network's weights and other[n_values] change places. */
void tb_trainer_swap(struct tb_trainer *trainer, tb_real *other);

#endif
