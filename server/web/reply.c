/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"
#include "server/web/gzip.h"
#include "server/web/http.h"
#include "server/web/web.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { GZIP_FROM_BYTES = 1024 };

static struct MHD_Response *from_file(struct tb_reply *reply)
{
    struct stat info;
    if (fstat(reply->fd, &info))
        return NULL;
    struct MHD_Response *response = MHD_create_response_from_fd((uint64_t)info.st_size, reply->fd);
    if (response)
        reply->fd = -1; /* closed with the response */
    return response;
}

static struct MHD_Response *from_data(struct tb_request *request)
{
    struct tb_reply *reply = &request->reply;
    bool packed = false;
    if (request->gzip && reply->size >= GZIP_FROM_BYTES) {
        size_t size = 0;
        char *data = tb_gzip(reply->data, reply->size, &size);
        if (data && size < reply->size) {
            free(reply->data);
            reply->data = data;
            reply->size = size;
            packed = true;
        } else {
            free(data);
        }
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->size, reply->data, MHD_RESPMEM_MUST_FREE);
    if (!response)
        return NULL;
    reply->data = NULL;
    if (packed)
        (void)MHD_add_response_header(response, "Content-Encoding", "gzip");
    (void)MHD_add_response_header(response, "Vary", "Accept-Encoding");
    return response;
}

static void add(struct MHD_Response *response, const char *name, const char *value)
{
    if (value && *value)
        (void)MHD_add_response_header(response, name, value);
}

static void add_headers(struct tb_request *request, struct MHD_Response *response)
{
    struct tb_reply *reply = &request->reply;
    add(response, "Content-Type", reply->type);
    add(response, "X-Content-Type-Options", "nosniff");
    add(response, "Cache-Control", "no-store");
    add(response, "ETag", reply->etag);
    add(response, "Location", reply->location);
    add(response, "Allow", reply->allow);
    add(response, "Content-Disposition", reply->disposition);
    if (reply->status == 401)
        add(response, "WWW-Authenticate", "Bearer realm=\"timbred\"");
    if (reply->status == 426)
        add(response, "Upgrade", "websocket");
    if (reply->retry_after_s) {
        char text[16];
        (void)snprintf(text, sizeof text, "%u", reply->retry_after_s);
        add(response, "Retry-After", text);
    }
    if (reply->close)
        add(response, "Connection", "close");
    else if (request->kept)
        add(response, "Keep-Alive", TB_KEPT_TEXT);
}

int tb_reply_queue(struct tb_request *request)
{
    struct tb_reply *reply = &request->reply;
    if (reply->patch)
        tb_answer_patch(request, reply->status, &request->effect.patch);
    unsigned class = reply->status / 100;
    request->web->counters.requests[class < 6 ? class : 0]++;
    if (reply->ready) {
        if (!reply->lent && request->kept)
            add(reply->ready, "Keep-Alive", TB_KEPT_TEXT);
        int queued = (int)MHD_queue_response(request->connection, reply->status, reply->ready);
        if (!reply->lent)
            MHD_destroy_response(reply->ready);
        reply->ready = NULL;
        return queued;
    }
    struct MHD_Response *response = reply->fd >= 0 ? from_file(reply) : from_data(request);
    if (!response)
        return MHD_NO;
    add_headers(request, response);
    enum MHD_Result result = MHD_queue_response(request->connection, reply->status, response);
    MHD_destroy_response(response);
    return (int)result;
}
