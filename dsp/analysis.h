/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_ANALYSIS_H
#define TB_DSP_ANALYSIS_H

#include "base/error.h"
#include "dsp/rt.h"

#include <stdbool.h>
#include <stddef.h>

/* Pitch and loudness of a sound as it arrives, 250 frames a second: what drives a neural instrument
 * from an input, and what makes the features that one is trained on. Causal: frame k knows the
 * sound up to sample (k + 1) * rate / 250. The input is brought to 16 kHz first, so features are
 * the same at every device rate. */

enum { TB_ANALYSIS_RATE_HZ = 16000, TB_ANALYSIS_HOP = 64, TB_ANALYSIS_MAX_FFT = 2048 };

/* The values are those of enum tb_model_loudness. */
enum tb_analysis_loudness {
    TB_ANALYSIS_A_WEIGHTED, /* dB of each bin plus A-weighting, less the reference, held above the
                               floor, then the mean over bins */
    TB_ANALYSIS_MAGENTA_V2, /* A-weighted power, mean over bins, in dB, held above the floor */
    TB_ANALYSIS_RMS,        /* mean power of the window in dB, held above the floor */
};

/* What its loudness means. */
struct tb_analysis_scale {
    enum tb_analysis_loudness loudness;
    unsigned n_fft; /* as in the config */
    float reference_db, floor_db;
};

struct tb_analysis_config {
    float rate_hz; /* of the input, whole, 8000..192000 */
    float gate_db; /* level below which nothing is voiced, -120..0 dB of full scale; -60 is usual */
    enum tb_analysis_loudness loudness;
    unsigned n_fft;     /* window of the loudness at 16 kHz: 256, 512, 1024 or 2048 */
    float reference_db; /* 20.7 with n_fft 2048 in the published systems */
    float floor_db;     /* -80 */
};

struct tb_analysis_frame {
    float f0_hz;       /* 50..2000, 0 when not voiced */
    float confidence;  /* 0..1: how periodic */
    float level_db;    /* mean power of the last 25 ms, dB of full scale, down to -120 */
    float loudness_db; /* as configured */
    bool voiced;
};

struct tb_analysis;

/* Control thread. NULL with *err naming the field. */
struct tb_analysis *tb_analysis_new(const struct tb_analysis_config *config, struct tb_error *err);
void tb_analysis_free(struct tb_analysis *analysis);

/* RT. Forgets everything. */
TB_RT void tb_analysis_reset(struct tb_analysis *analysis);

/* RT. Loudness means this from the next frame on; what was heard so far counts. False and nothing
 * changed where a field is out of its bounds. */
TB_RT bool tb_analysis_use(struct tb_analysis *analysis, const struct tb_analysis_scale *scale);

/* RT. Takes n samples and writes the frames that became complete, at most `most`; returns their
 * number, which is at most n * 250 / rate + 1. Frames beyond `most` are lost. NaN counts as 0. */
TB_RT size_t tb_analysis_process(struct tb_analysis *analysis, const float *in, size_t n,
                                 struct tb_analysis_frame *frames, size_t most);

#endif
