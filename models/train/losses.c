/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"

#include "models/train/fft.h"

#include <assert.h>
#include <string.h>

static const size_t sizes[] = {2048, 1024, 512, 256, 128, 64};
enum { N_SIZES = 6, LARGEST = 2048 };
#define TINY TB_R(1e-7)

/* The gradient is worked out on the way forward, where the spectra are at hand: one inverse
 * transform a frame, and nothing to keep but d loss / d signal. */
struct spectral {
    tb_real window[LARGEST], frame[LARGEST];
    tb_complex ours[LARGEST / 2 + 1], theirs[LARGEST / 2 + 1];
    const tb_real *target; /* [clips][samples] */
    size_t samples, clips;
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

static void window_frame(struct spectral *s, const tb_real *clip, size_t samples, long first,
                         size_t size)
{
    if (first >= 0 && (size_t)first + size <= samples) {
        for (size_t i = 0; i < size; i++)
            s->frame[i] = clip[(size_t)first + i] * s->window[i];
        return;
    }
    for (size_t i = 0; i < size; i++)
        s->frame[i] = clip[mirror(first + (long)i, samples)] * s->window[i];
}

/* Compares one frame; leaves in ours the derivative with respect to its spectrum, already halved
 * between the two ends of a real transform. Returns the two sums unscaled. */
TB_CLONES static void compare(struct spectral *s, size_t size, tb_real weight, double sums[2])
{
    size_t bins = size / 2 + 1;
    tb_real scale = 1 / tb_sqrt((tb_real)size);
    double linear = 0, logs = 0;
    for (size_t k = 0; k < bins; k++) {
        tb_real re = tb_re(s->ours[k]), im = tb_im(s->ours[k]);
        tb_real tre = tb_re(s->theirs[k]), tim = tb_im(s->theirs[k]);
        tb_real length = tb_sqrt(re * re + im * im);
        tb_real a = length * scale, b = tb_sqrt(tre * tre + tim * tim) * scale;
        tb_real apart = a - b, log_apart = tb_log((a + TINY) / (b + TINY));
        linear += (double)tb_fabs(apart);
        logs += (double)tb_fabs(log_apart);
        tb_real d = (apart > 0   ? 1
                     : apart < 0 ? -1
                                 : 0) +
                    (log_apart > 0   ? 1
                     : log_apart < 0 ? -1
                                     : 0) /
                        (a + TINY);
        tb_real half = k == 0 || k == bins - 1 ? 1 : TB_R(0.5);
        tb_real f = length > 0 ? weight * scale * half * d / length : 0;
        s->ours[k] *= f;
    }
    sums[0] += linear;
    sums[1] += logs;
}

static void add_back(const struct spectral *s, size_t samples, long first, size_t size, tb_real *d)
{
    for (size_t i = 0; i < size; i++)
        d[mirror(first + (long)i, samples)] += s->frame[i] * s->window[i];
}

/* ours and d [clips][samples]; d may be NULL. */
static double one_size(struct spectral *s, size_t size, const tb_real *ours, tb_real *d)
{
    const struct tb_fft *fft = tb_fft_get(size);
    size_t samples = s->samples, hop = size / 4, frames = samples / hop + 1, bins = size / 2 + 1;
    double count = (double)(s->clips * frames * bins), sums[2] = {0, 0};
    for (size_t i = 0; i < size; i++)
        s->window[i] =
            (tb_real)(0.5 - 0.5 * cos(6.28318530717958647692 * (double)i / (double)size));
    for (size_t b = 0; b < s->clips; b++) {
        for (size_t t = 0; t < frames; t++) {
            long first = (long)(t * hop) - (long)(size / 2);
            window_frame(s, s->target + b * samples, samples, first, size);
            tb_fft_forward(fft, s->frame, s->theirs);
            window_frame(s, ours + b * samples, samples, first, size);
            tb_fft_forward(fft, s->frame, s->ours);
            compare(s, size, (tb_real)(1 / count), sums);
            if (!d)
                continue;
            tb_fft_backward(fft, s->ours, s->frame);
            add_back(s, samples, first, size, d + b * samples);
        }
    }
    return (sums[0] + sums[1]) / count;
}

/* d loss / d signal was saved: scale it by what arrives. */
static void loss_backward(const struct tb_note *note)
{
    const struct tb_tensor *x = &note->in[0];
    const tb_real *d = note->saved;
    for (size_t i = 0; x->grad && i < x->rows * x->cols; i++)
        x->grad[i] += note->out.grad[0] * d[i];
}

struct tb_tensor tb_op_spectral_loss(struct tb_tape *tape, struct tb_tensor signal,
                                     const tb_real *target, size_t clips)
{
    assert(clips > 0 && signal.rows % clips == 0 && signal.rows / clips > LARGEST / 2);
    struct tb_tensor y = tb_tape_tensor(tape, 1, 1, true);
    struct spectral *s = tb_tape_alloc(tape, sizeof *s);
    tb_real *d = tb_tape_alloc(tape, signal.rows * sizeof *d);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    s->target = target;
    s->samples = signal.rows / clips;
    s->clips = clips;
    double loss = 0;
    for (size_t i = 0; i < N_SIZES; i++)
        loss += one_size(s, sizes[i], signal.value, signal.grad ? d : NULL);
    y.value[0] = (tb_real)loss;
    tb_tape_push(tape, &(struct tb_note){loss_backward, {signal}, y, d});
    return y;
}

static struct tb_tensor elementwise(struct tb_tape *tape, struct tb_tensor a, const tb_real *target,
                                    bool squared)
{
    size_t n = a.rows * a.cols;
    struct tb_tensor y = tb_tape_tensor(tape, 1, 1, true);
    tb_real *d = tb_tape_alloc(tape, n * sizeof *d);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        tb_real apart = a.value[i] - target[i];
        sum += (double)(squared ? apart * apart : tb_fabs(apart));
        d[i] = (squared ? 2 * apart : apart > 0 ? 1 : apart < 0 ? -1 : 0) / (tb_real)n;
    }
    y.value[0] = (tb_real)(sum / (double)n);
    tb_tape_push(tape, &(struct tb_note){loss_backward, {a}, y, d});
    return y;
}

struct tb_tensor tb_op_l1(struct tb_tape *tape, struct tb_tensor a, const tb_real *target)
{
    return elementwise(tape, a, target, false);
}

struct tb_tensor tb_op_l2(struct tb_tape *tape, struct tb_tensor a, const tb_real *target)
{
    return elementwise(tape, a, target, true);
}
