/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/ws.h"

#include "server/api/ws_priv.h"

#include "server/api/publish.h"
#include "server/state/control.h"
#include "server/web/auth.h"
#include "server/web/hosts.h"
#include "server/web/thread.h"
#include "server/web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MAX_POSTS = 4096 };

/* A text on its way to the service thread. */
struct tb_post {
    struct tb_post *next;
    struct tb_message *message;
    unsigned topic; /* 0: no matter */
    uint32_t only, except;
};

static void post(struct tb_ws *ws, json_t *json, struct tb_post what)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    struct tb_post *p = text ? malloc(sizeof *p) : NULL;
    json_decref(json);
    if (p) {
        *p = what;
        p->message = tb_message_new(text, strlen(text), false);
    }
    free(text);
    if (!p || !p->message) {
        free(p);
        return;
    }
    (void)pthread_mutex_lock(&ws->mutex);
    bool full = ws->n_posts >= MAX_POSTS;
    if (!full) {
        *ws->last_post = p;
        ws->last_post = &p->next;
        ws->n_posts++;
    }
    (void)pthread_mutex_unlock(&ws->mutex);
    if (full) {
        tb_message_drop(p->message);
        free(p);
    }
    lws_cancel_service(ws->context);
}

void tb_ws_broadcast(struct tb_ws *ws, enum tb_topic topic, json_t *message, uint32_t except)
{
    if (ws && atomic_load(&ws->topics) & (unsigned)topic)
        post(ws, message, (struct tb_post){.topic = (unsigned)topic, .except = except});
    else
        json_decref(message);
}

void tb_ws_send(struct tb_ws *ws, uint32_t client, unsigned topic, json_t *message)
{
    if (ws && client && (!topic || atomic_load(&ws->topics) & topic))
        post(ws, message, (struct tb_post){.topic = topic, .only = client});
    else
        json_decref(message);
}

void tb_ws_queue_text(struct tb_session *session, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    struct tb_message *message = text ? tb_message_new(text, strlen(text), false) : NULL;
    if (message)
        tb_session_push(session, message);
    tb_message_drop(message);
    free(text);
    json_decref(json);
}

unsigned tb_ws_topics(struct tb_ws *ws)
{
    return atomic_load(&ws->topics);
}

unsigned tb_ws_clients(struct tb_ws *ws)
{
    return atomic_load(&ws->clients);
}

void tb_ws_recount(struct tb_ws *ws)
{
    unsigned topics = 0, clients = 0;
    for (struct tb_session *s = ws->sessions; s; s = s->next, clients++)
        topics |= s->topics;
    atomic_store(&ws->topics, topics);
    atomic_store(&ws->clients, clients);
}

static enum tb_picture picture_of(enum tb_topic topic)
{
    return topic == TB_TOPIC_SCOPE    ? TB_PICTURE_SCOPE
           : topic == TB_TOPIC_NEURAL ? TB_PICTURE_NEURAL
                                      : TB_PICTURE_TELEMETRY;
}

void tb_ws_publish(struct tb_ws *ws, enum tb_topic topic, const void *data, size_t size)
{
    struct tb_message *message = tb_message_new(data, size, true);
    for (struct tb_session *s = ws->sessions; s && message; s = s->next) {
        if (!(s->topics & (unsigned)topic))
            continue;
        if (topic == TB_TOPIC_LISTEN)
            tb_session_pcm(s, message);
        else
            tb_session_newest(s, &s->newest[picture_of(topic)], message);
    }
    tb_message_drop(message);
}

void tb_ws_recheck(struct tb_ws *ws)
{
    if (!ws)
        return;
    atomic_store(&ws->recheck, true);
    lws_cancel_service(ws->context);
}

static void check_tokens(struct tb_ws *ws)
{
    for (struct tb_session *s = ws->sessions; s; s = s->next) {
        if (!s->greeted || s->close_code)
            continue;
        s->role = tb_auth_role(ws->web->auth, s->token);
        if (s->role != TB_ROLE_OPEN)
            continue;
        s->close_code = 1008;
        (void)lws_callback_on_writable(s->wsi);
    }
}

static void deliver(struct tb_ws *ws, struct tb_post *p)
{
    for (struct tb_session *s = ws->sessions; s; s = s->next)
        if (s->greeted && (!p->topic || s->topics & p->topic) &&
            (!p->only || p->only == s->client) && (!p->except || p->except != s->client))
            tb_session_push(s, p->message);
    tb_message_drop(p->message);
    free(p);
}

