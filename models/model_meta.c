/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/model_priv.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { MOST_TEXT = 4096 }; /* a whole grid of 7 digits with sign, exponent and comma */

enum kind { KIND_CHOICE, KIND_INTEGER, KIND_REAL, KIND_REALS, KIND_CHOICES, KIND_GRID, KIND_TEXT };

struct entry {
    enum kind kind;
    const char *key;
    size_t offset;
    const char *names;
    double min, def, max;
    unsigned most; /* values of a list, columns of a grid, bytes of a text */
    bool needed;
    unsigned rows; /* of a grid */
};

#define AT(field) offsetof(struct tb_model_meta, field)
static const struct entry entries[] = {
#define CHOICE(field, key, names, needed, help)                                                    \
    {KIND_CHOICE, key, AT(field), names, 0, 0, 0, 0, needed, 0},
#define INTEGER(field, key, min, def, max, needed, help)                                           \
    {KIND_INTEGER, key, AT(field), NULL, min, def, max, 0, needed, 0},
#define REAL(field, key, min, def, max, needed, help)                                              \
    {KIND_REAL, key, AT(field), NULL, min, def, max, 0, needed, 0},
#define REALS(field, key, most, min, max, needed, help)                                            \
    {KIND_REALS, key, AT(field), NULL, min, 0, max, most, needed, 0},
#define CHOICES(field, key, most, names, needed, help)                                             \
    {KIND_CHOICES, key, AT(field), names, 0, 0, 0, most, needed, 0},
#define GRID(field, key, rows, columns, min, max, needed, help)                                    \
    {KIND_GRID, key, AT(field), NULL, min, 0, max, columns, needed, rows},
#define TEXT(field, key, bytes, needed, help)                                                      \
    {KIND_TEXT, key, AT(field), NULL, 0, 0, 0, bytes, needed, 0},
#include "models/model_meta.def"
};
static const size_t n_entries = sizeof entries / sizeof *entries;

static void *at(struct tb_model_meta *meta, const struct entry *e)
{
    return (char *)meta + e->offset;
}

static const void *at_const(const struct tb_model_meta *meta, const struct entry *e)
{
    return (const char *)meta + e->offset;
}

void tb_model_meta_init(struct tb_model_meta *meta)
{
    memset(meta, 0, sizeof *meta);
    for (size_t i = 0; i < n_entries; i++) {
        if (entries[i].kind == KIND_INTEGER)
            *(int *)at(meta, &entries[i]) = (int)entries[i].def;
        else if (entries[i].kind == KIND_REAL)
            *(double *)at(meta, &entries[i]) = entries[i].def;
    }
}

/* Number of the name of length n in "a|b|c", or -1. */
static int find_name(const char *names, const char *text, size_t n)
{
    for (int i = 0; names; i++) {
        const char *bar = strchr(names, '|');
        const size_t length = bar ? (size_t)(bar - names) : strlen(names);
        if (length == n && !memcmp(names, text, n))
            return i;
        names = bar ? bar + 1 : NULL;
    }
    return -1;
}

/* A number as JSON has it, whatever the locale: neither "nan" nor "0x1p3". */
static bool read_number(const char *text, size_t n, double *value)
{
    json_t *number = json_loadb(text, n, JSON_DECODE_ANY, NULL);
    const bool good = json_is_number(number);
    *value = json_number_value(number);
    json_decref(number);
    return good;
}

static enum tb_status read_value(const struct entry *e, const char *text, size_t n, double *value,
                                 struct tb_error *err)
{
    if (e->names) {
        const int number = find_name(e->names, text, n);
        *value = number;
        return number >= 0 ? TB_OK
                           : tb_fail(err, TB_EINVAL, "%s: \"%.*s\" is not one of %s", e->key,
                                     (int)(n > 24 ? 24 : n), text, e->names);
    }
    if (!read_number(text, n, value))
        return tb_fail(err, TB_EINVAL, "%s: \"%.*s\" is not a number", e->key,
                       (int)(n > 24 ? 24 : n), text);
    if (*value < e->min || *value > e->max)
        return tb_fail(err, TB_EINVAL, "%s: %g is outside %g..%g", e->key, *value, e->min, e->max);
    if (e->kind == KIND_INTEGER && *value != floor(*value))
        return tb_fail(err, TB_EINVAL, "%s: %g is not a whole number", e->key, *value);
    return TB_OK;
}

