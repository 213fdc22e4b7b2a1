/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_INSTRUMENT_H
#define TB_DSP_INSTRUMENT_H

#include "dsp/fm_group.h"
#include "dsp/fm_voice.h"
#include "dsp/program.h"
#include "dsp/rt.h"

/* An instrument is a controller that moves a synthesiser, voice by voice, in groups of TB_LANES
 * voices. All functions are RT. The engine knows voices, keys and time; it knows nothing of
 * envelopes or operators. */

#define TB_DRONE_S 20.0F

/* Aims the ramps of its voices at the end of each slice. To add one: its functions, a line in
 * controllers.def, a test; a program names it. */
struct tb_controller {
    const char *name;
    void (*start)(struct tb_fm_group *group, unsigned lane, const struct tb_program *program,
                  const struct tb_fm_note *note);
    /* back: frames before the end of the slice that was already aimed at */
    void (*release)(struct tb_fm_group *group, unsigned lane, const struct tb_program *program,
                    int32_t back);
    /* rows: what changed, see tb_fm_lane_edit */
    void (*edit)(struct tb_fm_group *group, unsigned lane, const struct tb_program *program,
                 const struct tb_fm_note *note, uint32_t rows);
    /* The voice is gone, whatever it was doing. */
    void (*stop)(struct tb_fm_group *group, unsigned lane, const struct tb_program *program);
    /* The released voice is over. Seconds that it may go on resting at its level, TB_DRONE_S for
     * one that is heard; 0 while it moves. */
    bool (*over)(const struct tb_fm_group *group, unsigned lane, const struct tb_program *program);
    float (*patience)(const struct tb_fm_group *group, unsigned lane,
                      const struct tb_program *program);
    void (*aim)(const struct tb_fm_kernels *kernels, struct tb_fm_group *group,
                const struct tb_fm_slice *slice, const struct tb_program *program);
    /* Before and after the voices of a program are aimed, once a slice, and `end` once more (not
     * whole) when voices changed within it, left frames before its end. Either may be NULL. */
    void (*begin)(const struct tb_program *program, const struct tb_performance *performance);
    void (*end)(const struct tb_program *program, uint32_t left, bool whole);
    /* A lane can be copied with everything that it plays. */
    bool copies;
};

/* Turns ramps into sound, group by group or all voices of a program at once; the other is NULL. To
 * add one: its functions, a line in synths.def, a test. */
struct tb_synth {
    const char *name;
    /* n <= TB_SLICE frames of all voices are added to sum[n][kernels->width] */
    void (*render)(const struct tb_fm_kernels *kernels, struct tb_fm_group *group, float *sum,
                   uint32_t n);
    /* n <= TB_SLICE frames of all voices are added to out[n] */
    void (*mix)(const struct tb_program *program, float *out, uint32_t n);
};

enum tb_controller_id {
#define CONTROLLER(ID, NAME) TB_CONTROLLER_##ID,
#include "dsp/controllers.def"
#undef CONTROLLER
    TB_N_CONTROLLERS
};

enum tb_synth_id {
#define SYNTH(ID, NAME) TB_SYNTH_##ID,
#include "dsp/synths.def"
#undef SYNTH
    TB_N_SYNTHS
};

/* Any thread. */
extern const struct tb_controller *const tb_controllers[TB_N_CONTROLLERS];
extern const struct tb_synth *const tb_synths[TB_N_SYNTHS];

#endif
