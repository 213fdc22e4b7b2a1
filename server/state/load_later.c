/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/ws.h"
#include "server/log.h"
#include "server/state/control.h"
#include "server/state/loader.h"
#include "server/web/http.h"
#include "server/web/pool.h"
#include "server/web/web.h"

#include <stdlib.h>
#include <string.h>

/* The thread for loads: web->loads with its own reading connection web->loads_reader. */

struct later {
    struct tb_task task; /* first */
    struct tb_web *web;
    struct tb_load_job load;
    json_t *id;
};

static void answer(struct later *l, enum tb_status status, const struct tb_error *err)
{
    json_t *reply = NULL;
    if (status == TB_OK && l->id) {
        reply = json_pack("{s:s}", "type", "ack");
    } else if (status != TB_OK) {
        reply = tb_problem(tb_http_status(status), err->text);
        if (reply) {
            (void)json_object_set_new(reply, "type", json_string("error"));
            (void)json_object_del(reply, "title");
        }
    }
    if (reply && l->id)
        (void)json_object_set(reply, "id", l->id);
    if (l->load.client)
        tb_ws_send(l->web->ws, l->load.client, 0, reply);
    else
        json_decref(reply);
    if (status != TB_OK && !l->load.client)
        tb_log("%s", err->text);
}

/* The working copy again, now that a model is there. */
static enum tb_status load_missing(struct tb_web *web, struct tb_error *err)
{
    struct tb_model_ref models[2], found[2];
    bool missing[2];
    tb_control_get_models(web->control, false, models, missing);
    if (!missing[0] && !missing[1])
        return TB_OK;
    enum tb_status status = tb_load_prepare(web, web->loads_reader, models, false, found, err);
    return status == TB_OK ? tb_control_models(web->control, found, false, err) : status;
}

static enum tb_status load(struct later *l, struct tb_error *err)
{
    struct tb_web *web = l->web;
    switch (l->load.kind) {
    case TB_LOAD_PATCH:
        if (l->load.unmodified_only && !tb_control_follows(web->control, l->load.uuid))
            return TB_OK;
        return tb_load_patch(web, web->loads_reader, l->load.uuid, true, err);
    case TB_LOAD_MODELS:
        return tb_load_models(web, web->loads_reader, &l->load.choice, err);
    case TB_LOAD_COMPARE:
        return tb_load_compare(web, web->loads_reader, l->load.on, err);
    case TB_LOAD_UNDO:
    case TB_LOAD_REDO:
        return tb_load_travel(web, web->loads_reader, l->load.kind == TB_LOAD_UNDO, true, err);
    case TB_LOAD_MISSING:
        return load_missing(web, err);
    }
    return TB_EINVAL;
}

static bool run(struct tb_task *task, struct tb_store *store)
{
    struct later *l = (struct later *)task;
    struct tb_error err = {0};
    (void)store;
    enum tb_status status = load(l, &err);
    answer(l, status, &err);
    json_decref(l->id);
    free(l);
    return true;
}

enum tb_status tb_load_later(struct tb_web *web, const struct tb_load_job *load,
                             struct tb_error *err)
{
    struct later *l = calloc(1, sizeof *l);
    if (!l)
        return tb_fail(err, TB_ENOMEM, "no memory to load it");
    *l = (struct later){.task.run = run, .web = web, .load = *load};
    l->id = load->id ? json_deep_copy(load->id) : NULL;
    enum tb_status status = tb_pool_submit(web->loads, &l->task);
    if (status == TB_OK)
        return TB_OK;
    json_decref(l->id);
    free(l);
    return tb_fail(err, TB_EFULL, "too many loads wait, or the service is stopping");
}

void tb_load_follow(struct tb_web *web, const char *uuid)
{
    struct tb_load_job load = {.kind = TB_LOAD_PATCH, .unmodified_only = true};
    struct tb_error err;
    memcpy(load.uuid, uuid, sizeof load.uuid);
    if (tb_load_later(web, &load, &err) != TB_OK)
        tb_log("%s", err.text);
}

void tb_load_missing(struct tb_web *web, const struct tb_model_ref *model)
{
    struct tb_model_ref models[2];
    bool missing[2], wanted = false;
    struct tb_error err;
    tb_control_get_models(web->control, false, models, missing);
    for (int i = 0; i < 2; i++)
        wanted = wanted || (missing[i] && (strcmp(models[i].uuid, model->uuid) == 0 ||
                                           strcmp(models[i].sha256, model->sha256) == 0));
    if (wanted && tb_load_later(web, &(struct tb_load_job){.kind = TB_LOAD_MISSING}, &err) != TB_OK)
        tb_log("%s", err.text);
}

static bool run_request(struct tb_task *task, struct tb_store *store)
{
    struct tb_request *request = (struct tb_request *)task;
    (void)store;
    request->store = request->web->loads_reader;
    request->later(request);
    request->store = NULL;
    tb_http_resume(request);
    return true;
}

void tb_load_request(struct tb_request *request, void (*fn)(struct tb_request *request))
{
    request->later = fn;
    request->task.run = run_request;
}
