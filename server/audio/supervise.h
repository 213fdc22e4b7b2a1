/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_SUPERVISE_H
#define TB_SERVER_AUDIO_SUPERVISE_H

#include "base/error.h"
#include "server/link.h"
#include "server/shm.h"

#include <stdbool.h>
#include <sys/types.h>

enum { TB_N_JOB_KINDS = TB_JOB_CLIP + 1 };

/* The children of the audio role. Main thread only. */
struct tb_supervisor {
    int argc; /* options of the command line, handed on to the web role */
    char **argv;
    struct tb_shm *shm;
    int shm_fd;
    int link;            /* our end to the web role, -1 while it is not there */
    int listener;        /* the web role's listening socket, kept for the next one; -1: none yet */
    pid_t web;           /* 0 while it is not there */
    uint64_t started_ns; /* CLOCK_MONOTONIC of the last start */
    uint64_t retry_ns;   /* when to start the next one; only while web is 0 */
    unsigned failures;   /* in a row */
    bool stopping;
    uint64_t renew_ns;          /* when the web role was asked to make room for a new one; 0: not */
    pid_t jobs[TB_N_JOB_KINDS]; /* 0: none of that kind */
};

void tb_supervisor_init(struct tb_supervisor *s, struct tb_shm *shm, int shm_fd, int argc,
                        char **argv);

/* Starts the web role if it is due. Call often; a start that fails is logged and tried again. */
void tb_supervisor_tick(struct tb_supervisor *s, uint64_t now_ns);

/* Milliseconds until tick has something to do, at most limit_ms. */
int tb_supervisor_wait_ms(const struct tb_supervisor *s, uint64_t now_ns, int limit_ms);

/* A new web role, with the configuration as it is now, takes the place of the old one. */
void tb_supervisor_renew(struct tb_supervisor *s, uint64_t now_ns);

/* After SIGCHLD. True when the web role ended (its notes have to be released). Jobs that ended are
 * told to the web role. */
bool tb_supervisor_reap(struct tb_supervisor *s, uint64_t now_ns);

/* Starts a job whose descriptor TB_FD_JOB is fd (still to be closed by the caller). One of a kind
 * at a time: TB_ECONFLICT. */
enum tb_status tb_supervisor_job_start(struct tb_supervisor *s, uint32_t kind, int fd, pid_t *pid,
                                       struct tb_error *err);
enum tb_status tb_supervisor_job_stop(struct tb_supervisor *s, pid_t pid, struct tb_error *err);

/* Keeps a copy of the web role's listening socket. TB_EINVAL: it is none. */
enum tb_status tb_supervisor_keep(struct tb_supervisor *s, int fd, struct tb_error *err);

/* Asks every child to end; then waits, and kills what is still there after timeout_ms. */
void tb_supervisor_begin_stop(struct tb_supervisor *s);
void tb_supervisor_finish_stop(struct tb_supervisor *s, int timeout_ms);

/* How long to wait before the next start: nothing after the first failure, then 100, 200 ... 5000
 * ms. */
unsigned tb_supervisor_backoff_ms(unsigned failures);

#endif
