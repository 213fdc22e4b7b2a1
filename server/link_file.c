/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/link_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum tb_status tb_link_file_write(const char *directory, const char *host, uint16_t port,
                                  const char *token, struct tb_error *err)
{
    char path[320], beside[328];
    (void)snprintf(path, sizeof path, "%s/link", directory);
    (void)snprintf(beside, sizeof beside, "%s.new", path);
    (void)unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
    bool written = dprintf(fd, "http://%s:%u/#token=%s\n", host, port, token) > 0;
    if (close(fd) != 0 || !written || rename(beside, path) != 0) {
        enum tb_status s = tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
        (void)unlink(beside);
        return s;
    }
    return TB_OK;
}

bool tb_link_file_read(const char *directory, char *url, size_t url_size, char *token,
                       size_t token_size)
{
    static const char mark[] = "/#token=";
    char path[320], line[256];
    (void)snprintf(path, sizeof path, "%s/link", directory);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool got = fgets(line, (int)sizeof line, file) != NULL;
    (void)fclose(file);
    char *split = got ? strstr(line, mark) : NULL;
    if (!split || strncmp(line, "http://", 7) != 0)
        return false;
    *split = '\0';
    char *text = split + sizeof mark - 1;
    text[strcspn(text, " \r\n")] = '\0';
    int n = snprintf(url, url_size, "%s", line), m = snprintf(token, token_size, "%s", text);
    return n > 0 && (size_t)n < url_size && m > 0 && (size_t)m < token_size;
}
