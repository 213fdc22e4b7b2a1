/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum tb_status read_all(int fd, const char *path, size_t max, struct tb_error *err,
                               uint8_t **data, size_t *size)
{
    size_t capacity = 0, n = 0;
    uint8_t *bytes = NULL;
    for (;;) {
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 16384;
            uint8_t *more = realloc(bytes, capacity);
            if (!more) {
                free(bytes);
                return tb_fail(err, TB_ENOMEM, "%.100s: no memory", path);
            }
            bytes = more;
        }
        ssize_t got = read(fd, bytes + n, capacity - n);
        if (got < 0 && errno == EINTR)
            continue;
        n += got > 0 ? (size_t)got : 0;
        if (got < 0 || n > max) {
            free(bytes);
            return got < 0 ? tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno))
                           : tb_fail(err, TB_ETOOLARGE, "%.100s: more than %zu bytes", path, max);
        }
        if (got == 0)
            break;
    }
    *data = bytes;
    *size = n;
    return TB_OK;
}

enum tb_status tb_cli_read_file(const char *path, size_t max, uint8_t **data, size_t *size,
                                struct tb_error *err)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tb_fail(err, errno == ENOENT ? TB_ENOTFOUND : TB_EIO, "%.100s: %s", path,
                       strerror(errno));
    enum tb_status s = read_all(fd, path, max, err, data, size);
    if (!standard)
        (void)close(fd);
    return s;
}

static enum tb_status write_all(int fd, const char *path, const void *data, size_t size,
                                struct tb_error *err)
{
    const char *bytes = data;
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
        bytes += n;
        size -= (size_t)n;
    }
    return TB_OK;
}

bool tb_cli_target(const char *path, char target[4096])
{
    struct stat st;
    char *real = realpath(path, NULL);
    (void)snprintf(target, 4096, "%s", real ? real : path);
    free(real);
    return stat(target, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
}

static enum tb_status write_into(const char *path, const void *data, size_t size,
                                 struct tb_error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
    enum tb_status s = write_all(fd, path, data, size, err);
    if (close(fd) != 0 && s == TB_OK)
        s = tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
    return s;
}

enum tb_status tb_cli_write_file(const char *path, const void *data, size_t size,
                                 struct tb_error *err)
{
    if (!path && size > 0 && memchr(data, 0, size) && isatty(STDOUT_FILENO))
        return tb_fail(err, TB_EINVAL, "--output: needed, or - for this terminal: it is no text");
    if (!path || strcmp(path, "-") == 0)
        return write_all(STDOUT_FILENO, "standard output", data, size, err);
    char target[4096], beside[4096 + 24];
    if (strlen(path) >= sizeof target)
        return tb_fail(err, TB_EINVAL, "%.100s: the path is too long", path);
    if (!tb_cli_target(path, target))
        return write_into(path, data, size, err);
    (void)snprintf(beside, sizeof beside, "%s.new-%d", target, (int)getpid());
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
    enum tb_status s = write_all(fd, path, data, size, err);
    if (close(fd) != 0 && s == TB_OK)
        s = tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
    if (s == TB_OK && rename(beside, target) != 0)
        s = tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
    if (s != TB_OK)
        (void)unlink(beside);
    return s;
}

int tb_cli_deliver(struct tb_cli *cli, struct tb_cli_bytes *file, enum tb_status got,
                   struct tb_error *err)
{
    const char *output = tb_args_text(&cli->args, "output", NULL);
    if (got == TB_OK)
        got = tb_cli_write_file(output, file->data, file->size, err);
    free(file->data);
    if (got != TB_OK)
        return tb_cli_fail(cli, err);
    if (cli->json && output && strcmp(output, "-") != 0)
        return tb_cli_print(
            json_pack("{s:s,s:I}", "output", output, "bytes", (json_int_t)file->size));
    return 0;
}
