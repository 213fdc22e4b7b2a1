/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_REAL_H
#define TB_MODELS_TRAIN_REAL_H

/* The training code is written once and compiled twice: in single precision to train, in double
 * precision (TB_REAL_DOUBLE) to check every gradient against central differences. */

#include "models/train/elementary.h"

#include <cblas.h>
#include <complex.h>
#include <fftw3.h>
#include <math.h>

#ifdef TB_REAL_DOUBLE
#define tb_real double
#define tb_gemm cblas_dgemm
#define TB_FFT(name) fftw_##name
#define tb_exp exp
#define tb_log log
#define tb_tanh tanh
#define tb_sqrt sqrt
#define tb_fabs fabs
#else
#define tb_real float
#define tb_gemm cblas_sgemm
#define TB_FFT(name) fftwf_##name
#define tb_exp tb_exp_f32
#define tb_log tb_log_f32
#define tb_tanh tb_tanh_f32
#define tb_sqrt sqrtf
#define tb_fabs fabsf
#endif

#define TB_R(x) ((tb_real)(x))

/* A sum may be taken in another order, which a vector needs. */
#define TB_SUM(...) _Pragma(TB_SUM_TEXT(omp simd reduction(+ : __VA_ARGS__)))
#define TB_SUM_TEXT(x) #x

/* Loops worth a copy per instruction set; the loader picks one at start, before a sanitizer is
 * ready for it. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&      \
    !defined(__clang__)
#define TB_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TB_CLONES
#endif

#endif
