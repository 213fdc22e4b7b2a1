/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_FFT_H
#define TB_MODELS_TRAIN_FFT_H

#include "models/train/real.h"

#include <stddef.h>

#ifdef TB_REAL_DOUBLE
#define tb_complex double _Complex
#define tb_conj conj
#define tb_re creal
#define tb_im cimag
#else
#define tb_complex float _Complex
#define tb_conj conjf
#define tb_re crealf
#define tb_im cimagf
#endif

/* Real transforms of n values, any thread: plans are made once behind a lock (FFTW's planner is not
 * safe to call in parallel) and kept. Forward: x [n] -> spectrum [n / 2 + 1]. Backward overwrites
 * the spectrum and does not divide by n. */
struct tb_fft;

/* NULL when memory is short; never freed. n >= 2, even. */
const struct tb_fft *tb_fft_get(size_t n);
void tb_fft_forward(const struct tb_fft *fft, tb_real *x, tb_complex *spectrum);
void tb_fft_backward(const struct tb_fft *fft, tb_complex *spectrum, tb_real *x);

/* Smallest 2^a 3^b 5^c >= n, even. */
size_t tb_fft_good_size(size_t n);

#endif
