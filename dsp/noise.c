/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/noise.h"

#include "dsp/noise_priv.h"

#include <string.h>

float *tb_noise_middle(const struct tb_noise *noise)
{
    return noise->taps + tb_noise_before(noise->shape) + noise->shape->half;
}

void tb_noise_reset(struct tb_noise *noise)
{
    const struct tb_noise_shape *s = noise->shape;
    noise->at = noise->made = 0;
    noise->wait = 0;
    memset(noise->taps, 0, tb_noise_taps_floats(s) * sizeof(float));
    memset(noise->sound, 0, tb_noise_sound_floats(s) * sizeof(float));
}

/* What was rendered makes room; behind what is made there are only ends of it. */
static void move_up(struct tb_noise *noise)
{
    const size_t done = noise->at;
    const size_t keep = noise->made - done + noise->shape->spacing + 2 * noise->shape->half;
    if (done == 0)
        return;
    memmove(noise->sound, noise->sound + done, keep * sizeof(float));
    memset(noise->sound + keep, 0, done * sizeof(float));
    noise->made -= done;
    noise->at = 0;
}

static void make(struct tb_noise *noise, size_t n)
{
    const struct tb_noise_shape *s = noise->shape;
    float x[TB_NOISE_AHEAD + 16];
    move_up(noise);
    n = n < TB_NOISE_AHEAD - noise->made ? n : TB_NOISE_AHEAD - noise->made;
    const size_t inputs = n > noise->wait ? (n - noise->wait + s->spacing - 1) / s->spacing : 0;
    if (inputs > 0) {
        s->kernels->noise(x, noise->counter, inputs);
        s->kernels->scatter(&(struct tb_scatter_job){.y = noise->sound + noise->made + noise->wait,
                                                     .x = x,
                                                     .h = noise->taps + tb_noise_before(s),
                                                     .n = inputs,
                                                     .n_taps = 2 * s->half + 1,
                                                     .spacing = s->spacing});
    }
    noise->counter += (uint32_t)inputs;
    noise->wait = (unsigned)(noise->wait + inputs * s->spacing - n);
    noise->made += n;
}

void tb_noise_frame(struct tb_noise *noise, const float *magnitudes, size_t ahead)
{
    const struct tb_noise_shape *s = noise->shape;
    s->kernels->taps(&(struct tb_taps_job){.middle = tb_noise_middle(noise),
                                           .matrix = s->matrix,
                                           .window = s->window,
                                           .window_back = s->window + s->rows,
                                           .magnitudes = magnitudes,
                                           .rows = s->rows,
                                           .turn = s->half + 1,
                                           .n_bands = s->n_bands,
                                           .folded = s->folded});
    const size_t there = noise->made - noise->at;
    if (ahead > there)
        make(noise, ahead - there);
}

void tb_noise_render(struct tb_noise *noise, float *out, size_t n)
{
    while (n > 0) {
        if (noise->at == noise->made)
            make(noise, n);
        const size_t there = noise->made - noise->at, m = n < there ? n : there;
        noise->shape->kernels->join(out, noise->sound + noise->at, m, 1, 0);
        noise->at += m;
        out += m;
        n -= m;
    }
}
