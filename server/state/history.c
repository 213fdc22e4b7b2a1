/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/state/history.h"

#include <stdlib.h>
#include <string.h>

static void truncate_at(struct tb_history *history, size_t n)
{
    while (history->n > n)
        free(history->steps[--history->n].changes);
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
    if (history->n == TB_HISTORY_STEPS) {
        free(history->steps[0].changes);
        memmove(&history->steps[0], &history->steps[1],
                (TB_HISTORY_STEPS - 1) * sizeof history->steps[0]);
        history->n--;
    }
    history->steps[history->n++] = (struct tb_step){copy, n, now_ms, client};
    history->at = history->n;
    return true;
}

const struct tb_step *tb_history_undo(struct tb_history *history)
{
    if (history->at == 0)
        return NULL;
    history->steps[history->at - 1].last_ms = INT64_MIN / 2; /* never joined again */
    return &history->steps[--history->at];
}

const struct tb_step *tb_history_redo(struct tb_history *history)
{
    return history->at < history->n ? &history->steps[history->at++] : NULL;
}
