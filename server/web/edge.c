/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/sets.h"
#include "server/web/auth.h"
#include "server/web/http.h"
#include "server/web/json_in.h"
#include "server/web/route.h"
#include "server/web/upload.h"
#include "server/web/web.h"

#include <ctype.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What libmicrohttpd 0.9.75 lets through: repeated Host and Content-Length, both framings at once,
 * control characters in values. */
struct head {
    int hosts, lengths, encodings, origins, authorizations;
    bool control;
    const char *host, *origin, *authorization;
};

static enum MHD_Result count_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
    struct head *head = cls;
    (void)kind;
    if (!strcasecmp(key, "Host")) {
        head->hosts++;
        head->host = value;
    } else if (!strcasecmp(key, "Content-Length")) {
        head->lengths++;
        head->control |= !value || !*value || value[strspn(value, "0123456789")];
    } else if (!strcasecmp(key, "Transfer-Encoding")) {
        head->encodings++;
        head->control |= !value || strcasecmp(value, "chunked") != 0;
    } else if (!strcasecmp(key, "Origin")) {
        head->origins++;
        head->origin = value;
    } else if (!strcasecmp(key, "Authorization")) {
        head->authorizations++;
        head->authorization = value;
    }
    for (const char *c = value; c && *c; c++)
        head->control |= ((unsigned char)*c < ' ' && *c != '\t') || *c == 127;
    for (const char *c = key; *c; c++)
        head->control |= (unsigned char)*c <= ' ' || *c == 127 || *c == ':';
    return MHD_YES;
}

static bool refuse(struct tb_request *request, unsigned status, const char *text)
{
    tb_answer_problem(request, status, "%s", text);
    return false;
}

static bool check_framing(struct tb_request *request, const struct head *head)
{
    const char *fault = NULL;
    if (head->hosts != 1 || !head->host)
        fault = "Host: exactly one is needed";
    else if (head->lengths > 1)
        fault = "Content-Length: given twice";
    else if (head->lengths && head->encodings)
        fault = "Content-Length: not together with Transfer-Encoding";
    else if (head->encodings > 1 || head->control)
        fault = "a header is malformed";
    else if (head->origins > 1 || head->authorizations > 1)
        fault = "a header is given twice";
    if (!fault)
        return true;
    request->reply.close = true;
    (void)refuse(request, 400, fault);
    request->reply.close = true;
    return false;
}

static bool check_host(struct tb_request *request, const struct head *head)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!tb_hosts_allow(&request->web->hosts, head->host, info ? info->connect_fd : -1))
        return refuse(request, 421, "Host: this name is not allowed; see server.hosts");
    (void)snprintf(request->host, sizeof request->host, "%s", head->host);
    info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr)
        tb_address_text(info->client_addr, request->ip, sizeof request->ip);
    return true;
}

/* Cuts the query off and refuses anything but plain paths: no escapes, no dot segments, no empty
 * ones. None of our paths needs them but the one that RFC 8615 begins with a dot. */
static bool check_path(struct tb_request *request, char **query)
{
    char *mark = strchr(request->uri, '?');
    *query = mark ? mark + 1 : NULL;
    if (mark)
        *mark = '\0';
    request->has_query = mark != NULL;
    const char *path = request->path = request->uri;
    bool ok = path[0] == '/';
    const bool known = strncmp(path, TB_WELL_KNOWN, strlen(TB_WELL_KNOWN)) == 0;
    for (const char *c = path + (known ? 1 : 0); *c && ok; c++) {
        ok = isalnum((unsigned char)*c) || strchr("/._~-", *c);
        if (*c == '/' && c[1] == '/')
            ok = false;
        if (*c == '/' && c[1] == '.')
            ok = false;
    }
    return ok || refuse(request, 400, "path: malformed");
}

static bool check_token(struct tb_request *request, const struct head *head)
{
    if (request->route->role == TB_ROLE_OPEN)
        return true;
    if (!head->authorization || strncasecmp(head->authorization, "Bearer ", 7) != 0)
        return refuse(request, 401, "Authorization: Bearer TOKEN is needed");
    unsigned wait = 0;
    const char *token = head->authorization + 7;
    enum tb_status status =
        tb_auth_check(request->web->auth, token, request->ip, &request->role, &wait, NULL);
    if (status == TB_EFULL) {
        (void)refuse(request, 429, "too many wrong tokens; wait a minute");
        request->reply.retry_after_s = wait;
        return false;
    }
    if (status != TB_OK)
        return refuse(request, 401, "Authorization: unknown token");
    if (request->role < request->route->role) {
        tb_answer_problem(request, 403, "this needs the role %s",
                          tb_role_name(request->route->role));
        return false;
    }
    return true;
}

