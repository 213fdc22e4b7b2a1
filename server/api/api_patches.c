/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"
#include "server/web/cache.h"
#include "server/web/gzip.h"
#include "server/web/json_in.h"
#include "server/web/route.h"
#include "server/web/web.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tb_api_patches_list(struct tb_request *request)
{
    const char *limit = tb_query(request, "limit"), *offset = tb_query(request, "offset");
    const char *order = tb_query(request, "order");
    struct tb_patch_query query = {.text = tb_query(request, "q"),
                                   .category = tb_query(request, "category"),
                                   .tag = tb_query(request, "tag"),
                                   .bank = tb_query(request, "bank"),
                                   .favourite = tb_query(request, "favourite") != NULL,
                                   .sort = tb_query(request, "sort"),
                                   .descending = order && !strcmp(order, "desc"),
                                   .limit = limit ? (uint32_t)strtoul(limit, NULL, 10) : 100,
                                   .offset = offset ? (uint32_t)strtoul(offset, NULL, 10) : 0};
    struct tb_patch *patches = NULL;
    size_t n = 0, total = 0;
    struct tb_error err;
    if (tb_patch_list(request->store, &query, &patches, &n, &total, &err) != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    json_t *items = json_array();
    for (size_t i = 0; i < n && items; i++)
        (void)json_array_append_new(items, tb_patch_summary_to_json(&patches[i]));
    free(patches);
    tb_answer_json(request, 200,
                   json_pack("{s:o, s:I, s:I, s:I}", "items", items, "total", (json_int_t)total,
                             "limit", (json_int_t)query.limit, "offset", (json_int_t)query.offset));
}

/* Answers with a patch and tells everybody. Takes over *patch. */
static void answer_changed(struct tb_request *request, struct tb_patch *patch, unsigned status,
                           enum tb_effect_kind kind)
{
    tb_answer_empty(request, status);
    request->reply.patch = true;
    tb_answer_etag(request, patch->revision);
    (void)snprintf(request->reply.location, sizeof request->reply.location,
                   status == 201 ? TB_API "/patches/%s" : "%.0s", patch->uuid);
    request->effect.kind = kind;
    request->effect.patch = *patch;
    *patch = (struct tb_patch){0};
}

/* A conflict under If-Match is 412, with the revision that is there now. */
static void answer_stale(struct tb_request *request, const struct tb_error *err)
{
    struct tb_patch now = {0};
    if (err->status != TB_ECONFLICT || !(request->route->flags & TB_NEEDS_IF_MATCH)) {
        tb_answer_error(request, err);
        return;
    }
    tb_answer_problem(request, 412, "If-Match: the patch was changed meanwhile");
    if (tb_patch_read(request->store, request->args[0], &now, NULL) == TB_OK)
        tb_answer_etag(request, now.revision);
    tb_patch_clear(&now);
}

/* The answer to GET, made once for as long as the patch stays as it is; for clients that keep their
 * connection. */
static struct MHD_Response *make_cached(struct tb_request *request, const struct tb_patch *patch)
{
    size_t size = 0;
    char *text = tb_patch_to_text(patch, &size);
    if (!text)
        return NULL;
    if (request->gzip) {
        char *packed = tb_gzip(text, size, &size);
        free(text);
        text = packed;
    }
    struct MHD_Response *response =
        text ? MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE) : NULL;
    if (!response)
        return NULL;
    char etag[16];
    (void)snprintf(etag, sizeof etag, "\"%u\"", patch->revision);
    (void)MHD_add_response_header(response, "Content-Type", "application/json");
    (void)MHD_add_response_header(response, "ETag", etag);
    (void)MHD_add_response_header(response, "Cache-Control", "no-cache");
    (void)MHD_add_response_header(response, "Vary", "Accept-Encoding");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (request->gzip)
        (void)MHD_add_response_header(response, "Content-Encoding", "gzip");
    if (request->kept)
        (void)MHD_add_response_header(response, "Keep-Alive", TB_KEPT_TEXT);
    return response;
}

static bool is_fresh(struct tb_request *request, uint32_t revision)
{
    const char *seen =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "If-None-Match");
    char etag[16];
    (void)snprintf(etag, sizeof etag, "\"%u\"", revision);
    return seen && strstr(seen, etag);
}

void tb_api_patch_get(struct tb_request *request)
{
    struct tb_cache *cache = request->web->cache;
    const char *uuid = request->args[0];
    uint32_t revision = 0;
    struct MHD_Response *response =
        request->kept ? tb_cache_get(cache, uuid, request->gzip, &revision) : NULL;
    if (!response) {
        struct tb_patch patch = {0};
        struct tb_error err;
        uint64_t mark = tb_cache_mark(cache, uuid);
        if (tb_patch_read(request->store, uuid, &patch, &err) != TB_OK) {
            tb_answer_error(request, &err);
            return;
        }
        response = make_cached(request, &patch);
        revision = patch.revision;
        tb_patch_clear(&patch);
        if (!response) {
            tb_answer_problem(request, 503, "out of memory");
            return;
        }
        if (request->kept)
            tb_cache_put(cache, uuid, request->gzip, revision, mark, response);
    }
    if (is_fresh(request, revision)) {
        if (!request->kept)
            MHD_destroy_response(response);
        tb_answer_empty(request, 304);
        tb_answer_etag(request, revision);
        return;
    }
    request->reply.status = 200;
    request->reply.ready = response;
    request->reply.lent = request->kept;
}

void tb_api_patch_create(struct tb_request *request)
{
    struct tb_patch patch = {0};
    struct tb_error err;
    if (tb_patch_from_json(request->json, TB_BODY_FULL, &patch, NULL, &err) == TB_OK &&
        tb_patch_create(request->store, &patch, &err) == TB_OK)
        answer_changed(request, &patch, 201, TB_EFFECT_CREATED);
    else
        tb_answer_error(request, &err);
    tb_patch_clear(&patch);
}

