/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_LFO_H
#define TB_DSP_LFO_H

#include "dsp/program.h"
#include "dsp/rt.h"

/* The DX7's one low frequency oscillator with its delay, and how it and the controllers reach pitch
 * and level. Steps at the firmware's 372.3 Hz. By value; all RT. */
struct tb_lfo {
    float clock;    /* ticks since the last one, 0..1 */
    uint16_t phase; /* turns / 2^16 */
    uint32_t delay; /* counts up to 65536 */
    uint8_t fade;   /* 0..255 */
    uint8_t random; /* sample & hold */
    int8_t value;   /* -128..127 */
};

#define TB_LFO_TICK_HZ 372.3F

/* Positions of wheel, foot, breath and aftertouch, 0..1. */
struct tb_mod_state {
    float position[TB_N_MODS];
};

/* Control or RT. */
TB_RT void tb_lfo_reset(struct tb_lfo *lfo, uint8_t seed);

/* RT. A note starts: the delay, and with key sync the wave, begin again. */
TB_RT void tb_lfo_key(struct tb_lfo *lfo, const struct tb_program *program);

/* RT. One tick, and any stretch of time in seconds. */
TB_RT void tb_lfo_tick(struct tb_lfo *lfo, const struct tb_program *program);
TB_RT void tb_lfo_advance(struct tb_lfo *lfo, const struct tb_program *program, float seconds);

/* RT. Shift of pitch in octaves by LFO and controllers. */
TB_RT float tb_lfo_pitch(const struct tb_lfo *lfo, const struct tb_program *program,
                         const struct tb_mod_state *mods);

/* RT. Attenuation per unit of amplitude sensitivity, in att; sensitivity 1, 2, 3 is 2, 4, 8 units.
 */
TB_RT float tb_lfo_amp(const struct tb_lfo *lfo, const struct tb_program *program,
                       const struct tb_mod_state *mods);

#endif
