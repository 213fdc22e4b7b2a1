/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_TRAIN_TRAIN_EVAL_H
#define TB_SERVER_TRAIN_TRAIN_EVAL_H

#include "models/eval/report.h"
#include "models/train/dataset.h"
#include "server/options.h"

#include <jansson.h>

/* What a model is compared with: clips of the test split of a data set, another model's sound under
 * the same curves, or that under phrases made up. Training module; one thread. */
struct tb_eval_source {
    const char *name;
    const struct tb_dataset *dataset; /* or NULL: phrases */
    struct tb_player *against;        /* or NULL: the recordings */
    const struct tb_model_meta *meta; /* whose range phrases have */
    size_t n;                         /* clips */
    float f0_hz[TB_CLIP_FRAMES], loudness_db[TB_CLIP_FRAMES];
    float reference[TB_CLIP_SAMPLES], ours[TB_CLIP_SAMPLES];
};

/* Clip i of the source: curves and the sound to compare with. */
enum tb_status tb_eval_clip(struct tb_eval_source *source, size_t i, struct tb_asked *asked,
                            const float **reference, struct tb_error *err);

/* Plays all clips; the result. */
enum tb_status tb_eval_all(const struct tb_model_file *file, const struct tb_play_options *options,
                           struct tb_eval_source *source, struct tb_eval_result *result,
                           struct tb_error *err);

/* Every number by its key, what is not known as null; a new reference. */
json_t *tb_eval_json(const struct tb_eval_result *result);

/* timbred eval --table DIRECTORY --data DIR ... (train_eval_table.c) */
enum tb_status tb_eval_table(const struct tb_args *args, struct tb_eval_source *source,
                             const struct tb_play_options *options, struct tb_error *err);

#endif
