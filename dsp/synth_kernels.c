/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/synth_kernels.h"

#include "models/nn/vector.h"

/* sin of a phase in turns of 2^32: x (1 - x^2) Q(x^2) on half turns -1..1, error 1.6e-7. A plain
 * odd polynomial of degree 11 is 8 % faster, but cancels near the ends: 1e-6 without fused
 * products. */
TB_INLINE tb_vf sine(tb_vi phase)
{
    const tb_vf x = __builtin_convertvector(phase, tb_vf) * (1.0f / 2147483648.0f);
    const tb_vf z = x * x;
    tb_vf q = tb_vset(0.005974575f);
    q = q * z - 0.07446129f;
    q = q * z + 0.52378134f;
    q = q * z - 2.02608392f;
    q = q * z + 3.1415913f;
    return x * (1.0f - z) * q;
}

/* Unrolled, these loops would keep more than there are registers. */
#if defined(__clang__)
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define ROLLED _Pragma("GCC unroll 1")
#endif

enum { MAX_VECTORS = 4, PAIR = 2, REACH = 8, BLOCK = 2 * REACH + 1 };
_Static_assert(TB_SYNTH_LEVELS % BLOCK == 0 && TB_SYNTH_LEVELS >= TB_SYNTH_MAX_HARMONICS, "");

/* Phases wrap, which only unsigned numbers may. */
TB_INLINE tb_vi turned(tb_vi phase, tb_vi step)
{
    return (tb_vi)((tb_vu)phase + (tb_vu)step);
}

TB_INLINE tb_vi times(tb_vi phase, unsigned k)
{
    return (tb_vi)((tb_vu)phase * k);
}

TB_INLINE tb_vf cosine(tb_vi phase)
{
    return sine(turned(phase, (tb_vi){0} + (1 << 30)));
}

/* Some vectors of samples, and sine and cosine of 1 to REACH times their phase. */
struct bank_part {
    tb_vi phase[PAIR];
    tb_vf weight[PAIR], f0[PAIR], sum[PAIR];
    tb_vf s[REACH][PAIR], c[REACH][PAIR];
};

/* Half of the turns are polynomials, the others those of one sum of angles. */
TB_INLINE void turn_part(struct bank_part *p)
{
    enum { HALF = REACH / 2 };
    ROLLED
    for (unsigned j = 0; j < HALF; j++) {
        TB_UNROLL
        for (unsigned v = 0; v < PAIR; v++) {
            p->s[j][v] = sine(times(p->phase[v], j + 1));
            p->c[j][v] = cosine(times(p->phase[v], j + 1));
        }
    }
    ROLLED
    for (unsigned j = 0; j < HALF; j++) {
        TB_UNROLL
        for (unsigned v = 0; v < PAIR; v++) {
            const tb_vf s = p->s[HALF - 1][v], c = p->c[HALF - 1][v];
            p->s[HALF + j][v] = s * p->c[j][v] + c * p->s[j][v];
            p->c[HALF + j][v] = c * p->c[j][v] - s * p->s[j][v];
        }
    }
}

/* number: that of the harmonic, one more than k; needed where not all are safe. */
TB_INLINE tb_vf level_of(const struct tb_bank_job *l, unsigned k, const struct bank_part *p,
                         unsigned v, const tb_vf *number)
{
    const tb_vf level = l->amp[k] + l->step[k] * p->weight[v];
    if (!number)
        return level;
    const tb_vi below = p->f0[v] * *number < l->limit_cps;
    return (tb_vf)((tb_vi)level & below);
}

/* BLOCK harmonics around number k + REACH, at most `heard` of them: with the angle of the middle
 * one, sin(m + j) + sin(m - j) = 2 sin m cos j and so on, so that only the middle one is a
 * polynomial. What is left out has level 0, so a sample is the same whatever is. */
