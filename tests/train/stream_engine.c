/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/train/stream_engine.h"

#include "dsp/fastmath.h"
#include "dsp/neural_priv.h"
#include "models/neural_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VOICE = 0 };

void stream_noise(float *x, size_t n)
{
    tb_synth_kernels(TB_NN_CPU_BEST)->noise(x, (VOICE + 1) * 0x9e3779b9U, n);
}

float stream_at(const float *frames, size_t n, size_t sample)
{
    const size_t k = sample / STREAM_HOP;
    if (k + 1 >= n)
        return frames[n - 1];
    const float w = (float)(sample % STREAM_HOP) / STREAM_HOP;
    return frames[k] + w * (frames[k + 1] - frames[k]);
}

size_t stream_heard(size_t k, bool fm)
{
    return k * STREAM_HOP + (fm && k > 0 ? 0 : TB_SLICE);
}

static struct tb_neural_aim aim_at(const struct stream_curve *c, size_t sample)
{
    return (struct tb_neural_aim){.f0_hz = stream_at(c->f0_hz, c->frames, sample),
                                  .loudness = stream_at(c->loudness_db, c->frames, sample),
                                  .gain = 1};
}

/* A voice comes in within a slice; here it has been there all the time. */
static void begin_loud(struct tb_neural *n)
{
    struct tb_neural_voice *v = &n->voice[VOICE];
    v->gain = 1;
    v->gain_inc = 0;
    if (!tb_neural_is_fm(n))
        return;
    struct tb_fm_group *g = &n->group[0];
    g->gain[VOICE] = n->fm_gain / n->max_level;
    g->gain_inc[VOICE] = 0;
    g->feedback += g->feedback_inc * TB_SLICE;
    g->feedback_inc = 0;
    for (unsigned op = 0; op < n->n_operators; op++) {
        g->amp[op][VOICE] = TB_SIN_LEAD * v->from[op];
        g->amp_inc[op][VOICE] = 0;
    }
}

static void render_slice(struct tb_neural *n, const struct tb_neural_aim *aim, float *out,
                         uint32_t cut)
{
    tb_neural_render(n, out, cut);
    if (cut == TB_SLICE)
        return;
    tb_neural_aim(n, VOICE, aim, TB_SLICE - cut);
    tb_neural_slice(n, TB_SLICE - cut, false);
    tb_neural_render(n, out + cut, TB_SLICE - cut);
}

void stream_engine(const struct tb_model_file *file, const struct stream_curve *c, float *out)
{
    struct tb_neural_spec spec;
    struct tb_error err = {0};
    tb_neural_spec_of(file, &spec);
    struct tb_neural *n = tb_neural_new(&spec, STREAM_RATE_HZ, TB_CPU_BEST, &err);
    if (!n) {
        fail_msg("%s", err.text);
        return; /* fail_msg does not come back, which analysers cannot know */
    }
    memset(out, 0, c->frames * STREAM_HOP * sizeof *out);
    tb_neural_start(n, VOICE, true);
    n->voice[VOICE].f0_hz = c->f0_hz[0];
    for (size_t t = 0; t < c->frames * STREAM_HOP; t += TB_SLICE) {
        const struct tb_neural_aim aim = aim_at(c, t + TB_SLICE);
        tb_neural_aim(n, VOICE, &aim, TB_SLICE);
        tb_neural_slice(n, TB_SLICE, true);
        if (t == 0)
            begin_loud(n);
        render_slice(n, &aim, out + t, c->cut ? 1 + (uint32_t)(t / TB_SLICE) % 31 : TB_SLICE);
    }
    tb_neural_free(n);
}
