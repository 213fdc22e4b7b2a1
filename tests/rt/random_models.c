/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/rt/random_models.h"

#include "tests/golden/neural_fixture.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 32 };

static struct neural_model models[N_RANDOM_MODELS];

static void shape_operators(struct tb_model_meta *meta)
{
    meta->dilations = (struct tb_model_reals){3, {1, 2, 4}};
    meta->residuals =
        (struct tb_model_reals){3, {TB_NN_RES_CONV, TB_NN_RES_IDENTITY, TB_NN_RES_CONV}};
    meta->fm_algorithm = 0;
    (void)snprintf(meta->fm_routing, sizeof meta->fm_routing, "6>5,4>3,2>1");
    meta->fm_carriers = (struct tb_model_reals){3, {1, 3, 5}};
    meta->fm_feedback = 5;
}

void random_models_make(void)
{
    static const enum tb_model_family families[N_RANDOM_MODELS] = {
        TB_MODEL_HPN, TB_MODEL_WAVETABLE, TB_MODEL_DDX7, TB_MODEL_FM_ENVELOPE};
    for (int i = 0; i < N_RANDOM_MODELS; i++) {
        struct neural_model *m = &models[i];
        neural_model_init(m, families[i]);
        m->meta.width = WIDTH;
        m->meta.in_layers = m->meta.out_layers = families[i] == TB_MODEL_FM_ENVELOPE ? 0 : 2;
        m->meta.n_harmonics = 100;
        m->meta.n_bands = 65;
        m->meta.pitch_low_hz = 100;
        if (families[i] == TB_MODEL_DDX7)
            shape_operators(&m->meta);
        m->meta.reverb = TB_REVERB_IMPULSE;
        m->impulse[0] = 1;
        for (int k = 1; k < 2000; k++)
            m->impulse[k] = 0.2F * expf(-(float)k / 500) * sinf((float)(k * k));
        neural_model_lay_out(m);
        neural_model_random(m, (unsigned)i + 1);
        neural_model_encode(m);
    }
}

void random_models_free(void)
{
    for (int i = 0; i < N_RANDOM_MODELS; i++)
        neural_model_free(&models[i]);
}

struct tb_neural *random_model_instrument(int i, float rate_hz, enum tb_cpu cpu)
{
    return neural_model_instrument(&models[i % N_RANDOM_MODELS], rate_hz, cpu);
}
