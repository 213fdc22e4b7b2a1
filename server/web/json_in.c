/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/json_in.h"

#include "server/formats/patch_json.h"

#include <math.h>
#include <string.h>

json_t *tb_json_read(const char *text, size_t size, size_t max_string, struct tb_error *err)
{
    if (size == 0) {
        (void)tb_fail(err, TB_EINVAL, "JSON: the body is empty");
        return NULL;
    }
    if (tb_json_scan(text, size, max_string, err) != TB_OK)
        return NULL;
    json_error_t fault;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &fault);
    if (!json) {
        (void)tb_fail(err, TB_EINVAL, "JSON: line %d: %.120s", fault.line, tb_json_reason(&fault));
        return NULL;
    }
    if (!json_is_object(json)) {
        (void)tb_fail(err, TB_EINVAL, "JSON: not an object");
        json_decref(json);
        return NULL;
    }
    return json;
}

enum tb_status tb_json_only(json_t *object, const char *const *names, struct tb_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], key) != 0)
            i++;
        if (!names[i])
            return tb_fail(err, TB_EINVAL, "%.40s: unknown member", key);
    }
    return TB_OK;
}

enum tb_status tb_json_text(const json_t *object, const char *name, char *out, size_t size,
                            struct tb_error *err)
{
    const json_t *value = json_object_get(object, name);
    if (!value)
        return TB_OK;
    if (!json_is_string(value))
        return tb_fail(err, TB_EINVAL, "%s: not a string", name);
    size_t length = json_string_length(value);
    if (length >= size)
        return tb_fail(err, TB_EINVAL, "%s: %zu bytes, at most %zu", name, length, size - 1);
    const char *text = json_string_value(value);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t')
            return tb_fail(err, TB_EINVAL, "%s: control character", name);
    memcpy(out, text, length + 1);
    return TB_OK;
}

enum tb_status tb_json_bool(const json_t *object, const char *name, bool *out, struct tb_error *err)
{
    const json_t *value = json_object_get(object, name);
    if (!value)
        return TB_OK;
    if (!json_is_boolean(value))
        return tb_fail(err, TB_EINVAL, "%s: neither true nor false", name);
    *out = json_is_true(value);
    return TB_OK;
}

enum tb_status tb_json_integer(const json_t *object, const char *name, long long bounds[2],
                               long long *out, struct tb_error *err)
{
    double value = 0.0;
    if (!json_object_get(object, name))
        return TB_OK;
    double limits[2] = {(double)bounds[0], (double)bounds[1]};
    enum tb_status status = tb_json_number(object, name, limits, &value, err);
    if (status != TB_OK)
        return status;
    if (value != floor(value))
        return tb_fail(err, TB_EINVAL, "%s: %g is not a whole number", name, value);
    *out = (long long)value;
    return TB_OK;
}

enum tb_status tb_json_number(const json_t *object, const char *name, const double bounds[2],
                              double *out, struct tb_error *err)
{
    const json_t *value = json_object_get(object, name);
    if (!value)
        return TB_OK;
    if (!json_is_number(value))
        return tb_fail(err, TB_EINVAL, "%s: not a number", name);
    double number = json_number_value(value);
    if (!(number >= bounds[0]))
        return tb_fail(err, TB_EINVAL, "%s: %g is below %g", name, number, bounds[0]);
    if (number > bounds[1])
        return tb_fail(err, TB_EINVAL, "%s: %g is above %g", name, number, bounds[1]);
    *out = number;
    return TB_OK;
}
