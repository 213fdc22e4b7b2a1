/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, MAX_BANK = 128, MAX_NUMBER = 16383 };

void tb_patch_file_clear(struct tb_patch_file *file)
{
    for (size_t i = 0; i < file->n_patches; i++)
        tb_patch_clear(&file->patches[i]);
    for (size_t i = 0; i < file->n_banks; i++)
        tb_bank_clear(&file->banks[i]);
    free(file->patches);
    free(file->banks);
    memset(file, 0, sizeof *file);
}

static enum tb_status read_entries(const json_t *list, struct tb_bank *bank, struct tb_error *err)
{
    if (!json_is_array(list))
        return tb_fail(err, TB_EINVAL, "patches: must be an array of uuids");
    if (json_array_size(list) > MAX_BANK)
        return tb_fail(err, TB_EINVAL, "patches: %zu is above %d", json_array_size(list), MAX_BANK);
    bank->patches = calloc(MAX_BANK, sizeof *bank->patches);
    if (!bank->patches)
        return tb_fail(err, TB_ENOMEM, "no memory for the bank");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (json_is_null(item))
            continue;
        if (!json_is_string(item) || !tb_uuid_is_valid(json_string_value(item)))
            return tb_fail(err, TB_EINVAL, "patches: number %zu is not a uuid in lower case", i);
        memcpy(bank->patches[i], json_string_value(item), TB_UUID);
    }
    bank->n_patches = json_array_size(list);
    return TB_OK;
}

static enum tb_status read_bank(const json_t *body, struct tb_bank *bank, struct tb_error *err)
{
    const char *name = json_string_value(json_object_get(body, "name"));
    const json_t *number = json_object_get(body, "number");
    const json_t *uuid = json_object_get(body, "uuid");
    if (!json_is_object(body))
        return tb_fail(err, TB_EINVAL, "bank: must be an object");
    if (!name)
        return tb_fail(err, TB_EINVAL, "name: must be a string");
    enum tb_status status = tb_text_field("name", name, bank->name, sizeof bank->name, false, err);
    if (status)
        return status;
    if (bank->name[0] == '\0')
        return tb_fail(err, TB_EINVAL, "name: is empty");
    if (!json_is_integer(number))
        return tb_fail(err, TB_EINVAL, "number: must be a whole number");
    if (json_integer_value(number) < 0 || json_integer_value(number) > MAX_NUMBER)
        return tb_fail(err, TB_EINVAL, "number: %lld is not in 0..%d",
                       (long long)json_integer_value(number), MAX_NUMBER);
    bank->number = (uint32_t)json_integer_value(number);
    if (uuid && (!json_is_string(uuid) || !tb_uuid_is_valid(json_string_value(uuid))))
        return tb_fail(err, TB_EINVAL, "uuid: is not a uuid in lower case");
    if (uuid)
        memcpy(bank->uuid, json_string_value(uuid), TB_UUID);
    return read_entries(json_object_get(body, "patches"), bank, err);
}

enum tb_status tb_bank_from_json(const json_t *body, struct tb_bank *bank, struct tb_error *err)
{
    enum tb_status status = read_bank(body, bank, err);
    if (status)
        tb_bank_clear(bank);
    return status;
}

json_t *tb_bank_to_json(const struct tb_bank *bank)
{
    json_t *list = json_array();
    for (size_t i = 0; i < bank->n_patches && list; i++) {
        json_t *item = bank->patches[i][0] ? json_string(bank->patches[i]) : json_null();
        if (json_array_append_new(list, item)) {
            json_decref(list);
            list = NULL;
        }
    }
    if (!list)
        return NULL;
    return json_pack("{s:s, s:s, s:I, s:o}", "uuid", bank->uuid, "name", bank->name, "number",
                     (json_int_t)bank->number, "patches", list);
}

static enum tb_status at(const char *list, size_t i, enum tb_status status, struct tb_error *err)
{
    char text[128];
    (void)snprintf(text, sizeof text, "%.127s", err->text);
    return tb_fail(err, status, "%s[%zu]: %s", list, i, text);
}

