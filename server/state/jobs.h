/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_STATE_JOBS_H
#define TB_SERVER_STATE_JOBS_H

#include "base/error.h"
#include "server/link.h"
#include "server/offline/bench.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Job children as the web role sees them (job.h): renders wait for theirs, one benchmark at a time
 * runs on a thread of its own and is stored when it is done. */
struct tb_jobs;
struct tb_web;

struct tb_jobs *tb_jobs_new(struct tb_web *web, struct tb_error *err);
/* Tells all jobs to stop; threads that wait for one come back soon. Any thread. */
void tb_jobs_stop(struct tb_jobs *jobs);
void tb_jobs_free(struct tb_jobs *jobs);

/* A thread that may wait. Runs a job to its end; *fd is the result, the caller's. progress may be
 * NULL; false from it stops the job (TB_ECONFLICT). */
struct tb_job {
    enum tb_job_kind kind;
    const json_t *spec; /* render, bench */
    int file;           /* model: what is to be checked; stays the caller's */
    bool has_model[2];  /* render: A, B; bench: A */
    int models[2];      /* their files; stay the caller's */
    int timeout_s;
    bool (*progress)(void *context, double progress, const char *detail);
    void *context;
};
enum tb_status tb_job_run(struct tb_jobs *jobs, const struct tb_job *job, int *fd,
                          struct tb_error *err);

/* ---- the training role (job.h) */

struct tb_train_request;

/* A thread that may wait. Starts a task of kind TB_JOB_TRAIN or TB_JOB_CLIP; *socket is the
 * conversation (job_wire.h), the caller's. To close it stops the job. */
enum tb_status tb_job_begin_training(struct tb_jobs *jobs, enum tb_job_kind kind,
                                     const struct tb_train_request *request, const json_t *spec,
                                     int *socket, struct tb_error *err);
/* The same to its end, for a short one; *fd is the result, the caller's. */
enum tb_status tb_job_run_training(struct tb_jobs *jobs, const struct tb_train_request *request,
                                   const json_t *spec, int *fd, struct tb_error *err);
bool tb_jobs_stopping(const struct tb_jobs *jobs);

/* The JSON in a result; NULL when there is none. */
json_t *tb_job_json(int fd);

/* What a benchmark is doing. */
struct tb_bench_state {
    int64_t id;
    char state[8]; /* "running" "failed", "" none */
    char detail[160];
    double progress;
};

/* The files of the models that a benchmark plays one after the other; -1 is plain FM. */
struct tb_bench_models {
    size_t n;
    int fd[TB_BENCH_MAX_MODELS];
};
void tb_bench_models_close(struct tb_bench_models *models);

/* Any thread. TB_ECONFLICT when one runs. Takes a reference of spec, and models over, whose n is 0
 * afterwards, even when it fails. *id is its number from now on. */
enum tb_status tb_bench_begin(struct tb_jobs *jobs, json_t *spec, struct tb_bench_models *models,
                              int64_t *id, struct tb_error *err);
void tb_bench_state(struct tb_jobs *jobs, struct tb_bench_state *state); /* of the last one */
/* True when id runs and was told to stop. */
bool tb_bench_cancel(struct tb_jobs *jobs, int64_t id);

#endif
