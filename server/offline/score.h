/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_SCORE_H
#define TB_SERVER_OFFLINE_SCORE_H

#include "base/error.h"
#include "dsp/event.h"

#include <stddef.h>

/* What is to be played, in seconds: made from a MIDI file or a list of notes, consumed by the
 * offline renderer. Control threads only. */

enum { TB_SCORE_MAX_EVENTS = 500000 };

struct tb_score_event {
    double time_s;         /* 0.. */
    uint32_t order;        /* breaks ties: smaller plays first */
    struct tb_event event; /* offset and stamp_ns are not used */
};

struct tb_score {
    struct tb_score_event *events; /* owned; in playing order after tb_score_sort */
    size_t n, capacity;
    double end_s; /* where the score ends, at or behind its last event */
};

void tb_score_clear(struct tb_score *score); /* frees the events, zeroes the rest */

/* TB_ETOOLARGE over TB_SCORE_MAX_EVENTS, TB_ENOMEM. */
enum tb_status tb_score_add(struct tb_score *score, const struct tb_score_event *event,
                            struct tb_error *err);

/* By time, then order; raises end_s to the last event. */
void tb_score_sort(struct tb_score *score);

#endif
