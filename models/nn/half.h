/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_NN_HALF_H
#define TB_MODELS_NN_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Any thread. IEEE 754 binary16 and bfloat16 to and from float, round to nearest even; what is too
 * large becomes infinity, NaN stays NaN. */
static inline float tb_bf16_to_f32(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t tb_f32_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value))
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float tb_f16_to_f32(uint16_t half)
{
    const unsigned exponent = half >> 10 & 31, mantissa = half & 1023;
    float value;
    if (exponent == 31)
        value = mantissa ? NAN : INFINITY;
    else if (exponent)
        value = ldexpf((float)(mantissa + 1024), (int)exponent - 25);
    else
        value = ldexpf((float)mantissa, -24);
    return half >> 15 ? -value : value;
}

static inline uint16_t tb_f32_to_f16(float value)
{
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    value = fabsf(value);
    if (isnan(value))
        return 0x7e00;
    if (value >= 65520.0f)
        return sign | 0x7c00;
    if (value < 6.103515625e-05f) /* subnormal steps of 2^-24 */
        return (uint16_t)(sign | (uint16_t)lrintf(ldexpf(value, 24)));
    int exponent;
    const float fraction = frexpf(value, &exponent);                  /* 0.5..1 */
    const unsigned mantissa = (unsigned)lrintf(ldexpf(fraction, 11)); /* 1024..2048 */
    return (uint16_t)(sign + (((unsigned)exponent + 13) << 10) + mantissa);
}

#endif
