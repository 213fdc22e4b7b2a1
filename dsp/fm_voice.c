/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/fm_voice.h"

#include "dsp/eg.h"
#include "dsp/fastmath.h"

#define LOG2_A4 8.78135971F /* 440 Hz */

/* amp of att 3900, where a falling voice is given up: -91 dB below full level. */
#define AMP_OVER (1.0e-4F * TB_SIN_LEAD)

float tb_fm_note_octaves(float note)
{
    return LOG2_A4 + (note - 69.0F) / 12.0F;
}

static void gather(const struct tb_fm_group *g, unsigned row, unsigned lane, struct tb_eg *eg)
{
    eg->x0 = g->x0[row][lane];
    eg->step = g->step[row][lane];
    eg->length = g->length[row][lane];
    eg->elapsed = g->elapsed[row][lane];
    eg->end = g->end[row][lane];
    eg->stage = g->stage[row][lane];
    eg->rising = g->rising[row][lane] != 0;
    eg->waiting = g->waiting[row][lane] != 0;
}

static void scatter(struct tb_fm_group *g, unsigned row, unsigned lane, const struct tb_eg *eg)
{
    g->x0[row][lane] = eg->x0;
    g->step[row][lane] = eg->step;
    g->length[row][lane] = eg->length;
    g->elapsed[row][lane] = eg->elapsed;
    g->end[row][lane] = eg->end;
    g->stage[row][lane] = eg->stage;
    g->rising[row][lane] = eg->rising ? -1 : 0;
    g->waiting[row][lane] = eg->waiting;
    if (eg->rising)
        g->any_rising |= 1U << row;
}

static struct tb_eg_shape operator_shape(const struct tb_fm_group *g, unsigned op, unsigned lane,
                                         const struct tb_program *p)
{
    struct tb_eg_shape shape = {.static_level = g->static_level[op][lane],
                                .rate_scaling = g->rate_scaling[op][lane],
                                .rate_hz = p->rate_hz,
                                .hold = p->hold};
    memcpy(shape.rate, p->op[op].rate, sizeof shape.rate);
    memcpy(shape.level, p->op[op].eg_level, sizeof shape.level);
    return shape;
}

static struct tb_eg_shape pitch_shape(const struct tb_program *p)
{
    struct tb_eg_shape shape = {.rate_hz = p->rate_hz};
    memcpy(shape.rate, p->pitch_rate, sizeof shape.rate);
    memcpy(shape.level, p->pitch_level, sizeof shape.level);
    return shape;
}

void tb_fm_lane_clear(struct tb_fm_group *g, unsigned lane)
{
    const struct tb_eg rest = {.length = (float)TB_EG_SETTLED, .end = TB_EG_SETTLED};
    for (unsigned row = 0; row < TB_EG_ROWS; row++)
        scatter(g, row, lane, &rest);
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        g->x0[op][lane] = (float)TB_ATT_SILENT;
        g->phase[op][lane] = g->inc[op][lane] = 0;
        g->amp[op][lane] = g->amp_inc[op][lane] = g->trim[op][lane] = 0.0F;
        g->ratio[op][lane] = 0.0F;
    }
    g->fb1[lane] = g->fb2[lane] = g->gain[lane] = g->gain_inc[lane] = g->gain_target[lane] = 0.0F;
    g->octaves[lane] = g->touch[lane] = g->loud[lane] = 0.0F;
    g->advance[lane] = 0;
}

/* Amplitude of an attenuation; carriers share the output. */
static float amp_of(float att, unsigned op, const struct tb_program *p)
{
    const struct tb_algorithm *a = &tb_algorithms[p->algorithm];
    if (a->carriers >> op & 1U)
        att += (float)tb_fm_carrier_att(tb_algorithm_carriers(a));
    return p->on[op] && att < (float)TB_ATT_SILENT
               ? tb_exp2f(TB_SIN_LEAD_LOG2 + 2.0F - att / 256.0F)
               : 0.0F;
}

