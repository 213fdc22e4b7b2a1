/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/state/loader.h"

#include "server/formats/model_json.h"
#include "server/log.h"
#include "server/state/control.h"
#include "server/state/link_client.h"
#include "server/state/models.h"
#include "server/web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Preparing waits for the disk, a hash, and packing: a second and a half for 16 MiB on a small
 * device. TRIES: the rate of the device may change between preparing and loading. */
enum { PREPARE_MS = 30000, TRIES = 3 };

/* ---- models */

static bool has_models(const struct tb_model_ref models[2])
{
    return models[0].uuid[0] || models[1].uuid[0];
}

static enum tb_status check_cost(struct tb_store *store, const struct tb_model *model,
                                 struct tb_error *err)
{
    char why[160];
    struct tb_model *all;
    size_t n;
    double share;
    if (tb_model_voices(model, &share) > 0)
        return TB_OK;
    enum tb_status status = tb_model_list(store, &(struct tb_model_query){0}, &all, &n, NULL, err);
    if (status != TB_OK)
        return status;
    tb_model_why(model, all, n, why, sizeof why);
    free(all);
    return tb_fail(err, TB_ECONFLICT, "model: %.50s is too much for this device: %.90s",
                   model->name, why);
}

/* The audio role opens nothing: it gets the file's descriptor. */
static enum tb_status hand_over(struct tb_web *web, const struct tb_model *model,
                                struct tb_error *err)
{
    int fd = tb_models_open(web, model, err);
    if (fd < 0)
        return err->status;
    struct tb_link_question question = {.type = TB_LINK_MODEL,
                                        .payload = model->sha256,
                                        .size = sizeof model->sha256,
                                        .fd = fd,
                                        .timeout_ms = PREPARE_MS};
    enum tb_status status = tb_link_ask(web->link, &question, NULL, err);
    (void)close(fd);
    return status;
}

static enum tb_status prepare_one(struct tb_web *web, struct tb_store *store,
                                  const struct tb_model_ref *wanted, bool force,
                                  struct tb_model_ref *found, struct tb_error *err)
{
    struct tb_model model;
    enum tb_status status = tb_model_find(store, wanted, &model, err);
    if (status == TB_OK && !force)
        status = check_cost(store, &model, err);
    if (status == TB_OK)
        status = hand_over(web, &model, err);
    if (status == TB_ENOTFOUND) /* the patch is there, its model is not */
        status = err->status = TB_ECONFLICT;
    if (status != TB_OK)
        return status;
    memcpy(found->uuid, model.uuid, sizeof found->uuid);
    memcpy(found->sha256, model.sha256, sizeof found->sha256);
    memcpy(found->name, model.name, sizeof found->name);
    return TB_OK;
}

enum tb_status tb_load_prepare(struct tb_web *web, struct tb_store *store,
                               const struct tb_model_ref wanted[2], bool force,
                               struct tb_model_ref found[2], struct tb_error *err)
{
    enum tb_status status = TB_OK;
    memset(found, 0, 2 * sizeof *found);
    for (int i = 0; i < 2 && status == TB_OK; i++)
        if (wanted[i].uuid[0])
            status = prepare_one(web, store, &wanted[i], force, &found[i], err);
    if (status == TB_OK && found[1].uuid[0] && strcmp(found[0].sha256, found[1].sha256) == 0)
        memset(&found[1], 0, sizeof found[1]); /* A against itself is A */
    return status;
}

void tb_load_gather(struct tb_web *web, struct tb_store *store, struct tb_model_ref models[2],
                    bool missing[2])
{
    for (int i = 0; i < 2; i++) {
        struct tb_model_ref wanted[2] = {{"", "", ""}, {"", "", ""}}, found[2];
        struct tb_error err;
        missing[i] = false;
        wanted[0] = models[i];
        if (!wanted[0].uuid[0])
            continue;
        missing[i] = tb_load_prepare(web, store, wanted, true, found, &err) != TB_OK;
        if (missing[i])
            tb_log("%s", err.text);
        else
            models[i] = found[0];
    }
}

