/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/sets.h"

#include "server/api/ws.h"
#include "server/formats/patch_json.h"
#include "server/web/upload.h"
#include "server/web/web.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char recordings[] = "recordings", unfinished[] = ".incoming-";

enum { MAX_NAME = 120, MAX_SETS = 100 };

struct tb_sets {
    struct tb_web *web;
    pthread_mutex_t mutex; /* of all folders and of what follows */
    uint64_t bytes;        /* of all recordings */
    char used[TB_UUID];    /* by a training, or "" */
};

struct recording {
    char name[MAX_NAME + 1];
    uint64_t bytes;
};

struct recordings {
    struct recording *list;
    size_t n;
    uint64_t bytes;
};

static const char *state_of(const struct tb_sets *sets)
{
    return sets->web->config.state_dir;
}

static void recording_path(const struct tb_sets *sets, const char *uuid, const char *name,
                           char path[TB_TRAINING_PATH])
{
    char below[200];
    (void)snprintf(below, sizeof below, "%s/%.160s", recordings, name);
    tb_training_path(path, state_of(sets), TB_TRAINING_SETS, uuid, below);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct recording *)a)->name, ((const struct recording *)b)->name);
}

/* What lies in the folder of a set, by name. */
static enum tb_status read_recordings(const struct tb_sets *sets, const char *uuid,
                                      struct recordings *found, struct tb_error *err)
{
    char path[TB_TRAINING_PATH];
    *found = (struct recordings){0};
    tb_training_path(path, state_of(sets), TB_TRAINING_SETS, uuid, recordings);
    DIR *dir = opendir(path);
    if (!dir)
        return tb_fail(err, errno == ENOENT ? TB_ENOTFOUND : TB_EIO, "dataset: %s",
                       strerror(errno));
    enum tb_status status = TB_OK;
    for (const struct dirent *e; !status && (e = readdir(dir));) {
        struct stat st;
        if (e->d_name[0] == '.' || strlen(e->d_name) > MAX_NAME ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (found->n % 64 == 0) {
            struct recording *room = realloc(found->list, (found->n + 64) * sizeof *found->list);
            if (!room) {
                status = tb_fail(err, TB_ENOMEM, "dataset: no memory");
                break;
            }
            found->list = room;
        }
        struct recording *r = &found->list[found->n++];
        (void)snprintf(r->name, sizeof r->name, "%s", e->d_name);
        r->bytes = (uint64_t)st.st_size;
        found->bytes += r->bytes;
    }
    (void)closedir(dir);
    if (found->n > 1)
        qsort(found->list, found->n, sizeof *found->list, compare);
    return status;
}

/* Uploads that a crash left unfinished, and how much there is. */
static uint64_t settle(const struct tb_sets *sets, const char *uuid)
{
    char path[TB_TRAINING_PATH];
    struct recordings found;
    tb_training_path(path, state_of(sets), TB_TRAINING_SETS, uuid, recordings);
    DIR *dir = opendir(path);
    for (const struct dirent *e; dir && (e = readdir(dir));)
        if (strncmp(e->d_name, unfinished, strlen(unfinished)) == 0)
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    if (dir)
        (void)closedir(dir);
    uint64_t bytes = read_recordings(sets, uuid, &found, NULL) == TB_OK ? found.bytes : 0;
    free(found.list);
    return bytes;
}

struct tb_sets *tb_sets_new(struct tb_web *web, struct tb_error *err)
{
    struct tb_sets *sets = calloc(1, sizeof *sets);
    char(*uuids)[TB_UUID] = NULL;
    size_t n = 0;
    if (!sets || pthread_mutex_init(&sets->mutex, NULL)) {
        free(sets);
        (void)tb_fail(err, TB_ENOMEM, "no memory for data sets");
        return NULL;
    }
    sets->web = web;
    (void)tb_training_list(state_of(sets), TB_TRAINING_SETS, &uuids, &n, NULL);
    for (size_t i = 0; i < n; i++)
        sets->bytes += settle(sets, uuids[i]);
    free(uuids);
    return sets;
}

void tb_sets_free(struct tb_sets *sets)
{
    if (!sets)
        return;
    (void)pthread_mutex_destroy(&sets->mutex);
    free(sets);
}

static void announce(struct tb_sets *sets, const char *change, const char *uuid)
{
    tb_ws_broadcast(
        sets->web->ws, TB_TOPIC_JOBS,
        json_pack("{s:s, s:s, s:s}", "type", "datasets", "change", change, "uuid", uuid), 0);
}

static enum tb_status check_unused(const struct tb_sets *sets, const char *uuid,
                                   struct tb_error *err)
{
    return strcmp(sets->used, uuid) != 0
               ? TB_OK
               : tb_fail(err, TB_ECONFLICT, "dataset: a training uses it; stop that first");
}

/* ---- sets */

static enum tb_status create(struct tb_sets *sets, json_t *about, const char *uuid,
                             struct tb_error *err)
{
    char(*uuids)[TB_UUID] = NULL;
    size_t n = 0;
    enum tb_status status = tb_training_list(state_of(sets), TB_TRAINING_SETS, &uuids, &n, err);
    free(uuids);
    if (status == TB_OK && n >= MAX_SETS)
        status = tb_fail(err, TB_ECONFLICT, "datasets: %zu are there, no more than %d are kept", n,
                         MAX_SETS);
    if (status == TB_OK)
        status = tb_training_room(state_of(sets), 0, err);
    return status == TB_OK ? tb_training_create(state_of(sets), TB_TRAINING_SETS, uuid, about, err)
                           : status;
}

enum tb_status tb_set_create(struct tb_sets *sets, json_t *about, char uuid[TB_UUID],
                             struct tb_error *err)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)json_object_set_new(about, "created",
                              json_integer(now.tv_sec * 1000LL + now.tv_nsec / 1000000));
    (void)json_object_set_new(about, "report", json_null());
    tb_uuid_make(uuid);
    (void)pthread_mutex_lock(&sets->mutex);
    enum tb_status status = create(sets, about, uuid, err);
    (void)pthread_mutex_unlock(&sets->mutex);
    if (status == TB_OK)
        announce(sets, "created", uuid);
    return status;
}

