/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_voice.h"

#include "server/cli/cli.h"
#include "server/formats/syx.h"
#include "server/formats/values_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

bool tb_voice_is_file(const char *text)
{
    static const char *const endings[] = {".syx", ".json", ".dx7", ".bin", ".tx7", ".mid"};
    size_t length = strlen(text);
    if (strchr(text, '/'))
        return true;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t n = strlen(endings[i]);
        if (length > n && strcasecmp(text + length - n, endings[i]) == 0)
            return true;
    }
    return false;
}

void tb_voice_from_packed(const uint8_t *packed, float *values)
{
    tb_syx_unpack_voice(packed, values, NULL);
}

static enum tb_status from_syx(const char *path, const uint8_t *data, size_t size, unsigned number,
                               float *values, struct tb_error *err)
{
    struct tb_syx_file file = {0};
    enum tb_status s = tb_syx_parse(data, size, &file, err);
    if (s == TB_OK && file.n_voices == 0)
        s = tb_fail(err, TB_ECORRUPT, "%.60s: %.90s", path,
                    file.n_warnings ? file.warnings[0] : "no DX7 voice in it");
    else if (s == TB_OK && number > file.n_voices)
        s = tb_fail(err, TB_EINVAL, "--voice: %u is above %zu, the voices in %.60s", number,
                    file.n_voices, path);
    if (s == TB_OK)
        tb_voice_from_packed(file.voices[number - 1], values);
    tb_syx_clear(&file);
    return s;
}

/* One patch, or a file with a list of them. */
static enum tb_status from_json(const char *path, json_t *json, unsigned number, float *values,
                                struct tb_error *err)
{
    const json_t *patches = json_object_get(json, "patches");
    const json_t *patch = json_is_array(patches) ? json_array_get(patches, number - 1) : json;
    if (json_is_array(patches) && number > json_array_size(patches))
        return tb_fail(err, TB_EINVAL, "--voice: %u is above %zu, the patches in %.60s", number,
                       json_array_size(patches), path);
    if (!json_is_object(json_object_get(patch, "values")))
        return tb_fail(err, TB_ECORRUPT, "%.60s: values: no patch in it", path);
    return tb_values_from_json(json_object_get(patch, "values"), values, NULL, err);
}

enum tb_status tb_voice_from_file(const char *path, unsigned number, float *values,
                                  struct tb_error *err)
{
    uint8_t *data = NULL;
    size_t size = 0;
    enum tb_status s = tb_cli_read_file(path, TB_SYX_MAX_BYTES, &data, &size, err);
    if (s != TB_OK)
        return s;
    size_t length = strlen(path), blank = 0;
    while (blank < size && strchr(" \t\r\n", data[blank]) && data[blank])
        blank++;
    bool is_json = (length > 5 && strcasecmp(path + length - 5, ".json") == 0) ||
                   (blank < size && data[blank] == '{');
    json_error_t fault;
    if (!is_json) {
        s = from_syx(path, data, size, number, values, err);
    } else {
        json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &fault);
        s = json ? from_json(path, json, number, values, err)
                 : tb_fail(err, TB_ECORRUPT, "%.60s:%d: %.80s", path, fault.line, fault.text);
        json_decref(json);
    }
    free(data);
    return s;
}
