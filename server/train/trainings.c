/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/trainings_priv.h"

#include "server/api/publish.h"
#include "server/api/ws.h"
#include "server/formats/patch_json.h"
#include "server/log.h"
#include "server/offline/job_wire.h"
#include "server/state/jobs.h"
#include "server/train/sets.h"
#include "server/web/thread.h"
#include "server/web/web.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 200, TELL_MS = 500, GRACE_MS = 15000, MAX_RUNS = 200, QUIET_MS = 5000 };
/* What a run may take on the disk: three files of five arrays each, and the models. */
enum { REDUCED_BYTES = 16 << 20, FULL_BYTES = 384 << 20, MOST_PREPARED_BYTES = 512 << 20 };

static void announce(struct tb_trainings *t, const char *change, const char *uuid)
{
    tb_ws_broadcast(
        t->web->ws, TB_TOPIC_JOBS,
        json_pack("{s:s, s:s, s:s}", "type", "trainings", "change", change, "uuid", uuid), 0);
}

/* ---- start and end of the service */

/* The curve so far. The log has a line every few seconds, about.json what was last told: whichever
 * knows of more time is right. Returns the last line, to be decref'd, or NULL. */
static json_t *read_history(struct tb_trainings *t, const char *uuid, const json_t *about,
                            struct tb_training_history *history)
{
    char log[TB_TRAINING_PATH];
    tb_training_path(log, tb_trainings_state(t), TB_TRAINING_RUNS, uuid, "work/log.jsonl");
    json_t *last = tb_training_history_read(history, log);
    history->spent_s = fmax(history->spent_s, tb_training_number(about, "spent_s"));
    return last;
}

/* The last that was logged is newer than what was saved. */
static void read_last(struct tb_trainings *t, const char *uuid, json_t *about)
{
    static const char *const members[] = {"step", "loss", "best", "best_step"};
    struct tb_training_history history;
    json_t *last = read_history(t, uuid, about, &history);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (json_is_number(json_object_get(last, members[i])))
            (void)json_object_set(about, members[i], json_object_get(last, members[i]));
    if (last)
        (void)json_object_set_new(about, "spent_s", json_real(history.spent_s));
    json_decref(last);
}

static void interrupt_old(struct tb_trainings *t, const char *uuid)
{
    struct tb_error err;
    json_t *about = tb_training_read(tb_trainings_state(t), TB_TRAINING_RUNS, uuid, &err);
    if (about && !strcmp(tb_training_text(about, "state"), "running")) {
        (void)json_object_set_new(about, "state", json_string("interrupted"));
        (void)json_object_set_new(about, "phase", json_null());
        (void)json_object_set_new(about, "detail", json_string("the service ended meanwhile"));
        read_last(t, uuid, about);
        if (tb_training_write(tb_trainings_state(t), TB_TRAINING_RUNS, uuid, about, &err) != TB_OK)
            tb_log("%s", err.text);
    }
    json_decref(about);
}

struct tb_trainings *tb_trainings_new(struct tb_web *web, struct tb_error *err)
{
    struct tb_trainings *t = calloc(1, sizeof *t);
    char(*uuids)[TB_UUID] = NULL;
    size_t n = 0;
    if (!t || pthread_mutex_init(&t->clips, NULL) || pthread_mutex_init(&t->orders, NULL) ||
        pthread_mutex_init(&t->mutex, NULL)) {
        free(t);
        (void)tb_fail(err, TB_ENOMEM, "no memory for trainings");
        return NULL;
    }
    t->web = web;
    (void)tb_training_list(tb_trainings_state(t), TB_TRAINING_RUNS, &uuids, &n, NULL);
    for (size_t i = 0; i < n; i++)
        interrupt_old(t, uuids[i]);
    free(uuids);
    return t;
}

void tb_trainings_free(struct tb_trainings *t)
{
    if (!t)
        return;
    if (t->has_thread)
        (void)pthread_join(t->thread, NULL);
    json_decref(t->about);
    json_decref(t->live);
    (void)pthread_mutex_destroy(&t->mutex);
    (void)pthread_mutex_destroy(&t->orders);
    (void)pthread_mutex_destroy(&t->clips);
    free(t);
}

/* ---- what is told while it runs; mutex held */

static json_t *live_json(const struct tb_trainings *t)
{
    static const char *const members[] = {"state", "detail",     "phase", "step",
                                          "loss",  "validation", "best"};
    json_t *message =
        json_pack("{s:s, s:s, s:s}", "type", "job", "id", t->uuid, "kind", "training");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        (void)json_object_set(message, members[i], json_object_get(t->about, members[i]));
    (void)json_object_update(message, t->live);
    return message;
}

