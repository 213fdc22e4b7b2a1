/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_GOLDEN_NEURAL_FIXTURE_H
#define TB_TESTS_GOLDEN_NEURAL_FIXTURE_H

#include "models/model_file.h"
#include "models/neural_spec.h"

/* A small model in memory whose weights are known, so that what it plays can be worked out: its one
 * hidden unit is tanh of the loudness input (ddx7: the loudness itself), and outputs are
 * bias + slope * hidden. Weights that nobody set are 0. */
struct neural_model {
    struct tb_model_meta meta;
    struct tb_nn_spec spec;
    struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    size_t n;
    float *values[TB_NN_MAX_TENSORS];
    float tables[4][64]; /* 1, 2, 3, 4 cycles of a sine */
    float impulse[2000];
    void *data;
    size_t size;
    struct tb_model_file *file;
};

/* width 4, 8 harmonics, 9 bands, 4 tables; ddx7 and fm_envelope: six operators, algorithm 32.
 * Change meta, then neural_model_set, then neural_model_encode. */
void neural_model_init(struct neural_model *m, enum tb_model_family family);
/* Sizes follow meta. */
void neural_model_lay_out(struct neural_model *m);
/* The value at index of a tensor of that name; the name must be there. */
void neural_model_set(struct neural_model *m, const char *name, size_t index, float value);
/* Output i of a head: bias and slope over the hidden unit. */
void neural_model_output(struct neural_model *m, unsigned head, unsigned i, float bias,
                         float slope);
/* Every weight random. */
void neural_model_random(struct neural_model *m, unsigned seed);
void neural_model_encode(struct neural_model *m);
void neural_model_free(struct neural_model *m);

/* One that sounds: its amplitude is .4 at a loudness in the middle and rises with it by slope; for
 * all families. */
void neural_model_plain(struct neural_model *m, enum tb_model_family family, float slope);
/* Ready for an engine of rate_hz. */
struct tb_neural *neural_model_instrument(const struct neural_model *m, float rate_hz,
                                          enum tb_cpu cpu);

#endif