/* Service thread: what other threads left here. */
static void take_posts(struct tb_ws *ws)
{
    int sockets[256];
    (void)pthread_mutex_lock(&ws->mutex);
    struct tb_post *posts = ws->posts;
    ws->posts = NULL;
    ws->last_post = &ws->posts;
    ws->n_posts = 0;
    unsigned n = ws->n_sockets;
    memcpy(sockets, ws->sockets, n * sizeof sockets[0]);
    ws->n_sockets = 0;
    (void)pthread_mutex_unlock(&ws->mutex);
    for (unsigned i = 0; i < n; i++)
        (void)lws_adopt_socket_vhost(ws->vhost, sockets[i]); /* closes it on failure */
    if (atomic_exchange(&ws->recheck, false))
        check_tokens(ws);
    while (posts) {
        struct tb_post *next = posts->next;
        deliver(ws, posts);
        posts = next;
    }
}

void tb_ws_adopt(struct tb_ws *ws, int fd)
{
    (void)pthread_mutex_lock(&ws->mutex);
    bool full = ws->n_sockets == sizeof ws->sockets / sizeof ws->sockets[0] ||
                atomic_load(&ws->clients) >= TB_WS_CLIENTS;
    if (!full)
        ws->sockets[ws->n_sockets++] = fd;
    (void)pthread_mutex_unlock(&ws->mutex);
    if (full) {
        (void)close(fd);
        ws->web->counters.refused++;
        return;
    }
    lws_cancel_service(ws->context);
}

static void peer_text(struct lws *wsi, char *text, size_t size)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    text[0] = '\0';
    if (!getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)&address, &length))
        tb_address_text((struct sockaddr *)&address, text, size);
}

/* libwebsockets 4.1.6 looks at neither. The key is 16 bytes in base64. */
static bool is_rfc6455(struct lws *wsi)
{
    enum { KEY = 24 };
    char version[8] = "", key[64] = "";
    return lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_VERSION) > 0 &&
           !strcmp(version, "13") && lws_hdr_copy(wsi, key, sizeof key, WSI_TOKEN_KEY) == KEY;
}

/* Host, Origin and how many come from there. Never looks at `in`, which this version leaves
 * dangling. */
static bool may_connect(struct tb_ws *ws, struct lws *wsi)
{
    char host[256] = "", origin[280] = "", ip[46];
    if (!is_rfc6455(wsi) || lws_hdr_copy(wsi, host, sizeof host, WSI_TOKEN_HOST) <= 0 ||
        !tb_hosts_allow(&ws->web->hosts, host, lws_get_socket_fd(wsi)))
        return false;
    int n = lws_hdr_copy(wsi, origin, sizeof origin, WSI_TOKEN_ORIGIN);
    if (n < 0 || (n > 0 && !tb_origin_matches(origin, host)))
        return false;
    peer_text(wsi, ip, sizeof ip);
    unsigned same = 0;
    for (struct tb_session *s = ws->sessions; s; s = s->next)
        same += !strcmp(s->ip, ip);
    return !strncmp(ip, "127.", 4) || !strcmp(ip, "::1") || same < TB_WS_PER_ADDRESS;
}

static int open_session(struct tb_ws *ws, struct tb_session *session, struct lws *wsi)
{
    unsigned slot = 0;
    while (slot < TB_WS_CLIENTS && (ws->slots[slot] || ws->released[slot]))
        slot++;
    if (slot == TB_WS_CLIENTS)
        return -1;
    *session = (struct tb_session){.ws = ws,
                                   .wsi = wsi,
                                   .client = ws->base + slot,
                                   .opened_ns = tb_now_ns(),
                                   .next = ws->sessions};
    peer_text(wsi, session->ip, sizeof session->ip);
    if (ws->sessions)
        ws->sessions->previous = session;
    ws->sessions = session;
    ws->slots[slot] = session;
    ws->web->counters.ws_opened++;
    tb_ws_recount(ws);
    return 0;
}

static bool release_notes(struct tb_ws *ws, uint32_t source)
{
    struct tb_event off = {.type = TB_EVENT_ALL_NOTES_OFF, .source = source};
    return tb_control_event(ws->web->control, &off, NULL) == TB_OK;
}

