/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_EVAL_PLAY_PRIV_H
#define TB_MODELS_EVAL_PLAY_PRIV_H

#include "models/model_file.h"

/* Six operators of one voice in any routing, modulators before what they modulate. */
struct tb_play_fm {
    unsigned n_operators;
    uint8_t modulators[6]; /* bit i of [j]: operator i + 1 modulates j + 1 */
    uint8_t carriers;
    uint8_t fb_from, fb_to; /* 0..5 */
    float feedback;         /* turns a turn, for each of the last two outputs */
    double ratio[6];
    double phase[6]; /* turns */
    float last[2];
};

/* From a model of family ddx7. */
void tb_play_fm_init(struct tb_play_fm *fm, const struct tb_model_file *file);

/* out[n] = sum of carriers in turns. f0_cps[n] cycles a sample; level of operator j at sample i is
 * from[j] + weight[i] (to[j] - from[j]). */
struct tb_play_ramp {
    const float *f0_cps, *weight, *from, *to;
    size_t n;
};
void tb_play_fm_render(struct tb_play_fm *fm, const struct tb_play_ramp *ramp, float *out);

#endif
