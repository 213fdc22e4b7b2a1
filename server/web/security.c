/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/http.h"
#include "server/web/web.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DAYS = 364 }; /* RFC 9116, 2.5.5: less than a year */

/* Never beyond the end of support: whoever reads it later shall look for someone else. */
static void expires(char *text, size_t size)
{
    const time_t then = time(NULL) + (time_t)DAYS * 86400;
    struct tm day;
    text[0] = '\0';
    if (gmtime_r(&then, &day))
        (void)strftime(text, size, "%Y-%m-%d", &day);
    if (!text[0] || strcmp(text, TB_SUPPORT_UNTIL) > 0)
        (void)snprintf(text, size, "%s", TB_SUPPORT_UNTIL);
}

void tb_security_answer(struct tb_request *request)
{
    const char *contact = request->web->config.security_contact;
    if (!contact[0]) {
        tb_answer_problem(request, 404, "no contact; see server.security_contact");
        return;
    }
    char until[16], text[400];
    expires(until, sizeof until);
    const int n =
        snprintf(text, sizeof text, "Contact: %s\nExpires: %sT00:00:00Z\nPreferred-Languages: en\n",
                 contact, until);
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)n, text, MHD_RESPMEM_MUST_COPY);
    if (!response) {
        tb_answer_problem(request, 503, "out of memory");
        return;
    }
    (void)MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
    (void)MHD_add_response_header(response, "Cache-Control", "no-cache");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    request->reply.status = 200;
    request->reply.ready = response;
}
