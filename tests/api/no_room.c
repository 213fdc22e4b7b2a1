/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Preloaded into the daemon: while the file that TIMBRED_NO_ROOM names exists, no checkpoint finds
 * room on the disk. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_checkpoint(int fd)
{
    char link[64], path[512];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return strstr(path, "/work/checkpoint") != NULL;
}

__attribute__((visibility("default"))) int fsync(int fd)
{
    static int (*real)(int);
    const char *path = getenv("TIMBRED_NO_ROOM");
    if (path && access(path, F_OK) == 0 && is_checkpoint(fd)) {
        errno = ENOSPC;
        return -1;
    }
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    return real(fd);
}
