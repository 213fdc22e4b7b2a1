/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Preloaded into the daemon: while the file that TIMBRED_FAULT names exists, nothing reaches the
 * disk, as on a card that fails; while one of that name with .flip behind exists, the last bit of a
 * synced file is another one. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    static int (*real)(int);
    const char *path = getenv("TIMBRED_FAULT");
    if (path && access(path, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    return real(fd);
}

__attribute__((visibility("default"))) int fsync(int fd)
{
    static int (*real)(int);
    const char *path = getenv("TIMBRED_FAULT");
    char name[512];
    struct stat st;
    unsigned char last;
    (void)snprintf(name, sizeof name, "%.480s.flip", path ? path : "");
    if (path && access(name, F_OK) == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1) {
        last ^= 1;
        if (pwrite(fd, &last, 1, st.st_size - 1) != 1)
            return -1;
    }
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    return real(fd);
}
