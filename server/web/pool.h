/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_POOL_H
#define TB_SERVER_WEB_POOL_H

#include "base/error.h"
#include "server/web/task.h"

/* A few threads for what may wait: the audio role, jobs, files. */
struct tb_pool;

/* n threads, 1..TB_POOL_MAX. */
enum { TB_POOL_MAX = 3 };
struct tb_pool *tb_pool_new(size_t n, struct tb_error *err);
void tb_pool_stop(struct tb_pool *pool); /* finishes what waits; from now on TB_EIO */
void tb_pool_free(struct tb_pool *pool);
/* Any thread. Only run() is called. TB_EFULL when too many wait, TB_EIO when
 * stopped. */
enum tb_status tb_pool_submit(struct tb_pool *pool, struct tb_task *task);

#endif
