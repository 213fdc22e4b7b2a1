/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/state/store_thread.h"

#include "server/api/ws.h"
#include "server/log.h"
#include "server/state/control.h"
#include "server/state/models.h"
#include "server/web/auth.h"
#include "server/web/cache.h"
#include "server/web/thread.h"
#include "server/web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, SAVE_AFTER_MS = 500, RETRY_MS = 1000, TICK_MS = 1000 };

struct tb_writer {
    struct tb_web *web;
    struct tb_store *store;
    struct tb_queue queue;
    pthread_t thread;
    bool finished;
};

enum tb_status tb_writer_submit(struct tb_writer *writer, struct tb_task *task, size_t max)
{
    return tb_queue_push(&writer->queue, task, max);
}

struct tb_store *tb_writer_store(struct tb_writer *writer)
{
    return writer->store;
}

void tb_writer_poke(struct tb_writer *writer)
{
    tb_queue_poke(&writer->queue);
}

size_t tb_writer_depth(struct tb_writer *writer)
{
    (void)pthread_mutex_lock(&writer->queue.mutex);
    size_t depth = writer->queue.depth;
    (void)pthread_mutex_unlock(&writer->queue.mutex);
    return depth;
}

static void announce(struct tb_web *web, const char *change, const char *uuid)
{
    json_t *message = json_pack("{s:s, s:s}", "type", "patches", "change", change);
    if (message && uuid && *uuid)
        (void)json_object_set_new(message, "uuid", json_string(uuid));
    tb_ws_broadcast(web->ws, TB_TOPIC_PATCHES, message, 0);
}

static void reload_tokens(struct tb_web *web)
{
    struct tb_error err;
    if (tb_auth_reload(web->auth, web->writer->store, &err) != TB_OK)
        tb_log("tokens are not read again: %s", err.text);
    tb_ws_recheck(web->ws);
}

void tb_effect_apply(struct tb_web *web, struct tb_effect *effect)
{
    const char *uuid = effect->patch.uuid;
    switch (effect->kind) {
    case TB_EFFECT_NONE:
        break;
    case TB_EFFECT_TOKENS:
        reload_tokens(web);
        break;
    case TB_EFFECT_CREATED:
        if (effect->adopt)
            tb_control_adopt(web->control, &effect->patch);
        announce(web, "created", uuid);
        break;
    case TB_EFFECT_UPDATED:
    case TB_EFFECT_SAVED:
        tb_cache_drop(web->cache, uuid);
        tb_control_patch_changed(web->control, &effect->patch, effect->kind == TB_EFFECT_SAVED);
        announce(web, "updated", uuid);
        break;
    case TB_EFFECT_DELETED:
        tb_cache_drop(web->cache, uuid);
        tb_control_patch_deleted(web->control, uuid);
        announce(web, "deleted", uuid);
        break;
    case TB_EFFECT_IMPORTED:
    case TB_EFFECT_BANKS:
        announce(web, "imported", NULL);
        break;
    case TB_EFFECT_MODEL_ADDED:
    case TB_EFFECT_MODEL_DELETED:
        tb_models_apply(web, effect);
        break;
    case TB_EFFECT_EVERYTHING:
        tb_cache_drop(web->cache, NULL);
        reload_tokens(web);
        tb_control_restored(web->control, web->writer->store);
        announce(web, "imported", NULL);
        tb_models_rescan(web->models);
        break;
    }
}

void tb_effect_undo(struct tb_web *web, struct tb_effect *effect)
{
    if (effect->kind == TB_EFFECT_MODEL_ADDED || effect->kind == TB_EFFECT_MODEL_DELETED)
        tb_models_undo(web, effect);
}

/* One task inside its savepoint; false when nothing of it is in the transaction. */
static bool run_one(struct tb_writer *writer, struct tb_task *task, struct tb_error *err)
{
    if (tb_store_savepoint(writer->store, err) != TB_OK)
        return false;
    if (task->run(task, writer->store))
        return tb_store_release(writer->store, err) == TB_OK;
    tb_store_revert(writer->store);
    return true;
}

static void finish(struct tb_task *list, enum tb_status status, const struct tb_error *err)
{
    while (list) {
        struct tb_task *next = list->next; /* done may free it */
        list->done(list, status, err);
        list = next;
    }
}

