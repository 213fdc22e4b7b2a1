/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_UNIT_STORE_FIXTURE_H
#define TB_UNIT_STORE_FIXTURE_H

/* A store in a directory of its own, for the tests of db/. Include after cmocka.h. */
#include "db/store.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    char directory[64];
    struct tb_store *store;
    struct tb_error err;
};

static int fixture_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f)
        return -1;
    strcpy(f->directory, "/tmp/timbred-test-XXXXXX");
    if (!mkdtemp(f->directory))
        return -1;
    f->store = tb_store_open(f->directory, TB_STORE_WRITE, NULL, &f->err);
    if (!f->store)
        (void)fprintf(stderr, "%s\n", f->err.text);
    return f->store ? 0 : -1;
}

static int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    tb_store_close(f->store);
    int failed = nftw(f->directory, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return failed;
}

#define assert_ok(f, call)                                                                         \
    do {                                                                                           \
        if ((call) != TB_OK)                                                                       \
            fail_msg("%s: %s", #call, (f)->err.text);                                              \
    } while (0)

static inline void fixture_patch(struct tb_patch *patch, const char *name, const char *category)
{
    memset(patch, 0, sizeof *patch);
    snprintf(patch->name, sizeof patch->name, "%s", name);
    snprintf(patch->category, sizeof patch->category, "%s", category);
}

/* Creates in a transaction of its own; values and all else as given. */
static inline void fixture_create(struct fixture *f, struct tb_patch *patch)
{
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_patch_create(f->store, patch, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
}

#endif
