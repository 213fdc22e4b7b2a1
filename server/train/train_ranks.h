/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_TRAIN_TRAIN_RANKS_H
#define TB_SERVER_TRAIN_TRAIN_RANKS_H

#include "base/error.h"
#include "models/train/ranks.h"

/* Joins the other processes that mpirun began, if any: OMPI_COMM_WORLD_SIZE or PMI_SIZE in the
 * environment says how many. Only then is timbred-mpi.so loaded, which lies beside this module.
 * TB_EUNSUPPORTED: this build has none. */
enum tb_status tb_train_ranks_join(struct tb_ranks *ranks, struct tb_error *err);

/* After the last call on ranks. */
void tb_train_ranks_leave(const struct tb_ranks *ranks);

#endif
