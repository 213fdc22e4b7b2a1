/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_TRAINER_H
#define TB_MODELS_TRAIN_TRAINER_H

#include "models/train/dataset.h"
#include "models/train/ranks.h"
#include "models/train/step.h"

#include <stdatomic.h>

/* A training run: random cuts of a data set's clips, steps, validation, the best weights so far,
 * checkpoints from which it goes on bit for bit. One thread owns a trainer; its steps use several.
 */

struct tb_trainer_options {
    size_t batch;            /* clips a step, 1..64; of each rank */
    size_t clip_frames;      /* of each, 32..1000 */
    size_t threads;          /* 1..16; part of the result, so a run keeps it */
    double rate;             /* of AdamW after warming up */
    double decay;            /* the rate falls by this factor ... */
    double decay_steps;      /* ... in so many steps, smoothly */
    double warm_up;          /* steps until the full rate, from 0 */
    double clip;             /* norm of the gradient */
    double weight_decay;     /* AdamW's */
    double average;          /* running mean of the weights, which is what is validated and kept; 0:
                                none, .999 a mean over about a thousand steps */
    uint64_t seed;           /* of cuts, noise and dropout */
    uint64_t validate;       /* steps between validations */
    size_t most_clips;       /* of the validation and test splits, evenly spread */
    unsigned patience;       /* validations without a better one before it ends, 0: no limit */
    tb_objective *objective; /* NULL: spectral loss */
    void *context;           /* for objective */
    const struct tb_ranks *ranks; /* or NULL: alone. Its count and threads are part of the result
                                     through their product only */
};

/* What the published systems use, but for the mean of weights. */
void tb_trainer_defaults(struct tb_trainer_options *options);

enum tb_trainer_end {
    TB_TRAIN_STEPS,    /* all steps done */
    TB_TRAIN_TIME,     /* the minutes are over */
    TB_TRAIN_PATIENCE, /* no better any more */
    TB_TRAIN_DIVERGED, /* the loss left the rails; the best weights are kept */
    TB_TRAIN_STOPPED,  /* somebody asked */
};
const char *tb_trainer_end_text(enum tb_trainer_end end);

struct tb_trainer_report {
    uint64_t step, best_step;
    double loss;       /* mean over the steps since the last report */
    double validation; /* NAN when there was none now */
    double best;       /* NAN before the first */
    double norm;       /* of the gradient, likewise a mean */
    double rate;
    double steps_per_s; /* since the last report */
    double seconds;     /* of this call */
    double left_s;      /* until the limits, INFINITY without any */
};

struct tb_trainer_run {
    uint64_t steps;         /* in all, resumed ones included; 0: no limit */
    double minutes;         /* of this call; 0: no limit */
    const char *checkpoint; /* file, or NULL for none; its predecessor is kept beside it */
    double checkpoint_s;    /* between two */
    double report_s;        /* between reports */
    const atomic_int *stop; /* or NULL; not 0 ends it, in the middle of a step too */
    /* or NULL: how many threads may work at once from the next step on, 0 for all of the options'.
     * The result is the same. */
    const atomic_int *workers;
    void (*report)(void *context, const struct tb_trainer_report *report); /* or NULL */
    /* or NULL: after a checkpoint with better weights than the last time, lent for the call; after
     * the first one of a resumed trainer always, for it may have been killed between the two */
    void (*better)(void *context, const struct tb_network *best);
    void (*saved)(void *context); /* or NULL: after a checkpoint */
    /* or NULL: a checkpoint could not be written, training goes on */
    void (*warn)(void *context, const struct tb_error *err);
    void *context;
};

struct tb_trainer;

/* Takes network over, also on failure. dataset must outlive it. NULL with *err. */
struct tb_trainer *tb_trainer_new(struct tb_network *network, const struct tb_dataset *dataset,
                                  const struct tb_trainer_options *options, struct tb_error *err);
void tb_trainer_free(struct tb_trainer *trainer); /* NULL is allowed */

/* Trains until a limit. TB_EFULL or TB_EIO when the last checkpoint could not be written; the one
 * before it is whole. */
enum tb_status tb_trainer_go(struct tb_trainer *trainer, const struct tb_trainer_run *run,
                             enum tb_trainer_end *end, struct tb_error *err);

/* One step; the loss before it. */
enum tb_status tb_trainer_step(struct tb_trainer *trainer, double *loss, struct tb_error *err);

/* Mean objective over a split (at most most_clips of its clips), of the weights that would be kept
 * now. TB_ENOTFOUND when the split is empty. */
enum tb_status tb_trainer_loss(struct tb_trainer *trainer, enum tb_split split, double *loss,
                               struct tb_error *err);

/* Makes the best weights so far the network's own and returns it; it stays the trainer's. */
struct tb_network *tb_trainer_best(struct tb_trainer *trainer);

uint64_t tb_trainer_steps(const struct tb_trainer *trainer);
uint64_t tb_trainer_best_step(const struct tb_trainer *trainer);
double tb_trainer_best_loss(const struct tb_trainer *trainer); /* NAN: none yet */

/* ---- several ranks: what all must call together */
/* What rank 0 has, for all ranks: state and every array. */
void tb_trainer_share(struct tb_trainer *trainer);

/* The worst status of all ranks; *err tells when it is another's. */
enum tb_status tb_trainer_agree(const struct tb_trainer *trainer, enum tb_status status,
                                struct tb_error *err);

/* ---- checkpoints (checkpoint.c) */

/* Rank 0 only. All of the state, with a checksum: written beside, synced, renamed; the one before
 * it becomes PATH.old. */
enum tb_status tb_trainer_save(const struct tb_trainer *trainer, const char *path,
                               struct tb_error *err);

/* Goes on where path was written; where there are ranks 0 does, then all tb_trainer_share.
 * TB_ECORRUPT: damaged. TB_ECONFLICT: of another network, data set or number of threads. A trainer
 * is unchanged when it fails. */
enum tb_status tb_trainer_resume(struct tb_trainer *trainer, const char *path,
                                 struct tb_error *err);

#endif
