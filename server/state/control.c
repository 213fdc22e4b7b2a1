/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/state/control.h"

#include "server/state/control_priv.h"

#include "server/api/ws.h"
#include "server/shm.h"
#include "server/state/store_thread.h"
#include "server/web/web.h"

#include <stdlib.h>
#include <string.h>

void tb_control_lock(struct tb_control *control)
{
    (void)pthread_mutex_lock(&control->mutex);
}

void tb_control_unlock(struct tb_control *control)
{
    (void)pthread_mutex_unlock(&control->mutex);
}

struct tb_control *tb_control_new(struct tb_web *web, struct tb_error *err)
{
    struct tb_control *control = calloc(1, sizeof *control);
    if (!control || pthread_mutex_init(&control->mutex, NULL)) {
        free(control);
        (void)tb_fail(err, TB_ENOMEM, "no memory for the working copy");
        return NULL;
    }
    control->web = web;
    tb_params_default(control->values);
    tb_params_default(control->saved);
    return control;
}

void tb_control_free(struct tb_control *control)
{
    if (!control)
        return;
    tb_history_clear(&control->history);
    (void)pthread_mutex_destroy(&control->mutex);
    free(control);
}

static struct tb_ring *commands(struct tb_control *control)
{
    return tb_shm_ring(control->web->shm, control->web->shm->commands);
}

static enum tb_status check_room(struct tb_control *control, size_t n, struct tb_error *err)
{
    struct tb_ring *ring = commands(control);
    if (tb_ring_depth(ring) + n <= ring->capacity)
        return TB_OK;
    control->web->counters.ring_full++;
    return tb_fail(err, TB_EFULL, "the engine has too many commands waiting");
}

static void push_value(struct tb_control *control, size_t id)
{
    struct tb_event event = {.type = TB_EVENT_PARAM,
                             .id = (uint16_t)id,
                             .value = control->values[id],
                             .stamp_ns = (uint64_t)tb_now_ns()};
    (void)tb_ring_push(commands(control), &event);
}

enum tb_status tb_control_push_values(struct tb_control *control, const float *old,
                                      struct tb_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        n += !old || old[i] != control->values[i];
    if (check_room(control, n, err) != TB_OK)
        return TB_EFULL;
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        if (!old || old[i] != control->values[i])
            push_value(control, i);
    return TB_OK;
}

void tb_control_mirror(struct tb_control *control)
{
    struct tb_current *c = &control->web->shm->current;
    uint32_t next = atomic_load(&c->version) + 1;
    struct tb_current_slot *slot = &c->slots[next % 2];
    memcpy(slot->patch_uuid, control->uuid, sizeof slot->patch_uuid);
    atomic_store(&slot->revision, control->revision);
    atomic_store(&slot->modified, control->modified);
    atomic_store(&slot->missing, control->missing[0] | (uint32_t)control->missing[1] << 1);
    for (int i = 0; i < 2; i++) {
        memcpy(slot->models[i].uuid, control->models[i].uuid, sizeof slot->models[i].uuid);
        memcpy(slot->models[i].sha256, control->models[i].sha256, sizeof slot->models[i].sha256);
        memcpy(slot->models[i].name, control->models[i].name, sizeof slot->models[i].name);
    }
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        atomic_store_explicit(&slot->values[i], control->values[i], memory_order_relaxed);
    atomic_store(&c->version,
                 next != 0 ? next : 2); /* killed before this line: the old one holds */
}

void tb_control_recount(struct tb_control *control)
{
    control->modified = control->uuid[0] == '\0';
    for (int i = 0; i < 2; i++) /* another version of a model is the same model */
        control->modified = control->modified ||
                            strcmp(control->models[i].uuid, control->saved_models[i].uuid) != 0;
    for (size_t i = 0; i < TB_N_PARAMS && !control->modified; i++)
        control->modified =
            tb_params[i].owner == TB_OWNER_PATCH && control->values[i] != control->saved[i];
}

void tb_control_dirty(struct tb_control *control)
{
    bool first = control->dirty_ns == 0;
    if (first)
        control->dirty_ns = tb_now_ns();
    if (first && control->web->writer)
        tb_writer_poke(control->web->writer);
}

void tb_control_tell_state(struct tb_control *control)
{
    json_t *state = tb_control_state_json(control);
    if (state)
        (void)json_object_set_new(state, "type", json_string("state"));
    tb_ws_broadcast(control->web->ws, TB_TOPIC_STATE, state, 0);
}

static json_t *flags_json(struct tb_control *control, uint32_t client)
{
    struct tb_history *h = &control->history;
    return json_pack("{s:s, s:b, s:b, s:b, s:I}", "type", "values", "modified", control->modified,
                     "can_undo", h->at > 0, "can_redo", h->at < h->n, "by", (json_int_t)client);
}

