/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_BENCH_NEURAL_SIZES_H
#define TB_TESTS_BENCH_NEURAL_SIZES_H

#include "dsp/neural.h"

/* Instruments of the published sizes with seeded weights and a learned reverb of a second. */
struct neural_size {
    const char *name;
    enum tb_family family;
    unsigned width, layers; /* layers: of the MLPs, or blocks */
};
enum { N_NEURAL_SIZES = 7 };
extern const struct neural_size neural_sizes[N_NEURAL_SIZES];

/* Ends the program with a word where it cannot be made. */
struct tb_neural *neural_size_instrument(const struct neural_size *size, float rate_hz);

/* Sorts x[n]; "{"p50":..,"p90":..,"p99":..,"max":..}" of it. */
void print_spread(const char *name, double *x, unsigned n);

#endif
