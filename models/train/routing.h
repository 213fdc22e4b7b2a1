/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_ROUTING_H
#define TB_MODELS_TRAIN_ROUTING_H

#include "base/error.h"
#include "models/model_file.h"
#include "models/train/ops.h"

/* FM routings of trained instruments: the DX7's algorithms, and how metadata spells them. */

/* The DX7 voices whose ratios DDX7 trains on (section 3 of the facts). */
struct tb_fm_voice_preset {
    const char *name; /* "flute" */
    unsigned algorithm;
    double ratio[6]; /* operators 1..6 */
};
extern const struct tb_fm_voice_preset tb_fm_voice_presets[]; /* ends with name NULL */
const struct tb_fm_voice_preset *tb_fm_voice_preset_find(const char *name); /* or NULL */

struct tb_fm_choice {
    unsigned algorithm; /* 1..32 */
    double ratio[6];    /* 0..64 */
    double feedback;    /* DX7 units 0..7: index 2^(fb - 8); 0: none */
    double max_level;   /* turns of modulation at full level */
};

/* TB_EUNSUPPORTED for the two algorithms whose feedback goes round several operators, when feedback
 * is wanted. */
enum tb_status tb_fm_routing_make(const struct tb_fm_choice *choice, struct tb_fm_routing *routing,
                                  struct tb_error *err);

/* Fills the fm.* keys and n_operators of meta; the number of a DX7 algorithm where one has these
 * edges, else the edges themselves. TB_EUNSUPPORTED: feedback that no key can say. */
enum tb_status tb_fm_routing_describe(const struct tb_fm_routing *routing,
                                      struct tb_model_meta *meta, struct tb_error *err);

/* And back. modulates as in struct tb_model_file, for algorithm 0. */
enum tb_status tb_fm_routing_read(const struct tb_model_meta *meta, const uint8_t modulates[6],
                                  struct tb_fm_routing *routing, struct tb_error *err);

#endif
