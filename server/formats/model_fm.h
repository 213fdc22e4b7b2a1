/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_FORMATS_MODEL_FM_H
#define TB_SERVER_FORMATS_MODEL_FM_H

#include "base/error.h"
#include "dsp/algorithms.h"
#include "dsp/neural.h"

#include <jansson.h>

/* The operators under a network as clients see them: how they are wired and tuned. Any thread but
 * audio. */
struct tb_model_fm {
    unsigned algorithm;          /* 1..32, 0: a free routing */
    unsigned operators;          /* 1..6 */
    struct tb_algorithm routing; /* of that algorithm, or the free one */
    double ratios[TB_N_OPERATORS];
    double feedback;  /* DX7 steps, 0..7 */
    double max_level; /* multiples of 2 pi */
};

/* {"carriers":[1,3],"edges":[[2,1]],"feedback":[6,6]}; operators from 1. NULL without memory. */
json_t *tb_algorithm_to_json(const struct tb_algorithm *algorithm);

/* false for a family without operators. */
bool tb_model_fm_of(const struct tb_neural_spec *spec, struct tb_model_fm *fm);

/* NULL without memory. */
json_t *tb_model_fm_to_json(const struct tb_model_fm *fm);
/* Of what a process told that has read a stranger's file. TB_EINVAL names the member. */
enum tb_status tb_model_fm_from_json(const json_t *json, struct tb_model_fm *fm,
                                     struct tb_error *err);

#endif