/* Others get the values, the setter only the flags. */
static void tell_values(struct tb_control *control, const struct tb_change *changes, size_t n,
                        uint32_t client)
{
    tb_ws_send(control->web->ws, client, TB_TOPIC_STATE, flags_json(control, client));
    json_t *message = flags_json(control, client);
    json_t *values = json_object();
    for (size_t i = 0; i < n && values; i++)
        (void)json_object_set_new(values, tb_params[changes[i].id].key,
                                  json_real(tb_control_decimal(changes[i].after)));
    if (message && values)
        (void)json_object_set_new(message, "values", values);
    else
        json_decref(values);
    tb_ws_broadcast(control->web->ws, TB_TOPIC_STATE, message, client);
}

/* The working copy sounds again after a comparison. */
static enum tb_status end_compare(struct tb_control *control, struct tb_error *err)
{
    if (!control->comparing)
        return TB_OK;
    struct tb_model_ref models[2];
    tb_control_present(control, models); /* prepared when the comparison began */
    enum tb_status status = tb_control_send_image(control->web, control->values, models, err);
    if (status == TB_OK)
        control->comparing = false;
    return status;
}

enum tb_status tb_control_apply(struct tb_control *control, const struct tb_change *changes,
                                size_t n, struct tb_error *err)
{
    bool was_comparing = control->comparing;
    enum tb_status status = check_room(control, n, err);
    if (status == TB_OK)
        status = end_compare(control, err);
    if (status != TB_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        control->values[changes[i].id] = changes[i].after;
    control->following = false;
    tb_control_recount(control);
    tb_control_mirror(control);
    for (size_t i = 0; i < n; i++)
        push_value(control, changes[i].id);
    tb_control_dirty(control);
    if (was_comparing)
        tb_control_tell_state(control);
    return TB_OK;
}

/* Only PATCH values are part of the history: the volume is not a step of editing a sound. */
static void remember(struct tb_control *control, const struct tb_change *changes, size_t n,
                     uint32_t client)
{
    struct tb_change kept[TB_N_PARAMS];
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++)
        if (tb_params[changes[i].id].owner == TB_OWNER_PATCH)
            kept[n_kept++] = changes[i];
    if (n_kept > 0)
        (void)tb_history_add(&control->history, kept, n_kept, client, tb_now_ns() / 1000000);
}

enum tb_status tb_control_set(struct tb_control *control, const struct tb_edit *edits, size_t n,
                              uint32_t client, struct tb_error *err)
{
    struct tb_change changes[TB_N_PARAMS];
    if (n > TB_N_PARAMS)
        return tb_fail(err, TB_EINVAL, "values: more than %d", TB_N_PARAMS);
    for (size_t i = 0; i < n; i++) {
        changes[i].id = (uint16_t)edits[i].id;
        if (tb_param_check(edits[i].id, edits[i].value, &changes[i].after, err) != TB_OK)
            return TB_EINVAL;
    }
    tb_control_lock(control);
    for (size_t i = 0; i < n; i++)
        changes[i].before = control->values[changes[i].id];
    enum tb_status status = tb_control_apply(control, changes, n, err);
    if (status == TB_OK) {
        remember(control, changes, n, client);
        tell_values(control, changes, n, client);
    }
    tb_control_unlock(control);
    return status;
}

enum tb_status tb_control_set_json(struct tb_control *control, json_t *values, uint32_t client,
                                   struct tb_error *err)
{
    struct tb_edit edits[TB_N_PARAMS];
    size_t n = 0;
    const char *key;
    json_t *value;
    if (!json_is_object(values))
        return tb_fail(err, TB_EINVAL, "values: not an object");
    json_object_foreach(values, key, value)
    {
        int id = tb_param_find(key);
        if (id < 0)
            return tb_fail(err, TB_EINVAL, "%.48s: unknown parameter", key);
        if (!json_is_number(value))
            return tb_fail(err, TB_EINVAL, "%s: not a number", key);
        edits[n].id = (enum tb_param)id;
        edits[n++].value = json_number_value(value);
    }
    return tb_control_set(control, edits, n, client, err);
}

enum tb_status tb_control_event(struct tb_control *control, const struct tb_event *event,
                                struct tb_error *err)
{
    struct tb_event stamped = *event;
    tb_control_lock(control);
    enum tb_status status = check_room(control, 1, err);
    stamped.stamp_ns = (uint64_t)tb_now_ns();
    if (status == TB_OK)
        (void)tb_ring_push(commands(control), &stamped);
    tb_control_unlock(control);
    return status;
}
