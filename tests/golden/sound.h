/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_GOLDEN_SOUND_H
#define TB_TESTS_GOLDEN_SOUND_H

#include <stddef.h>

/* Plain measures of a mono sound. x[n] at rate_hz; results in dB re full scale unless said. */
double sound_peak_db(const float *x, size_t n);
double sound_rms_db(const float *x, size_t n);

/* Loudest 170 ms: the mean of plain and A-weighted level, which sets basses and bells side by
 * side about as ears do. */
double sound_loudness_db(const float *x, size_t n, double rate_hz);

/* Level of one partial, Hann window over all of x. */
double sound_partial_db(const float *x, size_t n, double rate_hz, double f_hz);

/* Spectral centroid in Hz, of the amplitudes from 20 Hz up, above -120 dB. */
double sound_centroid_hz(const float *x, size_t n, double rate_hz);

#endif
