/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/trainings_priv.h"

#include "server/state/jobs.h"
#include "server/train/sets.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CLIPS = 2 }; /* of the workers, TB_POOL_MAX */

/* ---- as clients see them */

/* The curve of one that does not run lies in its log. */
static json_t *old_history(struct tb_trainings *t, const char *uuid)
{
    char log[TB_TRAINING_PATH];
    struct tb_training_history *history = malloc(sizeof *history);
    json_t *list = NULL;
    if (history) {
        tb_training_path(log, tb_trainings_state(t), TB_TRAINING_RUNS, uuid, "work/log.jsonl");
        json_decref(tb_training_history_read(history, log));
        list = tb_training_history_json(history);
    }
    free(history);
    return list ? list : json_array();
}

static json_t *clips_of(struct tb_trainings *t, const json_t *about)
{
    json_t *set = tb_training_read(tb_trainings_state(t), TB_TRAINING_SETS,
                                   tb_training_text(about, "dataset"), NULL);
    json_t *clips = json_incref(json_object_get(set, "clips"));
    json_decref(set);
    return clips ? clips : json_array();
}

json_t *tb_training_json(struct tb_trainings *t, const char *uuid, bool whole, struct tb_error *err)
{
    json_t *about = NULL, *live = NULL, *history = NULL;
    (void)pthread_mutex_lock(&t->mutex);
    if (t->running && !strcmp(t->uuid, uuid)) {
        about = json_copy(t->about);
        live = json_copy(t->live);
        history = whole ? tb_training_history_json(&t->history) : NULL;
    }
    (void)pthread_mutex_unlock(&t->mutex);
    if (!about)
        about = tb_training_read(tb_trainings_state(t), TB_TRAINING_RUNS, uuid, err);
    if (!about)
        return NULL;
    if (!live) {
        const double share = tb_training_number(about, "spent_s") /
                             fmax(1, 60 * tb_training_number(about, "minutes"));
        live =
            json_pack("{s:f, s:f, s:n}", "progress", fmin(share, 1), "steps_per_s", 0.0, "left_s");
    }
    (void)json_object_update(about, live);
    json_decref(live);
    (void)json_object_set_new(about, "uuid", json_string(uuid));
    (void)json_object_del(about, "threads");
    (void)json_object_del(about, "end");
    if (whole) {
        (void)json_object_set_new(about, "history", history ? history : old_history(t, uuid));
        (void)json_object_set_new(about, "clips", clips_of(t, about));
    }
    return about;
}

static json_t *item(void *t, const char *uuid)
{
    struct tb_error fault;
    return tb_training_json(t, uuid, false, &fault);
}

json_t *tb_trainings_json(struct tb_trainings *t, struct tb_error *err)
{
    return tb_training_items(tb_trainings_state(t), TB_TRAINING_RUNS, item, t, err);
}

enum tb_status tb_training_note(struct tb_trainings *t, const char *uuid, const json_t *members,
                                struct tb_error *err)
{
    json_t *about = NULL;
    (void)pthread_mutex_lock(&t->mutex);
    if (t->running && !strcmp(t->uuid, uuid))
        about = json_incref(t->about);
    else
        about = tb_training_read(tb_trainings_state(t), TB_TRAINING_RUNS, uuid, err);
    enum tb_status status = about ? TB_OK : err->status;
    json_t *wanted = json_deep_copy(members);
    (void)json_object_update(about, wanted);
    json_decref(wanted);
    if (status == TB_OK)
        status = tb_training_write(tb_trainings_state(t), TB_TRAINING_RUNS, uuid, about, err);
    json_decref(about);
    (void)pthread_mutex_unlock(&t->mutex);
    return status;
}

/* ---- what short jobs make */

/* One at a time: the first to come keeps the machine busy anyway. Few wait, since each has a worker
 * that others want. */
static enum tb_status run(struct tb_trainings *t, const struct tb_train_request *request,
                          const json_t *spec, int *fd, struct tb_error *err)
{
    enum tb_status status = TB_OK;
    if (atomic_fetch_add(&t->n_clips, 1) >= MOST_CLIPS) {
        status = tb_fail(err, TB_ENOMEM, "training: other clips are being made, try again soon");
    } else {
        (void)pthread_mutex_lock(&t->clips);
        status = tb_job_run_training(t->web->jobs, request, spec, fd, err);
        (void)pthread_mutex_unlock(&t->clips);
    }
    (void)atomic_fetch_sub(&t->n_clips, 1);
    return status;
}

/* The clip with this index, of those that are offered. */
static const json_t *find_clip(const json_t *clips, unsigned index)
{
    const json_t *clip;
    size_t i;
    json_array_foreach(clips, i, clip)
    {
        if (json_integer_value(json_object_get(clip, "index")) == (json_int_t)index)
            return clip;
    }
    return NULL;
}

enum tb_status tb_training_clip(struct tb_trainings *t, const char *uuid, unsigned index,
                                bool of_model, int *fd, struct tb_error *err)
{
    struct tb_train_request request = {.task = TB_TRAIN_CLIP};
    json_t *about = tb_training_json(t, uuid, false, err);
    if (!about)
        return err->status;
    json_t *clips = clips_of(t, about);
    const json_t *clip = find_clip(clips, index);
    json_t *spec = json_pack("{s:s, s:I, s:s}", "of", of_model ? "model" : "original", "index",
                             (json_int_t)index, "split", tb_training_text(clip, "split"));
    (void)snprintf(request.set, sizeof request.set, "%s", tb_training_text(about, "dataset"));
    (void)snprintf(request.run, sizeof request.run, "%s", uuid);
    enum tb_status status = TB_OK;
    if (json_array_size(clips) == 0)
        status = tb_fail(err, TB_ECONFLICT, "dataset: it is not prepared");
    else if (!clip)
        status = tb_fail(err, TB_ENOTFOUND, "clip: none with the number %u is held out", index);
    if (status == TB_OK)
        status = run(t, &request, spec, fd, err);
    json_decref(spec);
    json_decref(clips);
    json_decref(about);
    return status;
}

enum tb_status tb_training_model(struct tb_trainings *t, const char *uuid, const json_t *members,
                                 int *fd, struct tb_error *err)
{
    struct tb_train_request request = {.task = TB_TRAIN_KEEP};
    json_t *about = tb_training_json(t, uuid, false, err);
    if (!about)
        return err->status;
    json_t *clips = clips_of(t, about);
    if (json_array_size(clips) > 0) /* its data set is still there, to correct loudness on */
        (void)snprintf(request.set, sizeof request.set, "%s", tb_training_text(about, "dataset"));
    json_decref(clips);
    json_decref(about);
    (void)snprintf(request.run, sizeof request.run, "%s", uuid);
    return run(t, &request, members, fd, err);
}
