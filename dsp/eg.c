/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/eg.h"

#include "dsp/fastmath.h"
#include "dsp/fm_tables.h"

/* The chip's sample rate: its rates are defined per sample. */
#define CHIP_HZ 49096.354F

float tb_eg_target(int level, int static_level)
{
    int att = 64 * (tb_fm_total_level(level) / 2) + 16 * static_level;
    return (float)(att < TB_ATT_SILENT ? att : TB_ATT_SILENT);
}

static int rate_index(int rate, int rate_scaling)
{
    return tb_clampi(164 * rate / 256 + rate_scaling, 0, 63);
}

float tb_eg_speed(int rate, int rate_scaling)
{
    int q = rate_index(rate, rate_scaling);
    return CHIP_HZ / 8.0F * (float)((4 + q % 4) << (q / 4)) / 2048.0F;
}

/* u where the slope of the attack becomes j + 1, at att = 256 j - 16. */
static const float u_of_segment[10] = {-16.0F,      240.0F, 368.0F,      453.333333F, 517.333333F,
                                       568.533333F, 611.2F, 647.771429F, 679.771429F, 708.215873F};

float tb_eg_u_of_att(float att)
{
    int j = tb_clampi((int)((att + 16.0F) / 256.0F), 0, 9);
    return u_of_segment[j] + (att - (256.0F * (float)j - 16.0F)) / (float)(j + 1);
}

float tb_eg_att_of_u(float u)
{
    int j = 0;
    while (j < 9 && u >= u_of_segment[j + 1])
        j++;
    return 256.0F * (float)j - 16.0F + (u - u_of_segment[j]) * (float)(j + 1);
}

float tb_eg_att(const struct tb_eg *eg)
{
    float x = eg->x0 + eg->step * (float)eg->elapsed;
    return eg->rising ? tb_eg_att_of_u(x) : x;
}

static bool is_low(int level)
{
    return tb_fm_total_level(level) / 2 >= 40;
}

/* Frames to wait instead of moving, 0 when the stage moves. */
static float hold_frames(const struct tb_eg_shape *shape, unsigned stage)
{
    unsigned before = stage == 0 ? 3 : stage - 1;
    if (!shape->hold || stage > 1 || !is_low(shape->level[stage]) || !is_low(shape->level[before]))
        return 0.0F;
    float seconds = 480.0F / tb_eg_speed(shape->rate[stage], shape->rate_scaling);
    return seconds * shape->rate_hz * (stage == 0 ? 1.0F / 24.0F : 1.0F);
}

/* Fills x0, step, length for one stage from att; length 0 when there is nowhere to go. */
static void aim(struct tb_eg *eg, const struct tb_eg_shape *shape, float att)
{
    float target = tb_eg_target(shape->level[eg->stage], shape->static_level);
    float step = tb_eg_speed(shape->rate[eg->stage], shape->rate_scaling) / shape->rate_hz;
    float wait = hold_frames(shape, eg->stage);
    eg->rising = false;
    eg->waiting = wait > 0.0F;
    if (eg->waiting) {
        eg->x0 = att;
        eg->step = 0.0F;
        eg->length = wait;
    } else if (target > att) {
        eg->x0 = att;
        eg->step = step;
        eg->length = (target - att) / step;
    } else if (target < att && target < (float)TB_ATT_JUMP) {
        eg->rising = true;
        eg->x0 = tb_eg_u_of_att(att < (float)TB_ATT_JUMP ? att : (float)TB_ATT_JUMP);
        eg->step = -step;
        eg->length = (eg->x0 - tb_eg_u_of_att(target)) / step;
    } else {
        eg->x0 = target;
        eg->step = 0.0F;
        eg->length = 0.0F;
    }
}

static void settle(struct tb_eg *eg, float value)
{
    eg->x0 = value;
    eg->step = 0.0F;
    eg->length = (float)TB_EG_SETTLED;
    eg->elapsed = 0;
    eg->end = TB_EG_SETTLED;
    eg->rising = eg->waiting = false;
}

