/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ranks.h"

size_t tb_ranks_count(const struct tb_ranks *ranks)
{
    return ranks && ranks->count > 1 ? ranks->count : 1;
}

size_t tb_ranks_own(const struct tb_ranks *ranks)
{
    return tb_ranks_count(ranks) > 1 ? ranks->rank : 0;
}

bool tb_ranks_first(const struct tb_ranks *ranks)
{
    return tb_ranks_own(ranks) == 0;
}

size_t tb_ranks_part(const struct tb_ranks *ranks, size_t n, size_t *first)
{
    const size_t count = tb_ranks_count(ranks), own = tb_ranks_own(ranks);
    *first = n * own / count;
    return n * (own + 1) / count - *first;
}

void tb_ranks_sum(const struct tb_ranks *ranks, float *x, size_t n)
{
    if (tb_ranks_count(ranks) > 1)
        ranks->calls->sum_f32(ranks->transport, x, n);
}

double tb_ranks_total(const struct tb_ranks *ranks, double x)
{
    if (tb_ranks_count(ranks) > 1)
        ranks->calls->sum_f64(ranks->transport, &x, 1);
    return x;
}

int tb_ranks_most(const struct tb_ranks *ranks, int x)
{
    if (tb_ranks_count(ranks) > 1)
        ranks->calls->most(ranks->transport, &x);
    return x;
}

void tb_ranks_share(const struct tb_ranks *ranks, void *data, size_t bytes)
{
    if (tb_ranks_count(ranks) > 1)
        ranks->calls->share(ranks->transport, data, bytes);
}
