/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_DATASET_H
#define TB_MODELS_TRAIN_DATASET_H

#include "base/error.h"

#include <stddef.h>

/* A data set on disk: clips of 4 s at 16 kHz with their features at 250 frames a second. A folder:
 *
 *   dataset.json    what it is, where it came from, sizes and SHA-256 of the files beside it
 *   audio.f32       [n_clips][64000], little-endian float32, -1..1
 *   f0.f32          [n_clips][1000] Hz, never 0 but in a set without any pitch
 *   loudness.f32    [n_clips][1000] dB as told in dataset.json
 *   confidence.f32  [n_clips][1000] 0..1, of the tracker, 0 in silence
 *   report.html     for people
 *
 * Alignment. Features are those of dsp/analysis, causal, which runs over the clips in their order;
 * but its loudness is that of the middle of a window. So that an onset in the features is the onset
 * in the sound, row k holds frame k + ahead of the analysis (ahead = n_fft / 128: 4 frames, 16 ms).
 * Nothing is to be undone at playing time: a model takes frames as they come. Of live sound it
 * plays what was heard `ahead` frames before, and of notes it plays the attack as it was recorded.
 * Between notes f0 keeps the pitch before it; so must whoever feeds the model.
 *
 * Clips of one split lie in the order of the reel that they were cut from, train first. */

enum { TB_CLIP_SAMPLES = 64000, TB_CLIP_FRAMES = 1000, TB_CLIP_RATE_HZ = 16000, TB_CLIP_HOP = 64 };

enum tb_split { TB_SPLIT_TRAIN, TB_SPLIT_VALIDATION, TB_SPLIT_TEST, TB_N_SPLITS };
extern const char *const tb_split_names[TB_N_SPLITS]; /* "train", "validation", "test" */

/* What a model's metadata takes over. */
struct tb_dataset_info {
    char name[97];
    char licence[65];
    char credit[257];
    char source[257];
    char source_sha256[65];  /* of the sorted list of the sources' own SHA-256 */
    char analysis[65];       /* "causal 1, ahead 4" */
    char loudness_kind[17];  /* "magenta_v2", as in a model's metadata */
    unsigned loudness_n_fft; /* samples */
    unsigned ahead;          /* frames */
    float loudness_reference_db, loudness_floor_db;
    float pitch_low_hz, pitch_high_hz;       /* 0.5 and 99.5 % of the sounding frames */
    float loudness_low_db, loudness_high_db; /* 5 and 99.5 % of the sounding frames */
    double minutes;                          /* of sounding frames */
};

struct tb_dataset_clip {
    const float *audio;       /* [TB_CLIP_SAMPLES] */
    const float *f0_hz;       /* [TB_CLIP_FRAMES] */
    const float *loudness_db; /* [TB_CLIP_FRAMES] */
    const float *confidence;  /* [TB_CLIP_FRAMES] */
};

struct tb_dataset;

/* Maps a data set; checks sizes, hashes and that every value is finite and within its bounds. NULL
 * with *err: TB_ENOTFOUND, TB_ECORRUPT naming the file, TB_EIO, TB_ENOMEM. Any thread. */
struct tb_dataset *tb_dataset_open(const char *folder, struct tb_error *err);
void tb_dataset_free(struct tb_dataset *dataset);

const struct tb_dataset_info *tb_dataset_info(const struct tb_dataset *dataset);
size_t tb_dataset_n_clips(const struct tb_dataset *dataset, enum tb_split split);

/* i < n_clips of the split. Pointers into the map, valid until tb_dataset_free; any thread. */
struct tb_dataset_clip tb_dataset_clip(const struct tb_dataset *dataset, enum tb_split split,
                                       size_t i);

#endif
