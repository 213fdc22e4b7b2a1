/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_TRAIN_STREAM_ENGINE_H
#define TB_TESTS_TRAIN_STREAM_ENGINE_H

#include "models/model_file.h"

#include <stdbool.h>

/* The instrument as the engine plays it: one voice, slice by slice, from its first sample at full
 * gain. The decoder hears f0_hz and loudness_db as they are at stream_heard(k, fm) of frame k; its
 * levels are there two frames later. */
enum { STREAM_HOP = 64, STREAM_RATE_HZ = 32000 };

struct stream_curve {
    const float *f0_hz, *loudness_db; /* [frames], straight lines between them */
    size_t frames;
    bool cut; /* every slice, by an event at one of its samples, which changes nothing */
};

/* out[frames * STREAM_HOP] at STREAM_RATE_HZ, the model's own rate; fails the test on an error */
void stream_engine(const struct tb_model_file *file, const struct stream_curve *curve, float *out);

/* The sample at which frame k's controls are taken; fm: of a model of operators. */
size_t stream_heard(size_t k, bool fm);
float stream_at(const float *frames, size_t n, size_t sample);

/* x[n]: what its noise is filtered from, n a multiple of 16 */
void stream_noise(float *x, size_t n);

#endif
