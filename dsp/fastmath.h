/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_FASTMATH_H
#define TB_DSP_FASTMATH_H

#include "dsp/rt.h"

#include <stdint.h>
#include <string.h>

/* Small float functions for the audio thread: no libm, so that the RT library imports nothing but
 * memcpy and its kin. Coefficients are minimax fits (Remez), errors beside them. */

/* 2^x on [-0.5, 0.5]; relative error 7.5e-8. */
#define TB_EXP2_C0 1.0000000716F
#define TB_EXP2_C1 0.6931469671F
#define TB_EXP2_C2 0.2402211983F
#define TB_EXP2_C3 0.0555071321F
#define TB_EXP2_C4 0.0096755356F
#define TB_EXP2_C5 0.0013276478F

/* sin(2 pi x) = x w (S0 + S1 w + ... + S4 w^4), w = 1/4 - x^2, x in [-0.5, 0.5]; error 1.1e-7
 * before rounding. The factor w makes both zeros of the half turn exact. */
#define TB_SIN_S0 12.5664151138F
#define TB_SIN_S1 37.6962501694F
#define TB_SIN_S2 43.0389883665F
#define TB_SIN_S3 25.8898957177F
#define TB_SIN_S4 12.2333009577F

/* sin(2 pi x) = LEAD x (w q + E), q = y^2 + C w + D, y = w^2 + B, w = A - x^2, x in [-0.5, 0.5];
 * error 9.5e-8 before rounding, 8.2e-7 with it where products are fused. */
#define TB_SIN_A 0.671575487F
#define TB_SIN_B 0.865234315F
#define TB_SIN_C 0.134053811F
#define TB_SIN_D (-0.918183744F)
#define TB_SIN_E (-0.095316574F)
#define TB_SIN_LEAD 12.2712622F
#define TB_SIN_LEAD_LOG2 3.6172117F

/* Any thread. 2^x; x is limited to -126..126. */
TB_RT static inline float tb_exp2f(float x)
{
    x = x > 126.0F ? 126.0F : x > -126.0F ? x : -126.0F;
    int32_t whole = (int32_t)(x + 256.5F) - 256;
    float f = x - (float)whole;
    float p = TB_EXP2_C4 + f * TB_EXP2_C5;
    p = TB_EXP2_C0 + f * (TB_EXP2_C1 + f * (TB_EXP2_C2 + f * (TB_EXP2_C3 + f * p)));
    int32_t bits;
    memcpy(&bits, &p, sizeof bits);
    bits += whole * (1 << 23);
    memcpy(&p, &bits, sizeof p);
    return p;
}

/* Any thread. sin(2 pi phase / 2^32). */
TB_RT static inline float tb_sin_turns(uint32_t phase)
{
    float x = (float)(int32_t)phase * 0x1p-32F;
    float w = 0.25F - x * x;
    float q = TB_SIN_S0 + w * (TB_SIN_S1 + w * (TB_SIN_S2 + w * (TB_SIN_S3 + w * TB_SIN_S4)));
    return x * w * q;
}

/* Any thread. Square root of x >= 0, else 0. */
TB_RT static inline float tb_sqrtf(float x)
{
    if (!(x > 1e-30F))
        return 0.0F;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = 0x5f375a86U - bits / 2; /* first guess of 1/sqrt, then three Newton steps */
    float y;
    memcpy(&y, &bits, sizeof y);
    for (int i = 0; i < 3; i++)
        y *= 1.5F - 0.5F * x * y * y;
    return x * y;
}

/* Any thread. 20 log10 of a gain; for meters, within 0.02 dB. 0 gives -200. */
TB_RT static inline float tb_gain_db(float gain)
{
    if (!(gain > 1e-10F))
        return -200.0F;
    uint32_t bits;
    memcpy(&bits, &gain, sizeof bits);
    float m;
    uint32_t mantissa = (bits & 0x7fffffU) | 0x3f800000U;
    memcpy(&m, &mantissa, sizeof m);
    float log2 = (float)((int32_t)(bits >> 23) - 127);
    log2 += (m - 1.0F) * (1.4136F + (m - 1.0F) * (-0.5737F + (m - 1.0F) * 0.1601F));
    return 6.0205999F * log2;
}

/* Any thread. Linear gain of a level in dB. */
TB_RT static inline float tb_db_gain(float db)
{
    return tb_exp2f(db * 0.16609640474F);
}

/* Any thread. x limited to low..high; NaN becomes low. */
TB_RT static inline float tb_clampf(float x, float low, float high)
{
    return x > low ? (x < high ? x : high) : low;
}

TB_RT static inline int tb_clampi(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

/* Any thread. Works without libm and under every flag of the kernels. */
TB_RT static inline int tb_is_finite(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (bits & 0x7f800000U) != 0x7f800000U;
}

#endif
