/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_NN_NN_H
#define TB_MODELS_NN_NN_H

#include "base/error.h"
#include "dsp/rt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Streaming decoders: one frame of controls in, one frame of raw head outputs out. A model is the
 * packed weights and is shared; a bank holds the recurrent state of up to TB_NN_MAX_SLOTS voices;
 * a run decodes up to TB_NN_MAX_BATCH of them together, in as many pieces as the caller likes. */

enum {
    TB_NN_MAX_INPUTS = 8,
    TB_NN_MAX_WIDTH = 2048,
    TB_NN_MAX_DEPTH = 8, /* layers of one MLP */
    TB_NN_MAX_BLOCKS = 16,
    TB_NN_MAX_KERNEL = 9,
    TB_NN_MAX_DILATION = 4096,
    TB_NN_MAX_HEADS = 4,
    TB_NN_MAX_HEAD = 1024,
    TB_NN_MAX_SLOTS = 128,
    TB_NN_MAX_BATCH = 16,
    TB_NN_MAX_TENSORS = 256,
};

/* Kernels; the values are those of enum tb_cpu. */
enum tb_nn_cpu {
    TB_NN_CPU_PORTABLE,
    TB_NN_CPU_AVX2,   /* with FMA and F16C */
    TB_NN_CPU_AVX512, /* F, BW, DQ, VL and VNNI */
    TB_NN_CPU_NEON,
    TB_NN_N_CPUS,
    TB_NN_CPU_BEST = 255
};

enum tb_nn_dtype { TB_NN_F32, TB_NN_F16, TB_NN_BF16, TB_NN_I8, TB_NN_N_DTYPES };

enum tb_nn_arch {
    TB_NN_GRU, /* input MLPs, GRU, output MLP, heads: HpN, Wavetable; without MLPs: FM envelopes */
    TB_NN_TCN, /* causal convolutions with residuals: DDX7 */
    TB_NN_N_ARCHS
};

enum tb_nn_residual { TB_NN_RES_NONE, TB_NN_RES_IDENTITY, TB_NN_RES_CONV };

struct tb_nn_spec {
    enum tb_nn_arch arch;
    unsigned n_inputs;              /* controls a frame, 1..TB_NN_MAX_INPUTS */
    unsigned width;                 /* hidden units or channels, 1..TB_NN_MAX_WIDTH */
    unsigned n_heads;               /* TCN: 1 */
    unsigned head[TB_NN_MAX_HEADS]; /* outputs of each, 1..TB_NN_MAX_HEAD */
    unsigned in_layers, out_layers; /* GRU: depth of the MLPs, 0..TB_NN_MAX_DEPTH */
    unsigned n_blocks, kernel;      /* TCN: blocks of two convolutions */
    unsigned dilation[TB_NN_MAX_BLOCKS];
    enum tb_nn_residual residual[TB_NN_MAX_BLOCKS]; /* IDENTITY needs equal widths */
    float leak;                                     /* slope of the leaky ReLU below 0, 0..1 */
    float norm_epsilon;                             /* of the layer norms, > 0 */
    bool fine; /* inputs of int8 matrices in 16383 steps of the loudest, not 127 */
};

/* What a spec needs, in the order that tb_nn_model_new takes it. */
struct tb_nn_shape {
    char name[48];    /* as a PyTorch state dict has it: "in_mlps.0.3.weight" */
    unsigned rank;    /* 1 for vectors, 2 for matrices [out][in], 3 for [out][in][kernel] */
    unsigned dim[3];  /* unused ones are 1 */
    bool quantisable; /* may be TB_NN_I8 */
};

/* Borrowed, little-endian, any alignment. */
struct tb_nn_tensor {
    const void *data;
    enum tb_nn_dtype dtype;
    const float *scales; /* TB_NN_I8 only: [out]; weight = scale * integer, integers -127..127 */
};

struct tb_nn_options {
    enum tb_nn_cpu cpu;
    enum tb_nn_dtype storage; /* of the matrices; TB_NN_N_DTYPES keeps what each tensor has */
    bool lock;                /* keep the weights in memory; a refusal of the system is no error */
};

