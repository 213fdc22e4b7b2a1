/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_FORMATS_MODEL_FILES_H
#define TB_SERVER_FORMATS_MODEL_FILES_H

#include "base/error.h"
#include "db/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The files behind the rows of models: DIRECTORY/models/HASH.safetensors for what was uploaded, the
 * zoo for what was shipped. Order of every change, so that a crash at any moment leaves a row with
 * its file: a file is whole and synced before its row is committed; before a row is deleted its
 * file is set aside (HASH.gone), and goes for good after the commit. Any thread but audio; no two
 * at once for the same file. */

enum { TB_MODEL_PATH = 512 };

/* Where the shipped models are: "" when there are none. wanted is the setting models.zoo: "" looks
 * beside the program (PREFIX/share/timbred/zoo, or models/zoo of the source tree that this was
 * built in), "none" is none, else a folder. */
void tb_zoo_find(const char *wanted, char *folder, size_t size);

/* Makes DIRECTORY/models. Removes uploads that were not finished; files that were set aside come
 * back where their row is still there, else go. */
enum tb_status tb_model_files_open(const char *directory, struct tb_store *store,
                                   struct tb_error *err);

/* Deletes rows without a file (an older database was restored, the zoo is gone); inside a
 * transaction. *n of them. */
enum tb_status tb_model_files_prune(const char *directory, const char *zoo, struct tb_store *store,
                                    size_t *n, struct tb_error *err);

/* Hashes of files that have no row, to be freed with free(): after a database was restored they
 * are registered again. */
enum tb_status tb_model_files_orphans(const char *directory, struct tb_store *store,
                                      char (**hashes)[TB_SHA256], size_t *n, struct tb_error *err);

/* The file of a model for reading, or -1 with *err. */
int tb_model_files_read(const char *directory, const char *zoo, const struct tb_model *model,
                        struct tb_error *err);

/* A new file for an upload, for writing; path gets its name. Refuses (TB_EFULL) when less than
 * expected bytes and a reserve are free. */
int tb_model_files_new(const char *directory, uint64_t expected, char path[TB_MODEL_PATH],
                       struct tb_error *err);
/* A written and synced upload gets its name; the folder is synced. */
enum tb_status tb_model_files_keep(const char *directory, const char *path, const char *hash,
                                   struct tb_error *err);

/* Before the row goes; after that was committed; or when it was not. A file that is not there is no
 * error. */
void tb_model_files_set_aside(const char *directory, const char *hash);
void tb_model_files_drop_aside(const char *directory, const char *hash);
void tb_model_files_take_back(const char *directory, const char *hash);
/* Of a file whose row was not committed. */
void tb_model_files_drop(const char *directory, const char *hash);

#endif
