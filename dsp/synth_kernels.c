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
        tb_vf re = {0}, im = {0};
        const float *xr = job->x.re + i, *xi = job->x.im + i;
        const float *hr = job->h.re + i, *hi = job->h.im + i;
        for (unsigned k = 0; k < job->n_parts; k++) {
            const size_t at = 2 * job->n * k;
            const tb_vf a = tb_vload(xr + at), b = tb_vload(xi + at);
            const tb_vf c = tb_vload(hr + at), e = tb_vload(hi + at);
            re += a * c - b * e;
            im += a * e + b * c;
        }
        tb_vstore(job->y.re + i, tb_vload(job->y.re + i) + job->gain * re);
        tb_vstore(job->y.im + i, tb_vload(job->y.im + i) + job->gain * im);
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

static void pass4(const struct tb_pass *p, bool inverse)
{
    for (size_t at = 0; at < p->n; at += 4 * p->d)
        for (size_t i = 0; i < p->d; i += TB_VLANES)
            if (inverse)
                butterfly4(p, at + i, i, true);
            else
                butterfly4(p, at + i, i, false);
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

/* The 64 points of a short transform in registers: 16 apart by four, then what is left by two,
 * within vectors where points are less than one apart. The order of the spectrum is nobody's
 * business. */
enum { POINTS = TB_SHORT_POINTS, VECTORS = POINTS / TB_VLANES, QUARTER = VECTORS / 4 };

/* Lanes d apart change places. */
TB_INLINE tb_vf swap_lanes(tb_vf x, const int d)
{
#if TB_VLANES == 16
    if (d == 8)
        return __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    if (d == 4)
        return __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    if (d == 2)
        return __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    return __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif TB_VLANES == 8
    if (d == 4)
        return __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3);
    if (d == 2)
        return __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5);
    return __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
#else
    if (d == 2)
        return __builtin_shufflevector(x, x, 2, 3, 0, 1);
    return __builtin_shufflevector(x, x, 1, 0, 3, 2);
#endif
}

/* Sums of the points d apart in the lower ones, differences in the upper ones. */
TB_INLINE void sums_of(struct complex x[VECTORS], const float *sign, const int d)
{
    struct complex y[VECTORS];
    TB_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        const tb_vf s = tb_vload(sign + v * TB_VLANES % 16);
        const struct complex other =
            d >= TB_VLANES ? x[v ^ (d / TB_VLANES)]
                           : (struct complex){swap_lanes(x[v].re, d), swap_lanes(x[v].im, d)};
        y[v] = (struct complex){x[v].re * s + other.re, x[v].im * s + other.im};
    }
    TB_UNROLL
    for (int v = 0; v < VECTORS; v++)
        x[v] = y[v];
}

TB_INLINE void turn_lanes(struct complex x[VECTORS], const float *w, const bool conjugate)
{
    TB_UNROLL
    for (int v = 0; v < VECTORS; v++)
        x[v] = turn(x[v], w + v * TB_VLANES % 16, 16, conjugate);
}

TB_INLINE void by_four(struct complex x[VECTORS], const float *w, const bool inverse)
{
    TB_UNROLL
    for (int v = 0; v < QUARTER; v++) {
        struct complex *at = x + v;
        const float *here = w + v * TB_VLANES;
        for (int k = 1; k < 4 && inverse; k++)
            at[k * QUARTER] = turn(at[k * QUARTER], here + 32 * (k - 1), 16, true);
        const struct complex s = add(at[0], at[2 * QUARTER]), t = sub(at[0], at[2 * QUARTER]);
        const struct complex u = add(at[QUARTER], at[3 * QUARTER]);
        const struct complex e = quarter(sub(at[QUARTER], at[3 * QUARTER]), inverse);
        at[0] = add(s, u);
        at[QUARTER] = add(t, e);
        at[2 * QUARTER] = sub(s, u);
        at[3 * QUARTER] = sub(t, e);
        for (int k = 1; k < 4 && !inverse; k++)
            at[k * QUARTER] = turn(at[k * QUARTER], here + 32 * (k - 1), 16, false);
    }
}

static void forward64(const struct tb_short_tables *t, const float *in, struct tb_complexes out)
{
    struct complex x[VECTORS];
    TB_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        const tb_vf a = tb_vload(in + v * TB_VLANES);
        x[v] = (struct complex){a * tb_vload(t->twist[0] + v * TB_VLANES),
                                a * tb_vload(t->twist[1] + v * TB_VLANES)};
    }
    by_four(x, t->by_four[0], false);
    TB_UNROLL
    for (int k = 0; k < 4; k++) {
        sums_of(x, t->sign[k], 8 >> k);
        if (k < 3)
            turn_lanes(x, t->by_two[k][0], false);
    }
    TB_UNROLL
    for (int v = 0; v < VECTORS; v++)
        put(out, (size_t)v * TB_VLANES, x[v]);
}

static void inverse64(const struct tb_short_tables *t, struct tb_complexes in,
                      struct tb_complexes out)
{
    struct complex x[VECTORS];
    TB_UNROLL
    for (int v = 0; v < VECTORS; v++)
        x[v] = get(in, (size_t)v * TB_VLANES);
    TB_UNROLL
    for (int k = 3; k >= 0; k--) {
        if (k < 3)
            turn_lanes(x, t->by_two[k][0], true);
        sums_of(x, t->sign[k], 8 >> k);
    }
    by_four(x, t->by_four[0], true);
    TB_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        const tb_vf re = tb_vload(t->twist[0] + v * TB_VLANES);
        const tb_vf im = tb_vload(t->twist[1] + v * TB_VLANES);
        put(out, (size_t)v * TB_VLANES,
            (struct complex){x[v].re * re + x[v].im * im, x[v].im * re - x[v].re * im});
    }
}

/* Four by four at a time, row after row: `from` is read once, as it lies. */
static void transpose(float *to, const float *from, size_t rows, size_t cols)
{
    typedef float v4 __attribute__((vector_size(16)));
    for (size_t r = 0; r < rows; r += 4)
        for (size_t c = 0; c < cols; c += 4) {
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
    .forward64 = forward64,
    .inverse64 = inverse64,
};