/* Level, rate scaling and frequency of one operator for a note. */
static void set_operator(struct tb_fm_group *g, unsigned op, unsigned lane,
                         const struct tb_program *p, const struct tb_fm_note *note)
{
    const struct tb_fm_op *o = &p->op[op];
    int level = tb_fm_scaled_level(tb_fm_total_level(o->level), &o->scaling, note->note);
    int velocity = tb_fm_velocity(o->velocity, note->velocity, p->velocity_midi);
    g->static_level[op][lane] = (uint8_t)tb_fm_static_level(level, velocity);
    g->rate_scaling[op][lane] = (uint8_t)tb_fm_rate_scaling(o->rate_scaling, note->note);
    if (o->fixed)
        g->ratio[op][lane] = tb_fm_fixed_hz(o->coarse, o->fine, o->detune);
    else
        g->ratio[op][lane] =
            tb_fm_ratio(o->coarse, o->fine) *
            tb_exp2f(tb_fm_detune(o->detune, tb_fm_note_octaves((float)note->note)));
}

void tb_fm_lane_start(struct tb_fm_group *g, unsigned lane, const struct tb_program *p,
                      const struct tb_fm_note *note)
{
    struct tb_eg eg;
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        gather(g, op, lane, &eg);
        float att = tb_eg_att(&eg);
        set_operator(g, op, lane, p, note);
        struct tb_eg_shape shape = operator_shape(g, op, lane, p);
        if (!note->keep_levels) {
            att = tb_eg_target(shape.level[TB_EG_RELEASE], shape.static_level);
            g->amp[op][lane] = amp_of(att, op, p);
            g->trim[op][lane] = 0.0F;
        }
        tb_eg_begin(&eg, &shape, 0, att, 0.0F);
        scatter(g, op, lane, &eg);
        if (!note->keep_phase)
            g->phase[op][lane] = 0;
    }
    if (!note->keep_phase)
        g->fb1[lane] = g->fb2[lane] = 0.0F;
    struct tb_eg_shape shape = pitch_shape(p);
    gather(g, TB_PITCH_ROW, lane, &eg);
    /* The machine's firmware puts it back to its last level at every note that is not legato. */
    tb_pitch_eg_begin(&eg, &shape, 0, tb_fm_pitch_level(shape.level[TB_EG_RELEASE]), 0.0F);
    scatter(g, TB_PITCH_ROW, lane, &eg);
}

static void rewind_eg(struct tb_eg *eg, int32_t back)
{
    eg->elapsed = eg->elapsed > back ? eg->elapsed - back : 0;
}

void tb_fm_lane_release(struct tb_fm_group *g, unsigned lane, const struct tb_program *p,
                        int32_t back)
{
    struct tb_eg eg;
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        gather(g, op, lane, &eg);
        rewind_eg(&eg, back);
        struct tb_eg_shape shape = operator_shape(g, op, lane, p);
        tb_eg_begin(&eg, &shape, TB_EG_RELEASE, tb_eg_att(&eg), 0.0F);
        scatter(g, op, lane, &eg);
    }
    gather(g, TB_PITCH_ROW, lane, &eg);
    rewind_eg(&eg, back);
    struct tb_eg_shape shape = pitch_shape(p);
    tb_pitch_eg_begin(&eg, &shape, TB_EG_RELEASE, tb_pitch_eg_octaves(&eg), 0.0F);
    scatter(g, TB_PITCH_ROW, lane, &eg);
}

