/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_FM_TABLES_H
#define TB_DSP_FM_TABLES_H

#include "dsp/rt.h"

#include <stdint.h>

/* The DX7's own tables and laws, from its firmware 1.8 and measurements of the hardware (each
 * function names the part of the voice it belongs to). All RT; arguments are limited to the
 * ranges given. Attenuation "att" is in 1/256 octave of amplitude (0.0235 dB), larger is softer. */

enum {
    TB_ATT_SILENT = 4080, /* silence from here on (12 bits of the envelope generator) */
    TB_ATT_JUMP = 2364,   /* rising envelopes start here at once */
    TB_ATT_FULL = 240 /* output level 99, envelope 99, no velocity: modulation index 13.12 rad */
};

/* Total level 0..127 (0.75 dB steps, 0 is loudest) of an output or envelope level 0..99. */
TB_RT int tb_fm_total_level(int level);

/* Change of level by key velocity 0..127 in 0.376 dB steps, lower is louder; sensitivity 0..7.
 * midi: the machine's MIDI input instead of its keyboard. */
TB_RT int tb_fm_velocity(int sensitivity, int velocity, int midi);

struct tb_fm_scaling {
    uint8_t break_point;             /* 0..99, key 21 + break_point */
    uint8_t left_depth, right_depth; /* 0..99 */
    uint8_t left_curve, right_curve; /* 0 -LIN, 1 -EXP, 2 +EXP, 3 +LIN */
};

/* Total level after keyboard level scaling, 0..127. note 0..127 after transposition. */
TB_RT int tb_fm_scaled_level(int total_level, const struct tb_fm_scaling *scaling, int note);

/* Added to an envelope's rate index by keyboard rate scaling 0..7. */
TB_RT int tb_fm_rate_scaling(int scaling, int note);

/* Attenuation of an operator in 16 att, 4..255. */
TB_RT int tb_fm_static_level(int scaled_level, int velocity_change);

/* Octaves by which detune -7..7 shifts a note of 2^octaves Hz; fixed operators have their own. */
TB_RT float tb_fm_detune(int detune, float octaves);

/* Frequency relative to the key, or in Hz for a fixed operator; coarse 0..31, fine 0..99. */
TB_RT float tb_fm_ratio(int coarse, int fine);
TB_RT float tb_fm_fixed_hz(int coarse, int fine, int detune);

/* Pitch envelope: octaves of a level 0..99; octaves per second of a rate 0..99. */
TB_RT float tb_fm_pitch_level(int level);
TB_RT float tb_fm_pitch_rate(int rate);

/* Sixteen-bit pitch units (1/4096 octave) per step of 5.37 ms for a portamento time 1..99. */
TB_RT int tb_fm_portamento_rate(int time);
#define TB_FM_PORTAMENTO_STEP_S 0.00537F

/* Attenuation of each carrier when there are n of them, 1..6, in att. */
TB_RT int tb_fm_carrier_att(unsigned n_carriers);

/* 0..99 of a panel value to 0..255, as the firmware multiplies it. */
TB_RT static inline int tb_fm_widen(int value)
{
    return 660 * value / 256;
}

/* Amplitude modulation: att steps (times 2, 4, 8 by sensitivity) for a depth 0..255. */
TB_RT int tb_fm_amp_curve(int depth);

#endif
