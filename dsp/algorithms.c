/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/algorithms.h"

#define C(OP) (1U << ((OP)-1))
#define M(FROM, TO) (1ULL << (6 * ((TO)-1) + ((FROM)-1)))

const struct tb_algorithm tb_algorithms[TB_N_ALGORITHMS] = {
#define ALGORITHM(N, CARRIERS, EDGES, FROM, TO)                                                    \
    [(N)-1] = {.edges = (EDGES), .carriers = (CARRIERS), .fb_from = (FROM)-1, .fb_to = (TO)-1},
#include "dsp/algorithms.def"
#undef ALGORITHM
};
