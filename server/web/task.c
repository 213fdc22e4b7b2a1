/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/task.h"

#include <errno.h>
#include <time.h>

enum tb_status tb_queue_init(struct tb_queue *queue, struct tb_error *err)
{
    *queue = (struct tb_queue){0};
    queue->tail = &queue->head;
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) || pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) ||
        pthread_cond_init(&queue->cond, &attr) || pthread_mutex_init(&queue->mutex, NULL))
        return tb_fail(err, TB_ENOMEM, "no memory for a queue");
    (void)pthread_condattr_destroy(&attr);
    return TB_OK;
}

void tb_queue_destroy(struct tb_queue *queue)
{
    (void)pthread_cond_destroy(&queue->cond);
    (void)pthread_mutex_destroy(&queue->mutex);
}

enum tb_status tb_queue_push(struct tb_queue *queue, struct tb_task *task, size_t max)
{
    enum tb_status status = TB_OK;
    task->next = NULL;
    (void)pthread_mutex_lock(&queue->mutex);
    if (queue->stopped) {
        status = TB_EIO;
    } else if (queue->depth >= max) {
        status = TB_EFULL;
    } else {
        *queue->tail = task;
        queue->tail = &task->next;
        queue->depth++;
        (void)pthread_cond_signal(&queue->cond);
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    return status;
}

void tb_queue_poke(struct tb_queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    queue->poked = true;
    (void)pthread_cond_signal(&queue->cond);
    (void)pthread_mutex_unlock(&queue->mutex);
}

void tb_queue_stop(struct tb_queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    queue->stopped = true;
    (void)pthread_cond_broadcast(&queue->cond);
    (void)pthread_mutex_unlock(&queue->mutex);
}

static struct tb_task *take(struct tb_queue *queue, size_t max)
{
    struct tb_task *first = queue->head, *last = NULL;
    for (size_t n = 0; queue->head && n < max; n++) {
        last = queue->head;
        queue->head = last->next;
        queue->depth--;
    }
    if (last)
        last->next = NULL;
    if (!queue->head)
        queue->tail = &queue->head;
    return first;
}

struct tb_task *tb_queue_take(struct tb_queue *queue, size_t max, int timeout_ms, bool *stopped)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    if (timeout_ms >= 0) {
        until.tv_sec += timeout_ms / 1000;
        until.tv_nsec += timeout_ms % 1000 * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
    }
    (void)pthread_mutex_lock(&queue->mutex);
    while (!queue->head && !queue->stopped && !queue->poked) {
        if (timeout_ms < 0)
            (void)pthread_cond_wait(&queue->cond, &queue->mutex);
        else if (pthread_cond_timedwait(&queue->cond, &queue->mutex, &until) == ETIMEDOUT)
            break;
    }
    queue->poked = false;
    struct tb_task *list = take(queue, max);
    *stopped = queue->stopped && !list;
    (void)pthread_mutex_unlock(&queue->mutex);
    return list;
}
