/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SEND_TIMEOUT_MS = 2000, MAX_FDS = 4 };

/* Room for a few descriptors, so that a packet with too many is seen and they are closed. */
union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * MAX_FDS)];
};

static void attach(struct msghdr *message, union control *control, int fd)
{
    memset(control, 0, sizeof *control);
    message->msg_control = control->bytes;
    message->msg_controllen = CMSG_SPACE(sizeof fd);
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
}

static enum tb_status wait_writable(int socket, struct tb_error *err)
{
    struct pollfd p = {.fd = socket, .events = POLLOUT};
    int ready;
    do
        ready = poll(&p, 1, SEND_TIMEOUT_MS);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        return tb_fail(err, TB_EFULL, "the other role does not read its messages");
    return ready < 0 ? tb_fail(err, TB_EIO, "link: %s", strerror(errno)) : TB_OK;
}

enum tb_status tb_link_send(int socket, const struct tb_link_header *header, const void *payload,
                            int fd_to_send, struct tb_error *err)
{
    if (header->size > TB_LINK_MAX)
        return tb_fail(err, TB_ETOOLARGE, "link: %u bytes, at most %d", header->size, TB_LINK_MAX);
    struct tb_link_header head = *header;
    struct iovec parts[2] = {{.iov_base = &head, .iov_len = sizeof head}};
    size_t n_parts = 1;
    if (header->size > 0) {
        memcpy(&parts[1].iov_base, &payload, sizeof payload); /* sendmsg does not write to it */
        parts[1].iov_len = header->size;
        n_parts = 2;
    }
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = n_parts};
    union control control;
    if (fd_to_send >= 0)
        attach(&message, &control, fd_to_send);
    for (;;) {
        if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return TB_OK;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != ENOBUFS)
            return tb_fail(err, TB_EIO, "link: %s", strerror(errno));
        if (wait_writable(socket, err) != TB_OK)
            return err ? err->status : TB_EFULL;
    }
}

/* Takes the descriptors out of a message. The first is kept when it is the only one. */
static int take_fds(struct msghdr *message, int *kept)
{
    int total = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (total++ == 0)
                *kept = fd;
            else
                close(fd);
        }
    }
    return total;
}

static const char *fault(const struct tb_link_header *header, const struct msghdr *message,
                         size_t n, int n_fds)
{
    if (message->msg_flags & MSG_TRUNC)
        return "too long";
    if (message->msg_flags & MSG_CTRUNC || n_fds > 1)
        return "more than one descriptor";
    if (n < sizeof *header)
        return "shorter than its header";
    if (header->size != n - sizeof *header)
        return "size does not match";
    if (header->status >= TB_N_STATUS)
        return "unknown status";
    return NULL;
}

enum tb_status tb_link_receive(int socket, struct tb_link_header *header, void *payload, int *fd,
                               struct tb_error *err)
{
    *fd = -1;
    memset(header, 0, sizeof *header);
    struct iovec parts[2] = {{header, sizeof *header}, {payload, TB_LINK_MAX}};
    union control control;
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control};
    ssize_t n;
    do
        n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return tb_fail(err, TB_ENOTFOUND, "link: nothing there");
    if (n < 0)
        return tb_fail(err, TB_EIO, "link: %s", strerror(errno));
    int n_fds = take_fds(&message, fd);
    if (n == 0 && n_fds == 0)
        return tb_fail(err, TB_EIO, "link: the other side is gone");
    const char *why = fault(header, &message, (size_t)n, n_fds);
    header->text[sizeof header->text - 1] = '\0';
    if (!why)
        return TB_OK;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return tb_fail(err, TB_ECORRUPT, "link: malformed packet: %s", why);
}
