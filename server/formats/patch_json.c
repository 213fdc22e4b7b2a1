/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Plain texts of a patch, once for reading and writing. */
static const struct text_field {
    const char *key;
    size_t offset, size;
    bool lines, required;
} text_fields[] = {
    {"name", offsetof(struct tb_patch, name), TB_NAME, false, true},
    {"author", offsetof(struct tb_patch, author), TB_NAME, false, false},
    {"category", offsetof(struct tb_patch, category), 33, false, false},
    {"comment", offsetof(struct tb_patch, comment), TB_COMMENT, true, false},
    {"licence", offsetof(struct tb_patch, licence), TB_NAME, false, false},
};
enum { N_TEXTS = sizeof text_fields / sizeof text_fields[0] };

static const char *const ignored_fields[] = {"uuid", "factory", "revision", "created", "updated"};

static bool is_known(const char *key)
{
    static const char *const others[] = {"tags", "favourite", "values", "model", "model_b"};
    for (size_t i = 0; i < N_TEXTS; i++)
        if (strcmp(key, text_fields[i].key) == 0)
            return true;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(key, others[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof ignored_fields / sizeof ignored_fields[0]; i++)
        if (strcmp(key, ignored_fields[i]) == 0)
            return true;
    return false;
}

static enum tb_status check_fields(json_t *body, struct tb_warnings *warnings, struct tb_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(body, key, value)
    {
        if (is_known(key))
            continue;
        if (!warnings)
            return tb_fail(err, TB_EINVAL, "%.60s: unknown field", key);
        tb_warn(warnings, "%.60s: unknown field, left out", key);
    }
    return TB_OK;
}

static enum tb_status read_texts(const json_t *body, enum tb_body kind, struct tb_patch *patch,
                                 struct tb_error *err)
{
    for (size_t i = 0; i < N_TEXTS; i++) {
        const struct text_field *f = &text_fields[i];
        char *out = (char *)patch + f->offset;
        const json_t *value = json_object_get(body, f->key);
        if (!value && kind == TB_BODY_MERGE)
            continue;
        if (!value || json_is_null(value)) {
            if (f->required)
                return tb_fail(err, TB_EINVAL, "%s: is missing", f->key);
            out[0] = '\0';
            continue;
        }
        if (!json_is_string(value))
            return tb_fail(err, TB_EINVAL, "%s: must be a string", f->key);
        enum tb_status status =
            tb_text_field(f->key, json_string_value(value), out, f->size, f->lines, err);
        if (status)
            return status;
        if (f->required && out[0] == '\0')
            return tb_fail(err, TB_EINVAL, "%s: is empty", f->key);
    }
    return TB_OK;
}

static enum tb_status read_tags(const json_t *body, enum tb_body kind, struct tb_patch *patch,
                                struct tb_error *err)
{
    const json_t *tags = json_object_get(body, "tags");
    if (!tags && kind == TB_BODY_MERGE)
        return TB_OK;
    patch->n_tags = 0;
    if (!tags || json_is_null(tags))
        return TB_OK;
    if (!json_is_array(tags))
        return tb_fail(err, TB_EINVAL, "tags: must be an array of strings");
    if (json_array_size(tags) > TB_MAX_TAGS)
        return tb_fail(err, TB_EINVAL, "tags: %zu is above %d", json_array_size(tags), TB_MAX_TAGS);
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *text = json_string_value(json_array_get(tags, i));
        char *out = patch->tags[patch->n_tags];
        if (!text)
            return tb_fail(err, TB_EINVAL, "tags: must be an array of strings");
        enum tb_status status = tb_text_field("tags", text, out, sizeof patch->tags[0], false, err);
        if (status)
            return status;
        bool again = out[0] == '\0';
        for (int k = 0; k < patch->n_tags; k++)
            again = again || strcmp(out, patch->tags[k]) == 0;
        patch->n_tags += !again;
    }
    return TB_OK;
}

/* A whole patch holds its values in the order of the table: look there first. */
static struct tb_value *find_value(struct tb_patch *patch, int id, const char *key)
{
    if (id >= 0 && (size_t)id < patch->n_values && strcmp(patch->values[id].key, key) == 0)
        return &patch->values[id];
    for (size_t i = 0; i < patch->n_values; i++)
        if (strcmp(patch->values[i].key, key) == 0)
            return &patch->values[i];
    return NULL;
}

