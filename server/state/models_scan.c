/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/state/models.h"

#include "server/formats/import.h"
#include "server/formats/model_files.h"
#include "server/formats/neural_patch.h"
#include "server/log.h"
#include "server/offline/model_check.h"
#include "server/web/web.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the zoo was when it was last read: a line "name size time" a file. While that holds, a start
 * reads none of them. */
static const char setting[] = "models.zoo";
enum { MAX_ZOO = 256, MARK_BYTES = MAX_ZOO * 192, TEXT_BYTES = 160 };

struct scan {
    struct tb_web *web;
    const _Atomic bool *stop;
    struct tb_store *reader;
    char machine[TB_NAME];
};

/* A model on its way into the store. */
struct addition {
    struct tb_model model;
    bool remeasured; /* only the cost is new */
};

static enum tb_status add(struct tb_web *web, struct tb_store *store, void *context,
                          struct tb_effect *effect, struct tb_error *err)
{
    struct addition *a = context;
    char path[TB_MODEL_PATH] = "";
    struct tb_models_addition addition = {.model = &a->model, .path = path, .replace = true};
    if (a->remeasured)
        return tb_model_replace(store, &a->model, err);
    enum tb_status status = tb_models_add(web, store, &addition, effect, err);
    if (status == TB_OK && a->model.factory[0])
        status = tb_neural_patch_install(store, &a->model, err);
    return status;
}

static bool stopped(const struct scan *scan)
{
    return atomic_load(scan->stop);
}

/* ---- the zoo */

struct zoo {
    char names[MAX_ZOO][129];
    char lines[MAX_ZOO][TEXT_BYTES + 64]; /* of the mark */
    size_t n;
};

