/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_EG_H
#define TB_DSP_EG_H

#include "dsp/rt.h"

#include <stdbool.h>
#include <stdint.h>

/* The DX7's envelope generators in closed form: a stage is a straight line in x over the frames
 * since it began, so any step in time is exact and slow stages do not drown in rounding. Falling
 * stages have x = attenuation; rising ones have x = u, in which the chip's attack (faster when
 * softer: att falls by v (1 + floor((att + 16) / 256))) is a straight line too. */
struct tb_eg {
    float x0, step;  /* value at the begin of the stage and per frame */
    float length;    /* of the stage in frames, not rounded */
    int32_t elapsed; /* frames since the stage began */
    int32_t end;     /* frame at which the next stage begins, TB_EG_SETTLED when none follows */
    uint8_t stage;   /* 0..2 towards L1..L3, 3 towards L4 */
    bool rising, waiting;
};

enum { TB_EG_SETTLED = 1 << 30, TB_EG_RELEASE = 3 };

/* What a patch and a note make of an envelope. By value. */
struct tb_eg_shape {
    uint8_t rate[4], level[4]; /* 0..99 */
    int static_level;          /* operator: 4..255 in 16 att */
    int rate_scaling;          /* operator: added to the rate index, 0..27 */
    float rate_hz;             /* frames per second */
    bool hold;                 /* equal low levels wait (TX816) */
};

/* RT. Attenuation at which an envelope of level 0..99 rests. */
TB_RT float tb_eg_target(int level, int static_level);

/* RT. att/s of rate 0..99 with rate scaling. */
TB_RT float tb_eg_speed(int rate, int rate_scaling);

/* RT. Enters a stage at attenuation att, late frames (>= 0) after it should have begun; passes
 * through stages that end within that time. */
TB_RT void tb_eg_begin(struct tb_eg *eg, const struct tb_eg_shape *shape, unsigned stage, float att,
                       float late);

/* RT. Goes on n frames. */
TB_RT void tb_eg_advance(struct tb_eg *eg, const struct tb_eg_shape *shape, int32_t n);

/* RT. Attenuation now, 0..4080. */
TB_RT float tb_eg_att(const struct tb_eg *eg);

/* RT. u of an attenuation 0..TB_ATT_JUMP and back. */
TB_RT float tb_eg_u_of_att(float att);
TB_RT float tb_eg_att_of_u(float u);

/* RT. Takes a changed shape over from now on, keeping the value; extra is added to it. */
TB_RT void tb_eg_reshape(struct tb_eg *eg, const struct tb_eg_shape *shape, float extra);

/* RT. The same for the pitch envelope, whose value is in octaves and always moves evenly. */
TB_RT void tb_pitch_eg_begin(struct tb_eg *eg, const struct tb_eg_shape *shape, unsigned stage,
                             float octaves, float late);
TB_RT void tb_pitch_eg_advance(struct tb_eg *eg, const struct tb_eg_shape *shape, int32_t n);
TB_RT float tb_pitch_eg_octaves(const struct tb_eg *eg);

#endif
