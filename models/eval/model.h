/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_EVAL_MODEL_H
#define TB_MODELS_EVAL_MODEL_H

#include "models/eval/play.h"

/* A model file held in memory with its bytes. */
struct tb_model {
    void *data;
    size_t size;
    struct tb_model_file *file;
};

/* False with *err naming the path. */
bool tb_model_open(const char *path, struct tb_model *model, struct tb_error *err);
/* Of bytes that the model takes over; frees them when it fails. */
bool tb_model_take(void *data, size_t size, struct tb_model *model, struct tb_error *err);
void tb_model_close(struct tb_model *model); /* zeroed is allowed */

/* All values of network tensor i (the order of tb_nn_shapes), scales applied; to be freed. NULL
 * without memory. */
float *tb_model_values(const struct tb_model_file *file, size_t i, size_t *n);

/* A phrase that a player of the model's range might play, the same for a seed: notes of .2 to 1 s
 * with attacks, swells and decays between the model's softest and loudest, vibrato, slurs and
 * leaps, rests at the floor. f0_hz[n] stays at the last pitch in rests. */
void tb_phrase(const struct tb_model_meta *meta, uint64_t seed, size_t n, float *f0_hz,
               float *loudness_db);

#endif
