/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/alsa_cards.h"
#include "dsp/clock.h"
#include "dsp/engine.h"
#include "server/audio/realtime.h"
#include "server/commands.h"
#include "server/offline/machine.h"

#include <jansson.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

/* What this machine lacks for playing in real time, and how to mend it. */

enum level { GOOD, NOTE, PROBLEM };
static const char *const level_names[] = {"ok", "note", "problem"};

enum { PRIORITY = 70, WAKEUPS = 500, WAKEUP_US = 1000, SLOW_WAKEUP_US = 500, HOT_C = 80 };
static const rlim_t wanted_memlock = (rlim_t)192 << 20;
#define LIMITS_FILE "/etc/security/limits.d/95-timbred.conf"

struct report {
    json_t *findings, *machine;
    bool problem;
};

static void find(struct report *r, const char *check, enum level level, const char *mend,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void find(struct report *r, const char *check, enum level level, const char *mend,
                 const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->problem = r->problem || level == PROBLEM;
    json_t *f = json_pack("{ss ss ss ss?}", "check", check, "level", level_names[level], "text",
                          text, "mend", mend);
    if (!f || json_array_append_new(r->findings, f) != 0)
        fprintf(stderr, "timbred: no memory for \"%s\"\n", text);
}

static void check_priority(struct report *r)
{
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_RTPRIO, &limit);
    if (tb_realtime_set(0, PRIORITY)) {
        (void)tb_realtime_set(0, 0);
        find(r, "priority", GOOD, NULL, "SCHED_FIFO %d is granted", PRIORITY);
    } else {
        find(r, "priority", PROBLEM,
             "put \"@audio - rtprio 80\" into " LIMITS_FILE ", join the group audio (usermod -aG "
             "audio USER) and log in again; the systemd unit sets LimitRTPRIO itself",
             "SCHED_FIFO %d is refused (limit %lu): other programs will interrupt the sound",
             PRIORITY, (unsigned long)limit.rlim_cur);
    }
}

/* The limit may be exceeded by who has CAP_IPC_LOCK, so it is tried rather than read. */
static void check_memory(struct report *r)
{
    size_t size = (size_t)wanted_memlock;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool locked = at != MAP_FAILED && mlock2(at, size, MLOCK_ONFAULT) == 0;
    if (at != MAP_FAILED)
        (void)munmap(at, size);
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_MEMLOCK, &limit);
    if (locked)
        find(r, "memory", GOOD, NULL, "memory can be locked");
    else
        find(r, "memory", PROBLEM,
             "put \"@audio - memlock 262144\" into " LIMITS_FILE " and log in again; the systemd "
             "unit sets LimitMEMLOCK itself",
             "memory cannot be locked (limit %lu kB): sound may break up while others swap",
             (unsigned long)(limit.rlim_cur / 1024));
}

static bool read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "re");
    bool got = file && fgets(line, size, file);
    if (file)
        (void)fclose(file);
    if (got)
        line[strcspn(line, "\n")] = '\0';
    return got;
}

static void check_throttle_of_real_time(struct report *r)
{
    char line[32];
    if (!read_line("/proc/sys/kernel/sched_rt_runtime_us", line, sizeof line))
        return;
    long us = strtol(line, NULL, 10);
    const char *mend = "sysctl kernel.sched_rt_runtime_us=950000";
    if (us < 0)
        find(r, "rt_runtime", NOTE, mend, "a real-time thread that spins would hang this machine");
    else if (us < 500000)
        find(r, "rt_runtime", PROBLEM, mend, "real-time threads get only %ld of 1000000 us", us);
    else
        find(r, "rt_runtime", GOOD, NULL, "real-time threads get %ld of 1000000 us", us);
}

static void check_processors(struct report *r)
{
    int cpu = tb_realtime_choose_cpu(-1);
    if (cpu >= 0)
        find(r, "cpu", GOOD, NULL, "processor %d can be the audio thread's own", cpu);
    else
        find(r, "cpu", NOTE, NULL, "one processor only: everything shares it with the sound");
    const struct tb_engine_config config = {
        .rate_hz = 48000, .max_block = 64, .cpu = TB_CPU_BEST, .seed = 1};
    struct tb_error err;
    struct tb_engine *engine = tb_engine_new(&config, &err);
    if (engine)
        find(r, "kernel", GOOD, NULL, "sound is computed with %s instructions",
             tb_cpu_name(tb_engine_cpu(engine)));
    else
        find(r, "kernel", PROBLEM, NULL, "no engine: %s", err.text);
    tb_engine_free(engine);
}

static void check_governor(struct report *r)
{
    const char *governor = json_string_value(json_object_get(r->machine, "governor"));
    if (!governor)
        find(r, "governor", GOOD, NULL, "this kernel does not change the processor's speed");
    else if (strcmp(governor, "performance") == 0)
        find(r, "governor", GOOD, NULL, "the processor keeps its speed (%s)", governor);
    else
        find(r, "governor", NOTE,
             "echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
             "the processor changes its speed (%s): small blocks may come late", governor);
}

static void check_heat(struct report *r)
{
    bool known = false;
    double celsius = tb_machine_temperature_c("");
    if (tb_machine_throttled("", &known))
        find(r, "throttling", PROBLEM, "better cooling, or a stronger power supply",
             "the machine has slowed itself down since it started");
    else if (known)
        find(r, "throttling", GOOD, NULL, "the machine has not slowed itself down");
    if (isfinite(celsius))
        find(r, "temperature", celsius > HOT_C ? NOTE : GOOD,
             celsius > HOT_C ? "better cooling" : NULL, "%.0f degrees Celsius", celsius);
}