struct tb_nn_model;
struct tb_nn_bank;
struct tb_nn_run;

/* Control thread. Every bound of spec; *err names the field. */
enum tb_status tb_nn_spec_check(const struct tb_nn_spec *spec, struct tb_error *err);

/* Control thread. Fills up to TB_NN_MAX_TENSORS shapes of a checked spec and returns their number.
 */
size_t tb_nn_shapes(const struct tb_nn_spec *spec, struct tb_nn_shape shapes[TB_NN_MAX_TENSORS]);

/* Control thread. tensors as tb_nn_shapes orders them; nothing of them is kept. NULL with *err for
 * a bad spec, a value that is not finite, kernels this machine lacks, or no memory. */
struct tb_nn_model *tb_nn_model_new(const struct tb_nn_spec *spec,
                                    const struct tb_nn_tensor *tensors,
                                    const struct tb_nn_options *options, struct tb_error *err);
void tb_nn_model_free(struct tb_nn_model *model); /* after its banks */

/* Any thread. */
const struct tb_nn_spec *tb_nn_model_spec(const struct tb_nn_model *model);
enum tb_nn_cpu tb_nn_model_cpu(const struct tb_nn_model *model);
size_t tb_nn_model_bytes(const struct tb_nn_model *model);  /* packed weights */
size_t tb_nn_model_locked(const struct tb_nn_model *model); /* of them held by mlock */
uint64_t tb_nn_model_macs(const struct tb_nn_model *model); /* multiply-adds a voice and frame */
const char *tb_nn_cpu_name(enum tb_nn_cpu cpu);             /* "avx512"; never NULL */
bool tb_nn_cpu_has(enum tb_nn_cpu cpu);                     /* this machine can run it */

/* Control thread. n_slots 1..TB_NN_MAX_SLOTS voices, all in the zero state; NULL: no memory. */
struct tb_nn_bank *tb_nn_bank_new(const struct tb_nn_model *model, unsigned n_slots);
void tb_nn_bank_free(struct tb_nn_bank *bank); /* after its runs */

/* Control thread. A bank may have several runs, on disjoint slots at any moment. */
struct tb_nn_run *tb_nn_run_new(struct tb_nn_bank *bank);
void tb_nn_run_free(struct tb_nn_run *run);

/* RT. Forgets what slot has heard, as before its first frame. Not while a run decodes it. */
TB_RT void tb_nn_reset(struct tb_nn_bank *bank, unsigned slot);

/* RT. Starts a frame of n (1..TB_NN_MAX_BATCH) distinct slots; inputs [n][n_inputs]. Inputs that
 * are not finite count as 0, others are held within -16..16. An unfinished frame is finished. */
TB_RT void tb_nn_begin(struct tb_nn_run *run, const uint8_t *slots, unsigned n,
                       const float *inputs);

/* RT. Does about budget multiply-adds of the frame, at least one piece of it; returns what is left,
 * 0 when the outputs are there. UINT64_MAX finishes. */
TB_RT uint64_t tb_nn_advance(struct tb_nn_run *run, uint64_t budget);

/* RT. Multiply-adds (and what else takes as long) of a whole frame of n voices. */
TB_RT uint64_t tb_nn_cost(const struct tb_nn_model *model, unsigned n);

/* RT. After a finished frame: raw outputs of a head for the i-th slot of tb_nn_begin, always
 * finite; a voice that overflowed gives zeros, is reset and counted. */
TB_RT const float *tb_nn_head(const struct tb_nn_run *run, unsigned i, unsigned head);
TB_RT uint32_t tb_nn_nonfinite(const struct tb_nn_run *run);

/* RT. y[n] from x[n], in place allowed, within 1e-6 of the exact value. */
enum tb_nn_function { TB_NN_SIGMOID, TB_NN_TANH, TB_NN_EXP };
TB_RT void tb_nn_map(enum tb_nn_cpu cpu, enum tb_nn_function function, float *y, const float *x,
                     size_t n);

#endif
