/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"

#include "models/train/wide.h"

#include <assert.h>
#include <string.h>

static const size_t sizes[] = {2048, 1024, 512, 256, 128, 64};
enum { N_SIZES = 6, LARGEST = TB_WIDE_FFT_MOST, OVERLAP = 4 };
enum { COLUMN = TB_WIDE + OVERLAP - 1, STAGED = COLUMN * (LARGEST / OVERLAP) };
#define TINY TB_R(1e-7)

/* Frames are taken in groups of sixteen that follow each other in a clip, one to a lane, and
 * transformed as complex numbers of half their length. (Two frames as the halves of one transform
 * were quicker by a little, but a silent one then hears what the other rounds to, in a logarithm.)
 * The gradient is worked out on the way forward, where the spectra are at hand; nothing is kept but
 * d loss / d signal. */
struct spectral {
    struct tb_wide_complex work[3][LARGEST / 2];
    tb_real turns[2 * LARGEST], window[LARGEST];
    tb_real staged[STAGED]; /* samples under a group, or their gradient */
    const tb_real *target;  /* [clips][samples] */
    size_t samples, clips;
    size_t size;    /* of the transform at work */
    tb_real weight; /* 1 / number of its bins */
    double sum;     /* of its differences */
};

/* Sixteen frames of one clip from frame t on. */
struct group {
    size_t clip, t;
    size_t lanes; /* frames that there are */
};

/* Index of sample i of a clip of n samples, mirrored at both ends without repeating the edge. */
static size_t mirror(long i, size_t n)
{
    long last = (long)n - 1;
    if (i < 0)
        i = -i;
    if (i > last)
        i = 2 * last - i;
    return (size_t)i;
}

static long first_of(const struct spectral *s, const struct group *g)
{
    return (long)(g->t * (s->size / OVERLAP)) - (long)(s->size / 2);
}

static size_t staged_of(const struct spectral *s, const struct group *g)
{
    return (g->lanes + OVERLAP - 1) * (s->size / OVERLAP);
}

/* The samples that the group's frames share, and zeros for frames that are none. */
static void stage(struct spectral *s, const struct group *g, const tb_real *signal)
{
    tb_real *to = s->staged;
    const tb_real *clip = signal + g->clip * s->samples;
    const long first = first_of(s, g);
    const size_t n = staged_of(s, g);
    if (first >= 0 && (size_t)first + n <= s->samples) {
        memcpy(to, clip + first, n * sizeof *to);
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = clip[mirror(first + (long)i, s->samples)];
    }
    memset(to + n, 0, (COLUMN * (s->size / OVERLAP) - n) * sizeof *to);
}

TB_WIDE_INLINE void lanes_of(const struct group *g, tb_wide *lanes)
{
    for (size_t l = 0; l < TB_WIDE; l++)
        (*lanes)[l] = l < g->lanes ? 1 : 0;
}

/* Staged samples to windowed frames side by side: sample q hop + j of frame l is staged sample
 * (l + q) hop + j, so that a column of nineteen serves four windows. Even samples are real parts,
 * odd ones imaginary. */
TB_CLONES static void load(const struct spectral *s, const struct group *g,
                           struct tb_wide_complex *z)
{
    const size_t hop = s->size / OVERLAP;
    tb_wide lanes;
    lanes_of(g, &lanes);
    for (size_t j = 0; j < hop; j++) {
        tb_real column[COLUMN];
        for (size_t m = 0; m < COLUMN; m++)
            column[m] = s->staged[m * hop + j];
        for (size_t q = 0; q < OVERLAP; q++) {
            struct tb_wide_complex *to = z + (q * hop + j) / 2;
            *(j % 2 ? &to->im : &to->re) =
                *(const tb_wide_loose *)(column + q) * (lanes * s->window[q * hop + j]);
        }
    }
}

/* Bins k and size / 2 - k of the frames, twice what they are, out of the same two (z and mirrored)
 * of their transform; w turns by k. */
