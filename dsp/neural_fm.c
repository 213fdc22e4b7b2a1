/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Operators under a network's levels: the same groups of sixteen voices as the DX7's, aimed at the
 * end of each slice. */
#include "dsp/neural_priv.h"

#include "dsp/fastmath.h"

#include <string.h>

#define SMOOTHING 0.1F /* of the distance a slice, for what a knob moves */
#define ROUTING_FADE_S 0.02F
#define STEEPEST_CPS 0.498F

static void clear_lane(struct tb_fm_group *g, unsigned lane)
{
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        g->phase[op][lane] = g->inc[op][lane] = 0;
        g->inc_inc[op][lane] = 0;
        g->amp[op][lane] = g->amp_inc[op][lane] = 0.0F;
    }
    g->glides &= ~(1U << lane);
    g->fb1[lane] = g->fb2[lane] = g->gain[lane] = g->gain_inc[lane] = 0.0F;
}

void tb_neural_fm_clear(struct tb_neural *n, unsigned v)
{
    const unsigned lane = v % TB_LANES;
    memset(n->voice[v].rest, 0, sizeof n->voice[v].rest);
    struct tb_fm_group *groups[] = {&n->group[v / TB_LANES], &n->old_group[v / TB_LANES]};
    for (unsigned i = 0; i < 2; i++) {
        clear_lane(groups[i], lane);
        groups[i]->used &= ~(1U << lane);
        groups[i]->used |= (uint32_t)n->voice[v].used << lane;
    }
}

static float towards(float value, float target)
{
    const float d = target - value;
    return d < 1e-6F && d > -1e-6F ? target : value + SMOOTHING * d;
}

static void smooth(struct tb_neural *n)
{
    const struct tb_neural_bend *b = &n->bend;
    const bool blend = n->blend && n->blend_share > 0.0F;
    for (unsigned op = 0; op < n->n_operators; op++) {
        float ratio = n->ratios[op];
        if (blend)
            ratio += n->blend_share * (n->blend->ratios[op] - ratio);
        n->ratio[op] = towards(n->ratio[op], ratio * b->ratio[op]);
    }
    float feedback = n->feedback;
    if (blend)
        feedback += n->blend_share * (n->blend->feedback - feedback);
    n->fm_feedback = towards(n->fm_feedback, tb_clampf(feedback + b->feedback, 0.0F, 7.0F));
    n->fm_gain = towards(n->fm_gain, b->harmonic_gain);
}

