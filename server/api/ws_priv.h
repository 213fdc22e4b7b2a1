/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_API_WS_PRIV_H
#define TB_SERVER_API_WS_PRIV_H

#include "server/api/microphone.h"
#include "server/api/ws.h"
#include "server/web/request.h"

#include <libwebsockets.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum {
    TB_WS_CLIENTS = 640,
    TB_WS_PER_ADDRESS = 64,
    TB_WS_QUEUE = 256, /* texts that wait for one client */
    TB_WS_PCM = 16,    /* packets of sound that wait */
    TB_WS_MESSAGE = 65536,
    TB_WS_PER_SECOND = 200,
    TB_WS_HELLO_S = 5,
    TB_WS_STALL_S = 10,
    TB_WS_WAIT_S = 3,        /* who is closed after this long without reading was dropped for it */
    TB_WS_OVERFLOW = 1013,   /* close code of those for whom too many texts wait */
    TB_WS_GENERATION = 1024, /* client numbers of one life of the web role */
};

/* One message, shared by all who wait for it. Counted on the service thread only. */
struct tb_message {
    unsigned references;
    bool binary;
    size_t size;
    unsigned char data[]; /* LWS_PRE bytes for the frame's head, then size bytes */
};

/* Topics of which only the newest message waits, in the order in which they go out. */
enum tb_picture { TB_PICTURE_TELEMETRY, TB_PICTURE_NEURAL, TB_PICTURE_SCOPE, TB_N_PICTURES };

/* One client. Service thread only. */
struct tb_session {
    struct tb_ws *ws;
    struct lws *wsi;
    struct tb_session *next, *previous;
    uint32_t client; /* event source; 0 before the handshake */
    bool greeted, answers_later;
    enum tb_role role;
    uint8_t token[32]; /* its hash */
    unsigned topics;
    char ip[46];
    int64_t opened_ns, waiting_ns; /* since when something waits to be written, 0 nothing */
    int64_t window_ns;             /* start of the second in which received counts */
    unsigned received;
    unsigned close_code;              /* close when writable */
    struct tb_microphone *microphone; /* owned; NULL: binary is not welcome */
    char *in;                         /* a message in parts, owned */
    size_t in_size;
    struct tb_message *queue[TB_WS_QUEUE];
    unsigned first, n;
    struct tb_message *pcm[TB_WS_PCM];
    unsigned pcm_first, pcm_n;
    struct tb_message *newest[TB_N_PICTURES];
};

struct tb_post;

struct tb_ws {
    struct tb_web *web;
    struct lws_context *context;
    struct lws_vhost *vhost;
    lws_sorted_usec_list_t tick, second;
    pthread_t thread;
    bool running;
    _Atomic bool stop;
    pthread_mutex_t mutex; /* of the posts and the sockets handed in */
    struct tb_post *posts, **last_post;
    unsigned n_posts;
    int sockets[256];
    unsigned n_sockets;
    struct tb_session *sessions; /* service thread */
    struct tb_session *slots[TB_WS_CLIENTS];
    bool released[TB_WS_CLIENTS]; /* a client is gone, its notes are not off yet */
    uint32_t base;                /* number of the client in slot 0 */
    struct tb_store *reader;
    _Atomic unsigned topics, clients;
    _Atomic bool recheck; /* tokens were changed */
};

/* ws.c */
void tb_ws_queue_text(struct tb_session *session, json_t *message); /* takes over message */
void tb_ws_recount(struct tb_ws *ws);                               /* topics of all */

/* ws_message.c. A whole text message of a client. False: close with session->close_code. */
bool tb_ws_handle(struct tb_session *session, const char *text, size_t size);

/* ws_input.c: the microphone of a client. One at a time is heard, the one switched on last. */
enum tb_status tb_ws_input(struct tb_session *session, bool on, struct tb_error *err);
/* A whole binary message; false: close with session->close_code. */
bool tb_ws_hear(struct tb_session *session, const char *data, size_t size);

/* ws_client.c: the session's queues. */
void tb_session_push(struct tb_session *session, struct tb_message *message);
void tb_session_newest(struct tb_session *session, struct tb_message **place,
                       struct tb_message *message);
void tb_session_pcm(struct tb_session *session, struct tb_message *message);
int tb_session_write(struct tb_session *session); /* -1: close */
void tb_session_clear(struct tb_session *session);
bool tb_session_waits(const struct tb_session *session);
struct tb_message *tb_message_new(const void *data, size_t size, bool binary);
void tb_message_drop(struct tb_message *message);

#endif
