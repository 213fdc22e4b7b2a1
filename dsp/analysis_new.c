/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/analysis_priv.h"
#include "dsp/neural_controls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ZEROS = 12 }; /* zero crossings of the resampling filter on each side */

static const double PI = 3.141592653589793;

static unsigned common_divisor(unsigned a, unsigned b)
{
    while (b) {
        const unsigned rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static double sinc(double x)
{
    return fabs(x) < 1e-9 ? 1 : sin(PI * x) / (PI * x);
}

/* Blackman-windowed sinc at 0.45 of the lower rate; ZEROS crossings of delay. */
static bool make_filter(struct tb_analysis *a)
{
    const unsigned rate = (unsigned)a->config.rate_hz;
    const unsigned divisor = common_divisor(TB_ANALYSIS_RATE_HZ, rate);
    a->up = TB_ANALYSIS_RATE_HZ / divisor;
    a->down = rate / divisor;
    const double cut = 0.9 * fmin(1, (double)TB_ANALYSIS_RATE_HZ / rate); /* of Nyquist */
    const double reach = ZEROS / cut;
    a->taps = ((unsigned)ceil(2 * reach) + 16) / 16 * 16;
    a->filter = calloc((size_t)a->up * a->taps, sizeof *a->filter);
    a->input = calloc(2 * (size_t)a->taps, sizeof *a->input);
    if (!a->filter || !a->input)
        return false;
    if (a->up == a->down) { /* nothing to do, and no delay */
        a->filter[a->taps - 1] = 1;
        return true;
    }
    for (unsigned p = 0; p < a->up; p++) {
        double sum = 0;
        float *row = a->filter + (size_t)p * a->taps;
        for (unsigned t = 0; t < a->taps; t++) {
            /* row[t] meets the oldest sample first; the centre is `reach` before the newest. */
            const double d = (double)t - (a->taps - 1 - reach) - (double)p / a->up;
            const double u = d / reach;
            const double window =
                fabs(u) < 1 ? 0.42 + 0.5 * cos(PI * u) + 0.08 * cos(2 * PI * u) : 0;
            row[t] = (float)(cut * sinc(cut * d) * window);
            sum += (double)row[t];
        }
        for (unsigned t = 0; t < a->taps; t++)
            row[t] = (float)((double)row[t] / sum);
    }
    return true;
}

void tb_pitch_init(struct tb_pitch *p)
{
    for (int s = 0; s < TB_PITCH_STEPS; s++)
        for (int k = 0; k < TB_PITCH_SINC; k++) {
            const int side = TB_PITCH_SINC / 2, whole = k - side + 1;
            const float d = 3.14159265f * ((float)whole - (float)s / TB_PITCH_STEPS);
            const float window = 0.5f + 0.5f * cosf(d / (float)side);
            p->sinc[s][k] = window * (fabsf(d) < 1e-6f ? 1 : sinf(d) / d);
        }
}

bool tb_loudness_init(struct tb_loudness *l, unsigned n)
{
    const unsigned bins = n / 2 + 1;
    *l = (struct tb_loudness){.n_fft = n};
    l->window = malloc((n + 6 * bins) * sizeof(float));
    l->order = malloc(n / 2 * sizeof *l->order);
    if (!l->window || !l->order)
        return false;
    l->weight_db = l->window + n;
    l->weight_power = l->weight_db + bins;
    l->cosine = l->weight_power + bins;
    l->sine = l->cosine + bins;
    l->re = l->sine + bins;
    l->im = l->re + bins;
    for (unsigned i = 0; i < n; i++)
        l->window[i] = (float)(0.5 - 0.5 * cos(2 * PI * i / n));
    for (unsigned k = 0; k < bins; k++) {
        const float db = tb_a_weighting_db((float)k * TB_ANALYSIS_RATE_HZ / (float)n);
        l->weight_db[k] = db;
        l->weight_power[k] = powf(10, db / 10);
        l->cosine[k] = (float)cos(2 * PI * k / n);
        l->sine[k] = (float)sin(2 * PI * k / n);
    }
    for (unsigned i = 0, j = 0; i < n / 2; i++) {
        l->order[i] = j;
        unsigned bit = n / 4;
        for (; bit && j & bit; bit >>= 1)
            j ^= bit;
        j |= bit;
    }
    return true;
}

void tb_loudness_clear(struct tb_loudness *l)
{
    free(l->window);
    free(l->order);
    *l = (struct tb_loudness){0};
}

static enum tb_status check(const struct tb_analysis_config *c, struct tb_error *err)
{
    if (!(c->rate_hz >= 8000 && c->rate_hz <= 192000) || c->rate_hz != floorf(c->rate_hz))
        return tb_fail(err, TB_EINVAL, "rate_hz: not a whole number from 8000 to 192000");
    if (!(c->gate_db >= -120 && c->gate_db <= 0))
        return tb_fail(err, TB_EINVAL, "gate_db: outside -120..0");
    if ((unsigned)c->loudness > TB_ANALYSIS_RMS)
        return tb_fail(err, TB_EINVAL, "loudness: unknown kind");
    if (c->n_fft < 256 || c->n_fft > TB_ANALYSIS_MAX_FFT || (c->n_fft & (c->n_fft - 1)))
        return tb_fail(err, TB_EINVAL, "n_fft: %u is not 256, 512, 1024 or 2048", c->n_fft);
    if (!isfinite(c->reference_db) || !isfinite(c->floor_db))
        return tb_fail(err, TB_EINVAL, "reference_db or floor_db: not finite");
    return TB_OK;
}

struct tb_analysis *tb_analysis_new(const struct tb_analysis_config *config, struct tb_error *err)
{
    if (check(config, err) != TB_OK)
        return NULL;
    struct tb_analysis *a = calloc(1, sizeof *a);
    if (a) {
        a->config = *config;
        a->pitch.kernels = tb_synth_kernels(TB_NN_CPU_BEST);
        tb_pitch_init(&a->pitch);
    }
    bool made = a && make_filter(a);
    for (unsigned i = 0; made && i < TB_ANALYSIS_N_FFTS; i++)
        made = tb_loudness_init(&a->loudness[i], (unsigned)TB_ANALYSIS_MIN_FFT << i);
    if (!made) {
        tb_analysis_free(a);
        (void)tb_fail(err, TB_ENOMEM, "out of memory");
        return NULL;
    }
    (void)tb_analysis_use(a, &(struct tb_analysis_scale){.loudness = config->loudness,
                                                         .n_fft = config->n_fft,
                                                         .reference_db = config->reference_db,
                                                         .floor_db = config->floor_db});
    tb_analysis_reset(a);
    return a;
}

void tb_analysis_free(struct tb_analysis *a)
{
    if (!a)
        return;
    for (unsigned i = 0; i < TB_ANALYSIS_N_FFTS; i++)
        tb_loudness_clear(&a->loudness[i]);
    free(a->filter);
    free(a->input);
    free(a);
}
