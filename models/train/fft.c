/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/fft.h"

#include <pthread.h>
#include <stdlib.h>

/* Plans for arrays that begin where a vector may, which take half the time, and for any. */
struct tb_fft {
    size_t n;
    TB_FFT(plan) forward[2], backward[2];
    struct tb_fft *next;
};

static struct tb_fft *known;
static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

static struct tb_fft *make(size_t n)
{
    struct tb_fft *fft = calloc(1, sizeof *fft);
    tb_real *x = TB_FFT(malloc)(n * sizeof *x);
    tb_complex *s = TB_FFT(malloc)((n / 2 + 1) * sizeof *s);
    if (fft && x && s) {
        fft->n = n;
        for (int any = 0; any < 2; any++) {
            unsigned flags = any ? FFTW_ESTIMATE | FFTW_UNALIGNED : FFTW_ESTIMATE;
            fft->forward[any] = TB_FFT(plan_dft_r2c_1d)((int)n, x, s, flags);
            fft->backward[any] = TB_FFT(plan_dft_c2r_1d)((int)n, s, x, flags);
        }
    }
    TB_FFT(free)(x);
    TB_FFT(free)(s);
    if (fft && (!fft->forward[0] || !fft->backward[0] || !fft->forward[1] || !fft->backward[1])) {
        free(fft);
        fft = NULL;
    }
    return fft;
}

const struct tb_fft *tb_fft_get(size_t n)
{
    (void)pthread_mutex_lock(&planner);
    struct tb_fft *fft = known;
    while (fft && fft->n != n)
        fft = fft->next;
    if (!fft) {
        fft = make(n);
        if (fft) {
            fft->next = known;
            known = fft;
        }
    }
    (void)pthread_mutex_unlock(&planner);
    return fft;
}

/* Which of the plans. */
static int any(tb_real *x, tb_complex *spectrum)
{
    return TB_FFT(alignment_of)(x) != 0 || TB_FFT(alignment_of)((tb_real *)(void *)spectrum) != 0;
}

void tb_fft_forward(const struct tb_fft *fft, tb_real *x, tb_complex *spectrum)
{
    TB_FFT(execute_dft_r2c)(fft->forward[any(x, spectrum)], x, spectrum);
}

void tb_fft_backward(const struct tb_fft *fft, tb_complex *spectrum, tb_real *x)
{
    TB_FFT(execute_dft_c2r)(fft->backward[any(x, spectrum)], spectrum, x);
}

size_t tb_fft_good_size(size_t n)
{
    for (size_t size = n + n % 2;; size += 2) {
        size_t rest = size;
        while (rest % 2 == 0)
            rest /= 2;
        while (rest % 3 == 0)
            rest /= 3;
        while (rest % 5 == 0)
            rest /= 5;
        if (rest == 1)
            return size;
    }
}
