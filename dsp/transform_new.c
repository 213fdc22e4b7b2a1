/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/transform.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 16 };

static const double TWO_PI = 6.283185307179586;

/* w, w^2, w^3 for positions 0..d of a block of radix * d, each position `repeat` times. */
static void fill_twiddle(float *to, size_t d, size_t repeat, unsigned radix)
{
    const size_t points = d / repeat * radix;
    for (unsigned k = 1; k < radix; k++)
        for (size_t i = 0; i < d; i++) {
            const size_t position = i / repeat;
            const double angle = -TWO_PI * (double)(k * position) / (double)points;
            to[(2 * k - 2) * d + i] = (float)cos(angle);
            to[(2 * k - 1) * d + i] = (float)sin(angle);
        }
}

static size_t plan_passes(struct tb_transform *t, size_t n)
{
    size_t floats = 2 * n;
    t->n_passes = 0;
    for (size_t length = n; length > BLOCK; t->n_passes++) {
        const size_t radix = length == 2 * BLOCK ? 2 : 4;
        length /= radix;
        t->distance[t->n_passes] = length;
        floats += 6 * length;
    }
    t->distance[t->n_passes] = n / 4;
    t->distance[t->n_passes + 1] = n / BLOCK;
    return floats + 6 * (n / 4 + n / BLOCK);
}

static struct tb_short_tables *new_tables(void)
{
    struct tb_short_tables *t = aligned_alloc(64, (sizeof *t + 63) / 64 * 64);
    if (!t)
        return NULL;
    for (size_t i = 0; i < TB_SHORT_POINTS; i++) {
        const double angle = -TWO_PI / 4 * (double)i / TB_SHORT_POINTS;
        t->twist[0][i] = (float)cos(angle);
        t->twist[1][i] = (float)sin(angle);
    }
    fill_twiddle(t->by_four[0], BLOCK, 1, 4);
    for (size_t k = 0; k < 4; k++)
        for (size_t i = 0; i < BLOCK; i++) {
            const size_t apart = 8U >> k, at = i % (2 * apart);
            const bool upper = at >= apart;
            const double angle = upper ? -TWO_PI * (double)(at - apart) / (double)(2 * apart) : 0;
            t->by_two[k][0][i] = (float)cos(angle);
            t->by_two[k][1][i] = (float)sin(angle);
            t->sign[k][i] = upper ? -1 : 1;
        }
    return t;
}

bool tb_transform_init(struct tb_transform *t, size_t n)
{
    memset(t, 0, sizeof *t);
    if ((n < 256 && n != TB_SHORT_POINTS) || n > 65536 || (n & (n - 1)))
        return false;
    t->n = n;
    if (n == TB_SHORT_POINTS) {
        t->n_steps = 1;
        t->whole = new_tables();
        return t->whole;
    }
    const size_t floats = plan_passes(t, n);
    t->memory = aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64);
    if (!t->memory)
        return false;
    t->n_steps = t->n_passes + 4;
    t->twist_re = t->memory;
    t->twist_im = t->memory + n;
    float *at = t->memory + 2 * n;
    for (unsigned p = 0; p < t->n_passes + 2; at += 6 * t->distance[p++]) {
        t->twiddle[p] = at;
        if (p < t->n_passes)
            fill_twiddle(at, t->distance[p], 1, p && t->distance[p - 1] == 2 * BLOCK ? 2 : 4);
        else
            fill_twiddle(at, t->distance[p], n / BLOCK, 4);
    }
    for (size_t i = 0; i < n; i++) {
        t->twist_re[i] = (float)cos(-TWO_PI / 4 * (double)i / (double)n);
        t->twist_im[i] = (float)sin(-TWO_PI / 4 * (double)i / (double)n);
    }
    return true;
}

void tb_transform_clear(struct tb_transform *t)
{
    free(t->memory);
    free(t->whole);
    memset(t, 0, sizeof *t);
}
