/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_EVAL_PLAY_H
#define TB_MODELS_EVAL_PLAY_H

#include "dsp/neural_controls.h"
#include "models/model_file.h"

/* A model under control curves, offline: the decoder and the synthesisers that the engine plays,
 * with nothing of the engine around them. The same curves give the same samples. Ordinary threads;
 * one player belongs to one thread. */

struct tb_play_options {
    float rate_hz; /* of the audio; a frame must be a whole number of samples. 0: the model's */
    enum tb_nn_cpu cpu; /* kernels; TB_NN_CPU_BEST */
    uint32_t seed;      /* of the noise */
    bool dry;           /* leave the learned reverb out */
    bool held;          /* levels stand for a frame, whatever the model says, as published */
    bool uncorrected;   /* without the loudness offsets of the model */
    bool cut_noise; /* the first half of the noise filter only, as published: without its peak */
};

/* n frames of what drives a model. */
struct tb_curve {
    const float *f0_hz;       /* 0 or below: no pitch */
    const float *loudness_db; /* as the model's loudness_kind measures it */
    size_t n;
};

struct tb_player;

/* Nothing of file is kept. NULL with *err: fm_envelope (it has no sound of its own), a rate that
 * does not fit the frames, kernels that this machine lacks, no memory. */
struct tb_player *tb_player_new(const struct tb_model_file *file,
                                const struct tb_play_options *options, struct tb_error *err);
void tb_player_free(struct tb_player *player); /* NULL is allowed */

size_t tb_player_hop(const struct tb_player *player);      /* samples a frame */
size_t tb_player_controls(const struct tb_player *player); /* values a frame of tb_player_decode */

/* Other loudness offsets than the model's from now on. */
void tb_player_map(struct tb_player *player, const struct tb_loudness_map *map);

/* Levels that the decoder asks for, [n][controls]: behind exp_sigmoid or, for ddx7, in turns of
 * modulation. State starts at zero. False without memory. */
bool tb_player_decode(struct tb_player *player, const struct tb_curve *curve, float *controls);

/* audio[n * hop], written whole. Everything starts from silence. False without memory. */
bool tb_player_render(struct tb_player *player, const struct tb_curve *curve, float *audio);

#endif
