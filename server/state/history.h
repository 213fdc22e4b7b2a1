/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_STATE_HISTORY_H
#define TB_SERVER_STATE_HISTORY_H

#include "dsp/params.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_HISTORY_STEPS = 256, TB_HISTORY_JOIN_MS = 1000 };

struct tb_change {
    uint16_t id; /* enum tb_param */
    float before, after;
};

/* One step of live editing: what undo takes back at once. */
struct tb_step {
    struct tb_change *changes; /* owned */
    size_t n;
    int64_t last_ms;
    uint32_t client;
};

/* Steps of live editing, a bounded stack with a cursor. One thread at a time. */
struct tb_history {
    struct tb_step steps[TB_HISTORY_STEPS];
    size_t n, at; /* steps kept; steps done, the rest can be redone */
};

void tb_history_clear(struct tb_history *history);

/* Adds a step, or joins it to the last one when client moves the same controls within
 * TB_HISTORY_JOIN_MS. Drops what could be redone, and the oldest when full. False without memory
 * (then nothing is kept of it). */
bool tb_history_add(struct tb_history *history, const struct tb_change *changes, size_t n,
                    uint32_t client, int64_t now_ms);

/* The step to take back or to do again, or NULL; moves the cursor. */
const struct tb_step *tb_history_undo(struct tb_history *history);
const struct tb_step *tb_history_redo(struct tb_history *history);

#endif
