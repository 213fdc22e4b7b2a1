/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/device_request.h"

#include "dsp/engine.h"

#include <stdio.h>
#include <string.h>

static enum tb_status bound(const char *name, uint32_t value, uint32_t min, uint32_t max,
                            uint32_t *into, struct tb_error *err)
{
    if (value == 0)
        return TB_OK;
    if (value < min || value > max)
        return tb_fail(err, TB_EINVAL, "%s: %u is not in %u..%u", name, value, min, max);
    *into = value;
    return TB_OK;
}

/* ALSA takes plugins with parameters as names, even "file:'|program',raw". What comes over the
 * network may only be a plain name, or a card after one of the words that lead to cards. */
static bool is_card_name(const char *name)
{
    static const char *const prefixes[] = {"hw",    "plughw", "default", "sysdefault",
                                           "front", "hdmi",   "iec958",  "dmix"};
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t plain = strspn(name, allowed);
    if (name[plain] == '\0')
        return true;
    if (name[plain] != ':')
        return false;
    for (const char *c = name + plain + 1; *c; c++)
        if (!strchr(allowed, *c) && *c != ',' && *c != '=')
            return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strlen(prefixes[i]) == plain && strncmp(name, prefixes[i], plain) == 0)
            return true;
    return false;
}

enum tb_status tb_device_request_check(const struct tb_device_request *r,
                                       struct tb_device_choice *choice, struct tb_error *err)
{
    static const char *const allowed[] = {"auto", "alsa", "null"};
    if (!memchr(r->driver, '\0', sizeof r->driver) || !memchr(r->name, '\0', sizeof r->name))
        return tb_fail(err, TB_EINVAL, "driver, name: not terminated");
    size_t i = 0;
    while (i < 3 && strcmp(r->driver, allowed[i]) != 0)
        i++;
    if (i == 3) /* "file" would let the network name a path */
        return tb_fail(err, TB_EINVAL, "driver: %s is none of auto, alsa, null", r->driver);
    if (!is_card_name(r->name))
        return tb_fail(err, TB_EINVAL, "name: %.40s is not the name of a sound card", r->name);
    if (!memchr(r->input, '\0', sizeof r->input) || (r->set_input && !is_card_name(r->input)))
        return tb_fail(err, TB_EINVAL, "input: not the name of a sound card, nor \"same\"");
    (void)snprintf(choice->driver, sizeof choice->driver, "%s", r->driver);
    (void)snprintf(choice->request.name, sizeof choice->request.name, "%s", r->name);
    if (r->set_input)
        (void)snprintf(choice->request.input, sizeof choice->request.input, "%s", r->input);
    enum tb_status status =
        bound("rate_hz", r->rate_hz, 22050, 192000, &choice->request.rate_hz, err);
    if (status == TB_OK)
        status = bound("block", r->block, TB_MIN_BLOCK, TB_MAX_BLOCK, &choice->request.block, err);
    if (status == TB_OK)
        status = bound("periods", r->periods, 2, 16, &choice->request.periods, err);
    return status;
}
