/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_THREAD_H
#define TB_SERVER_WEB_THREAD_H

#include "base/error.h"

#include <pthread.h>

/* Starts a thread with a 512 KiB stack (256 KiB hold the deepest JSON) and a name of up to 15
 * characters. */
enum tb_status tb_thread_start(pthread_t *thread, const char *name, void *(*main)(void *),
                               void *arg, struct tb_error *err);

#endif
