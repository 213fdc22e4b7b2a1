/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_DATA_LABEL_H
#define TB_MODELS_TRAIN_DATA_LABEL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* What is known of a recording's notes before it is heard. By value; ordinary threads. */

struct tb_label_note {
    float start_s, end_s; /* of the file */
    float key;            /* MIDI key, 60 is C4; parts are cents / 100 */
};

enum tb_mark { TB_MARK_PP, TB_MARK_P, TB_MARK_MP, TB_MARK_MF, TB_MARK_F, TB_MARK_FF, TB_N_MARKS };
extern const char *const tb_mark_names[TB_N_MARKS];

struct tb_label {
    struct tb_label_note *notes; /* [n_notes], by start; owned */
    size_t n_notes;
    int mark;        /* enum tb_mark, -1 when not told */
    bool free_pitch; /* phrase, trill, glissando: the note in the name is only where it begins */
};

void tb_label_clear(struct tb_label *label);

/* From words of a file name between '_', ' ' and its extension: a note ("A4", "As4", "A#4", "Bb3",
 * "D#1v7"), a dynamic mark ("mezzo-forte", "mf"), a way of playing ("phrase", "major-trill"). A
 * name may tell none of them. TB_ENOMEM. */
enum tb_status tb_label_from_name(const char *name, struct tb_label *label, struct tb_error *err);

/* TB_ENOMEM, TB_ETOOLARGE over 100000 notes. */
enum tb_status tb_label_add(struct tb_label *label, const struct tb_label_note *note,
                            struct tb_error *err);

/* Key at a time, -1 where no note sounds; within slack_s of a note its key still counts. */
float tb_label_key_at(const struct tb_label *label, float time_s, float slack_s);

/* Share of the labelled time where two notes or more sound at once, 0..1. */
float tb_label_overlap(const struct tb_label *label);

/* Key of "60", "60.5", "C4", "F#3", "As4", "Bb-1"; -1 when it is none of 0..127. */
float tb_label_key(const char *text);

/* Lines "file,key" or "file,start_s,end_s,key", a head line and lines beginning with # allowed;
 * those of `name` (with or without its folder) are added to the label. TB_EINVAL names the line. */
enum tb_status tb_label_from_csv(const char *csv, const char *name, struct tb_label *label,
                                 struct tb_error *err);

#endif
