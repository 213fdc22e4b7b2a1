/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_RT_RIG_H
#define TB_RT_RIG_H

#include "dsp/engine.h"

/* An engine that is only ever called inside a guarded region, as the audio thread would call it,
 * and whose every output sample is checked to be finite and within -1..1. */
struct rig {
    struct tb_engine *engine;
    const char *region; /* named in the guard's report */
    float *left, *right;
    uint32_t block;
    float values[TB_N_PARAMS];
    struct tb_frame frame; /* telemetry of the last block */
    float peak;            /* of everything rendered since rig_open */
    uint32_t random;
};

/* False where this machine cannot run cpu's kernels; any other fault fails the test. */
bool rig_open(struct rig *rig, enum tb_cpu cpu, float rate_hz, uint32_t block);
void rig_close(struct rig *rig);

/* One block of n <= block frames, with telemetry, notices and retired programs. */
void rig_render(struct rig *rig, uint32_t n);
void rig_blocks(struct rig *rig, int count);

void rig_send(struct rig *rig, struct tb_event event);
void rig_note(struct rig *rig, int key, int velocity); /* velocity 0: note off */
void rig_param(struct rig *rig, enum tb_param id, float value);

/* Swaps a program in, rendering until the engine takes it. */
void rig_take(struct rig *rig, struct tb_program *program);
/* The same with one built from rig->values. */
void rig_load(struct rig *rig);

/* 0..1, from rig->random. */
double rig_random(struct rig *rig);

/* Every value of a patch anywhere within its bounds. */
void rig_random_patch(struct rig *rig);

#endif
