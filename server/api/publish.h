/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_API_PUBLISH_H
#define TB_SERVER_API_PUBLISH_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* From the audio role to everybody: telemetry, scope, sound, notices, and the figures of /status.
 * No subscriber, no work but emptying the rings. */
struct tb_publish;
struct tb_web;

struct tb_publish *tb_publish_new(struct tb_web *web, struct tb_error *err);
void tb_publish_free(struct tb_publish *publish);

/* The WebSocket service thread only. Returns when to call again, in microseconds. */
int64_t tb_publish_tick(struct tb_publish *publish);

/* What the last second was like. */
struct tb_load {
    double mean, p99, max; /* 1 = the deadline */
    unsigned voices;
    uint32_t stolen, nonfinite;
};
void tb_publish_load(struct tb_publish *publish, struct tb_load *load); /* any thread */

/* Any thread. Ends a note of source TB_SOURCE_REST later. False when too many wait. */
bool tb_publish_note_off(struct tb_publish *publish, uint8_t key, unsigned after_ms);

#endif
