/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"
#include "server/web/json_in.h"
#include "server/web/route.h"
#include "server/web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tb_api_banks_list(struct tb_request *request)
{
    struct tb_bank *banks = NULL;
    size_t n = 0;
    struct tb_error err;
    if (tb_bank_list(request->store, &banks, &n, &err) != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    json_t *items = json_array();
    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(items, tb_bank_to_json(&banks[i]));
        tb_bank_clear(&banks[i]);
    }
    free(banks);
    tb_answer_json(request, 200, json_pack("{s:o}", "items", items));
}

static void answer_bank(struct tb_request *request, struct tb_bank *bank, unsigned status)
{
    tb_answer_json(request, status, tb_bank_to_json(bank));
    if (status == 201)
        (void)snprintf(request->reply.location, sizeof request->reply.location, TB_API "/banks/%s",
                       bank->uuid);
    if (status == 201 || request->route->method != TB_GET)
        request->effect.kind = TB_EFFECT_BANKS;
}

static enum tb_status read_body(struct tb_request *request, struct tb_bank *bank,
                                struct tb_error *err)
{
    static const char *const members[] = {"uuid", "name", "number", "patches", NULL};
    enum tb_status status = tb_json_only(request->json, members, err);
    return status ? status : tb_bank_from_json(request->json, bank, err);
}

void tb_api_bank_create(struct tb_request *request)
{
    struct tb_bank bank = {0};
    struct tb_error err;
    enum tb_status status = read_body(request, &bank, &err);
    if (status == TB_OK)
        status = tb_bank_create(request->store, &bank, &err);
    if (status == TB_OK)
        answer_bank(request, &bank, 201);
    else
        tb_answer_error(request, &err);
    tb_bank_clear(&bank);
}

void tb_api_bank_get(struct tb_request *request)
{
    struct tb_bank bank = {0};
    struct tb_error err;
    if (tb_bank_read(request->store, request->args[0], &bank, &err) == TB_OK)
        answer_bank(request, &bank, 200);
    else
        tb_answer_error(request, &err);
    tb_bank_clear(&bank);
}

void tb_api_bank_put(struct tb_request *request)
{
    struct tb_bank bank = {0}, old = {0};
    struct tb_error err;
    enum tb_status status = tb_bank_read(request->store, request->args[0], &old, &err);
    if (status == TB_OK)
        status = read_body(request, &bank, &err);
    memcpy(bank.uuid, old.uuid, sizeof bank.uuid);
    if (status == TB_OK)
        status = tb_bank_replace(request->store, &bank, &err);
    if (status == TB_OK)
        answer_bank(request, &bank, 200);
    else
        tb_answer_error(request, &err);
    tb_bank_clear(&bank);
    tb_bank_clear(&old);
}

void tb_api_bank_delete(struct tb_request *request)
{
    struct tb_error err;
    if (tb_bank_delete(request->store, request->args[0], &err) == TB_OK) {
        tb_answer_empty(request, 204);
        request->effect.kind = TB_EFFECT_BANKS;
    } else {
        tb_answer_error(request, &err);
    }
}