static void tell(struct tb_trainings *t, bool now)
{
    int64_t time = tb_now_ns();
    if (!now && time - t->told_ns < TELL_MS * 1000000LL)
        return;
    t->told_ns = time;
    tb_ws_broadcast(t->web->ws, TB_TOPIC_JOBS, live_json(t), 0);
}

/* A full disk costs what would be remembered after a crash, not the training. */
static void save(struct tb_trainings *t)
{
    struct tb_error err;
    (void)json_object_set_new(t->about, "spent_s", json_real(t->history.spent_s));
    if (tb_training_write(tb_trainings_state(t), TB_TRAINING_RUNS, t->uuid, t->about, &err) !=
        TB_OK)
        tb_log("training: %s", err.text);
}

static void set_live(struct tb_trainings *t, double progress, double steps_per_s, double left_s)
{
    json_decref(t->live);
    t->live = json_pack("{s:f, s:f, s:o}", "progress", fmin(fmax(progress, 0), 1), "steps_per_s",
                        steps_per_s, "left_s", isfinite(left_s) ? json_real(left_s) : json_null());
}

static void set_phase(struct tb_trainings *t, const char *phase, const char *detail)
{
    (void)pthread_mutex_lock(&t->mutex);
    (void)json_object_set_new(t->about, "phase", json_string(phase));
    (void)json_object_set_new(t->about, "detail", json_string(detail));
    set_live(t, 0, 0, (double)NAN);
    tell(t, true);
    (void)pthread_mutex_unlock(&t->mutex);
}

static void take_report(struct tb_trainings *t, const json_t *report)
{
    static const char *const members[] = {"step", "loss", "best", "best_step"};
    tb_training_history_add(&t->history, report);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (json_is_number(json_object_get(report, members[i])))
            (void)json_object_set(t->about, members[i], json_object_get(report, members[i]));
    if (json_is_number(json_object_get(report, "validation")))
        (void)json_object_set(t->about, "validation", json_object_get(report, "validation"));
    (void)json_object_set_new(t->about, "spent_s", json_real(t->history.spent_s));
    set_live(t, t->history.spent_s / t->limit_s, tb_training_number(report, "steps_per_s"),
             fmax(0, t->limit_s - t->history.spent_s));
}

/* What the job says on its way. */
static void take_packet(struct tb_trainings *t, const json_t *packet)
{
    (void)pthread_mutex_lock(&t->mutex);
    const json_t *notice = json_object_get(packet, "notice"), *end = json_object_get(packet, "end");
    if (json_is_string(notice) || json_is_string(end)) {
        const char *text = json_string_value(notice ? notice : end);
        (void)json_object_set_new(t->about, "detail", json_string(text));
        if (end)
            (void)json_object_set_new(t->about, "end", json_string(text));
        tell(t, true);
    } else if (json_object_get(packet, "saved")) {
        save(t);
    } else if (json_object_get(packet, "progress")) {
        (void)json_object_set_new(t->about, "detail",
                                  json_string(tb_training_text(packet, "detail")));
        set_live(t, tb_training_number(packet, "progress"), 0, (double)NAN);
        tell(t, false);
    } else if (json_object_get(packet, "step")) {
        take_report(t, packet);
        tell(t, false);
    }
    (void)pthread_mutex_unlock(&t->mutex);
}

/* ---- the conversation with a job */

