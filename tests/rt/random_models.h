/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_RT_RANDOM_MODELS_H
#define TB_TESTS_RT_RANDOM_MODELS_H

#include "dsp/neural.h"

/* One model of each family in the shapes of published ones, narrower: all weights random, each with
 * a learned reverb. Pitches of 100 to 2000 Hz. */
enum { N_RANDOM_MODELS = 4 };

void random_models_make(void);
void random_models_free(void);
/* Of model i modulo N_RANDOM_MODELS. */
struct tb_neural *random_model_instrument(int i, float rate_hz, enum tb_cpu cpu);

#endif
