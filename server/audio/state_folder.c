/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/state_folder.h"

#include "server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static bool make_folder(const char *path)
{
    char part[256];
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1; *at; at++)
        if (*at == '/') {
            *at = '\0';
            if (mkdir(part, 0700) != 0 && errno != EEXIST)
                return false;
            *at = '/';
        }
    return mkdir(part, 0700) == 0 || errno == EEXIST;
}

/* A state folder that others may look into is closed where it is surely ours; any other, a home
 * directory say, is only warned of. */
static void guard_folder(const char *path)
{
    char mark[300];
    struct stat st;
    if (stat(path, &st) != 0 || (st.st_mode & 077) == 0)
        return;
    (void)snprintf(mark, sizeof mark, "%s/timbred.mark", path);
    if (st.st_uid == geteuid() && access(mark, F_OK) == 0 && chmod(path, 0700) == 0)
        tb_log("%s: was open to other users (mode %04o), is 0700 now", path,
               (unsigned)st.st_mode & 07777);
    else
        tb_log("%s: other users may look into it (mode %04o); 0700 is safer", path,
               (unsigned)st.st_mode & 07777);
}

/* Who holds the lock on what fd is, by proc(5); 0 where it cannot be known: another container's
 * process, or a file system that shows another device there than to stat. */
static int holder_of(int fd)
{
    char line[256];
    struct stat st;
    int pid, found = 0;
    unsigned major_no, minor_no;
    unsigned long inode;
    FILE *locks = fstat(fd, &st) == 0 ? fopen("/proc/locks", "re") : NULL;
    while (locks && !found && fgets(line, (int)sizeof line, locks))
        if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &major_no, &minor_no, &inode) ==
                4 &&
            inode == st.st_ino && major_no == major(st.st_dev) && minor_no == minor(st.st_dev))
            found = pid;
    if (locks)
        (void)fclose(locks);
    return found > 0 ? found : 0;
}

/* The folder itself is locked: no file of it is left behind, and the kernel lets go with the last
 * descriptor, which no child inherits. The descriptor stays open until the process ends. */
static enum tb_status claim(const char *path, struct tb_error *err)
{
    char who[32] = "";
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return TB_OK;
    int fault = errno, pid = fault == EWOULDBLOCK ? holder_of(fd) : 0;
    (void)close(fd);
    if (fault != EWOULDBLOCK) {
        tb_log("%s: cannot be locked against a second timbred: %s", path, strerror(fault));
        return TB_OK;
    }
    if (pid)
        (void)snprintf(who, sizeof who, " (process %d)", pid);
    return tb_fail(err, TB_ECONFLICT,
                   "%.70s: in use by another timbred%s; choose another folder with --state", path,
                   who);
}

enum tb_status tb_state_folder_open(const char *path, struct tb_error *err)
{
    if (!make_folder(path))
        return tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
    enum tb_status status = claim(path, err);
    if (status == TB_OK)
        guard_folder(path);
    return status;
}
