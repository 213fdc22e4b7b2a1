/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"
#include "server/shm.h"
#include "server/state/control_priv.h"
#include "server/state/link_client.h"
#include "server/state/loader.h"
#include "server/web/web.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum tb_status tb_control_send_image(struct tb_web *web, const float values[TB_N_PARAMS],
                                     const struct tb_model_ref models[2], struct tb_error *err)
{
    struct tb_patch_image image = {.magic = TB_PATCH_MAGIC, .n_params = TB_N_PARAMS};
    memcpy(image.values, values, sizeof image.values);
    for (int i = 0; i < 2; i++)
        memcpy(image.models[i], models[i].sha256, sizeof image.models[i]);
    int fd = memfd_create("patch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || write(fd, &image, sizeof image) != (ssize_t)sizeof image ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)) {
        if (fd >= 0)
            (void)close(fd);
        return tb_fail(err, TB_EIO, "no memory to hand the patch over");
    }
    struct tb_link_question question = {.type = TB_LINK_LOAD, .fd = fd};
    enum tb_status status = tb_link_ask(web->link, &question, NULL, err);
    (void)close(fd);
    return status;
}

void tb_control_values_of(const struct tb_patch *patch, float values[TB_N_PARAMS])
{
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        if (tb_params[i].owner == TB_OWNER_PATCH)
            values[i] = (float)tb_params[i].def;
    for (size_t i = 0; i < patch->n_values; i++) {
        int id = tb_param_find(patch->values[i].key);
        if (id >= 0 && tb_params[id].owner == TB_OWNER_PATCH)
            (void)tb_param_check((enum tb_param)id, patch->values[i].value, &values[id], NULL);
    }
}

/* Name, revision and stored values of a patch; the working copy stays. */
void tb_control_take(struct tb_control *control, const struct tb_patch *patch)
{
    memcpy(control->uuid, patch->uuid, sizeof control->uuid);
    memcpy(control->name, patch->name, sizeof control->name);
    memcpy(control->category, patch->category, sizeof control->category);
    control->revision = patch->revision;
    memcpy(control->saved_models, patch->models, sizeof control->saved_models);
    tb_control_values_of(patch, control->saved);
}

enum tb_status tb_control_load(struct tb_control *control, const struct tb_patch *patch,
                               const struct tb_model_ref models[2], struct tb_error *err)
{
    float values[TB_N_PARAMS];
    struct tb_place here;
    tb_control_lock(control);
    memcpy(values, control->values, sizeof values);
    tb_control_values_of(patch, values);
    enum tb_status status = tb_control_send_image(control->web, values, models, err);
    if (status == TB_OK) {
        tb_control_place(control, &here);
        (void)tb_history_load(&control->history, &here, control->modified && !control->following);
        tb_control_take(control, patch);
        memcpy(control->values, values, sizeof values);
        memcpy(control->models, models, sizeof control->models);
        memset(control->missing, 0, sizeof control->missing);
        control->comparing = control->following = false;
        control->modified = false;
        tb_control_mirror(control);
        tb_control_dirty(control);
        tb_control_tell_state(control);
    }
    tb_control_unlock(control);
    return status;
}

static bool same_models(const struct tb_model_ref a[2], const struct tb_model_ref b[2])
{
    bool same = true;
    for (int i = 0; i < 2; i++)
        same = same && strcmp(a[i].uuid, b[i].uuid) == 0 && strcmp(a[i].sha256, b[i].sha256) == 0;
    return same;
}

enum tb_status tb_control_models(struct tb_control *control, const struct tb_model_ref models[2],
                                 bool chosen, struct tb_error *err)
{
    struct tb_place here;
    tb_control_lock(control);
    enum tb_status status = tb_control_send_image(control->web, control->values, models, err);
    if (status == TB_OK) {
        tb_control_place(control, &here);
        if (chosen && !same_models(models, control->models))
            (void)tb_history_models(&control->history, &here);
        control->following = control->following && !chosen;
        memcpy(control->models, models, sizeof control->models);
        memset(control->missing, 0, sizeof control->missing);
        control->comparing = false;
        tb_control_recount(control);
        tb_control_mirror(control);
        tb_control_dirty(control);
        tb_control_tell_state(control);
    }
    tb_control_unlock(control);
    return status;
}

