/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/build_priv.h"

#include <errno.h>
#include <fnmatch.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILES = 100000, MAX_DEPTH = 16 };

static const char *const ENDINGS[] = {".wav", ".flac", ".mp3",  ".ogg",
                                      ".oga", ".aif",  ".aiff", ".opus"};

enum tb_status tb_build_fault(const char *what, struct tb_error *err)
{
    const int fault = errno;
    const bool full = fault == ENOSPC || fault == EDQUOT || fault == EFBIG;
    return tb_fail(err, full ? TB_EFULL : TB_EIO, "%.80s: %s", what, strerror(fault));
}

FILE *tb_build_open(const struct tb_build *b, const char *name, struct tb_error *err)
{
    char path[4096];
    FILE *file = NULL;
    if (snprintf(path, sizeof path, "%s/%s", b->part, name) < (int)sizeof path)
        file = fopen(path, "w+be");
    else
        errno = ENAMETOOLONG;
    if (!file)
        (void)tb_build_fault(name, err);
    return file;
}

enum tb_status tb_build_close(FILE *file, const char *name, struct tb_error *err)
{
    enum tb_status status = TB_OK;
    if (ferror(file) || fflush(file) != 0 || fsync(fileno(file)) != 0)
        status = tb_build_fault(name, err);
    if (fclose(file) != 0 && status == TB_OK)
        status = tb_build_fault(name, err);
    return status;
}

static bool matches(const char *const *patterns, const char *name)
{
    for (; patterns && *patterns; patterns++)
        if (fnmatch(*patterns, name, FNM_CASEFOLD) == 0)
            return true;
    return false;
}

static bool is_sound(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof ENDINGS / sizeof *ENDINGS; i++)
        if (strcasecmp(dot, ENDINGS[i]) == 0)
            return true;
    return false;
}

/* nftw has no argument of the caller's. One build at a time in a thread. */
static _Thread_local struct {
    struct tb_build *build;
    size_t root; /* length of the folder's path */
    bool short_of_memory, too_many;
} walk;

static int visit(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    struct tb_build *b = walk.build;
    const char *base = path + where->base;
    if (kind != FTW_F || base[0] == '.' || !is_sound(base) ||
        (b->options->only && !matches(b->options->only, base)) ||
        matches(b->options->exclude, base))
        return 0;
    if (b->n_sources >= MAX_FILES) {
        walk.too_many = true;
        return 1;
    }
    if ((b->n_sources & (b->n_sources - 1)) == 0) {
        const size_t room = b->n_sources ? 2 * b->n_sources : 1;
        struct tb_data_source *sources = realloc(b->sources, room * sizeof *sources);
        if (!sources)
            return walk.short_of_memory = true;
        b->sources = sources;
    }
    char *name = strdup(path + walk.root);
    if (!name)
        return walk.short_of_memory = true;
    b->sources[b->n_sources++] = (struct tb_data_source){.name = name, .label = {.mark = -1}};
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct tb_data_source *x = a, *y = b;
    return strcmp(x->name, y->name);
}

enum tb_status tb_build_list(struct tb_build *b, struct tb_error *err)
{
    const char *folder = b->options->folder;
    struct stat st;
    if (stat(folder, &st) != 0)
        return tb_fail(err, TB_ENOTFOUND, "%.100s: %s", folder, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return tb_fail(err, TB_EINVAL, "%.100s: not a folder", folder);
    size_t length = strlen(folder);
    length += folder[length - 1] != '/';
    walk.build = b;
    walk.root = length;
    walk.short_of_memory = walk.too_many = false;
    const int result = nftw(folder, visit, MAX_DEPTH, FTW_PHYS);
    if (walk.short_of_memory)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    if (walk.too_many)
        return tb_fail(err, TB_ETOOLARGE, "%.80s: more than %d recordings", folder, MAX_FILES);
    if (result < 0)
        return tb_fail(err, TB_EIO, "%.100s: %s", folder, strerror(errno));
    if (b->n_sources == 0)
        return tb_fail(err, TB_ENOTFOUND,
                       "%.80s: no recordings (wav, flac, mp3, ogg, aiff, opus) that were asked for",
                       folder);
    qsort(b->sources, b->n_sources, sizeof *b->sources, by_name);
    return TB_OK;
}
