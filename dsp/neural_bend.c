/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/neural_bend.h"

#include "dsp/fastmath.h"

/* The lowest value switches off. */
static float gain_of(const float *values, unsigned id)
{
    return values[id] <= (float)tb_params[id].min ? 0.0F : tb_db_gain(values[id]);
}

void tb_neural_bend_derive(struct tb_neural_bend *b, const float v[TB_N_PARAMS])
{
    enum { STRIDE = TB_P_NEURAL_OP2_RATIO - TB_P_NEURAL_OP1_RATIO };
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        b->ratio[op] = v[TB_P_NEURAL_OP1_RATIO + op * STRIDE];
        b->level[op] = v[TB_P_NEURAL_OP1_LEVEL + op * STRIDE];
    }
    b->octaves = v[TB_P_NEURAL_PITCH] / 12.0F;
    b->loudness_db = v[TB_P_NEURAL_LOUDNESS];
    b->feedback = v[TB_P_NEURAL_FEEDBACK];
    b->routing = (uint8_t)v[TB_P_NEURAL_ROUTING];
    b->stretch = v[TB_P_NEURAL_STRETCH];
    b->odd_even = v[TB_P_NEURAL_ODD_EVEN];
    b->tilt_db = v[TB_P_NEURAL_TILT];
    b->harmonic_gain = gain_of(v, TB_P_NEURAL_HARMONIC_GAIN);
    b->noise_gain = gain_of(v, TB_P_NEURAL_NOISE_GAIN);
    b->attention = v[TB_P_NEURAL_ATTENTION];
    b->table = v[TB_P_NEURAL_TABLE];
    b->reverb = v[TB_P_NEURAL_REVERB];
    b->reverb_decay = v[TB_P_NEURAL_REVERB_DECAY];
    b->mix = v[TB_P_AB_MIX];
    b->morph = v[TB_P_AB_MORPH] > 0.5F;
}
