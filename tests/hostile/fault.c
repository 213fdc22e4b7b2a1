/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Preloaded into the daemon: while the file that TIMBRED_FAULT names exists, nothing reaches the
 * disk, as on a card that fails. */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
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
