/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Chorus, reverb and the output stage by themselves. */
#include "dsp/effect.h"
#include "dsp/fm_group.h"
#include "dsp/output.h"
#include "dsp/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATE_HZ 48000.0F

struct rig {
    const struct tb_effect *effect;
    void *state;
    float values[TB_N_PARAMS];
    float left[TB_SLICE], right[TB_SLICE];
    float gate; /* of the input: 1 noise, 0 silence */
    uint32_t seed;
    double energy[2], cross;
    float loudest;
};

static void rig_new(struct rig *r, enum tb_effect_id id)
{
    memset(r, 0, sizeof *r);
    r->effect = tb_effects[id];
    size_t bytes = (r->effect->bytes(RATE_HZ) + 63) / 64 * 64;
    r->state = aligned_alloc(64, bytes);
    assert_non_null(r->state);
    memset(r->state, 0, bytes);
    r->effect->init(r->state, RATE_HZ);
    tb_params_default(r->values);
    r->seed = 1;
}

/* Mono noise through the effect for n slices; what comes out is metered. */
static void rig_run(struct rig *r, int slices)
{
    r->energy[0] = r->energy[1] = r->cross = 0.0;
    r->loudest = 0.0F;
    for (int i = 0; i < slices; i++) {
        for (int k = 0; k < TB_SLICE; k++) {
            r->seed = r->seed * 1664525U + 1013904223U;
            r->left[k] = r->right[k] = r->gate * ((float)(r->seed >> 8) / 8388608.0F - 1.0F);
        }
        r->effect->aim(r->state, r->values);
        r->effect->process(r->state, r->left, r->right, TB_SLICE);
        for (int k = 0; k < TB_SLICE; k++) {
            double a = (double)r->left[k], b = (double)r->right[k];
            assert_true(isfinite(a) && isfinite(b));
            r->energy[0] += a * a;
            r->energy[1] += b * b;
            r->cross += a * b;
            r->loudest = fmaxf(r->loudest, fmaxf(fabsf(r->left[k]), fabsf(r->right[k])));
        }
    }
}

static double level_db(const struct rig *r)
{
    return 10.0 * log10(r->energy[0] + r->energy[1] + 1e-30);
}

static int slices_of(double seconds)
{
    return (int)(seconds * (double)RATE_HZ / TB_SLICE);
}

/* Mix 0 touches nothing: bit for bit. */
static void unmixed_effects_pass_the_input(void **state)
{
    (void)state;
    for (int id = 0; id < TB_N_EFFECTS; id++) {
        struct rig r;
        rig_new(&r, (enum tb_effect_id)id);
        r.gate = 1.0F;
        for (int i = 0; i < 100; i++) {
            float in[TB_SLICE], out[TB_SLICE], other[TB_SLICE];
            for (int k = 0; k < TB_SLICE; k++)
                in[k] = out[k] = other[k] = (float)(k - 16) / 17.0F;
            r.effect->aim(r.state, r.values);
            r.effect->process(r.state, out, other, TB_SLICE);
            assert_memory_equal(in, out, sizeof in);
            assert_memory_equal(in, other, sizeof in);
        }
        free(r.state);
    }
}

static void reverb_decays_in_its_time(void **state)
{
    (void)state;
    static const float times[] = {0.5F, 1.8F, 6.0F};
    for (size_t i = 0; i < 3; i++) {
        struct rig r;
        rig_new(&r, TB_EFFECT_REVERB);
        r.values[TB_P_REVERB_MIX] = 1.0F;
        r.values[TB_P_REVERB_DECAY] = times[i];
        r.values[TB_P_REVERB_DAMPING] = 0.0F;
        r.gate = 1.0F;
        rig_run(&r, slices_of(2.0));
        r.gate = 0.0F;
        rig_run(&r, slices_of(0.15));
        int window = slices_of(0.1 * (double)times[i]);
        rig_run(&r, window);
        double early = level_db(&r);
        rig_run(&r, slices_of(0.4 * (double)times[i]));
        rig_run(&r, window);
        double fall = (early - level_db(&r)) / 0.5; /* over half the decay time */
        if (fall < 45.0 || fall > 85.0)
            print_error("%g s: %g dB\n", (double)times[i], fall);
        assert_true(fall >= 45.0 && fall <= 85.0); /* 60 dB, and what 18 kHz damping adds */
        free(r.state);
    }
}

static void reverb_is_wide_and_balanced(void **state)
{
    (void)state;
    struct rig r;
    rig_new(&r, TB_EFFECT_REVERB);
    r.values[TB_P_REVERB_MIX] = 1.0F;
    r.gate = 1.0F;
    rig_run(&r, slices_of(2.0));
    r.gate = 0.0F;
    rig_run(&r, slices_of(0.1));
    rig_run(&r, slices_of(0.5));
    double balance = 10.0 * log10(r.energy[0] / r.energy[1]);
    double correlation = r.cross / sqrt(r.energy[0] * r.energy[1]);
    assert_true(fabs(balance) < 2.0);
    assert_true(fabs(correlation) < 0.3);
    free(r.state);
}

