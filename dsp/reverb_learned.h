/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_REVERB_LEARNED_H
#define TB_DSP_REVERB_LEARNED_H

#include "dsp/transform.h"

/* Convolution with a learned impulse response, without latency: the first 64 taps directly, the
 * others in partitions of 64, 512 and 4096 by transforms, whose work is spread over the time until
 * their result is due. One for all voices of a model. */

enum { TB_REVERB_QUANTUM = 64, TB_REVERB_MAX_TAPS = 1 << 21 };

struct tb_learned_reverb;

/* Control thread. impulse[n] at impulse_rate_hz, impulse[0] the dry path, which is left out; the
 * rest is resampled to rate_hz once, keeping its frequency response. Both rates 8000..192000, at
 * most TB_REVERB_MAX_TAPS taps afterwards. NULL: a bad argument, no such kernels, no memory. */
struct tb_learned_reverb *tb_learned_reverb_new(const float *impulse, size_t n,
                                                float impulse_rate_hz, float rate_hz,
                                                enum tb_nn_cpu cpu);
void tb_learned_reverb_free(struct tb_learned_reverb *reverb); /* NULL is allowed */

/* RT. wet[n] = in[n] convolved with the impulse response less the dry path; n any number, in and
 * wet may be the same. */
TB_RT void tb_learned_reverb_process(struct tb_learned_reverb *reverb, const float *in, float *wet,
                                     size_t n);

/* RT. The impulse response decays in factor (0.25..2) of its own time from about a tenth of a
 * second on: each partition has the gain of its middle. */
TB_RT void tb_learned_reverb_decay(struct tb_learned_reverb *reverb, float factor);

/* RT. Forgets all input: from here on it rings with what comes. Clears 128 KiB at most, whatever
 * the length of the impulse response. */
TB_RT void tb_learned_reverb_clear(struct tb_learned_reverb *reverb);

/* Control thread: as before the first sample; it touches all memory. */
void tb_learned_reverb_reset(struct tb_learned_reverb *reverb);

/* Control thread. Samples after resampling, and the resampling itself: out has room for
 * tb_resample_length values. The response below both Nyquist frequencies is kept within 0.01 dB up
 * to 90 % of the lower one. */
size_t tb_resample_length(size_t n, float from_hz, float to_hz);
void tb_resample_impulse(const float *in, size_t n, float from_hz, float to_hz, float *out);

#endif
