/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NOISE_H
#define TB_DSP_NOISE_H

#include "dsp/synth_kernels.h"

/* Noise through a filter that each frame brings: magnitudes at n_bands frequencies from 0 to the
 * model's Nyquist frequency, inverse real transform, periodic Hann window, centred; the frames
 * overlap and add. At another rate than the model's the same impulse response is sampled finer,
 * with nothing above the model's Nyquist frequency and the same power a Hz. */

enum { TB_NOISE_MAX_BANDS = 257, TB_NOISE_MAX_HALF = 1600 };

/* Shared by all voices of a model at a rate. */
struct tb_noise_shape {
    const struct tb_synth_kernels *kernels;
    unsigned n_bands;
    unsigned half; /* taps on each side of the middle one; also the delay in samples */
    size_t rows;   /* half + 1 rounded up to 16 */
    float *matrix; /* [n_bands][rows]: magnitude to tap, from the middle outwards */
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
    float *taps;     /* zeros, [2 * half + 1], zeros */
    float *outwards; /* [rows] the right half of a new filter */
    float *tail;     /* [2 * half + chunk + slack] what earlier input still gives */
};

/* Control thread. False without memory. */
bool tb_noise_init(struct tb_noise *noise, const struct tb_noise_shape *shape, uint32_t seed);
void tb_noise_clear(struct tb_noise *noise);

/* RT. Forgets all sound, filter included; the seed's noise goes on. */
TB_RT void tb_noise_reset(struct tb_noise *noise);

/* RT. The filter for what is rendered from now on: linear magnitudes [n_bands]. */
TB_RT void tb_noise_frame(struct tb_noise *noise, const float *magnitudes);

/* RT. Adds n samples to out. */
TB_RT void tb_noise_render(struct tb_noise *noise, float *out, size_t n);

#endif