enum tb_status tb_load_models(struct tb_web *web, struct tb_store *store,
                              const struct tb_model_choice *choice, struct tb_error *err)
{
    struct tb_model_ref wanted[2], found[2];
    enum tb_status status = TB_OK;
    tb_control_get_models(web->control, false, wanted, NULL);
    for (int i = 0; i < 2 && status == TB_OK; i++) {
        struct tb_model model;
        if (!choice->given[i])
            continue;
        memset(&wanted[i], 0, sizeof wanted[i]);
        memcpy(wanted[i].uuid, choice->uuid[i], TB_UUID);
        if (choice->uuid[i][0]) /* 404, not the 409 of a patch that names it */
            status = tb_model_read(store, choice->uuid[i], &model, err);
    }
    for (int i = 0; i < TRIES; i++) {
        if (status == TB_OK)
            status = tb_load_prepare(web, store, wanted, choice->force, found, err);
        if (status != TB_OK)
            return status;
        status = tb_control_models(web->control, found, true, err);
        if (status != TB_ECONFLICT)
            return status;
        status = i + 1 < TRIES ? TB_OK : TB_ECONFLICT;
    }
    return status;
}

/* ---- patches */

enum tb_status tb_load_patch(struct tb_web *web, struct tb_store *store, const char *uuid,
                             bool may_wait, struct tb_error *err)
{
    struct tb_patch patch = {0};
    struct tb_model_ref found[2] = {{"", "", ""}, {"", "", ""}};
    enum tb_status status = tb_patch_read(store, uuid, &patch, err);
    bool models = status == TB_OK && has_models(patch.models);
    if (models && !may_wait)
        status = tb_fail(err, TB_EUNSUPPORTED, "patch: its models take time");
    for (int i = 0; i < TRIES && status == TB_OK; i++) {
        if (models)
            status = tb_load_prepare(web, store, patch.models, false, found, err);
        if (status != TB_OK)
            break;
        status = tb_control_load(web->control, &patch, found, err);
        if (status != TB_ECONFLICT || !models)
            break;
        status = i + 1 < TRIES ? TB_OK : TB_ECONFLICT;
    }
    tb_patch_clear(&patch);
    return status;
}

enum tb_status tb_load_program(struct tb_web *web, struct tb_store *store, uint32_t bank,
                               uint32_t program, struct tb_error *err)
{
    char uuid[TB_UUID];
    enum tb_status status = tb_bank_program(store, bank, program, uuid, err);
    return status == TB_OK ? tb_load_patch(web, store, uuid, true, err) : status;
}

/* ---- undo */

static enum tb_status go(struct tb_web *web, struct tb_store *store, struct tb_way *way,
                         struct tb_error *err)
{
    struct tb_patch patch = {0};
    enum tb_status status =
        way->uuid[0] ? tb_patch_read(store, way->uuid, &patch, err) : TB_ENOTFOUND;
    if (status == TB_OK || status == TB_ENOTFOUND) { /* deleted meanwhile: without a patch */
        tb_load_gather(web, store, way->models, way->missing);
        status = tb_control_go(web->control, way, status == TB_OK ? &patch : NULL, err);
    }
    tb_patch_clear(&patch);
    return status;
}

enum tb_status tb_load_travel(struct tb_web *web, struct tb_store *store, bool back, bool may_wait,
                              struct tb_error *err)
{
    enum tb_status status = TB_ECONFLICT;
    for (int i = 0; i < TRIES && status == TB_ECONFLICT; i++) {
        struct tb_way way;
        if (!tb_control_way(web->control, back, &way))
            return tb_control_travel(web->control, back, err);
        if (has_models(way.models) && !may_wait)
            return tb_fail(err, TB_EUNSUPPORTED, "undo: models take time");
        status = go(web, store, &way, err);
    }
    return status;
}

/* ---- comparison */

bool tb_load_compare_waits(struct tb_web *web)
{
    struct tb_model_ref mine[2], saved[2];
    tb_control_get_models(web->control, false, mine, NULL);
    tb_control_get_models(web->control, true, saved, NULL);
    return has_models(mine) || has_models(saved);
}

enum tb_status tb_load_compare(struct tb_web *web, struct tb_store *store, bool on,
                               struct tb_error *err)
{
    struct tb_model_ref mine[2], saved[2], found[2];
    bool missing[2];
    tb_control_get_models(web->control, false, mine, missing);
    tb_control_get_models(web->control, true, saved, NULL);
    for (int i = 0; i < 2; i++)
        if (missing[i])
            memset(&mine[i], 0, sizeof mine[i]);
    enum tb_status status = tb_load_prepare(web, store, on ? saved : mine, true, found, err);
    if (status == TB_OK)
        status = tb_control_compare(web->control, on, on ? found : mine, err);
    /* An edit ends a comparison at once, and has no time to prepare anything. */
    if (status == TB_OK && on) {
        struct tb_error ignored;
        (void)tb_load_prepare(web, store, mine, true, found, &ignored);
    }
    return status;
}