TB_INLINE void bank_block(struct bank_part *p, const struct tb_bank_job *l, unsigned k,
                          unsigned heard, const bool safe)
{
    tb_vf even[PAIR], odd[PAIR];
    const unsigned middle = k + REACH;
    tb_vf above = tb_vset((float)(middle + 1)), below = above;
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        even[v] = level_of(l, middle, p, v, safe ? NULL : &above);
        odd[v] = (tb_vf){0};
    }
    unsigned j = heard < REACH ? REACH - heard : 0;
    above += (float)j;
    below -= (float)j;
    ROLLED
    for (; j < REACH; j++) {
        above += 1.0f;
        below -= 1.0f;
        TB_UNROLL
        for (unsigned v = 0; v < PAIR; v++) {
            const tb_vf up = level_of(l, middle + j + 1, p, v, safe ? NULL : &above);
            const tb_vf down = level_of(l, middle - j - 1, p, v, safe ? NULL : &below);
            even[v] += (up + down) * p->c[j][v];
            odd[v] += (up - down) * p->s[j][v];
        }
    }
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        const tb_vi at = times(p->phase[v], middle + 1);
        p->sum[v] += sine(at) * even[v];
        p->sum[v] += cosine(at) * odd[v];
    }
}

/* Two vectors from sample `at`; phases are multiples of the first's, so they
 * are exact however long the note is. */
TB_INLINE void bank_part(const struct tb_bank_job *job, struct bank_part *p, float *out,
                         unsigned at)
{
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        memcpy(&p->phase[v], job->phase + at + v * TB_VLANES, sizeof p->phase[v]);
        p->weight[v] = tb_vload(job->weight + at + v * TB_VLANES);
        p->f0[v] = tb_vload(job->f0_cps + at + v * TB_VLANES);
        p->sum[v] = (tb_vf){0};
    }
    turn_part(p);
    unsigned k = 0;
    for (; k + BLOCK <= job->n_safe; k += BLOCK)
        bank_block(p, job, k, BLOCK, true);
    if (k < job->n_harmonics && job->n_safe == job->n_levels) {
        bank_block(p, job, k, job->n_harmonics - k, true);
        k += BLOCK;
    }
    for (; k < job->n_harmonics; k += BLOCK)
        bank_block(p, job, k, job->n_harmonics - k, false);
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        const unsigned first = at + v * TB_VLANES;
        if (first + TB_VLANES <= job->n)
            tb_vstore(out + first, tb_vload(out + first) + p->sum[v]);
        else if (first < job->n)
            tb_vstore_part(out + first, tb_vload_part(out + first, job->n - first) + p->sum[v],
                           job->n - first);
    }
}

static void bank(const struct tb_bank_job *job, float *out)
{
    struct bank_part p;
    for (unsigned at = 0; at < job->n; at += PAIR * TB_VLANES)
        bank_part(job, &p, out, at);
}

/* Two vectors of inputs go past some vectors of taps, which are loaded once for both:
 * y[(v + u) LANES + lane] += x[u LANES + r] h[v LANES + lane - r]. One sum for each u, or every
 * product would wait for the one before. */
enum { TAPS_WIDE = 5 };
TB_INLINE void scatter_pair(float *y, const float *x, const float *h)
{
    tb_vf near[TAPS_WIDE] = {{0}}, far[TAPS_WIDE] = {{0}};
    for (ptrdiff_t r = 0; r < TB_VLANES; r++) {
        const tb_vf x0 = tb_vset(x[r]), x1 = tb_vset(x[TB_VLANES + r]);
        TB_UNROLL
        for (int v = 0; v < TAPS_WIDE; v++) {
            tb_vf taps = tb_vload(h + v * TB_VLANES - r);
            TB_IN_REGISTER(taps);
            near[v] += x0 * taps;
            far[v] += x1 * taps;
        }
    }
    tb_vstore(y, tb_vload(y) + near[0]);
    TB_UNROLL
    for (int v = 1; v < TAPS_WIDE; v++)
        tb_vstore(y + v * TB_VLANES, tb_vload(y + v * TB_VLANES) + (near[v] + far[v - 1]));
    y += TAPS_WIDE * TB_VLANES;
    tb_vstore(y, tb_vload(y) + far[TAPS_WIDE - 1]);
}

/* Four vectors of outputs stay in registers while the inputs go by. */
TB_INLINE void scatter_part(float *y, const float *x, size_t n, const float *h)
{
    enum { WIDE = 4 };
    tb_vf sum[WIDE];
    TB_UNROLL
    for (int v = 0; v < WIDE; v++)
        sum[v] = tb_vload(y + v * TB_VLANES);
    for (size_t i = 0; i < n; i++) {
        TB_UNROLL
        for (int v = 0; v < WIDE; v++)
            sum[v] += x[i] * tb_vload(h + v * TB_VLANES - (ptrdiff_t)i);
    }
    TB_UNROLL
    for (int v = 0; v < WIDE; v++)
        tb_vstore(y + v * TB_VLANES, sum[v]);
}