/* silence(): what rings is gone within 5 ms and does not come back. */
static void silence_forgets(void **state)
{
    (void)state;
    for (int id = 0; id < TB_N_EFFECTS; id++) {
        struct rig r;
        rig_new(&r, (enum tb_effect_id)id);
        r.values[TB_P_REVERB_MIX] = r.values[TB_P_CHORUS_MIX] = 1.0F;
        r.values[TB_P_REVERB_DECAY] = 12.0F;
        r.gate = 1.0F;
        rig_run(&r, slices_of(1.0));
        r.gate = 0.0F;
        rig_run(&r, 1);
        assert_true(r.loudest > 0.05F);
        r.effect->silence(r.state);
        rig_run(&r, slices_of(0.0047));
        rig_run(&r, slices_of(2.0));
        assert_true(r.loudest < 1e-6F);
        r.gate = 1.0F;
        rig_run(&r, slices_of(0.2));
        assert_true(r.loudest > 0.5F);
        /* turned down and up again: no echo of before */
        r.values[TB_P_REVERB_MIX] = r.values[TB_P_CHORUS_MIX] = 0.0F;
        rig_run(&r, slices_of(1.0));
        r.gate = 0.0F;
        r.values[TB_P_REVERB_MIX] = r.values[TB_P_CHORUS_MIX] = 1.0F;
        rig_run(&r, slices_of(1.0));
        assert_true(r.loudest < 1e-6F);
        free(r.state);
    }
}

static void chorus_moves_and_keeps_its_level(void **state)
{
    (void)state;
    struct rig r;
    rig_new(&r, TB_EFFECT_CHORUS);
    r.gate = 1.0F;
    rig_run(&r, slices_of(1.0));
    double dry = level_db(&r);
    r.values[TB_P_CHORUS_MIX] = 1.0F;
    rig_run(&r, slices_of(0.5));
    rig_run(&r, slices_of(1.0));
    assert_true(fabs(level_db(&r) - dry) < 1.5);
    double correlation = r.cross / sqrt(r.energy[0] * r.energy[1]);
    assert_true(correlation > 0.2 && correlation < 0.9); /* the sides differ */
    free(r.state);
}

static void the_output_is_limited_and_finite(void **state)
{
    (void)state;
    static const float levels[] = {0.5F, 1.0F, 8.0F, 1e30F};
    for (size_t i = 0; i < 4; i++) {
        struct tb_output o;
        tb_output_init(&o, RATE_HZ);
        tb_ramp_set(&o.gain, 1.0F);
        float most = 0.0F;
        for (int block = 0; block < 300; block++) {
            float left[TB_SLICE], right[TB_SLICE];
            tb_output_begin(&o);
            for (int k = 0; k < TB_SLICE; k++) {
                left[k] = levels[i] * sinf(0.05F * (float)(block * TB_SLICE + k));
                right[k] = -0.5F * left[k];
            }
            tb_output_process(&o, left, right, TB_SLICE);
            for (int k = 0; k < TB_SLICE; k++) {
                assert_true(fabsf(left[k]) <= TB_CEILING && fabsf(right[k]) <= TB_CEILING);
                most = fmaxf(most, fabsf(left[k]));
            }
        }
        assert_true(levels[i] > 0.6F ? most > 0.9F : fabsf(most - 0.5F) < 0.02F);
        assert_true((o.reduction < 0.99F) == (levels[i] > 1.01F) || levels[i] == 1.0F);
        assert_int_equal(o.nonfinite, 0);
    }
}

static void nan_is_caught_and_counted(void **state)
{
    (void)state;
    struct tb_output o;
    tb_output_init(&o, RATE_HZ);
    tb_ramp_set(&o.gain, 1.0F);
    float left[4] = {0.1F, NAN, 0.1F, INFINITY}, right[4] = {-INFINITY, 0.1F, 0.1F, 0.1F};
    tb_output_process(&o, left, right, 4);
    assert_int_equal(o.nonfinite, 3);
    for (int k = 0; k < 4; k++)
        assert_true(fabsf(left[k]) <= 1.0F && fabsf(right[k]) <= 1.0F);
}

static void an_offset_is_blocked(void **state)
{
    (void)state;
    struct tb_output o;
    tb_output_init(&o, RATE_HZ);
    tb_ramp_set(&o.gain, 1.0F);
    float left[TB_SLICE], right[TB_SLICE];
    for (int block = 0; block < 1500; block++) {
        for (int k = 0; k < TB_SLICE; k++)
            left[k] = right[k] = 0.4F;
        tb_output_process(&o, left, right, TB_SLICE);
    }
    assert_true(fabsf(left[TB_SLICE - 1]) < 1e-4F);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unmixed_effects_pass_the_input),
        cmocka_unit_test(reverb_decays_in_its_time),
        cmocka_unit_test(reverb_is_wide_and_balanced),
        cmocka_unit_test(silence_forgets),
        cmocka_unit_test(chorus_moves_and_keeps_its_level),
        cmocka_unit_test(the_output_is_limited_and_finite),
        cmocka_unit_test(nan_is_caught_and_counted),
        cmocka_unit_test(an_offset_is_blocked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
