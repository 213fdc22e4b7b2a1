/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/hpn.h"

#include "dsp/neural_controls.h"

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
    const unsigned n = hpn->n_harmonics;
    float all[TB_SYNTH_MAX_HARMONICS + 32];
    hpn->kernels->levels(all, raw, n + 1, curve);
    float sum = 0;
    const bool bent = bend && (bend->tilt_db != 0 || bend->balance != 0);
    for (unsigned k = 0; k < n; k++) {
        float share = f0_cps * (float)(k + 1) < hpn->limit_cps ? all[k + 1] : 0;
        if (bent)
            share *= bend_gain(bend, k);
        amp[k] = share;
        sum += share;
    }
    /* Every harmonic above the limit: silence, where the published code plays aliases. */
    const float gain = sum > 1e-20f ? all[0] / sum : 0;
    for (unsigned k = 0; k < n; k++)
        amp[k] *= gain;
}

void tb_hpn_frame(struct tb_hpn *hpn, const float *amp)
{
    for (unsigned k = 0; k < hpn->n_harmonics; k++) {
        hpn->amp[k] += hpn->step[k];
        hpn->step[k] = amp[k] - hpn->amp[k];
    }
}

static void render_chunk(struct tb_hpn *hpn, const float *f0_cps, const float *weight, float *out,
                         unsigned n)
{
    uint32_t phase[TB_SYNTH_CHUNK] = {0};
    float f0[TB_SYNTH_CHUNK] = {0}, w[TB_SYNTH_CHUNK] = {0}, highest = 0, lowest = 1;
    for (unsigned i = 0; i < n; i++) {
        const float f = f0_cps[i] > 0 ? f0_cps[i] : 0;
        f0[i] = f < 0.5f ? f : 0.5f;
        highest = f0[i] > highest ? f0[i] : highest;
        lowest = f0[i] < lowest ? f0[i] : lowest;
        phase[i] = (uint32_t)(hpn->phase >> 32);
        hpn->phase += tb_turns_of(f0[i]);
    }
    memcpy(w, weight, n * sizeof *w);
    const float fits = highest > 0 ? hpn->limit_cps / highest : TB_SYNTH_MAX_HARMONICS;
    unsigned safe = fits < (float)hpn->n_harmonics ? (unsigned)fits : hpn->n_harmonics;
    while (safe > 0 && (float)safe * highest >= hpn->limit_cps)
        safe--;
    /* Those above the limit at every sample need not be looked at. */
    const float heard = lowest > 0 ? hpn->limit_cps / lowest + 1 : TB_SYNTH_MAX_HARMONICS;
    const unsigned most = heard < (float)hpn->n_harmonics ? (unsigned)heard : hpn->n_harmonics;
    hpn->kernels->bank(&(struct tb_bank_job){.phase = phase,
                                             .f0_cps = f0,
                                             .weight = w,
                                             .amp = hpn->amp,
                                             .step = hpn->step,
                                             .n_harmonics = most,
                                             .n_safe = safe,
                                             .n_levels = hpn->n_harmonics,
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
