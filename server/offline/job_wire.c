/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/job_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

size_t tb_job_receive(int socket, void *packet, size_t size, int fds[TB_JOB_FDS], size_t *n_fds,
                      bool wait)
{
    char control[CMSG_SPACE(TB_JOB_FDS * sizeof *fds)] = {0};
    struct iovec part = {packet, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t n;
    do
        n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    while (n < 0 && errno == EINTR);
    struct cmsghdr *head = n >= 0 ? CMSG_FIRSTHDR(&message) : NULL;
    *n_fds = 0;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
        *n_fds = (head->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
        memcpy(fds, CMSG_DATA(head), *n_fds * sizeof *fds);
    }
    if (n > 0 && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return (size_t)n;
    for (size_t i = 0; i < *n_fds; i++)
        (void)close(fds[i]);
    *n_fds = 0;
    return 0;
}

bool tb_job_send(int socket, json_t *json, int fd)
{
    char control[CMSG_SPACE(sizeof fd)] = {0};
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (!text)
        return false;
    struct iovec part = {.iov_base = text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    ssize_t n;
    do
        n = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    free(text);
    return n >= 0;
}

void tb_job_send_end(int socket, enum tb_status status, const char *type, int fd,
                     const struct tb_error *err)
{
    if (status == TB_OK) {
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
        (void)tb_job_send(socket, json_pack("{s:b,s:s*}", "done", 1, "type", type), fd);
    } else {
        (void)tb_job_send(
            socket, json_pack("{s:{s:i,s:s}}", "error", "status", (int)status, "text", err->text),
            -1);
    }
}

/* One packet and what came with it. NULL: the job is gone or talks nonsense. */
static json_t *receive(int socket, int *fd)
{
    char text[TB_JOB_PACKET];
    int fds[TB_JOB_FDS];
    size_t n_fds;
    const size_t n = tb_job_receive(socket, text, sizeof text, fds, &n_fds, false);
    if (n_fds > 0)
        *fd = fds[0];
    for (size_t i = 1; i < n_fds; i++)
        (void)close(fds[i]);
    return n > 0 && n_fds < 2 ? json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static enum tb_status told(const json_t *error, struct tb_error *err)
{
    json_int_t status = json_integer_value(json_object_get(error, "status"));
    const char *text = json_string_value(json_object_get(error, "text"));
    bool known = status > TB_OK && status < TB_N_STATUS;
    return tb_fail(err, known ? (enum tb_status)status : TB_EIO, "%s", text ? text : "job failed");
}

enum tb_status tb_job_take(int socket, json_t **packet, int *fd, bool *fault, struct tb_error *err)
{
    *fd = -1;
    *fault = false;
    json_t *json = receive(socket, fd);
    const json_t *error = json_object_get(json, "error");
    enum tb_status status = TB_ENOTFOUND;
    if (error) {
        *fault = true;
        status = told(error, err);
    } else if (!json || json_is_true(json_object_get(json, "done"))) {
        status = json && *fd >= 0 ? TB_OK : tb_fail(err, TB_EIO, "the job ended without a result");
    }
    if (status != TB_OK && *fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
    *packet = status == TB_ENOTFOUND ? json_incref(json) : NULL;
    json_decref(json);
    return status;
}
