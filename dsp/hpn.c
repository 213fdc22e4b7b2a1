/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/hpn.h"

#include <math.h>
#include <string.h>

void tb_hpn_init(struct tb_hpn *hpn, const struct tb_synth_kernels *kernels, unsigned n_harmonics,
                 float limit_cps)
{
    memset(hpn, 0, sizeof *hpn);
    hpn->kernels = kernels;
    hpn->n_harmonics = n_harmonics < TB_SYNTH_MAX_HARMONICS ? n_harmonics : TB_SYNTH_MAX_HARMONICS;
    hpn->limit_cps = limit_cps < 0.5f ? limit_cps : 0.5f;
}

void tb_hpn_reset(struct tb_hpn *hpn)
{
    hpn->phase = 0;
    hpn->n_live = 0;
    memset(hpn->amp, 0, sizeof hpn->amp);
    memset(hpn->step, 0, sizeof hpn->step);
}

static float bend_gain(const struct tb_hpn_bend *bend, unsigned k)
{
    const float side = k % 2 ? bend->balance : -bend->balance; /* k + 1 is even where k is odd */
    const float share = side < 0 ? 1.0f + side : 1.0f;
    return (share > 0 ? share : 0) *
           exp2f(log2f((float)(k + 1)) * bend->tilt_db * (1.0f / 6.02059991f));
}

void tb_hpn_levels(const struct tb_hpn *hpn, const struct tb_level_curve *curve, const float *raw,
                   float f0_cps, const struct tb_hpn_bend *bend, float *amp)
{
    float all[TB_SYNTH_MAX_HARMONICS + 32], shares[TB_SYNTH_MAX_HARMONICS + 16];
    float gains[TB_SYNTH_MAX_HARMONICS + 16];
    /* Most of a high note's are above the limit. */
    const float fits = f0_cps > 0 ? hpn->limit_cps / f0_cps + 1 : TB_SYNTH_MAX_HARMONICS;
    const unsigned n = fits < (float)hpn->n_harmonics ? (unsigned)fits : hpn->n_harmonics;
    hpn->kernels->levels(all, raw, n + 1, curve);
    const bool bent = bend && (bend->tilt_db != 0 || bend->balance != 0);
    for (unsigned k = 0; bent && k < n; k++)
        gains[k] = bend_gain(bend, k);
    /* Every harmonic above the limit: silence, where the published code plays aliases. */
    hpn->kernels->shares(&(struct tb_shares_job){.level = all + 1,
                                                 .bend = bent ? gains : NULL,
                                                 .n = n,
                                                 .f0_cps = f0_cps,
                                                 .limit_cps = hpn->limit_cps,
                                                 .total = all[0]},
                         shares);
    memcpy(amp, shares, n * sizeof *amp);
    memset(amp + n, 0, (hpn->n_harmonics - n) * sizeof *amp);
}

void tb_hpn_frame(struct tb_hpn *hpn, const float *amp)
{
    hpn->n_live = hpn->kernels->fold(&(struct tb_fold_job){.amp = hpn->amp,
                                                           .step = hpn->step,
                                                           .fold = hpn->fold,
                                                           .fold_step = hpn->fold_step,
                                                           .next = amp,
                                                           .n = hpn->n_harmonics});
}

static void render_chunk(struct tb_hpn *hpn, const float *f0_cps, const float *weight, float *out,
                         unsigned n)
{
    struct tb_turns turns;
    float w[TB_SYNTH_CHUNK];
    turns.at = hpn->phase;
    hpn->kernels->turns(&turns, f0_cps, n);
    hpn->phase = turns.at;
    if (hpn->n_live == 0)
        return;
    if (n % (TB_SYNTH_CHUNK / 2) != 0) { /* the bank reads whole halves */
        memset(w, 0, sizeof w);
        memcpy(w, weight, n * sizeof *w);
        weight = w;
    }
    const float highest = turns.highest;
    const float fits = highest > 0 ? hpn->limit_cps / highest : TB_SYNTH_MAX_HARMONICS;
    unsigned safe = fits < (float)hpn->n_harmonics ? (unsigned)fits : hpn->n_harmonics;
    while (safe > 0 && (float)safe * highest >= hpn->limit_cps)
        safe--;
    hpn->kernels->bank(&(struct tb_bank_job){.phase = turns.phase,
                                             .f0_cps = turns.f0_cps,
                                             .weight = weight,
                                             .amp = hpn->amp,
                                             .step = hpn->step,
                                             .fold = hpn->fold,
                                             .fold_step = hpn->fold_step,
                                             .n_live = hpn->n_live,
                                             .n_safe = safe,
                                             .limit_cps = hpn->limit_cps,
                                             .n = n},
                       out);
}

void tb_hpn_render(struct tb_hpn *hpn, const float *f0_cps, const float *weight, float *out,
                   size_t n)
{
    for (size_t at = 0; at < n; at += TB_SYNTH_CHUNK) {
        const size_t m = n - at < TB_SYNTH_CHUNK ? n - at : TB_SYNTH_CHUNK;
        render_chunk(hpn, f0_cps + at, weight + at, out + at, (unsigned)m);
    }
}
