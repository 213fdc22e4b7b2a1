/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_TRAIN_TRAINING_FILES_H
#define TB_SERVER_TRAIN_TRAINING_FILES_H

#include "base/error.h"
#include "db/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What training keeps below STATE/training: a folder a data set, a folder a run, each with what is
 * to be remembered of it as one JSON file. They are files and no rows of the store: recordings and
 * checkpoints are too large for it, and a backup need not hold them.
 *
 *   sets/UUID/about.json       name, instrument, labels, licence, credit, created
 *   sets/UUID/recordings/NAME  as they were uploaded
 *   sets/UUID/work/prepared    the data set that was made of them (models/train/dataset.h)
 *   runs/UUID/about.json       what was asked for, how it stands
 *   runs/UUID/work             of the job: checkpoints, log, the best model
 *
 * Whoever returns has it on the disk. A crash leaves a folder whole or not at all: it is made, and
 * goes, under another name. Threads that may wait; no two at once for the same folder. */

enum { TB_TRAINING_PATH = 640 };

enum tb_training_kind { TB_TRAINING_SETS, TB_TRAINING_RUNS };

/* STATE/training/sets/UUID/NAME; uuid NULL: the folder of all, name NULL: the folder itself. */
void tb_training_path(char path[TB_TRAINING_PATH], const char *state, enum tb_training_kind kind,
                      const char *uuid, const char *name);

/* Makes the folders, removes what a crash left half done. */
enum tb_status tb_training_files_open(const char *state, struct tb_error *err);

/* Version 4. */
void tb_uuid_make(char uuid[TB_UUID]);

/* about.json, to be decref'd. TB_ENOTFOUND: no such folder, or no UUID at all. */
json_t *tb_training_read(const char *state, enum tb_training_kind kind, const char *uuid,
                         struct tb_error *err);
/* Replaces it: the old one or the new one is there at any moment. TB_EFULL: the disk. */
enum tb_status tb_training_write(const char *state, enum tb_training_kind kind, const char *uuid,
                                 const json_t *about, struct tb_error *err);

/* A folder with its about.json and an empty folder `inner`. */
enum tb_status tb_training_create(const char *state, enum tb_training_kind kind, const char *uuid,
                                  const json_t *about, struct tb_error *err);
enum tb_status tb_training_remove(const char *state, enum tb_training_kind kind, const char *uuid,
                                  struct tb_error *err);

/* UUIDs of all, sorted; to be freed with free(). */
enum tb_status tb_training_list(const char *state, enum tb_training_kind kind,
                                char (**uuids)[TB_UUID], size_t *n, struct tb_error *err);

/* {"items":[...]}, the newest first, what item tells of each; one that was deleted just now, or is
 * damaged (NULL), is left out. NULL with *err. */
json_t *tb_training_items(const char *state, enum tb_training_kind kind,
                          json_t *(*item)(void *context, const char *uuid), void *context,
                          struct tb_error *err);

/* A folder with everything in it; one that is not there is fine. */
enum tb_status tb_tree_remove(const char *path, struct tb_error *err);
enum tb_status tb_folder_sync(const char *path, struct tb_error *err);

/* TB_EFULL unless bytes and a reserve for everybody else are free below STATE. */
enum tb_status tb_training_room(const char *state, uint64_t bytes, struct tb_error *err);

#endif