static void send_json(int socket, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    if (text)
        (void)send(socket, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    free(text);
    json_decref(json);
}

/* While something sounds one processor is left to it: the job could not take a block from the audio
 * thread, which goes before it, but caches and memory are shared. */
static void choose_workers(struct tb_trainings *t, int socket)
{
    struct tb_load load;
    int64_t now = tb_now_ns();
    tb_publish_load(t->web->publish, &load);
    if (load.voices > 0)
        t->played_ns = now;
    const int threads = t->threads;
    const bool plays = t->played_ns != 0 && now - t->played_ns < QUIET_MS * 1000000LL;
    const int workers = plays && threads > 1 ? threads - 1 : threads;
    if (workers == t->workers)
        return;
    t->workers = workers;
    send_json(socket, json_pack("{s:i}", "workers", workers));
}

static bool is_asked(struct tb_trainings *t)
{
    (void)pthread_mutex_lock(&t->mutex);
    bool asked = t->stop_asked;
    (void)pthread_mutex_unlock(&t->mutex);
    return asked;
}

static enum tb_status follow(struct tb_trainings *t, int socket, int *result, bool *fault,
                             struct tb_error *err)
{
    int64_t asked_ns = 0;
    enum tb_status status = TB_ENOTFOUND;
    while (status == TB_ENOTFOUND) {
        struct pollfd p = {socket, POLLIN, 0};
        int n = poll(&p, 1, POLL_MS);
        if (tb_jobs_stopping(t->web->jobs))
            return tb_fail(err, TB_EIO, "the service ended meanwhile");
        if (!asked_ns && is_asked(t)) {
            send_json(socket, json_pack("{s:b}", "stop", 1));
            asked_ns = tb_now_ns();
        }
        if (asked_ns && tb_now_ns() - asked_ns > GRACE_MS * 1000000LL)
            return tb_fail(err, TB_EIO, "the job did not stop and is ended");
        choose_workers(t, socket);
        json_t *packet = NULL;
        if (n > 0)
            status = tb_job_take(socket, &packet, result, fault, err);
        if (packet)
            take_packet(t, packet);
        json_decref(packet);
    }
    return status;
}

/* Runs a task to its end. */
static enum tb_status run_task(struct tb_trainings *t, enum tb_train_task task, const json_t *spec,
                               int *result, bool *fault, struct tb_error *err)
{
    struct tb_train_request request = {.task = task};
    int socket = -1;
    (void)snprintf(request.set, sizeof request.set, "%s", t->set);
    (void)snprintf(request.run, sizeof request.run, "%s", t->uuid);
    t->workers = 0;
    enum tb_status status =
        tb_job_begin_training(t->web->jobs, TB_JOB_TRAIN, &request, spec, &socket, err);
    if (status != TB_OK)
        return status;
    status = follow(t, socket, result, fault, err);
    (void)close(socket);
    return status;
}

/* ---- the thread of the one that runs */

static enum tb_status prepare(struct tb_trainings *t, const json_t *set, bool *fault,
                              struct tb_error *err)
{
    int result = -1;
    if (json_is_object(json_object_get(set, "report")))
        return TB_OK;
    set_phase(t, "preparing", "");
    enum tb_status status = run_task(t, TB_TRAIN_PREPARE, set, &result, fault, err);
    json_t *made = status == TB_OK ? tb_job_json(result) : NULL;
    if (status == TB_OK && !json_is_object(json_object_get(made, "report")))
        status = tb_fail(err, TB_EIO, "the preparation told nothing");
    if (status == TB_OK)
        status = tb_set_prepared(t->web->sets, t->set, made, err);
    json_decref(made);
    if (result >= 0)
        (void)close(result);
    return status;
}

static enum tb_status train(struct tb_trainings *t, bool *fault, struct tb_error *err)
{
    int result = -1;
    set_phase(t, "training", "");
    (void)pthread_mutex_lock(&t->mutex);
    json_t *spec = json_copy(t->about); /* the members that the job knows are in it */
    const double left_s = fmax(1, t->limit_s - t->history.spent_s);
    (void)pthread_mutex_unlock(&t->mutex);
    (void)json_object_set_new(spec, "minutes", json_real(left_s / 60));
    /* Flash wears out: about twenty in a run, but no more than two minutes are ever lost. */
    (void)json_object_set_new(spec, "checkpoint", json_real(fmin(fmax(left_s / 20, 15), 120)));
    enum tb_status status = run_task(t, TB_TRAIN_TRAIN, spec, &result, fault, err);
    json_decref(spec);
    if (result >= 0)
        (void)close(result);
    return status;
}

/* How it ended, in a word; *detail for people. */
static const char *end_of(const struct tb_trainings *t, enum tb_status status, bool fault,
                          struct tb_error *err)
{
    const char *end = tb_training_text(t->about, "end");
    char *hint = strstr(err->text, "; --fresh");
    if (hint)
        *hint = '\0'; /* an option of the command line */
    if (status == TB_OK && strstr(end, "diverged"))
        return "failed";
    if (status == TB_OK)
        return strcmp(end, "stopped") != 0 ? "done" : t->stop_asked ? "stopped" : "interrupted";
    if (t->stop_asked && !fault)
        return "stopped";
    return fault ? "failed" : "interrupted";
}

/* Once nothing reads the data set any more. */
static void let_go(struct tb_trainings *t)
{
    json_decref(t->used);
    t->used = NULL;
    tb_set_release(t->web->sets);
}

static void finish(struct tb_trainings *t, enum tb_status status, bool fault, struct tb_error *err)
{
    char uuid[TB_UUID];
    (void)pthread_mutex_lock(&t->mutex);
    const char *state = end_of(t, status, fault, err);
    if (status != TB_OK)
        (void)json_object_set_new(
            t->about, "detail", json_string(strcmp(state, "stopped") == 0 ? "stopped" : err->text));
    (void)json_object_set_new(t->about, "state", json_string(state));
    (void)json_object_set_new(t->about, "phase", json_null());
    (void)json_object_del(t->about, "end");
    set_live(t, t->history.spent_s / t->limit_s, 0, (double)NAN);
    save(t);
    tell(t, true);
    memcpy(uuid, t->uuid, sizeof uuid);
    t->running = false;
    (void)pthread_mutex_unlock(&t->mutex);
    let_go(t);
    announce(t, "updated", uuid);
}

static void *training_main(void *arg)
{
    struct tb_trainings *t = arg;
    struct tb_error err = {0};
    bool fault = false;
    enum tb_status status = prepare(t, t->used, &fault, &err);
    if (status == TB_OK && !is_asked(t))
        status = train(t, &fault, &err);
    else if (status == TB_OK)
        status = tb_fail(&err, TB_ECONFLICT, "stopped");
    finish(t, status, fault, &err);
    return NULL;
}

/* ---- orders */

static enum tb_status check_idle(struct tb_trainings *t, struct tb_error *err)
{
    (void)pthread_mutex_lock(&t->mutex);
    enum tb_status status =
        t->running ? tb_fail(err, TB_ECONFLICT, "training: %.60s (%s) runs; one at a time",
                             tb_training_text(t->about, "name"), t->uuid)
                   : TB_OK;
    (void)pthread_mutex_unlock(&t->mutex);
    return status;
}

static enum tb_status check_room(struct tb_trainings *t, const json_t *about, struct tb_error *err)
{
    json_t *set = tb_set_json(t->web->sets, tb_training_text(about, "dataset"), false, err);
    if (!set)
        return err->status;
    double bytes =
        strcmp(tb_training_text(about, "preset"), "full") == 0 ? FULL_BYTES : REDUCED_BYTES;
    if (strcmp(tb_training_text(set, "state"), "prepared") != 0)
        bytes += fmin(MOST_PREPARED_BYTES, 12 * tb_training_number(set, "bytes"));
    json_decref(set);
    return tb_training_room(tb_trainings_state(t), (uint64_t)bytes, err);
}

/* orders held. The data set stays as it is from now on: whoever is told that the training began can
 * change it no more. The one before has told its end, but may not have let go yet. */
static enum tb_status claim(struct tb_trainings *t, const json_t *about, struct tb_error *err)
{
    if (t->has_thread)
        (void)pthread_join(t->thread, NULL);
    t->has_thread = false;
    t->used = tb_set_use(t->web->sets, tb_training_text(about, "dataset"), err);
    if (!t->used)
        return err->status;
    enum tb_status status = check_room(t, about, err);
    if (status != TB_OK)
        let_go(t);
    return status;
}

/* Steals about, which is on the disk with state "running"; its data set is claimed. */
static enum tb_status launch(struct tb_trainings *t, const char *uuid, json_t *about,
                             double limit_s, struct tb_error *err)
{
    (void)pthread_mutex_lock(&t->mutex);
    json_decref(t->about);
    t->about = about;
    memcpy(t->uuid, uuid, sizeof t->uuid);
    t->running = true;
    t->stop_asked = false;
    t->limit_s = limit_s;
    t->played_ns = 0;
    t->threads = (int)tb_training_number(about, "threads");
    (void)snprintf(t->set, sizeof t->set, "%s", tb_training_text(about, "dataset"));
    json_decref(read_history(t, uuid, about, &t->history));
    set_live(t, 0, 0, (double)NAN);
    (void)pthread_mutex_unlock(&t->mutex);
    enum tb_status status = tb_thread_start(&t->thread, "training", training_main, t, err);
    t->has_thread = status == TB_OK;
    if (status != TB_OK)
        finish(t, status, true, err);
    return status;
}

static enum tb_status start(struct tb_trainings *t, json_t *about, char uuid[TB_UUID],
                            struct tb_error *err)
{
    char(*uuids)[TB_UUID] = NULL;
    size_t n = 0;
    enum tb_status status = check_idle(t, err);
    if (status == TB_OK)
        status = tb_training_list(tb_trainings_state(t), TB_TRAINING_RUNS, &uuids, &n, err);
    free(uuids);
    if (status == TB_OK && n >= MAX_RUNS)
        status = tb_fail(err, TB_ECONFLICT, "trainings: %zu are there, no more than %d are kept", n,
                         MAX_RUNS);
    if (status == TB_OK)
        status = claim(t, about, err);
    if (status == TB_OK) {
        tb_uuid_make(uuid);
        status = tb_training_create(tb_trainings_state(t), TB_TRAINING_RUNS, uuid, about, err);
        if (status == TB_OK)
            return launch(t, uuid, about, 60 * tb_training_number(about, "minutes"), err);
        let_go(t);
    }
    json_decref(about);
    return status;
}

enum tb_status tb_training_start(struct tb_trainings *t, json_t *about, char uuid[TB_UUID],
                                 struct tb_error *err)
{
    (void)pthread_mutex_lock(&t->orders);
    enum tb_status status = start(t, about, uuid, err);
    (void)pthread_mutex_unlock(&t->orders);
    if (status == TB_OK)
        announce(t, "created", uuid);
    return status;
}

static enum tb_status resume(struct tb_trainings *t, const char *uuid, double minutes,
                             struct tb_error *err)
{
    struct tb_training_history history;
    json_t *about = tb_training_read(tb_trainings_state(t), TB_TRAINING_RUNS, uuid, err);
    enum tb_status status = about ? check_idle(t, err) : err->status;
    if (status != TB_OK) {
        json_decref(about);
        return status;
    }
    json_decref(read_history(t, uuid, about, &history));
    double limit_s = 60 * tb_training_number(about, "minutes");
    if (minutes > 0)
        limit_s = history.spent_s + 60 * minutes;
    else if (limit_s - history.spent_s < 1)
        limit_s = history.spent_s + limit_s;
    (void)json_object_set_new(about, "minutes", json_real(limit_s / 60));
    (void)json_object_set_new(about, "state", json_string("running"));
    (void)json_object_set_new(about, "detail", json_string(""));
    status = claim(t, about, err);
    if (status == TB_OK) {
        status = tb_training_write(tb_trainings_state(t), TB_TRAINING_RUNS, uuid, about, err);
        if (status == TB_OK)
            return launch(t, uuid, about, limit_s, err);
        let_go(t);
    }
    json_decref(about);
    return status;
}

enum tb_status tb_training_resume(struct tb_trainings *t, const char *uuid, double minutes,
                                  struct tb_error *err)
{
    (void)pthread_mutex_lock(&t->orders);
    enum tb_status status = resume(t, uuid, minutes, err);
    (void)pthread_mutex_unlock(&t->orders);
    if (status == TB_OK)
        announce(t, "updated", uuid);
    return status;
}

bool tb_training_runs(struct tb_trainings *t, const char *uuid)
{
    (void)pthread_mutex_lock(&t->mutex);
    bool it = t->running && !strcmp(t->uuid, uuid);
    (void)pthread_mutex_unlock(&t->mutex);
    return it;
}

enum tb_status tb_training_stop(struct tb_trainings *t, const char *uuid, struct tb_error *err)
{
    json_t *about = tb_training_read(tb_trainings_state(t), TB_TRAINING_RUNS, uuid, err);
    if (!about)
        return err->status;
    json_decref(about);
    if (!tb_training_runs(t, uuid))
        return tb_fail(err, TB_ECONFLICT, "training: it does not run");
    (void)pthread_mutex_lock(&t->mutex);
    t->stop_asked = true;
    (void)pthread_mutex_unlock(&t->mutex);
    return TB_OK;
}

enum tb_status tb_training_delete(struct tb_trainings *t, const char *uuid, struct tb_error *err)
{
    (void)pthread_mutex_lock(&t->orders);
    json_t *about = tb_training_read(tb_trainings_state(t), TB_TRAINING_RUNS, uuid, err);
    enum tb_status status = about || err->status == TB_ECORRUPT ? TB_OK : err->status;
    json_decref(about);
    if (status == TB_OK && tb_training_runs(t, uuid))
        status = tb_fail(err, TB_ECONFLICT, "training: it runs; stop it first");
    if (status == TB_OK)
        status = tb_training_remove(tb_trainings_state(t), TB_TRAINING_RUNS, uuid, err);
    (void)pthread_mutex_unlock(&t->orders);
    if (status == TB_OK)
        announce(t, "deleted", uuid);
    return status;
}
