/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/model_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char kept[] = ".safetensors", aside[] = ".gone", unfinished[] = ".tmp";

/* What uploads leave free for the database and everybody else. */
enum { RESERVE_BYTES = 32 << 20 };

static void folder_of(const char *directory, char path[TB_MODEL_PATH])
{
    (void)snprintf(path, TB_MODEL_PATH, "%s/models", directory);
}

static void name_file(const char *directory, const char *hash, const char *ending,
                      char path[TB_MODEL_PATH])
{
    (void)snprintf(path, TB_MODEL_PATH, "%.400s/models/%.64s%s", directory, hash, ending);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void tb_zoo_find(const char *wanted, char *folder, size_t size)
{
    static const char *const places[] = {"../share/timbred/zoo", "../../models/zoo"};
    char self[TB_MODEL_PATH];
    folder[0] = '\0';
    if (strcmp(wanted, "none") == 0)
        return;
    if (wanted[0]) {
        (void)snprintf(folder, size, "%s", wanted);
        return;
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return;
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (!slash)
        return;
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        (void)snprintf(folder, size, "%s/%s", self, places[i]);
        if (is_folder(folder))
            return;
    }
    folder[0] = '\0';
}

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), k = strlen(ending);
    return n >= k && strcmp(text + n - k, ending) == 0;
}

/* HASH.ending exactly. */
static bool is_named(const char *name, const char *ending, char hash[TB_SHA256])
{
    if (strlen(name) != TB_SHA256 - 1 + strlen(ending) || !ends_with(name, ending) ||
        strspn(name, "0123456789abcdef") < TB_SHA256 - 1)
        return false;
    memcpy(hash, name, TB_SHA256 - 1);
    hash[TB_SHA256 - 1] = '\0';
    return true;
}

static enum tb_status sync_folder(const char *directory, struct tb_error *err)
{
    char path[TB_MODEL_PATH];
    folder_of(directory, path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0)
        (void)close(fd);
    return synced ? TB_OK : tb_fail(err, TB_EIO, "models: %s", strerror(why));
}

static bool has_row(struct tb_store *store, const char *hash)
{
    struct tb_model_ref ref = {0};
    struct tb_model model;
    memcpy(ref.sha256, hash, TB_SHA256);
    /* An error counts as a row: nothing is thrown away because of it. */
    return tb_model_find(store, &ref, &model, NULL) != TB_ENOTFOUND;
}

/* One file of the folder at the start. */
static void settle(const char *directory, struct tb_store *store, const char *name)
{
    char hash[TB_SHA256], path[TB_MODEL_PATH];
    (void)snprintf(path, sizeof path, "%.250s/models/%.250s", directory, name);
    if (ends_with(name, unfinished))
        (void)unlink(path);
    else if (!is_named(name, aside, hash))
        return;
    else if (has_row(store, hash))
        tb_model_files_take_back(directory, hash);
    else
        (void)unlink(path);
}

enum tb_status tb_model_files_open(const char *directory, struct tb_store *store,
                                   struct tb_error *err)
{
    char path[TB_MODEL_PATH];
    folder_of(directory, path);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return tb_fail(err, TB_EIO, "models: %s", strerror(errno));
    DIR *dir = opendir(path);
    if (!dir)
        return tb_fail(err, TB_EIO, "models: %s", strerror(errno));
    for (const struct dirent *e; (e = readdir(dir));)
        settle(directory, store, e->d_name);
    (void)closedir(dir);
    return TB_OK;
}

enum tb_status tb_model_files_prune(const char *directory, const char *zoo, struct tb_store *store,
                                    size_t *n, struct tb_error *err)
{
    struct tb_model *models;
    size_t n_models;
    *n = 0;
    enum tb_status status =
        tb_model_list(store, &(struct tb_model_query){0}, &models, &n_models, NULL, err);
    for (size_t i = 0; i < n_models && !status; i++) {
        int fd = tb_model_files_read(directory, zoo, &models[i], err);
        if (fd >= 0) {
            (void)close(fd);
        } else if (!err || err->status == TB_ENOTFOUND) {
            status = tb_model_delete(store, models[i].uuid, err);
            ++*n;
        }
    }
    free(models);
    return status;
}