static enum tb_status put_value(struct tb_patch *patch, int id, const char *key, double number,
                                struct tb_error *err)
{
    struct tb_value *value = find_value(patch, id, key);
    if (!value) {
        if (patch->n_values == TB_MAX_VALUES)
            return tb_fail(err, TB_EINVAL, "values: more than %d", TB_MAX_VALUES);
        value = &patch->values[patch->n_values++];
        memset(value, 0, sizeof *value);
        (void)snprintf(value->key, sizeof value->key, "%s", key);
    }
    value->value = number;
    return TB_OK;
}

/* dx7.name.1 to 10: what the display of a DX7 showed, where the name alone cannot say it. */
static bool is_raw_name(const char *key, const json_t *json)
{
    static const char prefix[] = "dx7.name.";
    if (strncmp(key, prefix, sizeof prefix - 1) != 0 || !json_is_integer(json))
        return false;
    const char *number = key + sizeof prefix - 1;
    bool place =
        (number[0] >= '1' && number[0] <= '9' && number[1] == '\0') || strcmp(number, "10") == 0;
    return place && json_integer_value(json) >= 0 && json_integer_value(json) <= 127;
}

static enum tb_status read_value(struct tb_patch *patch, const char *key, const json_t *json,
                                 struct tb_warnings *warnings, struct tb_error *err)
{
    int id = strlen(key) < sizeof patch->values[0].key ? tb_param_find(key) : -1;
    float checked = 0.0F;
    if (is_raw_name(key, json))
        return put_value(patch, -1, key, json_number_value(json), err);
    if (id < 0 && !warnings)
        return tb_fail(err, TB_EINVAL, "%.60s: unknown parameter", key);
    if (id >= 0 && tb_params[id].owner != TB_OWNER_PATCH)
        return tb_fail(err, TB_EINVAL, "%s: belongs to the device, not to a patch", key);
    if (json_is_null(json) && id >= 0)
        return put_value(patch, id, key, tb_params[id].def, err);
    if (!json_is_number(json))
        return tb_fail(err, TB_EINVAL, "%.60s: must be a number", key);
    double number = json_number_value(json);
    if (id >= 0) {
        enum tb_status status = tb_param_check((enum tb_param)id, number, &checked, err);
        /* As it was written: 0.3 stays 0.3, not the engine's 0.300000012. */
        return status ? status : put_value(patch, id, key, number, err);
    }
    if (key[0] == '\0' || strlen(key) >= sizeof patch->values[0].key || !isfinite(number))
        return tb_fail(err, TB_EINVAL, "%.60s: must have 1..47 bytes and a finite number", key);
    tb_warn(warnings, "%s: unknown parameter, kept", key);
    return put_value(patch, -1, key, number, err);
}

/* patch->values has room for TB_MAX_VALUES. */
static enum tb_status read_values(const json_t *body, enum tb_body kind, struct tb_patch *patch,
                                  struct tb_warnings *warnings, struct tb_error *err)
{
    json_t *values = json_object_get(body, "values");
    if (kind == TB_BODY_FULL || json_is_null(values)) {
        patch->n_values = 0;
        for (int i = 0; i < TB_N_PARAMS; i++) {
            if (tb_params[i].owner != TB_OWNER_PATCH)
                continue;
            struct tb_value *value = &patch->values[patch->n_values++];
            memset(value, 0, sizeof *value);
            (void)snprintf(value->key, sizeof value->key, "%s", tb_params[i].key);
            value->value = tb_params[i].def;
        }
    }
    if (!values || json_is_null(values))
        return TB_OK;
    if (!json_is_object(values))
        return tb_fail(err, TB_EINVAL, "values: must be an object of numbers");
    const char *key;
    json_t *value;
    json_object_foreach(values, key, value)
    {
        enum tb_status status = read_value(patch, key, value, warnings, err);
        if (status)
            return status;
    }
    return TB_OK;
}

