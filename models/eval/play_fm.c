/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/play_priv.h"

#include "dsp/algorithms.h"

#include <math.h>
#include <string.h>

/* Who modulates whom, of one of the DX7's algorithms. */
static void fixed_routing(struct tb_play_fm *fm, const struct tb_algorithm *a)
{
    fm->carriers = a->carriers;
    fm->fb_from = a->fb_from;
    fm->fb_to = a->fb_to;
    for (unsigned to = 0; to < 6; to++)
        for (unsigned from = 0; from < 6; from++)
            if (tb_algorithm_modulates(a, from, to))
                fm->modulators[to] |= (uint8_t)(1U << from);
}

static void free_routing(struct tb_play_fm *fm, const struct tb_model_file *file)
{
    for (unsigned from = 0; from < 6; from++)
        for (unsigned to = 0; to < 6; to++)
            if (file->fm_modulates[from] >> to & 1U)
                fm->modulators[to] |= (uint8_t)(1U << from);
    for (unsigned i = 0; i < file->meta.fm_carriers.n; i++)
        fm->carriers |= (uint8_t)(1U << ((unsigned)file->meta.fm_carriers.value[i] - 1));
    fm->fb_from = fm->fb_to = (uint8_t)(fm->n_operators - 1);
}

void tb_play_fm_init(struct tb_play_fm *fm, const struct tb_model_file *file)
{
    const struct tb_model_meta *m = &file->meta;
    memset(fm, 0, sizeof *fm);
    fm->n_operators = (unsigned)m->n_operators;
    if (m->fm_algorithm > 0)
        fixed_routing(fm, &tb_algorithms[m->fm_algorithm - 1]);
    else
        free_routing(fm, file);
    /* The machine's steps: each doubles, 7 is half a turn for a level of one turn. */
    fm->feedback = m->fm_feedback > 0 ? exp2f((float)m->fm_feedback - 9.0f) : 0.0f;
    for (unsigned i = 0; i < fm->n_operators; i++)
        fm->ratio[i] = i < m->fm_ratios.n ? m->fm_ratios.value[i] : 1.0;
}

static float sine_of(double turns)
{
    return sinf(6.28318531f * (float)(turns - floor(turns)));
}

void tb_play_fm_render(struct tb_play_fm *fm, const struct tb_play_ramp *ramp, float *out)
{
    for (size_t s = 0; s < ramp->n; s++) {
        float y[6] = {0}, sum = 0;
        for (unsigned j = fm->n_operators; j-- > 0;) {
            double x = fm->phase[j];
            for (unsigned i = j + 1; i < fm->n_operators; i++)
                if (fm->modulators[j] >> i & 1U)
                    x += (double)y[i];
            if (j == fm->fb_to)
                x += (double)(fm->feedback * (fm->last[0] + fm->last[1]));
            y[j] = (ramp->from[j] + ramp->weight[s] * (ramp->to[j] - ramp->from[j])) * sine_of(x);
            if (fm->carriers >> j & 1U)
                sum += y[j];
            fm->phase[j] += fm->ratio[j] * (double)ramp->f0_cps[s];
            fm->phase[j] -= floor(fm->phase[j]);
        }
        fm->last[1] = fm->last[0];
        fm->last[0] = y[fm->fb_from];
        out[s] = sum;
    }
}
