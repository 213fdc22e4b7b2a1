/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_NN_VECTOR_H
#define TB_MODELS_NN_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

/* Float vectors as wide as the file is compiled for, with the few operations that the compilers'
 * vector extensions lack. TB_VARIANT(name) adds the variant, so that one source gives all. */
#if defined(__AVX512F__)
#define TB_VLANES 16
#define TB_VARIANT(name) name##_avx512
#elif defined(__AVX2__)
#define TB_VLANES 8
#define TB_VARIANT(name) name##_avx2
#elif defined(__ARM_FEATURE_DOTPROD)
#define TB_VLANES 4
#define TB_VARIANT(name) name##_neon_dot
#elif defined(__aarch64__)
#define TB_VLANES 4
#define TB_VARIANT(name) name##_neon
#else
#define TB_VLANES 4
#define TB_VARIANT(name) name##_portable
#endif

#define TB_INLINE static inline __attribute__((always_inline, unused))
#if defined(__SANITIZE_ADDRESS__)
#define TB_UNROLL /* gcc needs minutes for each check of each round */
#elif defined(__clang__)
#define TB_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TB_UNROLL _Pragma("GCC unroll 16")
#endif

/* gcc would load what is used twice twice, as an operand of both. */
#if defined(__x86_64__)
#define TB_IN_REGISTER(X) __asm__("" : "+v"(X))
#elif defined(__aarch64__)
#define TB_IN_REGISTER(X) __asm__("" : "+w"(X))
#else
#define TB_IN_REGISTER(X) ((void)(X))
#endif

/* Addresses that gcc is not to derive from each other: it would keep the sum of one and each offset
 * in memory. */
#define TB_APART(P) __asm__("" : "+r"(P))

typedef float tb_vf __attribute__((vector_size(TB_VLANES * 4)));
typedef int32_t tb_vi __attribute__((vector_size(TB_VLANES * 4)));
typedef uint32_t tb_vu __attribute__((vector_size(TB_VLANES * 4)));

TB_INLINE tb_vf tb_vset(float x)
{
    return x - (tb_vf){0};
}

TB_INLINE tb_vf tb_vload(const float *p)
{
    tb_vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

TB_INLINE void tb_vstore(float *p, tb_vf v)
{
    memcpy(p, &v, sizeof v);
}

/* First n < TB_VLANES values; the others are 0. */
TB_INLINE tb_vf tb_vload_part(const float *p, size_t n)
{
    tb_vf v = {0};
    memcpy(&v, p, n * sizeof(float));
    return v;
}

TB_INLINE void tb_vstore_part(float *p, tb_vf v, size_t n)
{
    memcpy(p, &v, n * sizeof(float));
}

/* mask ? a : b, mask all ones or all zeros in every lane. */
TB_INLINE tb_vf tb_vselect(tb_vi mask, tb_vf a, tb_vf b)
{
    return (tb_vf)(((tb_vi)a & mask) | ((tb_vi)b & ~mask));
}

TB_INLINE tb_vf tb_vmax(tb_vf a, tb_vf b)
{
#if defined(__AVX512F__)
    return (tb_vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (tb_vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (tb_vf)_mm_max_ps((__m128)a, (__m128)b);
#else
    return tb_vselect(a > b, a, b);
#endif
}

TB_INLINE tb_vf tb_vmin(tb_vf a, tb_vf b)
{
#if defined(__AVX512F__)
    return (tb_vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (tb_vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (tb_vf)_mm_min_ps((__m128)a, (__m128)b);
#else
    return tb_vselect(a < b, a, b);
#endif
}

TB_INLINE tb_vf tb_vabs(tb_vf a)
{
    return (tb_vf)((tb_vi)a & 0x7fffffff);
}

TB_INLINE float tb_vsum(tb_vf a)
{
#if defined(__AVX512F__)
    const __m256 half =
        _mm256_add_ps(_mm512_castps512_ps256((__m512)a),
                      _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512)a), 1)));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#elif defined(__AVX2__)
    __m128 q = _mm_add_ps(_mm256_castps256_ps128((__m256)a), _mm256_extractf128_ps((__m256)a, 1));
#elif defined(__SSE2__)
    __m128 q = (__m128)a;
#elif defined(__aarch64__)
    return vaddvq_f32((float32x4_t)a);
#else
    return a[0] + a[1] + (a[2] + a[3]);
#endif
#if defined(__SSE2__)
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
#endif
}

/* Largest lane of values that are not negative. */
TB_INLINE float tb_vpeak(tb_vf a)
{
#if defined(__AVX512F__)
    const __m256 half =
        _mm256_max_ps(_mm512_castps512_ps256((__m512)a),
                      _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512)a), 1)));
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#elif defined(__AVX2__)
    __m128 q = _mm_max_ps(_mm256_castps256_ps128((__m256)a), _mm256_extractf128_ps((__m256)a, 1));
#elif defined(__SSE2__)
    __m128 q = (__m128)a;
#elif defined(__aarch64__)
    return vmaxvq_f32((float32x4_t)a);
#else
    const float low = a[0] > a[1] ? a[0] : a[1], high = a[2] > a[3] ? a[2] : a[3];
    return low > high ? low : high;
#endif
#if defined(__SSE2__)
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_shuffle_ps(q, q, 1)));
#endif
}

/* Nearest integer, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves it in the low bits. */
TB_INLINE tb_vi tb_vround(tb_vf x)
{
    const float magic = 12582912.0f;
    return (tb_vi)(x + magic) - (tb_vi)tb_vset(magic);
}

/* e^x for -87..88, held there outside; relative error below 2e-7. Reduction by a split ln 2
 * (Cody and Waite), then the degree 6 polynomial of Cephes expf. */
TB_INLINE tb_vf tb_vexp(tb_vf x)
{
    x = tb_vmin(tb_vmax(x, tb_vset(-87.0f)), tb_vset(88.0f));
    const tb_vi n = tb_vround(x * 1.44269504f);
    const tb_vf nf = __builtin_convertvector(n, tb_vf);
    const tb_vf r = (x - nf * 0.693359375f) + nf * 2.12194440e-4f;
    tb_vf p = tb_vset(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return (tb_vf)((tb_vi)p + (n << 23));
}

TB_INLINE tb_vf tb_vsigmoid(tb_vf x)
{
    return 1.0f / (1.0f + tb_vexp(-x));
}

TB_INLINE tb_vf tb_vtanh(tb_vf x)
{
    return 1.0f - 2.0f / (1.0f + tb_vexp(x + x));
}

#endif
