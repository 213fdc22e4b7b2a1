/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/wavetable.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OVERSAMPLE = 16, MIN_LENGTH = 128 };

static const double TWO_PI = 6.283185307179586;

/* Fourier series of one period: cosine and sine of harmonics 1..n. */
static void analyse(const float *period, unsigned size, double *re, double *im, unsigned n)
{
    for (unsigned k = 1; k <= n; k++) {
        re[k] = im[k] = 0;
        for (unsigned i = 0; i < size; i++) {
            const double angle = TWO_PI * (double)((size_t)k * i % size) / size;
            re[k] += (double)period[i] * cos(angle) / size;
            im[k] += (double)period[i] * sin(angle) / size;
        }
        if (2 * k < size) {
            re[k] *= 2;
            im[k] *= 2;
        }
    }
}

static void synthesise(const double *re, const double *im, const struct tb_wave_level *l,
                       const double *circle, float *to)
{
    const unsigned n = l->length;
    for (unsigned i = 0; i < n; i++) {
        double sum = 0;
        for (unsigned k = 1; k <= l->n_harmonics; k++) {
            const size_t at = (size_t)k * i % n;
            sum += re[k] * circle[2 * at] + im[k] * circle[2 * at + 1];
        }
        to[1 + i] = (float)sum;
    }
    to[0] = to[n];
    to[n + 1] = to[1];
    to[n + 2] = to[2];
}

unsigned tb_wavetable_plan(struct tb_wave_level *level, unsigned most)
{
    double harmonics = most;
    for (unsigned v = 0; v < TB_WAVETABLE_LEVELS; v++) {
        struct tb_wave_level *l = &level[v];
        l->n_harmonics = harmonics < 1 ? 1 : (unsigned)harmonics;
        l->length = OVERSAMPLE * l->n_harmonics;
        l->length = l->length < MIN_LENGTH ? MIN_LENGTH : l->length;
        l->rows = (l->length + TB_WAVETABLE_GUARD + 15) / 16 * 16;
        if (l->n_harmonics == 1)
            return v + 1;
        harmonics /= sqrt(2);
    }
    return TB_WAVETABLE_LEVELS;
}

static bool fill(struct tb_wavetables *t, const float *tables, unsigned size)
{
    const unsigned most = t->level[0].n_harmonics, longest = t->level[0].length;
    double *work = malloc((2 * (most + 1) * t->n_tables + 2 * longest) * sizeof *work);
    if (!work)
        return false;
    double *series = work + 2 * longest;
    for (unsigned k = 0; k < t->n_tables; k++)
        analyse(tables + (size_t)k * size, size - 1, series + 2 * k * (most + 1),
                series + (2 * k + 1) * (most + 1), most);
    float *at = t->memory;
    for (unsigned v = 0; v < t->n_levels; v++) {
        struct tb_wave_level *l = &t->level[v];
        for (unsigned i = 0; i < l->length; i++) {
            work[2 * i] = cos(TWO_PI * i / l->length);
            work[2 * i + 1] = sin(TWO_PI * i / l->length);
        }
        l->tables = at;
        for (unsigned k = 0; k < t->n_tables; k++, at += l->rows)
            synthesise(series + 2 * k * (most + 1), series + (2 * k + 1) * (most + 1), l, work, at);
    }
    free(work);
    return true;
}

struct tb_wavetables *tb_wavetables_new(const struct tb_synth_kernels *kernels, const float *tables,
                                        unsigned n_tables, unsigned size)
{
    if (!kernels || n_tables < 1 || n_tables > TB_WAVETABLE_MAX_TABLES || size < 16 || size > 4096)
        return NULL;
    struct tb_wavetables *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->kernels = kernels;
    t->n_tables = n_tables;
    size_t floats = 0;
    t->n_levels = tb_wavetable_plan(t->level, (size - 2) / 2);
    for (unsigned v = 0; v < t->n_levels; v++)
        floats += t->level[v].rows * n_tables;
    t->memory = aligned_alloc(64, floats * sizeof(float));
    if (t->memory)
        memset(t->memory, 0, floats * sizeof(float));
    if (!t->memory || !fill(t, tables, size)) {
        tb_wavetables_free(t);
        return NULL;
    }
    return t;
}

void tb_wavetables_free(struct tb_wavetables *tables)
{
    if (tables)
        free(tables->memory);
    free(tables);
}

bool tb_wavetable_init(struct tb_wavetable *w, const struct tb_wavetables *tables, float limit_cps)
{
    const size_t rows = tables->level[0].rows;
    *w = (struct tb_wavetable){.tables = tables, .limit_cps = limit_cps < 0.5f ? limit_cps : 0.5f};
    w->mix[0] = aligned_alloc(64, rows * sizeof(float));
    w->mix[1] = aligned_alloc(64, rows * sizeof(float));
    if (!w->mix[0] || !w->mix[1]) {
        tb_wavetable_clear(w);
        return false;
    }
    tb_wavetable_reset(w);
    return true;
}

void tb_wavetable_clear(struct tb_wavetable *w)
{
    free(w->mix[0]);
    free(w->mix[1]);
    *w = (struct tb_wavetable){0};
}
