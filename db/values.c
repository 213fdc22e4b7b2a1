/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Values of one patch: byte 1 (version), then for each value in rising order of key number
 *   varint   difference to the previous key number, at least 1
 *   byte     0..250: the whole number byte - 50; 255: eight bytes follow, IEEE double, low first
 * A row a value was measured first: 161 us to write a patch and 2.2 KB, against 14 us and 0.6 KB
 * here. The keys stay data (table param_key), so a new parameter needs no migration. */
enum { FORMAT = 1, SMALL_MIN = -50, SMALL_MAX = 200, WIDE = 255, MAX_KEY_ID = 8191 };
enum { MAX_ITEM_BYTES = 2 + 1 + 8 };

static uint32_t hash_key(const char *key)
{
    uint32_t h = 2166136261U;
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 16777619U;
    return h;
}

void tb_keys_clear(struct tb_keys *keys)
{
    free(keys->names);
    free(keys->slots);
    memset(keys, 0, sizeof *keys);
}

static uint32_t keys_find(const struct tb_keys *keys, const char *name)
{
    if (keys->n_slots == 0)
        return 0;
    size_t mask = keys->n_slots - 1;
    for (size_t i = hash_key(name) & mask; keys->slots[i]; i = (i + 1) & mask)
        if (strcmp(keys->names[keys->slots[i]], name) == 0)
            return keys->slots[i];
    return 0;
}

static void keys_enter(struct tb_keys *keys, uint32_t id)
{
    size_t mask = keys->n_slots - 1;
    size_t i = hash_key(keys->names[id]) & mask;
    while (keys->slots[i])
        i = (i + 1) & mask;
    keys->slots[i] = id;
}

static enum tb_status keys_add(struct tb_keys *keys, uint32_t id, const char *name)
{
    if (id >= keys->capacity) {
        size_t capacity = keys->capacity ? keys->capacity : 256;
        while (capacity <= id)
            capacity *= 2;
        char(*names)[48] = realloc(keys->names, capacity * sizeof *names);
        if (!names)
            return TB_ENOMEM;
        memset(names + keys->capacity, 0, (capacity - keys->capacity) * sizeof *names);
        keys->names = names;
        keys->capacity = capacity;
    }
    (void)snprintf(keys->names[id], sizeof keys->names[id], "%s", name);
    if (id >= keys->n)
        keys->n = id + 1;
    if (keys->n_slots < 4 * keys->n) {
        size_t n_slots = keys->n_slots ? keys->n_slots * 2 : 1024;
        while (n_slots < 4 * keys->n)
            n_slots *= 2;
        uint32_t *slots = calloc(n_slots, sizeof *slots);
        if (!slots)
            return TB_ENOMEM;
        free(keys->slots);
        keys->slots = slots;
        keys->n_slots = n_slots;
        for (uint32_t k = 1; k < keys->n; k++)
            if (keys->names[k][0])
                keys_enter(keys, k);
        return TB_OK;
    }
    keys_enter(keys, id);
    return TB_OK;
}

/* Reads the whole dictionary again: another connection may have added to it. */
static enum tb_status keys_load(struct tb_store *store, struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(store, "SELECT id, name FROM param_key", err);
    if (!stmt)
        return tb_db_failed(store);
    tb_keys_clear(&store->keys);
    enum tb_status status;
    while ((status = tb_db_step(store, stmt, err)) == TB_OK) {
        char name[48];
        int64_t id = sqlite3_column_int64(stmt, 0);
        tb_db_text(stmt, 1, name, sizeof name);
        if (id < 1 || id > MAX_KEY_ID)
            continue;
        if (keys_add(&store->keys, (uint32_t)id, name)) {
            status = tb_fail(err, TB_ENOMEM, "no memory for the parameter keys");
            break;
        }
    }
    (void)sqlite3_reset(stmt);
    return status == TB_ENOTFOUND ? TB_OK : status;
}

static enum tb_status key_number(struct tb_store *store, const char *name, uint32_t *id,
                                 struct tb_error *err)
{
    *id = keys_find(&store->keys, name);
    if (*id)
        return TB_OK;
    enum tb_status status = keys_load(store, err);
    if (status)
        return status;
    *id = keys_find(&store->keys, name);
    if (*id)
        return TB_OK;
    if (name[0] == '\0')
        return tb_fail(err, TB_EINVAL, "values: a key is empty");
    if (store->keys.n > MAX_KEY_ID)
        return tb_fail(err, TB_EFULL, "values: more than %d different keys", MAX_KEY_ID);
    sqlite3_stmt *stmt = tb_db_prepare(store, "INSERT INTO param_key (name) VALUES (?)", err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, name);
    status = tb_db_run(store, stmt, err);
    if (status)
        return status;
    *id = (uint32_t)sqlite3_last_insert_rowid(store->db);
    if (keys_add(&store->keys, *id, name))
        return tb_fail(err, TB_ENOMEM, "no memory for the parameter keys");
    return TB_OK;
}

struct numbered {
    uint32_t id;
    double value;
};

