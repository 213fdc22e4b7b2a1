/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/build_priv.h"

#include <sodium.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void clear(struct tb_build *b)
{
    for (size_t i = 0; i < b->n_sources; i++) {
        free(b->sources[i].name);
        tb_label_clear(&b->sources[i].label);
    }
    free(b->sources);
    free(b->pieces);
    if (b->audio_map)
        (void)munmap((void *)(uintptr_t)b->audio_map, b->n_spooled * TB_DATA_HOP * sizeof(float));
    if (b->f0_map)
        (void)munmap((void *)(uintptr_t)b->f0_map, b->n_spooled * sizeof(float));
    if (b->audio)
        (void)fclose(b->audio);
    if (b->f0)
        (void)fclose(b->f0);
    json_decref(b->clips);
    free(b->part);
    tb_soundfont_free(b->font);
}

/* A folder of ours: files only, no folders within. */
static void remove_folder(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (const struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    (void)closedir(dir);
    (void)rmdir(path);
}

static bool is_dataset(const char *path)
{
    char file[4096];
    return snprintf(file, sizeof file, "%s/dataset.json", path) < (int)sizeof file &&
           access(file, R_OK) == 0;
}

static enum tb_status start(struct tb_build *b, struct tb_error *err)
{
    struct stat st;
    const char *out = b->options->out;
    if (!b->options->replace && lstat(out, &st) == 0)
        return tb_fail(err, TB_ECONFLICT, "%.80s: exists; --replace makes it anew", out);
    if (lstat(out, &st) == 0 && !is_dataset(out))
        return tb_fail(err, TB_ECONFLICT, "%.80s: exists and is no data set", out);
    if (asprintf(&b->part, "%s.part", out) < 0) {
        b->part = NULL;
        return tb_fail(err, TB_ENOMEM, "out of memory");
    }
    remove_folder(b->part); /* of a build that was killed */
    if (mkdir(b->part, 0777) != 0) {
        const enum tb_status status = tb_build_fault(b->part, err);
        free(b->part);
        b->part = NULL;
        return status;
    }
    b->audio = tb_build_open(b, "spool-audio", err);
    b->f0 = b->audio ? tb_build_open(b, "spool-f0", err) : NULL;
    b->clips = json_array();
    tb_random_seed(&b->random, b->options->seed);
    return b->f0 ? TB_OK : err->status;
}

static const float *map_spool(FILE *file, size_t bytes, struct tb_error *err)
{
    if (fflush(file) != 0) {
        (void)tb_build_fault("spool of samples", err);
        return NULL;
    }
    void *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fileno(file), 0);
    if (map == MAP_FAILED) {
        (void)tb_fail(err, TB_ENOMEM, "spool of samples: %s", strerror(errno));
        return NULL;
    }
    return map;
}

static enum tb_status take_all(struct tb_build *b, struct tb_error *err)
{
    const struct tb_build_options *o = b->options;
    for (size_t i = 0; i < b->n_sources; i++) {
        const enum tb_status status =
            b->font ? tb_build_take_phrase(b, i, err) : tb_build_take(b, i, err);
        if (status != TB_OK)
            return status;
        if (o->progress && !o->progress(o->user, i + 1, b->n_sources, b->sources[i].name))
            return tb_fail(err, TB_ECONFLICT, "stopped after %zu of %zu files", i + 1,
                           b->n_sources);
    }
    if (b->n_pieces == 0)
        return tb_fail(err, TB_ECORRUPT, "all %zu recordings were refused; %.40s: %.70s",
                       b->n_sources, b->sources[0].name, b->sources[0].judgement.text);
    b->audio_map = map_spool(b->audio, b->n_spooled * TB_DATA_HOP * sizeof(float), err);
    b->f0_map = b->audio_map ? map_spool(b->f0, b->n_spooled * sizeof(float), err) : NULL;
    return b->f0_map ? TB_OK : err->status;
}

