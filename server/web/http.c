/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/http.h"

#include "server/state/store_thread.h"
#include "server/web/pool.h"
#include "server/web/route.h"
#include "server/web/upload.h"
#include "server/web/web.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Limits of the threat model: facts D7, D8. libmicrohttpd's own timeout only counts idle time, so a
 * byte every second would hold a connection for ever. */
enum {
    MAX_CONNECTIONS = 128,
    MAX_PER_ADDRESS = 32,
    IDLE_S = TB_KEPT_S + 1,
    HEAD_S = 8,
    SEND_S = 120,
    BODY_BYTES_PER_S = 16384,
    MEMORY = 16384,
    STACK = 512 * 1024,
    DRAIN_BYTES = 4 * 1024 * 1024, /* of a refused body that are read all the same */
    REFUSED_BYTES = 64 * 1024,     /* the same for those who may not be here */
    MAX_QUEUED = 256,
};

/* A connection and when it must have come further; 0: no limit while we work. */
struct slot {
    int fd; /* -1: free */
    int64_t deadline_ns;
    bool cut;
};

struct tb_http {
    struct tb_web *web;
    struct MHD_Daemon *daemon;
    pthread_mutex_t mutex;
    struct slot slots[MAX_CONNECTIONS];
};

static void set_deadline(struct tb_http *http, struct MHD_Connection *connection, int64_t seconds)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct slot *slot = info ? info->socket_context : NULL;
    if (!slot)
        return;
    (void)pthread_mutex_lock(&http->mutex);
    slot->deadline_ns = seconds ? tb_now_ns() + seconds * 1000000000 : 0;
    (void)pthread_mutex_unlock(&http->mutex);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct tb_http *http = cls;
    (void)pthread_mutex_lock(&http->mutex);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        for (size_t i = 0; i < MAX_CONNECTIONS && info; i++) {
            if (http->slots[i].fd >= 0)
                continue;
            http->slots[i] = (struct slot){.fd = info->connect_fd,
                                           .deadline_ns = tb_now_ns() + HEAD_S * 1000000000LL};
            *context = &http->slots[i];
            break;
        }
    } else if (*context) {
        ((struct slot *)*context)->fd = -1;
    }
    (void)pthread_mutex_unlock(&http->mutex);
}

void tb_http_reap(struct tb_http *http)
{
    int64_t now = tb_now_ns();
    (void)pthread_mutex_lock(&http->mutex);
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        struct slot *s = &http->slots[i];
        if (s->fd < 0 || s->cut || !s->deadline_ns || now < s->deadline_ns)
            continue;
        (void)shutdown(s->fd, SHUT_RDWR);
        s->cut = true;
        http->web->counters.reaped++;
    }
    (void)pthread_mutex_unlock(&http->mutex);
}

/* Called with the raw request target before anything is unescaped. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct tb_http *http = cls;
    struct tb_request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->web = http->web;
    request->connection = connection;
    request->reply.fd = -1;
    request->uri = strdup(uri);
    if (request->uri)
        return request;
    free(request);
    return NULL;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct tb_http *http = cls;
    struct tb_request *request = *context;
    (void)code;
    *context = NULL;
    set_deadline(http, connection, HEAD_S);
    if (!request)
        return;
    tb_reply_clear(&request->reply);
    tb_patch_clear(&request->effect.patch);
    json_decref(request->json);
    tb_upload_free(request->upload);
    free(request->body);
    free(request->uri);
    free(request);
}

void tb_http_resume(struct tb_request *request)
{
    atomic_store(&request->finished, true);
    MHD_resume_connection(request->connection);
}

static bool run_on_store(struct tb_task *task, struct tb_store *store)
{
    struct tb_request *request = (struct tb_request *)task;
    request->store = store;
    request->route->handler(request);
    return request->reply.status < 400;
}

static void done_on_store(struct tb_task *task, enum tb_status status, const struct tb_error *err)
{
    struct tb_request *request = (struct tb_request *)task;
    if (status != TB_OK && request->reply.status < 400)
        tb_answer_problem(request, status == TB_EFULL ? 507 : tb_http_status(status), "%s",
                          err->text);
    if (request->reply.status < 400)
        tb_effect_apply(request->web, &request->effect);
    else
        tb_effect_undo(request->web, &request->effect);
    request->store = NULL;
    tb_http_resume(request);
}

static bool run_then(struct tb_task *task, struct tb_store *store)
{
    struct tb_request *request = (struct tb_request *)task;
    request->store = store;
    request->then(request);
    return request->reply.status < 400;
}

/* A slow handler may leave the rest to the store thread. */
static bool run_slow(struct tb_task *task, struct tb_store *store)
{
    struct tb_request *request = (struct tb_request *)task;
    (void)store;
    request->route->handler(request);
    if (!request->then) {
        tb_http_resume(request);
        return true;
    }
    request->task.run = run_then;
    request->task.done = done_on_store;
    if (tb_writer_submit(request->web->writer, &request->task, MAX_QUEUED) != TB_OK) {
        tb_answer_problem(request, 503, "too many requests wait, or the service is stopping");
        tb_http_resume(request);
    }
    return true;
}

