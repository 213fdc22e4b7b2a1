/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_ELEMENTARY_H
#define TB_MODELS_TRAIN_ELEMENTARY_H

#include <stdint.h>
#include <string.h>

/* Single precision functions without branches or calls, so that the compiler makes vectors of loops
 * over them; libm's would be called for each element. Relative error below 2e-7 (absolute for
 * tanh), tests/unit/test_train_elementary.c. */
#define TB_ELEMENTARY static inline __attribute__((always_inline))

TB_ELEMENTARY float tb_float_of(int32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

TB_ELEMENTARY int32_t tb_bits_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* e^x, x held within -87 .. 88: 2^n e^r with |r| <= ln 2 / 2. */
TB_ELEMENTARY float tb_exp_f32(float x)
{
    x = x < -87.0F ? -87.0F : x;
    x = x > 88.0F ? 88.0F : x;
    const float n = (x * 1.44269504F + 12582912.0F) - 12582912.0F;
    const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
    float p = r * 1.98756912e-4F + 1.39819994e-3F;
    p = p * r + 8.33345205e-3F;
    p = p * r + 4.16657962e-2F;
    p = p * r + 1.66666657e-1F;
    p = p * r + 0.5F;
    p = p * (r * r) + r + 1.0F;
    return p * tb_float_of(((int32_t)n + 127) << 23);
}

/* ln x of normal positive x: the mantissa within 2/3 .. 4/3 by a polynomial. */
TB_ELEMENTARY float tb_log_f32(float x)
{
    const int32_t bits = tb_bits_of(x), exponent = (bits - 0x3f2aaaab) & -0x800000;
    const float i = (float)exponent * 1.1920929e-7F;
    const float m = tb_float_of(bits - exponent) - 1.0F, s = m * m;
    float r = s * -0.130310059F - 0.121483512F, t = s * 0.140869141F + 0.139814854F;
    r = r * s - 0.166846126F;
    t = t * s + 0.200120345F;
    r = r * s - 0.2499962F;
    r = t * m + r;
    r = r * m + 0.333331972F;
    r = r * m - 0.5F;
    return i * 0.693147182F + (r * s + m);
}

TB_ELEMENTARY float tb_tanh_f32(float x)
{
    return 1.0F - 2.0F / (1.0F + tb_exp_f32(2.0F * x));
}

#endif
