/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

enum { STACK = 512 * 1024 };

struct start {
    char name[16];
    void *(*main)(void *);
    void *arg;
};

/* A thread names itself: the sandbox keeps others' names in /proc from being written. */
static void *begin(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    (void)prctl(PR_SET_NAME, start.name);
    return start.main(start.arg);
}

enum tb_status tb_thread_start(pthread_t *thread, const char *name, void *(*main)(void *),
                               void *arg, struct tb_error *err)
{
    pthread_attr_t attr;
    struct start *start = malloc(sizeof *start);
    if (!start || pthread_attr_init(&attr)) {
        free(start);
        return tb_fail(err, TB_ENOMEM, "%s: no memory for a thread", name);
    }
    (void)snprintf(start->name, sizeof start->name, "%s", name);
    start->main = main;
    start->arg = arg;
    int fault = pthread_attr_setstacksize(&attr, STACK);
    fault = fault ? fault : pthread_create(thread, &attr, begin, start);
    (void)pthread_attr_destroy(&attr);
    if (!fault)
        return TB_OK;
    free(start);
    return tb_fail(err, TB_ENOMEM, "%s: the thread does not start", name);
}