static enum tb_status read_others(const json_t *body, enum tb_body kind, struct tb_patch *patch,
                                  struct tb_error *err)
{
    const json_t *favourite = json_object_get(body, "favourite");
    if (favourite && !json_is_boolean(favourite) && !json_is_null(favourite))
        return tb_fail(err, TB_EINVAL, "favourite: must be true or false");
    if (favourite || kind == TB_BODY_FULL)
        patch->favourite = json_is_true(favourite);
    const json_t *uuid = json_object_get(body, "uuid");
    if (kind == TB_BODY_MERGE || !uuid || json_is_null(uuid))
        return TB_OK;
    if (!json_is_string(uuid) || !tb_uuid_is_valid(json_string_value(uuid)))
        return tb_fail(err, TB_EINVAL, "uuid: is not a uuid in lower case");
    memcpy(patch->uuid, json_string_value(uuid), TB_UUID);
    return TB_OK;
}

static const char *const model_keys[2] = {"model", "model_b"};

static bool is_sha256(const char *text)
{
    return text && strlen(text) == TB_SHA256 - 1 &&
           strspn(text, "0123456789abcdef") == TB_SHA256 - 1;
}

enum tb_status tb_model_ref_from_json(const char *key, const json_t *json, struct tb_model_ref *ref,
                                      struct tb_error *err)
{
    static const char *const members[] = {"uuid", "sha256", "name", "missing"};
    const char *member;
    json_t *value;
    struct tb_model_ref next = {0};
    json_object_foreach((json_t *)(size_t)json, member, value)
    {
        bool known = false;
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
            known = known || strcmp(member, members[i]) == 0;
        if (!known)
            return tb_fail(err, TB_EINVAL, "%s.%.40s: unknown field", key, member);
    }
    const char *uuid = json_string_value(json_object_get(json, "uuid"));
    const char *sha256 = json_string_value(json_object_get(json, "sha256"));
    const json_t *name = json_object_get(json, "name");
    if (!uuid || !tb_uuid_is_valid(uuid))
        return tb_fail(err, TB_EINVAL, "%s.uuid: is not a uuid in lower case", key);
    if (!is_sha256(sha256))
        return tb_fail(err, TB_EINVAL, "%s.sha256: is not 64 hexadecimal digits", key);
    if (name && !json_is_string(name))
        return tb_fail(err, TB_EINVAL, "%s.name: must be a string", key);
    if (name && tb_text_field("model.name", json_string_value(name), next.name, sizeof next.name,
                              false, err))
        return TB_EINVAL;
    memcpy(next.uuid, uuid, sizeof next.uuid);
    memcpy(next.sha256, sha256, sizeof next.sha256);
    *ref = next;
    return TB_OK;
}

static enum tb_status read_models(const json_t *body, enum tb_body kind, struct tb_patch *patch,
                                  struct tb_error *err)
{
    for (int i = 0; i < 2; i++) {
        const json_t *model = json_object_get(body, model_keys[i]);
        if (!model && kind == TB_BODY_MERGE)
            continue;
        if (!model || json_is_null(model)) {
            memset(&patch->models[i], 0, sizeof patch->models[i]);
            continue;
        }
        if (!json_is_object(model))
            return tb_fail(err, TB_EINVAL, "%s: must be an object or null", model_keys[i]);
        enum tb_status status =
            tb_model_ref_from_json(model_keys[i], model, &patch->models[i], err);
        if (status)
            return status;
    }
    return TB_OK;
}

enum tb_status tb_patch_from_json(json_t *body, enum tb_body kind, struct tb_patch *patch,
                                  struct tb_warnings *warnings, struct tb_error *err)
{
    if (!json_is_object(body))
        return tb_fail(err, TB_EINVAL, "patch: must be an object");
    struct tb_patch next = *patch;
    struct tb_value *values = malloc(TB_MAX_VALUES * sizeof *values);
    if (!values)
        return tb_fail(err, TB_ENOMEM, "no memory for the values");
    next.values = values;
    if (patch->n_values)
        memcpy(values, patch->values, patch->n_values * sizeof *values);
    enum tb_status status = check_fields(body, warnings, err);
    if (!status)
        status = read_texts(body, kind, &next, err);
    if (!status)
        status = read_tags(body, kind, &next, err);
    if (!status)
        status = read_others(body, kind, &next, err);
    if (!status)
        status = read_models(body, kind, &next, err);
    if (!status)
        status = read_values(body, kind, &next, warnings, err);
    if (status) {
        free(values);
        return status;
    }
    struct tb_value *exact = realloc(values, (next.n_values + 1) * sizeof *exact);
    next.values = exact ? exact : values;
    free(patch->values);
    *patch = next;
    return TB_OK;
}

