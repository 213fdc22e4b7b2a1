/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_WAVETABLE_H
#define TB_DSP_WAVETABLE_H

#include "dsp/synth_kernels.h"

/* Learned wavetables under attention. Each table is kept at two levels an octave with ever fewer
 * harmonics, sampled 16 times for its highest one, so that cubic interpolation is clean and nothing
 * reaches the limit. Their mean is left out: it would thump. The tables are mixed once a frame, and
 * a voice goes from the mix of one frame to that of the next. */

enum { TB_WAVETABLE_MAX_TABLES = 64, TB_WAVETABLE_LEVELS = 24, TB_WAVETABLE_GUARD = 4 };

struct tb_wave_level {
    unsigned n_harmonics;
    unsigned length; /* samples a period */
    size_t rows;     /* length and guards, rounded up to 16 */
    float *tables;   /* [n_tables][rows]: one sample before the period, the period, two behind */
};

/* Shared by all voices of a model. */
struct tb_wavetables {
    const struct tb_synth_kernels *kernels;
    unsigned n_tables, n_levels;
    struct tb_wave_level level[TB_WAVETABLE_LEVELS]; /* fullest first; the last has 1 harmonic */
    float *memory;
};

/* Any thread. Fills level[TB_WAVETABLE_LEVELS] but for its tables: two an octave from `most` >= 1
 * harmonics down to one. Returns how many there are. */
unsigned tb_wavetable_plan(struct tb_wave_level *level, unsigned most);

/* RT. The fullest level of which nothing reaches limit_cps while the pitch is below highest_cps;
 * n_levels: none, even the first harmonic is too high. */
TB_RT unsigned tb_wavetable_level(const struct tb_wave_level *level, unsigned n_levels,
                                  float highest_cps, float limit_cps);

/* How far above the pitch of the last two frames the next one is expected at most: half a semitone,
 * the share of highest_cps that the players of a model add. */
#define TB_WAVETABLE_MARGIN 1.03f

/* Control thread. tables[n_tables][size], the last sample repeating the first; n_tables 1..64, size
 * 16..4096. NULL: bad arguments or no memory. */
struct tb_wavetables *tb_wavetables_new(const struct tb_synth_kernels *kernels, const float *tables,
                                        unsigned n_tables, unsigned size);
void tb_wavetables_free(struct tb_wavetables *tables);

/* One voice. */
struct tb_wavetable {
    const struct tb_wavetables *tables;
    uint64_t phase; /* 2^64 = one turn */
    float limit_cps;
    float *mix[2]; /* from and to */
    unsigned level[2];
};

/* Control thread. limit_cps as for tb_hpn_init. False without memory. */
bool tb_wavetable_init(struct tb_wavetable *w, const struct tb_wavetables *tables, float limit_cps);
void tb_wavetable_clear(struct tb_wavetable *w);

/* RT. Silence, phase 0. */
TB_RT void tb_wavetable_reset(struct tb_wavetable *w);

/* RT. Attention of a frame out of a decoder's first head: raw[0] amplitude, raw[1 + k] weight of
 * table k; attention[n_tables] sums to the amplitude. raw as tb_nn_head gives it. */
TB_RT void tb_wavetable_attention(const struct tb_wavetables *tables,
                                  const struct tb_level_curve *curve, const float *raw,
                                  float *attention);

/* RT. From now on weight 0 is what weight 1 was, and weight 1 is the tables under attention. The
 * pitch until the next frame should stay below highest_cps, or what is above the limit folds. */
TB_RT void tb_wavetable_frame(struct tb_wavetable *w, const float *attention, float highest_cps);

/* RT. Adds n samples to out; f0_cps and weight as for tb_hpn_render. */
TB_RT void tb_wavetable_render(struct tb_wavetable *w, const float *f0_cps, const float *weight,
                               float *out, size_t n);

#endif