/* Begins at late frames into the stage. */
static void start(struct tb_eg *eg, float late)
{
    eg->x0 += eg->step * late;
    eg->length -= late;
    eg->elapsed = 0;
    int32_t whole = (int32_t)eg->length;
    eg->end = whole + ((float)whole < eg->length);
}

void tb_eg_begin(struct tb_eg *eg, const struct tb_eg_shape *shape, unsigned stage, float att,
                 float late)
{
    for (eg->stage = (uint8_t)stage;; eg->stage++) {
        aim(eg, shape, att);
        if (eg->length > late) {
            start(eg, late);
            return;
        }
        late -= eg->length;
        if (!eg->waiting)
            att = tb_eg_target(shape->level[eg->stage], shape->static_level);
        if (eg->stage >= 2) {
            settle(eg, att);
            return;
        }
    }
}

void tb_eg_advance(struct tb_eg *eg, const struct tb_eg_shape *shape, int32_t n)
{
    eg->elapsed += n;
    if (eg->elapsed < eg->end)
        return;
    if (eg->end == TB_EG_SETTLED) {
        eg->elapsed = 0;
        return;
    }
    float late = (float)eg->elapsed - eg->length;
    float att = eg->waiting ? eg->x0 : tb_eg_target(shape->level[eg->stage], shape->static_level);
    if (eg->stage >= 2)
        settle(eg, att);
    else
        tb_eg_begin(eg, shape, eg->stage + 1U, att, late > 0.0F ? late : 0.0F);
}

void tb_eg_reshape(struct tb_eg *eg, const struct tb_eg_shape *shape, float extra)
{
    float att = tb_clampf(tb_eg_att(eg) + extra, 0.0F, (float)TB_ATT_SILENT);
    if (eg->end == TB_EG_SETTLED && extra != 0.0F)
        att = tb_eg_target(shape->level[eg->stage], shape->static_level);
    tb_eg_begin(eg, shape, eg->stage, att, 0.0F);
}

static void aim_pitch(struct tb_eg *eg, const struct tb_eg_shape *shape, float octaves)
{
    float target = tb_fm_pitch_level(shape->level[eg->stage]);
    float step = tb_fm_pitch_rate(shape->rate[eg->stage]) / shape->rate_hz;
    eg->rising = eg->waiting = false;
    eg->x0 = octaves;
    eg->step = target > octaves ? step : -step;
    eg->length = (target - octaves) / eg->step;
}

void tb_pitch_eg_begin(struct tb_eg *eg, const struct tb_eg_shape *shape, unsigned stage,
                       float octaves, float late)
{
    for (eg->stage = (uint8_t)stage;; eg->stage++) {
        aim_pitch(eg, shape, octaves);
        if (eg->length > late) {
            start(eg, late);
            return;
        }
        late -= eg->length;
        octaves = tb_fm_pitch_level(shape->level[eg->stage]);
        if (eg->stage >= 2) {
            settle(eg, octaves);
            return;
        }
    }
}

void tb_pitch_eg_advance(struct tb_eg *eg, const struct tb_eg_shape *shape, int32_t n)
{
    eg->elapsed += n;
    if (eg->elapsed < eg->end)
        return;
    if (eg->end == TB_EG_SETTLED) {
        eg->elapsed = 0;
        return;
    }
    float late = (float)eg->elapsed - eg->length;
    float octaves = tb_fm_pitch_level(shape->level[eg->stage]);
    if (eg->stage >= 2)
        settle(eg, octaves);
    else
        tb_pitch_eg_begin(eg, shape, eg->stage + 1U, octaves, late > 0.0F ? late : 0.0F);
}

float tb_pitch_eg_octaves(const struct tb_eg *eg)
{
    return eg->x0 + eg->step * (float)eg->elapsed;
}
