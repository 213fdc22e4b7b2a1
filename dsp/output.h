/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_OUTPUT_H
#define TB_DSP_OUTPUT_H

#include "dsp/effect.h"
#include "dsp/rt.h"

#include <stdint.h>

/* The end of the chain: gain, DC block, NaN guard, safety limiter. By value; all RT. */
struct tb_output {
    struct tb_ramp gain;
    float dc_in[2], dc_out[2], dc_pole, quiet_pole;
    float envelope, release; /* limiter: peak follower and its decay per frame */
    float reduction;         /* least gain of the limiter since output_begin */
    float peak[2], square;   /* since output_begin */
    uint32_t nonfinite;      /* since start */
};

/* -0.3 dBFS */
#define TB_CEILING 0.96605F

TB_RT void tb_output_init(struct tb_output *o, float rate_hz);

/* A new block: meters begin again. */
TB_RT void tb_output_begin(struct tb_output *o);

/* n <= TB_SLICE frames in place; afterwards every sample is finite and within TB_CEILING. */
TB_RT void tb_output_process(struct tb_output *o, float *left, float *right, uint32_t n);

#endif