static void scatter(float *y, const float *x, size_t n, const float *h, size_t taps)
{
    for (; n >= 2 * TB_VLANES; n -= 2 * TB_VLANES) {
        for (size_t at = 0; at < taps + TB_VLANES - 1; at += TAPS_WIDE * TB_VLANES)
            scatter_pair(y + at, x, h + at);
        x += 2 * TB_VLANES;
        y += 2 * TB_VLANES;
    }
    if (n == 0)
        return;
    for (size_t at = 0; at < n + taps - 1; at += 4 * TB_VLANES)
        scatter_part(y + at, x, n, h + at);
}

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

static void mix(float *y, const float *matrix, size_t rows, const float *x, size_t cols)
{
    enum { WIDE = 64 / TB_VLANES };
    size_t at = 0;
    for (; at + 64 <= rows; at += 64) {
        tb_vf sum[WIDE] = {{0}};
        for (size_t c = 0; c < cols; c++) {
            TB_UNROLL
            for (int v = 0; v < WIDE; v++)
                sum[v] += x[c] * tb_vload(matrix + c * rows + at + v * TB_VLANES);
        }
        TB_UNROLL
        for (int v = 0; v < WIDE; v++)
            tb_vstore(y + at + v * TB_VLANES, sum[v]);
    }
    for (; at < rows; at += TB_VLANES) {
        tb_vf sum = {0};
        for (size_t c = 0; c < cols; c++)
            sum += x[c] * tb_vload(matrix + c * rows + at);
        tb_vstore(y + at, sum);
    }
}

/* Hash of a counter (Wellons' lowbias32), so that any sample can be made on its own. */
static void noise(float *x, uint32_t counter, size_t n)
{
    typedef uint32_t vu __attribute__((vector_size(TB_VLANES * 4)));
    uint32_t count[TB_VLANES];
    for (uint32_t i = 0; i < TB_VLANES; i++)
        count[i] = i;
    vu base;
    memcpy(&base, count, sizeof base);
    for (size_t i = 0; i < n; i += TB_VLANES) {
        vu h = base + (counter + (uint32_t)i);
        h ^= h >> 16;
        h *= 0x7feb352du;
        h ^= h >> 15;
        h *= 0x846ca68bu;
        h ^= h >> 16;
        tb_vstore(x + i, __builtin_convertvector((tb_vi)h, tb_vf) * (1.0f / 2147483648.0f));
    }
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
static void partials(const struct tb_partials_job *job, float *out)
{
    for (unsigned at = 0; at < job->n_partials; at += TB_VLANES) {
        tb_vi phase, inc;
        memcpy(&phase, job->phase + at, sizeof phase);
        memcpy(&inc, job->inc + at, sizeof inc);
        const tb_vf step = tb_vload(job->step + at);
        const tb_vf amp = tb_vload(job->amp + at);
        const unsigned rest = job->n_partials - at;
        float mask[TB_VLANES];
        for (unsigned i = 0; i < TB_VLANES; i++)
            mask[i] = i < rest ? 1.0f : 0.0f;
        const tb_vf audible = tb_vload(mask);
        for (unsigned i = 0; i < job->n; i++) {
            float sum[TB_VLANES];
            const tb_vf y = sine(phase) * (amp + step * job->weight[i]) * audible;
            memcpy(sum, &y, sizeof sum);
            for (unsigned k = 0; k < TB_VLANES; k++)
                out[i] += sum[k];
            phase = turned(phase, inc);
        }
        memcpy(job->phase + at, &phase, sizeof phase);
    }
}

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

TB_INLINE struct complex get(struct tb_split x, size_t i)
{
    return (struct complex){tb_vload(x.re + i), tb_vload(x.im + i)};
}

TB_INLINE void put(struct tb_split x, size_t i, struct complex v)
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

static void twist(struct tb_split x, const float *w_re, const float *w_im, size_t n, bool conjugate)
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
    .bank = bank,
    .scatter = scatter,
    .fir = fir,
    .mix = mix,
    .noise = noise,
    .partials = partials,
    .levels = levels,
    .mac = mac,
    .pass4 = pass4,
    .pass2 = pass2,
    .twist = twist,
    .transpose = transpose,
};
