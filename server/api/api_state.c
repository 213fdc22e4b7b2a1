/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/publish.h"
#include "server/formats/patch_json.h"
#include "server/state/control.h"
#include "server/state/loader.h"
#include "server/web/json_in.h"
#include "server/web/route.h"
#include "server/web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer_state(struct tb_request *request, enum tb_status status,
                         const struct tb_error *err)
{
    if (status == TB_OK)
        tb_answer_json(request, 200, tb_control_state(request->web->control));
    else
        tb_answer_error(request, err);
}

void tb_api_state_get(struct tb_request *request)
{
    answer_state(request, TB_OK, NULL);
}

/* Exactly one member, and it is there. */
static enum tb_status only(json_t *json, const char *name, struct tb_error *err)
{
    const char *const members[] = {name, NULL};
    enum tb_status status = tb_json_only(json, members, err);
    if (status == TB_OK && !json_object_get(json, name))
        status = tb_fail(err, TB_EINVAL, "%s: missing", name);
    return status;
}

void tb_api_state_patch(struct tb_request *request)
{
    struct tb_error err;
    enum tb_status status = only(request->json, "values", &err);
    if (status == TB_OK)
        status = tb_control_set_json(request->web->control,
                                     json_object_get(request->json, "values"), 0, &err);
    answer_state(request, status, &err);
}

static void load_patch(struct tb_request *request, bool may_wait,
                       void (*later)(struct tb_request *request))
{
    char uuid[TB_UUID] = "";
    struct tb_error err;
    enum tb_status status = only(request->json, "uuid", &err);
    if (status == TB_OK)
        status = tb_json_text(request->json, "uuid", uuid, sizeof uuid, &err);
    if (status == TB_OK)
        status = tb_load_patch(request->web, request->store, uuid, may_wait, &err);
    if (status == TB_EUNSUPPORTED && !may_wait)
        tb_load_request(request, later);
    else
        answer_state(request, status, &err);
}

static void load_patch_later(struct tb_request *request)
{
    load_patch(request, true, NULL);
}

void tb_api_state_load(struct tb_request *request)
{
    load_patch(request, false, load_patch_later);
}

static void choose_models(struct tb_request *request)
{
    struct tb_model_choice choice;
    struct tb_error err;
    enum tb_status status = tb_model_choice_read(request->json, &choice, &err);
    if (status == TB_OK)
        status = tb_load_models(request->web, request->store, &choice, &err);
    answer_state(request, status, &err);
}

void tb_api_state_model(struct tb_request *request)
{
    tb_load_request(request, choose_models);
}

/* later: where it goes on if models have to be waited for, NULL there. */
static void travel(struct tb_request *request, bool back, void (*later)(struct tb_request *request))
{
    struct tb_error err;
    enum tb_status status = tb_load_travel(request->web, request->store, back, !later, &err);
    if (status == TB_EUNSUPPORTED && later)
        tb_load_request(request, later);
    else
        answer_state(request, status, &err);
}

static void undo_later(struct tb_request *request)
{
    travel(request, true, NULL);
}

static void redo_later(struct tb_request *request)
{
    travel(request, false, NULL);
}

void tb_api_state_undo(struct tb_request *request)
{
    travel(request, true, undo_later);
}

void tb_api_state_redo(struct tb_request *request)
{
    travel(request, false, redo_later);
}

static void compare(struct tb_request *request)
{
    bool on = false;
    struct tb_error err;
    enum tb_status status = only(request->json, "on", &err);
    if (status == TB_OK)
        status = tb_json_bool(request->json, "on", &on, &err);
    if (status == TB_OK)
        status = tb_load_compare(request->web, request->store, on, &err);
    answer_state(request, status, &err);
}

void tb_api_state_compare(struct tb_request *request)
{
    if (tb_load_compare_waits(request->web))
        tb_load_request(request, compare);
    else
        compare(request);
}

static void answer_saved(struct tb_request *request, struct tb_patch *patch, unsigned status)
{
    tb_answer_empty(request, status);
    request->reply.patch = true;
    tb_answer_etag(request, patch->revision);
    if (status == 201)
        (void)snprintf(request->reply.location, sizeof request->reply.location,
                       TB_API "/patches/%s", patch->uuid);
    request->effect.kind = status == 201 ? TB_EFFECT_CREATED : TB_EFFECT_SAVED;
    request->effect.adopt = status == 201;
    request->effect.patch = *patch;
    *patch = (struct tb_patch){0};
}

