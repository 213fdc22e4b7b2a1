/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/program.h"

#include "dsp/fastmath.h"

static uint8_t whole(const struct tb_program *p, unsigned id)
{
    return (uint8_t)p->values[id];
}

static void derive_eg(const struct tb_program *p, unsigned r1, uint8_t rate[4], uint8_t level[4])
{
    for (unsigned i = 0; i < 4; i++) {
        rate[i] = whole(p, r1 + i);
        level[i] = whole(p, r1 + 4 + i);
    }
}

static void derive_operator(struct tb_program *p, unsigned n)
{
    const unsigned base = n * TB_FM_OP_STRIDE;
    struct tb_fm_op *op = &p->op[n];
    p->on[n] = whole(p, base + TB_P_FM_OP1_ON);
    op->fixed = whole(p, base + TB_P_FM_OP1_MODE);
    op->coarse = whole(p, base + TB_P_FM_OP1_COARSE);
    op->fine = whole(p, base + TB_P_FM_OP1_FINE);
    op->detune = (int8_t)p->values[base + TB_P_FM_OP1_DETUNE];
    op->level = whole(p, base + TB_P_FM_OP1_LEVEL);
    op->velocity = whole(p, base + TB_P_FM_OP1_VELOCITY);
    op->ams = whole(p, base + TB_P_FM_OP1_AMS);
    op->rate_scaling = whole(p, base + TB_P_FM_OP1_RATE_SCALING);
    op->scaling = (struct tb_fm_scaling){
        .break_point = whole(p, base + TB_P_FM_OP1_BREAK_POINT),
        .left_depth = whole(p, base + TB_P_FM_OP1_LEFT_DEPTH),
        .right_depth = whole(p, base + TB_P_FM_OP1_RIGHT_DEPTH),
        .left_curve = whole(p, base + TB_P_FM_OP1_LEFT_CURVE),
        .right_curve = whole(p, base + TB_P_FM_OP1_RIGHT_CURVE),
    };
    derive_eg(p, base + TB_P_FM_OP1_R1, op->rate, op->eg_level);
}

static void derive_modulation(struct tb_program *p)
{
    enum { STRIDE = TB_P_FOOT_RANGE - TB_P_WHEEL_RANGE };
    for (unsigned i = 0; i < TB_N_MODS; i++) {
        p->mod[i].range = (uint8_t)tb_fm_widen(whole(p, TB_P_WHEEL_RANGE + i * STRIDE));
        p->mod[i].pitch = whole(p, TB_P_WHEEL_PITCH + i * STRIDE);
        p->mod[i].amp = whole(p, TB_P_WHEEL_AMP + i * STRIDE);
        p->mod[i].eg_bias = whole(p, TB_P_WHEEL_EG_BIAS + i * STRIDE);
    }
    p->lfo_speed = whole(p, TB_P_LFO_SPEED);
    p->lfo_delay = whole(p, TB_P_LFO_DELAY);
    p->lfo_pmd = whole(p, TB_P_LFO_PMD);
    p->lfo_amd = whole(p, TB_P_LFO_AMD);
    p->lfo_sync = whole(p, TB_P_LFO_SYNC);
    p->lfo_wave = whole(p, TB_P_LFO_WAVE);
    p->lfo_pms = whole(p, TB_P_LFO_PMS);
}

void tb_program_derive(struct tb_program *p)
{
    for (unsigned n = 0; n < TB_N_OPERATORS; n++)
        derive_operator(p, n);
    p->algorithm = (uint8_t)(whole(p, TB_P_FM_ALGORITHM) - 1);
    p->feedback = whole(p, TB_P_FM_FEEDBACK);
    p->osc_sync = whole(p, TB_P_FM_OSC_SYNC);
    p->transpose = (int8_t)p->values[TB_P_FM_TRANSPOSE];
    derive_eg(p, TB_P_FM_PITCH_R1, p->pitch_rate, p->pitch_level);
    derive_modulation(p);
    p->mono = whole(p, TB_P_PLAY_MODE);
    p->portamento = whole(p, TB_P_PLAY_PORTAMENTO);
    p->portamento_mode = whole(p, TB_P_PLAY_PORTAMENTO_MODE);
    p->glissando = whole(p, TB_P_PLAY_GLISSANDO);
    p->bend_range = whole(p, TB_P_BEND_RANGE);
    p->bend_step = whole(p, TB_P_BEND_STEP);
    tb_note_shape_derive(&p->note, p->values);
    tb_neural_bend_derive(&p->bend, p->values);
    if (p->pair)
        p->algorithm = 0; /* its voices share groups, whatever fm.algorithm says */
    p->gain = tb_db_gain(p->values[TB_P_PATCH_GAIN]);
}
