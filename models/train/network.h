/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_NETWORK_H
#define TB_MODELS_TRAIN_NETWORK_H

#include "base/error.h"
#include "models/nn/nn.h"
#include "models/train/ops.h"

struct tb_random;

/* The trainable instruments: a decoder from pitch and loudness to controls, a synthesiser and a
 * learned reverb, in the shapes of "Distilling DDSP" (2025) and DDX7 (2022). */
enum tb_family { TB_FAMILY_HPN, TB_FAMILY_DDX7, TB_FAMILY_WAVETABLE };

/* What passes by a block of the TCN. The papers and their code differ (a 1 x 1 convolution on every
 * block, or on the first and last only); ours is a convolution where the number of channels changes
 * and the input itself elsewhere, which costs nothing and lets gradients through. */
enum tb_residual {
    TB_RESIDUAL_DEFAULT, /* as above */
    TB_RESIDUAL_NONE,
    TB_RESIDUAL_IDENTITY, /* needs equal channels */
    TB_RESIDUAL_CONV,
};

enum { TB_NETWORK_MAX_BLOCKS = 10 };

struct tb_network_spec {
    enum tb_family family;
    size_t hidden; /* width of the GRU decoder, or channels of the TCN */
    size_t blocks; /* of the TCN: dilation 2^block, kernel 3 */
    enum tb_residual residual[TB_NETWORK_MAX_BLOCKS];
    size_t harmonics;          /* hpn */
    size_t bands;              /* noise bands; hpn, wavetable */
    size_t tables, table_size; /* wavetable; the first four are sines of 1..4 cycles, frozen */
    size_t reverb;             /* taps of the learned reverb, 0: none */
    tb_real rate_hz;
    size_t hop;
    tb_real dropout;              /* of the TCN */
    tb_real max_level;            /* ddx7: turns of modulation at full level */
    struct tb_fm_routing routing; /* ddx7 */
};

/* Full and Reduced of each family as published; FM routing and ratios of the flute unless set. */
struct tb_network_spec tb_network_preset(enum tb_family family, bool reduced);

/* What block b really has. */
enum tb_nn_residual tb_network_residual(const struct tb_network_spec *spec, size_t b);

enum { TB_PARAMETER_NAME = 48, TB_PARAMETER_PREFIX = 32, TB_MAX_PARAMETERS = 96 };

struct tb_parameter {
    char name[TB_PARAMETER_NAME]; /* as in the model file */
    size_t rows, cols;
    tb_real *value;             /* [rows][cols] */
    tb_real *moment1, *moment2; /* AdamW's */
    size_t frozen_cols;         /* the first columns stay as they are */
    bool frozen;
};

struct tb_network {
    struct tb_network_spec spec;
    struct tb_parameter parameters[TB_MAX_PARAMETERS];
    size_t n_parameters, n_values;
    tb_real *memory;
};

/* Takes memory and initialises as PyTorch does (uniform by fan-in), reverb and tables as published.
 * NULL with *err filled on a bad spec or no memory. */
struct tb_network *tb_network_new(const struct tb_network_spec *spec, uint64_t seed,
                                  struct tb_error *err);
void tb_network_free(struct tb_network *network);
struct tb_parameter *tb_network_find(struct tb_network *network, const char *name);

/* What a forward pass needs of clips * frames frames and clips * frames * hop samples. */
struct tb_batch {
    struct tb_grid grid;
    const tb_real *f0_hz;    /* [clips * frames] */
    const tb_real *pitch;    /* [clips * frames] midi / 127 */
    const tb_real *loudness; /* [clips * frames] dB / 80 + 1 */
    const tb_real *noise;    /* [clips * samples] uniform -1..1 */
    const tb_real *audio;    /* [clips * samples] the recording, target of the loss */
    const tb_real *share_hz; /* [clips * frames] the pitch by which harmonics end below half the
                                rate, for players that learn f0_hz later; NULL: f0_hz */
    bool controls_only;      /* leave the sound out: no audio in the pass; noise may be NULL */
};

struct tb_pass {
    struct tb_tensor control[3]; /* hpn: amplitude, distribution, bands; ddx7: levels;
                                    wavetable: amplitude, attention, bands */
    size_t n_controls;
    struct tb_tensor audio; /* [clips * samples][1] */
};

/* One forward pass; gradients [n_values] (NULL: none wanted) is added to by tb_tape_backward.
 * Several threads may run passes of one network at once, each with its own tape and gradients. */
struct tb_pass tb_network_forward(struct tb_tape *tape, const struct tb_network *network,
                                  const struct tb_batch *batch, tb_real *gradients,
                                  struct tb_random *random);

/* The sound of controls alone, as they are in pass (its audio is not looked at). */
struct tb_tensor tb_network_sound(struct tb_tape *tape, const struct tb_network *network,
                                  const struct tb_batch *batch, const struct tb_pass *pass,
                                  tb_real *gradients);

/* AdamW with decoupled weight decay; gradients [n_values] are scaled down to norm clip first.
 * What is frozen counts for nothing. step counts from 1. Returns the norm before clipping. */
struct tb_adamw {
    double rate, beta1, beta2, epsilon, decay, clip;
};
double tb_adamw_step(struct tb_network *network, const struct tb_adamw *o, tb_real *gradients,
                     uint64_t step);

#endif
