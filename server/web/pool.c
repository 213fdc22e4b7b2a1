/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/pool.h"

#include "server/web/thread.h"

#include <stdlib.h>

enum { MAX_WAITING = 16 };

struct tb_pool {
    struct tb_queue queue;
    pthread_t threads[TB_POOL_MAX];
    size_t n;
};

static void *pool_main(void *arg)
{
    struct tb_pool *pool = arg;
    bool stopped = false;
    while (!stopped) {
        struct tb_task *task = tb_queue_take(&pool->queue, 1, -1, &stopped);
        if (task)
            (void)task->run(task, NULL);
    }
    return NULL;
}

enum tb_status tb_pool_submit(struct tb_pool *pool, struct tb_task *task)
{
    return tb_queue_push(&pool->queue, task, MAX_WAITING);
}

struct tb_pool *tb_pool_new(size_t n, struct tb_error *err)
{
    struct tb_pool *pool = calloc(1, sizeof *pool);
    if (!pool || tb_queue_init(&pool->queue, err) != TB_OK) {
        free(pool);
        (void)tb_fail(err, TB_ENOMEM, "no memory for workers");
        return NULL;
    }
    for (; pool->n < n; pool->n++) {
        if (tb_thread_start(&pool->threads[pool->n], "worker", pool_main, pool, err) != TB_OK) {
            tb_pool_free(pool);
            return NULL;
        }
    }
    return pool;
}

void tb_pool_stop(struct tb_pool *pool)
{
    if (!pool)
        return;
    tb_queue_stop(&pool->queue);
    for (; pool->n > 0; pool->n--)
        (void)pthread_join(pool->threads[pool->n - 1], NULL);
}

void tb_pool_free(struct tb_pool *pool)
{
    if (!pool)
        return;
    tb_pool_stop(pool);
    tb_queue_destroy(&pool->queue);
    free(pool);
}