static void close_session(struct tb_ws *ws, struct tb_session *session)
{
    if (!session->client)
        return;
    /* Most who do not read do not answer pings either, and the library closes them first. */
    bool waits =
        session->waiting_ns && tb_now_ns() - session->waiting_ns > TB_WS_WAIT_S * 1000000000LL;
    ws->web->counters.ws_dropped += waits || session->close_code == TB_WS_OVERFLOW;
    unsigned slot = session->client - ws->base;
    ws->slots[slot] = NULL;
    ws->released[slot] = !release_notes(ws, session->client); /* again at the next tick */
    if (session->previous)
        session->previous->next = session->next;
    else
        ws->sessions = session->next;
    if (session->next)
        session->next->previous = session->previous;
    (void)tb_ws_input(session, false, NULL);
    tb_session_clear(session);
    session->client = 0;
    tb_ws_recount(ws);
}

static int close_with(struct tb_session *session, unsigned code)
{
    lws_close_reason(session->wsi, (enum lws_close_status)code, NULL, 0);
    return -1;
}

static bool too_fast(struct tb_session *session)
{
    int64_t now = tb_now_ns();
    if (now - session->window_ns >= 1000000000) {
        session->window_ns = now;
        session->received = 0;
    }
    return ++session->received > TB_WS_PER_SECOND;
}

/* A whole message. */
static int take(struct tb_session *session, bool binary, const char *data, size_t size)
{
    bool ok = binary ? tb_ws_hear(session, data, size) : tb_ws_handle(session, data, size);
    return ok ? 0 : close_with(session, session->close_code);
}

static int receive(struct tb_session *session, const char *data, size_t size)
{
    struct lws *wsi = session->wsi;
    const bool binary = lws_frame_is_binary(wsi);
    if (binary && !session->microphone)
        return close_with(session, 1003);
    if (session->in_size + size > TB_WS_MESSAGE)
        return close_with(session, 1009);
    bool last = lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi);
    if (session->close_code)
        return 0;
    if (lws_is_first_fragment(wsi) && session->in_size == 0 && too_fast(session))
        return close_with(session, 1008);
    session->ws->web->counters.ws_messages += last;
    if (last && session->in_size == 0)
        return take(session, binary, data, size);
    char *grown = realloc(session->in, session->in_size + size + 1);
    if (!grown)
        return close_with(session, 1011);
    session->in = grown;
    memcpy(session->in + session->in_size, data, size);
    session->in_size += size;
    if (!last)
        return 0;
    int result = take(session, binary, session->in, session->in_size);
    free(session->in);
    session->in = NULL;
    session->in_size = 0;
    return result;
}

/* A plain request that came here by its path. */
static int answer_http(struct lws *wsi)
{
    unsigned char buffer[LWS_PRE + 512], *start = buffer + LWS_PRE, *at = start;
    unsigned char *end = buffer + sizeof buffer - 1;
    static const unsigned char upgrade[] = "websocket", close_text[] = "close";
    if (lws_add_http_common_headers(wsi, 426, "application/problem+json", 0, &at, end) ||
        lws_add_http_header_by_name(wsi, (const unsigned char *)"upgrade:", upgrade, 9, &at, end) ||
        lws_add_http_header_by_name(wsi, (const unsigned char *)"connection:", close_text, 5, &at,
                                    end) ||
        lws_finalize_write_http_header(wsi, start, &at, end))
        return 1;
    return -1;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct tb_session *session = user;
    struct lws_context *context = lws_get_context(wsi);
    struct tb_ws *ws = context ? lws_context_user(context) : NULL;
    char upgrade[16] = "";
    if (!ws) /* while the library makes its context */
        return lws_callback_http_dummy(wsi, reason, user, in, size);
    switch ((int)reason) {
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        take_posts(ws);
        return 0;
    case LWS_CALLBACK_HTTP:
        return answer_http(wsi);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: /* else this version answers h2c as well */
        if (lws_hdr_copy(wsi, upgrade, sizeof upgrade, WSI_TOKEN_UPGRADE) <= 0 ||
            strcasecmp(upgrade, "websocket") != 0)
            return 1;
        break;
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        if (!may_connect(ws, wsi))
            return 1;
        break;
    case LWS_CALLBACK_ESTABLISHED:
        return open_session(ws, session, wsi);
    case LWS_CALLBACK_CLOSED:
        close_session(ws, session);
        break;
    case LWS_CALLBACK_RECEIVE:
        return receive(session, in, size);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return tb_session_write(session);
    default:
        break;
    }
    return lws_callback_http_dummy(wsi, reason, user, in, size);
}

static const struct lws_protocols protocols[] = {
    {"timbred.v1", callback, sizeof(struct tb_session), 4096, 0, NULL, 0},
    {0},
};

/* Clients that never said hello, or do not read. A full socket never becomes writable, so only a
 * timer finds it. */
