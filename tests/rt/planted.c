/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A checker nobody tests is not trusted: every fault below is planted in a guarded region of a
 * child process, which must die by SIGABRT naming the region; the harmless ones must pass. */
#include "tests/rt/rtguard.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGES = 64, PAGE = 4096, DSP_FRAMES = 256 };

/* Volatile, or the compiler removes what is planted. */
static void *volatile keep, *volatile grown;
static volatile float sink;
static char *volatile untouched;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static sqlite3 *database;

static void plain_dsp(void)
{
    for (int i = 0; i < DSP_FRAMES; i++)
        sink = (float)(sin(i * 0.05) * exp(-i * 1e-3));
}

static void plant_malloc(void)
{
    keep = malloc(64);
}

static void plant_calloc(void)
{
    keep = calloc(4, 16);
}

static void plant_realloc(void)
{
    grown = realloc(keep, 100);
}

static void plant_free(void)
{
    free(keep);
}

static void plant_aligned(void)
{
    keep = aligned_alloc(64, 128);
}

static void plant_strdup(void)
{
    keep = strdup("x");
}

static void plant_mutex(void)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

static void plant_rwlock(void)
{
    pthread_rwlock_rdlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
}

static void plant_signal(void)
{
    pthread_cond_signal(&condition);
}

static void plant_semaphore(void)
{
    sem_post(&semaphore);
}

static void plant_printf(void)
{
    printf("%d\n", 1);
}

static void plant_fprintf(void)
{
    (void)fprintf(stderr, "%d\n", 1);
}

static void plant_fwrite(void)
{
    (void)fwrite("x", 1, 1, stdout);
}

static void plant_write(void)
{
    (void)!write(1, "", 0);
}

static void plant_open(void)
{
    keep = open("/dev/null", O_RDONLY | O_CLOEXEC) < 0 ? NULL : keep;
}

static void plant_openat(void)
{
    keep = openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC) < 0 ? NULL : keep;
}

static void plant_usleep(void)
{
    usleep(1);
}

static void plant_nanosleep(void)
{
    nanosleep(&(struct timespec){0, 1000}, NULL);
}

static void plant_clock_nanosleep(void)
{
    clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 1000}, NULL);
}

static void plant_cpu_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
}

static void plant_localtime(void)
{
    time_t now = 0;
    struct tm parts;
    localtime_r(&now, &parts);
}

static void plant_mmap(void)
{
    keep = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void plant_raw_syscall(void)
{
    syscall(SYS_getppid);
}

static void plant_sqlite(void)
{
    sink = (float)sqlite3_exec(database, "SELECT 1", NULL, NULL, NULL);
}

static void plant_jansson(void)
{
    keep = json_real(1.0);
}

static void plant_page_fault(void)
{
    for (size_t i = 0; i < PAGES; i++)
        untouched[i * PAGE] = 1;
}

static void pass_trylock(void)
{
    if (pthread_mutex_trylock(&mutex) == 0)
        pthread_mutex_unlock(&mutex);
}

static void pass_snprintf(void)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%f", 1.5);
    keep = text[0] ? keep : NULL;
}

static void pass_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
}

static void pass_strerror(void)
{
    keep = strerror(EINVAL);
}

enum needs { NOTHING, DISPATCH, LOCKED };

static const struct row {
    const char *name;
    void (*run)(void);
    int caught;
    enum needs needs;
} rows[] = {
    {"malloc", plant_malloc, 1, NOTHING},
    {"calloc", plant_calloc, 1, NOTHING},
    {"realloc", plant_realloc, 1, NOTHING},
    {"free", plant_free, 1, NOTHING},
    {"aligned_alloc", plant_aligned, 1, NOTHING},
    {"strdup", plant_strdup, 1, NOTHING},
    {"mutex", plant_mutex, 1, NOTHING},
    {"rwlock", plant_rwlock, 1, NOTHING},
    {"condition", plant_signal, 1, NOTHING},
    {"semaphore", plant_semaphore, 1, NOTHING},
    {"printf", plant_printf, 1, NOTHING},
    {"fprintf", plant_fprintf, 1, NOTHING},
    {"fwrite", plant_fwrite, 1, NOTHING},
    {"write", plant_write, 1, NOTHING},
    {"open", plant_open, 1, NOTHING},
    {"openat", plant_openat, 1, DISPATCH},
    {"usleep", plant_usleep, 1, NOTHING},
    {"nanosleep", plant_nanosleep, 1, NOTHING},
    {"clock_nanosleep", plant_clock_nanosleep, 1, DISPATCH},
    {"thread CPU clock", plant_cpu_clock, 1, DISPATCH},
    {"localtime_r", plant_localtime, 1, NOTHING},
    {"mmap", plant_mmap, 1, DISPATCH},
    {"raw system call", plant_raw_syscall, 1, DISPATCH},
    {"sqlite", plant_sqlite, 1, NOTHING},
    {"jansson", plant_jansson, 1, NOTHING},
    {"page fault", plant_page_fault, 1, LOCKED},
    {"plain DSP", plain_dsp, 0, NOTHING},
    {"trylock", pass_trylock, 0, NOTHING},
    {"snprintf", pass_snprintf, 0, NOTHING},
    {"clock_gettime", pass_clock, 0, NOTHING},
    {"strerror", pass_strerror, 0, NOTHING},
};

static void *guarded_thread(void *argument)
{
    const struct row *row = argument;
    for (int i = 0; i < 3; i++) {
        tb_guard_enter("planted");
        plain_dsp();
        row->run();
        tb_guard_exit();
    }
    return NULL;
}

static void child(const struct row *row, int report)
{
    dup2(report, STDERR_FILENO);
    keep = malloc(10);
    tb_guard_start();
    if (row->run == plant_page_fault) /* not populated in spite of the lock */
        munlockall();
    untouched = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct row copy = *row;
    pthread_t thread;
    if (pthread_create(&thread, NULL, guarded_thread, &copy) == 0)
        pthread_join(thread, NULL);
    _exit(0);
}

static int is_as_expected(const struct row *row)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return 0;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        child(row, report[1]);
    close(report[1]);
    char text[8192] = "";
    size_t used = 0;
    for (ssize_t n; used < sizeof text - 1; used += (size_t)n)
        if ((n = read(report[0], text + used, sizeof text - 1 - used)) <= 0)
            break;
    close(report[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    int caught = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
                 strstr(text, "in region 'planted'") != NULL;
    int clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (row->caught ? caught : clean)
        return 1;
    printf("FAIL %s: %s, wait status %d\n%s\n", row->name, row->caught ? "not caught" : "stopped",
           status, text);
    return 0;
}

int main(void)
{
    sem_init(&semaphore, 0, 0);
    sqlite3_open(":memory:", &database);
    tb_guard_start();
    struct tb_guard_layers layers = tb_guard_layers();
    int failed = 0, skipped = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if ((rows[i].needs == DISPATCH && !layers.syscalls) ||
            (rows[i].needs == LOCKED && !layers.faults)) {
            printf("SKIPPED %s: this kernel or its limits do not offer the check\n", rows[i].name);
            skipped++;
        } else if (!is_as_expected(&rows[i])) {
            failed++;
        }
    }
    printf("%zu cases, %d failed, %d skipped\n", sizeof rows / sizeof rows[0], failed, skipped);
    sqlite3_close(database);
    return failed != 0;
}
