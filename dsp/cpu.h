/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_CPU_H
#define TB_DSP_CPU_H

#include "dsp/engine.h"
#include "dsp/fm_group.h"
#include "models/nn/nn.h"

/* Which kernels run here. Control thread, all of them. */

bool tb_cpu_supports(enum tb_cpu cpu); /* false for TB_CPU_BEST */

/* The best one here for TB_CPU_BEST, else cpu. */
enum tb_cpu tb_cpu_resolve(enum tb_cpu cpu);

/* Of a supported cpu. */
const struct tb_fm_kernels *tb_cpu_fm_kernels(enum tb_cpu cpu);
enum tb_nn_cpu tb_cpu_network(enum tb_cpu cpu); /* the best for networks within it */

#endif
