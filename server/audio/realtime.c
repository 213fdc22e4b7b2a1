/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/realtime.h"
#include "server/log.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { SPIN_LIMIT_US = 200000, TOUCHED_STACK = 96 * 1024, PAGE = 4096 };
static const size_t enough_memlock = (size_t)192 << 20;

static _Atomic int guarded_tid;
static atomic_bool guard_fired;

int tb_realtime_choose_cpu(int wanted)
{
    cpu_set_t allowed;
    if (wanted == -2 || sched_getaffinity(0, sizeof allowed, &allowed) != 0 ||
        CPU_COUNT(&allowed) < 2)
        return -1;
    if (wanted >= 0)
        return wanted < CPU_SETSIZE && CPU_ISSET((size_t)wanted, &allowed) ? wanted : -1;
    int last = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, &allowed))
            last = cpu;
    return last;
}

static void leave_cpu(int cpu)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return;
    CPU_CLR((size_t)cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

/* The kernel sends this when a SCHED_FIFO thread ran 200 ms without sleeping once: it would take
 * the machine with it. Async-signal-safe: one system call. */
static void on_spin(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    struct sched_param normal = {0};
    int tid = atomic_load(&guarded_tid);
    if (tid > 0)
        (void)syscall(SYS_sched_setscheduler, tid, SCHED_OTHER, &normal);
    atomic_store(&guard_fired, true);
    errno = saved;
}

static void limit_spinning(void)
{
    struct sigaction action = {.sa_handler = on_spin, .sa_flags = SA_RESTART};
    (void)sigaction(SIGXCPU, &action, NULL);
    struct rlimit limit;
    if (getrlimit(RLIMIT_RTTIME, &limit) != 0)
        return;
    /* At the hard limit the kernel kills; half of it leaves the handler its time. */
    limit.rlim_cur = SPIN_LIMIT_US;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_cur > limit.rlim_max / 2)
        limit.rlim_cur = limit.rlim_max / 2;
    (void)setrlimit(RLIMIT_RTTIME, &limit);
}

/* Code is paged in on first use; the audio thread must not wait for a disk. The program itself,
 * libc and libm, that is all it runs. */
__attribute__((no_sanitize("address"))) /* it reads between our variables too */
static int
touch_code(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    const char *name = info->dlpi_name;
    if (name[0] != '\0' && !strstr(name, "/libc.so") && !strstr(name, "/libm.so"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || (p->p_flags & PF_W))
            continue;
        uintptr_t start = (info->dlpi_addr + p->p_vaddr) & ~(uintptr_t)(PAGE - 1);
        uintptr_t end = info->dlpi_addr + p->p_vaddr + p->p_memsz;
        for (uintptr_t at = start; at < end; at += PAGE)
            (void)*(volatile const char *)at;
    }
    return 0;
}

/* MCL_ONFAULT locks pages when they are first touched: plain MCL_FUTURE would also fill every
 * thread's untouched stack, 133 MB for 16 threads of 8 MB, against 1.7 MB. Locking later mappings
 * too makes them fail once the limit is reached, so a small limit locks nothing. */
static bool lock_memory(void)
{
    struct rlimit limit;
    bool ample = getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
                 (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= enough_memlock);
    int flags = MCL_CURRENT | MCL_ONFAULT;
    if (mlockall(flags | MCL_FUTURE) != 0)
        return false;
    if (ample)
        return true;
    /* Allowed beyond the limit by CAP_IPC_LOCK? A mapping larger than the limit tells. */
    size_t probe = (size_t)limit.rlim_cur + PAGE;
    void *at = mmap(NULL, probe, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at != MAP_FAILED) {
        (void)munmap(at, probe);
        return true;
    }
    (void)munlockall();
    return false;
}

void tb_realtime_prepare(const struct tb_config *config, struct tb_realtime *realtime)
{
    memset(realtime, 0, sizeof *realtime);
    /* One heap: a second one reserves 64 MB that count as locked, and is given back and faulted in
     * again at every large block. */
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
    realtime->priority = config->priority;
    realtime->cpu = tb_realtime_choose_cpu(config->cpu);
    if (config->cpu >= 0 && realtime->cpu < 0)
        tb_log("audio.cpu: processor %d cannot be had, the audio thread is not pinned",
               config->cpu);
    if (realtime->cpu >= 0)
        leave_cpu(realtime->cpu);
    limit_spinning();
    realtime->locked = lock_memory();
    (void)dl_iterate_phdr(touch_code, NULL);
}

static void __attribute__((noinline)) touch_stack(void)
{
    volatile char page[TOUCHED_STACK];
    for (size_t i = 0; i < sizeof page; i += PAGE)
        page[i] = 0;
}

static void flush_denormals(void)
{
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* FTZ and DAZ */
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    fpcr |= UINT64_C(1) << 24; /* FZ */
    __asm__ volatile("msr fpcr, %0" ::"r"(fpcr));
#endif
}

bool tb_realtime_set(int tid, int priority)
{
    struct sched_param param = {.sched_priority = priority};
    int policy = priority > 0 ? SCHED_FIFO | SCHED_RESET_ON_FORK : SCHED_OTHER;
    return syscall(SYS_sched_setscheduler, tid, policy, &param) == 0;
}

bool tb_realtime_enter(int priority, int cpu)
{
    flush_denormals();
    touch_stack();
    if (cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
        (void)sched_setaffinity(0, sizeof set, &set);
    }
    return priority > 0 && tb_realtime_set(0, priority);
}

void tb_realtime_guard(int tid)
{
    atomic_store(&guarded_tid, tid);
}

bool tb_realtime_guard_fired(void)
{
    return atomic_exchange(&guard_fired, false);
}

void tb_realtime_advice(const struct tb_realtime *realtime, bool fifo, char *text, size_t size)
{
    text[0] = '\0';
    bool no_fifo = realtime->priority > 0 && !fifo;
    if (no_fifo || !realtime->locked)
        (void)snprintf(text, size,
                       "playing without%s%s%s: sounds may break up under load; "
                       "\"timbred doctor\" tells how to mend it",
                       no_fifo ? " real-time priority" : "",
                       no_fifo && !realtime->locked ? " and" : "",
                       realtime->locked ? "" : " locked memory");
}
