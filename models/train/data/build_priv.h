/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_DATA_BUILD_PRIV_H
#define TB_MODELS_TRAIN_DATA_BUILD_PRIV_H

#include "models/train/data/build.h"
#include "models/train/data/phrase.h"
#include "models/train/data/source.h"
#include "models/train/data/track.h"
#include "models/train/dataset.h"
#include "models/train/random.h"

#include <stdio.h>

enum { TB_DATA_HOP = TB_CLIP_HOP };

/* One recording, taken or refused. */
struct tb_data_source {
    char *name; /* below the folder */
    char sha256[65];
    struct tb_source_info info;
    struct tb_label label;
    struct tb_judgement judgement; /* of its worst part */
    bool kept;
    enum tb_split split;
    float loud_db, gain_db;
    float peak;     /* at 16 kHz, before the gain */
    double seconds; /* kept */
};

/* A stretch of sound without long silence, whole hops. */
struct tb_data_piece {
    size_t source;
    size_t first, n; /* frames of the spool */
    enum tb_split split;
};

/* Histograms and ranges of the sounding frames. */
enum { TB_DATA_LOUDNESS_BINS = 50 }; /* 2 dB each, from -80 */
struct tb_data_stats {
    double keys[128];                       /* seconds a semitone */
    double loudness[TB_DATA_LOUDNESS_BINS]; /* seconds */
    double seconds[TB_N_SPLITS];            /* sounding */
    double loudness_low_db, loudness_high_db, pitch_low_hz, pitch_high_hz;
};

struct tb_build {
    const struct tb_build_options *options;
    char *part; /* folder in the making, beside out */
    struct tb_data_source *sources;
    size_t n_sources;
    struct tb_data_piece *pieces;
    size_t n_pieces;
    struct tb_soundfont *font; /* NULL: recordings */
    int low_key, high_key;     /* that it plays */
    FILE *audio, *f0;          /* spools, without names */
    size_t n_spooled;          /* frames */
    const float *audio_map, *f0_map;
    enum tb_data_levels levels; /* as decided */
    bool split_pieces;          /* too few files: pieces are split */
    size_t n_clips[TB_N_SPLITS];
    json_t *clips; /* what each is made of */
    struct tb_data_stats stats;
    char sha256[4][65];
    struct tb_random random;
};

/* build_files.c: names of the recordings below the folder, sorted. */
enum tb_status tb_build_list(struct tb_build *b, struct tb_error *err);
/* build_take.c: decodes, judges and spools source i; a refusal is no error. */
enum tb_status tb_build_take(struct tb_build *b, size_t i, struct tb_error *err);
/* build_font.c: the same two for phrases that a soundfont plays. */
enum tb_status tb_build_list_phrases(struct tb_build *b, struct tb_error *err);
enum tb_status tb_build_take_phrase(struct tb_build *b, size_t i, struct tb_error *err);
/* build_take.c: a part of source i, which begins at *start_s; keys as in struct tb_track_options.
 */
struct tb_taking {
    struct tb_build *build;
    size_t source;
    double start_s;    /* of the part */
    const float *keys; /* of the part, or NULL */
    bool any;          /* parts were kept */
};
enum tb_status tb_build_take_part(void *taking, const float *part, size_t n, struct tb_error *err);
/* build_levels.c: gains, then the split. */
enum tb_status tb_build_levels(struct tb_build *b, struct tb_error *err);
enum tb_status tb_build_split(struct tb_build *b, struct tb_error *err);
/* build_reel.c: audio.f32, f0.f32, loudness.f32, confidence.f32. */
enum tb_status tb_build_reels(struct tb_build *b, struct tb_error *err);
/* build_report.c */
enum tb_status tb_build_report(struct tb_build *b, json_t **report, struct tb_error *err);
/* build_page.c: the same for people; after the report, which finds the ranges. */
enum tb_status tb_build_page(const struct tb_build *b, struct tb_error *err);

/* TB_EFULL where the disk is full, else TB_EIO: of errno. */
enum tb_status tb_build_fault(const char *what, struct tb_error *err);
/* fopen in the folder in the making. */
FILE *tb_build_open(const struct tb_build *b, const char *name, struct tb_error *err);
/* Flushes, syncs and closes; always closes. */
enum tb_status tb_build_close(FILE *file, const char *name, struct tb_error *err);

#endif
