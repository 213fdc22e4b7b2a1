/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_DATA_SOURCE_H
#define TB_MODELS_TRAIN_DATA_SOURCE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* A recording of any format that libsndfile reads (WAV, FLAC, MP3, OGG ...), as 16 kHz mono. */

struct tb_source_info {
    unsigned rate_hz, n_channels;
    double seconds; /* as decoded */
    bool one_side;  /* the channels cancel each other: the louder one was taken */
    float peak;     /* linear, before any gain */
    double clipped; /* share of samples at full scale in a row, 0..1 */
};

/* Takes the next part: n samples at 16 kHz, a whole number of hops but in the last part. Returning
 * anything but TB_OK ends the reading with that status. */
typedef enum tb_status tb_source_take(void *user, const float *part, size_t n,
                                      struct tb_error *err);

struct tb_source_options {
    size_t part_samples;    /* longest part, a multiple of 64 */
    double most_seconds;    /* what lies behind is left out */
    unsigned least_rate_hz; /* files below it are refused */
};

/* Reads path in parts, so that an hour costs no more memory than a minute. TB_EUNSUPPORTED: not a
 * sound file, or a rate or number of channels that is refused; TB_ECORRUPT: the decoder gave up;
 * TB_EIO; TB_ENOMEM. Ordinary threads. */
enum tb_status tb_source_read(const char *path, const struct tb_source_options *options,
                              tb_source_take *take, void *user, struct tb_source_info *info,
                              struct tb_error *err);

#endif