static enum tb_status delete (struct tb_sets *sets, const char *uuid, struct tb_error *err) {
    struct recordings found;
    json_t *about = tb_training_read(state_of(sets), TB_TRAINING_SETS, uuid, err);
    if (!about && err->status != TB_ECORRUPT) return err->status;
    json_decref(about);
    enum tb_status status = check_unused(sets, uuid, err);
    if (status != TB_OK) return status;
    (void)read_recordings(sets, uuid, &found, NULL);
    status = tb_training_remove(state_of(sets), TB_TRAINING_SETS, uuid, err);
    if (status == TB_OK) sets->bytes -= found.bytes < sets->bytes ? found.bytes : sets->bytes;
    free(found.list);
    return status;
}

enum tb_status tb_set_delete(struct tb_sets *sets, const char *uuid, struct tb_error *err)
{
    (void)pthread_mutex_lock(&sets->mutex);
    enum tb_status status = delete (sets, uuid, err);
    (void)pthread_mutex_unlock(&sets->mutex);
    if (status == TB_OK)
        announce(sets, "deleted", uuid);
    return status;
}

/* Why a recording was refused when the set was prepared, or null. */
static json_t *rejected(const json_t *report, const char *name)
{
    const json_t *list = json_object_get(report, "rejected"), *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        const char *file = json_string_value(json_object_get(one, "name"));
        if (file && !strcmp(file, name))
            return json_incref(json_object_get(one, "reason"));
    }
    return json_null();
}

static json_t *list_recordings(const struct recordings *found, const json_t *report)
{
    json_t *list = json_array();
    for (size_t i = 0; i < found->n; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:I, s:o}", "name", found->list[i].name,
                                              "bytes", (json_int_t)found->list[i].bytes, "rejected",
                                              rejected(report, found->list[i].name)));
    return list;
}

/* about.json as it is told, by the folder's state. Steals about. */
static json_t *describe(struct tb_sets *sets, const char *uuid, json_t *about, bool whole,
                        struct tb_error *err)
{
    struct recordings found;
    if (read_recordings(sets, uuid, &found, err) != TB_OK) {
        free(found.list);
        json_decref(about);
        return NULL;
    }
    const json_t *report = json_object_get(about, "report");
    const json_t *minutes = json_object_get(report, "minutes");
    (void)json_object_set_new(about, "uuid", json_string(uuid));
    (void)json_object_set_new(about, "count", json_integer((json_int_t)found.n));
    (void)json_object_set_new(about, "bytes", json_integer((json_int_t)found.bytes));
    (void)json_object_set_new(about, "minutes",
                              minutes ? json_real(json_number_value(minutes)) : json_null());
    (void)json_object_set_new(about, "state",
                              json_string(json_is_object(report) ? "prepared" : "open"));
    if (whole)
        (void)json_object_set_new(about, "recordings", list_recordings(&found, report));
    else
        (void)json_object_del(about, "report");
    (void)json_object_del(about, "clips"); /* what a training tells */
    free(found.list);
    return about;
}

json_t *tb_set_json(struct tb_sets *sets, const char *uuid, bool whole, struct tb_error *err)
{
    (void)pthread_mutex_lock(&sets->mutex);
    json_t *about = tb_training_read(state_of(sets), TB_TRAINING_SETS, uuid, err);
    if (about)
        about = describe(sets, uuid, about, whole, err);
    (void)pthread_mutex_unlock(&sets->mutex);
    return about;
}

