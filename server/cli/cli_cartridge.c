/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli.h"

#include "server/formats/import.h"
#include "server/formats/syx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Patches as a DX7 takes them: 32 voices a cartridge. */

enum { MAX_PATH = 2048 };

/* Every patch of the bank or, where it is "", of all by name: uuid of a voice into voices, of what
 * a network plays into networks as a key. */
static enum tb_status sort_out(struct tb_cli *cli, const char *bank, json_t *voices,
                               json_t *networks, struct tb_error *err)
{
    json_t *items, *item;
    size_t i;
    enum tb_status s = tb_cli_patch_all(cli, bank[0] ? bank : NULL, &items, err);
    json_array_foreach(items, i, item)
    {
        if (json_is_true(json_object_get(item, "network")))
            (void)json_object_set_new(networks, tb_cli_text(item, "uuid"), json_true());
        else
            (void)json_array_append(voices, json_object_get(item, "uuid"));
    }
    json_decref(items);
    return s;
}

/* A bank may hold a patch twice, and its order is that of its places. */
static void take_places(const json_t *bank, const json_t *networks, json_t *voices,
                        size_t *n_networks)
{
    size_t i;
    json_t *place;
    (void)json_array_clear(voices);
    *n_networks = 0;
    json_array_foreach(json_object_get(bank, "patches"), i, place)
    {
        const char *uuid = json_string_value(place); /* NULL: an empty place */
        if (uuid && json_object_get(networks, uuid))
            *n_networks += 1;
        else if (uuid)
            (void)json_array_append(voices, place);
    }
}

enum tb_status tb_cli_voices(struct tb_cli *cli, const json_t *bank, json_t **uuids,
                             size_t *n_networks, struct tb_error *err)
{
    json_t *networks = json_object(), *voices = json_array();
    enum tb_status s = sort_out(cli, tb_cli_text(bank, "uuid"), voices, networks, err);
    *n_networks = json_object_size(networks);
    if (s == TB_OK && bank)
        take_places(bank, networks, voices, n_networks);
    json_decref(networks);
    if (s == TB_OK && json_array_size(voices) == 0)
        s = tb_fail(err, TB_EINVAL, "no voice for a DX7 among them: networks play %zu",
                    *n_networks);
    *uuids = s == TB_OK ? voices : NULL;
    if (s != TB_OK)
        json_decref(voices);
    return s;
}

static enum tb_status from_server(struct tb_cli *cli, const json_t *uuids, size_t first, bool bulk,
                                  struct tb_cli_bytes *out, struct tb_error *err)
{
    char path[MAX_PATH];
    if (!bulk) {
        (void)snprintf(path, sizeof path, "/api/v1/patches/%.36s/export?format=syx",
                       json_string_value(json_array_get(uuids, first)));
        return tb_cli_download(cli, path, out, err);
    }
    size_t n = (size_t)snprintf(path, sizeof path, "/api/v1/exports?format=syx");
    for (size_t i = first; i < json_array_size(uuids) && i < first + TB_SYX_BANK; i++)
        n += (size_t)snprintf(path + n, sizeof path - n, "&uuid=%.36s",
                              json_string_value(json_array_get(uuids, i)));
    return tb_cli_download(cli, path, out, err);
}

static enum tb_status read_voice(struct tb_store *store, const char *uuid,
                                 uint8_t voice[TB_SYX_UNPACKED], struct tb_error *err)
{
    struct tb_patch patch = {0};
    enum tb_status s = tb_patch_read(store, uuid, &patch, err);
    if (s == TB_OK)
        s = tb_patch_check_voice(&patch, err);
    if (s == TB_OK)
        tb_patch_to_voice(&patch, voice);
    tb_patch_clear(&patch);
    return s;
}

static enum tb_status from_store(struct tb_cli *cli, const json_t *uuids, size_t first, bool bulk,
                                 struct tb_cli_bytes *out, struct tb_error *err)
{
    uint8_t voice[TB_SYX_UNPACKED], packed[TB_SYX_BANK][TB_SYX_PACKED];
    const size_t left = json_array_size(uuids) - first, most = bulk ? TB_SYX_BANK : 1;
    const size_t n = left < most ? left : most;
    struct tb_store *store = tb_cli_store(cli, TB_STORE_READ, err);
    enum tb_status s = store ? TB_OK : err->status;
    for (size_t i = 0; i < n && s == TB_OK; i++) {
        s = read_voice(store, json_string_value(json_array_get(uuids, first + i)), voice, err);
        if (s == TB_OK)
            tb_syx_pack(voice, packed[i]);
    }
    tb_store_close(store);
    if (s != TB_OK)
        return s;
    out->size = bulk ? TB_SYX_BULK : TB_SYX_SINGLE;
    out->data = malloc(out->size);
    if (!out->data)
        return tb_fail(err, TB_ENOMEM, "no memory");
    if (bulk)
        tb_syx_write_bulk((const uint8_t(*)[TB_SYX_PACKED])packed, n, 0, out->data);
    else
        tb_syx_write_single(voice, 0, out->data);
    return TB_OK;
}

enum tb_status tb_cli_cartridge(struct tb_cli *cli, const json_t *uuids, size_t first, bool bulk,
                                struct tb_cli_bytes *out, struct tb_error *err)
{
    *out = (struct tb_cli_bytes){0};
    enum tb_status s = cli->remote ? from_server(cli, uuids, first, bulk, out, err)
                                   : from_store(cli, uuids, first, bulk, out, err);
    if (s == TB_ECONFLICT) /* a network plays it: to try again would not help */
        s = err->status = TB_EINVAL;
    return s;
}
