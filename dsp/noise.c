/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/noise.h"

#include "dsp/noise_priv.h"

#include <string.h>

void tb_noise_reset(struct tb_noise *noise)
{
    const struct tb_noise_shape *s = noise->shape;
    memset(noise->taps, 0, tb_noise_taps_floats(s) * sizeof(float));
    memset(noise->tail, 0, tb_noise_tail_floats(s) * sizeof(float));
}

void tb_noise_frame(struct tb_noise *noise, const float *magnitudes)
{
    const struct tb_noise_shape *s = noise->shape;
    float *middle = noise->taps + TB_SYNTH_CHUNK + s->half;
    float *outwards = noise->outwards;
    s->kernels->mix(outwards, s->matrix, s->rows, magnitudes, s->n_bands);
    memcpy(middle, outwards, (s->half + 1) * sizeof *middle);
    for (unsigned i = 1; i <= s->half; i++)
        middle[-(ptrdiff_t)i] = outwards[i];
}

void tb_noise_render(struct tb_noise *noise, float *out, size_t n)
{
    const struct tb_noise_shape *s = noise->shape;
    const size_t taps = 2 * s->half + 1;
    for (size_t at = 0; at < n; at += TB_SYNTH_CHUNK) {
        const size_t m = n - at < TB_SYNTH_CHUNK ? n - at : TB_SYNTH_CHUNK;
        float x[TB_SYNTH_CHUNK + 16];
        s->kernels->noise(x, noise->counter, m);
        noise->counter += (uint32_t)m;
        s->kernels->scatter(noise->tail, x, m, noise->taps + TB_SYNTH_CHUNK, taps);
        for (size_t i = 0; i < m; i++)
            out[at + i] += noise->tail[i];
        memmove(noise->tail, noise->tail + m, (taps - 1) * sizeof(float));
        memset(noise->tail + taps - 1, 0, m * sizeof(float));
    }
}