static enum tb_status read_list(const struct entry *e, const char *text,
                                struct tb_model_reals *list, struct tb_error *err)
{
    list->n = 0;
    while (*text) {
        const size_t n = strcspn(text, ",");
        if (list->n == e->most)
            return tb_fail(err, TB_EINVAL, "%s: more than %u values", e->key, e->most);
        enum tb_status status = read_value(e, text, n, &list->value[list->n], err);
        if (status != TB_OK)
            return status;
        list->n++;
        text += n;
        if (*text == ',' && *++text == '\0')
            return tb_fail(err, TB_EINVAL, "%s: a comma at the end", e->key);
    }
    return TB_OK;
}

/* Numbers up to the end of one row. */
static enum tb_status read_row(const struct entry *e, const char *text, size_t n,
                               struct tb_model_grid *grid, struct tb_error *err)
{
    unsigned c = 0;
    for (size_t at = 0; at <= n; c++) {
        double value;
        size_t length = 0;
        while (at + length < n && text[at + length] != ',')
            length++;
        if (c == e->most)
            return tb_fail(err, TB_EINVAL, "%s: more than %u columns", e->key, e->most);
        enum tb_status status = read_value(e, text + at, length, &value, err);
        if (status != TB_OK)
            return status;
        grid->value[grid->n_rows][c] = (float)value;
        at += length + 1;
    }
    if (grid->n_rows > 0 && c != grid->n_columns)
        return tb_fail(err, TB_EINVAL, "%s: %u columns in row %u, %u before", e->key, c,
                       grid->n_rows, grid->n_columns);
    grid->n_columns = c;
    grid->n_rows++;
    return TB_OK;
}

static enum tb_status read_grid(const struct entry *e, const char *text, struct tb_model_grid *grid,
                                struct tb_error *err)
{
    enum tb_status status = TB_OK;
    while (*text && status == TB_OK) {
        const size_t n = strcspn(text, ";");
        if (grid->n_rows == e->rows)
            return tb_fail(err, TB_EINVAL, "%s: more than %u rows", e->key, e->rows);
        status = read_row(e, text, n, grid, err);
        text += n;
        if (status == TB_OK && *text == ';' && *++text == '\0')
            status = tb_fail(err, TB_EINVAL, "%s: a semicolon at the end", e->key);
    }
    return status;
}

static enum tb_status read_entry(struct tb_model_meta *meta, const struct entry *e,
                                 const json_t *string, struct tb_error *err)
{
    const char *text = json_string_value(string);
    const size_t n = json_string_length(string);
    if (!text)
        return tb_fail(err, TB_EINVAL, "%s: not a string", e->key);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 32 || text[i] == 127)
            return tb_fail(err, TB_EINVAL, "%s: a control character at byte %zu", e->key, i);
    double value = 0;
    enum tb_status status = TB_OK;
    switch (e->kind) {
    case KIND_REALS:
    case KIND_CHOICES:
        return read_list(e, text, at(meta, e), err);
    case KIND_GRID:
        return read_grid(e, text, at(meta, e), err);
    case KIND_TEXT:
        if (n > e->most)
            return tb_fail(err, TB_EINVAL, "%s: %zu bytes, at most %u", e->key, n, e->most);
        memcpy(at(meta, e), text, n + 1);
        return TB_OK;
    case KIND_CHOICE:
    case KIND_INTEGER:
        status = read_value(e, text, n, &value, err);
        if (status == TB_OK)
            *(int *)at(meta, e) = (int)value;
        return status;
    case KIND_REAL:
        status = read_value(e, text, n, &value, err);
        if (status == TB_OK)
            *(double *)at(meta, e) = value;
        return status;
    }
    return status;
}

enum tb_status tb_model_meta_read(struct tb_model_meta *meta, const json_t *metadata,
                                  struct tb_error *err)
{
    tb_model_meta_init(meta);
    if (!json_is_object(metadata))
        return tb_fail(err, TB_EINVAL, "__metadata__: missing");
    for (size_t i = 0; i < n_entries; i++) {
        const json_t *string = json_object_get(metadata, entries[i].key);
        if (!string && entries[i].needed)
            return tb_fail(err, TB_EINVAL, "%s: missing in __metadata__", entries[i].key);
        const enum tb_status status = string ? read_entry(meta, &entries[i], string, err) : TB_OK;
        if (status != TB_OK)
            return status;
    }
    return TB_OK;
}

