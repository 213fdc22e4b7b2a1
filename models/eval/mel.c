/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/mel.h"

#include "models/train/fft.h"

#include <stdlib.h>
#include <string.h>

enum { BINS = TB_MEL_FFT / 2 + 1 };
static const double LOW_HZ = 50, HIGH_HZ = 7600;

/* Weight of each bin in the triangle it rises in; the rest of it falls in the one before. */
struct bank {
    int rising[BINS]; /* -1..TB_MEL_BANDS: the triangle, or one that is none */
    float share[BINS];
    float window[TB_MEL_FFT];
    float scale; /* power of bins to power of the sound */
};

static double mel_of(double hz)
{
    return 2595.0 * log10(1.0 + hz / 700.0);
}

static void make_bank(struct bank *b)
{
    const double low = mel_of(LOW_HZ), step = (mel_of(HIGH_HZ) - low) / (TB_MEL_BANDS + 1);
    double sum = 0;
    for (int i = 0; i < TB_MEL_FFT; i++) {
        const double w = 0.5 - 0.5 * cos(6.28318530717958647692 * i / TB_MEL_FFT);
        b->window[i] = (float)w;
        sum += w * w;
    }
    b->scale = (float)(2.0 / (sum * TB_MEL_FFT));
    for (int k = 0; k < BINS; k++) {
        const double at = (mel_of((double)k * TB_MEL_RATE_HZ / TB_MEL_FFT) - low) / step;
        const bool inside = at > 0 && at < TB_MEL_BANDS + 1;
        b->rising[k] = inside ? (int)at : -1;
        b->share[k] = inside ? (float)(at - floor(at)) : 0;
    }
}

static void fill(const struct bank *b, const tb_complex *spectrum, struct tb_mel_frame *f)
{
    double total = 0, moment = 0;
    memset(f, 0, sizeof *f);
    for (int k = 0; k < BINS; k++) {
        const float re = tb_re(spectrum[k]), im = tb_im(spectrum[k]);
        const float power = (re * re + im * im) * b->scale * (k % (BINS - 1) ? 1.0f : 0.5f);
        total += (double)power;
        moment += (double)power * k;
        const int up = b->rising[k];
        if (up >= 0 && up < TB_MEL_BANDS)
            f->power[up] += power * b->share[k];
        if (up > 0)
            f->power[up - 1] += power * (1.0f - b->share[k]);
    }
    f->total = (float)total;
    f->centroid_hz = total > 1e-12 ? (float)(moment / total * TB_MEL_RATE_HZ / TB_MEL_FFT) : 0;
}

size_t tb_mel_frames(size_t n)
{
    return n < TB_MEL_FFT ? 0 : (n - TB_MEL_FFT) / TB_MEL_HOP + 1;
}

bool tb_mel(const float *x, size_t n, struct tb_mel_frame *frames)
{
    const struct tb_fft *fft = tb_fft_get(TB_MEL_FFT);
    struct bank *bank = malloc(sizeof *bank);
    if (!fft || !bank) {
        free(bank);
        return false;
    }
    make_bank(bank);
    float windowed[TB_MEL_FFT];
    tb_complex spectrum[BINS];
    for (size_t t = 0; t < tb_mel_frames(n); t++) {
        for (size_t i = 0; i < TB_MEL_FFT; i++)
            windowed[i] = x[t * TB_MEL_HOP + i] * bank->window[i];
        tb_fft_forward(fft, windowed, spectrum);
        fill(bank, spectrum, &frames[t]);
    }
    free(bank);
    return true;
}