/* Another routing: all voices go on in both for a while. */
static void reroute(struct tb_neural *n)
{
    if (n->routing_fade < 1.0F || n->bend.routing == n->routing_now)
        return;
    memcpy(n->old_group, n->group, NEURAL_GROUPS * sizeof *n->group);
    n->routing_old = n->routing_now;
    n->routing_now = n->bend.routing;
    n->routing_fade = 0.0F;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* A step of inc, and what whole numbers leave over of the slice for the next one, so that no phase
 * drifts. */
static void step(struct tb_neural_voice *v, unsigned op, double inc, double left)
{
    const int64_t whole = (int64_t)inc;
    v->inc[op] = (uint32_t)whole;
    v->rest[op] = (inc - (double)whole) * left;
}

/* Operators go through a slice on the pitch's own ramp: each step is longer than the last by the
 * same. A pitch that stands still as a float does so to the float, as in training. */
static void step_operators(const struct tb_neural *n, struct tb_neural_voice *v, uint32_t frames)
{
    const double most = (double)STEEPEST_CPS * 0x1p32, rate_hz = (double)n->rate_hz;
    const double left = (double)frames, per_sample = 1.0 / left, middle = 0.5 * (left - 1.0);
    const double first = v->f0_hz / rate_hz * 0x1p32;
    const double last = (v->f0_hz + v->f0_inc * left) / rate_hz * 0x1p32;
    const double half = last < first ? -0.5 : 0.5, still = (double)(float)first;
    v->glides = (float)first != (float)last;
    for (unsigned op = 0; op < n->n_operators; op++) {
        const double ratio = (double)n->ratio[op], rest = v->rest[op] * per_sample;
        if (!v->glides) {
            step(v, op, least(ratio * still, most) + rest, left);
            continue;
        }
        const double from = least(ratio * first, most);
        const double grows = (least(ratio * last, most) - from) * per_sample;
        v->inc_inc[op] = (int32_t)(grows + half);
        step(v, op, from + (grows - (double)v->inc_inc[op]) * middle + rest, left);
    }
}

/* Lanes that stand still have inc_inc 0. */
static void aim_glide(struct tb_fm_group *g, const struct tb_neural_voice *v, unsigned lane,
                      unsigned operators)
{
    const uint32_t bit = 1U << lane;
    if (!v->glides && !(g->glides & bit))
        return;
    for (unsigned op = 0; op < operators; op++)
        g->inc_inc[op][lane] = v->glides ? v->inc_inc[op] : 0;
    g->glides = v->glides ? g->glides | bit : g->glides & ~bit;
}

static void aim_lane(struct tb_neural *n, struct tb_fm_group *g, unsigned i, float weight,
                     uint32_t left)
{
    const struct tb_neural_voice *v = &n->voice[i];
    const unsigned lane = i % TB_LANES;
    const float per_sample = 1.0F / (float)left;
    for (unsigned op = 0; op < n->n_operators; op++) {
        const float level = TB_SIN_LEAD * (v->from[op] + weight * (v->to[op] - v->from[op]));
        g->inc[op][lane] = v->inc[op];
        g->amp_inc[op][lane] = (level - g->amp[op][lane]) * per_sample;
    }
    aim_glide(g, v, lane, n->n_operators);
    const float gain = v->aim.gain * n->fm_gain / n->max_level;
    g->gain_inc[lane] = (gain - g->gain[lane]) * per_sample;
}

static void aim_groups(struct tb_neural *n, struct tb_fm_group *groups, uint32_t left)
{
    float weight;
    tb_frame_weights(n->levels, n->pos + (float)left > 0.0F ? n->pos + (float)left : 0.0F, n->hop,
                     &weight, 1);
    const float steps = n->fm_feedback;
    const float feedback = steps > 0.0F ? tb_exp2f((steps > 1.0F ? steps : 1.0F) - 9.0F) *
                                              (steps < 1.0F ? steps : 1.0F)
                                        : 0.0F;
    for (unsigned i = 0; i < NEURAL_GROUPS; i++) {
        struct tb_fm_group *g = &groups[i];
        for (uint32_t m = g->used; m; m &= m - 1)
            aim_lane(n, g, i * TB_LANES + (unsigned)__builtin_ctz(m), weight, left);
        g->feedback_inc = (feedback - g->feedback) / (float)left;
        g->beat = TB_SLICE - left;
    }
}

void tb_neural_fm_slice(struct tb_neural *n, uint32_t left, bool whole)
{
    if (whole) {
        if (n->pos + (float)left >= n->hop) {
            n->pos -= n->hop;
            tb_neural_turn(n);
        }
        smooth(n);
        reroute(n);
    }
    for (unsigned i = 0; i < n->n_used; i++)
        step_operators(n, &n->voice[n->list[i]], left);
    aim_groups(n, n->group, left);
    if (n->routing_fade < 1.0F)
        aim_groups(n, n->old_group, left);
}

static void render_groups(struct tb_neural *n, struct tb_fm_group *groups, unsigned routing,
                          float *out, uint32_t count)
{
    memset(n->sum, 0, count * n->fm->width * sizeof *n->sum);
    for (unsigned i = 0; i < NEURAL_GROUPS; i++) {
        if (!groups[i].used)
            continue;
        if (routing && groups[i].glides)
            n->fm->glide[routing - 1](&groups[i], n->sum, count);
        else if (routing)
            n->fm->render[routing - 1](&groups[i], n->sum, count);
        else
            n->fm->render_free(&groups[i], n->sum, count, &n->routing);
    }
    n->fm->fold(n->sum, out, count);
}

void tb_neural_fm_render(struct tb_neural *n, float *out, uint32_t count)
{
    float now[TB_SLICE], old[TB_SLICE];
    const unsigned own = n->algorithm;
    render_groups(n, n->group, n->routing_now ? n->routing_now : own, now, count);
    if (n->routing_fade >= 1.0F) {
        for (uint32_t i = 0; i < count; i++)
            out[i] += now[i];
        return;
    }
    render_groups(n, n->old_group, n->routing_old ? n->routing_old : own, old, count);
    const float step = 1.0F / (ROUTING_FADE_S * n->rate_hz);
    for (uint32_t i = 0; i < count; i++) {
        n->routing_fade += step;
        const float w = n->routing_fade < 1.0F ? n->routing_fade : 1.0F;
        out[i] += old[i] + w * (now[i] - old[i]);
    }
}

float tb_neural_fm_level(const struct tb_neural *n, unsigned i)
{
    const struct tb_algorithm *a =
        n->routing_now ? &tb_algorithms[n->routing_now - 1] : &n->routing;
    const struct tb_neural_voice *v = &n->voice[i];
    float most = 0.0F;
    for (unsigned op = 0; op < n->n_operators; op++) {
        const float level = v->to[op] > v->from[op] ? v->to[op] : v->from[op];
        if (a->carriers >> op & 1U)
            most = level > most ? level : most;
    }
    return most / n->max_level;
}
