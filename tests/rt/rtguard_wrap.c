/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The functions of libc that may take a lock or memory without a system call. Each asks the guard
 * first, then does its work. Defined in the program, they come before libc's for every library. */
#include "tests/rt/rtguard.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* glibc's own entry points: nothing has to be looked up before main. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void __libc_free(void *memory);

EXPORT void *malloc(size_t bytes)
{
    tb_guard_check("malloc");
    return __libc_malloc(bytes);
}

EXPORT void *calloc(size_t n, size_t bytes)
{
    tb_guard_check("calloc");
    return __libc_calloc(n, bytes);
}

EXPORT void *realloc(void *old, size_t bytes)
{
    tb_guard_check("realloc");
    return __libc_realloc(old, bytes);
}

EXPORT void free(void *memory)
{
    if (memory)
        tb_guard_check("free");
    __libc_free(memory);
}

EXPORT void *aligned_alloc(size_t alignment, size_t bytes)
{
    tb_guard_check("aligned_alloc");
    return __libc_memalign(alignment, bytes);
}

EXPORT int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    tb_guard_check("posix_memalign");
    void *found = __libc_memalign(alignment, bytes);
    if (!found)
        return ENOMEM;
    *memory = found;
    return 0;
}

/* RESULT NAME DECLARATION { guard; the next NAME behind this program } */
#define GUARDED(RESULT, NAME, DECLARATION, CALL)                                                   \
    EXPORT RESULT NAME DECLARATION                                                                 \
    {                                                                                              \
        static RESULT(*next) DECLARATION; /* NOLINT(bugprone-macro-parentheses) */                 \
        tb_guard_check(#NAME);                                                                     \
        if (!next) {                                                                               \
            void *found = dlsym(RTLD_NEXT, #NAME);                                                 \
            memcpy(&next, &found, sizeof next);                                                    \
        }                                                                                          \
        return next CALL;                                                                          \
    }

GUARDED(int, pthread_mutex_lock, (pthread_mutex_t * m), (m))
GUARDED(int, pthread_mutex_timedlock, (pthread_mutex_t * m, const struct timespec *t), (m, t))
GUARDED(int, pthread_rwlock_rdlock, (pthread_rwlock_t * l), (l))
GUARDED(int, pthread_rwlock_wrlock, (pthread_rwlock_t * l), (l))
GUARDED(int, pthread_cond_wait, (pthread_cond_t * c, pthread_mutex_t *m), (c, m))
GUARDED(int, pthread_cond_signal, (pthread_cond_t * c), (c))
GUARDED(int, pthread_cond_broadcast, (pthread_cond_t * c), (c))
GUARDED(int, pthread_spin_lock, (pthread_spinlock_t * l), (l))
GUARDED(int, pthread_barrier_wait, (pthread_barrier_t * b), (b))
GUARDED(int, pthread_join, (pthread_t thread, void **result), (thread, result))
GUARDED(int, pthread_once, (pthread_once_t * once, void (*f)(void)), (once, f))
GUARDED(int, mtx_lock, (mtx_t * m), (m))
GUARDED(int, cnd_wait, (cnd_t * c, mtx_t *m), (c, m))
GUARDED(int, cnd_signal, (cnd_t * c), (c))
GUARDED(int, sem_wait, (sem_t * s), (s))
GUARDED(int, sem_post, (sem_t * s), (s))
GUARDED(void *, dlopen, (const char *file, int flags), (file, flags))
GUARDED(int, puts, (const char *s), (s))
GUARDED(int, putchar, (int c), (c))
GUARDED(int, fputs, (const char *s, FILE *f), (s, f))
GUARDED(int, fputc, (int c, FILE *f), (c, f))
GUARDED(size_t, fwrite, (const void *p, size_t size, size_t n, FILE *f), (p, size, n, f))
GUARDED(size_t, fread, (void *p, size_t size, size_t n, FILE *f), (p, size, n, f))
GUARDED(int, fflush, (FILE * f), (f))
GUARDED(FILE *, fopen, (const char *path, const char *mode), (path, mode))
GUARDED(int, fclose, (FILE * f), (f))
GUARDED(int, vfprintf, (FILE * f, const char *format, va_list args), (f, format, args))

/* System calls have the kernel as a second guard on x86-64; elsewhere these are the only one. */
GUARDED(ssize_t, read, (int fd, void *buffer, size_t n), (fd, buffer, n))
GUARDED(int, close, (int fd), (fd))
GUARDED(int, fsync, (int fd), (fd))
GUARDED(int, usleep, (useconds_t us), (us))
GUARDED(int, nanosleep, (const struct timespec *t, struct timespec *left), (t, left))
GUARDED(int, sched_yield, (void), ())
GUARDED(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
GUARDED(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags))

EXPORT void syslog(int priority, const char *format, ...)
{
    tb_guard_check("syslog");
    va_list args;
    va_start(args, format);
    vsyslog(priority, format, args);
    va_end(args);
}

EXPORT ssize_t write(int fd, const void *buffer, size_t n)
{
    tb_guard_check("write");
    return syscall(SYS_write, fd, buffer, n);
}

EXPORT int open(const char *path, int flags, ...)
{
    tb_guard_check("open");
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* printf and its relatives call vfprintf inside libc, past the one above; with _FORTIFY_SOURCE the
 * compiler calls the second set of names. */
extern int __printf_chk(int flag, const char *format, ...);
extern int __fprintf_chk(FILE *f, int flag, const char *format, ...);

#define PRINT(NAME, FILE_, FORMAT, DECLARATION)                                                    \
    EXPORT int NAME DECLARATION                                                                    \
    {                                                                                              \
        tb_guard_check(#NAME);                                                                     \
        va_list args;                                                                              \
        va_start(args, FORMAT);                                                                    \
        int n = vfprintf(FILE_, FORMAT, args);                                                     \
        va_end(args);                                                                              \
        return n;                                                                                  \
    }

PRINT(printf, stdout, format, (const char *format, ...))
PRINT(fprintf, f, format, (FILE * f, const char *format, ...))
PRINT(__printf_chk, stdout, format, (int flag __attribute__((unused)), const char *format, ...))
PRINT(__fprintf_chk, f, format,
      (FILE * f, int flag __attribute__((unused)), const char *format, ...))
