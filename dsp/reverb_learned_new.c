/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/reverb_learned_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ZEROS = 48 }; /* zero crossings of the resampling filter on each side */
enum { MAX_PHASES = 1024 };
#define KAISER_BETA 12.0

static const double PI = 3.141592653589793;
static const size_t SIZES[TB_REVERB_LEVELS] = {64, 512, 4096};

/* First tap of a level: the first answers when its quantum is complete, the others one partition
 * later. */
static size_t first_tap(unsigned level)
{
    return level ? 2 * SIZES[level] : SIZES[0];
}

static double bessel_i0(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; k < 40; k++) {
        term *= (x / (2 * k)) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

size_t tb_resample_length(size_t n, float from_hz, float to_hz)
{
    if (from_hz == to_hz)
        return n;
    return (size_t)ceil((double)n * (double)to_hz / (double)from_hz);
}

/* Kaiser-windowed sinc, beta 12: stop band below -118 dB. */
struct resampler {
    double step;       /* inputs an output */
    double cut, reach; /* of the sinc, in inputs */
    double whole;      /* the window's middle */
};

/* The filter d inputs from its middle. */
static double tap_of(const struct resampler *r, double d)
{
    const double u = d / r->reach;
    if (u < -1 || u > 1)
        return 0;
    const double sinc = d == 0 ? 1 : sin(PI * r->cut * d) / (PI * r->cut * d);
    return r->cut * sinc * bessel_i0(KAISER_BETA * sqrt(1 - u * u)) / r->whole;
}

/* Whole rates have few distances between outputs and inputs: to_hz / gcd phases. 0: too many. */
static size_t phases_of(float from_hz, float to_hz)
{
    unsigned a = (unsigned)from_hz, b = (unsigned)to_hz;
    if ((float)a != from_hz || (float)b != to_hz)
        return 0;
    while (b) {
        const unsigned rest = a % b;
        a = b;
        b = rest;
    }
    const size_t phases = (size_t)to_hz / a;
    return phases <= MAX_PHASES ? phases : 0;
}

/* [phases][2 * half + 1], input base - half first; NULL: every tap is worked out where it is
 * needed, which takes a hundred times as long. */
static double *taps_of(const struct resampler *r, size_t phases, size_t half)
{
    const size_t width = 2 * half + 1;
    double *taps = phases ? malloc(phases * width * sizeof *taps) : NULL;
    for (size_t p = 0; taps && p < phases; p++)
        for (size_t j = 0; j < width; j++)
            taps[p * width + j] = tap_of(r, (double)p / (double)phases - (double)j + (double)half);
    return taps;
}

void tb_resample_impulse(const float *in, size_t n, float from_hz, float to_hz, float *out)
{
    const size_t m = tb_resample_length(n, from_hz, to_hz);
    if (from_hz == to_hz) {
        memcpy(out, in, n * sizeof *in);
        return;
    }
    struct resampler r = {.step = (double)from_hz / (double)to_hz};
    r.cut = r.step > 1 ? 1 / r.step : 1;
    r.reach = ZEROS / r.cut;
    r.whole = bessel_i0(KAISER_BETA);
    const size_t half = (size_t)ceil(r.reach), phases = phases_of(from_hz, to_hz);
    double *taps = taps_of(&r, phases, half);
    for (size_t i = 0; i < m; i++) {
        /* exact where there are phases: base + p / phases */
        const size_t hops = taps ? (size_t)llround(r.step * (double)phases) * i : 0;
        const double at = taps ? 0 : (double)i * r.step;
        const size_t base = taps ? hops / phases : (size_t)at;
        const size_t low = base > half ? base - half : 0;
        const size_t row = taps ? hops % phases * (2 * half + 1) + half : 0;
        double sum = 0;
        for (size_t k = low; k <= base + half && k < n; k++)
            sum += (double)in[k] * (taps ? taps[row + k - base] : tap_of(&r, at - (double)k));
        out[i] = (float)(sum * r.step);
    }
    free(taps);
}

/* Without the dry path, at the device's rate. */
static float *wet_taps(const float *impulse, size_t n, const float rates_hz[2], size_t *n_taps)
{
    *n_taps = tb_resample_length(n, rates_hz[0], rates_hz[1]);
    if (*n_taps > TB_REVERB_MAX_TAPS)
        return NULL;
    float *wet = malloc(n * sizeof *wet), *taps = malloc(*n_taps * sizeof *taps);
    if (wet && taps) {
        memcpy(wet, impulse, n * sizeof *wet);
        wet[0] = 0;
        tb_resample_impulse(wet, n, rates_hz[0], rates_hz[1], taps);
    } else {
        free(taps);
        taps = NULL;
    }
    free(wet);
    return taps;
}

static float *take(float **at, size_t floats)
{
    float *here = *at;
    *at += (floats + 15) / 16 * 16;
    return here;
}

/* The impulse's spectra first, then the state that a reset clears. */
static void lay_out(struct tb_reverb_level *l, float **at)
{
    const size_t n = l->n;
    l->h = take(at, 2 * n * l->n_parts);
    l->x = take(at, 2 * n * l->n_parts);
    l->in = take(at, n);
    l->playing = take(at, n);
    l->next = take(at, n);
    l->carry = take(at, n);
    l->a.re = take(at, n);
    l->a.im = take(at, n);
    l->sum.re = take(at, 2 * n);
    l->sum.im = l->sum.re + n;
}

static bool plan_level(struct tb_reverb_level *l, unsigned k, size_t n_taps)
{
    const size_t first = first_tap(k);
    const size_t end =
        k + 1 < TB_REVERB_LEVELS && n_taps > first_tap(k + 1) ? first_tap(k + 1) : n_taps;
    l->n = SIZES[k];
    l->first = first;
    if (end <= first)
        return true;
    l->n_parts = (unsigned)((end - first + l->n - 1) / l->n);
    if (!tb_transform_init(&l->transform, l->n))
        return false;
    l->n_steps = 2 * l->transform.n_steps + l->n_parts + 1;
    return true;
}

/* Spectra of the partitions, with the 1 / n that the inverse transform leaves out. */
static void fill_level(struct tb_reverb_level *l, const struct tb_synth_kernels *kernels,
                       const float *taps, size_t n_taps)
{
    for (unsigned p = 0; p < l->n_parts; p++) {
        const size_t first = p * l->n;
        for (size_t i = 0; i < l->n; i++)
            l->a.re[i] = first + i < n_taps ? taps[first + i] / (float)l->n : 0;
        float *h = l->h + 2 * l->n * p;
        for (unsigned s = 0; s < l->transform.n_steps; s++)
            tb_transform_forward(&l->transform, kernels, l->a, (struct tb_complexes){h, h + l->n},
                                 s);
    }
}

static size_t level_floats(const struct tb_reverb_level *l)
{
    return l->n * (4 * (size_t)l->n_parts + 8);
}

static bool build(struct tb_learned_reverb *r, const float *taps, size_t n_taps)
{
    for (unsigned k = 0; k < TB_REVERB_LEVELS; k++) {
        if (!plan_level(&r->level[k], k, n_taps))
            return false;
        if (r->level[k].n_parts)
            r->floats += level_floats(&r->level[k]);
    }
    r->memory = aligned_alloc(64, (r->floats + 16) * sizeof(float) / 64 * 64);
    if (!r->memory)
        return false;
    float *at = r->memory;
    for (unsigned k = 0; k < TB_REVERB_LEVELS && r->level[k].n_parts; k++)
        lay_out(&r->level[k], &at);
    for (size_t i = 0; i < TB_REVERB_QUANTUM; i++)
        r->head[i] = i < n_taps ? taps[i] : 0;
    tb_learned_reverb_reset(r);
    for (unsigned k = 0; k < TB_REVERB_LEVELS && r->level[k].n_parts; k++) {
        const size_t first = first_tap(k), n = r->level[k].n * r->level[k].n_parts;
        fill_level(&r->level[k], r->kernels, taps + first, n_taps - first < n ? n_taps - first : n);
    }
    return true;
}

/* Octaves of amplitude that the taps fall a sample: a line through the level of sixteen pieces. */
static float fall_of(const float *taps, size_t n)
{
    enum { PIECES = 16 };
    const size_t piece = n / PIECES;
    double x = 0, y = 0, xx = 0, xy = 0, count = 0;
    for (size_t i = 0; i < PIECES && n >= PIECES; i++) {
        double energy = 0;
        for (size_t t = piece * i; t < piece * (i + 1); t++)
            energy += (double)taps[t] * (double)taps[t];
        if (!(energy > 1e-20))
            continue;
        const double at = ((double)i + 0.5) * (double)piece, octaves = 0.5 * log2(energy);
        x += at;
        y += octaves;
        xx += at * at;
        xy += at * octaves;
        count++;
    }
    const double spread = count * xx - x * x;
    const double slope = spread > 0 ? (count * xy - x * y) / spread : 0;
    return slope < 0 ? (float)-slope : 0;
}

static bool good_rate(float rate_hz)
{
    return rate_hz >= 8000 && rate_hz <= 192000;
}

struct tb_learned_reverb *tb_learned_reverb_new(const float *impulse, size_t n,
                                                float impulse_rate_hz, float rate_hz,
                                                enum tb_nn_cpu cpu)
{
    const struct tb_synth_kernels *kernels = tb_synth_kernels(cpu);
    if (!kernels || n < 1 || n > TB_REVERB_MAX_TAPS || !good_rate(impulse_rate_hz) ||
        !good_rate(rate_hz))
        return NULL;
    size_t n_taps;
    float *taps = wet_taps(impulse, n, (const float[2]){impulse_rate_hz, rate_hz}, &n_taps);
    struct tb_learned_reverb *r = taps ? calloc(1, sizeof *r) : NULL;
    if (r) {
        r->kernels = kernels;
        r->octaves = fall_of(taps, n_taps);
        r->factor = r->wanted = 1;
        if (!build(r, taps, n_taps)) {
            tb_learned_reverb_free(r);
            r = NULL;
        }
    }
    free(taps);
    return r;
}

void tb_learned_reverb_reset(struct tb_learned_reverb *r)
{
    r->filled = 0;
    memset(r->history, 0, sizeof r->history);
    for (unsigned k = 0; k < TB_REVERB_LEVELS && r->level[k].n_parts; k++) {
        struct tb_reverb_level *l = &r->level[k];
        /* Everything behind the spectra of the impulse response lies together. */
        memset(l->x, 0, (level_floats(l) - 2 * l->n * l->n_parts) * sizeof(float));
        l->newest = l->n_heard = 0;
        l->at = 0;
        l->step = l->n_steps; /* no task under way */
    }
}

void tb_learned_reverb_free(struct tb_learned_reverb *r)
{
    if (!r)
        return;
    for (unsigned k = 0; k < TB_REVERB_LEVELS; k++)
        tb_transform_clear(&r->level[k].transform);
    free(r->memory);
    free(r);
}
