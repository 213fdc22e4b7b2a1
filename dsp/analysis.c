/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/analysis.h"

#include "dsp/analysis_priv.h"

#include <math.h>
#include <string.h>

void tb_analysis_reset(struct tb_analysis *a)
{
    memset(a->input, 0, 2 * a->taps * sizeof *a->input);
    memset(a->history, 0, sizeof a->history);
    a->at = a->newest = a->filled = 0;
    a->phase = 0;
    tb_pitch_reset(&a->pitch);
}

bool tb_analysis_use(struct tb_analysis *a, const struct tb_analysis_scale *scale)
{
    unsigned i = 0;
    while (i < TB_ANALYSIS_N_FFTS && a->loudness[i].n_fft != scale->n_fft)
        i++;
    if (i == TB_ANALYSIS_N_FFTS || (unsigned)scale->loudness > TB_ANALYSIS_RMS ||
        !isfinite(scale->reference_db) || !isfinite(scale->floor_db))
        return false;
    struct tb_loudness *l = &a->loudness[i];
    l->kind = scale->loudness;
    l->reference_db = scale->reference_db;
    l->floor_db = scale->floor_db;
    a->i_fft = i;
    return true;
}

static void end_hop(struct tb_analysis *a, struct tb_analysis_frame *frame)
{
    const float *newest = a->history + a->newest + TB_ANALYSIS_HISTORY;
    tb_pitch_frame(&a->pitch, newest, a->config.gate_db, frame);
    frame->loudness_db = tb_loudness_frame(&a->loudness[a->i_fft], newest);
}

/* One sample at 16 kHz; true when a hop is complete. */
static bool push(struct tb_analysis *a)
{
    const float *window = a->input + a->at, *filter = a->filter + a->phase * a->taps;
    float sum = 0;
    for (unsigned t = 0; t < a->taps; t++)
        sum += filter[t] * window[t];
    a->history[a->newest] = a->history[a->newest + TB_ANALYSIS_HISTORY] = sum;
    a->newest = a->newest + 1 == TB_ANALYSIS_HISTORY ? 0 : a->newest + 1;
    a->filled++;
    return a->filled == TB_ANALYSIS_HOP;
}

size_t tb_analysis_process(struct tb_analysis *a, const float *in, size_t n,
                           struct tb_analysis_frame *frames, size_t most)
{
    size_t made = 0;
    for (size_t i = 0; i < n; i++) {
        const float x = isfinite(in[i]) ? in[i] : 0;
        a->input[a->at] = a->input[a->at + a->taps] = x;
        a->at = a->at + 1 == a->taps ? 0 : a->at + 1;
        /* Output k lies at input k * down / up: phase counts in 1 / up of an input sample. */
        while (a->phase < a->up) {
            if (push(a)) {
                struct tb_analysis_frame unused;
                end_hop(a, made < most ? &frames[made] : &unused);
                made += made < most;
                a->filled = 0;
            }
            a->phase += a->down;
        }
        a->phase -= a->up;
    }
    return made;
}
