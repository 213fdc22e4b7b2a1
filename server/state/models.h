/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_STATE_MODELS_H
#define TB_SERVER_STATE_MODELS_H

#include "db/store.h"

#include <stdbool.h>
#include <stdint.h>

/* The models of the web role: checks in a job, rows and files together, and a thread that keeps the
 * store in step with the zoo and the folder. */
struct tb_models;
struct tb_web;
struct tb_effect;
struct tb_upload;

/* Before threads: folder and rows are put in order. store is the writing one. */
struct tb_models *tb_models_new(struct tb_web *web, struct tb_store *store, struct tb_error *err);
enum tb_status tb_models_start(struct tb_models *models, struct tb_error *err); /* its thread */
void tb_models_stop(struct tb_models *models); /* jobs and writer have been told to stop */
void tb_models_free(struct tb_models *models);

/* A thread that may wait. Has the job role check the file behind fd; one at a time. shipped: its
 * name in the zoo, from which it gets a uuid where it says none; NULL for an upload. */
enum tb_status tb_models_check(struct tb_models *models, int fd, const char *shipped,
                               struct tb_model *model, struct tb_error *err);

/* The same for an upload whose last byte is there, once it is synced: fills upload->model. */
enum tb_status tb_models_check_upload(struct tb_models *models, struct tb_upload *upload,
                                      struct tb_error *err);

/* The file of a model, for reading, or -1. */
int tb_models_open(struct tb_web *web, const struct tb_model *model, struct tb_error *err);

enum tb_models_added { TB_MODELS_THERE, TB_MODELS_NEW, TB_MODELS_REPLACED };
struct tb_models_addition {
    struct tb_model *model; /* checked; becomes what is stored */
    char *path;             /* of its file, "" where it belongs already; "" once it is moved */
    bool replace;           /* another version of the uuid, else that is TB_ECONFLICT */
    enum tb_models_added added;
};
/* Store thread, inside a savepoint. Registers a model; *effect is to be applied, or undone. */
enum tb_status tb_models_add(struct tb_web *web, struct tb_store *store,
                             struct tb_models_addition *addition, struct tb_effect *effect,
                             struct tb_error *err);
/* The same for its end. TB_ECONFLICT for a factory model. */
enum tb_status tb_models_remove(struct tb_web *web, struct tb_store *store, const char *uuid,
                                struct tb_effect *effect, struct tb_error *err);

/* Store thread. After the commit, or after it failed: files, clients, the working copy. */
void tb_models_apply(struct tb_web *web, const struct tb_effect *effect);
void tb_models_undo(struct tb_web *web, const struct tb_effect *effect);

/* Any thread. Looks through zoo and folder again: another database is in place. */
void tb_models_rescan(struct tb_models *models);

/* Runs fn on the store thread in a transaction and waits for the commit; not from that thread. */
typedef enum tb_status tb_models_errand(struct tb_web *web, struct tb_store *store, void *context,
                                        struct tb_effect *effect, struct tb_error *err);
enum tb_status tb_models_in_store(struct tb_web *web, tb_models_errand *fn, void *context,
                                  struct tb_error *err);

/* models_scan.c: the thread's work. */
void tb_models_scan(struct tb_web *web, const _Atomic bool *stop);

#endif