void tb_control_get_models(struct tb_control *control, bool saved, struct tb_model_ref models[2],
                           bool missing[2])
{
    tb_control_lock(control);
    memcpy(models, saved ? control->saved_models : control->models, sizeof control->models);
    if (missing)
        memcpy(missing, control->missing, sizeof control->missing);
    tb_control_unlock(control);
}

/* What is to be sent of models: those that are missing are not. */
void tb_control_present(const struct tb_control *control, struct tb_model_ref models[2])
{
    static const struct tb_model_ref none = {0};
    for (int i = 0; i < 2; i++)
        models[i] = control->missing[i] ? none : control->models[i];
}

bool tb_control_follows(struct tb_control *control, const char *uuid)
{
    tb_control_lock(control);
    bool follows = control->following && strcmp(control->uuid, uuid) == 0;
    tb_control_unlock(control);
    return follows;
}

enum tb_status tb_control_compare(struct tb_control *control, bool on,
                                  const struct tb_model_ref models[2], struct tb_error *err)
{
    enum tb_status status = TB_OK;
    tb_control_lock(control);
    if (on && !control->uuid[0]) {
        status = tb_fail(err, TB_ECONFLICT, "nothing saved to compare with");
    } else if (on != control->comparing) {
        float values[TB_N_PARAMS];
        for (size_t i = 0; i < TB_N_PARAMS; i++)
            values[i] =
                on && tb_params[i].owner == TB_OWNER_PATCH ? control->saved[i] : control->values[i];
        status = tb_control_send_image(control->web, values, models, err);
        if (status == TB_OK) {
            control->comparing = on;
            tb_control_tell_state(control);
        }
    }
    tb_control_unlock(control);
    return status;
}

double tb_control_decimal(float value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.7g", (double)value);
    return strtod(text, NULL);
}

static json_t *number(size_t id, double value)
{
    enum tb_scale scale = tb_params[id].scale;
    if (scale == TB_SCALE_LINEAR || scale == TB_SCALE_LOG)
        return json_real(value);
    return json_integer((json_int_t)value);
}

static json_t *model_json(const struct tb_control *control, int slot)
{
    const struct tb_model_ref *ref =
        control->comparing ? &control->saved_models[slot] : &control->models[slot];
    json_t *json = tb_model_ref_to_json(ref);
    if (ref->uuid[0] && json)
        (void)json_object_set_new(json, "missing", json_boolean(control->missing[slot]));
    return json;
}

json_t *tb_control_state_json(struct tb_control *control)
{
    json_t *values = json_object();
    for (size_t i = 0; i < TB_N_PARAMS && values; i++) {
        bool stored = control->comparing && tb_params[i].owner == TB_OWNER_PATCH;
        double value = tb_control_decimal(stored ? control->saved[i] : control->values[i]);
        (void)json_object_set_new(values, tb_params[i].key, number(i, value));
    }
    json_t *patch =
        control->uuid[0]
            ? json_pack("{s:s, s:s, s:s, s:I}", "uuid", control->uuid, "name", control->name,
                        "category", control->category, "revision", (json_int_t)control->revision)
            : json_null();
    const struct tb_history *h = &control->history;
    return json_pack("{s:o, s:b, s:b, s:b, s:b, s:o, s:o, s:o}", "patch", patch, "modified",
                     control->modified, "comparing", control->comparing, "can_undo", h->at > 0,
                     "can_redo", h->at < h->n, "model", model_json(control, 0), "model_b",
                     model_json(control, 1), "values", values);
}

json_t *tb_control_state(struct tb_control *control)
{
    tb_control_lock(control);
    json_t *state = tb_control_state_json(control);
    tb_control_unlock(control);
    return state;
}

