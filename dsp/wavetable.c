/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/wavetable.h"

#include <string.h>

void tb_wavetable_reset(struct tb_wavetable *w)
{
    const size_t rows = w->tables->level[0].rows;
    w->phase = 0;
    w->level[0] = w->level[1] = w->tables->n_levels - 1;
    memset(w->mix[0], 0, rows * sizeof(float));
    memset(w->mix[1], 0, rows * sizeof(float));
}

void tb_wavetable_attention(const struct tb_wavetables *tables, const struct tb_level_curve *curve,
                            const float *raw, float *attention)
{
    float all[TB_WAVETABLE_MAX_TABLES + 32];
    tables->kernels->levels(all, raw, tables->n_tables + 1, curve);
    float sum = 0;
    for (unsigned k = 0; k < tables->n_tables; k++)
        sum += all[k + 1];
    const float gain = sum > 1e-20f ? all[0] / sum : 0;
    for (unsigned k = 0; k < tables->n_tables; k++)
        attention[k] = all[k + 1] * gain;
}

void tb_wavetable_frame(struct tb_wavetable *w, const float *attention, float highest_cps)
{
    const struct tb_wavetables *t = w->tables;
    unsigned level = 0;
    while (level + 1 < t->n_levels &&
           (float)t->level[level].n_harmonics * highest_cps >= w->limit_cps)
        level++;
    float *old = w->mix[0];
    w->mix[0] = w->mix[1];
    w->level[0] = w->level[1];
    w->mix[1] = old;
    w->level[1] = level;
    /* Even the first harmonic is too high: silence. */
    if ((float)t->level[level].n_harmonics * highest_cps >= w->limit_cps)
        memset(old, 0, t->level[level].rows * sizeof *old);
    else
        t->kernels->mix(old, t->level[level].tables, t->level[level].rows, attention, t->n_tables);
}

/* Catmull-Rom through four samples; table has one sample before the period and two behind. */
static inline float read_table(const float *table, float length, uint32_t phase)
{
    const float at = (float)(phase >> 8) * (1.0f / 16777216.0f) * length;
    const uint32_t i = (uint32_t)at;
    const float t = at - (float)i;
    const float a = table[i], b = table[i + 1], c = table[i + 2], d = table[i + 3];
    return b + 0.5f * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

void tb_wavetable_render(struct tb_wavetable *w, const float *f0_cps, const float *weight,
                         float *out, size_t n)
{
    const float from_length = (float)w->tables->level[w->level[0]].length;
    const float to_length = (float)w->tables->level[w->level[1]].length;
    for (size_t i = 0; i < n; i++) {
        const uint32_t phase = (uint32_t)(w->phase >> 32);
        const float from = read_table(w->mix[0], from_length, phase);
        const float to = read_table(w->mix[1], to_length, phase);
        const float f = f0_cps[i] > 0 ? f0_cps[i] : 0;
        out[i] += from + weight[i] * (to - from);
        w->phase += (uint64_t)((double)(f < 0.5f ? f : 0.5f) * 18446744073709551616.0);
    }
}
