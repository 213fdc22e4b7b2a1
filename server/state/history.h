/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_STATE_HISTORY_H
#define TB_SERVER_STATE_HISTORY_H

#include "db/store.h"
#include "dsp/params.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_HISTORY_STEPS = 256, TB_HISTORY_JOIN_MS = 1000 };

struct tb_change {
    uint16_t id; /* enum tb_param */
    float before, after;
};

/* A whole working copy, from which another patch was loaded or other models were chosen: 1.4 KiB,
 * so that a full history of them takes 0.4 MiB. */
struct tb_place {
    char uuid[TB_UUID];            /* its patch, "" none */
    float values[TB_N_PARAMS];     /* those with TB_OWNER_PATCH count */
    struct tb_model_ref models[2]; /* A, B */
};

/* One step: what undo takes back at once. Changes of values, or a place: then the one at the other
 * end of the step, where undo or redo leads. */
struct tb_step {
    struct tb_change *changes; /* owned */
    size_t n;
    struct tb_place *place; /* owned; NULL: changes */
    bool load;              /* place: a patch was loaded */
    int64_t last_ms;
    uint32_t client;
    uint64_t serial; /* no other step has it */
};

/* Steps of live editing, a bounded stack with a cursor. One thread at a time. */
struct tb_history {
    struct tb_step steps[TB_HISTORY_STEPS];
    size_t n, at; /* steps kept; steps done, the rest can be redone */
    uint64_t serial;
};

void tb_history_clear(struct tb_history *history);

/* Adds a step, or joins it to the last one when client moves the same controls within
 * TB_HISTORY_JOIN_MS. Drops what could be redone, and the oldest when full. False without memory
 * (then nothing is kept of it). */
bool tb_history_add(struct tb_history *history, const struct tb_change *changes, size_t n,
                    uint32_t client, int64_t now_ms);

/* Adds a step that leaves place; false without memory. Loads between which nothing was edited
 * (modified says whether something was) are one step, and without anything before it a load of an
 * unmodified working copy is none. */
bool tb_history_load(struct tb_history *history, const struct tb_place *place, bool modified);
bool tb_history_models(struct tb_history *history, const struct tb_place *place);

/* The step to take back (or to do again), or NULL. */
struct tb_step *tb_history_next(struct tb_history *history, bool back);
/* It was taken; there was one. */
void tb_history_move(struct tb_history *history, bool back);

#endif
