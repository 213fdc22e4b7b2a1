/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_CLI_HTTP_CLIENT_H
#define TB_SERVER_CLI_HTTP_CLIENT_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* HTTP/1.1 to our own server, for the command line: one request a connection, a deadline for the
 * whole exchange, bodies up to TB_CLIENT_MAX_BODY. Plain http only; control threads. */

enum { TB_CLIENT_MAX_BODY = 256 << 20, TB_CLIENT_TIMEOUT_MS = 10000 };

struct tb_client_request {
    const char *method;   /* "GET" ... */
    const char *url;      /* base address: "http://device:8080" */
    const char *path;     /* "/api/v1/status", already percent-encoded */
    const char *token;    /* NULL: none */
    const char *type;     /* Content-Type, NULL without body */
    const char *if_match; /* "\"7\"", NULL: none */
    const void *body;
    size_t body_size;
    int timeout_ms; /* 0: TB_CLIENT_TIMEOUT_MS */
};

struct tb_client_reply {
    int status; /* 200 ... */
    char *body; /* owned, terminated; may hold NULs */
    size_t body_size;
    char location[128]; /* "" when absent */
    char etag[64];
};
void tb_client_reply_clear(struct tb_client_reply *reply);

/* TB_OK whenever a whole answer came, whatever its status. TB_EINVAL: the address is not
 * http://HOST[:PORT]; TB_ENOTFOUND: nobody answers there; TB_EIO: it went away or took too long;
 * TB_ECORRUPT: not HTTP; TB_ETOOLARGE. */
enum tb_status tb_client_call(const struct tb_client_request *request,
                              struct tb_client_reply *reply, struct tb_error *err);

/* The same with JSON both ways. send may be NULL; *reply is to be decref'd, NULL for an empty body;
 * headers may be NULL. A status of 400 and above becomes an error that holds the server's detail.
 */
enum tb_status tb_client_json(const struct tb_client_request *request, const json_t *send,
                              json_t **reply, struct tb_error *err);

/* The error in an answer of status 400 and above; TB_OK below. */
enum tb_status tb_client_status(const struct tb_client_reply *reply, struct tb_error *err);

/* Percent-encodes all but A-Za-z0-9-._~; at most size - 1 bytes. False when it does not fit. */
bool tb_client_escape(const char *text, char *out, size_t size);

#endif
