/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_AUDIO_WITNESS_H
#define TB_TESTS_AUDIO_WITNESS_H

#include "dsp/clock.h"
#include "server/audio/realtime.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* An empty thread of the same priority, period and processor as the audio thread. A period that is
 * late in both is the machine's fault, one that is late in ours alone is ours. */
struct witness {
    int priority, cpu;
    uint64_t period_ns;
    atomic_bool stop;
    uint64_t periods, late, worst_ns;
    pthread_t thread;
};

static inline void *witness_run(void *arg)
{
    struct witness *w = arg;
    (void)tb_realtime_enter(w->priority, w->cpu);
    uint64_t next = tb_clock_ns();
    while (!atomic_load(&w->stop)) {
        next += w->period_ns;
        struct timespec until = {.tv_sec = (time_t)(next / TB_NS_PER_S),
                                 .tv_nsec = (long)(next % TB_NS_PER_S)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
        }
        uint64_t now = tb_clock_ns(), late = now > next ? now - next : 0;
        w->periods++;
        w->late += late > w->period_ns;
        w->worst_ns = late > w->worst_ns ? late : w->worst_ns;
        if (late > w->period_ns)
            next = now;
    }
    return NULL;
}

static inline int witness_start(struct witness *w)
{
    return pthread_create(&w->thread, NULL, witness_run, w);
}

static inline void witness_stop(struct witness *w)
{
    atomic_store(&w->stop, true);
    (void)pthread_join(w->thread, NULL);
}

#endif
