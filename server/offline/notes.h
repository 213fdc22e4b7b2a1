/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_NOTES_H
#define TB_SERVER_OFFLINE_NOTES_H

#include "server/offline/score.h"

#include <jansson.h>

enum { TB_NOTES_MAX = 100000 };
#define TB_NOTES_MAX_SECONDS 600.0

/* Lists of notes as people and programs write them. On TB_OK score is sorted and owned by the
 * caller; on an error it is empty and err names note, field and bound. Where one note of a key ends
 * as the next begins, the end plays first. */

/* "60:100:0:1,C4:90:1:0.5": key (0..127, or a name: C4 is 60), velocity 1..127, start in s,
 * duration in s; the last three may be left out (100, the end of the note before, 1 s). */
enum tb_status tb_notes_parse(const char *text, struct tb_score *score, struct tb_error *err);

/* [{"time_s":0,"key":60,"velocity":100,"duration_s":1}, ...], as in POST /renders. */
enum tb_status tb_notes_from_json(const json_t *notes, struct tb_score *score,
                                  struct tb_error *err);

/* Key of "60", "C4", "f#3", "Bb-1"; -1 when it is none of 0..127. */
int tb_note_key(const char *text);

#endif