TB_WIDE_INLINE void part_bins(const struct tb_wide_complex *z,
                              const struct tb_wide_complex *mirrored, const tb_real *w,
                              struct tb_wide_complex bins[2])
{
    const tb_wide even_re = z->re + mirrored->re, even_im = z->im - mirrored->im;
    const tb_wide odd_re = z->im + mirrored->im, odd_im = mirrored->re - z->re;
    const tb_wide re = odd_re * w[0] - odd_im * w[1], im = odd_re * w[1] + odd_im * w[0];
    bins[0].re = even_re + re;
    bins[0].im = even_im + im;
    bins[1].re = even_re - re;
    bins[1].im = im - even_im;
}

/* The way back: derivatives d of the two bins to what a transform with real and imaginary parts
 * exchanged takes. */
TB_WIDE_INLINE void join_bins(const struct tb_wide_complex d[2], const tb_real *w,
                              struct tb_wide_complex *z, struct tb_wide_complex *mirrored)
{
    const tb_wide even_re = d[0].re + d[1].re, even_im = d[0].im - d[1].im;
    const tb_wide off_re = d[0].re - d[1].re, off_im = d[0].im + d[1].im;
    const tb_wide odd_re = off_re * w[0] + off_im * w[1], odd_im = off_im * w[0] - off_re * w[1];
    mirrored->im = even_re + odd_im;
    mirrored->re = odd_re - even_im;
    z->im = even_re - odd_im;
    z->re = even_im + odd_re;
}

/* A bin of ours and theirs: their distance is added to sum, and in d is its derivative with respect
 * to ours, halved between the two ends of a real transform. */
TB_WIDE_INLINE void compare(const struct tb_wide_complex *ours,
                            const struct tb_wide_complex *theirs, const tb_real by[2],
                            struct tb_wide_complex *d, tb_wide *sum)
{
    const tb_real scale = by[0], weight = by[1];
    const tb_wide power = ours->re * ours->re + ours->im * ours->im;
    const tb_wide other = theirs->re * theirs->re + theirs->im * theirs->im;
    tb_wide inverse, inverse_other, logs;
    tb_wide_inverse_sqrt(&power, &inverse);
    tb_wide_inverse_sqrt(&other, &inverse_other);
    const tb_wide a = power * inverse * scale, b = other * inverse_other * scale, apart = a - b;
    const tb_wide upward = 1 / (a + TINY), ratio = upward * (b + TINY);
    tb_wide_log(&ratio, &logs);
    const tb_wide_bits slope = (tb_wide_bits)(weight * (1 + upward) * inverse) & (power > 0);
    const tb_wide_bits off = (tb_wide_bits)(apart - logs);
    const tb_wide_bits up = apart > 0;
    const tb_wide_bits down = apart < 0;
    const tb_wide f = (tb_wide)(slope & up) - (tb_wide)(slope & down);
    *sum += (tb_wide)(off & up) - (tb_wide)(off & down);
    d->re = ours->re * f;
    d->im = ours->im * f;
}

/* Transforms a of the signal and b of the target to the loss and, in a, to its derivative. */
TB_CLONES static void compare_all(struct spectral *s, struct tb_wide_complex *a,
                                  const struct tb_wide_complex *b)
{
    const size_t half = s->size / 2, chunk = 32;
    const tb_real scale = TB_R(0.5) / tb_sqrt((tb_real)s->size);
    for (size_t first = 0; first <= half / 2; first += chunk) {
        tb_wide sum = {0}, none;
        for (size_t k = first; k <= half / 2 && k < first + chunk; k++) {
            const size_t other = (half - k) % half;
            const tb_real by[2] = {scale, s->weight * scale * (k == 0 ? 2 : 1)};
            const tb_real *w = s->turns + 2 * (LARGEST / s->size) * k;
            struct tb_wide_complex ours[2], theirs[2], d[2];
            part_bins(a + k, a + other, w, ours);
            part_bins(b + k, b + other, w, theirs);
            compare(&ours[0], &theirs[0], by, &d[0], &sum);
            /* in the middle both are one */
            compare(&ours[1], &theirs[1], by, &d[1], 2 * k == half ? &none : &sum);
            join_bins(d, w, a + k, a + other);
        }
        for (int l = 0; l < TB_WIDE; l++)
            s->sum += (double)sum[l];
    }
}

