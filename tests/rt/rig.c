/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/rt/rig.h"

#include "tests/rt/rtguard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SWAP_TRIES = 4000, RIG_SEED = 12345 };

bool rig_open(struct rig *rig, enum tb_cpu cpu, float rate_hz, uint32_t block)
{
    struct tb_engine_config config = {
        .rate_hz = rate_hz, .max_block = block, .cpu = cpu, .seed = RIG_SEED};
    struct tb_error err = {0};
    *rig = (struct rig){.block = block, .region = "engine", .random = RIG_SEED};
    rig->engine = tb_engine_new(&config, &err);
    if (!rig->engine && err.status == TB_EUNSUPPORTED)
        return false;
    if (!rig->engine)
        fail_msg("tb_engine_new: %s", err.text);
    rig->left = calloc(block, sizeof *rig->left);
    rig->right = calloc(block, sizeof *rig->right);
    assert_non_null(rig->left);
    assert_non_null(rig->right);
    tb_params_default(rig->values);
    return true;
}

void rig_close(struct rig *rig)
{
    tb_engine_free(rig->engine);
    free(rig->left);
    free(rig->right);
}

static void check_channel(struct rig *rig, const float *samples, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        float level = fabsf(samples[i]);
        if (!(level <= 1.0F)) /* NaN too */
            fail_msg("%s: sample %u is %g", rig->region, i, (double)samples[i]);
        rig->peak = fmaxf(rig->peak, level);
    }
}

void rig_render(struct rig *rig, uint32_t n)
{
    struct tb_notice notice;
    tb_guard_enter(rig->region);
    tb_engine_render(rig->engine, rig->left, rig->right, n);
    tb_engine_telemetry(rig->engine, &rig->frame);
    while (tb_engine_notice(rig->engine, &notice)) {
    }
    struct tb_program *retired = tb_engine_retired(rig->engine);
    tb_guard_exit();
    tb_program_free(retired);
    check_channel(rig, rig->left, n);
    check_channel(rig, rig->right, n);
    assert_true(isfinite(rig->frame.rms) && isfinite(rig->frame.f0_hz));
}

void rig_blocks(struct rig *rig, int count)
{
    for (int i = 0; i < count; i++)
        rig_render(rig, rig->block);
}

void rig_send(struct rig *rig, struct tb_event event)
{
    tb_guard_enter(rig->region);
    tb_engine_handle(rig->engine, &event);
    tb_guard_exit();
}

void rig_note(struct rig *rig, int key, int velocity)
{
    rig_send(rig, (struct tb_event){.type = velocity ? TB_EVENT_NOTE_ON : TB_EVENT_NOTE_OFF,
                                    .key = (uint8_t)key,
                                    .source = TB_SOURCE_REST,
                                    .value = (float)velocity});
}

void rig_param(struct rig *rig, enum tb_param id, float value)
{
    rig_send(rig, (struct tb_event){.type = TB_EVENT_PARAM, .id = (uint16_t)id, .value = value});
}

void rig_take(struct rig *rig, struct tb_program *program)
{
    for (int i = 0; i < SWAP_TRIES; i++) {
        tb_guard_enter(rig->region);
        bool taken = tb_engine_swap(rig->engine, program);
        tb_guard_exit();
        if (taken)
            return;
        rig_render(rig, rig->block);
    }
    fail_msg("%s: the program was not taken in %d blocks", rig->region, SWAP_TRIES);
}

void rig_load(struct rig *rig)
{
    struct tb_error err = {0};
    struct tb_program *program = tb_program_new(rig->engine, rig->values, &err);
    if (!program)
        fail_msg("tb_program_new: %s", err.text);
    rig_take(rig, program);
}

double rig_random(struct rig *rig)
{
    rig->random = rig->random * 1664525U + 1013904223U;
    return (double)(rig->random >> 8) / (double)(1 << 24);
}

void rig_random_patch(struct rig *rig)
{
    for (int id = 0; id < TB_N_PARAMS; id++) {
        const struct tb_param_info *info = &tb_params[id];
        double value = tb_param_denormalise((enum tb_param)id, rig_random(rig));
        if (info->scale != TB_SCALE_LINEAR && info->scale != TB_SCALE_LOG)
            value = round(value);
        if (info->owner == TB_OWNER_PATCH)
            rig->values[id] = (float)fmin(fmax(value, info->min), info->max);
    }
}
