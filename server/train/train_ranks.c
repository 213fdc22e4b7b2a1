/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_ranks.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tb_ranks_module *module;

/* Processes that mpirun (or a resource manager that speaks PMI) began. */
static long began(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
    long n = 1;
    for (size_t i = 0; i < 2; i++) {
        const char *text = getenv(names[i]);
        long said = text ? strtol(text, NULL, 10) : 1;
        n = said > n ? said : n;
    }
    return n;
}

/* Where this very function was loaded from. */
static bool beside(char *path, size_t size)
{
    union {
        enum tb_status (*function)(struct tb_ranks *, struct tb_error *);
        void *address;
    } own = {.function = tb_train_ranks_join};
    Dl_info info;
    const char *slash = dladdr(own.address, &info) ? strrchr(info.dli_fname, '/') : NULL;
    return slash && snprintf(path, size, "%.*s/timbred-mpi.so", (int)(slash - info.dli_fname),
                             info.dli_fname) < (int)size;
}

enum tb_status tb_train_ranks_join(struct tb_ranks *ranks, struct tb_error *err)
{
    char path[PATH_MAX];
    const long n = began();
    *ranks = (struct tb_ranks){.count = 1, .near = 1};
    if (n < 2)
        return TB_OK;
    /* Global: what OpenMPI loads by itself looks for its symbols. It stays loaded. */
    void *handle = beside(path, sizeof path) ? dlopen(path, RTLD_NOW | RTLD_GLOBAL) : NULL;
    module = handle ? dlsym(handle, TB_RANKS_SYMBOL) : NULL;
    if (!module || strcmp(module->version, TB_VERSION) != 0) {
        module = NULL;
        return tb_fail(err, TB_EUNSUPPORTED,
                       "%ld processes were begun, but this build has no MPI (libopenmpi-dev)", n);
    }
    if (!module->begin(ranks)) {
        module = NULL;
        return tb_fail(err, TB_EIO, "MPI: could not begin");
    }
    return TB_OK;
}

void tb_train_ranks_leave(const struct tb_ranks *ranks)
{
    if (tb_ranks_count(ranks) > 1 && module)
        module->end();
}
