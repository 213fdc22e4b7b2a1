/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_NN_NN_PRIV_H
#define TB_MODELS_NN_NN_PRIV_H

#include "models/nn/nn.h"

/* Weights are stored as panels of 32 outputs (the last one 16 where that is enough): a head of
 * bias[32] and, for int8, scale[32] and correction[32], then [in][32] values, or for int8
 * [in / 4][32][4]. All kernels read the same panels; only the vector width differs. */
enum {
    TB_NN_ALIGN = 64,
    TB_NN_PANEL = 32,
    TB_NN_HALF = 16,
    TB_NN_MAX_OPS = 320,
    TB_NN_MAX_RINGS = 2 * TB_NN_MAX_BLOCKS,
    TB_NN_SMALL = 16, /* matrices with fewer inputs stay float32: nothing to win, much to lose */
    TB_NN_NONE = 0x7fffffff,
    TB_NN_LOW_CODES = 128, /* a fine activation is 128 times a high code, and a low one */
    TB_NN_COARSE_CODE = 127,
    TB_NN_FINE_CODE = 127 * TB_NN_LOW_CODES + 127,
};

enum tb_nn_kind {
    TB_NN_OP_LINEAR,   /* dst = act(W src + b) + add */
    TB_NN_OP_QUANTISE, /* codes = round(src * 127 / max|src|), or 16383 */
    TB_NN_OP_NORM,     /* dst = leaky(layer_norm(src)) */
    TB_NN_OP_DENSE,    /* dst = leaky(layer_norm(W src + b)) of TB_NN_HALF outputs */
    TB_NN_OP_GRU,      /* state and dst = gates(src, add, state) */
    TB_NN_OP_LOAD,     /* dst = state */
    TB_NN_OP_COPY,     /* dst = src */
};

/* Offsets src, dst, add count floats in a voice's scratch, state in its state. */
struct tb_nn_op {
    enum tb_nn_kind kind;
    enum tb_nn_dtype storage;
    bool relu;
    unsigned n_in, n_out;        /* n_out: LINEAR: rows, a multiple of 16; others: exact length */
    unsigned src, dst, add;      /* add: TB_NN_NONE without */
    unsigned state;              /* GRU, LOAD, and where there is more than one tap */
    unsigned taps, n_row;        /* LINEAR, QUANTISE: n_in is taps times n_row, src of frames */
    unsigned ring, dilation;     /* dilation apart, which ring number `ring` holds */
    unsigned n_panels;           /* units of work */
    size_t weights, panel_bytes; /* bytes in the arena */
    uint64_t unit_cost;          /* multiply-adds a unit and voice */
};

struct tb_nn_job {
    const struct tb_nn_op *op;
    const struct tb_nn_model *model;
    float *scratch;         /* [n_voices][stride], aligned */
    size_t stride;          /* floats */
    float *const *state;    /* [n_voices] */
    uint32_t *const *rings; /* [n_voices][n_rings] next place to write */
    unsigned n_voices;
    unsigned first, last; /* units */
};

struct tb_nn_kernels {
    enum tb_nn_cpu cpu;
    bool has_f16;
    void (*linear)(const struct tb_nn_job *job);
    void (*quantise)(const struct tb_nn_job *job);
    void (*norm)(const struct tb_nn_job *job);
    void (*dense)(const struct tb_nn_job *job);
    void (*gru)(const struct tb_nn_job *job);
    void (*copy)(const struct tb_nn_job *job); /* LOAD and COPY */
    bool (*finite)(const float *x, size_t n);
    void (*map)(enum tb_nn_function function, float *y, const float *x, size_t n);
};

struct tb_nn_model {
    struct tb_nn_spec spec;
    const struct tb_nn_kernels *kernels;
    struct tb_nn_op ops[TB_NN_MAX_OPS];
    unsigned n_ops, n_rings;
    uint64_t cost, macs; /* a voice and frame */
    unsigned scratch;    /* floats a voice */
    unsigned state;      /* floats a voice */
    unsigned inputs;     /* offset in scratch */
    unsigned codes;      /* offset in scratch: scale (16 floats), then high codes, low codes */
    unsigned low_codes;  /* bytes from the high codes to the low ones */
    unsigned heads[TB_NN_MAX_HEADS];
    unsigned char *arena;
    size_t arena_bytes, mapped_bytes, locked_bytes;
};

struct tb_nn_bank {
    const struct tb_nn_model *model;
    unsigned n_slots;
    float *state;    /* [n_slots][model->state] */
    uint32_t *rings; /* [n_slots][TB_NN_MAX_RINGS] */
};

struct tb_nn_run {
    struct tb_nn_bank *bank;
    float *scratch; /* [TB_NN_MAX_BATCH][model->scratch] */
    float *state[TB_NN_MAX_BATCH];
    uint32_t *rings[TB_NN_MAX_BATCH];
    uint8_t slots[TB_NN_MAX_BATCH];
    unsigned n_voices;
    unsigned op, unit; /* the work cursor */
    uint64_t left;     /* cost of what is not done */
    uint32_t nonfinite;
};

/* One of them a processor variant; NULL where it is not compiled in. */
const struct tb_nn_kernels *tb_nn_kernels_of(enum tb_nn_cpu cpu);
extern const struct tb_nn_kernels tb_nn_kernels_portable;
extern const struct tb_nn_kernels tb_nn_kernels_avx2;
extern const struct tb_nn_kernels tb_nn_kernels_avx512;
extern const struct tb_nn_kernels tb_nn_kernels_neon;
extern const struct tb_nn_kernels tb_nn_kernels_neon_dot; /* Armv8.2 int8 dot products */

static inline unsigned tb_nn_round(unsigned n, unsigned to)
{
    return (n + to - 1) / to * to;
}

/* Where row out of a packed matrix comes from: gates of a GRU start on multiples of 16, so its
 * rows are spread; n_gates is 1 for everything else. */
struct tb_nn_matrix {
    const struct tb_nn_tensor *weight, *bias; /* bias NULL: zeros */
    unsigned out, in, kernel;                 /* of the tensor; out of all gates */
    unsigned n_gates;
};

/* Control thread. Bytes of matrix packed with storage; one panel of it in *panel_bytes. */
size_t tb_nn_pack_size(const struct tb_nn_matrix *matrix, enum tb_nn_dtype storage,
                       size_t *panel_bytes);
void tb_nn_pack(const struct tb_nn_matrix *matrix, enum tb_nn_dtype storage, unsigned char *to);
/* Layer of TB_NN_HALF outputs and its norm, for DENSE: gain, offset, bias and [in] times weights,
 * all [TB_NN_HALF]. The mean that the norm would subtract is out of weights and bias already. */
struct tb_nn_dense {
    const struct tb_nn_tensor *weight, *bias, *gain, *offset;
    unsigned in;
};
void tb_nn_pack_dense(const struct tb_nn_dense *dense, float *to);
void tb_nn_pack_vector(const struct tb_nn_tensor *tensor, unsigned n, float *to);
float tb_nn_value(const struct tb_nn_tensor *tensor, size_t i, size_t row);

/* Control thread. Lays out the operations of model->spec; with tensors NULL only sizes are taken.
 * False when a limit of the tables is passed. */
bool tb_nn_plan(struct tb_nn_model *model, const struct tb_nn_tensor *tensors,
                enum tb_nn_dtype storage);

#endif
