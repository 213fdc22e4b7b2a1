/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/model_json.h"
#include "server/state/control.h"
#include "server/state/models.h"
#include "server/web/route.h"
#include "server/web/upload.h"
#include "server/web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One model with the siblings that its "why" may name. */
static void answer_model(struct tb_request *request, unsigned status, const struct tb_model *model)
{
    struct tb_model *all;
    size_t n;
    struct tb_error err;
    if (tb_model_list(request->store, &(struct tb_model_query){0}, &all, &n, NULL, &err) != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    tb_answer_json(request, status, tb_model_to_json(model, all, n));
    free(all);
}

void tb_api_models_list(struct tb_request *request)
{
    const char *limit = tb_query(request, "limit"), *offset = tb_query(request, "offset");
    const char *order = tb_query(request, "order");
    struct tb_model_query query = {.text = tb_query(request, "q"),
                                   .family = tb_query(request, "family"),
                                   .sort = tb_query(request, "sort"),
                                   .descending = order && !strcmp(order, "desc"),
                                   .limit = limit ? (uint32_t)strtoul(limit, NULL, 10) : 100,
                                   .offset = offset ? (uint32_t)strtoul(offset, NULL, 10) : 0};
    struct tb_model *page = NULL, *all = NULL;
    size_t n = 0, n_all = 0, total = 0;
    struct tb_error err;
    enum tb_status status = tb_model_list(request->store, &query, &page, &n, &total, &err);
    if (status == TB_OK)
        status =
            tb_model_list(request->store, &(struct tb_model_query){0}, &all, &n_all, NULL, &err);
    json_t *items = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(items, tb_model_to_json(&page[i], all, n_all));
    free(page);
    free(all);
    if (status == TB_OK) {
        tb_answer_json(request, 200,
                       json_pack("{s:o, s:I, s:I, s:I}", "items", items, "total", (json_int_t)total,
                                 "limit", (json_int_t)query.limit, "offset",
                                 (json_int_t)query.offset));
    } else {
        json_decref(items);
        tb_answer_error(request, &err);
    }
}

void tb_api_model_get(struct tb_request *request)
{
    struct tb_model model;
    struct tb_error err;
    if (tb_model_read(request->store, request->args[0], &model, &err) == TB_OK)
        answer_model(request, 200, &model);
    else
        tb_answer_error(request, &err);
}

void tb_api_model_file(struct tb_request *request)
{
    struct tb_model model;
    struct tb_error err;
    int fd = -1;
    if (tb_model_read(request->store, request->args[0], &model, &err) == TB_OK)
        fd = tb_models_open(request->web, &model, &err);
    if (fd < 0) {
        tb_answer_error(request, &err);
        return;
    }
    tb_answer_empty(request, 200);
    request->reply.type = "application/octet-stream";
    request->reply.fd = fd;
    tb_reply_name(request, model.name, "safetensors");
}

/* Before the answer: who has it finds no rest of the upload. */
static void end_upload(struct tb_request *request)
{
    tb_upload_free(request->upload);
    request->upload = NULL;
}

/* On the store thread: a checked file gets its row. */
static void store_upload(struct tb_request *request)
{
    struct tb_upload *upload = request->upload;
    struct tb_error err;
    struct tb_models_addition addition = {.model = &upload->model,
                                          .path = upload->path,
                                          .replace = tb_query(request, "replace") != NULL};
    if (tb_models_add(request->web, request->store, &addition, &request->effect, &err) != TB_OK) {
        tb_upload_answer(request, &err);
        end_upload(request);
        return;
    }
    answer_model(request, addition.added == TB_MODELS_THERE ? 200 : 201, &upload->model);
    (void)snprintf(request->reply.location, sizeof request->reply.location, TB_API "/models/%s",
                   upload->model.uuid);
    end_upload(request);
}

void tb_api_model_create(struct tb_request *request)
{
    struct tb_error err;
    if (tb_models_check_upload(request->web->models, request->upload, &err) == TB_OK) {
        request->then = store_upload;
    } else {
        tb_upload_answer(request, &err);
        end_upload(request);
    }
}

void tb_api_model_delete(struct tb_request *request)
{
    struct tb_error err;
    const char *uuid = request->args[0];
    if (!tb_query(request, "force") && tb_control_plays(request->web->control, uuid))
        tb_answer_problem(request, 409, "model: it plays; ?force=true deletes it all the same");
    else if (tb_models_remove(request->web, request->store, uuid, &request->effect, &err) == TB_OK)
        tb_answer_empty(request, 204);
    else
        tb_upload_answer(request, &err);
}