static json_t *tags_to_json(const struct tb_patch *patch)
{
    json_t *tags = json_array();
    for (int i = 0; i < patch->n_tags; i++) {
        if (json_array_append_new(tags, json_string(patch->tags[i]))) {
            json_decref(tags);
            return NULL;
        }
    }
    return tags;
}

/* Values that the instrument knows are the engine's floats: as short as nine digits give. */
static json_t *values_to_json(const struct tb_patch *patch)
{
    json_t *values = json_object();
    for (size_t i = 0; i < patch->n_values && values; i++) {
        double v = patch->values[i].value;
        json_t *number =
            v == floor(v) && fabs(v) < 1e15 ? json_integer((json_int_t)v) : json_real(v);
        if (json_object_set_new(values, patch->values[i].key, number)) {
            json_decref(values);
            return NULL;
        }
    }
    return values;
}

json_t *tb_model_ref_to_json(const struct tb_model_ref *ref)
{
    if (!ref->uuid[0])
        return json_null();
    return json_pack("{s:s, s:s, s:s}", "uuid", ref->uuid, "sha256", ref->sha256, "name",
                     ref->name);
}

json_t *tb_patch_to_json(const struct tb_patch *p)
{
    json_t *tags = tags_to_json(p), *values = values_to_json(p);
    json_t *a = tb_model_ref_to_json(&p->models[0]), *b = tb_model_ref_to_json(&p->models[1]);
    if (!tags || !values || !a || !b) {
        json_decref(tags);
        json_decref(values);
        json_decref(a);
        json_decref(b);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:o, s:o, s:o}",
                     "uuid", p->uuid, "name", p->name, "author", p->author, "category", p->category,
                     "tags", tags, "comment", p->comment, "licence", p->licence, "favourite",
                     p->favourite, "factory", p->factory, "revision", (json_int_t)p->revision,
                     "created", (json_int_t)p->created, "updated", (json_int_t)p->updated, "model",
                     a, "model_b", b, "values", values);
}

bool tb_patch_has_network(const struct tb_patch *patch)
{
    return patch->models[0].uuid[0] || patch->models[1].uuid[0];
}

json_t *tb_patch_summary_to_json(const struct tb_patch *p)
{
    json_t *tags = tags_to_json(p);
    if (!tags)
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:b, s:b, s:b, s:I, s:I}", "uuid", p->uuid, "name",
                     p->name, "author", p->author, "category", p->category, "tags", tags,
                     "favourite", p->favourite, "factory", p->factory, "network",
                     tb_patch_has_network(p), "revision", (json_int_t)p->revision, "updated",
                     (json_int_t)p->updated);
}

void tb_patch_get_params(const struct tb_patch *patch, float values[TB_N_PARAMS])
{
    tb_params_default(values);
    for (size_t i = 0; i < patch->n_values; i++) {
        int id = tb_param_find(patch->values[i].key);
        if (id < 0 || tb_params[id].owner != TB_OWNER_PATCH)
            continue;
        double v = patch->values[i].value;
        bool whole = tb_params[id].scale != TB_SCALE_LINEAR && tb_params[id].scale != TB_SCALE_LOG;
        v = fmin(fmax(v, tb_params[id].min), tb_params[id].max); /* NaN gives the minimum */
        values[id] = (float)(whole ? nearbyint(v) : v);
    }
}

enum tb_status tb_patch_set_params(struct tb_patch *patch, const float values[TB_N_PARAMS],
                                   struct tb_error *err)
{
    struct tb_value *room = realloc(patch->values, TB_MAX_VALUES * sizeof *room);
    if (!room)
        return tb_fail(err, TB_ENOMEM, "no memory for the values");
    patch->values = room;
    for (int i = 0; i < TB_N_PARAMS; i++) {
        if (tb_params[i].owner != TB_OWNER_PATCH)
            continue;
        enum tb_status status = put_value(patch, i, tb_params[i].key, (double)values[i], err);
        if (status)
            return status;
    }
    return TB_OK;
}
