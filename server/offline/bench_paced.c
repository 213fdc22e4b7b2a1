/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/bench_priv.h"

#include "server/audio/realtime.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* Blocks at the pace of a sound card, beside a witness. */
struct pace {
    struct tb_bench_case *c;
    uint64_t period_ns, start_ns;
    int cpu;              /* both threads run here, -1: anywhere */
    atomic_bool finished; /* ours is through: the witness may stop */
};

static void sleep_until(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000U), .tv_nsec = (long)(ns % 1000000000U)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* The period after the one in which now lies, on the grid of start. */
static uint64_t next_period(const struct pace *p, uint64_t target, uint64_t now)
{
    target += p->period_ns;
    if (now > target)
        target += (now - target) / p->period_ns * p->period_ns;
    return target;
}

static void *run_witness(void *arg)
{
    struct pace *p = arg;
    (void)tb_realtime_enter(p->c->spec->priority, p->cpu);
    uint64_t target = p->start_ns + p->period_ns / 2;
    while (!atomic_load(&p->finished)) {
        sleep_until(target);
        uint64_t now = tb_bench_now_ns(), delay = now - target;
        if (delay > p->c->witness_max_ns)
            p->c->witness_max_ns = delay > UINT32_MAX ? UINT32_MAX : (uint32_t)delay;
        p->c->witness_late += delay > p->period_ns;
        target = next_period(p, target, now);
    }
    return NULL;
}

static void *run_blocks(void *arg)
{
    struct pace *p = arg;
    struct tb_bench_case *c = p->c;
    c->realtime = tb_realtime_enter(c->spec->priority, p->cpu);
    uint64_t target = p->start_ns;
    size_t blocks = (size_t)(c->spec->seconds * (double)c->rate_hz / (double)c->block) + 1;
    for (size_t i = 0; i < blocks && c->n < c->capacity; i++) {
        sleep_until(target);
        tb_bench_case_block(c, true);
        uint64_t now = tb_bench_now_ns();
        c->late += now > target + p->period_ns;
        target = next_period(p, target, now);
    }
    atomic_store(&p->finished, true);
    return NULL;
}

static int last_allowed_cpu(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 2)
        return -1;
    int last = -1;
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET((size_t)i, &set))
            last = i;
    }
    return last;
}

enum tb_status tb_bench_paced(struct tb_bench_case *c, struct tb_error *err)
{
    struct pace p = {.c = c,
                     .period_ns = (uint64_t)c->block * 1000000000U / c->rate_hz,
                     .start_ns = tb_bench_now_ns() + 20000000U,
                     .cpu = last_allowed_cpu()};
    pthread_t blocks, witness;
    int fault = pthread_create(&witness, NULL, run_witness, &p);
    if (fault)
        return tb_fail(err, TB_EIO, "bench: no thread: %s", strerror(fault));
    fault = pthread_create(&blocks, NULL, run_blocks, &p);
    if (fault)
        atomic_store(&p.finished, true);
    else
        (void)pthread_join(blocks, NULL);
    (void)pthread_join(witness, NULL);
    if (fault)
        return tb_fail(err, TB_EIO, "bench: no thread: %s", strerror(fault));
    struct tb_frame frame;
    tb_engine_telemetry(c->engine, &frame);
    c->sounding = frame.voices;
    return TB_OK;
}
