/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_module.h"

#include "models/nn/nn.h"
#include "server/train/train_entry.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "timbred-train.so"

static void prepare_blas(void)
{
    if (tb_nn_cpu_has(TB_NN_CPU_AVX512))
        (void)setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
    else if (tb_nn_cpu_has(TB_NN_CPU_AVX2))
        (void)setenv("OPENBLAS_CORETYPE", "Haswell", 0);
    (void)setenv("OPENBLAS_NUM_THREADS", "1", 0);
}

/* Beside the program: only where the build put it, so never from a place that others can write to.
 */
static bool beside_program(char *path, size_t size)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return false;
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return snprintf(path, size, "%s/" FILE_NAME, self) < (int)size && access(path, R_OK) == 0;
}

static const struct tb_train_module *load(struct tb_error *err)
{
    char path[4200];
    if (!beside_program(path, sizeof path))
        (void)snprintf(path, sizeof path, "%s/" FILE_NAME, TB_MODULE_DIR);
    if (access(path, R_OK) != 0) {
        (void)tb_fail(err, TB_EUNSUPPORTED, "%.100s: not there; this build cannot train", path);
        return NULL;
    }
    prepare_blas();
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct tb_train_module *found = handle ? dlsym(handle, TB_TRAIN_SYMBOL) : NULL;
    if (!found) {
        const char *why = dlerror();
        (void)tb_fail(err, TB_EUNSUPPORTED, "%.140s", why ? why : path);
        return NULL;
    }
    if (strcmp(found->version, TB_VERSION) != 0) {
        (void)tb_fail(err, TB_EUNSUPPORTED, "%.80s: version %.20s, this is " TB_VERSION, path,
                      found->version);
        return NULL;
    }
    return found;
}

static const struct tb_train_module *module;

enum tb_status tb_train_module_load(struct tb_error *err)
{
    if (!module)
        module = load(err);
    return module ? TB_OK : err->status;
}

enum tb_status tb_train_module_run(const char *name, const struct tb_args *args,
                                   struct tb_error *err)
{
    enum tb_status status = tb_train_module_load(err);
    return status == TB_OK ? module->command(name, args, err) : status;
}

enum tb_status tb_train_module_job(const char *task, const struct tb_train_job *job,
                                   struct tb_error *err)
{
    enum tb_status status = tb_train_module_load(err);
    return status == TB_OK ? module->job(task, job, err) : status;
}
