/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_REQUEST_H
#define TB_SERVER_WEB_REQUEST_H

#include "base/error.h"
#include "db/store.h"
#include "server/web/task.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct MHD_Connection;
struct MHD_Response;
struct tb_web;

enum tb_method { TB_GET, TB_POST, TB_PUT, TB_PATCH, TB_DELETE, TB_N_METHODS };

/* What a token allows; each includes those before it. */
enum tb_role { TB_ROLE_OPEN, TB_ROLE_READ, TB_ROLE_PLAY, TB_ROLE_ADMIN };

/* Where a handler runs. NOW: the HTTP thread, which must not wait. STORE: the store thread, inside
 * a savepoint of a transaction shared with others. ALONE: the store thread, outside a
 * transaction. SLOW: a worker thread that may wait. */
enum tb_where { TB_WHERE_NOW, TB_WHERE_STORE, TB_WHERE_ALONE, TB_WHERE_SLOW };

/* What a request carries. MERGE takes application/json too. */
enum tb_carries {
    TB_CARRIES_NONE,
    TB_CARRIES_JSON,
    TB_CARRIES_MERGE,
    TB_CARRIES_IMPORT,
    TB_CARRIES_FILE,
    TB_CARRIES_MODEL,    /* streamed into a file: request->upload */
    TB_CARRIES_RECORDING /* likewise */
};

enum { TB_NEEDS_IF_MATCH = 1, TB_GIVES_ETAG = 2 }; /* route flags */

struct tb_request;

/* One line of routes.def. */
struct tb_route {
    const char *name; /* of the handler; the operation in OpenAPI */
    enum tb_method method;
    const char *path; /* below /api/v1 */
    enum tb_role role;
    enum tb_where where;
    enum tb_carries body;
    size_t max_body; /* bytes */
    unsigned flags;
    const char *request_schema; /* names in schemas.json, "" for none */
    unsigned status;            /* of success */
    const char *response_schema;
    const char *summary;
    void (*handler)(struct tb_request *request);
};
extern const struct tb_route tb_routes[];
extern const size_t tb_n_routes;

/* A query parameter that a handler understands; type and bounds for OpenAPI and the edge. */
struct tb_query_info {
    const char *handler, *name, *type; /* "string" "integer" "boolean" or "a|b|c" */
    double min, max;                   /* of integers, or of the length of strings */
    const char *summary;
};
extern const struct tb_query_info tb_queries[];
extern const size_t tb_n_queries;

enum { TB_MAX_QUERY = 64, TB_MAX_PATH_ARGS = 2 };

/* What a committed change means to the rest of the role. */
enum tb_effect_kind {
    TB_EFFECT_NONE,
    TB_EFFECT_CREATED,
    TB_EFFECT_UPDATED,
    TB_EFFECT_SAVED, /* updated from the working copy */
    TB_EFFECT_DELETED,
    TB_EFFECT_IMPORTED,
    TB_EFFECT_BANKS,
    TB_EFFECT_TOKENS,
    TB_EFFECT_MODEL_ADDED, /* or another version of it */
    TB_EFFECT_MODEL_DELETED,
    TB_EFFECT_EVERYTHING, /* restored from a backup */
};

struct tb_effect {
    enum tb_effect_kind kind;
    struct tb_patch patch;     /* owned; of CREATED, UPDATED, SAVED; uuid only for DELETED */
    bool adopt;                /* CREATED: the working copy becomes this patch */
    struct tb_model_ref model; /* MODEL_...: which one */
    char replaced[TB_SHA256];  /* MODEL_ADDED: the version that it takes the place of, or "" */
};

struct tb_reply {
    unsigned status; /* 0: none yet */
    const char *type;
    char *data; /* owned, malloc */
    size_t size;
    int fd;                     /* a file instead of data, or -1; owned */
    struct MHD_Response *ready; /* instead of data */
    bool lent;                  /* ready belongs to the cache */
    bool close;
    bool patch; /* the body is effect.patch, written on the HTTP thread: the store has no time */
    char etag[24];
    char location[96];
    char allow[48];
    char disposition[128];
    unsigned retry_after_s;
};

struct tb_request {
    struct tb_task task; /* first: the queues see only this */
    struct tb_web *web;
    struct MHD_Connection *connection;
    const struct tb_route *route;
    enum tb_role role;
    char ip[46];
    char host[256];
    char args[TB_MAX_PATH_ARGS][64];
    char *uri; /* owned; path and decoded query point into it */
    const char *path;
    bool has_query;
    struct {
        const char *key, *value;
    } query[TB_MAX_QUERY];
    size_t n_query;
    char *body;
    size_t size, capacity, received;
    json_t *json;
    struct tb_upload *upload; /* TB_CARRIES_MODEL, _RECORDING; owned */
    size_t max_body;          /* bytes; the route's or the configured one */
    char content_type[64];
    uint32_t if_match;
    bool head, gzip, started, done, too_large;
    bool kept;                                 /* its client wants the connection to stay */
    void (*later)(struct tb_request *request); /* set by tb_load_request */
    void (*then)(struct tb_request *request);  /* set by a SLOW handler: goes on in the store */
    bool working;           /* handed to another thread, which alone may touch the reply ... */
    _Atomic bool finished;  /* ... until it has set this and resumed the connection */
    struct tb_store *store; /* the connection of the thread that runs the handler */
    struct tb_effect effect;
    struct tb_reply reply;
};

/* Seconds that a connection may rest between two requests, as clients are told ("Keep-Alive:
 * timeout=4"). It ends a second later, so that who believes it never sends into the end. */
#define TB_KEPT_S 4
#define TB_KEPT_TEXT "timeout=" TB_KEPT_DIGITS(TB_KEPT_S)
#define TB_KEPT_DIGITS(S) TB_KEPT_QUOTED(S)
#define TB_KEPT_QUOTED(S) #S

/* ---- answers; each replaces an earlier one. Any thread that runs a handler. */

/* Takes over json (NULL: out of memory). */
void tb_answer_json(struct tb_request *request, unsigned status, json_t *json);
void tb_answer_patch(struct tb_request *request, unsigned status, const struct tb_patch *patch);
/* Takes over data. */
void tb_answer_data(struct tb_request *request, const char *type, char *data, size_t size);
void tb_answer_empty(struct tb_request *request, unsigned status);
/* problem+json; field is found in front of the first ": " of the text. */
void tb_answer_problem(struct tb_request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* By the table of statuses. */
void tb_answer_error(struct tb_request *request, const struct tb_error *err);
void tb_answer_etag(struct tb_request *request, uint32_t revision);
/* The name under which a browser saves the answer: plain letters of name only. */
void tb_reply_name(struct tb_request *request, const char *name, const char *ending);
void tb_reply_clear(struct tb_reply *reply);

/* Text of the query parameter, or NULL. */
const char *tb_query(const struct tb_request *request, const char *key);

/* HTTP status of an error, e.g. 404. Any thread. */
unsigned tb_http_status(enum tb_status status);
/* {"type","title","status","detail","field"?}; NULL without memory. */
json_t *tb_problem(unsigned status, const char *detail);

#endif
