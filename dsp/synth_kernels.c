/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/synth_kernels_priv.h"

enum { MAX_VECTORS = 4 };

TB_INLINE void fir_part(float *y, const float *x, const float *h, size_t taps, const int vectors)
{
    tb_vf sum[MAX_VECTORS] = {{0}};
    for (size_t t = 0; t < taps; t++) {
        TB_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[v] += h[t] * tb_vload(x + v * TB_VLANES - (ptrdiff_t)t);
    }
    TB_UNROLL
    for (int v = 0; v < vectors; v++)
        tb_vstore(y + v * TB_VLANES, sum[v]);
}

static void fir(float *y, const float *x, size_t n, const float *h, size_t taps)
{
    size_t at = 0;
    for (; at + MAX_VECTORS * TB_VLANES <= n; at += MAX_VECTORS * TB_VLANES)
        fir_part(y + at, x + at, h, taps, MAX_VECTORS);
    for (; at < n; at += TB_VLANES)
        fir_part(y + at, x + at, h, taps, 1);
}

/* Natural logarithm of x >= 1 (Cephes logf). */
TB_INLINE tb_vf logarithm(tb_vf x)
{
    tb_vi bits = (tb_vi)x;
    tb_vi exponent = (bits >> 23) - 126;
    tb_vf m = (tb_vf)((bits & 0x007fffff) | 0x3f000000); /* 0.5..1 */
    const tb_vi small = m < 0.707106781f;
    exponent += small; /* minus one where small */
    m = m + (tb_vf)((tb_vi)m & small) - 1.0f;
    const tb_vf e = __builtin_convertvector(exponent, tb_vf), z = m * m;
    tb_vf p = tb_vset(7.0376836292e-2f);
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    const tb_vf y = p * m * z + e * -2.12194440e-4f - 0.5f * z;
    return m + y + e * 0.693359375f;
}

/* sigmoid(x)^p = e^(-p ln(1 + e^-x)); above x = 10 the logarithm's argument is so near 1 that its
 * series says it better. */
static void levels(float *y, const float *x, size_t n, const struct tb_level_curve *curve)
{
    for (size_t i = 0; i < n; i += TB_VLANES) {
        const tb_vf e = tb_vexp(-(tb_vload(x + i) + curve->bias));
        const tb_vf series = e * (1.0f - e * (0.5f - e * (1.0f / 3)));
        const tb_vf soft = tb_vselect(e < 1e-2f, series, logarithm(1.0f + e));
        tb_vstore(y + i, curve->scale * tb_vexp(-curve->power * soft) + curve->floor);
    }
}

static void mac(const struct tb_mac_job *job)
{
    for (size_t i = 0; i < job->n; i += TB_VLANES) {
        const tb_vf xr = tb_vload(job->x.re + i), xi = tb_vload(job->x.im + i);
        const tb_vf hr = tb_vload(job->h.re + i) * job->gain;
        const tb_vf hi = tb_vload(job->h.im + i) * job->gain;
        tb_vstore(job->y.re + i, tb_vload(job->y.re + i) + xr * hr - xi * hi);
        tb_vstore(job->y.im + i, tb_vload(job->y.im + i) + xr * hi + xi * hr);
    }
}

struct complex {
    tb_vf re, im;
};

TB_INLINE struct complex get(struct tb_complexes x, size_t i)
{
    return (struct complex){tb_vload(x.re + i), tb_vload(x.im + i)};
}

TB_INLINE void put(struct tb_complexes x, size_t i, struct complex v)
{
    tb_vstore(x.re + i, v.re);
    tb_vstore(x.im + i, v.im);
}

TB_INLINE struct complex add(struct complex a, struct complex b)
{
    return (struct complex){a.re + b.re, a.im + b.im};
}

TB_INLINE struct complex sub(struct complex a, struct complex b)
{
    return (struct complex){a.re - b.re, a.im - b.im};
}

/* a * w, or a * conj(w) */
TB_INLINE struct complex turn(struct complex a, const float *w, size_t d, bool conjugate)
{
    const tb_vf re = tb_vload(w), im = conjugate ? -tb_vload(w + d) : tb_vload(w + d);
    return (struct complex){a.re * re - a.im * im, a.re * im + a.im * re};
}

/* -i a, or i a */
TB_INLINE struct complex quarter(struct complex a, bool inverse)
{
    return inverse ? (struct complex){-a.im, a.re} : (struct complex){a.im, -a.re};
}

TB_INLINE void butterfly4(const struct tb_pass *p, size_t at, size_t i, const bool inverse)
{
    const size_t d = p->d;
    struct complex a = get(p->x, at), b = get(p->x, at + d);
    struct complex c = get(p->x, at + 2 * d), e = get(p->x, at + 3 * d);
    if (inverse) {
        b = turn(b, p->twiddle + i, d, true);
        c = turn(c, p->twiddle + 2 * d + i, d, true);
        e = turn(e, p->twiddle + 4 * d + i, d, true);
    }
    const struct complex s = add(a, c), t = sub(a, c);
    const struct complex u = add(b, e), v = quarter(sub(b, e), inverse);
    a = add(s, u);
    b = add(t, v);
    c = sub(s, u);
    e = sub(t, v);
    if (!inverse) {
        b = turn(b, p->twiddle + i, d, false);
        c = turn(c, p->twiddle + 2 * d + i, d, false);
        e = turn(e, p->twiddle + 4 * d + i, d, false);
    }
    put(p->x, at, a);
    put(p->x, at + d, b);
    put(p->x, at + 2 * d, c);
    put(p->x, at + 3 * d, e);
}

