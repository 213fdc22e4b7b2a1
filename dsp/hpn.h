/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_HPN_H
#define TB_DSP_HPN_H

#include "dsp/synth_kernels.h"

/* Harmonics of one voice: phases exact for any length of note, levels that go from frame to frame,
 * nothing at or above the limit at any sample. By value. */
struct tb_hpn {
    const struct tb_synth_kernels *kernels;
    uint64_t phase;               /* 2^64 = one turn */
    unsigned n_harmonics, n_live; /* behind n_live all levels of both frames are 0 */
    float limit_cps;
    float amp[TB_SYNTH_LEVELS];  /* at the last frame; 0 behind the last harmonic */
    float step[TB_SYNTH_LEVELS]; /* to the next; likewise */
    float fold[TB_SYNTH_LEVELS], fold_step[TB_SYNTH_LEVELS]; /* both as the bank wants them */
};

/* What a player may do to the harmonics; all 0 leaves the model alone. */
struct tb_hpn_bend {
    float tilt_db; /* an octave up from the first harmonic, -24..24 */
    float balance; /* -1 only odd ones, 1 only even ones */
};

/* Control thread. n_harmonics 1..128 (held to it). limit_cps: the lower of the device's and the
 * model's Nyquist frequency in cycles a sample of the device, at most 0.5: above the model's
 * nothing was ever learned. */
void tb_hpn_init(struct tb_hpn *hpn, const struct tb_synth_kernels *kernels, unsigned n_harmonics,
                 float limit_cps);

/* RT. Silence, phase 0. */
TB_RT void tb_hpn_reset(struct tb_hpn *hpn);

/* RT. Levels of a frame out of a decoder's first head: raw[0] amplitude, raw[1 + k] share of
 * harmonic k + 1. Shares below limit_cps at f0_cps sum to 1, the others are 0. raw as
 * tb_nn_head gives it (readable to a multiple of 16), amp[n_harmonics]; bend NULL: none. */
TB_RT void tb_hpn_levels(const struct tb_hpn *hpn, const struct tb_level_curve *curve,
                         const float *raw, float f0_cps, const struct tb_hpn_bend *bend,
                         float *amp);

/* RT. From now on weight 0 is what weight 1 was, and weight 1 is amp[n_harmonics]. */
TB_RT void tb_hpn_frame(struct tb_hpn *hpn, const float *amp);

/* RT. Adds n samples to out. f0_cps[n] in cycles a sample (NaN and below 0 count as 0, above 0.5 as
 * 0.5), weight[n] between the last two frames (tb_frame_weights). */
TB_RT void tb_hpn_render(struct tb_hpn *hpn, const float *f0_cps, const float *weight, float *out,
                         size_t n);

#endif
