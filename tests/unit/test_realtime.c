/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/clock.h"
#include "server/audio/realtime.h"
#include "server/audio/supervise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static atomic_bool granted;
static atomic_int policy_after;

static void *spin(void *arg)
{
    (void)arg;
    tb_realtime_guard(gettid());
    atomic_store(&granted, tb_realtime_enter(10, -1));
    uint64_t end = tb_clock_ns() + 2 * TB_NS_PER_S;
    while (atomic_load(&granted) && tb_clock_ns() < end &&
           (sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == SCHED_FIFO) {
    }
    atomic_store(&policy_after, sched_getscheduler(0));
    return NULL;
}

static void a_spinning_thread_loses_its_priority(void **state)
{
    (void)state;
    struct tb_config config = {.priority = 10, .cpu = -2};
    struct tb_realtime realtime;
    pthread_t thread;
    tb_realtime_prepare(&config, &realtime);
    assert_false(tb_realtime_guard_fired());
    assert_int_equal(pthread_create(&thread, NULL, spin, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (!atomic_load(&granted))
        skip(); /* no right to SCHED_FIFO here */
    assert_int_equal(atomic_load(&policy_after), SCHED_OTHER);
    assert_true(tb_realtime_guard_fired());
    assert_false(tb_realtime_guard_fired());
    tb_realtime_guard(0);
}

static void advice_names_what_is_missing(void **state)
{
    (void)state;
    static const struct {
        int priority;
        bool locked, fifo;
        const char *has, *has_not;
    } cases[] = {
        {70, true, false, "real-time priority", "memory"},
        {70, false, true, "locked memory", "priority"},
        {70, false, false, "real-time priority and locked memory", "\n"},
        {0, false, false, "locked memory", "priority"},
        {70, true, true, "", "without"},
        {0, true, false, "", "without"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_realtime r = {.priority = cases[i].priority, .locked = cases[i].locked};
        char text[200];
        tb_realtime_advice(&r, cases[i].fifo, text, sizeof text);
        if (!strstr(text, cases[i].has) || strstr(text, cases[i].has_not))
            fail_msg("%zu: \"%s\"", i, text);
    }
}

static void the_processor_is_one_of_ours(void **state)
{
    (void)state;
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    int last = tb_realtime_choose_cpu(-1);
    if (CPU_COUNT(&set) < 2)
        assert_int_equal(last, -1);
    else
        assert_true(CPU_ISSET((size_t)last, &set));
    assert_int_equal(tb_realtime_choose_cpu(-2), -1);
    assert_int_equal(tb_realtime_choose_cpu(1000), -1);
    assert_int_equal(tb_realtime_choose_cpu(100000), -1);
}

static void children_come_back_ever_more_slowly(void **state)
{
    (void)state;
    static const unsigned expected[] = {0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
    for (unsigned n = 0; n < sizeof expected / sizeof expected[0]; n++)
        assert_int_equal(tb_supervisor_backoff_ms(n), expected[n]);
    assert_int_equal(tb_supervisor_backoff_ms(UINT32_MAX), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_processor_is_one_of_ours),
        cmocka_unit_test(advice_names_what_is_missing),
        cmocka_unit_test(children_come_back_ever_more_slowly),
        cmocka_unit_test(a_spinning_thread_loses_its_priority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
