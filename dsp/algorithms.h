/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_ALGORITHMS_H
#define TB_DSP_ALGORITHMS_H

#include <stdbool.h>
#include <stdint.h>

enum { TB_N_ALGORITHMS = 32 };

/* One routing of six operators; operators are numbered 0..5 here (operator 1 is 0). */
struct tb_algorithm {
    uint64_t edges;   /* bit 6 * modulated + modulator */
    uint8_t carriers; /* bit per operator */
    uint8_t fb_from, fb_to;
};

/* Any thread. Constant data; index 0 is algorithm 1. */
extern const struct tb_algorithm tb_algorithms[TB_N_ALGORITHMS];

/* Any thread. Whether operator from (0..5) modulates operator to (0..5), feedback apart. */
static inline bool tb_algorithm_modulates(const struct tb_algorithm *a, unsigned from, unsigned to)
{
    return (a->edges >> (6 * to + from)) & 1U;
}

/* Any thread. */
static inline unsigned tb_algorithm_carriers(const struct tb_algorithm *a)
{
    unsigned n = 0;
    for (unsigned rest = a->carriers; rest; rest &= rest - 1)
        n++;
    return n;
}

#endif
