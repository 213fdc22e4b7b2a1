/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_FILE_H
#define TB_MODELS_TRAIN_FILE_H

#include "base/error.h"

#include <stddef.h>

/* Whole files, for models and checkpoints. Any ordinary thread. */

/* *data to be freed. TB_ENOTFOUND, TB_ETOOLARGE above most bytes, TB_EIO, TB_ENOMEM. */
enum tb_status tb_file_read(const char *path, size_t most, void **data, size_t *size,
                            struct tb_error *err);

/* Written to path.new, synced, renamed, the folder synced: after a power cut there is the old file
 * or the new one. TB_EFULL on a full disk; then the old one is still there. */
enum tb_status tb_file_write(const char *path, const void *data, size_t size, struct tb_error *err);

#endif
