/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_SINE_H
#define TB_MODELS_TRAIN_SINE_H

#include "models/train/real.h"

#include <stdint.h>

/* sin(2 pi x) of x in turns. In single precision x (1 - x^2) Q(x^2) on half turns, which needs no
 * branch and vectorises, error below 3e-7, for |x| < 2^20; in double precision libm. T is a scalar
 * or a vector of tb_real. */
#define TB_SINE_BODY(T, x, out)                                                                    \
    T r = (x) - (((x) + 12582912.0F) - 12582912.0F); /* nearest whole turn taken off */            \
    T h2 = r + r;                                                                                  \
    TB_HALF_TURNS(T, h2, out)
#define TB_HALF_TURNS(T, h, out)                                                                   \
    T z = (h) * (h);                                                                               \
    T q = z * 0.005974575F - 0.07446129F;                                                          \
    q = q * z + 0.52378134F;                                                                       \
    q = q * z - 2.02608392F;                                                                       \
    q = q * z + 3.1415913F;                                                                        \
    (out) = (h) * (1 - z) * q;

static inline __attribute__((always_inline)) tb_real tb_sine(tb_real x)
{
#ifdef TB_REAL_DOUBLE
    return sin(6.28318530717958647692 * x);
#else
    float y;
    TB_SINE_BODY(float, x, y)
    return y;
#endif
}

/* The same of a phase of 2^32 a turn: multiples of it are exact, however high the harmonic. */
static inline __attribute__((always_inline)) tb_real tb_sine_turns(uint32_t phase)
{
#ifdef TB_REAL_DOUBLE
    return sin(6.28318530717958647692 / 4294967296.0 * (double)(int32_t)phase);
#else
    float y, x = (float)(int32_t)phase * (1.0F / 2147483648.0F);
    TB_HALF_TURNS(float, x, y)
    return y;
#endif
}

/* Eight lanes at once. Only ever inlined: how such a vector is passed depends on the processor. */
enum { TB_LANES = 8 };
typedef tb_real tb_lanes __attribute__((vector_size(TB_LANES * sizeof(tb_real))));

static inline __attribute__((always_inline)) void tb_sine_lanes(const tb_lanes *x, tb_lanes *out)
{
#ifdef TB_REAL_DOUBLE
    for (int l = 0; l < TB_LANES; l++)
        (*out)[l] = sin(6.28318530717958647692 * (*x)[l]);
#else
    TB_SINE_BODY(tb_lanes, *x, *out)
#endif
}

#endif
