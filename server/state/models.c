/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/state/models.h"

#include "server/api/ws.h"
#include "server/formats/model_files.h"
#include "server/formats/model_json.h"
#include "server/log.h"
#include "server/state/control.h"
#include "server/state/jobs.h"
#include "server/state/loader.h"
#include "server/state/store_thread.h"
#include "server/web/thread.h"
#include "server/web/upload.h"
#include "server/web/web.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHECK_TIMEOUT_S = 60 };

struct tb_models {
    struct tb_web *web;
    pthread_mutex_t checking; /* one job of a kind at a time */
    pthread_mutex_t mutex;    /* of what follows */
    pthread_cond_t cond;
    bool wanted;
    _Atomic bool stop;
    pthread_t thread;
    bool started;
};

/* ---- start and stop */

static enum tb_status prune(struct tb_web *web, struct tb_store *store, struct tb_error *err)
{
    size_t n = 0;
    enum tb_status status = tb_store_begin(store, err);
    if (status != TB_OK)
        return status;
    status = tb_model_files_prune(web->config.state_dir, web->config.zoo, store, &n, err);
    if (status == TB_OK)
        status = tb_store_commit(store, err);
    else
        tb_store_rollback(store);
    if (status == TB_OK && n > 0)
        tb_log("models: %zu without their files are forgotten", n);
    return status;
}

struct tb_models *tb_models_new(struct tb_web *web, struct tb_store *store, struct tb_error *err)
{
    struct tb_models *models = calloc(1, sizeof *models);
    if (!models || pthread_mutex_init(&models->checking, NULL) ||
        pthread_mutex_init(&models->mutex, NULL) || pthread_cond_init(&models->cond, NULL)) {
        free(models);
        (void)tb_fail(err, TB_ENOMEM, "no memory for models");
        return NULL;
    }
    models->web = web;
    models->wanted = true;
    struct tb_error fault;
    if (tb_model_files_open(web->config.state_dir, store, &fault) != TB_OK ||
        prune(web, store, &fault) != TB_OK)
        tb_log("%s", fault.text); /* a full disk must not keep it from playing */
    return models;
}

static void *models_main(void *arg)
{
    struct tb_models *models = arg;
    for (;;) {
        (void)pthread_mutex_lock(&models->mutex);
        while (!models->wanted && !atomic_load(&models->stop))
            (void)pthread_cond_wait(&models->cond, &models->mutex);
        models->wanted = false;
        (void)pthread_mutex_unlock(&models->mutex);
        if (atomic_load(&models->stop))
            return NULL;
        tb_models_scan(models->web, &models->stop);
    }
}

enum tb_status tb_models_start(struct tb_models *models, struct tb_error *err)
{
    enum tb_status status = tb_thread_start(&models->thread, "models", models_main, models, err);
    models->started = status == TB_OK;
    return status;
}

void tb_models_rescan(struct tb_models *models)
{
    (void)pthread_mutex_lock(&models->mutex);
    models->wanted = true;
    (void)pthread_cond_signal(&models->cond);
    (void)pthread_mutex_unlock(&models->mutex);
}

void tb_models_stop(struct tb_models *models)
{
    if (!models || !models->started)
        return;
    atomic_store(&models->stop, true);
    tb_models_rescan(models); /* wakes it */
    (void)pthread_join(models->thread, NULL);
    models->started = false;
}

void tb_models_free(struct tb_models *models)
{
    if (!models)
        return;
    tb_models_stop(models);
    (void)pthread_cond_destroy(&models->cond);
    (void)pthread_mutex_destroy(&models->mutex);
    (void)pthread_mutex_destroy(&models->checking);
    free(models);
}

/* ---- checks */

enum tb_status tb_models_check(struct tb_models *models, int fd, const char *shipped,
                               struct tb_model *model, struct tb_error *err)
{
    struct tb_job job = {.kind = TB_JOB_MODEL, .file = fd, .timeout_s = CHECK_TIMEOUT_S};
    int result = -1;
    (void)pthread_mutex_lock(&models->checking);
    enum tb_status status = tb_job_run(models->web->jobs, &job, &result, err);
    (void)pthread_mutex_unlock(&models->checking);
    if (status != TB_OK)
        return status;
    json_t *json = tb_job_json(result);
    (void)close(result);
    status = json ? tb_model_from_check(json, shipped, model, err)
                  : tb_fail(err, TB_EIO, "model: the check told nothing");
    json_decref(json);
    return status;
}

