/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/instrument.h"

#include "dsp/neural_pair.h"

static void aim_eg(const struct tb_fm_kernels *kernels, struct tb_fm_group *group,
                   const struct tb_fm_slice *slice, const struct tb_program *program)
{
    kernels->aim(group, slice, program);
}

static void stop_eg(struct tb_fm_group *group, unsigned lane, const struct tb_program *program)
{
    (void)program;
    tb_fm_lane_clear(group, lane);
}

static bool over_eg(const struct tb_fm_group *group, unsigned lane,
                    const struct tb_program *program)
{
    (void)program;
    return tb_fm_lane_over(group, lane, tb_algorithms[group->algorithm].carriers);
}

static float patience_eg(const struct tb_fm_group *group, unsigned lane,
                         const struct tb_program *program)
{
    (void)program;
    return tb_fm_lane_rests(group, lane, tb_algorithms[group->algorithm].carriers) ? TB_DRONE_S
                                                                                   : 0.0F;
}

/* The DX7's envelope generators, pitch envelope and LFO. */
static const struct tb_controller controller_eg = {
    .name = "eg",
    .start = tb_fm_lane_start,
    .release = tb_fm_lane_release,
    .edit = tb_fm_lane_edit,
    .stop = stop_eg,
    .over = over_eg,
    .patience = patience_eg,
    .aim = aim_eg,
    .copies = true,
};

static void edit_neural(struct tb_fm_group *group, unsigned lane, const struct tb_program *program,
                        const struct tb_fm_note *note, uint32_t rows)
{
    (void)group, (void)lane, (void)program, (void)note, (void)rows; /* no operator of the DX7 */
}

/* Networks on pitch and loudness. */
static const struct tb_controller controller_neural = {
    .name = "neural",
    .start = tb_pair_start,
    .release = tb_pair_release,
    .edit = edit_neural,
    .stop = tb_pair_stop,
    .over = tb_pair_over,
    .patience = tb_pair_patience,
    .aim = tb_pair_aim,
    .begin = tb_pair_begin,
    .end = tb_pair_end,
};

static void render_fm(const struct tb_fm_kernels *kernels, struct tb_fm_group *group, float *sum,
                      uint32_t n)
{
    kernels->render[group->algorithm](group, sum, n);
}

/* Six operators in one of 32 algorithms. */
static const struct tb_synth synth_fm = {.name = "fm", .render = render_fm};

/* Harmonics, noise, wavetables or operators: whatever the models of the pair drive. */
static const struct tb_synth synth_neural = {.name = "neural", .mix = tb_pair_mix};

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
