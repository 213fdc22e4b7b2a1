/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/http_client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_HEAD = 16384 };

struct address {
    char host[256];
    char port[8];
    char shown[280]; /* as the Host header says it */
};

struct connection {
    int fd;
    int64_t deadline_ms;
    char *data; /* all that came, terminated */
    size_t n, capacity;
    struct tb_error *err;
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void tb_client_reply_clear(struct tb_client_reply *reply)
{
    free(reply->body);
    memset(reply, 0, sizeof *reply);
}

bool tb_client_escape(const char *text, char *out, size_t size)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t n = 0;
    for (; *text; text++) {
        if (n + 4 > size)
            return false;
        if (strchr(plain, *text))
            out[n++] = *text;
        else
            n += (size_t)snprintf(out + n, 4, "%%%02X", (unsigned char)*text);
    }
    if (n >= size)
        return false;
    out[n] = '\0';
    return true;
}

/* http://host[:port][/], http://[v6]:port; no user, no path */
static enum tb_status parse_url(const char *url, struct address *a, struct tb_error *err)
{
    static const char scheme[] = "http://";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return tb_fail(err, TB_EINVAL, "url: \"%.60s\" does not begin with http://", url);
    const char *p = url + sizeof scheme - 1;
    bool bracket = *p == '[';
    const char *host = p + bracket;
    size_t n = strcspn(host, bracket ? "]" : ":/");
    const char *rest = host + n + (bracket && host[n] == ']');
    char *end = NULL;
    long port = *rest == ':' ? strtol(rest + 1, &end, 10) : 80;
    const char *tail = end ? end : rest;
    bool tail_ok = strcmp(tail, "") == 0 || strcmp(tail, "/") == 0;
    bool host_ok = n > 0 && n < sizeof a->host && (!bracket || host[n] == ']') &&
                   strcspn(host, " \t\r\n@?#") >= n;
    if (!tail_ok || !host_ok || port < 1 || port > 65535)
        return tb_fail(err, TB_EINVAL, "url: \"%.60s\" is not http://HOST[:PORT]", url);
    (void)snprintf(a->host, sizeof a->host, "%.*s", (int)n, host);
    (void)snprintf(a->port, sizeof a->port, "%ld", port);
    (void)snprintf(a->shown, sizeof a->shown, bracket ? "[%s]:%s" : "%s:%s", a->host, a->port);
    return TB_OK;
}

static enum tb_status wait_for(struct connection *c, short events)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    for (;;) {
        int64_t left = c->deadline_ms - now_ms();
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n > 0)
            return TB_OK;
        if (n == 0)
            return tb_fail(c->err, TB_EIO, "the server took too long to answer");
        if (errno != EINTR)
            return tb_fail(c->err, TB_EIO, "poll: %s", strerror(errno));
    }
}

static enum tb_status connect_one(struct connection *c, const struct addrinfo *info)
{
    c->fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return tb_fail(c->err, TB_EIO, "socket: %s", strerror(errno));
    int fault = 0;
    socklen_t size = sizeof fault;
    enum tb_status s = TB_OK;
    if (connect(c->fd, info->ai_addr, info->ai_addrlen) != 0)
        fault = errno;
    if (fault == EINPROGRESS) {
        s = wait_for(c, POLLOUT);
        fault = 0;
        (void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &fault, &size);
    }
    if (s == TB_OK && fault == 0)
        return TB_OK;
    (void)close(c->fd);
    c->fd = -1;
    return s != TB_OK ? s : tb_fail(c->err, TB_ENOTFOUND, "%s", strerror(fault));
}

static enum tb_status open_connection(struct connection *c, const struct address *a)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int fault = getaddrinfo(a->host, a->port, &hints, &list);
    if (fault)
        return tb_fail(c->err, TB_ENOTFOUND, "%.60s: %s", a->shown, gai_strerror(fault));
    struct tb_error reason = {.status = TB_ENOTFOUND, .text = "no address"};
    struct tb_error *err = c->err;
    c->err = &reason;
    for (const struct addrinfo *i = list; i && c->fd < 0; i = i->ai_next)
        (void)connect_one(c, i);
    c->err = err;
    freeaddrinfo(list);
    if (c->fd < 0)
        return tb_fail(err, TB_ENOTFOUND, "%.60s: %.80s", a->shown, reason.text);
    int on = 1;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return TB_OK;
}

