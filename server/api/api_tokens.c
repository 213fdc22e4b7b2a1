/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"
#include "server/web/auth.h"
#include "server/web/json_in.h"
#include "server/web/route.h"
#include "server/web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tb_api_tokens_list(struct tb_request *request)
{
    struct tb_token *list = NULL;
    size_t n = 0;
    struct tb_error err;
    if (tb_token_list(request->store, &list, &n, &err) != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    json_t *items = json_array();
    for (size_t i = 0; i < n && items; i++)
        (void)json_array_append_new(items,
                                    json_pack("{s:I, s:s, s:s, s:I}", "id", (json_int_t)list[i].id,
                                              "role", list[i].role, "label", list[i].label,
                                              "created", (json_int_t)list[i].created));
    free(list);
    tb_answer_json(request, 200, json_pack("{s:o}", "items", items));
}

void tb_api_token_create(struct tb_request *request)
{
    static const char *const members[] = {"role", "label", NULL};
    char role[8] = "", given[TB_NAME] = "", label[TB_NAME], text[TB_TOKEN_TEXT];
    int64_t id = 0;
    struct tb_error err;
    enum tb_status status = tb_json_only(request->json, members, &err);
    if (status == TB_OK)
        status = tb_json_text(request->json, "role", role, sizeof role, &err);
    if (status == TB_OK)
        status = tb_json_text(request->json, "label", given, sizeof given, &err);
    if (status == TB_OK)
        status = tb_text_field("label", given, label, sizeof label, false, &err);
    if (status == TB_OK && tb_role_find(role) == TB_ROLE_OPEN)
        status = tb_fail(&err, TB_EINVAL, "role: not one of read, play, admin");
    if (status == TB_OK)
        status = tb_token_make(request->store, tb_role_find(role), label, text, &id, &err);
    if (status != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    tb_answer_json(request, 201,
                   json_pack("{s:I, s:s, s:s, s:s}", "id", (json_int_t)id, "role", role, "label",
                             label, "token", text));
    (void)snprintf(request->reply.location, sizeof request->reply.location, TB_API "/tokens/%lld",
                   (long long)id);
    request->effect.kind = TB_EFFECT_TOKENS;
}

void tb_api_token_delete(struct tb_request *request)
{
    struct tb_error err;
    const char *text = request->args[0];
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 15 || text[n]) {
        tb_answer_problem(request, 404, "no such token");
    } else if (tb_token_delete(request->store, strtoll(text, NULL, 10), &err) == TB_OK) {
        tb_answer_empty(request, 204);
        request->effect.kind = TB_EFFECT_TOKENS;
    } else {
        tb_answer_error(request, &err);
    }
}