enum tb_status tb_models_check_upload(struct tb_models *models, struct tb_upload *upload,
                                      struct tb_error *err)
{
    if (upload->size == 0)
        return tb_fail(err, TB_EINVAL, "body: empty, a model file is needed");
    enum tb_status status = tb_upload_finish(upload, err);
    int fd = status == TB_OK ? open(upload->path, O_RDONLY | O_CLOEXEC) : -1;
    if (status == TB_OK && fd < 0)
        status = tb_fail(err, TB_EIO, "model: %s", strerror(errno));
    if (status == TB_OK)
        status = tb_models_check(models, fd, NULL, &upload->model, err);
    if (fd >= 0)
        (void)close(fd);
    if (status == TB_OK && strcmp(upload->model.sha256, upload->sha256) != 0)
        status = tb_fail(err, TB_EIO, "model: the disk returned other bytes");
    return status;
}

int tb_models_open(struct tb_web *web, const struct tb_model *model, struct tb_error *err)
{
    return tb_model_files_read(web->config.state_dir, web->config.zoo, model, err);
}

/* ---- rows with files, on the store thread */

/* A file of the zoo has one row, whatever uuid it says now. */
static enum tb_status forget_file(struct tb_store *store, const struct tb_model *model,
                                  struct tb_error *err)
{
    struct tb_model *all;
    size_t n;
    enum tb_status status = tb_model_list(store, &(struct tb_model_query){0}, &all, &n, NULL, err);
    if (status != TB_OK)
        return status;
    for (size_t i = 0; i < n && status == TB_OK; i++)
        if (model->factory[0] && strcmp(all[i].factory, model->factory) == 0 &&
            strcmp(all[i].uuid, model->uuid) != 0)
            status = tb_model_delete(store, all[i].uuid, err);
    free(all);
    return status;
}

static void name_effect(struct tb_effect *effect, enum tb_effect_kind kind,
                        const struct tb_model *model)
{
    effect->kind = kind;
    memcpy(effect->model.uuid, model->uuid, sizeof effect->model.uuid);
    memcpy(effect->model.sha256, model->sha256, sizeof effect->model.sha256);
    memcpy(effect->model.name, model->name, sizeof effect->model.name);
}

static enum tb_status check_place(const struct tb_model *there, const struct tb_model *model,
                                  bool replace, struct tb_error *err)
{
    if (there->factory[0] && !model->factory[0])
        return tb_fail(err, TB_ECONFLICT, "uuid: %.60s is a factory model, which stays",
                       there->name);
    if (!replace)
        return tb_fail(err, TB_ECONFLICT,
                       "uuid: %.60s is here in another version; ?replace=true puts this one in "
                       "its place",
                       there->name);
    return TB_OK;
}

/* The same weights are there already, and need no second row. */
static bool is_there(struct tb_store *store, const struct tb_model *model, struct tb_model *there,
                     enum tb_status *status, struct tb_error *err)
{
    struct tb_model_ref same = {0};
    memcpy(same.sha256, model->sha256, sizeof same.sha256);
    *status = tb_model_find(store, &same, there, err);
    bool moves = model->factory[0] && strcmp(there->factory, model->factory) != 0;
    if (*status == TB_OK && !moves)
        return true;
    if (*status == TB_ENOTFOUND)
        *status = TB_OK;
    return false;
}

enum tb_status tb_models_add(struct tb_web *web, struct tb_store *store,
                             struct tb_models_addition *addition, struct tb_effect *effect,
                             struct tb_error *err)
{
    const char *directory = web->config.state_dir;
    struct tb_model there, *model = addition->model;
    enum tb_status status;
    addition->added = TB_MODELS_THERE;
    if (is_there(store, model, &there, &status, err)) {
        *model = there;
        return TB_OK;
    }
    if (status == TB_OK)
        status = forget_file(store, model, err);
    if (status != TB_OK)
        return status;
    status = tb_model_read(store, model->uuid, &there, err);
    bool known = status == TB_OK;
    if (status == TB_ENOTFOUND)
        status = TB_OK;
    if (known)
        status = check_place(&there, model, addition->replace, err);
    if (status == TB_OK && addition->path[0])
        status = tb_model_files_keep(directory, addition->path, model->sha256, err);
    if (status != TB_OK)
        return status;
    addition->path[0] = '\0';
    name_effect(effect, TB_EFFECT_MODEL_ADDED, model);
    if (known && !there.factory[0] &&
        (model->factory[0] || strcmp(there.sha256, model->sha256) != 0)) {
        memcpy(effect->replaced, there.sha256, sizeof effect->replaced);
        tb_model_files_set_aside(directory, there.sha256);
    }
    addition->added = known ? TB_MODELS_REPLACED : TB_MODELS_NEW;
    model->created = known ? there.created : 0;
    return known ? tb_model_replace(store, model, err) : tb_model_add(store, model, err);
}

