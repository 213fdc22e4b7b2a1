/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Ranks over MPI: a module of its own, loaded only where mpirun began several processes, so that
 * nothing else needs OpenMPI.
 */
#include "models/train/ranks.h"

#include <mpi.h>

/* Bytes in one message: counts are ints. */
enum { MOST = 1 << 28 };

static MPI_Op ordered;

/* Declared as not commutative, so that MPI adds ranks in their order: the sum does not depend on
 * who comes first. */
static void add(void *from, void *to, int *n, MPI_Datatype *type)
{
    const float *x = from;
    float *y = to;
    (void)type;
    for (int i = 0; i < *n; i++)
        y[i] = x[i] + y[i];
}

static void sum_f32(void *transport, float *x, size_t n)
{
    (void)transport;
    while (n > 0) {
        const int part = n < MOST / sizeof *x ? (int)n : (int)(MOST / sizeof *x);
        (void)MPI_Allreduce(MPI_IN_PLACE, x, part, MPI_FLOAT, ordered, MPI_COMM_WORLD);
        x += part;
        n -= (size_t)part;
    }
}

static void sum_f64(void *transport, double *x, size_t n)
{
    (void)transport;
    (void)MPI_Allreduce(MPI_IN_PLACE, x, (int)n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
}

static void most(void *transport, int *x)
{
    (void)transport;
    (void)MPI_Allreduce(MPI_IN_PLACE, x, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
}

static void share(void *transport, void *data, size_t bytes)
{
    char *at = data;
    (void)transport;
    while (bytes > 0) {
        const int part = bytes < MOST ? (int)bytes : MOST;
        (void)MPI_Bcast(at, part, MPI_BYTE, 0, MPI_COMM_WORLD);
        at += part;
        bytes -= (size_t)part;
    }
}

static const struct tb_ranks_calls calls = {sum_f32, sum_f64, most, share};

static bool begin(struct tb_ranks *ranks)
{
    int given, rank, count, near;
    MPI_Comm machine;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given) != MPI_SUCCESS)
        return false;
    (void)MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    (void)MPI_Comm_size(MPI_COMM_WORLD, &count);
    (void)MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &machine);
    (void)MPI_Comm_size(machine, &near);
    (void)MPI_Comm_free(&machine);
    (void)MPI_Op_create(add, 0, &ordered);
    *ranks = (struct tb_ranks){(size_t)rank, (size_t)count, (size_t)near, &calls, NULL};
    return true;
}

static void end(void)
{
    (void)MPI_Op_free(&ordered);
    (void)MPI_Finalize();
}

extern const struct tb_ranks_module tb_ranks_mpi_module;
__attribute__((visibility("default")))
const struct tb_ranks_module tb_ranks_mpi_module = {TB_VERSION, begin, end};
