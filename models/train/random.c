/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/random.h"

#include <math.h>

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void tb_random_seed(struct tb_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64, so that close seeds give unrelated streams */
        seed += 0x9e3779b97f4a7c15ULL;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        random->s[i] = z ^ (z >> 31);
    }
}

uint64_t tb_random_next(struct tb_random *random)
{
    uint64_t *s = random->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double tb_random_uniform(struct tb_random *random)
{
    return (double)(tb_random_next(random) >> 11) * 0x1.0p-53;
}

double tb_random_normal(struct tb_random *random)
{
    double u = 1.0 - tb_random_uniform(random);
    double v = tb_random_uniform(random);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}
