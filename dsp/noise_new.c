/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/noise_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.141592653589793;

/* Tap i, in model samples t = i * model rate / rate, of an inverse real transform of 2 (n - 1)
 * points under its Hann window; white noise of the same peak has its power spread over
 * rate / model rate times the band, hence the root. */
static void fill(struct tb_noise_shape *s, double step)
{
    const unsigned last = s->n_bands - 1;
    const double points = 2.0 * last;
    for (unsigned k = 0; k <= last && k * step / points <= 0.5; k++) /* none to alias */
        for (unsigned i = 0; i <= s->half; i++) {
            const double t = i * step;
            const double window = 0.5 + 0.5 * cos(2 * PI * t / points);
            const double weight = (k == 0 || k == last ? 1.0 : 2.0) / points;
            s->matrix[k * s->rows + i] =
                (float)(weight * window * cos(2 * PI * k * t / points) * sqrt(step));
        }
}

struct tb_noise_shape *tb_noise_shape_new(const struct tb_synth_kernels *kernels, unsigned n_bands,
                                          float model_rate_hz, float rate_hz)
{
    if (!kernels || n_bands < 2 || n_bands > TB_NOISE_MAX_BANDS || !(model_rate_hz >= 8000) ||
        !(model_rate_hz <= 192000) || !(rate_hz >= 8000) || !(rate_hz <= 192000))
        return NULL;
    const double step = (double)model_rate_hz / (double)rate_hz;
    const double half = ceil((n_bands - 1) / step) - 1;
    if (half > TB_NOISE_MAX_HALF)
        return NULL;
    struct tb_noise_shape *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->kernels = kernels;
    s->n_bands = n_bands;
    s->half = (unsigned)half;
    s->rows = (s->half + 16) / 16 * 16;
    const size_t bytes = s->rows * n_bands * sizeof(float);
    s->matrix = aligned_alloc(64, bytes);
    if (!s->matrix) {
        free(s);
        return NULL;
    }
    memset(s->matrix, 0, bytes);
    fill(s, step);
    return s;
}

void tb_noise_shape_free(struct tb_noise_shape *shape)
{
    if (shape)
        free(shape->matrix);
    free(shape);
}

bool tb_noise_init(struct tb_noise *noise, const struct tb_noise_shape *shape, uint32_t seed)
{
    *noise = (struct tb_noise){.shape = shape, .counter = seed * 0x9e3779b9u};
    noise->taps = malloc(tb_noise_taps_floats(shape) * sizeof(float));
    noise->tail = malloc(tb_noise_tail_floats(shape) * sizeof(float));
    noise->outwards = malloc(shape->rows * sizeof(float));
    if (!noise->taps || !noise->tail || !noise->outwards) {
        tb_noise_clear(noise);
        return false;
    }
    tb_noise_reset(noise);
    return true;
}

void tb_noise_clear(struct tb_noise *noise)
{
    free(noise->taps);
    free(noise->tail);
    free(noise->outwards);
    *noise = (struct tb_noise){0};
}
