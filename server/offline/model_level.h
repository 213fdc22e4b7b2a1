/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_MODEL_LEVEL_H
#define TB_SERVER_OFFLINE_MODEL_LEVEL_H

#include "models/neural_spec.h"

/* How loud a model plays at patch.gain 0: the loudest 0.4 s of one note of velocity 100, C4 or the
 * nearest C that the model was trained on, through the whole engine at its defaults. LUFS, K
 * weighting of ITU-R BS.1770-4; -INFINITY for silence. Takes some 10 ms for each second of sound
 * that the model needs; ordinary threads. */
enum tb_status tb_model_level(const struct tb_neural_spec *spec, double *lufs,
                              struct tb_error *err);

#endif
