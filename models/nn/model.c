/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/nn/nn_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Huge pages pay from here on: fewer TLB misses when the frame starts with cold caches. */
static const size_t HUGE_FROM = 128 << 10, HUGE_PAGE = 2 << 20, PAGE = 4096;

static bool take_arena(struct tb_nn_model *m, bool lock)
{
    const bool huge = m->arena_bytes >= HUGE_FROM;
    const size_t page = huge ? HUGE_PAGE : PAGE;
    /* Kernels prefetch past the end, which is harmless; whole pages are mapped anyway. */
    const size_t bytes = (m->arena_bytes + page - 1) / page * page;
    unsigned char *at =
        mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return false;
    const size_t before = (page - (uintptr_t)at % page) % page;
    if (before)
        (void)munmap(at, before);
    (void)munmap(at + before + bytes, page - before);
    m->arena = at + before;
    m->mapped_bytes = bytes;
    if (huge)
        (void)madvise(m->arena, bytes, MADV_HUGEPAGE);
    if (lock && mlock(m->arena, bytes) == 0)
        m->locked_bytes = bytes;
    return true;
}

static enum tb_status check_values(const struct tb_nn_spec *spec,
                                   const struct tb_nn_tensor *tensors, struct tb_error *err)
{
    struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    const size_t n = tb_nn_shapes(spec, shapes);
    for (size_t t = 0; t < n; t++) {
        const struct tb_nn_shape *s = &shapes[t];
        const size_t row = (size_t)s->dim[1] * s->dim[2], values = s->dim[0] * row;
        if (!tensors[t].data || tensors[t].dtype >= TB_NN_N_DTYPES)
            return tb_fail(err, TB_EINVAL, "%s: missing", s->name);
        const bool int8 = tensors[t].dtype == TB_NN_I8;
        if (int8 && (!s->quantisable || !tensors[t].scales))
            return tb_fail(err, TB_EINVAL, "%s: int8 is not for this tensor", s->name);
        for (size_t i = 0; i < values; i++) {
            if (int8 && ((const int8_t *)tensors[t].data)[i] == -128)
                return tb_fail(err, TB_ECORRUPT, "%s: -128 at %zu, codes are -127..127", s->name,
                               i);
            if (!isfinite(tb_nn_value(&tensors[t], i, i / row)))
                return tb_fail(err, TB_ECORRUPT, "%s: value %zu is not finite", s->name, i);
        }
    }
    return TB_OK;
}

static bool fill(struct tb_nn_model *m, const struct tb_nn_tensor *tensors,
                 const struct tb_nn_options *options)
{
    return tb_nn_plan(m, tensors, options->storage) && take_arena(m, options->lock) &&
           tb_nn_plan(m, tensors, options->storage);
}

struct tb_nn_model *tb_nn_model_new(const struct tb_nn_spec *spec,
                                    const struct tb_nn_tensor *tensors,
                                    const struct tb_nn_options *options, struct tb_error *err)
{
    if (tb_nn_spec_check(spec, err) != TB_OK)
        return NULL;
    enum tb_nn_cpu cpu = options->cpu;
    if (cpu == TB_NN_CPU_BEST)
        for (cpu = TB_NN_N_CPUS - 1; cpu > TB_NN_CPU_PORTABLE && !tb_nn_cpu_has(cpu);)
            cpu--;
    if (!tb_nn_cpu_has(cpu)) {
        (void)tb_fail(err, TB_EUNSUPPORTED, "cpu: no %s kernels on this machine",
                      tb_nn_cpu_name(cpu));
        return NULL;
    }
    if (options->storage > TB_NN_N_DTYPES) {
        (void)tb_fail(err, TB_EINVAL, "storage: unknown");
        return NULL;
    }
    if (check_values(spec, tensors, err) != TB_OK)
        return NULL;
    struct tb_nn_model *m = calloc(1, sizeof *m);
    if (m) {
        m->spec = *spec;
        m->kernels = tb_nn_kernels_of(cpu);
    }
    if (!m || !fill(m, tensors, options)) {
        tb_nn_model_free(m);
        (void)tb_fail(err, TB_ENOMEM, "out of memory for the weights");
        return NULL;
    }
    return m;
}

void tb_nn_model_free(struct tb_nn_model *model)
{
    if (model && model->arena)
        (void)munmap(model->arena, model->mapped_bytes);
    free(model);
}

const struct tb_nn_spec *tb_nn_model_spec(const struct tb_nn_model *model)
{
    return &model->spec;
}

enum tb_nn_cpu tb_nn_model_cpu(const struct tb_nn_model *model)
{
    return model->kernels->cpu;
}

size_t tb_nn_model_bytes(const struct tb_nn_model *model)
{
    return model->arena_bytes;
}

size_t tb_nn_model_locked(const struct tb_nn_model *model)
{
    return model->locked_bytes;
}

uint64_t tb_nn_model_macs(const struct tb_nn_model *model)
{
    return model->macs;
}

static void *take_touched(size_t bytes)
{
    bytes = (bytes + TB_NN_ALIGN - 1) / TB_NN_ALIGN * TB_NN_ALIGN;
    void *at = aligned_alloc(TB_NN_ALIGN, bytes);
    if (at)
        memset(at, 0, bytes);
    return at;
}

struct tb_nn_bank *tb_nn_bank_new(const struct tb_nn_model *model, unsigned n_slots)
{
    if (n_slots < 1 || n_slots > TB_NN_MAX_SLOTS)
        return NULL;
    struct tb_nn_bank *bank = calloc(1, sizeof *bank);
    if (!bank)
        return NULL;
    bank->model = model;
    bank->n_slots = n_slots;
    bank->state = take_touched(n_slots * (size_t)model->state * sizeof(float));
    bank->rings = take_touched(n_slots * (size_t)TB_NN_MAX_RINGS * sizeof(uint32_t));
    if (!bank->state || !bank->rings) {
        tb_nn_bank_free(bank);
        return NULL;
    }
    return bank;
}

void tb_nn_bank_free(struct tb_nn_bank *bank)
{
    if (!bank)
        return;
    free(bank->state);
    free(bank->rings);
    free(bank);
}

struct tb_nn_run *tb_nn_run_new(struct tb_nn_bank *bank)
{
    struct tb_nn_run *run = take_touched(sizeof *run);
    if (!run)
        return NULL;
    run->bank = bank;
    run->op = bank->model->n_ops;
    run->scratch = take_touched(TB_NN_MAX_BATCH * (size_t)bank->model->scratch * sizeof(float));
    if (!run->scratch) {
        free(run);
        return NULL;
    }
    return run;
}

void tb_nn_run_free(struct tb_nn_run *run)
{
    if (!run)
        return;
    free(run->scratch);
    free(run);
}