bool tb_control_plays(struct tb_control *control, const char *model_uuid)
{
    tb_control_lock(control);
    bool plays = strcmp(control->models[0].uuid, model_uuid) == 0 ||
                 strcmp(control->models[1].uuid, model_uuid) == 0;
    tb_control_unlock(control);
    return plays;
}

void tb_control_uuid(struct tb_control *control, char uuid[TB_UUID])
{
    tb_control_lock(control);
    memcpy(uuid, control->uuid, TB_UUID);
    tb_control_unlock(control);
}

enum tb_status tb_control_fill(struct tb_control *control, struct tb_patch *patch,
                               struct tb_error *err)
{
    struct tb_value *values = calloc(TB_N_PARAMS + patch->n_values, sizeof *values);
    if (!values)
        return tb_fail(err, TB_ENOMEM, "no memory for values");
    size_t n = 0;
    for (size_t i = 0; i < patch->n_values; i++)
        if (tb_param_find(patch->values[i].key) < 0)
            values[n++] = patch->values[i];
    tb_control_lock(control);
    for (size_t i = 0; i < TB_N_PARAMS; i++) {
        if (tb_params[i].owner != TB_OWNER_PATCH)
            continue;
        (void)strncpy(values[n].key, tb_params[i].key, sizeof values[n].key - 1);
        values[n++].value = tb_control_decimal(control->values[i]);
    }
    memcpy(patch->models, control->models, sizeof patch->models);
    tb_control_unlock(control);
    free(patch->values);
    patch->values = values;
    patch->n_values = n;
    return TB_OK;
}

void tb_control_adopt(struct tb_control *control, const struct tb_patch *patch)
{
    tb_control_lock(control);
    tb_control_take(control, patch);
    tb_control_recount(control);
    tb_control_mirror(control);
    tb_control_dirty(control);
    tb_control_tell_state(control);
    tb_control_unlock(control);
}

/* Following failed: it is a modified copy now, and everybody is told so. */
static void stay(struct tb_control *control)
{
    tb_control_lock(control);
    tb_control_tell_state(control);
    tb_control_unlock(control);
}

void tb_control_patch_changed(struct tb_control *control, const struct tb_patch *patch, bool saved)
{
    bool follow = false;
    tb_control_lock(control);
    if (!strcmp(control->uuid, patch->uuid)) {
        follow = !saved && !control->modified && !control->comparing;
        tb_control_take(control, patch);
        tb_control_recount(control);
        follow = control->following = follow && control->modified;
        tb_control_mirror(control);
        tb_control_dirty(control);
        if (!follow)
            tb_control_tell_state(control);
    }
    tb_control_unlock(control);
    struct tb_error err;
    if (follow && tb_patch_has_network(patch))
        tb_load_follow(control->web, patch->uuid); /* the store thread has no time for models */
    else if (follow && tb_control_load(control, patch, patch->models, &err) != TB_OK)
        stay(control);
}

void tb_control_patch_deleted(struct tb_control *control, const char *uuid)
{
    tb_control_lock(control);
    if (!strcmp(control->uuid, uuid)) {
        control->uuid[0] = '\0';
        control->revision = 0;
        control->comparing = false;
        control->modified = true;
        tb_control_mirror(control);
        tb_control_dirty(control);
        tb_control_tell_state(control);
    }
    tb_control_unlock(control);
}

void tb_control_restored(struct tb_control *control, struct tb_store *store)
{
    struct tb_patch patch = {0};
    char uuid[TB_UUID];
    tb_control_uuid(control, uuid);
    if (!uuid[0]) {
        tb_control_lock(control);
        tb_control_dirty(control);
        tb_control_unlock(control);
    } else if (tb_patch_read(store, uuid, &patch, NULL) == TB_OK) {
        tb_control_patch_changed(control, &patch, false);
    } else {
        tb_control_patch_deleted(control, uuid);
    }
    tb_patch_clear(&patch);
}