/* Which types a kind of body may have; the first is answered to a wrong one. */
static bool check_type(struct tb_request *request)
{
    static const char *const types[][3] = {
        [TB_CARRIES_JSON] = {"application/json"},
        [TB_CARRIES_MERGE] = {"application/merge-patch+json", "application/json"},
        [TB_CARRIES_IMPORT] = {"application/octet-stream", "application/json"},
        [TB_CARRIES_FILE] = {"application/vnd.sqlite3", "application/octet-stream"},
        [TB_CARRIES_MODEL] = {"application/octet-stream"},
        [TB_CARRIES_RECORDING] = {"application/octet-stream"},
    };
    const char *type =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Type");
    if (!type) {
        if (request->route->body == TB_CARRIES_NONE)
            return true;
        return refuse(request, 415, "Content-Type: missing");
    }
    size_t n = strcspn(type, "; ");
    if (n >= sizeof request->content_type)
        return refuse(request, 415, "Content-Type: unknown");
    memcpy(request->content_type, type, n);
    request->content_type[n] = '\0';
    if (request->route->body == TB_CARRIES_NONE) {
        if (strcasecmp(request->content_type, "application/json") != 0)
            return refuse(request, 415, "Content-Type: application/json is needed");
        return true;
    }
    for (size_t i = 0; i < 3 && types[request->route->body][i]; i++)
        if (!strcasecmp(types[request->route->body][i], request->content_type))
            return true;
    tb_answer_problem(request, 415, "Content-Type: %s is needed", types[request->route->body][0]);
    return false;
}

static bool check_write(struct tb_request *request, const struct head *head)
{
    if (request->route->method == TB_GET)
        return true;
    if (head->origin && !tb_origin_matches(head->origin, head->host))
        return refuse(request, 403, "Origin: not this panel");
    return check_type(request);
}

static bool check_length(struct tb_request *request)
{
    const char *text =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");
    if (text && (strlen(text) > 12 || strtoull(text, NULL, 10) > request->max_body)) {
        tb_answer_problem(request, 413, "body: over %zu bytes", request->max_body);
        return false;
    }
    return true;
}

/* Where a model or a recording goes that comes in now. */
static bool open_upload(struct tb_request *request)
{
    struct tb_error err;
    bool recording = request->route->body == TB_CARRIES_RECORDING;
    if (!recording && request->route->body != TB_CARRIES_MODEL)
        return true;
    const char *text =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");
    const uint64_t expected = text ? strtoull(text, NULL, 10) : 0;
    request->upload = recording ? tb_recording_begin(request->web->sets, request->args[0],
                                                     tb_query(request, "filename"), expected, &err)
                                : tb_upload_begin(request->web, expected, &err);
    if (request->upload)
        return true;
    tb_upload_answer(request, &err);
    if (request->reply.status == 503)
        request->reply.retry_after_s = 1;
    return false;
}

static bool check_if_match(struct tb_request *request)
{
    if (!(request->route->flags & TB_NEEDS_IF_MATCH))
        return true;
    const char *text =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "If-Match");
    if (!text)
        return refuse(request, 428, "If-Match: needed, the ETag that was read");
    size_t digits = text[0] == '"' ? strspn(text + 1, "0123456789") : 0;
    if (digits == 0 || digits > 9 || strcmp(text + 1 + digits, "\"") != 0)
        return refuse(request, 412, "If-Match: not a revision of this patch");
    request->if_match = (uint32_t)strtoul(text + 1, NULL, 10);
    if (request->if_match == 0) /* 0 would mean "do not check" to the store */
        return refuse(request, 412, "If-Match: not a revision of this patch");
    return true;
}

static bool accepts_gzip(struct MHD_Connection *connection)
{
    const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept-Encoding");
    const char *found = text ? strcasestr(text, "gzip") : NULL;
    return found && strncmp(found + 4, ";q=0", 4) != 0;
}

/* Paths outside the API: the panel's files. */
static bool begin_static(struct tb_request *request, const char *method)
{
    if (!strcmp(request->path, "/ws")) {
        request->reply.close = true;
        (void)refuse(request, 426, "upgrade to websocket on a connection of its own");
        request->reply.close = true;
    } else if (strcmp(method, "GET") != 0 && !request->head) {
        (void)refuse(request, 405, "method: only GET, HEAD here");
        (void)snprintf(request->reply.allow, sizeof request->reply.allow, "GET, HEAD");
    } else if (!strcmp(request->path, TB_WELL_KNOWN "security.txt")) {
        tb_security_answer(request);
    } else {
        tb_static_answer(request);
    }
    return false;
}

bool tb_edge_begin(struct tb_request *request, const char *method)
{
    struct head head = {0};
    char *query = NULL;
    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_header, &head);
    request->head = !strcmp(method, "HEAD");
    if (!check_framing(request, &head) || !check_host(request, &head))
        return false;
    if (!check_path(request, &query))
        return false;
    request->gzip = accepts_gzip(request->connection);
    size_t prefix = strlen(TB_API);
    if (strncmp(request->path, TB_API, prefix) != 0 ||
        (request->path[prefix] && request->path[prefix] != '/'))
        return begin_static(request, method);
    const char *path = request->path + prefix;
    if (!tb_route_find(request, method, *path ? path : "/"))
        return false;
    return check_token(request, &head) && check_write(request, &head) && check_length(request) &&
           check_if_match(request) && (!query || tb_route_query(request, query)) &&
           open_upload(request);
}

bool tb_edge_body(struct tb_request *request)
{
    enum tb_carries body = request->route->body;
    bool json = body == TB_CARRIES_JSON || body == TB_CARRIES_MERGE;
    if (!json || request->json)
        return true;
    struct tb_error err;
    size_t longest = request->route->max_body > 65536 ? request->route->max_body : TB_JSON_STRING;
    request->json = tb_json_read(request->body, request->size, longest, &err);
    if (request->json)
        return true;
    tb_answer_error(request, &err);
    return false;
}