/* The gradient of windowed frames through the window to the samples under the group. */
TB_CLONES static void unload(struct spectral *s, const struct tb_wide_complex *z)
{
    const size_t hop = s->size / OVERLAP;
    for (size_t j = 0; j < hop; j++) {
        tb_real column[COLUMN] = {0};
        for (size_t q = 0; q < OVERLAP; q++) {
            const struct tb_wide_complex *at = z + (q * hop + j) / 2;
            *(tb_wide_loose *)(column + q) += (j % 2 ? at->re : at->im) * s->window[q * hop + j];
        }
        for (size_t m = 0; m < COLUMN; m++)
            s->staged[m * hop + j] = column[m];
    }
}

static void add_back(const struct spectral *s, const struct group *g, tb_real *d)
{
    tb_real *clip = d + g->clip * s->samples;
    const long first = first_of(s, g);
    const size_t n = staged_of(s, g);
    if (first >= 0 && (size_t)first + n <= s->samples) {
        for (size_t i = 0; i < n; i++)
            clip[(size_t)first + i] += s->staged[i];
        return;
    }
    for (size_t i = 0; i < n; i++)
        clip[mirror(first + (long)i, s->samples)] += s->staged[i];
}

/* The result is in z or scratch. */
static struct tb_wide_complex *transform(struct spectral *s, const struct group *g,
                                         const tb_real *signal, struct tb_wide_complex *z,
                                         struct tb_wide_complex *scratch)
{
    stage(s, g, signal);
    load(s, g, z);
    return tb_wide_fft(z, scratch, s->size / 2, s->turns);
}

/* ours and d [clips][samples]; d may be NULL. */
static void one_group(struct spectral *s, const struct group *g, const tb_real *ours, tb_real *d)
{
    struct tb_wide_complex *a = transform(s, g, ours, s->work[0], s->work[1]);
    struct tb_wide_complex *spare = a == s->work[0] ? s->work[1] : s->work[0];
    compare_all(s, a, transform(s, g, s->target, s->work[2], spare));
    if (!d)
        return;
    unload(s, tb_wide_fft(a, spare, s->size / 2, s->turns));
    add_back(s, g, d);
}

static double one_size(struct spectral *s, size_t size, const tb_real *ours, tb_real *d)
{
    const size_t frames = s->samples / (size / OVERLAP) + 1, bins = size / 2 + 1;
    const double count = (double)(s->clips * frames * bins);
    s->size = size;
    s->weight = (tb_real)(1 / count);
    s->sum = 0;
    for (size_t i = 0; i < size; i++)
        s->window[i] =
            (tb_real)(0.5 - 0.5 * cos(6.28318530717958647692 * (double)i / (double)size));
    for (size_t clip = 0; clip < s->clips; clip++) {
        for (size_t t = 0; t < frames; t += TB_WIDE) {
            const struct group g = {clip, t, frames - t < TB_WIDE ? frames - t : (size_t)TB_WIDE};
            one_group(s, &g, ours, d);
        }
    }
    return s->sum / count;
}

/* d loss / d signal was saved: scale it by what arrives. */
static void spectral_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0];
    const tb_real *d = note->saved, by = note->out.grad[0];
    for (size_t i = 0; x->grad && i < x->rows * x->cols; i++)
        x->grad[i] += by * d[i];
}

struct tb_tensor tb_op_spectral_loss(struct tb_tape *tape, struct tb_tensor signal,
                                     const tb_real *target, size_t clips)
{
    if (tb_tape_failed(tape)) /* then what came in may be empty */
        return (struct tb_tensor){0};
    assert(clips > 0 && signal.rows % clips == 0 && signal.rows / clips > LARGEST / 2);
    struct tb_tensor y = tb_tape_tensor(tape, 1, 1, true);
    struct spectral *s = tb_tape_alloc(tape, sizeof *s);
    tb_real *d = tb_tape_alloc(tape, signal.rows * sizeof *d);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    tb_wide_fft_turns(s->turns);
    s->target = target;
    s->samples = signal.rows / clips;
    s->clips = clips;
    double loss = 0;
    for (size_t i = 0; i < N_SIZES; i++)
        loss += one_size(s, sizes[i], signal.value, signal.grad ? d : NULL);
    y.value[0] = (tb_real)loss;
    tb_tape_push(tape, &(struct tb_note){spectral_backward, {signal}, y, d});
    return y;
}
