/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_EVAL_EVALUATE_H
#define TB_MODELS_EVAL_EVALUATE_H

#include "models/eval/measure.h"
#include "models/eval/model.h"

/* A model against sounds that it should have made: clips of a data set, or another model's. Models
 * at 16 kHz with frames of 64 samples. One thread. */

struct tb_brightness_sums {
    double n, x, y, xx, xy;
};

struct tb_evaluation {
    const struct tb_model_file *file;
    struct tb_player *player;
    struct tb_analysis_config analysis;
    unsigned ahead;    /* of the features, frames (dataset.h) */
    bool has_loudness; /* false: loudness is a velocity, and is not heard */
    size_t n_clips, n_samples;
    double loss, loss_levelled, loss_over_noise, envelope_db;
    size_t n_envelopes;
    struct tb_follow_sums follow, reference_follow;
    struct tb_frechet_set ours, reference;
    struct tb_clicks clicks, reference_clicks;
    struct tb_brightness_sums bright, reference_bright;
};

/* What is heard where nothing hides it: a note at the lowest, middle and highest pitch that rises
 * from soft to loud, and silence before and after a note. */
struct tb_probe {
    double silence_db;  /* loudest of six: the last .5 s of 1 s before and of 3 s after a note */
    double correlation; /* of loudness asked for and heard while it rises; the worst pitch */
    double brightness;  /* octaves of the centroid for 10 dB of sound, while it rises; mean */
    struct tb_clicks clicks;
};

struct tb_eval_result {
    size_t n_clips;
    double minutes;
    double loss, loss_levelled, loss_over_noise, frechet, envelope_db;
    struct tb_follow follow;    /* how the model follows what it was asked for */
    struct tb_follow reference; /* and how far the recordings do: what the measure itself misses */
    struct tb_clicks clicks, reference_clicks;
    double clicks_a_minute, reference_clicks_a_minute;
    double brightness, reference_brightness; /* octaves for 10 dB, over all frames of all clips */
    double us_per_frame, us_per_frame_of_8;  /* decoder: one voice; one of eight together */
    double share; /* of one core: one of eight voices with synthesiser and reverb, at 48 kHz */
    struct tb_probe probe;
};

/* file must outlive it. False with *err: another rate or frame than data sets have, and what
 * tb_player_new refuses. */
bool tb_evaluation_begin(struct tb_evaluation *e, const struct tb_model_file *file,
                         const struct tb_play_options *options, struct tb_error *err);
void tb_evaluation_clear(struct tb_evaluation *e);

/* Plays asked, of 32 frames or more, into audio[asked->n * 64] and compares with reference (as
 * long). ahead and floor_db of asked are filled in from the model. */
enum tb_status tb_evaluation_add(struct tb_evaluation *e, const struct tb_asked *asked,
                                 const float *reference, float *audio, struct tb_error *err);

/* The numbers, after any number of clips; plays the probe. NAN where nothing was heard. */
enum tb_status tb_evaluation_end(struct tb_evaluation *e, struct tb_eval_result *result,
                                 struct tb_error *err);

/* evaluate_probe.c */
enum tb_status tb_evaluation_probe(struct tb_evaluation *e, struct tb_probe *probe,
                                   struct tb_error *err);
void tb_brightness_add(struct tb_brightness_sums *sums, const struct tb_mel_frame *frames,
                       size_t n);
double tb_brightness(const struct tb_brightness_sums *sums); /* NAN: too little was heard */

#endif
