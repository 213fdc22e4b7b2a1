/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/instrument.h"

static void aim_eg(const struct tb_fm_kernels *kernels, struct tb_fm_group *group,
                   const struct tb_fm_slice *slice, const struct tb_program *program)
{
    kernels->aim(group, slice, program);
}

/* The DX7's envelope generators, pitch envelope and LFO. */
static const struct tb_controller controller_eg = {
    .name = "eg",
    .start = tb_fm_lane_start,
    .release = tb_fm_lane_release,
    .edit = tb_fm_lane_edit,
    .over = tb_fm_lane_over,
    .rests = tb_fm_lane_rests,
    .aim = aim_eg,
};

static void render_fm(const struct tb_fm_kernels *kernels, struct tb_fm_group *group, float *sum,
                      uint32_t n)
{
    kernels->render[group->algorithm](group, sum, n);
}

/* Six operators in one of 32 algorithms. */
static const struct tb_synth synth_fm = {.name = "fm", .render = render_fm};

const struct tb_controller *const tb_controllers[TB_N_CONTROLLERS] = {
#define CONTROLLER(ID, NAME) [TB_CONTROLLER_##ID] = &controller_##NAME,
#include "dsp/controllers.def"
#undef CONTROLLER
};

const struct tb_synth *const tb_synths[TB_N_SYNTHS] = {
#define SYNTH(ID, NAME) [TB_SYNTH_##ID] = &synth_##NAME,
#include "dsp/synths.def"
#undef SYNTH
};
