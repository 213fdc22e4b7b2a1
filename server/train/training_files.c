/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/training_files.h"

#include "server/formats/patch_json.h"

#include <sodium.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char about_name[] = "about.json", fresh[] = ".new-", gone[] = ".gone-";
static const char *const folders[] = {[TB_TRAINING_SETS] = "sets", [TB_TRAINING_RUNS] = "runs"};
static const char *const inner[][2] = {
    [TB_TRAINING_SETS] = {"recordings", "work"}, [TB_TRAINING_RUNS] = {"work", NULL}};

/* about.json with the report of some thousand recordings; what training leaves free for the
 * database and everybody else. */
enum { MAX_ABOUT = 1 << 20, RESERVE_BYTES = 64 << 20, MAX_DEPTH = 8 };

static enum tb_status failed(int why, const char *path, struct tb_error *err)
{
    const char *name = strrchr(path, '/');
    enum tb_status status = why == ENOSPC || why == EDQUOT ? TB_EFULL
                            : why == ENOENT                ? TB_ENOTFOUND
                                                           : TB_EIO;
    return tb_fail(err, status, "training: %.60s: %s", name ? name + 1 : path, strerror(why));
}

void tb_training_path(char path[TB_TRAINING_PATH], const char *state, enum tb_training_kind kind,
                      const char *uuid, const char *name)
{
    (void)snprintf(path, TB_TRAINING_PATH, "%.255s/training/%s%s%.60s%s%.240s", state,
                   folders[kind], uuid ? "/" : "", uuid ? uuid : "", name ? "/" : "",
                   name ? name : "");
}

void tb_uuid_make(char uuid[TB_UUID])
{
    unsigned char b[16];
    randombytes_buf(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    char *p = uuid;
    for (size_t i = 0; i < sizeof b; i++)
        p += snprintf(p, 4, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
}

/* ---- folders */

enum tb_status tb_folder_sync(const char *path, struct tb_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0)
        (void)close(fd);
    return synced ? TB_OK : failed(why, path, err);
}

/* Of the folder behind fd, which is closed. Links are removed, never followed. */
static bool empty_folder(int fd, int depth)
{
    DIR *dir = fdopendir(fd);
    bool all = dir && depth < MAX_DEPTH;
    if (!dir)
        (void)close(fd);
    for (const struct dirent *e; all && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, e->d_name, 0) == 0)
            continue;
        int inside = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        all = inside >= 0 && empty_folder(inside, depth + 1) &&
              unlinkat(fd, e->d_name, AT_REMOVEDIR) == 0;
    }
    int why = errno;
    if (dir)
        (void)closedir(dir);
    errno = why;
    return all;
}

enum tb_status tb_tree_remove(const char *path, struct tb_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? TB_OK : failed(errno, path, err);
    return empty_folder(fd, 0) && rmdir(path) == 0 ? TB_OK : failed(errno, path, err);
}

static void remove_leftovers(const char *folder)
{
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        char path[TB_TRAINING_PATH + 300];
        if (strncmp(e->d_name, fresh, strlen(fresh)) != 0 &&
            strncmp(e->d_name, gone, strlen(gone)) != 0)
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        (void)tb_tree_remove(path, NULL);
    }
    if (dir)
        (void)closedir(dir);
}

enum tb_status tb_training_files_open(const char *state, struct tb_error *err)
{
    char path[TB_TRAINING_PATH];
    (void)snprintf(path, sizeof path, "%.255s/training", state);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return failed(errno, path, err);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        tb_training_path(path, state, (enum tb_training_kind)i, NULL, NULL);
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return failed(errno, path, err);
        remove_leftovers(path);
    }
    return TB_OK;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

enum tb_status tb_training_list(const char *state, enum tb_training_kind kind,
                                char (**uuids)[TB_UUID], size_t *n, struct tb_error *err)
{
    char path[TB_TRAINING_PATH];
    tb_training_path(path, state, kind, NULL, NULL);
    *uuids = NULL;
    *n = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return failed(errno, path, err);
    enum tb_status status = TB_OK;
    for (const struct dirent *e; !status && (e = readdir(dir));) {
        if (!tb_uuid_is_valid(e->d_name))
            continue;
        char(*room)[TB_UUID] = realloc(*uuids, (*n + 1) * sizeof **uuids);
        if (room) {
            *uuids = room;
            memcpy(room[(*n)++], e->d_name, TB_UUID);
        } else {
            status = tb_fail(err, TB_ENOMEM, "training: no memory");
        }
    }
    (void)closedir(dir);
    if (*n > 1)
        qsort(*uuids, *n, sizeof **uuids, compare);
    return status;
}

/* The newest first; of one millisecond by uuid. */
static int newest_first(const void *a, const void *b)
{
    const json_t *one = *(json_t *const *)a, *other = *(json_t *const *)b;
    const json_int_t x = json_integer_value(json_object_get(one, "created")),
                     y = json_integer_value(json_object_get(other, "created"));
    if (x != y)
        return x < y ? 1 : -1;
    const char *left = json_string_value(json_object_get(one, "uuid")),
               *right = json_string_value(json_object_get(other, "uuid"));
    return left && right ? strcmp(left, right) : 0;
}

