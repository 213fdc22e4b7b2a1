/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_WIDE_H
#define TB_MODELS_TRAIN_WIDE_H

#include "models/train/real.h"

#include <stddef.h>
#include <stdint.h>

/* Sixteen values at once: a register of AVX-512, two of AVX2. Only ever inlined or passed by
 * pointer: how such a vector is passed depends on the processor. */
enum { TB_WIDE = 16 };
typedef tb_real tb_wide __attribute__((vector_size(TB_WIDE * sizeof(tb_real))));
#ifdef TB_REAL_DOUBLE
typedef int64_t tb_wide_bits __attribute__((vector_size(TB_WIDE * sizeof(int64_t))));
#else
typedef int32_t tb_wide_bits __attribute__((vector_size(TB_WIDE * sizeof(int32_t))));
#endif

/* A vector anywhere in an array. */
typedef tb_real tb_wide_loose
    __attribute__((vector_size(TB_WIDE * sizeof(tb_real)), aligned(sizeof(tb_real)), may_alias));

struct tb_wide_complex {
    tb_wide re, im;
};

#define TB_WIDE_INLINE static inline __attribute__((always_inline))

/* 1 / sqrt(x) of x >= 0 (large and finite for 0): three steps of Newton from a guess by the
 * exponent. */
TB_WIDE_INLINE void tb_wide_inverse_sqrt(const tb_wide *x, tb_wide *y)
{
#ifdef TB_REAL_DOUBLE
    for (int l = 0; l < TB_WIDE; l++)
        (*y)[l] = 1 / sqrt((*x)[l] + 1e-300);
#else
    const tb_wide half = *x * 0.5F;
    *y = (tb_wide)(0x5f375a86 - ((tb_wide_bits)*x >> 1));
    for (int i = 0; i < 3; i++)
        *y = *y * (1.5F - half * *y * *y);
#endif
}

/* Natural logarithm of normal positive x, as elementary.h has it for one. */
TB_WIDE_INLINE void tb_wide_log(const tb_wide *x, tb_wide *y)
{
#ifdef TB_REAL_DOUBLE
    for (int l = 0; l < TB_WIDE; l++)
        (*y)[l] = log((*x)[l]);
#else
    const tb_wide_bits bits = (tb_wide_bits)*x;
    const tb_wide_bits exponent = (bits - 0x3f2aaaab) & -0x800000;
    const tb_wide i = __builtin_convertvector(exponent, tb_wide) * 1.1920929e-7F;
    const tb_wide m = (tb_wide)(bits - exponent) - 1.0F, s = m * m;
    tb_wide r = s * -0.130310059F - 0.121483512F, t = s * 0.140869141F + 0.139814854F;
    r = r * s - 0.166846126F;
    t = t * s + 0.200120345F;
    r = r * s - 0.2499962F;
    r = t * m + r;
    r = r * m + 0.333331972F;
    r = r * m - 0.5F;
    *y = i * 0.693147182F + (r * s + m);
#endif
}

/* Sixteen transforms of n complex values side by side, n a power of two, 4..2048: X[k] = sum x[i]
 * e^(-2 pi j i k / n). Both arrays are written; the result is in the one that is returned. turns:
 * cos and -sin of 2 pi i / 2048, [2048][2]. */
enum { TB_WIDE_FFT_MOST = 2048 };
void tb_wide_fft_turns(tb_real *turns);
struct tb_wide_complex *tb_wide_fft(struct tb_wide_complex *x, struct tb_wide_complex *scratch,
                                    size_t n, const tb_real *turns);

#endif
