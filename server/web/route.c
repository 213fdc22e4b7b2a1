/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/route.h"

#include "server/web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const tb_method_names[TB_N_METHODS] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

const struct tb_route tb_routes[] = {
#define ROUTE(HANDLER, METHOD, PATH, ROLE, WHERE, BODY, KIB, FLAGS, IN, STATUS, OUT, SUMMARY)      \
    {#HANDLER,                                                                                     \
     TB_##METHOD,                                                                                  \
     PATH,                                                                                         \
     TB_ROLE_##ROLE,                                                                               \
     TB_WHERE_##WHERE,                                                                             \
     TB_CARRIES_##BODY,                                                                            \
     (KIB) * (size_t)1024,                                                                         \
     FLAGS,                                                                                        \
     IN,                                                                                           \
     STATUS,                                                                                       \
     OUT,                                                                                          \
     SUMMARY,                                                                                      \
     tb_api_##HANDLER},
#define QUERY(...)
#include "server/web/routes.def"
#undef ROUTE
#undef QUERY
};
const size_t tb_n_routes = sizeof tb_routes / sizeof tb_routes[0];

const struct tb_query_info tb_queries[] = {
#define ROUTE(...)
#define QUERY(HANDLER, NAME, TYPE, MIN, MAX, SUMMARY) {#HANDLER, NAME, TYPE, MIN, MAX, SUMMARY},
#include "server/web/routes.def"
#undef ROUTE
#undef QUERY
};
const size_t tb_n_queries = sizeof tb_queries / sizeof tb_queries[0];

/* Does path fit the pattern? "{name}" takes one segment, which goes into args. */
static bool fits(const char *pattern, const char *path, char args[][64])
{
    int n = 0;
    while (*pattern && *path) {
        if (*pattern == '{') {
            size_t length = strcspn(path, "/");
            if (length == 0 || length >= 64 || n == TB_MAX_PATH_ARGS)
                return false;
            memcpy(args[n], path, length);
            args[n++][length] = '\0';
            path += length;
            pattern = strchr(pattern, '}') + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return !*pattern && !*path;
}

/* The table's bound, or a setting. */
static size_t most_of(const struct tb_web *web, const struct tb_route *r)
{
    if (r->body == TB_CARRIES_MODEL)
        return (size_t)web->config.model_mib << 20;
    return r->body == TB_CARRIES_RECORDING ? (size_t)web->config.recording_mib << 20 : r->max_body;
}

bool tb_route_find(struct tb_request *request, const char *method, const char *path)
{
    char allow[48] = "";
    for (size_t i = 0; i < tb_n_routes; i++) {
        const struct tb_route *r = &tb_routes[i];
        if (!fits(r->path, path, request->args))
            continue;
        if (!strcmp(method, tb_method_names[r->method]) || (r->method == TB_GET && request->head)) {
            request->route = r;
            request->max_body = most_of(request->web, r);
            return true;
        }
        size_t used = strlen(allow);
        (void)snprintf(allow + used, sizeof allow - used, "%s%s%s", used ? ", " : "",
                       tb_method_names[r->method], r->method == TB_GET ? ", HEAD" : "");
    }
    if (!allow[0]) {
        tb_answer_problem(request, 404, "no such path");
        return false;
    }
    tb_answer_problem(request, 405, "method: only %s here", allow);
    memcpy(request->reply.allow, allow, sizeof allow);
    return false;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX and + in place. False for a bad escape, a control character or a NUL. */
static bool decode(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        char c = *in == '+' ? ' ' : *in;
        if (c == '%') {
            int high = hex(in[1]), low = high < 0 ? -1 : hex(in[2]);
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            in += 2;
        }
        if ((unsigned char)c < ' ' || c == 127)
            return false;
        *out++ = c;
    }
    *out = '\0';
    return true;
}

static bool is_utf8(const char *text)
{
    json_t *json = json_string(text);
    json_decref(json);
    return json != NULL;
}

static const struct tb_query_info *find_query(const char *handler, const char *name)
{
    for (size_t i = 0; i < tb_n_queries; i++)
        if (!strcmp(tb_queries[i].handler, handler) && !strcmp(tb_queries[i].name, name))
            return &tb_queries[i];
    return NULL;
}

static bool is_one_of(const char *choices, const char *value)
{
    size_t length = strlen(value);
    for (const char *c = choices; *c;) {
        size_t n = strcspn(c, "|");
        if (n == length && !strncmp(c, value, n))
            return true;
        c += n + (c[n] == '|');
    }
    return false;
}

static bool check_query(struct tb_request *request, const struct tb_query_info *q,
                        const char *value)
{
    if (!strcmp(q->type, "string")) {
        double n = (double)strlen(value);
        if (n >= q->min && n <= q->max && is_utf8(value))
            return true;
        if (q->min == q->max)
            tb_answer_problem(request, 400, "%s: not %g bytes of UTF-8", q->name, q->min);
        else
            tb_answer_problem(request, 400, "%s: %g to %g bytes of UTF-8", q->name, q->min, q->max);
    } else if (!strcmp(q->type, "integer")) {
        double n = strspn(value, "0123456789") == strlen(value) && *value && strlen(value) < 16
                       ? strtod(value, NULL)
                       : -1.0;
        if (n >= q->min && n <= q->max)
            return true;
        tb_answer_problem(request, 400, "%s: not a whole number from %.0f to %.0f", q->name, q->min,
                          q->max);
    } else {
        if (is_one_of(q->type, value))
            return true;
        tb_answer_problem(request, 400, "%s: not one of %s", q->name, q->type);
    }
    return false;
}

/* Names that are told; others could end in the middle of a character. */
static const char plain_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

bool tb_route_query(struct tb_request *request, char *query)
{
    char *rest = NULL;
    for (char *pair = strtok_r(query, "&", &rest); pair; pair = strtok_r(NULL, "&", &rest)) {
        char *value = strchr(pair, '=');
        if (value)
            *value++ = '\0';
        if (request->n_query == TB_MAX_QUERY) {
            tb_answer_problem(request, 400, "query: more than %d parameters", TB_MAX_QUERY);
            return false;
        }
        if (!decode(pair) || (value && !decode(value))) {
            tb_answer_problem(request, 400, "query: a bad escape or a control character");
            return false;
        }
        const struct tb_query_info *q = find_query(request->route->name, pair);
        if (!q) {
            bool plain = *pair && strlen(pair) == strspn(pair, plain_characters);
            tb_answer_problem(request, 400, "%.40s: unknown parameter", plain ? pair : "query");
            return false;
        }
        if (strcmp(q->name, "uuid") != 0 && tb_query(request, q->name)) {
            tb_answer_problem(request, 400, "%s: given twice", q->name);
            return false;
        }
        if (!check_query(request, q, value ? value : ""))
            return false;
        request->query[request->n_query].key = q->name;
        request->query[request->n_query++].value = value ? value : "";
    }
    return true;
}