static enum tb_status read_patches(const json_t *list, struct tb_patch_file *file,
                                   struct tb_warnings *warnings, struct tb_error *err)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list))
        return tb_fail(err, TB_EINVAL, "patches: must be an array");
    if (n > TB_FILE_MAX_PATCHES)
        return tb_fail(err, TB_ETOOLARGE, "patches: %zu is above %d", n, TB_FILE_MAX_PATCHES);
    file->patches = calloc(n + 1, sizeof *file->patches);
    if (!file->patches)
        return tb_fail(err, TB_ENOMEM, "no memory for %zu patches", n);
    for (size_t i = 0; i < n; i++) {
        enum tb_status status = tb_patch_from_json(json_array_get(list, i), TB_BODY_FULL,
                                                   &file->patches[i], warnings, err);
        if (status)
            return at("patches", i, status, err);
        file->n_patches = i + 1;
    }
    return TB_OK;
}

static enum tb_status read_banks(const json_t *list, struct tb_patch_file *file,
                                 struct tb_error *err)
{
    size_t n = json_array_size(list);
    if (!list)
        return TB_OK;
    if (!json_is_array(list))
        return tb_fail(err, TB_EINVAL, "banks: must be an array");
    if (n > MAX_NUMBER + 1)
        return tb_fail(err, TB_ETOOLARGE, "banks: %zu is above %d", n, MAX_NUMBER + 1);
    file->banks = calloc(n + 1, sizeof *file->banks);
    if (!file->banks)
        return tb_fail(err, TB_ENOMEM, "no memory for %zu banks", n);
    for (size_t i = 0; i < n; i++) {
        enum tb_status status = tb_bank_from_json(json_array_get(list, i), &file->banks[i], err);
        if (status)
            return at("banks", i, status, err);
        file->n_banks = i + 1;
    }
    return TB_OK;
}

static enum tb_status read_file(const json_t *json, struct tb_patch_file *file,
                                struct tb_warnings *warnings, struct tb_error *err)
{
    const char *format = json_string_value(json_object_get(json, "format"));
    const json_t *version = json_object_get(json, "version");
    if (!format || strcmp(format, "timbred") != 0)
        return tb_fail(err, TB_EINVAL, "format: must be \"timbred\"");
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return tb_fail(err, TB_EINVAL, "version: must be %d", VERSION);
    if (json_integer_value(version) > VERSION)
        return tb_fail(err, TB_EUNSUPPORTED, "version: %lld is above %d",
                       (long long)json_integer_value(version), VERSION);
    enum tb_status status = read_patches(json_object_get(json, "patches"), file, warnings, err);
    return status ? status : read_banks(json_object_get(json, "banks"), file, err);
}

enum tb_status tb_patch_file_parse(const char *text, size_t size, struct tb_patch_file *file,
                                   struct tb_warnings *warnings, struct tb_error *err)
{
    struct tb_error fallback = {TB_EINVAL, ""};
    err = err ? err : &fallback;
    memset(file, 0, sizeof *file);
    json_t *json = tb_json_parse(text, size, err);
    if (!json)
        return err->status;
    enum tb_status status;
    if (json_object_get(json, "format") || !json_object_get(json, "values")) {
        status = read_file(json, file, warnings, err);
    } else { /* one patch, as GET answers it */
        file->patches = calloc(1, sizeof *file->patches);
        status = file->patches
                     ? tb_patch_from_json(json, TB_BODY_FULL, file->patches, warnings, err)
                     : tb_fail(err, TB_ENOMEM, "no memory for the patch");
        file->n_patches = status == TB_OK;
    }
    json_decref(json);
    if (status)
        tb_patch_file_clear(file);
    return status;
}

json_t *tb_patch_file_to_json(const struct tb_patch *patches, size_t n_patches,
                              const struct tb_bank *banks, size_t n_banks)
{
    json_t *p = json_array(), *b = json_array();
    int failed = !p || !b;
    for (size_t i = 0; i < n_patches && !failed; i++)
        failed = json_array_append_new(p, tb_patch_to_json(&patches[i]));
    for (size_t i = 0; i < n_banks && !failed; i++)
        failed = json_array_append_new(b, tb_bank_to_json(&banks[i]));
    if (failed) {
        json_decref(p);
        json_decref(b);
        return NULL;
    }
    return json_pack("{s:s, s:i, s:o, s:o}", "format", "timbred", "version", VERSION, "patches", p,
                     "banks", b);
}
