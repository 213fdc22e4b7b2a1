/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/gzip.h"
#include "server/web/http.h"
#include "server/web/web.h"
#include "web/assets.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ASSET = 4 * 1024 * 1024 };

static int compare(const void *key, const void *asset)
{
    return strcmp(key, ((const struct tb_web_asset *)asset)->path);
}

/* What a page from here may do. Older Safari does not count ws: as 'self', so it is named; host has
 * passed the allow-list. */
static void add_page_headers(struct MHD_Response *response, const char *host)
{
    char policy[800];
    (void)snprintf(policy, sizeof policy,
                   "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                   "font-src 'self'; connect-src 'self' ws://%s wss://%s; worker-src 'self'; "
                   "manifest-src 'self'; media-src 'self' blob:; base-uri 'none'; "
                   "form-action 'none'; frame-ancestors 'none'",
                   host, host);
    (void)MHD_add_response_header(response, "Content-Security-Policy", policy);
    (void)MHD_add_response_header(response, "X-Frame-Options", "DENY");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    (void)MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    (void)MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
    (void)MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    (void)MHD_add_response_header(response, "Vary", "Accept-Encoding");
}

static struct MHD_Response *asset_response(struct tb_request *request,
                                           const struct tb_web_asset *asset)
{
    if (request->gzip) {
        struct MHD_Response *response = MHD_create_response_from_buffer(
            asset->size, (void *)(size_t)asset->gzip, MHD_RESPMEM_PERSISTENT);
        if (response)
            (void)MHD_add_response_header(response, "Content-Encoding", "gzip");
        return response;
    }
    size_t size = 0;
    char *data = tb_gunzip(asset->gzip, asset->size, MAX_ASSET, &size);
    return data ? MHD_create_response_from_buffer(size, data, MHD_RESPMEM_MUST_FREE) : NULL;
}

void tb_static_answer(struct tb_request *request)
{
    const struct tb_web_asset *asset =
        bsearch(request->path, tb_web_assets, tb_n_web_assets, sizeof tb_web_assets[0], compare);
    if (!asset) {
        tb_answer_problem(request, 404, "no such file");
        return;
    }
    const char *seen =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "If-None-Match");
    bool fresh = seen && strstr(seen, asset->etag);
    struct MHD_Response *response =
        fresh ? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT)
              : asset_response(request, asset);
    if (!response) {
        tb_answer_problem(request, 503, "out of memory");
        return;
    }
    if (!fresh)
        (void)MHD_add_response_header(response, "Content-Type", asset->content_type);
    (void)MHD_add_response_header(response, "ETag", asset->etag);
    (void)MHD_add_response_header(response, "Cache-Control",
                                  request->has_query ? "public, max-age=31536000, immutable"
                                                     : "no-cache");
    add_page_headers(response, request->host);
    request->reply.status = fresh ? 304 : 200;
    request->reply.ready = response;
}
