/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/accept.h"

#include "server/api/ws.h"
#include "server/web/hosts.h"
#include "server/web/http.h"
#include "server/web/web.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PEEK = 8,
    MAX_PENDING = 256,
    PENDING_PER_ADDRESS = 192,
    SILENT_S = 5,
    BACKLOG = 64,
    TRIES = 20,
    REAP_MS = 250,
    REST_MS = 200, /* after a connection that could not be taken */
    WS_SEND_BYTES =
        32 * 1024, /* a stalled reader keeps this much of the kernel's memory, no more */
};

/* Accepted, but too little has arrived to know where it belongs. */
struct pending {
    int fd;
    int64_t since_ns;
    struct sockaddr_storage address;
    socklen_t size;
    char ip[46];
};

struct acceptor {
    struct tb_web *web;
    struct pending pending[MAX_PENDING];
    struct pollfd polls[MAX_PENDING + 2];
    size_t n;
    int64_t rest_until_ns; /* no new ones before */
};

static int open_one(const struct addrinfo *a, uint16_t port)
{
    struct sockaddr_storage address;
    int one = 1, zero = 0;
    memcpy(&address, a->ai_addr, a->ai_addrlen);
    if (a->ai_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)(void *)&address)->sin_port = htons(port);
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (!bind(fd, (struct sockaddr *)&address, a->ai_addrlen) && !listen(fd, BACKLOG))
        return fd;
    int fault = errno;
    (void)close(fd);
    errno = fault;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size))
        return 0;
    if (address.ss_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, &address, sizeof six);
        return ntohs(six.sin6_port);
    }
    struct sockaddr_in four;
    memcpy(&four, &address, sizeof four);
    return ntohs(four.sin_port);
}

enum tb_status tb_accept_listen(const struct tb_config *config, int *socket, uint16_t *port,
                                struct tb_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE};
    struct addrinfo *found = NULL;
    if (getaddrinfo(config->listen, NULL, &hints, &found))
        return tb_fail(err, TB_EINVAL, "server.listen: \"%s\" is not an address of this machine",
                       config->listen);
    int tries = config->port == 0 || config->port_fixed ? 1 : TRIES;
    *socket = -1;
    for (int i = 0; i < tries && *socket < 0; i++) {
        *socket = open_one(found, (uint16_t)(config->port + i));
        if (*socket < 0 && errno != EADDRINUSE)
            break;
    }
    int fault = errno;
    freeaddrinfo(found);
    if (*socket >= 0) {
        *port = port_of(*socket);
        return TB_OK;
    }
    if (fault != EADDRINUSE)
        return tb_fail(err, TB_EIO, "server.listen: %s port %u: %s", config->listen, config->port,
                       strerror(fault));
    return tb_fail(err, TB_ECONFLICT,
                   "server.port: %u%s taken, perhaps by another timbred (ss -ltnp tells); "
                   "choose another with --server.port",
                   config->port, tries > 1 ? " and the next ones are" : " is");
}

bool tb_accept_inherited(int fd, uint16_t *port)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) || !listens)
        return false;
    *port = port_of(fd);
    return true;
}

static void forget(struct acceptor *a, size_t i)
{
    a->pending[i] = a->pending[--a->n];
}

static bool is_websocket(const char head[PEEK])
{
    return !memcmp(head, "GET /ws", 7) && (head[7] == ' ' || head[7] == '?');
}

/* Hands a connection on by its first bytes; size may be less than PEEK when no more will come. */
static void hand_over(struct acceptor *a, struct pending *p, const char *head, ssize_t size)
{
    int one = 1, send_bytes = WS_SEND_BYTES;
    (void)setsockopt(p->fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
    if (size == PEEK && is_websocket(head)) {
        (void)setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
        tb_ws_adopt(a->web->ws, p->fd);
    } else {
        tb_http_add(a->web->http, p->fd, (struct sockaddr *)&p->address, p->size);
    }
}

/* Looks at one that has something to say, or whose time is over. True when it is settled. */
static bool look(struct acceptor *a, struct pending *p, short events, int64_t now)
{
    char head[PEEK];
    bool late = now - p->since_ns > SILENT_S * 1000000000LL;
    if (!events && !late)
        return false;
    ssize_t n = recv(p->fd, head, sizeof head, MSG_PEEK | MSG_DONTWAIT);
    if (n == PEEK) {
        hand_over(a, p, head, n);
        return true;
    }
    bool gone = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    if (!gone && !late && !(events & (POLLRDHUP | POLLHUP | POLLERR)))
        return false;
    a->web->counters.reaped += late;
    (void)close(p->fd);
    return true;
}

static void take_new(struct acceptor *a, int socket)
{
    while (a->n < MAX_PENDING) {
        struct pending *p = &a->pending[a->n];
        int low = PEEK, one = 1;
        p->size = sizeof p->address;
        p->fd =
            accept4(socket, (struct sockaddr *)&p->address, &p->size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (p->fd < 0) {
            /* No descriptors or memory: the connection stays in the queue, and poll would tell of
             * it at once, again and again. */
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                a->rest_until_ns = tb_now_ns() + REST_MS * 1000000LL;
            return;
        }
        tb_address_text((struct sockaddr *)&p->address, p->ip, sizeof p->ip);
        p->since_ns = tb_now_ns();
        size_t same = 0;
        for (size_t i = 0; i < a->n; i++)
            same += !strcmp(a->pending[i].ip, p->ip);
        if (same >= PENDING_PER_ADDRESS) {
            a->web->counters.refused++;
            (void)close(p->fd);
            continue;
        }
        (void)setsockopt(p->fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
        (void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        a->n++;
    }
}

void tb_accept_run(struct tb_web *web, int socket, int stop_fd)
{
    static struct acceptor a; /* main thread only */
    a.web = web;
    for (;;) {
        a.polls[0] = (struct pollfd){stop_fd, POLLIN, 0};
        bool open = a.n < MAX_PENDING && tb_now_ns() >= a.rest_until_ns;
        a.polls[1] = (struct pollfd){open ? socket : -1, POLLIN, 0};
        size_t n = a.n;
        for (size_t i = 0; i < n; i++)
            a.polls[i + 2] = (struct pollfd){a.pending[i].fd, POLLIN | POLLRDHUP, 0};
        (void)poll(a.polls, n + 2, REAP_MS);
        if (a.polls[0].revents)
            break;
        int64_t now = tb_now_ns();
        for (size_t i = n; i-- > 0;)
            if (look(&a, &a.pending[i], a.polls[i + 2].revents, now))
                forget(&a, i);
        if (a.polls[1].revents)
            take_new(&a, socket);
        tb_http_reap(web->http);
    }
    while (a.n > 0)
        (void)close(a.pending[--a.n].fd);
}
