/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_TASK_H
#define TB_SERVER_WEB_TASK_H

#include "base/error.h"
#include "db/store.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Work for another thread. The store thread gives run() its connection and, unless alone, a
 * savepoint: false takes back what it did. done() follows once everything is on disk (TB_OK) or
 * could not be brought there. Worker threads pass store = NULL. */
struct tb_task {
    bool (*run)(struct tb_task *task, struct tb_store *store);
    void (*done)(struct tb_task *task, enum tb_status status, const struct tb_error *err);
    bool alone;
    struct tb_task *next;
};

/* First in, first out. Any thread. */
struct tb_queue {
    pthread_mutex_t mutex;
    pthread_cond_t cond; /* CLOCK_MONOTONIC */
    struct tb_task *head, **tail;
    size_t depth;
    bool stopped, poked;
};

enum tb_status tb_queue_init(struct tb_queue *queue, struct tb_error *err);
void tb_queue_destroy(struct tb_queue *queue);
/* TB_EFULL over max waiting, TB_EIO when stopped. */
enum tb_status tb_queue_push(struct tb_queue *queue, struct tb_task *task, size_t max);
void tb_queue_poke(struct tb_queue *queue); /* ends one wait */
void tb_queue_stop(struct tb_queue *queue);
/* Up to max tasks as a list; waits at most timeout_ms (-1: for ever). NULL on timeout, poke, or
 * when stopped and empty (*stopped). */
struct tb_task *tb_queue_take(struct tb_queue *queue, size_t max, int timeout_ms, bool *stopped);

#endif
