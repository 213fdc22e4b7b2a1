/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_DATA_BUILD_H
#define TB_MODELS_TRAIN_DATA_BUILD_H

#include "base/error.h"
#include "models/train/data/label.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From a folder of recordings to a data set. Ordinary threads; may take minutes. */

enum tb_data_levels {
    TB_LEVELS_AUTO,    /* MARKS where files with different marks are equally loud, else NATURAL */
    TB_LEVELS_NATURAL, /* one gain for all: dynamics stay as recorded */
    TB_LEVELS_MARKS,   /* one gain a dynamic mark, 4 dB from mark to mark, softest -20 dB */
    TB_LEVELS_EACH,    /* every file to the same level: for recordings of unlike origin */
};

struct tb_build_options {
    const char *folder; /* searched with its folders */
    const char *out;    /* made whole or not at all */
    const char *name, *licence, *credit,
        *source;                /* "" when not told; name "": that of the folder */
    const char *const *only;    /* shell patterns of file names; NULL-terminated or NULL */
    const char *const *exclude; /* the same */
    const char *labels;         /* CSV text, or NULL: names of files */
    bool ignore_names;          /* file names tell no notes */
    bool known_notes;           /* pitch from the labels alone */
    enum tb_data_levels levels;
    double note_seconds;   /* single notes are damped after 0.3 to so many; 0: as they are */
    const char *soundfont; /* played in place of a folder, or NULL */
    int bank, preset;      /* of it: 0..128, 0..127 */
    double minutes;        /* of it */
    double most_minutes;   /* of one file; 0: 120 */
    bool low_rate;         /* take files below 16 kHz */
    bool replace;          /* out may exist */
    uint64_t seed;
    /* Adds what a MIDI file beside a recording says; NULL when there is no reader. */
    enum tb_status (*read_midi)(const char *path, struct tb_label *label, struct tb_error *err);
    /* Told after each file; returning false stops (TB_ECONFLICT). May be NULL. */
    bool (*progress)(void *user, size_t done, size_t all, const char *file);
    void *user;
};

/* *report (may be NULL) becomes what dataset.json holds, to be decref'd. On an error nothing is
 * left behind and what was at `out` is untouched. TB_EINVAL naming the option, TB_ENOTFOUND: no
 * files; TB_ECORRUPT: every file was refused, the text names the first reason; TB_ECONFLICT: out
 * exists, or stopped; TB_EFULL: the disk is full; TB_EIO, TB_ENOMEM. */
enum tb_status tb_dataset_build(const struct tb_build_options *options, json_t **report,
                                struct tb_error *err);

#endif
