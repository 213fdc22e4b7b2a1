/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_ENGINE_H
#define TB_DSP_ENGINE_H

#include "base/error.h"
#include "dsp/event.h"
#include "dsp/params.h"
#include "dsp/rt.h"
#include "dsp/telemetry.h"

/* The instrument: notes and parameters in, sound out. One caller at a time; the callers are the
 * audio devices (audio_*.c), the offline renderer and the benchmark. */
struct tb_engine;

/* Everything a patch decides, precomputed for one sample rate. Built on a control thread, then
 * owned by the engine until it comes back from tb_engine_retired. */
struct tb_program;

enum tb_cpu { TB_CPU_PORTABLE, TB_CPU_AVX2, TB_CPU_AVX512, TB_CPU_NEON, TB_CPU_BEST = 255 };

enum { TB_MIN_BLOCK = 16, TB_MAX_BLOCK = 2048, TB_MAX_VOICES = 64 };

struct tb_engine_config {
    float rate_hz;      /* 22050..192000 */
    uint32_t max_block; /* TB_MIN_BLOCK..TB_MAX_BLOCK frames */
    enum tb_cpu cpu;    /* kernels to use; TB_CPU_BEST asks the processor */
    uint32_t seed;      /* of everything random; the same seed gives the same samples */
};

/* Control thread. NULL with *err filled on a bad config, missing cpu support or no memory. All
 * memory is taken and touched here; starts with the INIT voice and the device defaults. */
struct tb_engine *tb_engine_new(const struct tb_engine_config *config, struct tb_error *err);
void tb_engine_free(struct tb_engine *engine);

/* Control thread. Values as they passed tb_param_check; only PATCH parameters are read. NULL with
 * *err filled when a value is out of bounds or memory is short. */
struct tb_program *tb_program_new(const struct tb_engine *engine, const float values[TB_N_PARAMS],
                                  struct tb_error *err);
void tb_program_free(struct tb_program *program); /* NULL is allowed */

/* RT. Takes program over: new notes use it, sounding notes cross-fade to it. False when the
 * previous one is still fading: try again after the next block. */
TB_RT bool tb_engine_swap(struct tb_engine *engine, struct tb_program *program);

/* RT. A program that is no longer used, or NULL. Free it on a control thread. */
TB_RT struct tb_program *tb_engine_retired(struct tb_engine *engine);

/* RT. Takes effect in the next render, at event->offset. Unknown types and bad values are ignored
 * and counted. Up to TB_MAX_EVENTS a block; more are applied at once. */
enum { TB_MAX_EVENTS = 512 };
TB_RT void tb_engine_handle(struct tb_engine *engine, const struct tb_event *event);

/* RT. What the input heard for the coming block, mono; any n, also 0. Frames of its analysis take
 * effect at their place in the block, so sounds of equal length at both sides give the same samples
 * for every block size. Values that are no numbers count as 0. */
TB_RT void tb_engine_input(struct tb_engine *engine, const float *mono, uint32_t n);

/* What the input sounds like, after the last render. */
struct tb_engine_heard {
    float f0_hz;      /* 0: no pitch */
    float confidence; /* 0..1 */
    float level_db;   /* of full scale, -120: nothing */
    bool open;        /* above transfer.gate */
};
TB_RT void tb_engine_heard(const struct tb_engine *engine, struct tb_engine_heard *heard);

/* RT. After a render: how long it took against the time that it plays, 1 = the deadline. Near the
 * deadline, two blocks in a row, voices are given up, the oldest released first, and counted. Only
 * for those who must be on time. */
TB_RT void tb_engine_load(struct tb_engine *engine, float load);

/* RT. n <= max_block frames, any number; always finite and within -1..1. */
TB_RT void tb_engine_render(struct tb_engine *engine, float *left, float *right, uint32_t n);

/* RT. State after the last render; load and late are left to the caller. */
TB_RT void tb_engine_telemetry(const struct tb_engine *engine, struct tb_frame *frame);

/* RT. The next note that really started or ended since the last call; false when there is none. */
TB_RT bool tb_engine_notice(struct tb_engine *engine, struct tb_notice *notice);

/* Any thread. "avx512"; never NULL. */
const char *tb_cpu_name(enum tb_cpu cpu);
enum tb_cpu tb_engine_cpu(const struct tb_engine *engine);

#endif