/* Runs the handler here, or hands the request on: its connection sleeps, and the reply belongs to
 * the other thread until it wakes up (request->working). */
static void dispatch(struct tb_http *http, struct tb_request *request)
{
    const struct tb_route *route = request->route;
    if (route->where == TB_WHERE_NOW) {
        request->store = http->web->reader;
        route->handler(request);
        request->store = NULL;
        if (!request->later)
            return;
    }
    bool slow = route->where == TB_WHERE_SLOW, later = request->later != NULL;
    if (!later) {
        request->task.run = slow ? run_slow : run_on_store;
        request->task.done = slow ? NULL : done_on_store;
        request->task.alone = route->where == TB_WHERE_ALONE;
    }
    request->working = true;
    set_deadline(http, request->connection, 0);
    MHD_suspend_connection(request->connection);
    enum tb_status status = later ? tb_pool_submit(http->web->loads, &request->task)
                            : slow
                                ? tb_pool_submit(http->web->pool, &request->task)
                                : tb_writer_submit(http->web->writer, &request->task, MAX_QUEUED);
    if (status == TB_OK)
        return;
    tb_answer_problem(request, 503, "%s",
                      status == TB_EFULL ? "too many requests wait" : "the service is stopping");
    request->reply.retry_after_s = 1;
    tb_http_resume(request);
}

/* What is over takes no room while the rest still comes. */
static void drop_upload(struct tb_request *request)
{
    tb_upload_free(request->upload);
    request->upload = NULL;
}

/* Into the page cache: the disk is waited for later, by a worker. */
static enum MHD_Result take_upload(struct tb_request *request, const char *data, size_t size)
{
    struct tb_error err;
    request->size += size;
    if (tb_upload_write(request->upload, data, size, &err) != TB_OK) {
        tb_upload_answer(request, &err);
        request->reply.close = request->done = true;
        drop_upload(request);
    }
    return MHD_YES;
}

static enum MHD_Result take_body(struct tb_request *request, const char *data, size_t size)
{
    if (request->done) { /* a client that is still sending would not see the answer */
        request->received += size;
        bool streams = request->route && request->route->body >= TB_CARRIES_MODEL;
        size_t most =
            streams && request->max_body > DRAIN_BYTES ? request->max_body : (size_t)DRAIN_BYTES;
        return request->received > most ? MHD_NO : MHD_YES;
    }
    size_t max = request->max_body;
    if (request->size + size > max) {
        tb_answer_problem(request, 413, "body: over %zu bytes", max);
        request->reply.close = request->done = true;
        drop_upload(request);
        return MHD_YES;
    }
    if (request->upload)
        return take_upload(request, data, size);
    if (request->size + size > request->capacity) {
        size_t capacity = request->capacity ? request->capacity * 2 : 4096;
        while (capacity < request->size + size)
            capacity *= 2;
        char *grown = realloc(request->body, capacity);
        if (!grown)
            return MHD_NO;
        request->body = grown;
        request->capacity = capacity;
    }
    memcpy(request->body + request->size, data, size);
    request->size += size;
    return MHD_YES;
}

/* Is it worth reading a refused body to its end? Else the answer races with what is still coming,
 * and many clients see only the reset. */