void tb_fm_lane_edit(struct tb_fm_group *g, unsigned lane, const struct tb_program *p,
                     const struct tb_fm_note *note, uint32_t ops)
{
    struct tb_eg eg;
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        if (!(ops >> op & 1U))
            continue;
        int before = g->static_level[op][lane];
        gather(g, op, lane, &eg);
        float att = tb_eg_att(&eg);
        set_operator(g, op, lane, p, note);
        struct tb_eg_shape shape = operator_shape(g, op, lane, p);
        tb_eg_reshape(&eg, &shape, 16.0F * (float)(shape.static_level - before));
        g->trim[op][lane] += att - tb_eg_att(&eg);
        scatter(g, op, lane, &eg);
    }
    if (ops >> TB_PITCH_ROW & 1U) {
        struct tb_eg_shape shape = pitch_shape(p);
        gather(g, TB_PITCH_ROW, lane, &eg);
        tb_pitch_eg_begin(&eg, &shape, eg.stage, tb_pitch_eg_octaves(&eg), 0.0F);
        scatter(g, TB_PITCH_ROW, lane, &eg);
    }
}

void tb_fm_cross(struct tb_fm_group *g, const struct tb_program *p)
{
    g->any_rising = 0;
    for (unsigned row = 0; row < TB_EG_ROWS; row++) {
        for (unsigned lane = 0; lane < TB_LANES; lane++) {
            if (g->elapsed[row][lane] < g->end[row][lane]) {
                if (g->rising[row][lane])
                    g->any_rising |= 1U << row;
                continue; /* scatter looks at those that go on */
            }
            struct tb_eg eg;
            gather(g, row, lane, &eg);
            if (row == TB_PITCH_ROW) {
                struct tb_eg_shape shape = pitch_shape(p);
                tb_pitch_eg_advance(&eg, &shape, 0);
            } else {
                struct tb_eg_shape shape = operator_shape(g, row, lane, p);
                tb_eg_advance(&eg, &shape, 0);
            }
            scatter(g, row, lane, &eg);
        }
    }
}

static void copy_eg(struct tb_fm_group *to, unsigned to_lane, const struct tb_fm_group *from,
                    unsigned from_lane)
{
    struct tb_eg eg;
    for (unsigned row = 0; row < TB_EG_ROWS; row++) {
        gather(from, row, from_lane, &eg);
        scatter(to, row, to_lane, &eg);
    }
}

void tb_fm_lane_copy(struct tb_fm_group *to, unsigned t, const struct tb_fm_group *from, unsigned f)
{
    copy_eg(to, t, from, f);
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        to->phase[op][t] = from->phase[op][f];
        to->inc[op][t] = from->inc[op][f];
        to->amp[op][t] = from->amp[op][f];
        to->amp_inc[op][t] = from->amp_inc[op][f];
        to->trim[op][t] = from->trim[op][f];
        to->ratio[op][t] = from->ratio[op][f];
        to->static_level[op][t] = from->static_level[op][f];
        to->rate_scaling[op][t] = from->rate_scaling[op][f];
    }
    to->fb1[t] = from->fb1[f];
    to->fb2[t] = from->fb2[f];
    to->gain[t] = from->gain[f];
    to->gain_inc[t] = from->gain_inc[f];
    to->gain_target[t] = from->gain_target[f];
    to->octaves[t] = from->octaves[f];
    to->touch[t] = from->touch[f];
    to->loud[t] = from->loud[f];
    to->advance[t] = from->advance[f];
}

bool tb_fm_lane_rests(const struct tb_fm_group *g, unsigned lane, uint32_t carriers)
{
    for (unsigned op = 0; op < TB_N_OPERATORS; op++)
        if ((carriers >> op & 1U) && g->end[op][lane] != TB_EG_SETTLED)
            return false;
    return true;
}

bool tb_fm_lane_over(const struct tb_fm_group *g, unsigned lane, uint32_t carriers)
{
    if (g->loud[lane] > AMP_OVER)
        return false;
    for (unsigned op = 0; op < TB_N_OPERATORS; op++)
        if ((carriers >> op & 1U) && (g->rising[op][lane] || g->amp[op][lane] > 2.0F * AMP_OVER))
            return false;
    return true;
}
