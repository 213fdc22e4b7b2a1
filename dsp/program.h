/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_PROGRAM_H
#define TB_DSP_PROGRAM_H

#include "dsp/algorithms.h"
#include "dsp/fm_tables.h"
#include "dsp/neural_bend.h"
#include "dsp/note_control.h"
#include "dsp/params.h"
#include "dsp/rt.h"
#include "dsp/telemetry.h"

#include <stdbool.h>
#include <stdint.h>

/* One operator as the kernels want it; whole numbers within the bounds of params.def. */
struct tb_fm_op {
    uint8_t fixed, coarse, fine, level, velocity, ams, rate_scaling;
    int8_t detune;
    struct tb_fm_scaling scaling;
    uint8_t rate[4], eg_level[4];
};

enum tb_mod_source { TB_MOD_WHEEL, TB_MOD_FOOT, TB_MOD_BREATH, TB_MOD_AFTERTOUCH, TB_N_MODS };

struct tb_mod_route {
    uint8_t range; /* 0..255 */
    uint8_t pitch, amp, eg_bias;
};

/* A patch in the form that the audio thread reads, with the values it was made from: live edits
 * change a value and derive again. */
struct tb_program {
    float values[TB_N_PARAMS];
    float rate_hz;
    uint8_t controller, synth; /* enum tb_controller_id, enum tb_synth_id */

    struct tb_fm_op op[TB_N_OPERATORS];
    uint8_t on[TB_N_OPERATORS];
    uint8_t algorithm; /* 0..31 */
    uint8_t feedback, osc_sync;
    int8_t transpose;
    uint8_t pitch_rate[4], pitch_level[4];

    uint8_t lfo_speed, lfo_delay, lfo_pmd, lfo_amd, lfo_sync, lfo_wave, lfo_pms;
    uint8_t mono, portamento, portamento_mode, glissando;
    uint8_t bend_range, bend_step;
    struct tb_mod_route mod[TB_N_MODS];
    float gain; /* linear, of the patch */

    struct tb_neural_pair *pair; /* owned; NULL: the DX7's voice */
    struct tb_note_shape note;   /* of a pair's notes */
    struct tb_neural_bend bend;

    bool hold, velocity_midi; /* the device's, copied here for the envelopes */
};

/* RT. Everything above from program->values. */
TB_RT void tb_program_derive(struct tb_program *program);

#endif
