/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_FM_ENV_H
#define TB_MODELS_TRAIN_FM_ENV_H

#include "models/train/fm_env_notes.h"
#include "models/train/network.h"

#include <stdatomic.h>

/* A recurrent network that learns a DX7 voice's envelopes: GRU(2 -> width) + Linear(width -> 6),
 * after FM Tone Transfer (Caspe et al. 2023). It needs no recordings: every step renders the notes
 * that it trains on. One thread. */

struct tb_fm_env_options {
    size_t width;  /* 2..512; 128 as published */
    size_t batch;  /* notes a step, 1..64 */
    size_t frames; /* of each, at rate_hz / hop frames a second */
    unsigned low_key, high_key;
    double rate;    /* of AdamW at first; it falls to a twentieth along a cosine */
    uint64_t steps; /* 0: until the minutes are over */
    double minutes; /* 0: until the steps are done */
    uint64_t seed;
};
void tb_fm_env_defaults(struct tb_fm_env_options *options);

struct tb_fm_env_report {
    uint64_t step;
    double loss; /* mean absolute difference of levels, in network output */
    double steps_per_s, left_s;
};

struct tb_fm_env;

/* Borrows voice. NULL with *err. */
struct tb_fm_env *tb_fm_env_new(const struct tb_fm_env_voice *voice,
                                const struct tb_fm_env_options *options, struct tb_error *err);
void tb_fm_env_free(struct tb_fm_env *env);

/* Trains to the end; report every second or so. *stop (or NULL) ends it early. */
enum tb_status tb_fm_env_go(struct tb_fm_env *env, const atomic_int *stop,
                            void (*report)(void *context, const struct tb_fm_env_report *report),
                            void *context, struct tb_error *err);

/* Mean absolute difference over 64 notes that no step has seen, of levels in halves of a cycle (as
 * published: DX7 levels / 2) with the network's output held within 0..1 as the engine holds it. */
enum tb_status tb_fm_env_test(struct tb_fm_env *env, double *l1, struct tb_error *err);

uint64_t tb_fm_env_steps(const struct tb_fm_env *env);

/* A model file in memory, to be freed; meta has a name and what else is to be said. */
void *tb_fm_env_encode(const struct tb_fm_env *env, const struct tb_model_meta *meta,
                       enum tb_nn_dtype storage, size_t *size, struct tb_error *err);

#endif
