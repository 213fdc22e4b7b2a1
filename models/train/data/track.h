/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_DATA_TRACK_H
#define TB_MODELS_TRAIN_DATA_TRACK_H

#include "dsp/analysis.h"
#include "models/train/data/label.h"

#include <stddef.h>

/* Pitch of a part of a recording: the engine's own analysis, what the labels say, and a judgement.
 * Ordinary threads. */

enum { TB_DATA_N_FFT = 512, TB_DATA_AHEAD = TB_DATA_N_FFT / 2 / TB_ANALYSIS_HOP };

/* Settings of the analysis that every data set is made with: loudness from A-weighted power in a
 * window of 32 ms, so that it is late by 16 ms only and counts a pure tone as it is heard (the
 * mean of decibels over bins, which is published, has a full sine at -77.9 dB). The reference keeps
 * full scale sounds within -80..0. */
extern const struct tb_analysis_config tb_data_analysis;

struct tb_track {
    size_t n;          /* whole hops of the part */
    float *f0_hz;      /* [n] of the tracker, 0 unvoiced; after the repair never 0 */
    float *level_db;   /* [n] */
    float *confidence; /* [n] */
    float loudest_db;  /* largest level */
    float floor_db;    /* below it a frame counts as silence */
};

/* TB_ENOMEM. samples [n_samples] at 16 kHz; frames are aligned as in a data set. */
enum tb_status tb_track_make(const float *samples, size_t n_samples, struct tb_track *track,
                             struct tb_error *err);
void tb_track_clear(struct tb_track *track);

enum tb_verdict {
    TB_KEEP,
    TB_TOO_SHORT,
    TB_SILENT,
    TB_NOISE,
    TB_POLYPHONY,
    TB_OTHER_PITCH, /* than its label */
    TB_N_VERDICTS
};
extern const char *const tb_verdict_names[TB_N_VERDICTS];

struct tb_judgement {
    enum tb_verdict verdict;
    char text[120];
    float loud_db;   /* mean level of the loudest fifth of the sounding frames */
    float voiced;    /* share of sounding frames with a pitch of their own, 0..1 */
    float agreement; /* share of voiced frames within a semitone of the label, before the repair;
                        -1 without one */
    float octaves;   /* share of voiced frames that the label moved by octaves; -1 likewise */
    float cents;     /* median offset from the label where they agree */
    float filled;    /* share of sounding frames whose pitch was bridged */
};

struct tb_track_options {
    const struct tb_label *label;
    float start_s;     /* of the part within its file */
    const float *keys; /* [track->n] the label frame by frame, or NULL */
    bool known_notes;  /* pitch from the label alone, with the tracker's median offset */
};

/* Repairs f0 and judges. samples [64 * track->n]. TB_ENOMEM. */
enum tb_status tb_track_repair(struct tb_track *track, const float *samples,
                               const struct tb_track_options *options,
                               struct tb_judgement *judgement, struct tb_error *err);

#endif