void tb_api_state_save(struct tb_request *request)
{
    struct tb_patch patch = {0};
    struct tb_error err;
    char uuid[TB_UUID];
    tb_control_uuid(request->web->control, uuid);
    enum tb_status status = uuid[0] ? tb_patch_read(request->store, uuid, &patch, &err)
                                    : tb_fail(&err, TB_ECONFLICT, "no patch to save into");
    bool stale = status == TB_OK && patch.revision != request->if_match;
    uint32_t revision = patch.revision;
    patch.note[0] = '\0';
    if (status == TB_OK && !stale)
        status = tb_control_fill(request->web->control, &patch, &err);
    if (status == TB_OK && !stale)
        status = tb_patch_replace(request->store, &patch, request->if_match, &err);
    if (stale) {
        tb_answer_problem(request, 412, "If-Match: the patch was changed meanwhile");
        tb_answer_etag(request, revision);
    } else if (status == TB_OK) {
        answer_saved(request, &patch, 200);
    } else {
        tb_answer_error(request, &err);
    }
    tb_patch_clear(&patch);
}

void tb_api_state_save_as(struct tb_request *request)
{
    static const char *const members[] = {"name",    "category", "author", "tags",
                                          "comment", "licence",  NULL};
    struct tb_patch patch = {0}, now = {0};
    struct tb_error err;
    char uuid[TB_UUID];
    tb_control_uuid(request->web->control, uuid);
    if (uuid[0] && tb_patch_read(request->store, uuid, &now, NULL) == TB_OK) {
        memcpy(patch.author, now.author, sizeof patch.author);
        memcpy(patch.category, now.category, sizeof patch.category);
        memcpy(patch.comment, now.comment, sizeof patch.comment);
        memcpy(patch.licence, now.licence, sizeof patch.licence);
        memcpy(patch.tags, now.tags, sizeof patch.tags);
        patch.n_tags = now.n_tags;
        patch.values = now.values; /* for keys that this build does not know */
        patch.n_values = now.n_values;
        now.values = NULL;
    }
    tb_patch_clear(&now);
    enum tb_status status = tb_json_only(request->json, members, &err);
    if (status == TB_OK)
        status = tb_patch_from_json(request->json, TB_BODY_MERGE, &patch, NULL, &err);
    if (status == TB_OK && !patch.name[0])
        status = tb_fail(&err, TB_EINVAL, "name: missing");
    if (status == TB_OK)
        status = tb_control_fill(request->web->control, &patch, &err);
    if (status == TB_OK)
        status = tb_patch_create(request->store, &patch, &err);
    if (status == TB_OK)
        answer_saved(request, &patch, 201);
    else
        tb_answer_error(request, &err);
    tb_patch_clear(&patch);
}

static void play(struct tb_request *request, struct tb_event event)
{
    struct tb_error err;
    event.source = TB_SOURCE_REST;
    if (tb_control_event(request->web->control, &event, &err) == TB_OK) {
        tb_answer_empty(request, 204);
        return;
    }
    tb_answer_error(request, &err);
    request->reply.retry_after_s = 1;
}

void tb_api_note_on(struct tb_request *request)
{
    static const char *const members[] = {"key", "velocity", "duration_ms", NULL};
    long long key = -1, velocity = 0, duration_ms = 0;
    json_t *json = request->json;
    struct tb_error err;
    enum tb_status status = tb_json_only(json, members, &err);
    if (status == TB_OK)
        status = tb_json_integer(json, "key", (long long[]){0, 127}, &key, &err);
    if (status == TB_OK)
        status = tb_json_integer(json, "velocity", (long long[]){1, 127}, &velocity, &err);
    if (status == TB_OK)
        status = tb_json_integer(json, "duration_ms", (long long[]){1, 600000}, &duration_ms, &err);
    if (status == TB_OK && (key < 0 || velocity == 0))
        status = tb_fail(&err, TB_EINVAL, "%s: missing", key < 0 ? "key" : "velocity");
    if (status != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    if (duration_ms &&
        !tb_publish_note_off(request->web->publish, (uint8_t)key, (unsigned)duration_ms)) {
        tb_answer_problem(request, 503, "duration_ms: too many notes wait for their end");
        return;
    }
    play(request, (struct tb_event){
                      .type = TB_EVENT_NOTE_ON, .key = (uint8_t)key, .value = (float)velocity});
}

void tb_api_note_off(struct tb_request *request)
{
    const char *text = request->args[0];
    size_t n = strspn(text, "0123456789");
    long key = n > 0 && n < 4 && !text[n] ? strtol(text, NULL, 10) : -1;
    if (key < 0 || key > 127)
        tb_answer_problem(request, 400, "key: not a whole number from 0 to 127");
    else
        play(request, (struct tb_event){.type = TB_EVENT_NOTE_OFF, .key = (uint8_t)key});
}

void tb_api_panic(struct tb_request *request)
{
    play(request, (struct tb_event){.type = TB_EVENT_PANIC});
}
