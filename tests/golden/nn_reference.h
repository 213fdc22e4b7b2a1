/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_GOLDEN_NN_REFERENCE_H
#define TB_GOLDEN_NN_REFERENCE_H

#include "models/nn/nn.h"

/* A network with its tensors in memory, for tests and benchmarks. */
struct net {
    struct tb_nn_spec spec;
    size_t n;
    struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    struct tb_nn_tensor tensors[TB_NN_MAX_TENSORS];
    float *values[TB_NN_MAX_TENSORS]; /* what each tensor means, float32 */
};

struct tb_nn_spec net_gru(unsigned width, unsigned layers, unsigned head0, unsigned head1);
struct tb_nn_spec net_tcn(unsigned width, unsigned blocks);

/* Seeded weights, scaled so that activations neither die nor explode. */
void net_random(struct net *net, const struct tb_nn_spec *spec, uint32_t seed);
/* All values of the file at path in the order of the published manifests; false without the file.
 */
bool net_read(struct net *net, const struct tb_nn_spec *spec, const char *path);
/* Rounds the matrices to dtype (int8: per output scale) and keeps values[] what they mean. */
void net_store(struct net *net, enum tb_nn_dtype dtype);
void net_free(struct net *net);
unsigned net_outputs(const struct tb_nn_spec *spec);

/* Offline, float64, whole sequences: x[frames][n_inputs] to y[frames][all heads]. */
void net_forward(const struct net *net, const double *x, double *y, size_t frames);

/* -1..1, the same numbers everywhere. */
float net_noise(uint32_t *state);

#endif
