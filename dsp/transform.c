/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/transform.h"

#include <string.h>

/* Passes work on ever shorter blocks until they are 16 long; then the blocks become columns, so
 * that the last two passes, across the 16, are as wide as the vectors again. */
enum { BLOCK = 16 };

static void run_pass(const struct tb_transform *t, const struct tb_synth_kernels *kernels,
                     struct tb_complexes x, unsigned pass, bool inverse)
{
    const struct tb_pass p = {
        .x = x, .twiddle = t->twiddle[pass], .n = t->n, .d = t->distance[pass]};
    /* A radix-2 pass is the one whose block is 32. */
    if (pass < t->n_passes && p.d == BLOCK && pass > 0 && t->distance[pass - 1] == 2 * BLOCK)
        kernels->pass2(&p, inverse);
    else
        kernels->pass4(&p, inverse);
}

void tb_transform_forward(const struct tb_transform *t, const struct tb_synth_kernels *kernels,
                          struct tb_complexes a, struct tb_complexes b, unsigned step)
{
    if (t->whole) {
        kernels->forward64(t->whole, a.re, b);
    } else if (step == 0) {
        memset(a.im, 0, t->n * sizeof *a.im);
        kernels->twist(a, t->twist_re, t->twist_im, t->n, false);
    } else if (step <= t->n_passes) {
        run_pass(t, kernels, a, step - 1, false);
    } else if (step == t->n_passes + 1) {
        kernels->transpose(b.re, a.re, t->n / BLOCK, BLOCK);
        kernels->transpose(b.im, a.im, t->n / BLOCK, BLOCK);
    } else {
        run_pass(t, kernels, b, step - 2, false);
    }
}

void tb_transform_inverse(const struct tb_transform *t, const struct tb_synth_kernels *kernels,
                          struct tb_complexes a, struct tb_complexes b, unsigned step)
{
    if (t->whole) {
        kernels->inverse64(t->whole, b, a);
    } else if (step < 2) {
        run_pass(t, kernels, b, t->n_passes + 1 - step, true);
    } else if (step == 2) {
        kernels->transpose(a.re, b.re, BLOCK, t->n / BLOCK);
        kernels->transpose(a.im, b.im, BLOCK, t->n / BLOCK);
    } else if (step < t->n_steps - 1) {
        run_pass(t, kernels, a, t->n_steps - 2 - step, true);
    } else {
        kernels->twist(a, t->twist_re, t->twist_im, t->n, true);
    }
}
