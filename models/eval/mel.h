/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_EVAL_MEL_H
#define TB_MODELS_EVAL_MEL_H

#include <stdbool.h>
#include <stddef.h>

/* Spectra on the mel scale, of sound at 16 kHz: Hann windows of 1024 samples every 256, power in 40
 * triangles between 50 and 7600 Hz (HTK's scale). A sine of amplitude 1 in the middle of a triangle
 * has power 1/2. */

enum { TB_MEL_FFT = 1024, TB_MEL_HOP = 256, TB_MEL_BANDS = 40, TB_MEL_RATE_HZ = 16000 };

struct tb_mel_frame {
    float power[TB_MEL_BANDS];
    float total;       /* power of the window, all of the spectrum */
    float centroid_hz; /* of power, 0 in silence */
};

/* Frames of n samples: 0 below one window. */
size_t tb_mel_frames(size_t n);

/* frames[tb_mel_frames(n)]; false without memory. Any thread. */
bool tb_mel(const float *x, size_t n, struct tb_mel_frame *frames);

#endif
