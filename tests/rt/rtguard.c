/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/rt/rtguard.h"

#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
enum { DISPATCH_ON = 1 };      /* PR_SYS_DISPATCH_ON */
enum { ALLOW = 0, BLOCK = 1 }; /* SYSCALL_DISPATCH_FILTER_... */
enum { STACK_TO_TOUCH = 64 * 1024 };

struct guard {
    volatile char selector; /* read by the kernel at each system call of this thread */
    int depth;
    int armed; /* the kernel was told about selector */
    const char *region;
    struct rusage before;
};

/* initial-exec: reaching it must not allocate. */
static _Thread_local struct guard guard __attribute__((tls_model("initial-exec")));
static _Atomic unsigned long n_regions;
static int dispatch_works, memory_locked;

/* The report itself may block: everything is allowed from here on, and the process ends. */
static _Noreturn void violation(const char *what, long number)
{
    guard.selector = ALLOW;
    guard.depth = 0;
    char text[200];
    int n = snprintf(text, sizeof text, "\nrtguard: %s (%ld) in region '%s'\n", what, number,
                     guard.region ? guard.region : "?");
    if (n > 0)
        (void)!write(STDERR_FILENO, text, (size_t)n);
    void *frames[48];
    backtrace_symbols_fd(frames, backtrace(frames, 48), STDERR_FILENO);
    (void)signal(SIGABRT, SIG_DFL);
    abort();
}

static void on_sigsys(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)context;
    guard.selector = ALLOW;
    violation("system call", info->si_syscall);
}

static int dispatch(void)
{
    return prctl(PR_SET_SYSCALL_USER_DISPATCH, DISPATCH_ON, 0, 0, &guard.selector) == 0;
}

static void touch_stack(void)
{
    volatile char stack[STACK_TO_TOUCH];
    for (size_t i = 0; i < sizeof stack; i += 1024)
        stack[i] = 0;
}

void tb_guard_start(void)
{
    void *frames[4];
    (void)backtrace(frames, 4); /* loads libgcc now rather than inside a region */
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSYS, &action, NULL);
    dispatch_works = dispatch();
    guard.armed = dispatch_works;
    memory_locked = mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
    touch_stack();
    struct timespec now; /* the pages of the vDSO cannot be locked, only touched */
    clock_gettime(CLOCK_MONOTONIC, &now);
}

void tb_guard_enter(const char *region)
{
    if (guard.depth++ > 0)
        return;
    guard.region = region;
    atomic_fetch_add_explicit(&n_regions, 1, memory_order_relaxed);
    if (!guard.armed && dispatch_works) {
        guard.armed = dispatch();
        touch_stack();
    }
    getrusage(RUSAGE_THREAD, &guard.before);
    if (guard.armed)
        guard.selector = BLOCK;
}

void tb_guard_exit(void)
{
    if (guard.depth == 0 || --guard.depth > 0)
        return;
    guard.selector = ALLOW;
    struct rusage now;
    getrusage(RUSAGE_THREAD, &now);
    long faults = now.ru_minflt - guard.before.ru_minflt + now.ru_majflt - guard.before.ru_majflt;
    long switches = now.ru_nvcsw - guard.before.ru_nvcsw;
    if (faults != 0 && memory_locked)
        violation("page faults", faults);
    if (switches != 0)
        violation("voluntary context switches", switches);
}

void tb_guard_check(const char *function)
{
    if (guard.depth > 0)
        violation(function, 0);
}

struct tb_guard_layers tb_guard_layers(void)
{
    return (struct tb_guard_layers){.syscalls = dispatch_works, .faults = memory_locked};
}

unsigned long tb_guard_regions(void)
{
    return atomic_load(&n_regions);
}
