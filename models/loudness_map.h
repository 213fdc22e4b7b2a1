/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_LOUDNESS_MAP_H
#define TB_MODELS_LOUDNESS_MAP_H

#include "dsp/neural_controls.h"
#include "models/model_file.h"

/* Any thread. The loudness_offsets of meta as the engine and the offline player apply them. */
void tb_loudness_map_of(const struct tb_model_meta *meta, struct tb_loudness_map *map);

#endif
