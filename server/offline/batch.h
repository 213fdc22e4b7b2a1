/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_BATCH_H
#define TB_SERVER_OFFLINE_BATCH_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Lists of single notes to render, for comparisons with other emulations: one a line, six fields
 * with blanks between, "#" begins a comment:
 *   index note velocity hold_s total_s name */

enum { TB_BATCH_MAX_JOBS = 100000, TB_BATCH_NAME = 201 };

struct tb_batch_job {
    uint32_t index;           /* of the voice, from 0 */
    uint8_t note;             /* 0..127 */
    uint8_t velocity;         /* 1..127 */
    double hold_s;            /* 0..600, key up then; may be longer than total_s */
    double total_s;           /* over 0..600, length of the file */
    char name[TB_BATCH_NAME]; /* of the file without .wav: no slash, no "..", not twice */
};

/* text: the whole file, terminated. *jobs is to be freed. On an error nothing is returned and err
 * names line, field and bound: "jobs.txt:3: velocity: 128 is above 127". */
enum tb_status tb_batch_parse(const char *file, const char *text, size_t n_voices,
                              struct tb_batch_job **jobs, size_t *n, struct tb_error *err);

#endif
