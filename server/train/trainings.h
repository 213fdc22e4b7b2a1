/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_TRAIN_TRAININGS_H
#define TB_SERVER_TRAIN_TRAININGS_H

#include "server/offline/job.h"
#include "server/train/training_files.h"

#include <jansson.h>

/* Trainings: one at a time, on a thread that talks to a job of the training role; what is known of
 * each is its about.json, of the one that runs what is in memory. Threads that may wait. */
struct tb_trainings;
struct tb_web;

/* Before threads. What ran when the last service ended is interrupted now. */
struct tb_trainings *tb_trainings_new(struct tb_web *web, struct tb_error *err);
/* Jobs have been told to stop. */
void tb_trainings_free(struct tb_trainings *trainings);

/* What a training can be asked for, checked (api_trainings.c). Both answer once it is on the disk:
 * TB_ECONFLICT names the one that runs, TB_EFULL: the disk has no room. start steals about. */
enum tb_status tb_training_start(struct tb_trainings *trainings, json_t *about, char uuid[TB_UUID],
                                 struct tb_error *err);
/* minutes more, 0: what is left of those that were asked for, or as many once more. */
enum tb_status tb_training_resume(struct tb_trainings *trainings, const char *uuid, double minutes,
                                  struct tb_error *err);
/* Asks it to stop, which it does within a second; TB_ECONFLICT when it does not run. */
enum tb_status tb_training_stop(struct tb_trainings *trainings, const char *uuid,
                                struct tb_error *err);
enum tb_status tb_training_delete(struct tb_trainings *trainings, const char *uuid,
                                  struct tb_error *err);

/* As GET answers them; history and clips only when whole. NULL with *err. */
json_t *tb_training_json(struct tb_trainings *trainings, const char *uuid, bool whole,
                         struct tb_error *err);
json_t *tb_trainings_json(struct tb_trainings *trainings, struct tb_error *err);

/* A WAV file of a held-out clip: as it was recorded, or as the best model plays it. */
enum tb_status tb_training_clip(struct tb_trainings *trainings, const char *uuid, unsigned index,
                                bool of_model, int *fd, struct tb_error *err);

/* Members of about.json change, on the disk and, where it runs, in memory. */
enum tb_status tb_training_note(struct tb_trainings *trainings, const char *uuid,
                                const json_t *members, struct tb_error *err);
/* Hands out the best model with these members in its metadata. */
enum tb_status tb_training_model(struct tb_trainings *trainings, const char *uuid,
                                 const json_t *members, int *fd, struct tb_error *err);

#endif
