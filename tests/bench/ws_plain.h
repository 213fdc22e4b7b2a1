/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_BENCH_WS_PLAIN_H
#define TB_TESTS_BENCH_WS_PLAIN_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The least of a WebSocket client that a measurement needs: blocking connect, short text frames. */

/* One masked text frame of less than 126 bytes (mask 0). False when it was not taken whole. */
static inline int ws_send(int fd, const char *text)
{
    unsigned char frame[6 + 126] = {0x81};
    size_t n = strlen(text);
    if (n > 125)
        return 0;
    frame[1] = (unsigned char)(0x80 | n);
    memcpy(frame + 6, text, n);
    return send(fd, frame, 6 + n, MSG_NOSIGNAL) == (ssize_t)(6 + n);
}

/* Walks over the server's frames, which have no mask, and answers its pings. */
struct ws_reader {
    int fd;
    unsigned char head[10], ping[125];
    size_t have, skip; /* bytes of head; payload still to come */
    size_t n_ping;     /* payload of a ping taken so far */
    int opcode;
};

static inline void ws_pong(struct ws_reader *r)
{
    unsigned char frame[6 + 125] = {0x8a, (unsigned char)(0x80 | r->n_ping)};
    memcpy(frame + 6, r->ping, r->n_ping);
    (void)send(r->fd, frame, 6 + r->n_ping, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The head that is whole now: its length. */
static inline size_t ws_length(const struct ws_reader *r)
{
    size_t length = r->head[1] & 0x7f;
    if (length < 126)
        return length;
    size_t n = length == 126 ? 4 : 10;
    length = 0;
    for (size_t i = 2; i < n; i++)
        length = length << 8 | r->head[i];
    return length;
}

/* Payload: at most n bytes; how many were taken. */
static inline size_t ws_payload(struct ws_reader *r, const unsigned char *data, size_t n)
{
    size_t step = r->skip < n ? r->skip : n;
    if (r->opcode == 9 && r->n_ping + step <= sizeof r->ping) {
        memcpy(r->ping + r->n_ping, data, step);
        r->n_ping += step;
    }
    r->skip -= step;
    if (r->skip == 0 && r->opcode == 9)
        ws_pong(r);
    return step;
}

/* One byte of a head; true when it is whole now. */
static inline int ws_head(struct ws_reader *r, unsigned char byte)
{
    r->head[r->have++] = byte;
    unsigned length = r->have > 1 ? r->head[1] & 0x7fU : 0;
    if (r->have < (length < 126 ? 2U : length == 126 ? 4U : 10U))
        return 0;
    r->opcode = r->head[0] & 0x0f;
    r->skip = ws_length(r);
    r->have = r->n_ping = 0;
    if (r->skip == 0 && r->opcode == 9)
        ws_pong(r);
    return 1;
}

/* Counts whole heads of binary frames in data[n]. */
static inline int ws_feed(struct ws_reader *r, const unsigned char *data, size_t n)
{
    int n_binary = 0;
    for (size_t i = 0; i < n;) {
        if (r->skip > 0)
            i += ws_payload(r, data + i, n - i);
        else if (ws_head(r, data[i++]))
            n_binary += r->opcode == 2;
    }
    return n_binary;
}

/* Connected, upgraded and greeted, subscribed to topics ("\"telemetry\""); -1 when refused.
 * receive_bytes > 0 bounds the socket's buffer, for clients that will not read. */
static inline int ws_open(int port, const char *token, const char *topics, int receive_bytes)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 5};
    char text[1024];
    size_t n = 0;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (receive_bytes > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int size = snprintf(text, sizeof text,
                        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Protocol: timbred.v1\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        port);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        send(fd, text, (size_t)size, MSG_NOSIGNAL) != size)
        goto refused;
    while (n < sizeof text - 1 && (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0)) {
        if (recv(fd, text + n, 1, 0) != 1)
            goto refused;
        n++;
    }
    text[n] = '\0';
    if (!strstr(text, " 101 "))
        goto refused;
    (void)snprintf(text, sizeof text, "{\"type\":\"hello\",\"token\":\"%s\",\"topics\":[%s]}",
                   token, topics);
    if (ws_send(fd, text))
        return fd;
refused:
    (void)close(fd);
    return -1;
}

#endif