static bool will_drain(const struct tb_request *request, const char *length)
{
    bool known = request->route && request->role >= request->route->role;
    size_t max = known ? DRAIN_BYTES : REFUSED_BYTES;
    return length && !request->reply.close && strlen(length) < 12 &&
           strtoull(length, NULL, 10) <= max;
}

/* How long a body may take: by its length where that is told, else by the most it may have. */
static int64_t body_seconds(const struct tb_request *request, const char *length)
{
    if (!request->route || request->done)
        return 0;
    size_t bytes = length ? strtoull(length, NULL, 10) : request->max_body;
    return (int64_t)((bytes < request->max_body ? bytes : request->max_body) / BODY_BYTES_PER_S);
}

/* Does the connection stay after the answer, as far as its client says? */
static bool is_kept(struct tb_request *request, const char *version)
{
    const char *wish =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Connection");
    return strcmp(version, MHD_HTTP_VERSION_1_1) == 0 && !(wish && strcasestr(wish, "close"));
}

static enum MHD_Result begin(struct tb_http *http, struct tb_request *request, const char *method,
                             const char *version)
{
    request->started = true;
    request->kept = is_kept(request, version);
    request->done = !tb_edge_begin(request, method);
    const char *length =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");
    bool has_body =
        (length && strcmp(length, "0") != 0) ||
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Transfer-Encoding");
    if (request->done && has_body && !will_drain(request, length)) { /* the connection ends */
        request->reply.close = true;
        return (enum MHD_Result)tb_reply_queue(request);
    }
    if (has_body)
        set_deadline(http, request->connection, HEAD_S + body_seconds(request, length));
    return MHD_YES; /* an answer on the first call would cost the connection */
}

/* libmicrohttpd decides what its handler takes: NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context)
{
    struct tb_http *http = cls;
    struct tb_request *request = *context;
    (void)url;
    if (!request)
        return MHD_NO;
    if (!request->started)
        return begin(http, request, method, version);
    if (*size) {
        size_t n = *size;
        *size = 0;
        return take_body(request, data, n);
    }
    if (!request->done && !request->working) {
        if (tb_edge_body(request))
            dispatch(http, request);
        if (request->working) /* an answer is one only after the commit, when we are called again */
            return MHD_YES;
    }
    if (request->working && !atomic_load(&request->finished))
        return MHD_YES;
    set_deadline(http, connection, SEND_S);
    return (enum MHD_Result)tb_reply_queue(request);
}

/* libmicrohttpd reports every broken request of others on stderr; they are counted instead. */
__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *format,
                                                         va_list args)
{
    const struct tb_http *http = cls;
    if (!http->web->config.verbose)
        return;
    char line[256];
    (void)vsnprintf(line, sizeof line, format, args);
    (void)fprintf(stderr, "http: %s", line);
}

static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

struct tb_http *tb_http_new(struct tb_web *web, struct tb_error *err)
{
    struct tb_http *http = calloc(1, sizeof *http);
    if (!http || pthread_mutex_init(&http->mutex, NULL)) {
        free(http);
        (void)tb_fail(err, TB_ENOMEM, "no memory for HTTP");
        return NULL;
    }
    http->web = web;
    for (size_t i = 0; i < MAX_CONNECTIONS; i++)
        http->slots[i].fd = -1;
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET |
            MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, http,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, http, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, http, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)MAX_PER_ADDRESS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)STACK, MHD_OPTION_END);
    if (!http->daemon) {
        (void)tb_fail(err, TB_EIO, "libmicrohttpd does not start");
        (void)pthread_mutex_destroy(&http->mutex);
        free(http);
        return NULL;
    }
    return http;
}

void tb_http_free(struct tb_http *http)
{
    if (!http)
        return;
    MHD_stop_daemon(http->daemon);
    (void)pthread_mutex_destroy(&http->mutex);
    free(http);
}

void tb_http_add(struct tb_http *http, int fd, const struct sockaddr *address, socklen_t size)
{
    if (MHD_add_connection(http->daemon, fd, address, size) == MHD_YES)
        http->web->counters.connections++;
    else
        http->web->counters.refused++; /* libmicrohttpd closed it */
}