static int compare_numbers(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static uint8_t *put_item(uint8_t *p, uint32_t step, double value)
{
    if (step >= 0x80)
        *p++ = (uint8_t)(0x80 | (step & 0x7F));
    *p++ = (uint8_t)(step >= 0x80 ? step >> 7 : step);
    if (value >= SMALL_MIN && value <= SMALL_MAX && value == floor(value) &&
        !(value == 0.0 && signbit(value))) {
        *p++ = (uint8_t)((int)value - SMALL_MIN);
        return p;
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    *p++ = WIDE;
    for (int i = 0; i < 8; i++)
        *p++ = (uint8_t)(bits >> (8 * i));
    return p;
}

enum tb_status tb_values_encode(struct tb_store *store, const struct tb_value *values, size_t n,
                                uint8_t **blob, size_t *size, struct tb_error *err)
{
    *blob = NULL;
    *size = 0;
    if (n > TB_MAX_VALUES)
        return tb_fail(err, TB_ETOOLARGE, "values: %zu is above %d", n, TB_MAX_VALUES);
    struct numbered items[TB_MAX_VALUES];
    for (size_t i = 0; i < n; i++) {
        items[i].value = values[i].value;
        if (!isfinite(values[i].value))
            return tb_fail(err, TB_EINVAL, "%s: not a finite number", values[i].key);
        enum tb_status status = key_number(store, values[i].key, &items[i].id, err);
        if (status)
            return status;
    }
    qsort(items, n, sizeof items[0], compare_numbers);
    uint8_t *bytes = malloc(1 + n * MAX_ITEM_BYTES);
    if (!bytes)
        return tb_fail(err, TB_ENOMEM, "no memory for %zu values", n);
    uint8_t *p = bytes;
    *p++ = FORMAT;
    uint32_t previous = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].id == previous) {
            free(bytes);
            return tb_fail(err, TB_EINVAL, "%s: given twice", store->keys.names[previous]);
        }
        p = put_item(p, items[i].id - previous, items[i].value);
        previous = items[i].id;
    }
    *blob = bytes;
    *size = (size_t)(p - bytes);
    return TB_OK;
}

/* One item at *at; false when it runs past the end or breaks the format. */
static bool take_item(const uint8_t *blob, size_t size, size_t *at, struct numbered *item)
{
    size_t i = *at;
    uint32_t step = blob[i++];
    if (step & 0x80) {
        if (i >= size || blob[i] & 0x80)
            return false;
        step = (step & 0x7F) | (uint32_t)blob[i++] << 7;
    }
    if (step == 0 || i >= size)
        return false;
    uint8_t code = blob[i++];
    item->id += step;
    item->value = code + SMALL_MIN;
    if (code > SMALL_MAX - SMALL_MIN) {
        uint64_t bits = 0;
        if (code != WIDE || size - i < 8)
            return false;
        for (int k = 0; k < 8; k++)
            bits |= (uint64_t)blob[i++] << (8 * k);
        memcpy(&item->value, &bits, sizeof bits);
    }
    *at = i;
    return isfinite(item->value);
}

static bool decode_items(const struct tb_keys *keys, const uint8_t *blob, size_t size,
                         struct tb_value *values, size_t *n)
{
    struct numbered item = {0, 0.0};
    *n = 0;
    for (size_t at = 1; at < size;) {
        if (!take_item(blob, size, &at, &item) || *n == TB_MAX_VALUES || item.id >= keys->n ||
            keys->names[item.id][0] == '\0')
            return false;
        memcpy(values[*n].key, keys->names[item.id], sizeof values[0].key);
        values[(*n)++].value = item.value;
    }
    return true;
}

enum tb_status tb_values_decode(struct tb_store *store, sqlite3_stmt *stmt, int column,
                                struct tb_value **values, size_t *n, struct tb_error *err)
{
    const uint8_t *blob = sqlite3_column_blob(stmt, column);
    size_t size = (size_t)sqlite3_column_bytes(stmt, column);
    *values = NULL;
    *n = 0;
    /* A restored database numbers its keys in its own way; it also makes statements stale. */
    if (sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_REPREPARE, 1) > 0)
        tb_keys_clear(&store->keys);
    if (!blob || size < 1 || blob[0] != FORMAT)
        return tb_fail(err, TB_ECORRUPT, "values: unknown format");
    /* An item has at least two bytes. */
    struct tb_value *array = malloc((size / 2 + 1) * sizeof *array);
    if (!array)
        return tb_fail(err, TB_ENOMEM, "no memory for the values");
    bool good = decode_items(&store->keys, blob, size, array, n);
    if (!good) { /* perhaps a key that another connection added */
        enum tb_status status = keys_load(store, err);
        if (status) {
            free(array);
            *n = 0;
            return status;
        }
        good = decode_items(&store->keys, blob, size, array, n);
    }
    if (!good) {
        free(array);
        enum tb_status status = tb_fail(err, TB_ECORRUPT, "values: damaged after %zu of them", *n);
        *n = 0;
        return status;
    }
    *values = array;
    return TB_OK;
}
