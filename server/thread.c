/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/thread.h"

enum { STACK = 512 * 1024 };

enum tb_status tb_thread_start(pthread_t *thread, const char *name, void *(*main)(void *),
                               void *arg, struct tb_error *err)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr))
        return tb_fail(err, TB_ENOMEM, "%s: no memory for a thread", name);
    int fault = pthread_attr_setstacksize(&attr, STACK);
    fault = fault ? fault : pthread_create(thread, &attr, main, arg);
    (void)pthread_attr_destroy(&attr);
    if (fault)
        return tb_fail(err, TB_ENOMEM, "%s: the thread does not start", name);
    (void)pthread_setname_np(*thread, name);
    return TB_OK;
}
