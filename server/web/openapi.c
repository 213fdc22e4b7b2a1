/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/params.h"
#include "server/web/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *ref(const char *schema)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", schema));
}

/* {type: {"schema": ...}} of a response or request schema; a media type stands for bytes. */
static json_t *content_of(const char *schema, const char *type)
{
    if (strchr(schema, '/'))
        return json_pack("{s:{s:{}}}", schema, "schema");
    return json_pack("{s:{s:o}}", type, "schema", ref(schema));
}

static json_t *path_parameter(const char *start, size_t n)
{
    bool is_key = !strncmp(start, "key", n);
    return json_pack("{s:o, s:s, s:b, s:{s:s}}", "name", json_stringn(start, n), "in", "path",
                     "required", 1, "schema", "type", is_key ? "integer" : "string");
}

static json_t *query_schema(const struct tb_query_info *q)
{
    if (!strcmp(q->type, "integer"))
        return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)q->min,
                         "maximum", (json_int_t)q->max);
    if (!strcmp(q->type, "string"))
        return json_pack("{s:s, s:I, s:I}", "type", "string", "minLength", (json_int_t)q->min,
                         "maxLength", (json_int_t)q->max);
    json_t *choices = json_array();
    for (const char *c = q->type; *c;) {
        size_t n = strcspn(c, "|");
        (void)json_array_append_new(choices, json_stringn(c, n));
        c += n + (c[n] == '|');
    }
    return json_pack("{s:s, s:o}", "type", "string", "enum", choices);
}

static json_t *parameters_of(const struct tb_route *r)
{
    json_t *list = json_array();
    for (const char *p = strchr(r->path, '{'); p; p = strchr(p + 1, '{'))
        (void)json_array_append_new(list, path_parameter(p + 1, strcspn(p + 1, "}")));
    for (size_t i = 0; i < tb_n_queries; i++)
        if (!strcmp(tb_queries[i].handler, r->name))
            (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "name",
                                                        tb_queries[i].name, "in", "query",
                                                        "description", tb_queries[i].summary,
                                                        "schema", query_schema(&tb_queries[i])));
    if (r->flags & TB_NEEDS_IF_MATCH)
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s, s:b, s:{s:s}}", "name", "If-Match", "in",
                                              "header", "required", 1, "schema", "type", "string"));
    return list;
}

static json_t *body_of(const struct tb_route *r)
{
    json_t *content = json_object();
    switch (r->body) {
    case TB_CARRIES_NONE:
        json_decref(content);
        return NULL;
    case TB_CARRIES_MERGE:
        (void)json_object_set_new(content, "application/merge-patch+json",
                                  json_pack("{s:o}", "schema", ref(r->request_schema)));
        (void)json_object_set_new(content, "application/json",
                                  json_pack("{s:o}", "schema", ref(r->request_schema)));
        break;
    case TB_CARRIES_JSON:
        (void)json_object_set_new(content, "application/json",
                                  json_pack("{s:o}", "schema", ref(r->request_schema)));
        break;
    case TB_CARRIES_IMPORT:
        (void)json_object_set_new(content, "application/json", json_object());
        (void)json_object_set_new(content, "application/octet-stream", json_object());
        break;
    case TB_CARRIES_MODEL:
    case TB_CARRIES_RECORDING:
        (void)json_object_set_new(content, "application/octet-stream", json_object());
        break;
    case TB_CARRIES_FILE:
        (void)json_object_set_new(content, "application/vnd.sqlite3", json_object());
        (void)json_object_set_new(content, "application/octet-stream", json_object());
        break;
    }
    return json_pack("{s:b, s:o}", "required", 1, "content", content);
}

/* An export is a file in one of two forms; a benchmark too. */
static void add_other_form(const struct tb_route *r, json_t *content)
{
    if (!strcmp(r->response_schema, "Export"))
        (void)json_object_set_new(content, "application/octet-stream", json_object());
    if (!strcmp(r->response_schema, "BenchmarkResult"))
        (void)json_object_set_new(content, "text/csv", json_object());
}

