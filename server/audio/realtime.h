/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_REALTIME_H
#define TB_SERVER_AUDIO_REALTIME_H

#include "server/config.h"

#include <stdbool.h>
#include <stddef.h>

/* What this process may do about time and memory. None of it is needed to play; what is missing is
 * said, not hidden. */
struct tb_realtime {
    int cpu;      /* of the audio thread, -1: none of its own */
    int priority; /* to ask for, 0: do not ask */
    bool locked;  /* memory stays in RAM */
};

/* Main thread of the audio role, before any other thread: leaves the audio thread's processor to
 * it alone (children inherit that), locks memory, limits how long a real-time thread may spin. */
void tb_realtime_prepare(const struct tb_config *config, struct tb_realtime *realtime);

/* The calling thread becomes a SCHED_FIFO one at `priority` on processor `cpu` (-1: any), with
 * its stack touched and denormals flushed. False when SCHED_FIFO is not granted. */
bool tb_realtime_enter(int priority, int cpu);

/* Any thread but audio. Moves thread tid to SCHED_FIFO at priority, or back to normal with 0. */
bool tb_realtime_set(int tid, int priority);

/* What to do about missing rights, in words; "" when nothing is missing. */
void tb_realtime_advice(const struct tb_realtime *realtime, bool fifo, char *text, size_t size);

/* The thread that SIGXCPU takes out of real time when it spins for 200 ms; 0 for none. The flag
 * tells afterwards that it happened, once. */
void tb_realtime_guard(int tid);
bool tb_realtime_guard_fired(void);

/* Processor for the audio thread after config audio.cpu: the last of those this process may use
 * where there are two or more; -1 for none. */
int tb_realtime_choose_cpu(int wanted);

#endif
