/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/wide.h"

void tb_wide_fft_turns(tb_real *turns)
{
    for (size_t i = 0; i < TB_WIDE_FFT_MOST; i++) {
        const double turn = 6.28318530717958647692 * (double)i / TB_WIDE_FFT_MOST;
        turns[2 * i] = (tb_real)cos(turn);
        turns[2 * i + 1] = (tb_real)-sin(turn);
    }
}

TB_WIDE_INLINE void turn(struct tb_wide_complex *y, const tb_wide *re, const tb_wide *im,
                         const tb_real *w)
{
    y->re = *re * w[0] - *im * w[1];
    y->im = *re * w[1] + *im * w[0];
}

/* Stockham's order, radix 4: what was apart by m comes together, nothing is reversed. stride: parts
 * done so far; n: what is left of each; at: of the table of turns, for 1 / n of a turn. */
TB_CLONES static void pass4(const struct tb_wide_complex *x, struct tb_wide_complex *y, size_t n,
                            size_t stride, const tb_real *turns)
{
    const size_t m = n / 4, apart = m * stride;
    const size_t at = 2 * (TB_WIDE_FFT_MOST / n);
    for (size_t p = 0; p < m; p++) {
        const tb_real *w1 = turns + p * at, *w2 = turns + 2 * p * at, *w3 = turns + 3 * p * at;
        for (size_t q = 0; q < stride; q++) {
            const struct tb_wide_complex *a = x + q + stride * p, *b = a + apart, *c = b + apart,
                                         *d = c + apart;
            struct tb_wide_complex *out = y + q + stride * 4 * p;
            const tb_wide sum_re = a->re + c->re, sum_im = a->im + c->im;
            const tb_wide off_re = a->re - c->re, off_im = a->im - c->im;
            const tb_wide odd_re = b->re + d->re, odd_im = b->im + d->im;
            const tb_wide quarter_re = d->im - b->im, quarter_im = b->re - d->re; /* j (b - d) */
            const tb_wide re1 = off_re - quarter_re, im1 = off_im - quarter_im;
            const tb_wide re2 = sum_re - odd_re, im2 = sum_im - odd_im;
            const tb_wide re3 = off_re + quarter_re, im3 = off_im + quarter_im;
            out->re = sum_re + odd_re;
            out->im = sum_im + odd_im;
            turn(out + stride, &re1, &im1, w1);
            turn(out + 2 * stride, &re2, &im2, w2);
            turn(out + 3 * stride, &re3, &im3, w3);
        }
    }
}

TB_CLONES static void pass2(const struct tb_wide_complex *x, struct tb_wide_complex *y, size_t half)
{
    for (size_t q = 0; q < half; q++) {
        const struct tb_wide_complex *a = x + q, *b = a + half;
        y[q].re = a->re + b->re;
        y[q].im = a->im + b->im;
        y[q + half].re = a->re - b->re;
        y[q + half].im = a->im - b->im;
    }
}

struct tb_wide_complex *tb_wide_fft(struct tb_wide_complex *x, struct tb_wide_complex *scratch,
                                    size_t n, const tb_real *turns)
{
    size_t stride = 1, left = n;
    for (; left >= 4; left /= 4, stride *= 4) {
        pass4(x, scratch, left, stride, turns);
        struct tb_wide_complex *done = scratch;
        scratch = x;
        x = done;
    }
    if (left < 2)
        return x;
    pass2(x, scratch, n / 2);
    return scratch;
}
