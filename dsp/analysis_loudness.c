/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/analysis_priv.h"

#include <math.h>

/* Complex transform of n points, in place; order has put them in bit-reversed places. */
static void transform(const struct tb_loudness *l, unsigned n)
{
    for (unsigned half = 1; half < n; half *= 2) {
        const unsigned stride = l->n_fft / (2 * half);
        for (unsigned at = 0; at < n; at += 2 * half)
            for (unsigned k = 0; k < half; k++) {
                const float wr = l->cosine[k * stride], wi = -l->sine[k * stride];
                float *ar = &l->re[at + k], *ai = &l->im[at + k];
                float *br = ar + half, *bi = ai + half;
                const float re = *br * wr - *bi * wi, im = *br * wi + *bi * wr;
                *br = *ar - re;
                *bi = *ai - im;
                *ar += re;
                *ai += im;
            }
    }
}

/* Power of bin k of the real transform, from the transform of even and odd samples. */
static float power_of(const struct tb_loudness *l, unsigned k)
{
    const unsigned half = l->n_fft / 2, i = k & (half - 1), j = (half - i) & (half - 1);
    const float er = 0.5f * (l->re[i] + l->re[j]), ei = 0.5f * (l->im[i] - l->im[j]);
    const float dr = 0.5f * (l->im[i] + l->im[j]), di = -0.5f * (l->re[i] - l->re[j]);
    const float wr = l->cosine[k], wi = -l->sine[k];
    const float re = er + dr * wr - di * wi, im = ei + dr * wi + di * wr;
    return re * re + im * im;
}

static float root_mean_square(const struct tb_loudness *l, const float *x)
{
    float sum = 0;
    for (unsigned i = 0; i < l->n_fft; i++)
        sum += x[i] * x[i];
    const float db = 10 * log10f(sum / (float)l->n_fft + 1e-20f) - l->reference_db;
    return db > l->floor_db ? db : l->floor_db;
}

float tb_loudness_frame(struct tb_loudness *l, const float *newest)
{
    const unsigned half = l->n_fft / 2;
    const float *x = newest - l->n_fft;
    if (l->kind == TB_ANALYSIS_RMS)
        return root_mean_square(l, x);
    for (unsigned i = 0; i < half; i++) {
        const unsigned to = l->order[i];
        l->re[to] = x[2 * i] * l->window[2 * i];
        l->im[to] = x[2 * i + 1] * l->window[2 * i + 1];
    }
    transform(l, half);
    float sum = 0;
    for (unsigned k = 0; k <= half; k++) {
        const float power = power_of(l, k);
        if (l->kind == TB_ANALYSIS_MAGENTA_V2) {
            sum += power * l->weight_power[k];
            continue;
        }
        const float db = 10 * log10f(power + 1e-20f) + l->weight_db[k] - l->reference_db;
        sum += db > l->floor_db ? db : l->floor_db;
    }
    const float mean = sum / (float)(half + 1);
    if (l->kind == TB_ANALYSIS_A_WEIGHTED)
        return mean;
    const float db = 10 * log10f(mean + 1e-20f) - l->reference_db;
    return db > l->floor_db ? db : l->floor_db;
}
