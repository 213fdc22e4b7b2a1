/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/score.h"

#include <stdlib.h>
#include <string.h>

void tb_score_clear(struct tb_score *score)
{
    free(score->events);
    memset(score, 0, sizeof *score);
}

enum tb_status tb_score_add(struct tb_score *score, const struct tb_score_event *event,
                            struct tb_error *err)
{
    if (score->n == TB_SCORE_MAX_EVENTS)
        return tb_fail(err, TB_ETOOLARGE, "score: more than %d events", TB_SCORE_MAX_EVENTS);
    if (score->n == score->capacity) {
        size_t capacity = score->capacity ? 2 * score->capacity : 64;
        struct tb_score_event *events = realloc(score->events, capacity * sizeof *events);
        if (!events)
            return tb_fail(err, TB_ENOMEM, "score: no memory for %zu events", capacity);
        score->events = events;
        score->capacity = capacity;
    }
    score->events[score->n++] = *event;
    return TB_OK;
}

static int compare(const void *a, const void *b)
{
    const struct tb_score_event *x = a, *y = b;
    if (x->time_s != y->time_s)
        return x->time_s < y->time_s ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

void tb_score_sort(struct tb_score *score)
{
    if (score->n == 0)
        return;
    qsort(score->events, score->n, sizeof *score->events, compare);
    double last_s = score->events[score->n - 1].time_s;
    if (score->end_s < last_s)
        score->end_s = last_s;
}