static json_t *item(void *sets, const char *uuid)
{
    struct tb_error fault;
    return tb_set_json(sets, uuid, false, &fault);
}

json_t *tb_sets_json(struct tb_sets *sets, struct tb_error *err)
{
    return tb_training_items(state_of(sets), TB_TRAINING_SETS, item, sets, err);
}

/* ---- recordings */

static bool has_sound_ending(const char *name)
{
    static const char *const endings[] = {".wav",  ".flac", ".ogg", ".oga",
                                          ".opus", ".mp3",  ".aif", ".aiff"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

/* Its bytes were checked as UTF-8. */
static enum tb_status check_name(const char *name, struct tb_error *err)
{
    char plain[MAX_NAME + 1];
    size_t n = name ? strlen(name) : 0;
    if (n < 1 || n > MAX_NAME)
        return tb_fail(err, TB_EINVAL, "filename: 1 to %d bytes are needed", MAX_NAME);
    if (tb_text_field("filename", name, plain, sizeof plain, false, err) != TB_OK)
        return err->status;
    if (strcmp(plain, name) != 0)
        return tb_fail(err, TB_EINVAL, "filename: blanks at its ends");
    if (name[0] == '.' || strpbrk(name, "/\\"))
        return tb_fail(err, TB_EINVAL, "filename: a plain name, no path and no dot in front");
    return has_sound_ending(name)
               ? TB_OK
               : tb_fail(err, TB_EINVAL,
                         "filename: .wav .flac .ogg .oga .opus .mp3 .aif or .aiff at its end");
}

/* May one more of so many bytes come? */
static enum tb_status check_room(struct tb_sets *sets, const char *uuid, const char *name,
                                 uint64_t bytes, struct tb_error *err)
{
    const struct tb_config *config = &sets->web->config;
    char path[TB_TRAINING_PATH];
    struct recordings found;
    json_t *about = tb_training_read(state_of(sets), TB_TRAINING_SETS, uuid, err);
    enum tb_status status = about ? check_unused(sets, uuid, err) : err->status;
    json_decref(about);
    if (status == TB_OK) {
        status = read_recordings(sets, uuid, &found, err);
        free(found.list);
    }
    if (status != TB_OK)
        return status;
    recording_path(sets, uuid, name, path);
    if (access(path, F_OK) == 0)
        return tb_fail(err, TB_ECONFLICT, "filename: %.100s is there already", name);
    if (found.n >= config->recordings)
        return tb_fail(err, TB_ECONFLICT, "recordings: %zu are there, training.recordings is %u",
                       found.n, config->recordings);
    if (sets->bytes + bytes > (uint64_t)config->recordings_mib << 20)
        return tb_fail(err, TB_EFULL, "recordings: more than training.total_mib, %u MiB",
                       config->recordings_mib);
    return tb_training_room(state_of(sets), bytes, err);
}

struct tb_upload *tb_recording_begin(struct tb_sets *sets, const char *uuid, const char *name,
                                     uint64_t expected, struct tb_error *err)
{
    static _Atomic unsigned counter;
    char path[TB_TRAINING_PATH], beside[64];
    if (check_name(name, err) != TB_OK)
        return NULL;
    (void)pthread_mutex_lock(&sets->mutex);
    enum tb_status status = check_room(sets, uuid, name, expected, err);
    (void)pthread_mutex_unlock(&sets->mutex);
    if (status != TB_OK)
        return NULL;
    (void)snprintf(beside, sizeof beside, "%s%d-%u", unfinished, (int)getpid(),
                   atomic_fetch_add(&counter, 1));
    recording_path(sets, uuid, beside, path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        (void)tb_fail(err, errno == ENOSPC ? TB_EFULL : TB_EIO, "recording: %s", strerror(errno));
        return NULL;
    }
    return tb_upload_adopt(fd, path, "recording", err);
}

/* What was made of the recordings holds no longer: it is forgotten before one of them changes. */
static enum tb_status reopen(struct tb_sets *sets, const char *uuid, struct tb_error *err)
{
    json_t *about = tb_training_read(state_of(sets), TB_TRAINING_SETS, uuid, err);
    enum tb_status status = about ? TB_OK : err->status;
    if (json_is_object(json_object_get(about, "report"))) {
        (void)json_object_set_new(about, "report", json_null());
        (void)json_object_del(about, "clips");
        status = tb_training_write(state_of(sets), TB_TRAINING_SETS, uuid, about, err);
    }
    json_decref(about);
    return status;
}

static enum tb_status add(struct tb_sets *sets, const char *uuid, const char *name,
                          struct tb_upload *upload, struct tb_error *err)
{
    char path[TB_TRAINING_PATH], folder[TB_TRAINING_PATH];
    recording_path(sets, uuid, name, path);
    tb_training_path(folder, state_of(sets), TB_TRAINING_SETS, uuid, recordings);
    enum tb_status status = check_room(sets, uuid, name, upload->size, err);
    if (status == TB_OK)
        status = reopen(sets, uuid, err);
    if (status == TB_OK && rename(upload->path, path) != 0)
        status =
            tb_fail(err, errno == ENOSPC ? TB_EFULL : TB_EIO, "recording: %s", strerror(errno));
    if (status != TB_OK)
        return status;
    upload->path[0] = '\0';
    sets->bytes += upload->size;
    return tb_folder_sync(folder, err);
}

enum tb_status tb_recording_add(struct tb_sets *sets, const char *uuid, const char *name,
                                struct tb_upload *upload, struct tb_error *err)
{
    (void)pthread_mutex_lock(&sets->mutex);
    enum tb_status status = add(sets, uuid, name, upload, err);
    (void)pthread_mutex_unlock(&sets->mutex);
    if (status == TB_OK)
        announce(sets, "updated", uuid);
    return status;
}

static enum tb_status remove_recording(struct tb_sets *sets, const char *uuid, const char *name,
                                       struct tb_error *err)
{
    char path[TB_TRAINING_PATH], folder[TB_TRAINING_PATH];
    struct stat st;
    recording_path(sets, uuid, name, path);
    tb_training_path(folder, state_of(sets), TB_TRAINING_SETS, uuid, recordings);
    json_t *about = tb_training_read(state_of(sets), TB_TRAINING_SETS, uuid, err);
    enum tb_status status = about ? check_unused(sets, uuid, err) : err->status;
    json_decref(about);
    if (status == TB_OK && lstat(path, &st) != 0)
        status = tb_fail(err, TB_ENOTFOUND, "filename: no such recording");
    if (status == TB_OK)
        status = reopen(sets, uuid, err);
    if (status == TB_OK && unlink(path) != 0)
        status = tb_fail(err, TB_EIO, "recording: %s", strerror(errno));
    if (status != TB_OK)
        return status;
    sets->bytes -= (uint64_t)st.st_size < sets->bytes ? (uint64_t)st.st_size : sets->bytes;
    return tb_folder_sync(folder, err);
}

enum tb_status tb_recording_delete(struct tb_sets *sets, const char *uuid, const char *name,
                                   struct tb_error *err)
{
    if (check_name(name, err) != TB_OK)
        return err->status;
    (void)pthread_mutex_lock(&sets->mutex);
    enum tb_status status = remove_recording(sets, uuid, name, err);
    (void)pthread_mutex_unlock(&sets->mutex);
    if (status == TB_OK)
        announce(sets, "updated", uuid);
    return status;
}

/* ---- for trainings */

json_t *tb_set_use(struct tb_sets *sets, const char *uuid, struct tb_error *err)
{
    struct recordings found = {0};
    (void)pthread_mutex_lock(&sets->mutex);
    json_t *about = tb_training_read(state_of(sets), TB_TRAINING_SETS, uuid, err);
    enum tb_status status = about ? read_recordings(sets, uuid, &found, err) : err->status;
    if (status == TB_OK && found.n == 0)
        status = tb_fail(err, TB_EINVAL, "dataset: it has no recordings yet");
    if (status == TB_OK)
        memcpy(sets->used, uuid, TB_UUID);
    (void)pthread_mutex_unlock(&sets->mutex);
    free(found.list);
    if (status == TB_OK)
        return about;
    json_decref(about);
    return NULL;
}

void tb_set_release(struct tb_sets *sets)
{
    (void)pthread_mutex_lock(&sets->mutex);
    sets->used[0] = '\0';
    (void)pthread_mutex_unlock(&sets->mutex);
}

enum tb_status tb_set_prepared(struct tb_sets *sets, const char *uuid, const json_t *made,
                               struct tb_error *err)
{
    (void)pthread_mutex_lock(&sets->mutex);
    json_t *about = tb_training_read(state_of(sets), TB_TRAINING_SETS, uuid, err);
    enum tb_status status = about ? TB_OK : err->status;
    (void)json_object_set(about, "report", json_object_get(made, "report"));
    (void)json_object_set(about, "clips", json_object_get(made, "clips"));
    if (status == TB_OK)
        status = tb_training_write(state_of(sets), TB_TRAINING_SETS, uuid, about, err);
    json_decref(about);
    (void)pthread_mutex_unlock(&sets->mutex);
    if (status == TB_OK)
        announce(sets, "updated", uuid);
    return status;
}
