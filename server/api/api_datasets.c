/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"
#include "server/train/sets.h"
#include "server/web/json_in.h"
#include "server/web/route.h"
#include "server/web/upload.h"
#include "server/web/web.h"

#include <stdio.h>
#include <string.h>

/* The texts of a data set with their room; what is missing is "". */
static const struct member {
    const char *name;
    size_t size;
} members[] = {{"name", 97}, {"instrument", 49}, {"labels", 9}, {"licence", 65}, {"credit", 257}};

static enum tb_status read_about(json_t *body, json_t *about, struct tb_error *err)
{
    static const char *const names[] = {"name", "instrument", "labels", "licence", "credit", NULL};
    enum tb_status status = tb_json_only(body, names, err);
    for (size_t i = 0; i < sizeof members / sizeof members[0] && status == TB_OK; i++) {
        char given[257] = "", text[257];
        status = tb_json_text(body, members[i].name, given, members[i].size, err);
        if (status == TB_OK)
            status = tb_text_field(members[i].name, given, text, members[i].size, false, err);
        if (status != TB_OK)
            break;
        (void)json_object_set_new(about, members[i].name, json_string(text));
    }
    if (status != TB_OK)
        return status;
    const char *labels = json_string_value(json_object_get(about, "labels"));
    if (!json_string_value(json_object_get(about, "name"))[0])
        return tb_fail(err, TB_EINVAL, "name: 1 to 96 bytes are needed");
    if (!labels[0])
        (void)json_object_set_new(about, "labels", json_string("names"));
    else if (strcmp(labels, "names") != 0 && strcmp(labels, "none") != 0 &&
             strcmp(labels, "known") != 0)
        return tb_fail(err, TB_EINVAL, "labels: none of names, none, known");
    return TB_OK;
}

static void answer_set(struct tb_request *request, unsigned status, const char *uuid)
{
    struct tb_error err;
    json_t *set = tb_set_json(request->web->sets, uuid, true, &err);
    if (!set) {
        tb_answer_error(request, &err);
        return;
    }
    tb_answer_json(request, status, set);
    if (status == 201)
        (void)snprintf(request->reply.location, sizeof request->reply.location,
                       TB_API "/datasets/%s", uuid);
}

void tb_api_datasets_list(struct tb_request *request)
{
    struct tb_error err;
    json_t *list = tb_sets_json(request->web->sets, &err);
    if (list)
        tb_answer_json(request, 200, list);
    else
        tb_answer_error(request, &err);
}

void tb_api_dataset_create(struct tb_request *request)
{
    char uuid[TB_UUID];
    struct tb_error err;
    json_t *about = json_object();
    enum tb_status status = read_about(request->json, about, &err);
    if (status == TB_OK)
        status = tb_set_create(request->web->sets, about, uuid, &err);
    json_decref(about);
    if (status == TB_OK)
        answer_set(request, 201, uuid);
    else
        tb_upload_answer(request, &err);
}

void tb_api_dataset_get(struct tb_request *request)
{
    answer_set(request, 200, request->args[0]);
}

void tb_api_dataset_delete(struct tb_request *request)
{
    struct tb_error err;
    if (tb_set_delete(request->web->sets, request->args[0], &err) == TB_OK)
        tb_answer_empty(request, 204);
    else
        tb_upload_answer(request, &err);
}

/* All of it is in its file; the disk is waited for here. */
void tb_api_recording_create(struct tb_request *request)
{
    const char *uuid = request->args[0], *name = tb_query(request, "filename");
    struct tb_upload *upload = request->upload;
    struct tb_error err;
    enum tb_status status = upload->size > 0
                                ? tb_upload_finish(upload, &err)
                                : tb_fail(&err, TB_EINVAL, "body: empty, a recording is needed");
    if (status == TB_OK)
        status = tb_recording_add(request->web->sets, uuid, name, upload, &err);
    if (status == TB_OK) {
        tb_answer_json(request, 201,
                       json_pack("{s:s, s:I, s:n}", "name", name, "bytes", (json_int_t)upload->size,
                                 "rejected"));
        (void)snprintf(request->reply.location, sizeof request->reply.location,
                       TB_API "/datasets/%s", uuid);
    } else {
        tb_upload_answer(request, &err);
    }
    tb_upload_free(upload); /* before the answer: who has it finds no rest */
    request->upload = NULL;
}

void tb_api_recording_delete(struct tb_request *request)
{
    const char *name = tb_query(request, "filename");
    struct tb_error err;
    if (tb_recording_delete(request->web->sets, request->args[0], name ? name : "", &err) == TB_OK)
        tb_answer_empty(request, 204);
    else
        tb_upload_answer(request, &err);
}
