/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_TRAIN_SETS_H
#define TB_SERVER_TRAIN_SETS_H

#include "server/train/training_files.h"

/* Data sets: recordings that were uploaded, and what a job made of them (training_files.h has the
 * files). Threads that may wait, unless said; they exclude each other. */
struct tb_sets;
struct tb_upload;
struct tb_web;

/* Before threads. */
struct tb_sets *tb_sets_new(struct tb_web *web, struct tb_error *err);
void tb_sets_free(struct tb_sets *sets);

/* about as checked from outside: name, instrument, labels, licence, credit. TB_ECONFLICT when there
 * are too many, TB_EFULL: the disk. */
enum tb_status tb_set_create(struct tb_sets *sets, json_t *about, char uuid[TB_UUID],
                             struct tb_error *err);
enum tb_status tb_set_delete(struct tb_sets *sets, const char *uuid, struct tb_error *err);
/* As GET answers it; recordings and report only when whole. NULL with *err. */
json_t *tb_set_json(struct tb_sets *sets, const char *uuid, bool whole, struct tb_error *err);
json_t *tb_sets_json(struct tb_sets *sets, struct tb_error *err);

/* ---- recordings */

/* HTTP thread. A file for one that comes in; expected bytes, 0 unknown. NULL with *err: TB_EINVAL
 * its name, TB_ENOTFOUND the set, TB_ECONFLICT it is there, or there are too many, or the set is in
 * use; TB_EFULL no room; TB_ENOMEM too many at once. */
struct tb_upload *tb_recording_begin(struct tb_sets *sets, const char *uuid, const char *name,
                                     uint64_t expected, struct tb_error *err);
/* All of it is there and synced: it gets its name. The set is open again. */
enum tb_status tb_recording_add(struct tb_sets *sets, const char *uuid, const char *name,
                                struct tb_upload *upload, struct tb_error *err);
enum tb_status tb_recording_delete(struct tb_sets *sets, const char *uuid, const char *name,
                                   struct tb_error *err);

/* ---- for trainings */

/* Nothing of the set changes until the release; about.json, to be decref'd, or NULL with *err:
 * TB_ENOTFOUND, TB_EINVAL when it has no recordings. */
json_t *tb_set_use(struct tb_sets *sets, const char *uuid, struct tb_error *err);
void tb_set_release(struct tb_sets *sets);
/* What the job made of the recordings of the set in use: members report and clips. */
enum tb_status tb_set_prepared(struct tb_sets *sets, const char *uuid, const json_t *made,
                               struct tb_error *err);

#endif
