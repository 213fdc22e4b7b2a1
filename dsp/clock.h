/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_CLOCK_H
#define TB_DSP_CLOCK_H

#include <stdint.h>
#include <time.h>

#define TB_NS_PER_S UINT64_C(1000000000)
#define TB_NS_PER_MS UINT64_C(1000000)

/* Any thread, audio too: CLOCK_MONOTONIC comes from the vDSO, without a system call. */
static inline uint64_t tb_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TB_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Any thread but audio. */
static inline void tb_clock_sleep_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0) {
    }
}

#endif
