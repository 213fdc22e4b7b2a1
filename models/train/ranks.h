/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_RANKS_H
#define TB_MODELS_TRAIN_RANKS_H

#include <stdbool.h>
#include <stddef.h>

/* Processes that train one network together, on one machine or many. Rank r takes clips
 * r n / count .. (r + 1) n / count of every batch of n; gradients are added in the order of ranks,
 * and all make the same update. Rank 0 alone writes files and talks. Every call below is made by
 * all ranks in the same order, by one thread each. A process that is alone has NULL or count 1, and
 * its calls return at once. */

/* What carries numbers between them (ranks_mpi.c). It ends the process when another is gone. */
struct tb_ranks_calls {
    void (*sum_f32)(void *transport, float *x, size_t n); /* the same bits for every rank */
    void (*sum_f64)(void *transport, double *x, size_t n);
    void (*most)(void *transport, int *x);
    void (*share)(void *transport, void *data, size_t bytes); /* rank 0's */
};

struct tb_ranks {
    size_t rank, count;
    size_t near; /* of them on this machine */
    const struct tb_ranks_calls *calls;
    void *transport;
};

/* The module that speaks MPI: its one symbol. begin: true with *ranks filled; end: after the last
 * call. */
struct tb_ranks_module {
    const char *version;
    bool (*begin)(struct tb_ranks *ranks);
    void (*end)(void);
};
#define TB_RANKS_SYMBOL "tb_ranks_mpi_module"

size_t tb_ranks_count(const struct tb_ranks *ranks);
size_t tb_ranks_own(const struct tb_ranks *ranks);
bool tb_ranks_first(const struct tb_ranks *ranks);

/* The part of n things that is this process's: *first .. *first + the result. */
size_t tb_ranks_part(const struct tb_ranks *ranks, size_t n, size_t *first);

/* x[n] becomes its sum over ranks. */
void tb_ranks_sum(const struct tb_ranks *ranks, float *x, size_t n);
double tb_ranks_total(const struct tb_ranks *ranks, double x);
int tb_ranks_most(const struct tb_ranks *ranks, int x);
/* data[bytes] of rank 0 for all. */
void tb_ranks_share(const struct tb_ranks *ranks, void *data, size_t bytes);

#endif