static void append_name(char *text, size_t size, const char *names, int number)
{
    while (number-- > 0)
        names = strchr(names, '|') + 1;
    const size_t used = strlen(text);
    (void)snprintf(text + used, size - used, "%.*s", (int)strcspn(names, "|"), names);
}

static void append_value(char *text, size_t size, const struct entry *e, double value)
{
    const size_t used = strlen(text);
    if (e->names)
        append_name(text, size, e->names, (int)value);
    else
        (void)snprintf(text + used, size - used, "%.9g", value);
}

/* Numbers of seven digits, which is what its values have. */
static void write_grid(const struct tb_model_grid *grid, char *text, size_t size)
{
    size_t used = 0;
    for (unsigned r = 0; r < grid->n_rows; r++)
        for (unsigned c = 0; c < grid->n_columns && used < size; c++)
            used += (size_t)snprintf(text + used, size - used, "%s%.7g",
                                     c > 0   ? ","
                                     : r > 0 ? ";"
                                             : "",
                                     (double)grid->value[r][c]);
}

static void write_entry(const struct tb_model_meta *meta, const struct entry *e, char *text,
                        size_t size)
{
    const struct tb_model_reals *list = at_const(meta, e);
    text[0] = '\0';
    switch (e->kind) {
    case KIND_CHOICE:
    case KIND_INTEGER:
        append_value(text, size, e, *(const int *)at_const(meta, e));
        break;
    case KIND_REAL:
        append_value(text, size, e, *(const double *)at_const(meta, e));
        break;
    case KIND_TEXT:
        (void)snprintf(text, size, "%s", (const char *)at_const(meta, e));
        break;
    case KIND_REALS:
    case KIND_CHOICES:
        for (unsigned i = 0; i < list->n; i++) {
            append_value(text, size, e, list->value[i]);
            if (i + 1 < list->n)
                (void)strncat(text, ",", size - strlen(text) - 1);
        }
        break;
    case KIND_GRID:
        write_grid(at_const(meta, e), text, size);
        break;
    }
}

json_t *tb_model_meta_write(const struct tb_model_meta *meta)
{
    struct tb_model_meta defaults;
    tb_model_meta_init(&defaults);
    json_t *object = json_object();
    for (size_t i = 0; object && i < n_entries; i++) {
        char text[MOST_TEXT], usual[MOST_TEXT];
        write_entry(meta, &entries[i], text, sizeof text);
        write_entry(&defaults, &entries[i], usual, sizeof usual);
        if (!entries[i].needed && !strcmp(text, usual))
            continue;
        if (json_object_set_new(object, entries[i].key, json_string(text)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

bool tb_model_meta_replace(json_t *metadata, const struct tb_model_meta *meta)
{
    json_t *known = tb_model_meta_write(meta);
    for (size_t i = 0; i < n_entries; i++)
        (void)json_object_del(metadata, entries[i].key);
    const bool good = known && json_object_update(metadata, known) == 0;
    json_decref(known);
    return good;
}

enum tb_status tb_model_routing(const struct tb_model_meta *meta, uint8_t modulates[6],
                                struct tb_error *err)
{
    memset(modulates, 0, 6);
    const char *text = meta->fm_routing;
    while (*text) {
        const int from = text[0] - '1', to = text[0] && text[1] == '>' ? text[2] - '1' : -1;
        if (from < 0 || from >= meta->n_operators || to < 0 || to >= from)
            return tb_fail(err, TB_EINVAL,
                           "fm.routing: \"%.8s\" is not \"6>5\" from a higher to a lower operator",
                           text);
        modulates[from] |= (uint8_t)(1u << to);
        text += 3;
        if (*text == ',' && text[1])
            text++;
        else if (*text)
            return tb_fail(err, TB_EINVAL, "fm.routing: a comma is missing at \"%.8s\"", text);
    }
    for (unsigned i = 0; i < meta->fm_carriers.n; i++)
        if (meta->fm_carriers.value[i] != floor(meta->fm_carriers.value[i]) ||
            meta->fm_carriers.value[i] > meta->n_operators)
            return tb_fail(err, TB_EINVAL, "fm.carriers: %g is no operator",
                           meta->fm_carriers.value[i]);
    if (meta->fm_carriers.n == 0)
        return tb_fail(err, TB_EINVAL, "fm.carriers: none, and fm.algorithm is 0");
    return TB_OK;
}
