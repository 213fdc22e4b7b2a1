/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/golden/sound.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>

static const double pi = 3.14159265358979323846;

static double db(double power)
{
    return 10.0 * log10(power + 1e-20);
}

double sound_peak_db(const float *x, size_t n)
{
    double peak = 0.0;
    for (size_t i = 0; i < n; i++)
        peak = fmax(peak, fabs((double)x[i]));
    return db(peak * peak);
}

double sound_rms_db(const float *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return db(sum / (double)(n ? n : 1));
}

/* Radix 2, in place; n is a power of two. */
static void fft(double complex *a, size_t n)
{
    for (size_t i = 1, j = 0; i < n; i++) {
        size_t bit = n >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            double complex t = a[i];
            a[i] = a[j];
            a[j] = t;
        }
    }
    for (size_t m = 2; m <= n; m *= 2) {
        double complex step = cexp(-2.0 * pi * I / (double)m);
        for (size_t i = 0; i < n; i += m) {
            double complex w = 1.0;
            for (size_t k = 0; k < m / 2; k++, w *= step) {
                double complex u = a[i + k], v = a[i + k + m / 2] * w;
                a[i + k] = u + v;
                a[i + k + m / 2] = u - v;
            }
        }
    }
}

/* Power spectrum of the first power of two of x, Hann window, so that the sum over bins is the mean
 * square; to be freed, *bins of them. */
static double *spectrum(const float *x, size_t n, size_t *bins)
{
    size_t size = 1;
    while (size * 2 <= n)
        size *= 2;
    double complex *a = malloc(size * sizeof *a);
    double *power = malloc(size * sizeof *power);
    for (size_t i = 0; i < size; i++)
        a[i] = (double)x[i] * (0.5 - 0.5 * cos(2.0 * pi * (double)i / (double)size));
    fft(a, size);
    for (size_t k = 0; k < size / 2; k++)
        power[k] = 2.0 * creal(a[k] * conj(a[k])) / ((double)size * (double)size * 0.375);
    free(a);
    *bins = size / 2;
    return power;
}

/* IEC 61672, as a factor of power. */
static double a_weight(double f)
{
    double f2 = f * f, c = 12194.0 * 12194.0;
    double r = c * f2 * f2 /
               ((f2 + 20.6 * 20.6) * sqrt((f2 + 107.7 * 107.7) * (f2 + 737.9 * 737.9)) * (f2 + c));
    return r * r * 1.585;
}

double sound_loudness_db(const float *x, size_t n, double rate_hz)
{
    enum { WINDOW = 8192 };
    double loudest = -200.0;
    for (size_t at = 0; at + WINDOW <= n; at += WINDOW / 4) {
        size_t bins;
        double *power = spectrum(x + at, WINDOW, &bins), weighted = 0.0;
        for (size_t k = 1; k < bins; k++)
            weighted += power[k] * a_weight((double)k * rate_hz / WINDOW);
        free(power);
        loudest = fmax(loudest, 0.5 * (sound_rms_db(x + at, WINDOW) + db(weighted)));
    }
    return loudest;
}

double sound_partial_db(const float *x, size_t n, double rate_hz, double f_hz)
{
    double complex sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double window = 0.5 - 0.5 * cos(2.0 * pi * (double)i / (double)n);
        sum += (double)x[i] * window * cexp(-2.0 * pi * I * f_hz / rate_hz * (double)i);
    }
    double amplitude = cabs(sum) * 4.0 / (double)n; /* peak, half of it in each direction */
    return db(amplitude * amplitude / 2.0);
}

double sound_centroid_hz(const float *x, size_t n, double rate_hz)
{
    size_t bins;
    double *power = spectrum(x, n, &bins), sum = 0.0, moment = 0.0;
    double step = rate_hz / (2.0 * (double)bins);
    for (size_t k = (size_t)(20.0 / step) + 1; k < bins; k++) {
        if (power[k] < 1e-12) /* the noise of rounding is everywhere */
            continue;
        sum += sqrt(power[k]);
        moment += sqrt(power[k]) * (double)k * step;
    }
    free(power);
    return sum > 0.0 ? moment / sum : 0.0;
}
