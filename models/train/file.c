/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum tb_status refused(const char *path, struct tb_error *err)
{
    enum tb_status status = errno == ENOENT                                        ? TB_ENOTFOUND
                            : errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? TB_EFULL
                                                                                   : TB_EIO;
    return tb_fail(err, status, "%.100s: %s", path, strerror(errno));
}

static bool read_all(int fd, char *to, size_t n)
{
    while (n > 0) {
        ssize_t got = read(fd, to, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? EIO : errno;
            return false;
        }
        to += got;
        n -= (size_t)got;
    }
    return true;
}

enum tb_status tb_file_read(const char *path, size_t most, void **data, size_t *size,
                            struct tb_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refused(path, err);
    enum tb_status status = TB_OK;
    *data = NULL;
    if (fstat(fd, &st) != 0)
        status = refused(path, err);
    else if (!S_ISREG(st.st_mode))
        status = tb_fail(err, TB_EINVAL, "%.100s: not a file", path);
    else if ((uintmax_t)st.st_size > most)
        status = tb_fail(err, TB_ETOOLARGE, "%.80s: %jd bytes, at most %zu", path,
                         (intmax_t)st.st_size, most);
    else if (!(*data = malloc((size_t)st.st_size + 1)))
        status = tb_fail(err, TB_ENOMEM, "%.100s: no memory", path);
    else if (!read_all(fd, *data, (size_t)st.st_size))
        status = refused(path, err);
    *size = status == TB_OK ? (size_t)st.st_size : 0;
    if (status != TB_OK) {
        free(*data);
        *data = NULL;
    }
    (void)close(fd);
    return status;
}

static bool write_all(int fd, const char *from, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, from, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        from += put;
        n -= (size_t)put;
    }
    return true;
}

/* The rename is durable once the folder is. */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

enum tb_status tb_file_write(const char *path, const void *data, size_t size, struct tb_error *err)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside)
        return tb_fail(err, TB_EINVAL, "%.100s: the path is too long", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return refused(beside, err);
    bool whole = write_all(fd, data, size) && fsync(fd) == 0;
    enum tb_status status = whole ? TB_OK : refused(path, err);
    if (close(fd) != 0 && status == TB_OK)
        status = refused(path, err);
    if (status == TB_OK && rename(beside, path) != 0)
        status = refused(path, err);
    if (status == TB_OK)
        sync_folder(path);
    else
        (void)unlink(beside);
    return status;
}
