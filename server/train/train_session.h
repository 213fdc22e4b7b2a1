/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_TRAIN_TRAIN_SESSION_H
#define TB_SERVER_TRAIN_TRAIN_SESSION_H

#include "models/train/trainer.h"
#include "server/options.h"

#include <jansson.h>

/* A training run in its folder, as the command line and jobs start it (train_run.c). */

struct tb_train_setup {
    const char *dataset, *folder;
    /* Makes the network and may change options, such as the objective; NULL: as `train` does. */
    struct tb_network *(*network)(const struct tb_args *args, void *context,
                                  struct tb_trainer_options *options, struct tb_error *err);
    void *context;   /* for network */
    const char *how; /* for the model's metadata, or NULL */
    /* Of a job (train_jobs.c); without tell, signals stop and the terminal is told. */
    const atomic_int *stop, *workers;
    void (*tell)(void *listener, json_t *line); /* takes line over */
    void *listener;
};

/* Goes on from the checkpoint that is there, trains until a limit, leaves the best model. One in a
 * process: it takes the signals that stop it. */
enum tb_status tb_train_session(const struct tb_args *args, const struct tb_train_setup *setup,
                                struct tb_error *err);

#endif
