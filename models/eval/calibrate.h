/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_EVAL_CALIBRATE_H
#define TB_MODELS_EVAL_CALIBRATE_H

#include "models/eval/model.h"
#include "models/train/dataset.h"

#include <stdatomic.h>

/* How loud a model is for the loudness that it is asked for, and what to ask it for instead: the
 * key loudness_offsets of its metadata (FORMAT.md). A network trained on spectra leaves errors of
 * some dB that are the same whenever level and pitch are; those can be taken out in front of it.
 *
 * Clips of the training split are played and heard as the analysis hears them. What is missing at a
 * crossing of the grid is the median over the frames around it; it is added to what is asked for,
 * and all is played again, some times, since offsets change the sound they were found by. */

/* 3 minutes, some seconds of work */
enum { TB_CALIBRATE_CLIPS = 48, TB_CALIBRATE_ROUNDS = 5 };

struct tb_calibrate_report {
    double before_db, after_db; /* mean absolute error of loudness over those clips */
    unsigned rounds;            /* that were played */
    size_t n_clips;
    bool worth;   /* false: nothing was gained, and the model has no offsets */
    bool stopped; /* before anything was known */
};

/* How: up to most clips of the training split, spread over it, at most so many times each. */
struct tb_calibrate_options {
    const struct tb_dataset *data;
    size_t clips;
    unsigned rounds;
    const atomic_int *stop; /* set: gives up, and nothing is worth it; or NULL */
};

/* Measures the model of file; with less than a second of sound nothing is worth it. *meta becomes
 * that of file with the new offsets. TB_EUNSUPPORTED: a model whose loudness is a velocity; and
 * what tb_player_new refuses. */
enum tb_status tb_calibrate(const struct tb_model_file *file,
                            const struct tb_calibrate_options *options, struct tb_model_meta *meta,
                            struct tb_calibrate_report *report, struct tb_error *err);

/* The same for the file at path, which is written anew unless it was stopped. */
enum tb_status tb_calibrate_file(const char *path, const struct tb_calibrate_options *options,
                                 struct tb_calibrate_report *report, struct tb_error *err);

#endif
