/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"
#include "server/web/request.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The one table from a status to HTTP. Store handlers turn TB_EFULL into 507 (disk) themselves. */
static const unsigned http_status[TB_N_STATUS] = {
    [TB_OK] = 200,      [TB_EINVAL] = 400,    [TB_ENOTFOUND] = 404,    [TB_ECONFLICT] = 409,
    [TB_EDENIED] = 403, [TB_ETOOLARGE] = 413, [TB_EFULL] = 503,        [TB_ENOMEM] = 503,
    [TB_EIO] = 503,     [TB_ECORRUPT] = 500,  [TB_EUNSUPPORTED] = 501,
};

unsigned tb_http_status(enum tb_status status)
{
    return status < TB_N_STATUS ? http_status[status] : 500;
}

/* Length of a leading field name ("fm.op1.coarse" of "fm.op1.coarse: 64 is above 31"), 0 none. */
static size_t field_length(const char *text)
{
    size_t n = strcspn(text, ": \"'");
    return n > 0 && n < 64 && text[n] == ':' && text[n + 1] == ' ' ? n : 0;
}

json_t *tb_problem(unsigned status, const char *detail)
{
    json_t *problem =
        json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title",
                  MHD_get_reason_phrase_for(status), "status", (int)status, "detail", detail);
    size_t n = field_length(detail);
    if (problem && n > 0)
        (void)json_object_set_new(problem, "field", json_stringn(detail, n));
    return problem;
}

void tb_reply_clear(struct tb_reply *reply)
{
    free(reply->data);
    if (reply->fd >= 0)
        (void)close(reply->fd);
    *reply = (struct tb_reply){.fd = -1};
}

static void answer(struct tb_request *request, unsigned status, const char *type, char *data,
                   size_t size)
{
    struct tb_reply *reply = &request->reply;
    free(reply->data);
    if (reply->fd >= 0)
        (void)close(reply->fd);
    reply->fd = -1;
    reply->ready = NULL;
    reply->patch = false;
    reply->status = status;
    reply->type = type;
    reply->data = data;
    reply->size = size;
}

static void answer_json(struct tb_request *request, unsigned status, const char *type, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (!text) {
        answer(request, 503, "text/plain", NULL, 0);
        return;
    }
    answer(request, status, type, text, strlen(text));
}

void tb_answer_json(struct tb_request *request, unsigned status, json_t *json)
{
    answer_json(request, status, "application/json", json);
}

void tb_answer_patch(struct tb_request *request, unsigned status, const struct tb_patch *patch)
{
    size_t size = 0;
    char *text = tb_patch_to_text(patch, &size);
    if (text)
        answer(request, status, "application/json", text, size);
    else
        answer(request, 503, "text/plain", NULL, 0);
}

void tb_answer_data(struct tb_request *request, const char *type, char *data, size_t size)
{
    answer(request, data ? 200 : 503, type, data, data ? size : 0);
}

void tb_answer_empty(struct tb_request *request, unsigned status)
{
    answer(request, status, NULL, NULL, 0);
}

void tb_answer_problem(struct tb_request *request, unsigned status, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    answer_json(request, status, "application/problem+json", tb_problem(status, text));
}

void tb_answer_error(struct tb_request *request, const struct tb_error *err)
{
    tb_answer_problem(request, tb_http_status(err->status), "%s", err->text);
}

void tb_answer_etag(struct tb_request *request, uint32_t revision)
{
    (void)snprintf(request->reply.etag, sizeof request->reply.etag, "\"%u\"", revision);
}

const char *tb_query(const struct tb_request *request, const char *key)
{
    for (size_t i = 0; i < request->n_query; i++)
        if (!strcmp(request->query[i].key, key))
            return request->query[i].value;
    return NULL;
}
