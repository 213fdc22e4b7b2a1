/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Packets between the roles: a broken or hostile other side must not be believed. The input is one
 * packet; its first byte also says how many descriptors travel with it. */
#include "server/link.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 3 };

static void send_raw(int socket, const uint8_t *data, size_t size, size_t n_fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * MAX_FDS)];
    } control = {0};
    struct iovec part = {.iov_len = size};
    memcpy(&part.iov_base, &data, sizeof data); /* sendmsg does not write to it */
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (n_fds > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        for (size_t i = 0; i < n_fds; i++) {
            int fd = STDIN_FILENO;
            memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
        }
    }
    (void)!sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int next_free_fd(void)
{
    int fd = dup(STDIN_FILENO);
    close(fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char payload[TB_LINK_MAX];
    int pair[2];
    if (size < 1 || size > TB_LINK_MAX)
        return 0;
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    int before = next_free_fd();
    send_raw(pair[0], data + 1, size - 1, data[0] % (MAX_FDS + 1));
    struct tb_link_header header;
    struct tb_error err = {0};
    int fd = -1;
    enum tb_status status = tb_link_receive(pair[1], &header, payload, &fd, &err);
    if (status == TB_OK) {
        FUZZ_CHECK(header.size == size - 1 - sizeof header);
        FUZZ_CHECK(memchr(header.text, '\0', sizeof header.text) != NULL);
        FUZZ_CHECK(header.status < TB_N_STATUS);
    } else {
        FUZZ_CHECK(err.text[0] != '\0' && fd == -1);
    }
    if (fd >= 0)
        close(fd);
    FUZZ_CHECK(next_free_fd() == before); /* no descriptor was left behind */
    close(pair[0]);
    close(pair[1]);
    return 0;
}
