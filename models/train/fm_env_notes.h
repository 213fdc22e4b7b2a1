/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_FM_ENV_NOTES_H
#define TB_MODELS_TRAIN_FM_ENV_NOTES_H

#include "base/error.h"
#include "models/model_file.h"

/* What a DX7 voice's own envelope generators do for notes: the data that a neural voice is trained
 * on. Any ordinary thread. */

struct tb_fm_env_note {
    unsigned key, velocity; /* 0..127, 1..127 */
    float hold_s;           /* until the key goes up */
};

struct tb_fm_env_voice;

/* values[TB_N_PARAMS] of params.def. TB_EUNSUPPORTED: a fixed-frequency operator that sounds, which
 * a model file cannot say, or feedback round several operators. NULL with *err. */
struct tb_fm_env_voice *tb_fm_env_voice_new(const float *values, struct tb_error *err);
void tb_fm_env_voice_free(struct tb_fm_env_voice *voice);

/* levels[frames][6] in cycles of phase as the engine's operators have them, carriers sharing the
 * output; input[frames][2] what the network hears: key / 127 and velocity / 127, which falls to 0
 * in a straight line in 0.25 s once the key is up. */
void tb_fm_env_render(const struct tb_fm_env_voice *voice, const struct tb_fm_env_note *note,
                      float frames_hz, size_t frames, float *input, float *levels);

/* Largest level of any operator, at the hardest key: what network output 1 stands for. */
float tb_fm_env_most(const struct tb_fm_env_voice *voice);

/* Fills the fm.* keys: algorithm, ratios with detune at middle C, feedback. */
void tb_fm_env_describe(const struct tb_fm_env_voice *voice, struct tb_model_meta *meta);

#endif
