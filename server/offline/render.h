/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_RENDER_H
#define TB_SERVER_OFFLINE_RENDER_H

#include "dsp/engine.h"
#include "models/model_file.h"
#include "server/offline/score.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A score through the real engine, faster than real time and sample-accurate: an event at t plays
 * at frame round(t * rate). The same spec on the same CPU variant gives the same bytes. Any thread
 * but audio; one render a spec at a time. */

enum { TB_RENDER_MAX_SECONDS = 600, TB_RENDER_BLOCK = 64 };

struct tb_render_spec {
    const float *values; /* [TB_N_PARAMS], natural; patch and device parameters both count */
    const struct tb_model_file *models[2]; /* A, B: what the notes play; NULL both: plain FM */
    const struct tb_score *score;          /* sorted */
    const float *input;                    /* [n_input] a sound that plays too, mono at rate_hz */
    size_t n_input;                        /* 0: none; it plays where transfer.source says so */
    uint32_t rate_hz;                      /* 22050..192000 */
    uint32_t block;                        /* TB_MIN_BLOCK..TB_MAX_BLOCK frames */
    uint32_t seed;
    enum tb_cpu cpu;
    double total_s; /* > 0: exactly so long; 0: until it is silent behind the end of the score */
    double tail_s;  /* how long to wait for that silence, 0..60; what still sounds then fades out */
    /* Takes n frames, at most block; false ends the render with TB_ECONFLICT ("stopped"). */
    bool (*sink)(void *context, const float *left, const float *right, uint32_t n);
    void *context;
};

struct tb_render_report {
    uint64_t frames;
    double peak; /* linear, before the file format */
    bool cut;    /* it still sounded when tail_s was over */
};

/* TB_EINVAL and TB_ETOOLARGE name field and bound, before anything is rendered. report may be
 * NULL. */
enum tb_status tb_render(const struct tb_render_spec *spec, struct tb_render_report *report,
                         struct tb_error *err);

/* Turns values into the bare voice: no chorus, no reverb, patch and master level at 0 dB, no master
 * tuning. What is left between the operators and the output is the DC block and the limiter, which
 * is idle below its threshold. */
void tb_render_make_dry(float values[TB_N_PARAMS]);

#endif
