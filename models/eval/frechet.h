/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_EVAL_FRECHET_H
#define TB_MODELS_EVAL_FRECHET_H

#include "models/eval/mel.h"

#include <stdint.h>

/* How far apart two sets of sounds are, whatever their order: the Frechet distance between normal
 * distributions of what 0.48 s of sound looks like,
 *   |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2).
 * The feature is our own and not comparable with published FAD (which needs a trained network): of
 * 30 mel frames (mel.h), every 15 frames, mean and deviation in time of ln(power + 1e-6) of each of
 * the 40 bands, 80 numbers; windows that are silent throughout (mean power below -60 dB of full
 * scale) are left out. Hearing it: 0 for a set and itself, 30 to 60 for another instrument. */

enum { TB_FRECHET_DIM = 2 * TB_MEL_BANDS };

/* Sums over windows. Zero it to begin. */
struct tb_frechet_set {
    uint64_t n;
    double sum[TB_FRECHET_DIM];
    double product[TB_FRECHET_DIM][TB_FRECHET_DIM]; /* lower triangle */
};

/* Any thread. */
void tb_frechet_add(struct tb_frechet_set *set, const struct tb_mel_frame *frames, size_t n);

/* NAN when a set has fewer than two windows, or without memory. */
double tb_frechet_distance(const struct tb_frechet_set *a, const struct tb_frechet_set *b);

#endif
