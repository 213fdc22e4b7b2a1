/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_TRAIN_TRAIN_MODULE_H
#define TB_SERVER_TRAIN_TRAIN_MODULE_H

#include "server/options.h"

/* Loads timbred-train.so (once a process, and for good) and runs one of its commands. It is looked
 * for beside the program, where the build leaves it, then where it is installed. Before that
 * OPENBLAS_CORETYPE is set to what this processor can do, unless the user has set it: Debian's
 * OpenBLAS takes processors that it does not know for a Prescott (measured: a step of DDX7 Full 5.4
 * s, 2.9 s with the right kernels). OPENBLAS_NUM_THREADS becomes 1: training has its own threads.
 * Any thread but audio's; not before another thread reads the environment. TB_EUNSUPPORTED when
 * there is no module. */
enum tb_status tb_train_module_run(const char *name, const struct tb_args *args,
                                   struct tb_error *err);

/* Loads it without running anything: what a sandbox forbids later, a loader needs now. */
enum tb_status tb_train_module_load(struct tb_error *err);

/* The same for a task of the training role. */
struct tb_train_job;
enum tb_status tb_train_module_job(const char *task, const struct tb_train_job *job,
                                   struct tb_error *err);

#endif
