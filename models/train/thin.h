/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_THIN_H
#define TB_MODELS_TRAIN_THIN_H

#include "models/train/real.h"

#include <stdbool.h>
#include <stddef.h>

/* Products of a few rows with one matrix, again and again, as a recurrent network needs one a
 * frame. The matrix is laid out once, in panels of sixteen columns, and a product reads it once
 * and in order, at the speed of the cache it lies in. A product of BLAS arranges it anew in every
 * call, which takes most of the time where rows are few. */
struct tb_thin {
    size_t inner, cols;
    tb_real *panels; /* [cols / 16, rounded up][inner][16] */
};

/* Values that `panels` needs. */
size_t tb_thin_room(size_t inner, size_t cols);

/* Lays out b [inner][cols], or its transpose b [cols][inner]. */
void tb_thin_pack(const struct tb_thin *thin, const tb_real *b, bool transposed);

/* c [rows][cols] += a [rows][inner] b. A row's result does not depend on how many there are. */
void tb_thin_multiply(const struct tb_thin *thin, const tb_real *a, size_t rows, tb_real *c);

#endif
