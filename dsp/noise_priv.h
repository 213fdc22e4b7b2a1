/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NOISE_PRIV_H
#define TB_DSP_NOISE_PRIV_H

#include "dsp/noise.h"

/* With the zeros around them that the kernel `scatter` asks for. */
static inline size_t tb_noise_taps_floats(const struct tb_noise_shape *s)
{
    return 2 * s->half + 1 + 4 * TB_SYNTH_CHUNK;
}

static inline size_t tb_noise_tail_floats(const struct tb_noise_shape *s)
{
    return 2 * s->half + 3 * TB_SYNTH_CHUNK;
}

#endif