static json_t *responses_of(const struct tb_route *r)
{
    char status[8];
    json_t *responses = json_object(), *success = json_pack("{s:s}", "description", r->summary);
    (void)snprintf(status, sizeof status, "%u", r->status);
    if (r->response_schema[0]) {
        json_t *content = content_of(r->response_schema, "application/json");
        add_other_form(r, content);
        (void)json_object_set_new(success, "content", content);
    }
    (void)json_object_set_new(responses, status, success);
    if (!strcmp(r->name, "patch_get"))
        (void)json_object_set_new(responses, "304",
                                  json_pack("{s:s}", "description", "Not modified"));
    if (!strcmp(r->name, "model_create") || !strcmp(r->name, "training_keep"))
        (void)json_object_set_new(responses, "200",
                                  json_pack("{s:s, s:o}", "description", "It is there already",
                                            "content", content_of("Model", "application/json")));
    (void)json_object_set_new(responses, "default",
                              json_pack("{s:s, s:o}", "description", "What was wrong", "content",
                                        content_of("Problem", "application/problem+json")));
    return responses;
}

static json_t *operation_of(const struct tb_route *r)
{
    static const char *const roles[] = {"open", "read", "play", "admin"};
    json_t *operation = json_pack("{s:s, s:s, s:s, s:o, s:o}", "operationId", r->name, "summary",
                                  r->summary, "x-role", roles[r->role], "parameters",
                                  parameters_of(r), "responses", responses_of(r));
    json_t *body = body_of(r);
    if (body)
        (void)json_object_set_new(operation, "requestBody", body);
    if (r->role == TB_ROLE_OPEN)
        (void)json_object_set_new(operation, "security", json_array());
    return operation;
}

static json_t *paths(void)
{
    static const char *const methods[] = {"get", "post", "put", "patch", "delete"};
    json_t *paths = json_object();
    for (size_t i = 0; i < tb_n_routes; i++) {
        const struct tb_route *r = &tb_routes[i];
        json_t *path = json_object_get(paths, r->path);
        if (!path) {
            path = json_object();
            (void)json_object_set_new(paths, r->path, path);
        }
        (void)json_object_set_new(path, methods[r->method], operation_of(r));
    }
    return paths;
}

/* {key: {type, minimum, maximum}} of all parameters, or of those of a patch. */
static json_t *values_schema(bool patch_only)
{
    json_t *properties = json_object();
    for (size_t i = 0; i < TB_N_PARAMS; i++) {
        const struct tb_param_info *p = &tb_params[i];
        bool whole = p->scale != TB_SCALE_LINEAR && p->scale != TB_SCALE_LOG;
        if (patch_only && p->owner != TB_OWNER_PATCH)
            continue;
        (void)json_object_set_new(properties, p->key,
                                  json_pack("{s:s, s:f, s:f, s:s}", "type",
                                            whole ? "integer" : "number", "minimum", p->min,
                                            "maximum", p->max, "description", p->help));
    }
    json_t *schema = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
                               "additionalProperties", 0);
    if (patch_only)
        (void)json_object_set_new(
            schema, "patternProperties",
            json_pack("{s:{s:s, s:i, s:i, s:s}}", "^dx7\\.name\\.([1-9]|10)$", "type", "integer",
                      "minimum", 0, "maximum", 127, "description",
                      "A character of the DX7's display, where the name cannot say it"));
    return schema;
}

json_t *tb_openapi(void)
{
    json_t *schemas = json_loadb((const char *)tb_schemas_json, tb_schemas_json_size, 0, NULL);
    if (!schemas)
        return NULL;
    (void)json_object_set_new(schemas, "StateValues", values_schema(false));
    (void)json_object_set_new(schemas, "PatchValues", values_schema(true));
    return json_pack(
        "{s:s, s:{s:s, s:s, s:{s:s, s:s}}, s:[{s:s}], s:[{s:[]}], s:o, s:{s:{s:{s:s, s:s}}, s:o}}",
        "openapi", "3.1.0", "info", "title", "timbred", "version", TB_VERSION, "license", "name",
        "GPL-3.0-or-later", "identifier", "GPL-3.0-or-later", "servers", "url", TB_API, "security",
        "token", "paths", paths(), "components", "securitySchemes", "token", "type", "http",
        "scheme", "bearer", "schemas", schemas);
}
