/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_WEB_H
#define TB_SERVER_WEB_WEB_H

#include "db/store.h"
#include "server/config.h"
#include "server/shm.h"
#include "server/web/hosts.h"

#include <stdatomic.h>
#include <stdint.h>

/* Numbers of GET /metrics that no other part keeps. Any thread. */
struct tb_counters {
    _Atomic uint64_t requests[6]; /* by hundreds of the status */
    _Atomic uint64_t connections, refused, reaped;
    _Atomic uint64_t ws_opened, ws_dropped, ws_messages, ws_frames, ws_skipped;
    _Atomic uint64_t ring_full, commits, changes;
};

/* The web role. Set up by web.c before threads start, then constant but for what the parts guard
 * themselves. */
struct tb_web {
    struct tb_config config;
    struct tb_hosts hosts;
    struct tb_shm *shm;
    struct tb_store *reader;       /* of the HTTP thread */
    struct tb_store_report report; /* what opening the store found */
    struct tb_auth *auth;
    struct tb_control *control;
    struct tb_writer *writer;
    struct tb_pool *pool;
    struct tb_pool *loads;         /* one thread: loads that wait for models */
    struct tb_store *loads_reader; /* its reading connection */
    struct tb_link_client *link;
    struct tb_cache *cache;
    struct tb_http *http;
    struct tb_ws *ws;
    struct tb_publish *publish;
    struct tb_jobs *jobs;
    struct tb_models *models;
    struct tb_sets *sets;
    struct tb_trainings *trainings;
    struct tb_counters counters;
    int64_t started_ns; /* CLOCK_MONOTONIC */
    uint16_t port;
};

int64_t tb_now_ns(void); /* CLOCK_MONOTONIC */

#endif
