/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/fm_env_notes.h"

#include "dsp/eg.h"
#include "dsp/fm_voice.h"
#include "dsp/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OPERATORS = 6, MIDDLE_C = 60, KEYS = 128 };
static const float RELEASE_S = 0.25F; /* TB_NEURAL_RELEASE_S of the engine */

struct tb_fm_env_voice {
    struct tb_program program;
};

static bool sounds(const struct tb_program *p, unsigned op)
{
    return p->on[op] && p->op[op].level > 0;
}

struct tb_fm_env_voice *tb_fm_env_voice_new(const float *values, struct tb_error *err)
{
    struct tb_fm_env_voice *v = calloc(1, sizeof *v);
    if (!v) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for the voice");
        return NULL;
    }
    struct tb_program *p = &v->program;
    memcpy(p->values, values, sizeof p->values);
    p->rate_hz = 48000; /* of no consequence: envelopes are asked at the frame rate */
    tb_program_derive(p);
    enum tb_status s = TB_OK;
    for (unsigned op = 0; op < OPERATORS; op++)
        if (sounds(p, op) && p->op[op].fixed)
            s = tb_fail(err, TB_EUNSUPPORTED,
                        "fm.op%u.mode: a fixed frequency, which a model file cannot say", op + 1);
    const struct tb_algorithm *a = &tb_algorithms[p->algorithm];
    if (p->feedback && a->fb_from != a->fb_to && sounds(p, a->fb_from))
        s = tb_fail(err, TB_EUNSUPPORTED, "fm.feedback: round several operators, algorithm %u",
                    p->algorithm + 1U);
    if (s == TB_OK)
        return v;
    tb_fm_env_voice_free(v);
    return NULL;
}

void tb_fm_env_voice_free(struct tb_fm_env_voice *voice)
{
    free(voice);
}

/* As fm_voice.c has it. */
static float amp_of(const struct tb_program *p, unsigned op, float att)
{
    const struct tb_algorithm *a = &tb_algorithms[p->algorithm];
    if (a->carriers >> op & 1U)
        att += (float)tb_fm_carrier_att(tb_algorithm_carriers(a));
    return p->on[op] && att < (float)TB_ATT_SILENT ? exp2f(2.0F - att / 256.0F) : 0.0F;
}

static struct tb_eg_shape shape_of(const struct tb_program *p, unsigned op,
                                   const struct tb_fm_env_note *note, float frames_hz)
{
    const struct tb_fm_op *o = &p->op[op];
    const int key = (int)note->key + p->transpose;
    const int held = key < 0 ? 0 : key > 127 ? 127 : key;
    const int level = tb_fm_scaled_level(tb_fm_total_level(o->level), &o->scaling, held);
    const int velocity = tb_fm_velocity(o->velocity, (int)note->velocity, p->velocity_midi);
    struct tb_eg_shape shape = {.static_level = tb_fm_static_level(level, velocity),
                                .rate_scaling = tb_fm_rate_scaling(o->rate_scaling, held),
                                .rate_hz = frames_hz,
                                .hold = p->hold};
    memcpy(shape.rate, o->rate, sizeof shape.rate);
    memcpy(shape.level, o->eg_level, sizeof shape.level);
    return shape;
}

void tb_fm_env_render(const struct tb_fm_env_voice *voice, const struct tb_fm_env_note *note,
                      float frames_hz, size_t frames, float *input, float *levels)
{
    const struct tb_program *p = &voice->program;
    const size_t up = (size_t)fmaxf(1, note->hold_s * frames_hz);
    for (unsigned op = 0; op < OPERATORS; op++) {
        const struct tb_eg_shape shape = shape_of(p, op, note, frames_hz);
        struct tb_eg eg = {0};
        tb_eg_begin(&eg, &shape, 0, tb_eg_target(shape.level[TB_EG_RELEASE], shape.static_level),
                    0);
        for (size_t t = 0; t < frames; t++) {
            if (t == up)
                tb_eg_begin(&eg, &shape, TB_EG_RELEASE, tb_eg_att(&eg), 0);
            levels[t * OPERATORS + op] = amp_of(p, op, tb_eg_att(&eg));
            tb_eg_advance(&eg, &shape, 1);
        }
    }
    for (size_t t = 0; t < frames; t++) {
        const float late_s = t < up ? 0 : (float)(t - up) / frames_hz;
        input[2 * t] = (float)note->key / 127;
        input[2 * t + 1] = (float)note->velocity / 127 * fmaxf(0, 1 - late_s / RELEASE_S);
    }
}

float tb_fm_env_most(const struct tb_fm_env_voice *voice)
{
    const struct tb_program *p = &voice->program;
    float most = 1e-3F;
    for (unsigned key = 0; key < KEYS; key++) {
        const struct tb_fm_env_note note = {key, 127, 1};
        for (unsigned op = 0; op < OPERATORS; op++) {
            const struct tb_eg_shape shape = shape_of(p, op, &note, 250);
            for (unsigned stage = 0; stage < 4; stage++)
                most = fmaxf(most,
                             amp_of(p, op, tb_eg_target(shape.level[stage], shape.static_level)));
        }
    }
    return most;
}

void tb_fm_env_describe(const struct tb_fm_env_voice *voice, struct tb_model_meta *meta)
{
    const struct tb_program *p = &voice->program;
    meta->family = TB_MODEL_FM_ENVELOPE;
    meta->n_operators = OPERATORS;
    meta->fm_algorithm = p->algorithm + 1;
    meta->fm_feedback = p->feedback;
    meta->fm_max_level = (double)tb_fm_env_most(voice);
    meta->fm_ratios.n = OPERATORS;
    for (unsigned op = 0; op < OPERATORS; op++) {
        const struct tb_fm_op *o = &p->op[op];
        const float detune = tb_fm_detune(o->detune, tb_fm_note_octaves(MIDDLE_C));
        const float transposed = exp2f((float)p->transpose / 12);
        const double ratio =
            o->fixed ? 1 : (double)(tb_fm_ratio(o->coarse, o->fine) * exp2f(detune) * transposed);
        meta->fm_ratios.value[op] = fmin(64, ratio);
    }
    meta->pitch_scaling = TB_PITCH_NOTE;
    meta->loudness_kind = TB_LOUDNESS_VELOCITY;
}
