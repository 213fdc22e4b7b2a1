/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_NEURAL_SPEC_H
#define TB_MODELS_NEURAL_SPEC_H

#include "dsp/neural.h"
#include "models/model_file.h"

/* Control thread. What the engine wants to know of a parsed file, for tb_neural_new; spec points
 * into file. */
void tb_neural_spec_of(const struct tb_model_file *file, struct tb_neural_spec *spec);

#endif
