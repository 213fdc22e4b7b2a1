/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/params.h"
#include "server/api/status.h"
#include "server/formats/model_fm.h"
#include "server/offline/machine.h"
#include "server/web/http.h"
#include "server/web/route.h"
#include "server/web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

enum { LOW_DISK_BYTES = 16 << 20 };

void tb_api_root(struct tb_request *request)
{
    json_t *object = json_object();
    for (size_t i = 0; i < tb_n_routes && object; i++) { /* the first of each group */
        char name[32];
        const char *path = tb_routes[i].path + 1;
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(path, "/"), path);
        if (name[0] && !strchr(path, '{') && !json_object_get(object, name))
            (void)json_object_set_new(object, name, json_sprintf(TB_API "/%s", path));
    }
    tb_answer_json(
        request, 200,
        json_pack("{s:s, s:s, s:o}", "name", "timbred", "version", TB_VERSION, "links", object));
}

void tb_api_status(struct tb_request *request)
{
    tb_answer_json(request, 200, tb_status_json(request->web));
}

void tb_api_about(struct tb_request *request)
{
    tb_answer_json(request, 200,
                   json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", "timbred", "version", TB_VERSION,
                             "licence", "GPL-3.0-or-later", "support_until", TB_SUPPORT_UNTIL,
                             "libraries", tb_machine_versions()));
}

void tb_api_health(struct tb_request *request)
{
    struct tb_web *web = request->web;
    struct statvfs disk;
    const struct tb_store_report *report = &web->report;
    bool audio = atomic_load(&web->shm->audio.state) == TB_DEVICE_RUNNING;
    bool space = statvfs(web->config.state_dir, &disk) != 0 ||
                 (uint64_t)disk.f_bavail * disk.f_frsize >= LOW_DISK_BYTES;
    bool store = !report->quarantined && !report->lost;
    json_t *checks =
        json_pack("{s:s, s:s, s:s}", "audio", audio ? "ok" : "no sound device is running", "disk",
                  space ? "ok" : "less than 16 MiB are free", "store",
                  store              ? "ok"
                  : report->restored ? "was damaged; the newest backup took its place"
                                     : "was damaged or missing; there was no backup");
    tb_answer_json(request, 200,
                   json_pack("{s:s, s:o}", "status", audio && space && store ? "ok" : "degraded",
                             "checks", checks));
}

static const char *const scale_names[] = {"linear", "log", "int", "bool", "enum"};

/* "fm.op1" of "fm.op1.level". */
static json_t *group_of(const char *key)
{
    const char *dot = strrchr(key, '.');
    return json_stringn(key, dot ? (size_t)(dot - key) : strlen(key));
}

static json_t *param_json(const struct tb_param_info *p)
{
    json_t *json =
        json_pack("{s:s, s:o, s:s, s:s, s:s, s:f, s:f, s:f, s:s, s:s}", "key", p->key, "group",
                  group_of(p->key), "label", p->label, "help", p->help, "unit", p->unit, "min",
                  p->min, "max", p->max, "default", p->def, "scale", scale_names[p->scale], "owner",
                  p->owner == TB_OWNER_PATCH ? "patch" : "device");
    if (!json || !p->choices)
        return json;
    json_t *choices = json_array();
    for (const char *const *c = p->choices; *c; c++)
        (void)json_array_append_new(choices, json_string(*c));
    (void)json_object_set_new(json, "choices", choices);
    return json;
}

void tb_api_params(struct tb_request *request)
{
    json_t *params = json_array(), *algorithms = json_array();
    for (size_t i = 0; i < TB_N_PARAMS && params; i++)
        (void)json_array_append_new(params, param_json(&tb_params[i]));
    for (size_t i = 0; i < TB_N_ALGORITHMS && algorithms; i++)
        (void)json_array_append_new(algorithms, tb_algorithm_to_json(&tb_algorithms[i]));
    tb_answer_json(request, 200,
                   json_pack("{s:o, s:o}", "params", params, "algorithms", algorithms));
}

void tb_api_openapi(struct tb_request *request)
{
    tb_answer_json(request, 200, tb_openapi());
}
