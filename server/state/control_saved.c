/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"
#include "server/log.h"
#include "server/shm.h"
#include "server/state/control_priv.h"
#include "server/state/loader.h"
#include "server/web/web.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The last state in the store: {"patch":uuid,"values":{key:number},"models":[A,B]}, so that it
 * survives changes of the table. */
static const char setting[] = "state";

int tb_control_save_due_ms(struct tb_control *control, int after_ms)
{
    tb_control_lock(control);
    int64_t since = control->dirty_ns;
    tb_control_unlock(control);
    if (since == 0)
        return -1;
    int64_t left = after_ms - (tb_now_ns() - since) / 1000000;
    return left > 0 ? (int)left : 0;
}

void tb_control_save_failed(struct tb_control *control)
{
    tb_control_lock(control);
    if (control->dirty_ns == 0)
        control->dirty_ns = tb_now_ns();
    tb_control_unlock(control);
}

enum tb_status tb_control_save(struct tb_control *control, struct tb_store *store,
                               struct tb_error *err)
{
    json_t *values = json_object();
    tb_control_lock(control);
    control->dirty_ns = 0;
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        (void)json_object_set_new(values, tb_params[i].key,
                                  json_real(tb_control_decimal(control->values[i])));
    json_t *state = json_pack("{s:s, s:o, s:[o, o]}", "patch", control->uuid, "values", values,
                              "models", tb_model_ref_to_json(&control->models[0]),
                              tb_model_ref_to_json(&control->models[1]));
    tb_control_unlock(control);
    char *text = state ? json_dumps(state, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(state);
    if (!text)
        return tb_fail(err, TB_ENOMEM, "no memory for the last state");
    enum tb_status status = tb_setting_set(store, setting, text, err);
    free(text);
    return status;
}

/* Takes the patch of a uuid for comparison and saving; none where it is gone. */
static void take_patch(struct tb_control *control, struct tb_store *store, const char *uuid)
{
    struct tb_patch patch = {0};
    struct tb_error err;
    if (uuid[0] && tb_patch_read(store, uuid, &patch, &err) == TB_OK)
        tb_control_take(control, &patch);
    tb_patch_clear(&patch);
}

/* The web role was restarted: the mirror is the truth. The engine gets every value once more, for
 * the old web role may have died between mirror and ring. */
static enum tb_status resume(struct tb_control *control, struct tb_store *store,
                             struct tb_error *err)
{
    const struct tb_current *current = &control->web->shm->current;
    const struct tb_current_slot *c = &current->slots[atomic_load(&current->version) % 2];
    char uuid[TB_UUID];
    memcpy(uuid, c->patch_uuid, sizeof uuid);
    uuid[TB_UUID - 1] = '\0';
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        (void)tb_param_check((enum tb_param)i, (double)atomic_load(&c->values[i]),
                             &control->values[i], NULL);
    take_patch(control, store, uuid);
    for (int i = 0; i < 2; i++) { /* they play on, even one whose file is gone */
        memcpy(control->models[i].uuid, c->models[i].uuid, sizeof control->models[i].uuid);
        memcpy(control->models[i].sha256, c->models[i].sha256, sizeof control->models[i].sha256);
        memcpy(control->models[i].name, c->models[i].name, sizeof control->models[i].name);
        control->missing[i] = atomic_load(&c->missing) >> i & 1;
    }
    tb_control_recount(control);
    tb_control_mirror(control);
    tb_control_dirty(control); /* the old web role may not have saved it */
    return tb_control_push_values(control, NULL, err);
}

static void read_values(struct tb_control *control, const json_t *values)
{
    for (size_t i = 0; i < TB_N_PARAMS; i++) {
        const json_t *value = json_object_get(values, tb_params[i].key);
        if (json_is_number(value))
            (void)tb_param_check((enum tb_param)i, json_number_value(value), &control->values[i],
                                 NULL);
    }
}

static void read_models(struct tb_control *control, const json_t *models)
{
    for (size_t i = 0; i < 2; i++) {
        struct tb_model_ref *ref = &control->models[i];
        const json_t *json = json_array_get(models, i);
        memset(ref, 0, sizeof *ref);
        if (json_is_object(json) &&
            tb_model_ref_from_json(i ? "model_b" : "model", json, ref, NULL) != TB_OK)
            memset(ref, 0, sizeof *ref);
    }
}

/* What played when the power went. */
static bool read_last(struct tb_control *control, struct tb_store *store)
{
    char *text = NULL;
    struct tb_error err;
    if (tb_setting_get(store, setting, &text, &err) != TB_OK)
        return false;
    json_t *state = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    const char *uuid = json_string_value(json_object_get(state, "patch"));
    const json_t *values = json_object_get(state, "values");
    bool found = json_is_object(values);
    if (found) {
        take_patch(control, store, uuid ? uuid : "");
        read_values(control, values);
        read_models(control, json_object_get(state, "models"));
    }
    json_decref(state);
    return found;
}

static void read_first(struct tb_control *control, struct tb_store *store)
{
    struct tb_error err;
    char uuid[TB_UUID];
    struct tb_patch *list = NULL;
    size_t n = 0, total = 0;
    struct tb_patch_query query = {.sort = "name", .limit = 1};
    if (tb_bank_program(store, 0, 0, uuid, &err) == TB_OK)
        take_patch(control, store, uuid);
    else if (tb_patch_list(store, &query, &list, &n, &total, &err) == TB_OK && n > 0)
        take_patch(control, store, list[0].uuid);
    free(list);
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        if (tb_params[i].owner == TB_OWNER_PATCH)
            control->values[i] = control->saved[i];
    memcpy(control->models, control->saved_models, sizeof control->models);
}

enum tb_status tb_control_restore(struct tb_control *control, struct tb_store *store,
                                  struct tb_error *err)
{
    if (atomic_load(&control->web->shm->current.version) != 0)
        return resume(control, store, err);
    if (!read_last(control, store))
        read_first(control, store);
    tb_load_gather(control->web, store, control->models, control->missing); /* else plain FM */
    tb_control_recount(control);
    tb_control_mirror(control);
    struct tb_model_ref models[2];
    tb_control_present(control, models);
    enum tb_status status = tb_control_send_image(control->web, control->values, models, err);
    float sent[TB_N_PARAMS]; /* an image carries the patch; the device's own values follow */
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        sent[i] = tb_params[i].owner == TB_OWNER_PATCH ? control->values[i] : NAN;
    return status == TB_OK ? tb_control_push_values(control, sent, err) : status;
}