enum tb_status tb_models_remove(struct tb_web *web, struct tb_store *store, const char *uuid,
                                struct tb_effect *effect, struct tb_error *err)
{
    struct tb_model model;
    enum tb_status status = tb_model_read(store, uuid, &model, err);
    if (status == TB_OK && model.factory[0])
        status =
            tb_fail(err, TB_ECONFLICT, "model: %.60s is a factory model, which stays", model.name);
    if (status == TB_OK)
        status = tb_model_delete(store, uuid, err);
    if (status != TB_OK)
        return status;
    name_effect(effect, TB_EFFECT_MODEL_DELETED, &model);
    tb_model_files_set_aside(web->config.state_dir, model.sha256);
    return TB_OK;
}

static void announce(struct tb_web *web, const char *change, const char *uuid)
{
    tb_ws_broadcast(web->ws, TB_TOPIC_MODELS,
                    json_pack("{s:s, s:s, s:s}", "type", "models", "change", change, "uuid", uuid),
                    0);
}

void tb_models_apply(struct tb_web *web, const struct tb_effect *effect)
{
    const char *directory = web->config.state_dir;
    if (effect->kind == TB_EFFECT_MODEL_DELETED) {
        tb_model_files_drop_aside(directory, effect->model.sha256);
        announce(web, "deleted", effect->model.uuid);
        return;
    }
    if (effect->replaced[0])
        tb_model_files_drop_aside(directory, effect->replaced);
    announce(web, effect->replaced[0] ? "updated" : "created", effect->model.uuid);
    tb_load_missing(web, &effect->model);
}

void tb_models_undo(struct tb_web *web, const struct tb_effect *effect)
{
    const char *directory = web->config.state_dir;
    struct tb_model_ref ref = {0};
    struct tb_model model;
    if (effect->kind == TB_EFFECT_MODEL_DELETED)
        tb_model_files_take_back(directory, effect->model.sha256);
    if (effect->kind != TB_EFFECT_MODEL_ADDED)
        return;
    if (effect->replaced[0])
        tb_model_files_take_back(directory, effect->replaced);
    memcpy(ref.sha256, effect->model.sha256, sizeof ref.sha256);
    if (tb_model_find(tb_writer_store(web->writer), &ref, &model, NULL) == TB_ENOTFOUND)
        tb_model_files_drop(directory, effect->model.sha256);
}

/* ---- other threads' changes */

struct errand {
    struct tb_task task; /* first */
    struct tb_web *web;
    tb_models_errand *fn;
    void *context;
    struct tb_effect effect;
    struct tb_error err;
    enum tb_status status;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done;
};

static bool run_errand(struct tb_task *task, struct tb_store *store)
{
    struct errand *e = (struct errand *)task;
    e->status = e->fn(e->web, store, e->context, &e->effect, &e->err);
    return e->status == TB_OK;
}

static void errand_done(struct tb_task *task, enum tb_status status, const struct tb_error *err)
{
    struct errand *e = (struct errand *)task;
    if (status != TB_OK && e->status == TB_OK) {
        e->status = status;
        e->err = *err;
    }
    if (e->status == TB_OK)
        tb_effect_apply(e->web, &e->effect);
    else
        tb_effect_undo(e->web, &e->effect);
    (void)pthread_mutex_lock(&e->mutex);
    e->done = true;
    (void)pthread_cond_signal(&e->cond);
    (void)pthread_mutex_unlock(&e->mutex);
}

enum tb_status tb_models_in_store(struct tb_web *web, tb_models_errand *fn, void *context,
                                  struct tb_error *err)
{
    struct errand e = {.task = {.run = run_errand, .done = errand_done},
                       .web = web,
                       .fn = fn,
                       .context = context,
                       .mutex = PTHREAD_MUTEX_INITIALIZER,
                       .cond = PTHREAD_COND_INITIALIZER};
    enum tb_status status = tb_writer_submit(web->writer, &e.task, SIZE_MAX);
    if (status != TB_OK)
        return tb_fail(err, TB_EIO, "the service is stopping");
    (void)pthread_mutex_lock(&e.mutex);
    while (!e.done)
        (void)pthread_cond_wait(&e.cond, &e.mutex);
    (void)pthread_mutex_unlock(&e.mutex);
    if (e.status != TB_OK && err)
        *err = e.err;
    return e.status;
}
