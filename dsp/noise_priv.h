/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NOISE_PRIV_H
#define TB_DSP_NOISE_PRIV_H

#include "dsp/noise.h"

/* With the zeros around them that the kernel `scatter` asks for, which `taps` writes to as well. */
static inline size_t tb_noise_before(const struct tb_noise_shape *s)
{
    return TB_SCATTER_BEFORE + s->rows;
}

static inline size_t tb_noise_taps_floats(const struct tb_noise_shape *s)
{
    return tb_noise_before(s) + 2 * s->half + 1 + s->rows + TB_SCATTER_BEHIND;
}

static inline size_t tb_noise_sound_floats(const struct tb_noise_shape *s)
{
    return TB_NOISE_AHEAD + s->spacing + 2 * s->half + 1 + TB_SCATTER_BEHIND;
}

#endif