static void check_preemption(struct report *r)
{
    struct utsname name;
    if (uname(&name) != 0)
        return;
    if (strstr(name.version, "PREEMPT"))
        find(r, "preemption", GOOD, NULL, "Linux %s, %s", name.release, name.version);
    else
        find(r, "preemption", NOTE, "boot with preempt=full, or a kernel with PREEMPT_RT",
             "Linux %s does not preempt itself (%s)", name.release, name.version);
}

static void check_cards(struct report *r)
{
    struct tb_card cards[TB_MAX_CARDS];
    size_t n = tb_cards_list("/proc/asound", cards, TB_MAX_CARDS);
    if (n == 0) {
        find(r, "cards", NOTE, "connect a USB interface, or load its driver (aplay -l lists cards)",
             "no sound card: listening in the browser works all the same");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char holder[64];
        tb_card_holder("/proc/asound", cards[i].index, holder, sizeof holder);
        if (holder[0])
            find(r, "cards", NOTE, "stop that program, or play through it: audio.device = default",
                 "%s (%s) is held by %s", cards[i].pcm, cards[i].text, holder);
        else
            find(r, "cards", GOOD, NULL, "%s (%s)%s", cards[i].pcm, cards[i].text,
                 i == 0 ? ": the first choice" : "");
    }
    if (access("/dev/snd", X_OK) == 0 && access("/dev/snd/timer", R_OK | W_OK) != 0 &&
        errno == EACCES)
        find(r, "access", PROBLEM, "usermod -aG audio USER, and log in again",
             "sound cards are not open to this user");
}

static void check_midi(struct report *r)
{
    if (access("/dev/snd/seq", F_OK) == 0)
        find(r, "midi", GOOD, NULL, "the ALSA sequencer is there: MIDI devices connect themselves");
    else
        find(r, "midi", NOTE, "modprobe snd-seq, where the kernel has it as a module",
             "no ALSA sequencer: raw MIDI devices, FIFOs and ptys only (midi.in)");
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Sleeps to absolute times as the audio thread does; late[] in ns. */
static void *wake_up(void *arg)
{
    uint64_t *late = arg;
    (void)tb_realtime_enter(PRIORITY, tb_realtime_choose_cpu(-1));
    uint64_t next = tb_clock_ns();
    for (size_t i = 0; i < WAKEUPS; i++) {
        next += (uint64_t)WAKEUP_US * 1000;
        struct timespec until = {.tv_sec = (time_t)(next / TB_NS_PER_S),
                                 .tv_nsec = (long)(next % TB_NS_PER_S)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
        }
        late[i] = tb_clock_ns() - next;
    }
    return NULL;
}

static void check_wake_ups(struct report *r)
{
    uint64_t late[WAKEUPS];
    pthread_t thread;
    if (pthread_create(&thread, NULL, wake_up, late) != 0)
        return;
    (void)pthread_join(thread, NULL);
    qsort(late, WAKEUPS, sizeof *late, by_size);
    const size_t median = WAKEUPS / 2, p99 = WAKEUPS * 99 / 100;
    double p99_us = (double)late[p99] / 1e3;
    find(r, "wakeups", p99_us > SLOW_WAKEUP_US ? PROBLEM : GOOD,
         p99_us > SLOW_WAKEUP_US ? "a larger audio.block; fewer other programs" : NULL,
         "%d wake-ups came late by %.0f us (median), %.0f us (p99), %.0f us (worst)", WAKEUPS,
         (double)late[median] / 1e3, p99_us, (double)late[WAKEUPS - 1] / 1e3);
}

static void print(const struct report *r)
{
    static const char *const marks[] = {"ok      ", "note    ", "PROBLEM "};
    size_t i;
    json_t *f;
    json_array_foreach(r->findings, i, f)
    {
        const char *level = json_string_value(json_object_get(f, "level"));
        const char *mend = json_string_value(json_object_get(f, "mend"));
        size_t mark = 0;
        while (mark < PROBLEM && strcmp(level, level_names[mark]) != 0)
            mark++;
        printf("%s%s\n", marks[mark], json_string_value(json_object_get(f, "text")));
        if (mend)
            printf("        mend: %s\n", mend);
    }
    const char *key;
    json_t *value, *versions = json_object_get(r->machine, "versions");
    printf("        ");
    json_object_foreach(versions, key, value)
        printf("%s %s  ", key, json_is_string(value) ? json_string_value(value) : "?");
    puts("");
}

static void print_json(struct report *r)
{
    json_t *all =
        json_pack("{sb sO sO}", "ok", !r->problem, "findings", r->findings, "machine", r->machine);
    if (all && json_dumpf(all, stdout, JSON_INDENT(2)) == 0)
        puts("");
    json_decref(all);
}

int tb_doctor_main(int argc, char **argv)
{
    bool json = argc == 1 && strcmp(argv[0], "--json") == 0;
    if (argc > 0 && !json) {
        fprintf(stderr, "usage: timbred doctor [--json]\n");
        return TB_EXIT_USAGE;
    }
    struct report r = {.findings = json_array(), .machine = tb_machine_describe("")};
    static void (*const checks[])(struct report *) = {
        check_priority,   check_memory,     check_throttle_of_real_time,
        check_processors, check_wake_ups,   check_governor,
        check_heat,       check_preemption, check_cards,
        check_midi,
    };
    for (size_t i = 0; r.findings && r.machine && i < sizeof checks / sizeof checks[0]; i++)
        checks[i](&r);
    if (!r.findings || !r.machine)
        r.problem = true;
    else if (json)
        print_json(&r);
    else
        print(&r);
    json_decref(r.findings);
    json_decref(r.machine);
    return r.problem ? 1 : 0;
}