static enum tb_status sync_folder(const char *path, struct tb_error *err)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool fault = fd < 0 || fsync(fd) != 0;
    const enum tb_status status = fault ? tb_build_fault(path, err) : TB_OK;
    if (fd >= 0)
        (void)close(fd);
    return status;
}

/* The folder in the making becomes out; an older one goes only when the new one is safe. */
static enum tb_status publish(struct tb_build *b, struct tb_error *err)
{
    const char *out = b->options->out;
    char *old = NULL;
    if (asprintf(&old, "%s.old", out) < 0)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    enum tb_status status = sync_folder(b->part, err);
    if (status == TB_OK && b->options->replace) {
        remove_folder(old);
        if (rename(out, old) != 0 && errno != ENOENT)
            status = tb_build_fault(out, err);
    }
    if (status == TB_OK && rename(b->part, out) != 0) {
        status = tb_build_fault(out, err);
        (void)rename(old, out);
    }
    if (status == TB_OK)
        remove_folder(old);
    free(old);
    return status;
}

static void drop_spools(const struct tb_build *b)
{
    static const char *const names[] = {"spool-audio", "spool-f0"};
    char path[4096];
    for (int i = 0; i < 2; i++)
        if (snprintf(path, sizeof path, "%s/%s", b->part, names[i]) < (int)sizeof path)
            (void)unlink(path);
}

static enum tb_status check(const struct tb_build_options *o, struct tb_error *err)
{
    if (!o->soundfont && (!o->folder || !*o->folder))
        return tb_fail(err, TB_EINVAL, "folder: missing");
    if (o->soundfont && !(o->minutes > 0 && o->minutes <= 600))
        return tb_fail(err, TB_EINVAL, "minutes: outside 0..600");
    if (!(o->note_seconds == 0 || (o->note_seconds >= 0.4 && o->note_seconds <= 60)))
        return tb_fail(err, TB_EINVAL, "note-seconds: outside 0.4..60");
    if (!o->out || !*o->out)
        return tb_fail(err, TB_EINVAL, "out: missing");
    const struct {
        const char *field, *text;
        size_t most;
    } texts[] = {{"name", o->name, 96},
                 {"licence", o->licence, 64},
                 {"credit", o->credit, 256},
                 {"source", o->source, 256}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!texts[i].text || strlen(texts[i].text) > texts[i].most)
            return tb_fail(err, TB_EINVAL, "%s: longer than %zu bytes", texts[i].field,
                           texts[i].most);
    return TB_OK;
}

enum tb_status tb_dataset_build(const struct tb_build_options *options, json_t **report,
                                struct tb_error *err)
{
    struct tb_build_options own = *options;
    struct tb_build b = {.options = &own};
    enum tb_status status = check(options, err);
    if (report)
        *report = NULL;
    if (status != TB_OK)
        return status;
    if (!*own.name) {
        const char *slash = strrchr(own.out, '/');
        own.name = slash && slash[1] ? slash + 1 : own.out;
    }
    if (sodium_init() < 0)
        return tb_fail(err, TB_EIO, "no source of randomness");
    status = own.soundfont ? tb_build_list_phrases(&b, err) : tb_build_list(&b, err);
    if (status == TB_OK)
        status = start(&b, err);
    if (status == TB_OK)
        status = take_all(&b, err);
    if (status == TB_OK)
        status = tb_build_levels(&b, err);
    if (status == TB_OK)
        status = tb_build_split(&b, err);
    if (status == TB_OK)
        status = tb_build_reels(&b, err);
    if (status == TB_OK)
        status = tb_build_report(&b, report, err);
    if (status == TB_OK)
        status = tb_build_page(&b, err);
    if (status == TB_OK) {
        drop_spools(&b);
        status = publish(&b, err);
    }
    if (status != TB_OK && b.part)
        remove_folder(b.part);
    if (status != TB_OK && report) {
        json_decref(*report);
        *report = NULL;
    }
    clear(&b);
    return status;
}
