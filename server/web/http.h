/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_HTTP_H
#define TB_SERVER_WEB_HTTP_H

#include "base/error.h"
#include "server/web/request.h"

#include <sys/socket.h>

/* HTTP by libmicrohttpd: one thread, sockets handed in by accept.c, deadlines of our own. */
struct tb_http;

struct tb_http *tb_http_new(struct tb_web *web, struct tb_error *err);
/* Every request that waits elsewhere must have been resumed before. */
void tb_http_free(struct tb_http *http);

/* Accept thread. Takes over fd, also on failure. */
void tb_http_add(struct tb_http *http, int fd, const struct sockaddr *address, socklen_t size);

/* Any thread. The reply of a request that was handed on is ready. */
void tb_http_resume(struct tb_request *request);

/* Accept thread, several times a second: ends connections that dawdle. */
void tb_http_reap(struct tb_http *http);

/* edge.c, HTTP thread: the checks before a body is read, and the body itself. False when an answer
 * is set. */
bool tb_edge_begin(struct tb_request *request, const char *method);
bool tb_edge_body(struct tb_request *request);

/* reply.c, HTTP thread. Queues request->reply. */
int tb_reply_queue(struct tb_request *request);

/* static.c, HTTP thread. A file of the panel, or 404. */
void tb_static_answer(struct tb_request *request);

#define TB_WELL_KNOWN "/.well-known/"

/* The newest release is supported until then; a promise of the project. */
#define TB_SUPPORT_UNTIL "2031-12-31"

/* security.c, HTTP thread. Whom to tell of a weakness (RFC 9116), or 404 where nobody is set. */
void tb_security_answer(struct tb_request *request);

#endif