static bool is_model(const char *name)
{
    static const char ending[] = ".safetensors";
    size_t n = strlen(name), k = sizeof ending - 1;
    return n > k && n <= 128 && name[0] != '.' && strcmp(name + n - k, ending) == 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void list_zoo(const char *folder, struct zoo *zoo)
{
    DIR *dir = folder[0] ? opendir(folder) : NULL;
    for (const struct dirent *e; dir && zoo->n < MAX_ZOO && (e = readdir(dir));)
        if (is_model(e->d_name))
            (void)snprintf(zoo->names[zoo->n++], sizeof zoo->names[0], "%.128s", e->d_name);
    if (dir)
        (void)closedir(dir);
    qsort(zoo->names, zoo->n, sizeof zoo->names[0], compare);
    for (size_t i = 0; i < zoo->n; i++) {
        char path[TB_MODEL_PATH];
        struct stat st = {0};
        (void)snprintf(path, sizeof path, "%.380s/%.128s", folder, zoo->names[i]);
        (void)stat(path, &st);
        (void)snprintf(zoo->lines[i], sizeof zoo->lines[i], "%s %lld %lld.%09ld\n", zoo->names[i],
                       (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    }
}

static bool has_row(struct tb_store *store, const char *file)
{
    struct tb_model *models;
    size_t n;
    bool found = false;
    if (tb_model_list(store, &(struct tb_model_query){0}, &models, &n, NULL, NULL) != TB_OK)
        return false;
    for (size_t i = 0; i < n && !found; i++)
        found = strcmp(models[i].factory, file) == 0;
    free(models);
    return found;
}

/* One file of the zoo: checked, registered, with a patch that plays it. */
static enum tb_status take_shipped(struct scan *scan, const char *name, struct tb_error *err)
{
    struct addition a = {0};
    struct tb_model file = {0};
    memcpy(file.factory, name, sizeof file.factory);
    (void)snprintf(file.name, sizeof file.name, "%.96s", name);
    int fd = tb_models_open(scan->web, &file, err);
    if (fd < 0)
        return err->status;
    enum tb_status status = tb_models_check(scan->web->models, fd, name, &a.model, err);
    (void)close(fd);
    memcpy(a.model.factory, name, sizeof a.model.factory);
    return status == TB_OK ? tb_models_in_store(scan->web, add, &a, err) : status;
}

static enum tb_status keep_mark(struct tb_web *web, struct tb_store *store, void *context,
                                struct tb_effect *effect, struct tb_error *err)
{
    (void)web;
    (void)effect;
    return tb_setting_set(store, setting, context, err);
}

static void scan_zoo(struct scan *scan, struct zoo *zoo)
{
    char *before = NULL, *mark = calloc(1, MARK_BYTES);
    struct tb_error err;
    size_t used = 0, n_new = 0;
    list_zoo(scan->web->config.zoo, zoo);
    (void)tb_setting_get(scan->reader, setting, &before, &err);
    for (size_t i = 0; i < zoo->n && mark && !stopped(scan); i++) {
        bool known =
            before && strstr(before, zoo->lines[i]) && has_row(scan->reader, zoo->names[i]);
        if (!known && take_shipped(scan, zoo->names[i], &err) != TB_OK) {
            if (stopped(scan))
                break;
            tb_log("models: %s: %s", zoo->names[i], err.text);
            if (err.status == TB_EIO || err.status == TB_EFULL)
                continue; /* not the file's fault: again at the next start */
        }
        n_new += !known;
        used += (size_t)snprintf(mark + used, MARK_BYTES - used, "%s", zoo->lines[i]);
    }
    if (mark && !stopped(scan) && (n_new > 0 || (before && strcmp(before, mark) != 0)))
        (void)tb_models_in_store(scan->web, keep_mark, mark, NULL);
    free(before);
    free(mark);
}

/* ---- the folder, and another machine */

static void adopt(struct scan *scan, const char *hash)
{
    struct addition a = {0};
    struct tb_model file = {.name = "upload"};
    struct tb_error err;
    memcpy(file.sha256, hash, TB_SHA256);
    int fd = tb_models_open(scan->web, &file, &err);
    enum tb_status status =
        fd < 0 ? err.status : tb_models_check(scan->web->models, fd, NULL, &a.model, &err);
    if (fd >= 0)
        (void)close(fd);
    if (status == TB_OK && strcmp(a.model.sha256, hash) != 0)
        status = tb_fail(&err, TB_ECORRUPT, "the disk returned other bytes");
    if (status == TB_OK)
        status = tb_models_in_store(scan->web, add, &a, &err);
    tb_log(
        "models: the file %.12s... without a row %s%s", hash,
        status == TB_OK ? "is registered again" : "stays aside: ", status == TB_OK ? "" : err.text);
}

static void scan_folder(struct scan *scan)
{
    char(*hashes)[TB_SHA256] = NULL;
    size_t n = 0;
    struct tb_error err;
    if (tb_model_files_orphans(scan->web->config.state_dir, scan->reader, &hashes, &n, &err) !=
        TB_OK)
        tb_log("%s", err.text);
    for (size_t i = 0; i < n && !stopped(scan); i++)
        adopt(scan, hashes[i]);
    free(hashes);
}

static void measure_again(struct scan *scan, const struct tb_model *old)
{
    struct addition a = {.model = *old, .remeasured = true};
    struct tb_model checked;
    struct tb_error err;
    int fd = tb_models_open(scan->web, old, &err);
    if (fd < 0)
        return;
    if (tb_models_check(scan->web->models, fd, NULL, &checked, &err) == TB_OK &&
        strcmp(checked.sha256, old->sha256) == 0) {
        a.model.first_us = checked.first_us;
        a.model.further_us = checked.further_us;
        a.model.level_db = checked.level_db;
        memcpy(a.model.machine, checked.machine, sizeof a.model.machine);
        memcpy(a.model.fm, checked.fm, sizeof a.model.fm);
        (void)tb_models_in_store(scan->web, add, &a, &err);
    }
    (void)close(fd);
}

static void scan_costs(struct scan *scan)
{
    struct tb_model *models;
    size_t n;
    if (tb_model_list(scan->reader, &(struct tb_model_query){0}, &models, &n, NULL, NULL) != TB_OK)
        return;
    for (size_t i = 0; i < n && !stopped(scan); i++)
        if (strcmp(models[i].machine, scan->machine) != 0)
            measure_again(scan, &models[i]);
    free(models);
}

static enum tb_status prune(struct tb_web *web, struct tb_store *store, void *context,
                            struct tb_effect *effect, struct tb_error *err)
{
    (void)effect;
    return tb_model_files_prune(web->config.state_dir, web->config.zoo, store, context, err);
}

void tb_models_scan(struct tb_web *web, const _Atomic bool *stop)
{
    struct scan scan = {.web = web, .stop = stop};
    struct zoo *zoo = calloc(1, sizeof *zoo);
    struct tb_error err;
    size_t n = 0;
    tb_model_machine(scan.machine, sizeof scan.machine);
    scan.reader = tb_store_open(web->config.state_dir, TB_STORE_READ, NULL, &err);
    if (scan.reader && zoo) {
        scan_zoo(&scan, zoo);
        scan_folder(&scan);
        scan_costs(&scan);
        (void)tb_models_in_store(web, prune, &n, NULL);
    } else {
        tb_log("models: %s", scan.reader ? "no memory" : err.text);
    }
    tb_store_close(scan.reader);
    free(zoo);
}