static enum tb_status send_all(struct connection *c, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = send(c->fd, p, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EPIPE)
            return TB_OK; /* it may have answered before it had read all */
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return tb_fail(c->err, TB_EIO, "send: %s", strerror(errno));
        if (n < 0) {
            enum tb_status s = wait_for(c, POLLOUT);
            if (s != TB_OK)
                return s;
            continue;
        }
        p += n;
        size -= (size_t)n;
    }
    return TB_OK;
}

static enum tb_status send_request(struct connection *c, const struct tb_client_request *r,
                                   const struct address *a)
{
    char head[4096], optional[1024] = "";
    size_t n = 0;
    const char *const fields[][2] = {{"Content-Type", r->type}, {"If-Match", r->if_match}};
    for (size_t i = 0; i < 2; i++) {
        if (fields[i][1])
            n += (size_t)snprintf(optional + n, sizeof optional - n, "%s: %.200s\r\n", fields[i][0],
                                  fields[i][1]);
    }
    if (r->token)
        n += (size_t)snprintf(optional + n, sizeof optional - n, "Authorization: Bearer %.200s\r\n",
                              r->token);
    if (strcmp(r->method, "GET") != 0)
        (void)snprintf(optional + n, sizeof optional - n, "Content-Length: %zu\r\n", r->body_size);
    int size = snprintf(head, sizeof head,
                        "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n"
                        "User-Agent: timbred/" TB_VERSION "\r\n%s\r\n",
                        r->method, r->path, a->shown, optional);
    if (size < 0 || size >= (int)sizeof head)
        return tb_fail(c->err, TB_ETOOLARGE, "the request's address is too long");
    enum tb_status s = send_all(c, head, (size_t)size);
    return s == TB_OK && r->body_size ? send_all(c, r->body, r->body_size) : s;
}

/* Everything until the server closes. */
static enum tb_status receive_all(struct connection *c)
{
    for (;;) {
        if (c->n + 1 >= c->capacity) {
            size_t capacity = c->capacity ? 2 * c->capacity : 65536;
            char *data = c->n > TB_CLIENT_MAX_BODY ? NULL : realloc(c->data, capacity);
            if (!data)
                return tb_fail(c->err, TB_ETOOLARGE, "the answer is too large");
            c->data = data;
            c->capacity = capacity;
        }
        ssize_t n = recv(c->fd, c->data + c->n, c->capacity - c->n - 1, 0);
        if (n < 0 && errno == EAGAIN) {
            enum tb_status s = wait_for(c, POLLIN);
            if (s != TB_OK)
                return s;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) { /* a reset behind a whole answer is an answer: its length is checked below */
            c->data[c->n] = '\0';
            return TB_OK;
        }
        c->n += (size_t)n;
    }
}

/* Header name in head, "" when absent. */
static void find_header(const char *head, const char *name, char *value, size_t size)
{
    value[0] = '\0';
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        const char *p = line + length + 1;
        p += strspn(p, " \t");
        (void)snprintf(value, size, "%.*s", (int)strcspn(p, "\r\n"), p);
        return;
    }
}

/* Chunked body at body[0..n) in place; its length, or -1. */
static ssize_t unchunk(char *body, size_t n)
{
    size_t in = 0, out = 0;
    for (;;) {
        char *end;
        size_t length = strtoul(body + in, &end, 16);
        char *data = strstr(end, "\r\n");
        if (end == body + in || !data)
            return -1;
        in = (size_t)(data + 2 - body);
        if (length == 0)
            return (ssize_t)out;
        if (in > n || length > n - in || n - in - length < 2)
            return -1;
        memmove(body + out, body + in, length);
        out += length;
        in += length + 2;
    }
}

