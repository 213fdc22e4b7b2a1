/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NOISE_H
#define TB_DSP_NOISE_H

#include "dsp/synth_kernels.h"

/* Noise through a filter that each frame brings: magnitudes at n_bands frequencies from 0 to the
 * model's Nyquist frequency, inverse real transform, periodic Hann window, centred; the frames
 * overlap and add. At another rate than the model's the same impulse response is sampled finer,
 * with nothing above the model's Nyquist frequency and the same power a Hz. What is filtered is
 * noise of no more samples a second than the model's Nyquist frequency asks for, one every
 * `spacing` samples: where the rate is a multiple of the model's, every spacing-th sample is what
 * the model was trained with, and those between are what its filter makes of the same noise. */

enum { TB_NOISE_MAX_BANDS = 257, TB_NOISE_MAX_HALF = 1600, TB_NOISE_AHEAD = 512 };

/* Shared by all voices of a model at a rate. */
struct tb_noise_shape {
    const struct tb_synth_kernels *kernels;
    unsigned n_bands;
    unsigned half; /* taps on each side of the middle one; also the delay in samples */
    unsigned spacing;
    bool folded;   /* the filter's turning point, n_bands - 1 samples of the model, is a whole tap:
                    * cosines beyond half of it are those before it, even ones or their negatives */
    size_t rows;   /* taps on one side, or half of them, up to a multiple of 16 */
    float *matrix; /* [n_bands][rows]: magnitude to tap, from the middle outwards */
    float *window; /* [rows], and [rows] from the turning point back */
};

/* Control thread. n_bands 2..257, rates 8000..192000, and at most TB_NOISE_MAX_HALF taps a side;
 * NULL otherwise or without memory. */
struct tb_noise_shape *tb_noise_shape_new(const struct tb_synth_kernels *kernels, unsigned n_bands,
                                          float model_rate_hz, float rate_hz);
void tb_noise_shape_free(struct tb_noise_shape *shape);

/* One voice. */
struct tb_noise {
    const struct tb_noise_shape *shape;
    uint32_t counter;
    unsigned wait;   /* samples from the end of what is made to the next input */
    size_t at, made; /* of sound: rendered; made, up to TB_NOISE_AHEAD */
    float *taps;     /* zeros, [2 * half + 1], zeros */
    float *sound;    /* what is made, and [2 * half] that input so far still gives */
};

/* Control thread. False without memory. */
bool tb_noise_init(struct tb_noise *noise, const struct tb_noise_shape *shape, uint32_t seed);
void tb_noise_clear(struct tb_noise *noise);

/* RT. Forgets all sound, filter included; the seed's noise goes on. */
TB_RT void tb_noise_reset(struct tb_noise *noise);

/* RT. The filter for what is rendered from now on: linear magnitudes [n_bands]. ahead: so many
 * samples will be wanted of it (0: unknown), which are made at once, cheaper than bit by bit. */
TB_RT void tb_noise_frame(struct tb_noise *noise, const float *magnitudes, size_t ahead);

/* The filter of now: taps -half..half around what this points to. */
float *tb_noise_middle(const struct tb_noise *noise);

/* RT. Adds n samples to out. */
TB_RT void tb_noise_render(struct tb_noise *noise, float *out, size_t n);

#endif