json_t *tb_training_items(const char *state, enum tb_training_kind kind,
                          json_t *(*item)(void *context, const char *uuid), void *context,
                          struct tb_error *err)
{
    char(*uuids)[TB_UUID] = NULL;
    size_t n = 0;
    json_t *items = NULL;
    if (tb_training_list(state, kind, &uuids, &n, err) == TB_OK)
        items = json_array();
    json_t **list = items && n > 0 ? calloc(n, sizeof(json_t *)) : NULL;
    size_t found = 0;
    for (size_t i = 0; list && i < n; i++)
        if ((list[found] = item(context, uuids[i])))
            found++;
    if (found > 1)
        qsort(list, found, sizeof(json_t *), newest_first);
    for (size_t i = 0; i < found; i++)
        (void)json_array_append_new(items, list[i]);
    free(list);
    free(uuids);
    return items ? json_pack("{s:o}", "items", items) : NULL;
}

/* ---- about.json */

json_t *tb_training_read(const char *state, enum tb_training_kind kind, const char *uuid,
                         struct tb_error *err)
{
    char path[TB_TRAINING_PATH], *text = NULL;
    struct stat st;
    json_t *about = NULL;
    int fd = -1;
    if (tb_uuid_is_valid(uuid)) {
        tb_training_path(path, state, kind, uuid, about_name);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd < 0) {
        (void)tb_fail(err, TB_ENOTFOUND, "%s: not here",
                      kind == TB_TRAINING_SETS ? "dataset" : "training");
        return NULL;
    }
    if (fstat(fd, &st) == 0 && st.st_size > 1 && st.st_size <= MAX_ABOUT)
        text = malloc((size_t)st.st_size);
    if (text && read(fd, text, (size_t)st.st_size) == st.st_size)
        about = json_loadb(text, (size_t)st.st_size, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    (void)close(fd);
    if (about && json_is_object(about))
        return about;
    json_decref(about);
    (void)tb_fail(err, TB_ECORRUPT, "training: about.json of %.36s is damaged", uuid);
    return NULL;
}

static enum tb_status write_about(const char *path, const json_t *about, struct tb_error *err)
{
    char *text = json_dumps(about, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    size_t size = text ? strlen(text) : 0;
    int fd = text ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    ssize_t n = fd >= 0 ? write(fd, text, size) : -1;
    bool good = n == (ssize_t)size && fsync(fd) == 0;
    int why = n >= 0 && n < (ssize_t)size ? ENOSPC : errno;
    if (fd >= 0)
        (void)close(fd);
    free(text);
    return good ? TB_OK : failed(text ? why : ENOMEM, path, err);
}

enum tb_status tb_training_write(const char *state, enum tb_training_kind kind, const char *uuid,
                                 const json_t *about, struct tb_error *err)
{
    char folder[TB_TRAINING_PATH], beside[TB_TRAINING_PATH], path[TB_TRAINING_PATH];
    tb_training_path(folder, state, kind, uuid, NULL);
    tb_training_path(beside, state, kind, uuid, "about.new");
    tb_training_path(path, state, kind, uuid, about_name);
    enum tb_status status = write_about(beside, about, err);
    if (status == TB_OK && rename(beside, path) != 0)
        status = failed(errno, path, err);
    if (status != TB_OK) {
        (void)unlink(beside);
        return status;
    }
    return tb_folder_sync(folder, err);
}

enum tb_status tb_training_create(const char *state, enum tb_training_kind kind, const char *uuid,
                                  const json_t *about, struct tb_error *err)
{
    char all[TB_TRAINING_PATH], path[TB_TRAINING_PATH], to[TB_TRAINING_PATH], name[64];
    (void)snprintf(name, sizeof name, "%s%.36s", fresh, uuid);
    tb_training_path(all, state, kind, NULL, NULL);
    tb_training_path(path, state, kind, name, NULL);
    tb_training_path(to, state, kind, uuid, NULL);
    enum tb_status status = mkdir(path, 0700) == 0 ? TB_OK : failed(errno, path, err);
    for (int i = 0; i < 2 && inner[kind][i] && status == TB_OK; i++) {
        char inside[TB_TRAINING_PATH];
        tb_training_path(inside, state, kind, name, inner[kind][i]);
        if (mkdir(inside, 0700) != 0)
            status = failed(errno, inside, err);
    }
    if (status == TB_OK) {
        char inside[TB_TRAINING_PATH];
        tb_training_path(inside, state, kind, name, about_name);
        status = write_about(inside, about, err);
    }
    if (status == TB_OK)
        status = tb_folder_sync(path, err);
    if (status == TB_OK && rename(path, to) != 0)
        status = failed(errno, to, err);
    if (status == TB_OK)
        return tb_folder_sync(all, err);
    (void)tb_tree_remove(path, NULL);
    return status;
}

enum tb_status tb_training_remove(const char *state, enum tb_training_kind kind, const char *uuid,
                                  struct tb_error *err)
{
    char all[TB_TRAINING_PATH], path[TB_TRAINING_PATH], to[TB_TRAINING_PATH], name[64];
    (void)snprintf(name, sizeof name, "%s%.36s", gone, uuid);
    tb_training_path(all, state, kind, NULL, NULL);
    tb_training_path(path, state, kind, uuid, NULL);
    tb_training_path(to, state, kind, name, NULL);
    if (rename(path, to) != 0)
        return failed(errno, path, err);
    enum tb_status status = tb_folder_sync(all, err);
    (void)tb_tree_remove(to, NULL); /* what stays goes at the next start */
    return status;
}

enum tb_status tb_training_room(const char *state, uint64_t bytes, struct tb_error *err)
{
    struct statvfs fs;
    char path[TB_TRAINING_PATH];
    (void)snprintf(path, sizeof path, "%.255s/training", state);
    if (statvfs(path, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < bytes + RESERVE_BYTES)
        return tb_fail(err, TB_EFULL, "training: the disk has no room for %llu MiB",
                       (unsigned long long)(bytes >> 20) + 1);
    return TB_OK;
}