enum tb_status tb_model_files_orphans(const char *directory, struct tb_store *store,
                                      char (**hashes)[TB_SHA256], size_t *n, struct tb_error *err)
{
    char path[TB_MODEL_PATH], hash[TB_SHA256];
    folder_of(directory, path);
    *hashes = NULL;
    *n = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return tb_fail(err, TB_EIO, "models: %s", strerror(errno));
    enum tb_status status = TB_OK;
    for (const struct dirent *e; !status && (e = readdir(dir));) {
        if (!is_named(e->d_name, kept, hash) || has_row(store, hash))
            continue;
        char(*room)[TB_SHA256] = realloc(*hashes, (*n + 1) * sizeof **hashes);
        if (room) {
            *hashes = room;
            memcpy(room[(*n)++], hash, sizeof hash);
        } else {
            status = tb_fail(err, TB_ENOMEM, "models: no memory");
        }
    }
    (void)closedir(dir);
    return status;
}

int tb_model_files_read(const char *directory, const char *zoo, const struct tb_model *model,
                        struct tb_error *err)
{
    char path[TB_MODEL_PATH];
    if (!model->factory[0])
        name_file(directory, model->sha256, kept, path);
    else
        (void)snprintf(path, sizeof path, "%.380s/%.128s", zoo, model->factory);
    int fd = open(path, O_RDONLY | O_CLOEXEC | (model->factory[0] ? 0 : O_NOFOLLOW));
    if (fd < 0)
        (void)tb_fail(err, errno == ENOENT || errno == ENOTDIR ? TB_ENOTFOUND : TB_EIO,
                      "model: the file of %.60s: %s", model->name, strerror(errno));
    return fd;
}

int tb_model_files_new(const char *directory, uint64_t expected, char path[TB_MODEL_PATH],
                       struct tb_error *err)
{
    static _Atomic unsigned counter;
    struct statvfs fs;
    folder_of(directory, path);
    if (statvfs(path, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < expected + RESERVE_BYTES) {
        (void)tb_fail(err, TB_EFULL, "model: the disk has no room for %llu bytes",
                      (unsigned long long)expected);
        return -1;
    }
    (void)snprintf(path, TB_MODEL_PATH, "%.400s/models/upload-%d-%u%s", directory, (int)getpid(),
                   atomic_fetch_add(&counter, 1), unfinished);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        (void)tb_fail(err, errno == ENOSPC ? TB_EFULL : TB_EIO, "model: %s", strerror(errno));
    return fd;
}

enum tb_status tb_model_files_keep(const char *directory, const char *path, const char *hash,
                                   struct tb_error *err)
{
    char to[TB_MODEL_PATH];
    name_file(directory, hash, kept, to);
    if (rename(path, to) != 0)
        return tb_fail(err, errno == ENOSPC ? TB_EFULL : TB_EIO, "model: %s", strerror(errno));
    return sync_folder(directory, err);
}

void tb_model_files_set_aside(const char *directory, const char *hash)
{
    char from[TB_MODEL_PATH], to[TB_MODEL_PATH];
    name_file(directory, hash, kept, from);
    name_file(directory, hash, aside, to);
    (void)rename(from, to);
}

void tb_model_files_take_back(const char *directory, const char *hash)
{
    char from[TB_MODEL_PATH], to[TB_MODEL_PATH];
    name_file(directory, hash, aside, from);
    name_file(directory, hash, kept, to);
    (void)rename(from, to);
}

void tb_model_files_drop_aside(const char *directory, const char *hash)
{
    char path[TB_MODEL_PATH];
    name_file(directory, hash, aside, path);
    (void)unlink(path);
}

void tb_model_files_drop(const char *directory, const char *hash)
{
    char path[TB_MODEL_PATH];
    name_file(directory, hash, kept, path);
    (void)unlink(path);
}
