/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_TRAIN_TRAIN_ENTRY_H
#define TB_SERVER_TRAIN_TRAIN_ENTRY_H

#include "server/options.h"

#include <jansson.h>
#include <stdatomic.h>

/* The training module, timbred-train.so: what makes instruments. It is loaded only by training
 * commands and jobs, so that the roles that play and serve carry no OpenBLAS and no FFTW. Ordinary
 * threads. */

/* A training command: does all of it, writes its results to standard output and progress to
 * standard error; *err says what went wrong. */
typedef enum tb_status tb_train_run(const struct tb_args *args, struct tb_error *err);

/* One line of train_commands.def each. */
#define TRAIN_COMMAND(NAME, FUNCTION) tb_train_run FUNCTION;
#include "server/train/train_commands.def"
#undef TRAIN_COMMAND

/* A task of the training role (train_job.c), for data sets and runs of the service (train_jobs.c).
 */
struct tb_train_job {
    const char *set, *run; /* folders sets/UUID and runs/UUID; which of them, the task says */
    const json_t *spec;
    const atomic_int *stop, *workers;          /* see trainer.h */
    void (*tell)(void *context, json_t *line); /* takes line over */
    void *context;
    int result; /* an empty file for what comes out */
};
/* "prepare", "train", "clip", "keep": TB_ENOTFOUND for another. */
enum tb_status tb_train_job_run(const char *task, const struct tb_train_job *job,
                                struct tb_error *err);

/* ---- what the module exports */
struct tb_train_module {
    const char *version; /* TB_VERSION of the build; another one is refused */
    /* TB_ENOTFOUND: no such command in this build */
    enum tb_status (*command)(const char *name, const struct tb_args *args, struct tb_error *err);
    enum tb_status (*job)(const char *task, const struct tb_train_job *job, struct tb_error *err);
};
#define TB_TRAIN_SYMBOL "tb_train_module"

#endif
