/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_EVAL_MEASURE_H
#define TB_MODELS_EVAL_MEASURE_H

#include "dsp/analysis.h"
#include "models/eval/frechet.h"

/* What can be said of a sound in numbers. Everything at 16 kHz. Ordinary threads. */

/* Multi-scale spectral loss (models/train/ops.h) of n > 1024 samples against a reference.
 * levelled: ours has the reference's power first. NAN without memory. */
double tb_measure_mss(const float *ours, const float *reference, size_t n, bool levelled);

/* The same with noise of amplitude .001, -60 dB of full scale, under both: what is softer than that
 * counts for little. */
double tb_measure_mss_over_noise(const float *ours, const float *reference, size_t n);

/* Difference of spectral envelopes: RMS over mel bands of the difference in dB, each frame's mean
 * taken off first, mean over frames where the reference is within 40 dB of its loudest; bands are
 * held above -60 dB of their frame's loudest. NAN when there is no such frame. */
double tb_measure_envelope_db(const struct tb_mel_frame *ours, const struct tb_mel_frame *reference,
                              size_t n);

/* Clicks: second differences |x[i-1] - 2 x[i] + x[i+1]| against their own RMS over the 32 ms around
 * them (at least 1e-5): a sine has 1.4, noise up to 5, a narrow pulse once a window up to 16. */
struct tb_clicks {
    double largest; /* ratio */
    double at_s;    /* where that is */
    size_t n;       /* samples above TB_CLICK_RATIO */
};
enum { TB_CLICK_RATIO = 12 };
void tb_measure_clicks(const float *x, size_t n, struct tb_clicks *clicks);

/* RMS in dB of full scale, -160 at silence. */
double tb_measure_level_db(const float *x, size_t n);

/* How a sound follows the curves that asked for it, frame by frame. Sums: zero it to begin. */
enum { TB_FOLLOW_BINS = 2400 }; /* half cents up to 1200 */
struct tb_follow_sums {
    uint64_t cents[TB_FOLLOW_BINS];
    uint64_t n_asked, n_pitch, n_loudness;
    double cents_sum, loudness_error, x, y, xx, yy, xy;
};

struct tb_follow {
    double cents_median, cents_mean; /* absolute; frames where both have a pitch */
    double heard;                    /* share of the frames asked for that have a pitch */
    double off;                      /* share of those more than 50 cents off */
    double loudness_db;              /* mean absolute difference */
    double correlation;              /* of loudness asked for and heard, -1..1 */
    uint64_t n_pitch, n_loudness;
};

/* What was asked for; confidence NULL counts as 1 everywhere. */
struct tb_asked {
    const float *f0_hz, *loudness_db, *confidence; /* [n] */
    size_t n;
    unsigned ahead; /* frames by which the rows are earlier than the causal analysis (dataset.h) */
    float floor_db; /* of loudness */
};

/* Analyses audio[asked->n * 64] with the engine's own tracker and tells what is heard of each frame
 * that was asked for, but for the first 64, where it has not heard enough. */
struct tb_heard {
    void (*frame)(void *context, size_t t, const struct tb_analysis_frame *heard);
    void *context;
};
enum tb_status tb_measure_heard(const float *audio, const struct tb_asked *asked,
                                const struct tb_analysis_config *config,
                                const struct tb_heard *heard, struct tb_error *err);

/* Adds what is heard of audio[asked->n * 64], as above. Pitch counts where the confidence asked
 * for is 0.85 or more and the loudness 20 dB above its floor; loudness from 10 dB above it. */
enum tb_status tb_measure_follow(const float *audio, const struct tb_asked *asked,
                                 const struct tb_analysis_config *config,
                                 struct tb_follow_sums *sums, struct tb_error *err);
void tb_measure_follow_end(const struct tb_follow_sums *sums, struct tb_follow *follow);

#endif
