/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/noise_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.141592653589793;

/* Tap i, in model samples t = i * model rate / rate, of an inverse real transform of 2 (n - 1)
 * points under its Hann window; noise of one sample in `spacing` has its power spread over
 * rate / spacing / model rate times the band, hence the root. */
static void fill(struct tb_noise_shape *s, double step)
{
    const unsigned last = s->n_bands - 1;
    const double points = 2.0 * last, gain = sqrt(step * s->spacing);
    for (unsigned k = 0; k <= last && k * step / points <= 0.5; k++) /* none to alias */
        for (unsigned i = 0; i < s->rows; i++) {
            const double weight = (k == 0 || k == last ? 1.0 : 2.0) / points;
            s->matrix[k * s->rows + i] =
                (float)(weight * gain * cos(2 * PI * k * i * step / points));
        }
    for (unsigned i = 0; i < s->rows; i++) {
        const double back = (double)s->half + 1 - i;
        const double near = i * step, far = back * step;
        s->window[i] = i <= s->half ? (float)(0.5 + 0.5 * cos(2 * PI * near / points)) : 0;
        s->window[s->rows + i] = i > 0 ? (float)(0.5 + 0.5 * cos(2 * PI * far / points)) : 0;
    }
}

static bool allocate(struct tb_noise_shape *s)
{
    const size_t bytes = s->rows * s->n_bands * sizeof(float);
    const size_t windows = (2 * s->rows * sizeof(float) + 63) / 64 * 64;
    s->matrix = aligned_alloc(64, bytes);
    s->window = aligned_alloc(64, windows);
    if (!s->matrix || !s->window)
        return false;
    memset(s->matrix, 0, bytes);
    return true;
}

struct tb_noise_shape *tb_noise_shape_new(const struct tb_synth_kernels *kernels, unsigned n_bands,
                                          float model_rate_hz, float rate_hz)
{
    if (!kernels || n_bands < 2 || n_bands > TB_NOISE_MAX_BANDS || !(model_rate_hz >= 8000) ||
        !(model_rate_hz <= 192000) || !(rate_hz >= 8000) || !(rate_hz <= 192000))
        return NULL;
    const double step = (double)model_rate_hz / (double)rate_hz, turn = (n_bands - 1) / step;
    const double half = ceil(turn) - 1, spacing = fmin(floor(1 / step), TB_SCATTER_SPACING);
    if (half > TB_NOISE_MAX_HALF)
        return NULL;
    struct tb_noise_shape *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->kernels = kernels;
    s->n_bands = n_bands;
    s->half = (unsigned)half;
    s->spacing = spacing > 1 ? (unsigned)spacing : 1;
    s->folded = turn == half + 1 && s->half >= 32;
    s->rows = ((s->folded ? (s->half + 1) / 2 : s->half) + 1 + 15) / 16 * 16;
    if (!allocate(s)) {
        tb_noise_shape_free(s);
        return NULL;
    }
    fill(s, step);
    return s;
}

void tb_noise_shape_free(struct tb_noise_shape *shape)
{
    if (shape) {
        free(shape->matrix);
        free(shape->window);
    }
    free(shape);
}

bool tb_noise_init(struct tb_noise *noise, const struct tb_noise_shape *shape, uint32_t seed)
{
    *noise = (struct tb_noise){.shape = shape, .counter = seed * 0x9e3779b9u};
    noise->taps = malloc(tb_noise_taps_floats(shape) * sizeof(float));
    noise->sound = malloc(tb_noise_sound_floats(shape) * sizeof(float));
    if (!noise->taps || !noise->sound) {
        tb_noise_clear(noise);
        return false;
    }
    tb_noise_reset(noise);
    return true;
}

void tb_noise_clear(struct tb_noise *noise)
{
    free(noise->taps);
    free(noise->sound);
    *noise = (struct tb_noise){0};
}
