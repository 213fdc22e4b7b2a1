/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/wavetable.h"

#include "dsp/neural_controls.h"

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

unsigned tb_wavetable_level(const struct tb_wave_level *level, unsigned n_levels, float highest_cps,
                            float limit_cps)
{
    unsigned v = 0;
    while (v < n_levels && (float)level[v].n_harmonics * highest_cps >= limit_cps)
        v++;
    return v;
}

void tb_wavetable_frame(struct tb_wavetable *w, const float *attention, float highest_cps)
{
    const struct tb_wavetables *t = w->tables;
    const unsigned fits = tb_wavetable_level(t->level, t->n_levels, highest_cps, w->limit_cps);
    const unsigned level = fits < t->n_levels ? fits : t->n_levels - 1;
    float *old = w->mix[0];
    w->mix[0] = w->mix[1];
    w->level[0] = w->level[1];
    w->mix[1] = old;
    w->level[1] = level;
    /* Even the first harmonic is too high: silence. */
    if (fits == t->n_levels)
        memset(old, 0, t->level[level].rows * sizeof *old);
    else
        t->kernels->mix(old, t->level[level].tables, t->level[level].rows, attention, t->n_tables);
}

/* Place of a phase in a table: sample and fraction. */
struct place {
    uint32_t i;
    float t;
};

static inline struct place place_of(uint32_t phase, float length)
{
    const float at = (float)(int32_t)(phase >> 8) * (1.0f / 16777216.0f) * length;
    const int32_t i = (int32_t)at;
    return (struct place){(uint32_t)i, at - (float)i};
}

/* Catmull-Rom through four samples; a table has one sample before the period and two behind. */
static inline float curve(float a, float b, float c, float d, float t)
{
    return b + 0.5f * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

static inline float read_table(const float *table, struct place p)
{
    table += p.i;
    return curve(table[0], table[1], table[2], table[3], p.t);
}

void tb_wavetable_render(struct tb_wavetable *w, const float *f0_cps, const float *weight,
                         float *out, size_t n)
{
    const float from_length = (float)w->tables->level[w->level[0]].length;
    const float to_length = (float)w->tables->level[w->level[1]].length;
    const float *from = w->mix[0], *to = w->mix[1];
    for (size_t i = 0; i < n; i++) {
        const uint32_t phase = (uint32_t)(w->phase >> 32);
        const struct place p = place_of(phase, to_length);
        const struct place q = from_length == to_length ? p : place_of(phase, from_length);
        const float f = f0_cps[i] > 0 ? f0_cps[i] : 0;
        const float a = read_table(from, q);
        out[i] += a + weight[i] * (read_table(to, p) - a);
        w->phase += tb_turns_of(f);
    }
}
