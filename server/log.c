/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINES_PER_SECOND = 20, LINE_BYTES = 512 };

static _Atomic long second;
static _Atomic unsigned lines, suppressed;

static int admitted(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (atomic_exchange(&second, now.tv_sec) != now.tv_sec)
        atomic_store(&lines, 0);
    if (atomic_fetch_add(&lines, 1) < LINES_PER_SECOND)
        return 1;
    atomic_fetch_add(&suppressed, 1);
    return 0;
}

static void write_line(const char *line, size_t n)
{
    ssize_t written = write(STDERR_FILENO, line, n); /* one call: lines of the roles never mix */
    (void)written;
}

void tb_log(const char *format, ...)
{
    if (!admitted())
        return;
    char line[LINE_BYTES] = "timbred: ";
    size_t head = strlen(line);
    unsigned lost = atomic_exchange(&suppressed, 0);
    if (lost > 0)
        head += (size_t)snprintf(line + head, sizeof line - head, "(%u lines left out) ", lost);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + head, sizeof line - head - 1, format, args);
    va_end(args);
    size_t end = n < 0 ? head : head + (size_t)n;
    if (end > sizeof line - 2)
        end = sizeof line - 2;
    line[end] = '\n';
    write_line(line, end + 1);
}