/* x[0..3] times 1, w, w^2, w^3 or their conjugates: sign 1 or -1. */
static void narrow_turn(const struct tb_pass *p, size_t i, float sign, float x[2][4])
{
    for (size_t k = 1; k < 4; k++) {
        const float re = p->twiddle[(2 * k - 2) * p->d + i];
        const float im = sign * p->twiddle[(2 * k - 1) * p->d + i];
        const float turned = x[0][k] * re - x[1][k] * im;
        x[1][k] = x[0][k] * im + x[1][k] * re;
        x[0][k] = turned;
    }
}

/* The same where d is less than a vector, which is only the ends of short transforms. */
static void narrow4(const struct tb_pass *p, size_t at, bool inverse)
{
    const size_t d = p->d;
    const float sign = inverse ? -1.0f : 1.0f;
    float *re = p->x.re + at, *im = p->x.im + at;
    for (size_t i = 0; i < d; i++) {
        float x[2][4] = {{re[i], re[i + d], re[i + 2 * d], re[i + 3 * d]},
                         {im[i], im[i + d], im[i + 2 * d], im[i + 3 * d]}};
        if (inverse)
            narrow_turn(p, i, -1, x);
        const float sr = x[0][0] + x[0][2], sm = x[1][0] + x[1][2];
        const float tr = x[0][0] - x[0][2], tm = x[1][0] - x[1][2];
        const float ur = x[0][1] + x[0][3], um = x[1][1] + x[1][3];
        const float vr = sign * (x[1][1] - x[1][3]), vm = -sign * (x[0][1] - x[0][3]);
        float y[2][4] = {{sr + ur, tr + vr, sr - ur, tr - vr},
                         {sm + um, tm + vm, sm - um, tm - vm}};
        if (!inverse)
            narrow_turn(p, i, 1, y);
        for (size_t k = 0; k < 4; k++) {
            re[i + k * d] = y[0][k];
            im[i + k * d] = y[1][k];
        }
    }
}

static void pass4(const struct tb_pass *p, bool inverse)
{
    for (size_t at = 0; at < p->n; at += 4 * p->d) {
        if (p->d < TB_VLANES) {
            narrow4(p, at, inverse);
            continue;
        }
        for (size_t i = 0; i < p->d; i += TB_VLANES)
            if (inverse)
                butterfly4(p, at + i, i, true);
            else
                butterfly4(p, at + i, i, false);
    }
}

static void pass2(const struct tb_pass *p, bool inverse)
{
    for (size_t at = 0; at < p->n; at += 2 * p->d)
        for (size_t i = 0; i < p->d; i += TB_VLANES) {
            const struct complex a = get(p->x, at + i);
            struct complex b = get(p->x, at + p->d + i);
            if (inverse)
                b = turn(b, p->twiddle + i, p->d, true);
            struct complex low = sub(a, b);
            if (!inverse)
                low = turn(low, p->twiddle + i, p->d, false);
            put(p->x, at + i, add(a, b));
            put(p->x, at + p->d + i, low);
        }
}

static void twist(struct tb_complexes x, const float *w_re, const float *w_im, size_t n,
                  bool conjugate)
{
    for (size_t i = 0; i < n; i += TB_VLANES) {
        const struct complex a = get(x, i);
        const tb_vf re = tb_vload(w_re + i),
                    im = conjugate ? -tb_vload(w_im + i) : tb_vload(w_im + i);
        put(x, i, (struct complex){a.re * re - a.im * im, a.re * im + a.im * re});
    }
}

/* Four by four at a time. */
static void transpose(float *to, const float *from, size_t rows, size_t cols)
{
    typedef float v4 __attribute__((vector_size(16)));
    for (size_t c = 0; c < cols; c += 4)
        for (size_t r = 0; r < rows; r += 4) {
            v4 x[4];
            for (size_t i = 0; i < 4; i++)
                memcpy(&x[i], from + (r + i) * cols + c, sizeof x[i]);
            const v4 a = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5);
            const v4 b = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5);
            const v4 d = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7);
            const v4 e = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
            x[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
            x[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
            x[2] = __builtin_shufflevector(d, e, 0, 1, 4, 5);
            x[3] = __builtin_shufflevector(d, e, 2, 3, 6, 7);
            for (size_t i = 0; i < 4; i++)
                memcpy(to + (c + i) * rows + r, &x[i], sizeof x[i]);
        }
}

const struct tb_synth_kernels TB_VARIANT(tb_synth_kernels) = {
    .bank = TB_VARIANT(tb_synth_bank),
    .fold = TB_VARIANT(tb_synth_fold),
    .pitch = TB_VARIANT(tb_synth_pitch),
    .turns = TB_VARIANT(tb_synth_turns),
    .shares = TB_VARIANT(tb_synth_shares),
    .join = TB_VARIANT(tb_synth_join),
    .taps = TB_VARIANT(tb_synth_taps),
    .scatter = TB_VARIANT(tb_synth_scatter),
    .fir = fir,
    .mix = TB_VARIANT(tb_synth_mix),
    .noise = TB_VARIANT(tb_synth_noise),
    .partials = TB_VARIANT(tb_synth_partials),
    .levels = levels,
    .mac = mac,
    .pass4 = pass4,
    .pass2 = pass2,
    .twist = twist,
    .transpose = transpose,
};
