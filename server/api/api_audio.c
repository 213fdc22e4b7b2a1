/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/status.h"
#include "server/state/link_client.h"
#include "server/web/json_in.h"
#include "server/web/route.h"
#include "server/web/web.h"

#include <stdlib.h>
#include <string.h>

static json_t *text_of(const char *text, size_t size)
{
    json_t *json = json_stringn(text, strnlen(text, size));
    return json ? json : json_string("?");
}

static json_t *device_json(const struct tb_device_entry *d)
{
    return json_pack("{s:o, s:o, s:o, s:b, s:o, s:b, s:b, s:b}", "driver",
                     text_of(d->driver, sizeof d->driver), "name", text_of(d->name, sizeof d->name),
                     "text", text_of(d->text, sizeof d->text), "busy", (int)d->busy, "holder",
                     text_of(d->holder, sizeof d->holder), "playback", (int)d->playback, "capture",
                     (int)d->capture, "current", (int)d->current);
}

void tb_api_audio_devices(struct tb_request *request)
{
    struct tb_link_question question = {.type = TB_LINK_DEVICES, .fd = -1};
    struct tb_link_answer answer;
    struct tb_error err;
    if (tb_link_ask(request->web->link, &question, &answer, &err) != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    json_t *items = json_array();
    const struct tb_device_entry *devices = answer.payload;
    for (size_t i = 0; devices && i < answer.size / sizeof devices[0] && items; i++)
        (void)json_array_append_new(items, device_json(&devices[i]));
    free(answer.payload);
    tb_answer_json(request, 200, json_pack("{s:o}", "items", items));
}

static enum tb_status read_number(json_t *json, const char *name, long long max, uint32_t *out,
                                  struct tb_error *err)
{
    long long value = 0;
    enum tb_status status = tb_json_integer(json, name, (long long[]){1, max}, &value, err);
    *out = (uint32_t)value;
    return status;
}

static bool is_driver(const char *name)
{
    return !strcmp(name, "alsa") || !strcmp(name, "null") || !strcmp(name, "auto");
}

/* Only names of sound devices: no route names a file, so the driver "file" is left to the command
 * line, and an ALSA name may not carry a definition of its own. */
static enum tb_status read_choice(json_t *json, struct tb_device_request *choice,
                                  struct tb_error *err)
{
    static const char *const members[] = {"driver",  "name",  "rate_hz", "block",
                                          "periods", "input", NULL};
    enum tb_status status = tb_json_only(json, members, err);
    if (status == TB_OK)
        status = tb_json_text(json, "driver", choice->driver, sizeof choice->driver, err);
    if (status == TB_OK && !is_driver(choice->driver))
        status = tb_fail(err, TB_EINVAL, "driver: not one of auto, alsa, null");
    if (status == TB_OK)
        status = tb_json_text(json, "name", choice->name, sizeof choice->name, err);
    if (status == TB_OK && strpbrk(choice->name, "{}'\"/\\$`"))
        status = tb_fail(err, TB_EINVAL, "name: not the name of a sound device");
    if (status == TB_OK)
        status = read_number(json, "rate_hz", 192000, &choice->rate_hz, err);
    if (status == TB_OK)
        status = read_number(json, "block", 2048, &choice->block, err);
    if (status == TB_OK)
        status = read_number(json, "periods", 16, &choice->periods, err);
    choice->set_input = json_object_get(json, "input") != NULL;
    if (status == TB_OK && choice->set_input)
        status = tb_json_text(json, "input", choice->input, sizeof choice->input, err);
    if (status == TB_OK && strpbrk(choice->input, "{}'\"/\\$`"))
        status = tb_fail(err, TB_EINVAL, "input: not the name of a sound device");
    return status;
}

void tb_api_audio_device(struct tb_request *request)
{
    struct tb_device_request choice = {0};
    struct tb_error err;
    struct tb_link_question question = {
        .type = TB_LINK_DEVICE_SET, .payload = &choice, .size = sizeof choice, .fd = -1};
    enum tb_status status = read_choice(request->json, &choice, &err);
    if (status == TB_OK)
        status = tb_link_ask(request->web->link, &question, NULL, &err);
    if (status == TB_OK)
        tb_answer_json(request, 200, tb_status_json(request->web));
    else
        tb_answer_error(request, &err);
}

void tb_api_audio_test_tone(struct tb_request *request)
{
    struct tb_error err;
    struct tb_link_question question = {.type = TB_LINK_TEST_TONE, .fd = -1};
    if (tb_link_ask(request->web->link, &question, NULL, &err) == TB_OK)
        tb_answer_empty(request, 204);
    else
        tb_answer_error(request, &err);
}
