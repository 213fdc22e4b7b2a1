/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"

#include "models/train/ops_priv.h"

#include <assert.h>
#include <string.h>

#define PI TB_R(3.14159265358979323846)

/* The filter of a frame is linear in its magnitudes: taps = magnitude x basis, where row k of basis
 * [bands][taps] is the inverse transform of band k alone, centred and windowed (Hann, periodic). */
struct noise {
    struct tb_grid grid;
    size_t bands, taps;
    const tb_real *noise;
    tb_real *basis;  /* [bands][taps] */
    tb_real *filter; /* [clips * frames][taps] */
};

static void make_basis(const struct noise *n)
{
    size_t taps = n->taps;
    for (size_t k = 0; k < n->bands; k++) {
        tb_real weight = (k == 0 || k == n->bands - 1 ? 1 : 2) / (tb_real)taps;
        for (size_t j = 0; j < taps; j++) {
            tb_real window =
                TB_R(0.5) * (1 - (tb_real)cos((double)(2 * PI * (tb_real)j / (tb_real)taps)));
            double turn = (double)k * ((double)j - (double)taps / 2) / (double)taps;
            n->basis[k * taps + j] = weight * window * (tb_real)cos(6.28318530717958647692 * turn);
        }
    }
}

/* A hop of noise: the frame whose filter it goes through, and where the first tap of its first
 * sample comes to lie. Live, the middle of a filter is late, so the engine takes the frame that the
 * hop ends with; its first tap, the window's 0, is then a sample before the hop. As published, the
 * filter is zero-phase and of the hop's own frame. */
struct throw
{
    size_t filter; /* row */
    long first;    /* sample of the clip */
};

static struct throw throw_of(const struct noise *n, size_t row)
{
    long start = (long)(row % n->grid.frames * n->grid.hop);
    if (n->grid.published)
        return (struct throw){row, start - (long)(n->taps / 2)};
    return (struct throw){span_at(&n->grid, row).next, start - 1};
}

/* What falls outside the clip is dropped. */
TB_CLONES static void convolve(const struct noise *n, size_t row, tb_real *out)
{
    size_t hop = n->grid.hop, samples = n->grid.frames * hop, clip = row / n->grid.frames;
    struct throw to = throw_of(n, row);
    const tb_real *filter = n->filter + to.filter * n->taps;
    for (size_t i = 0; i < hop; i++) {
        tb_real x = n->noise[row * hop + i];
        long at = to.first + (long)i;
        size_t from = at < 0 ? (size_t)-at : 0;
        size_t end =
            (size_t)(at + (long)n->taps) > samples ? (size_t)((long)samples - at) : n->taps;
        tb_real *y = out + (long)(clip * samples) + at;
        for (size_t j = from; j < end; j++)
            y[j] += x * filter[j];
    }
}

/* Into the filters, which are not needed any more and have been cleared. */
TB_CLONES static void convolve_back(const struct noise *n, size_t row, const tb_real *d_out)
{
    size_t hop = n->grid.hop, samples = n->grid.frames * hop, clip = row / n->grid.frames;
    struct throw to = throw_of(n, row);
    tb_real *d = n->filter + to.filter * n->taps;
    for (size_t i = 0; i < hop; i++) {
        tb_real x = n->noise[row * hop + i];
        long at = to.first + (long)i;
        size_t from = at < 0 ? (size_t)-at : 0;
        size_t end =
            (size_t)(at + (long)n->taps) > samples ? (size_t)((long)samples - at) : n->taps;
        const tb_real *y = d_out + (long)(clip * samples) + at;
        for (size_t j = from; j < end; j++)
            d[j] += x * y[j];
    }
}

static void noise_backward(const struct tb_note *note)
{
    const struct noise *n = note->saved;
    const struct tb_tensor *magnitude = &note->in[0];
    if (!magnitude->grad)
        return;
    memset(n->filter, 0, magnitude->rows * n->taps * sizeof *n->filter);
    for (size_t row = 0; row < magnitude->rows; row++)
        convolve_back(n, row, note->out.grad);
    tb_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)magnitude->rows, (int)n->bands,
            (int)n->taps, 1, n->filter, (int)n->taps, n->basis, (int)n->taps, 1, magnitude->grad,
            (int)n->bands);
}

struct tb_tensor tb_op_noise(struct tb_tape *tape, const struct tb_grid *grid,
                             struct tb_tensor magnitude, const tb_real *noise)
{
    size_t taps = 2 * (magnitude.cols - 1);
    if (tb_tape_failed(tape)) /* then what came in may be empty */
        return (struct tb_tensor){0};
    assert(magnitude.cols >= 2 && magnitude.rows == grid->clips * grid->frames);
    struct tb_tensor y = tb_tape_tensor(tape, magnitude.rows * grid->hop, 1, true);
    struct noise *n = tb_tape_alloc(tape, sizeof *n);
    tb_real *basis = tb_tape_alloc(tape, magnitude.cols * taps * sizeof *basis);
    tb_real *filter = tb_tape_alloc(tape, magnitude.rows * taps * sizeof *filter);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *n = (struct noise){*grid, magnitude.cols, taps, noise, basis, filter};
    make_basis(n);
    tb_gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)magnitude.rows, (int)taps,
            (int)n->bands, 1, magnitude.value, (int)n->bands, basis, (int)taps, 0, filter,
            (int)taps);
    for (size_t row = 0; row < magnitude.rows; row++)
        convolve(n, row, y.value);
    tb_tape_push(tape, &(struct tb_note){noise_backward, {magnitude}, y, n});
    return y;
}