static void on_second(lws_sorted_usec_list_t *sul)
{
    struct tb_ws *ws = lws_container_of(sul, struct tb_ws, second);
    int64_t now = tb_now_ns();
    for (struct tb_session *s = ws->sessions; s; s = s->next) {
        if (!s->greeted && now - s->opened_ns > TB_WS_HELLO_S * 1000000000LL && !s->close_code) {
            s->close_code = 1008;
            (void)lws_callback_on_writable(s->wsi);
        }
        if (s->waiting_ns && now - s->waiting_ns > TB_WS_STALL_S * 1000000000LL) {
            lws_set_timeout(s->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
        }
    }
    lws_sul_schedule(ws->context, 0, &ws->second, on_second, LWS_USEC_PER_SEC);
}

/* Notes of clients that are gone, whose off found a full ring. (When this role dies, the audio role
 * ends what its players held.) */
static void release_late(struct tb_ws *ws)
{
    for (unsigned i = 0; i < TB_WS_CLIENTS; i++)
        if (ws->released[i])
            ws->released[i] = !release_notes(ws, ws->base + i);
}

static void on_tick(lws_sorted_usec_list_t *sul)
{
    struct tb_ws *ws = lws_container_of(sul, struct tb_ws, tick);
    int64_t next_us = tb_publish_tick(ws->web->publish);
    release_late(ws);
    lws_sul_schedule(ws->context, 0, &ws->tick, on_tick, next_us);
}

static void *ws_main(void *arg)
{
    struct tb_ws *ws = arg;
    lws_sul_schedule(ws->context, 0, &ws->tick, on_tick, 1);
    lws_sul_schedule(ws->context, 0, &ws->second, on_second, LWS_USEC_PER_SEC);
    while (!atomic_load(&ws->stop) && lws_service(ws->context, 0) >= 0)
        continue;
    return NULL;
}

static bool create(struct tb_ws *ws)
{
    static const lws_retry_bo_t liveness = {.secs_since_valid_ping = 3,
                                            .secs_since_valid_hangup = 8};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .gid = -1,
        .uid = -1,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8,
        .user = ws,
        .timeout_secs = 5,
        .keepalive_timeout = 5,
        .max_http_header_data = 4096,
        .max_http_header_pool = 16,
        .fd_limit_per_thread = TB_WS_CLIENTS + 60,
        .retry_and_idle_policy = &liveness,
    };
    lws_set_log_level(0, NULL);
    ws->context = lws_create_context(&info);
    ws->vhost = ws->context ? lws_create_vhost(ws->context, &info) : NULL;
    return ws->vhost != NULL;
}

struct tb_ws *tb_ws_new(struct tb_web *web, struct tb_error *err)
{
    struct tb_ws *ws = calloc(1, sizeof *ws);
    if (!ws || pthread_mutex_init(&ws->mutex, NULL)) {
        free(ws);
        (void)tb_fail(err, TB_ENOMEM, "no memory for WebSocket");
        return NULL;
    }
    atomic_store(&web->shm->mic.client, 0); /* of the web role before this one */
    uint32_t lives = (uint32_t)atomic_load(&web->shm->audio.web_restarts);
    ws->web = web;
    ws->last_post = &ws->posts;
    ws->base = TB_SOURCE_FIRST_CLIENT + lives * TB_WS_GENERATION;
    ws->reader = tb_store_open(web->config.state_dir, TB_STORE_READ, NULL, err);
    if (ws->reader && create(ws))
        return ws;
    if (ws->reader)
        (void)tb_fail(err, TB_EIO, "libwebsockets does not start");
    tb_ws_free(ws);
    return NULL;
}

enum tb_status tb_ws_start(struct tb_ws *ws, struct tb_error *err)
{
    enum tb_status status = tb_thread_start(&ws->thread, "ws", ws_main, ws, err);
    ws->running = status == TB_OK;
    return status;
}

void tb_ws_free(struct tb_ws *ws)
{
    if (!ws)
        return;
    atomic_store(&ws->stop, true);
    if (ws->running) {
        lws_cancel_service(ws->context);
        (void)pthread_join(ws->thread, NULL);
    }
    if (ws->context)
        lws_context_destroy(ws->context);
    while (ws->posts) {
        struct tb_post *next = ws->posts->next;
        tb_message_drop(ws->posts->message);
        free(ws->posts);
        ws->posts = next;
    }
    tb_store_close(ws->reader);
    (void)pthread_mutex_destroy(&ws->mutex);
    free(ws);
}
