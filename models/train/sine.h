/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_SINE_H
#define TB_MODELS_TRAIN_SINE_H

#include "models/train/real.h"

/* sin(2 pi x) and cos(2 pi x) for any x in turns. In single precision a polynomial that vectorises
 * (odd minimax of degree 11 on a quarter turn, error below 3e-7); in double precision libm. */
static inline tb_real tb_sine(tb_real x)
{
#ifdef TB_REAL_DOUBLE
    return sin(6.28318530717958647692 * x);
#else
    float r = x - (float)(int)(x + (x < 0 ? -0.5F : 0.5F)); /* -0.5..0.5 */
    float a = r < 0 ? -r : r;
    float folded = a > 0.25F ? 0.5F - a : a;
    float s = r < 0 ? -folded : folded;
    float z = s * s;
    float p = -15.09464258F;
    p = p * z + 42.05869670F;
    p = p * z - 76.70585975F;
    p = p * z + 81.60524928F;
    p = p * z - 41.34170224F;
    p = p * z + 6.283185307F;
    return p * s;
#endif
}

static inline tb_real tb_cosine(tb_real x)
{
    return tb_sine(x + TB_R(0.25));
}

#endif
