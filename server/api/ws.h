/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_API_WS_H
#define TB_SERVER_API_WS_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* What a client can subscribe to; LISTEN is the sound itself. */
enum tb_topic {
    TB_TOPIC_STATE = 1,
    TB_TOPIC_NOTES = 2,
    TB_TOPIC_PATCHES = 4,
    TB_TOPIC_STATUS = 8,
    TB_TOPIC_JOBS = 16,
    TB_TOPIC_TELEMETRY = 32,
    TB_TOPIC_SCOPE = 64,
    TB_TOPIC_LISTEN = 128,
    TB_TOPIC_MODELS = 256,
    TB_TOPIC_NEURAL = 512,
};

/* WebSocket by libwebsockets, one thread. Text is queued per client and never lost (a client that
 * cannot follow is dropped); of telemetry, neural views and scope only the newest waits. */
struct tb_ws;
struct tb_web;

struct tb_ws *tb_ws_new(struct tb_web *web, struct tb_error *err);
enum tb_status tb_ws_start(struct tb_ws *ws, struct tb_error *err); /* its thread */
void tb_ws_free(struct tb_ws *ws);

/* Accept thread. Takes over fd. */
void tb_ws_adopt(struct tb_ws *ws, int fd);

/* Any thread. Takes over message (NULL is allowed). To every subscriber of topic but except (a
 * client's number, 0 none). */
void tb_ws_broadcast(struct tb_ws *ws, enum tb_topic topic, json_t *message, uint32_t except);
/* Any thread. To one client, where it is subscribed to topic (0: always). */
void tb_ws_send(struct tb_ws *ws, uint32_t client, unsigned topic, json_t *message);

/* Any thread. After tokens were changed: who came with one that is withdrawn is closed (1008), the
 * others have the role that theirs has now. */
void tb_ws_recheck(struct tb_ws *ws);

/* The service thread only. One binary message to all subscribers, built once. PCM is queued, a
 * newer telemetry or scope replaces one that waits. data is copied. */
void tb_ws_publish(struct tb_ws *ws, enum tb_topic topic, const void *data, size_t size);

/* Any thread. */
unsigned tb_ws_topics(struct tb_ws *ws); /* all that anyone is subscribed to */
unsigned tb_ws_clients(struct tb_ws *ws);

#endif
