/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/state/history.h"

#include <stdlib.h>
#include <string.h>

static void free_step(struct tb_step *step)
{
    free(step->changes);
    free(step->place);
}

static void truncate_at(struct tb_history *history, size_t n)
{
    while (history->n > n)
        free_step(&history->steps[--history->n]);
}

void tb_history_clear(struct tb_history *history)
{
    truncate_at(history, 0);
    history->at = 0;
}

static bool same_controls(const struct tb_step *step, const struct tb_change *changes, size_t n)
{
    bool same = step->n == n;
    for (size_t i = 0; i < n && same; i++)
        same = step->changes[i].id == changes[i].id;
    return same;
}

/* Behind the last one; the oldest goes when it is full. */
static void push(struct tb_history *history, struct tb_step step)
{
    if (history->n == TB_HISTORY_STEPS) {
        free_step(&history->steps[0]);
        memmove(&history->steps[0], &history->steps[1],
                (TB_HISTORY_STEPS - 1) * sizeof history->steps[0]);
        history->n--;
    }
    step.serial = ++history->serial;
    history->steps[history->n++] = step;
    history->at = history->n;
}

bool tb_history_add(struct tb_history *history, const struct tb_change *changes, size_t n,
                    uint32_t client, int64_t now_ms)
{
    bool newest = history->at == history->n;
    truncate_at(history, history->at);
    struct tb_step *last = history->at ? &history->steps[history->at - 1] : NULL;
    if (newest && last && last->client == client && now_ms - last->last_ms < TB_HISTORY_JOIN_MS &&
        same_controls(last, changes, n)) {
        for (size_t i = 0; i < n; i++)
            last->changes[i].after = changes[i].after;
        last->last_ms = now_ms;
        return true;
    }
    struct tb_change *copy = malloc(n * sizeof *copy);
    if (!copy)
        return false;
    memcpy(copy, changes, n * sizeof *copy);
    push(history, (struct tb_step){.changes = copy, .n = n, .last_ms = now_ms, .client = client});
    return true;
}

static bool leave(struct tb_history *history, const struct tb_place *place, bool load)
{
    truncate_at(history, history->at);
    struct tb_place *copy = malloc(sizeof *copy);
    if (!copy)
        return false;
    *copy = *place;
    push(history, (struct tb_step){.place = copy, .load = load});
    return true;
}

bool tb_history_load(struct tb_history *history, const struct tb_place *place, bool modified)
{
    const struct tb_step *last = history->at ? &history->steps[history->at - 1] : NULL;
    if (modified || (last && !last->load))
        return leave(history, place, true);
    truncate_at(history, history->at);
    return true;
}

bool tb_history_models(struct tb_history *history, const struct tb_place *place)
{
    return leave(history, place, false);
}

struct tb_step *tb_history_next(struct tb_history *history, bool back)
{
    if (back)
        return history->at > 0 ? &history->steps[history->at - 1] : NULL;
    return history->at < history->n ? &history->steps[history->at] : NULL;
}

void tb_history_move(struct tb_history *history, bool back)
{
    if (back)
        history->steps[--history->at].last_ms = INT64_MIN / 2; /* never joined again */
    else
        history->at++;
}
