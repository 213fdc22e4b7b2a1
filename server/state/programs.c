/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/state/programs.h"

#include "server/log.h"
#include "server/state/loader.h"
#include "server/web/pool.h"
#include "server/web/web.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { NONE = -1 };

struct tb_programs {
    struct tb_task task; /* first */
    struct tb_web *web;
    struct tb_store *reader; /* of the worker that has the task */
    _Atomic int wanted;
    _Atomic bool busy; /* a worker has the task */
};

static void load(struct tb_programs *programs, unsigned number)
{
    struct tb_error err;
    enum tb_status status =
        tb_load_program(programs->web, programs->reader, number >> 7, number & 127, &err);
    if (status != TB_OK && status != TB_ENOTFOUND) /* an empty place of a bank is no fault */
        tb_log("program change: %s", err.text);
}

static bool run(struct tb_task *task, struct tb_store *store)
{
    struct tb_programs *programs = (struct tb_programs *)task;
    (void)store;
    for (int number; (number = atomic_exchange(&programs->wanted, NONE)) != NONE;)
        load(programs, (unsigned)number);
    atomic_store(&programs->busy, false); /* what came just now is seen by the next tick */
    return true;
}

struct tb_programs *tb_programs_new(struct tb_web *web, struct tb_error *err)
{
    struct tb_programs *programs = calloc(1, sizeof *programs);
    if (!programs) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for program changes");
        return NULL;
    }
    programs->task.run = run;
    programs->web = web;
    atomic_store(&programs->wanted, NONE);
    programs->reader = tb_store_open(web->config.state_dir, TB_STORE_READ, NULL, err);
    if (programs->reader)
        return programs;
    free(programs);
    return NULL;
}

void tb_programs_free(struct tb_programs *programs)
{
    if (!programs)
        return;
    tb_store_close(programs->reader);
    free(programs);
}

void tb_programs_want(struct tb_programs *programs, uint32_t number)
{
    atomic_store(&programs->wanted, (int)(number & INT_MAX));
}

void tb_programs_tick(struct tb_programs *programs)
{
    if (atomic_load(&programs->wanted) == NONE || atomic_exchange(&programs->busy, true))
        return;
    if (tb_pool_submit(programs->web->pool, &programs->task) != TB_OK)
        atomic_store(&programs->busy, false); /* again at the next tick */
}
