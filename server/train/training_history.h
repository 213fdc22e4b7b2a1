/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_TRAIN_TRAINING_HISTORY_H
#define TB_SERVER_TRAIN_TRAINING_HISTORY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* The curve of a training, however long it was: at most TB_HISTORY_POINTS, thinned out evenly when
 * there are more. By value; one thread at a time. */
enum { TB_HISTORY_POINTS = 500 };

struct tb_training_history {
    struct tb_history_point {
        uint64_t step;
        double loss, validation; /* NAN: none */
    } points[TB_HISTORY_POINTS];
    size_t n, stride, skipped; /* one of `stride` reports is kept */
    double validation;         /* of one that was skipped, NAN none */
    double spent_s, call_s;    /* training time in all; of the call that the last line is of */
};

void tb_training_history_reset(struct tb_training_history *history);

/* One report of the trainer: {"step","loss","validation","seconds"}. Steps that come again (a run
 * went on from an older checkpoint) replace what was there. */
void tb_training_history_add(struct tb_training_history *history, const json_t *report);

/* Every line of a log.jsonl; a line that is damaged, or a file that is not there, counts for
 * nothing. Returns the last sound report, to be decref'd, or NULL. Reads at most 256 MiB. */
json_t *tb_training_history_read(struct tb_training_history *history, const char *path);

/* [[step, loss, validation|null], ...] */
json_t *tb_training_history_json(const struct tb_training_history *history);

#endif
