/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tb_warn(struct tb_warnings *warnings, const char *format, ...)
{
    const size_t most = sizeof warnings->text / sizeof warnings->text[0];
    if (warnings->n == most)
        return;
    char *text = warnings->text[warnings->n++];
    if (warnings->n == most) {
        (void)snprintf(text, sizeof warnings->text[0], "and further warnings");
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof warnings->text[0], format, args);
    va_end(args);
}

enum tb_status tb_json_scan(const char *text, size_t size, size_t max_string, struct tb_error *err)
{
    size_t depth = 0, length = 0;
    bool string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (string) {
            if (c == '"')
                string = false;
            else if (++length > max_string)
                return tb_fail(err, TB_EINVAL, "JSON: a string is longer than %zu bytes",
                               max_string);
            else if (c == '\\')
                i++;
        } else if (c == '"') {
            string = true;
            length = 0;
        } else if (c == '{' || c == '[') {
            if (++depth > TB_JSON_MAX_DEPTH)
                return tb_fail(err, TB_EINVAL, "JSON: deeper than %d levels", TB_JSON_MAX_DEPTH);
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return TB_OK;
}

const char *tb_json_reason(const json_error_t *fault)
{
    const enum json_error_code code = json_error_code(fault);
    if (code == json_error_null_character || code == json_error_null_byte_in_key)
        return "\\u0000 is not allowed";
    return fault->text;
}

json_t *tb_json_parse(const char *text, size_t size, struct tb_error *err)
{
    json_error_t fault;
    if (tb_json_scan(text, size, TB_JSON_MAX_STRING, err))
        return NULL;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &fault);
    if (json)
        return json;
    if (json_error_code(&fault) == json_error_out_of_memory)
        (void)tb_fail(err, TB_ENOMEM, "no memory for the JSON text");
    else
        (void)tb_fail(err, TB_EINVAL, "JSON, line %d column %d: %.100s", fault.line, fault.column,
                      tb_json_reason(&fault));
    return NULL;
}

/* Equal up to the nine digits of a dump. */
static bool same(json_t *a, json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);
        double size = x < 0 ? -x : x, difference = x < y ? y - x : x - y;
        return difference <= size * 1e-8;
    }
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_object(a)) {
        const char *key;
        json_t *value;
        bool equal = json_object_size(a) == json_object_size(b);
        json_object_foreach(a, key, value)
        {
            json_t *other = json_object_get(b, key);
            equal = equal && other && same(value, other);
        }
        return equal;
    }
    if (json_is_array(a)) {
        bool equal = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; equal && i < json_array_size(a); i++)
            equal = same(json_array_get(a, i), json_array_get(b, i));
        return equal;
    }
    return json_equal(a, b) != 0;
}

char *tb_json_dump(json_t *json, size_t *size, struct tb_error *err)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9) | JSON_ENCODE_ANY);
    json_t *again = text ? json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL) : NULL;
    if (!again || !same(json, again)) {
        free(text);
        text = NULL;
        (void)tb_fail(err, TB_ENOMEM, "no memory for the JSON text");
    }
    json_decref(again);
    if (text && size)
        *size = strlen(text);
    return text;
}

bool tb_uuid_is_valid(const char *text)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (dash ? text[i] != '-' : !hex)
            return false;
    }
    return text[36] == '\0';
}

/* Also C1 controls (U+0080..9F) and the marks that turn the direction of text around. */
static bool is_control(const unsigned char *p)
{
    if (p[0] < 0x20 || p[0] == 0x7F)
        return true;
    if (p[0] == 0xC2 && p[1] < 0xA0)
        return true;
    return p[0] == 0xE2 && ((p[1] == 0x80 && p[2] >= 0xA8 && p[2] <= 0xAE) ||
                            (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9));
}

enum tb_status tb_text_field(const char *field, const char *text, char *out, size_t size,
                             bool lines, struct tb_error *err)
{
    text += strspn(text, lines ? "" : " ");
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == ' ' || (lines && text[n - 1] == '\n')))
        n--;
    if (n >= size)
        return tb_fail(err, TB_EINVAL, "%s: longer than %zu bytes", field, size - 1);
    for (size_t i = 0; i < n; i++)
        if (is_control((const unsigned char *)text + i) &&
            !(lines && (text[i] == '\n' || text[i] == '\t')))
            return tb_fail(err, TB_EINVAL, "%s: has a control character at byte %zu", field, i);
    memcpy(out, text, n);
    out[n] = '\0';
    return TB_OK;
}
