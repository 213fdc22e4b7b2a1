/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_RANDOM_H
#define TB_MODELS_TRAIN_RANDOM_H

#include <stdint.h>

/* Small, seedable and the same everywhere (xoshiro256**, Blackman and Vigna); its state is part of
 * a checkpoint. */
struct tb_random {
    uint64_t s[4];
};

void tb_random_seed(struct tb_random *random, uint64_t seed);
uint64_t tb_random_next(struct tb_random *random);
double tb_random_uniform(struct tb_random *random); /* 0 <= x < 1 */
double tb_random_normal(struct tb_random *random);  /* mean 0, deviation 1 */

#endif