/* Runs a list in one transaction and tells each task how it ended. */
static void run_batch(struct tb_writer *writer, struct tb_task *list)
{
    struct tb_error err = {0};
    enum tb_status status = tb_store_begin(writer->store, &err);
    uint64_t n = 0;
    for (struct tb_task *t = list; t && status == TB_OK; t = t->next, n++)
        if (!run_one(writer, t, &err))
            status = err.status;
    if (status == TB_OK)
        status = tb_store_commit(writer->store, &err);
    else
        tb_store_rollback(writer->store);
    writer->web->counters.commits++;
    writer->web->counters.changes += n;
    finish(list, status, &err);
}

static void run_alone(struct tb_writer *writer, struct tb_task *task)
{
    struct tb_error none = {0};
    (void)task->run(task, writer->store);
    finish(task, TB_OK, &none);
}

/* Splits a list into runs that share a transaction. */
static void run_list(struct tb_writer *writer, struct tb_task *list)
{
    while (list) {
        struct tb_task *first = list, *last = list;
        while (!first->alone && last->next && !last->next->alone)
            last = last->next;
        list = last->next;
        last->next = NULL;
        if (first->alone)
            run_alone(writer, first);
        else
            run_batch(writer, first);
    }
}

struct save {
    struct tb_task task; /* first */
    struct tb_control *control;
    struct tb_error err;
    bool written;
};

static bool save_state(struct tb_task *task, struct tb_store *store)
{
    struct save *save = (struct save *)task;
    save->written = tb_control_save(save->control, store, &save->err) == TB_OK;
    return save->written;
}

static void state_saved(struct tb_task *task, enum tb_status status, const struct tb_error *err)
{
    struct save *save = (struct save *)task;
    if (status == TB_OK && save->written)
        return;
    tb_log("the last state is not saved yet: %s", status == TB_OK ? save->err.text : err->text);
    tb_control_save_failed(save->control);
}

static void save_last_state(struct tb_writer *writer)
{
    struct save save = {.task = {.run = save_state, .done = state_saved},
                        .control = writer->web->control};
    run_batch(writer, &save.task);
}

static void *writer_main(void *arg)
{
    struct tb_writer *writer = arg;
    bool stopped = false;
    int64_t ticked_ns = 0;
    while (!stopped) {
        int due_ms = tb_control_save_due_ms(writer->web->control, SAVE_AFTER_MS);
        if (due_ms == 0) {
            save_last_state(writer);
            due_ms = tb_control_save_due_ms(writer->web->control, SAVE_AFTER_MS);
            due_ms = due_ms == 0 ? RETRY_MS : due_ms;
        }
        due_ms = due_ms < 0 || due_ms > TICK_MS ? TICK_MS : due_ms;
        struct tb_task *list = tb_queue_take(&writer->queue, BATCH, due_ms, &stopped);
        run_list(writer, list);
        int64_t now_ns = tb_now_ns();
        if (!list || now_ns - ticked_ns > TICK_MS * 1000000LL) {
            ticked_ns = now_ns;
            (void)tb_store_tick(writer->store, NULL);
        }
    }
    if (tb_control_save_due_ms(writer->web->control, 0) == 0)
        save_last_state(writer);
    (void)tb_store_backup_now(writer->store, NULL);
    return NULL;
}

struct tb_writer *tb_writer_new(struct tb_web *web, struct tb_store *store, struct tb_error *err)
{
    struct tb_writer *writer = calloc(1, sizeof *writer);
    if (!writer || tb_queue_init(&writer->queue, err) != TB_OK) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for the store thread");
    } else {
        writer->web = web;
        writer->store = store;
        if (tb_thread_start(&writer->thread, "store", writer_main, writer, err) == TB_OK)
            return writer;
        tb_queue_destroy(&writer->queue);
    }
    tb_store_close(store);
    free(writer);
    return NULL;
}

void tb_writer_finish(struct tb_writer *writer)
{
    if (!writer || writer->finished)
        return;
    tb_queue_stop(&writer->queue);
    (void)pthread_join(writer->thread, NULL);
    writer->finished = true;
}

void tb_writer_free(struct tb_writer *writer)
{
    if (!writer)
        return;
    tb_writer_finish(writer);
    tb_store_close(writer->store);
    tb_queue_destroy(&writer->queue);
    free(writer);
}