/* The stored patch with the body over it (merge), or the body alone. */
static enum tb_status new_content(struct tb_request *request, bool merge, struct tb_patch *patch,
                                  struct tb_error *err)
{
    struct tb_patch body = {0};
    patch->note[0] = '\0';
    if (merge)
        return tb_patch_from_json(request->json, TB_BODY_MERGE, patch, NULL, err);
    enum tb_status status = tb_patch_from_json(request->json, TB_BODY_FULL, &body, NULL, err);
    if (status != TB_OK)
        return status;
    memcpy(body.uuid, patch->uuid, sizeof body.uuid);
    body.factory = patch->factory;
    body.created = patch->created;
    body.revision = patch->revision;
    tb_patch_clear(patch);
    *patch = body;
    return TB_OK;
}

static void replace(struct tb_request *request, bool merge)
{
    struct tb_patch patch = {0};
    struct tb_error err;
    enum tb_status status = tb_patch_read(request->store, request->args[0], &patch, &err);
    if (status == TB_OK && patch.revision != request->if_match)
        status = tb_fail(&err, TB_ECONFLICT, "stale");
    if (status == TB_OK)
        status = new_content(request, merge, &patch, &err);
    if (status == TB_OK)
        status = tb_patch_replace(request->store, &patch, request->if_match, &err);
    if (status == TB_OK)
        answer_changed(request, &patch, 200, TB_EFFECT_UPDATED);
    else
        answer_stale(request, &err);
    tb_patch_clear(&patch);
}

void tb_api_patch_put(struct tb_request *request)
{
    replace(request, false);
}

void tb_api_patch_patch(struct tb_request *request)
{
    replace(request, true);
}

/* A factory patch could come back by a reinstallation only. */
static bool is_factory(struct tb_request *request)
{
    struct tb_patch patch = {0};
    bool factory =
        tb_patch_read(request->store, request->args[0], &patch, NULL) == TB_OK && patch.factory;
    if (factory)
        tb_answer_problem(request, 409, "patch: %.64s is a factory patch, which stays", patch.name);
    tb_patch_clear(&patch);
    return factory;
}

void tb_api_patch_delete(struct tb_request *request)
{
    struct tb_error err;
    if (is_factory(request))
        return;
    if (tb_patch_delete(request->store, request->args[0], request->if_match, &err) != TB_OK) {
        answer_stale(request, &err);
        return;
    }
    tb_answer_empty(request, 204);
    request->effect.kind = TB_EFFECT_DELETED;
    (void)snprintf(request->effect.patch.uuid, TB_UUID, "%.36s", request->args[0]);
}

static bool read_number(struct tb_request *request, const char *text, uint32_t *number)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 9 || text[n]) {
        tb_answer_problem(request, 404, "no such revision");
        return false;
    }
    *number = (uint32_t)strtoul(text, NULL, 10);
    return true;
}

void tb_api_patch_revisions(struct tb_request *request)
{
    struct tb_revision *list = NULL;
    size_t n = 0;
    struct tb_error err;
    if (tb_patch_revisions(request->store, request->args[0], &list, &n, &err) != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    json_t *items = json_array();
    for (size_t i = 0; i < n && items; i++)
        (void)json_array_append_new(items, json_pack("{s:I, s:I, s:s, s:s}", "revision",
                                                     (json_int_t)list[i].revision, "time",
                                                     (json_int_t)list[i].time, "name", list[i].name,
                                                     "note", list[i].note));
    free(list);
    tb_answer_json(request, 200, json_pack("{s:o}", "items", items));
}

void tb_api_patch_revision(struct tb_request *request)
{
    struct tb_patch patch = {0};
    struct tb_error err;
    uint32_t revision;
    if (!read_number(request, request->args[1], &revision))
        return;
    if (tb_patch_read_revision(request->store, request->args[0], revision, &patch, &err) == TB_OK)
        tb_answer_patch(request, 200, &patch);
    else
        tb_answer_error(request, &err);
    tb_patch_clear(&patch);
}

void tb_api_patch_revert(struct tb_request *request)
{
    static const char *const members[] = {"revision", NULL};
    struct tb_patch patch = {0};
    struct tb_error err;
    long long revision = 0;
    enum tb_status status = tb_json_only(request->json, members, &err);
    if (status == TB_OK && !json_object_get(request->json, "revision"))
        status = tb_fail(&err, TB_EINVAL, "revision: missing");
    if (status == TB_OK)
        status = tb_json_integer(request->json, "revision", (long long[]){1, UINT32_MAX}, &revision,
                                 &err);
    if (status == TB_OK)
        status = tb_patch_read_revision(request->store, request->args[0], (uint32_t)revision,
                                        &patch, &err);
    (void)snprintf(patch.note, sizeof patch.note, "reverted to %lld", revision);
    if (status == TB_OK)
        status = tb_patch_replace(request->store, &patch, 0, &err);
    if (status == TB_OK)
        answer_changed(request, &patch, 200, TB_EFFECT_UPDATED);
    else
        tb_answer_error(request, &err);
    tb_patch_clear(&patch);
}

void tb_api_categories(struct tb_request *request)
{
    struct tb_category *list = NULL;
    size_t n = 0;
    struct tb_error err;
    if (tb_category_list(request->store, &list, &n, &err) != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    json_t *items = json_array();
    for (size_t i = 0; i < n && items; i++)
        (void)json_array_append_new(items, json_pack("{s:s, s:I}", "name", list[i].name, "count",
                                                     (json_int_t)list[i].count));
    free(list);
    tb_answer_json(request, 200, json_pack("{s:o}", "items", items));
}