static enum tb_status take_reply(struct connection *c, struct tb_client_reply *reply)
{
    if (c->n == 0)
        return tb_fail(c->err, TB_EIO, "the server closed without an answer");
    char *end = memmem(c->data, c->n, "\r\n\r\n", 4);
    if (!end || sscanf(c->data, "HTTP/1.%*1[01] %3d", &reply->status) != 1)
        return tb_fail(c->err, TB_ECORRUPT, "the answer is not HTTP");
    char *body = end + 4, value[128];
    end[2] = '\0';
    size_t n = c->n - (size_t)(body - c->data);
    find_header(c->data, "Location", reply->location, sizeof reply->location);
    find_header(c->data, "ETag", reply->etag, sizeof reply->etag);
    find_header(c->data, "Content-Length", value, sizeof value);
    if (value[0] && strtoull(value, NULL, 10) != n)
        return tb_fail(c->err, TB_EIO, "the answer broke off after %zu of %.20s bytes", n, value);
    find_header(c->data, "Transfer-Encoding", value, sizeof value);
    if (strcasecmp(value, "chunked") == 0) {
        ssize_t length = unchunk(body, n);
        if (length < 0)
            return tb_fail(c->err, TB_EIO, "the answer broke off");
        n = (size_t)length;
    }
    memmove(c->data, body, n);
    c->data[n] = '\0';
    reply->body = c->data;
    reply->body_size = n;
    c->data = NULL;
    return TB_OK;
}

enum tb_status tb_client_call(const struct tb_client_request *request,
                              struct tb_client_reply *reply, struct tb_error *err)
{
    int timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : TB_CLIENT_TIMEOUT_MS;
    struct connection c = {.fd = -1, .deadline_ms = now_ms() + timeout_ms, .err = err};
    struct address a;
    memset(reply, 0, sizeof *reply);
    enum tb_status s = parse_url(request->url, &a, err);
    if (s == TB_OK)
        s = open_connection(&c, &a);
    if (s == TB_OK)
        s = send_request(&c, request, &a);
    if (s == TB_OK)
        s = receive_all(&c);
    if (s == TB_OK)
        s = take_reply(&c, reply);
    if (c.fd >= 0)
        (void)close(c.fd);
    free(c.data);
    return s;
}

enum tb_status tb_client_status(const struct tb_client_reply *reply, struct tb_error *err)
{
    static const struct {
        int http;
        enum tb_status status;
    } table[] = {{401, TB_EDENIED},   {403, TB_EDENIED},   {404, TB_ENOTFOUND},
                 {409, TB_ECONFLICT}, {412, TB_ECONFLICT}, {413, TB_ETOOLARGE},
                 {429, TB_EFULL},     {503, TB_EFULL},     {507, TB_EFULL}};
    if (reply->status < 400)
        return TB_OK;
    enum tb_status s = reply->status < 500 ? TB_EINVAL : TB_EIO;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].http == reply->status)
            s = table[i].status;
    }
    json_t *problem = json_loadb(reply->body, reply->body_size, 0, NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const char *title = json_string_value(json_object_get(problem, "title"));
    if (detail || title)
        (void)tb_fail(err, s, "%s", detail ? detail : title);
    else
        (void)tb_fail(err, s, "the server answered %d", reply->status);
    json_decref(problem);
    return s;
}

enum tb_status tb_client_json(const struct tb_client_request *request, const json_t *send,
                              json_t **reply, struct tb_error *err)
{
    *reply = NULL;
    struct tb_client_request r = *request;
    char *text = send ? json_dumps(send, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    if (send && !text)
        return tb_fail(err, TB_ENOMEM, "no memory for the request");
    if (text) {
        r.body = text;
        r.body_size = strlen(text);
        r.type = r.type ? r.type : "application/json";
    }
    struct tb_client_reply raw;
    enum tb_status s = tb_client_call(&r, &raw, err);
    free(text);
    if (s == TB_OK)
        s = tb_client_status(&raw, err);
    if (s == TB_OK && raw.body_size > 0) {
        *reply = json_loadb(raw.body, raw.body_size, JSON_REJECT_DUPLICATES, NULL);
        if (!*reply)
            s = tb_fail(err, TB_ECORRUPT, "the server's answer is not JSON");
    }
    tb_client_reply_clear(&raw);
    return s;
}
