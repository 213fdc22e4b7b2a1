/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_MODEL_CHECK_H
#define TB_SERVER_OFFLINE_MODEL_CHECK_H

#include "base/error.h"
#include "models/model_file.h"

#include <jansson.h>
#include <stddef.h>

/* What the job role does with a model file from outside: hash, parse every byte, build it for this
 * processor and measure. A process without rights, or the command line on its user's own file. */

enum { TB_MODEL_MAX_MIB = 512 };

/* {"sha256","bytes","parameters","frame_rate","first_us","further_us","level_db","machine",
 * "meta":{key:value}} of the file behind fd, meta as models/model_meta.def orders it (what is in
 * bounds by then). NULL with *err naming the key or tensor; TB_EINVAL for one that is no good. */
json_t *tb_model_check(int fd, struct tb_error *err);

/* "Raspberry Pi 4 Model B, neon": where costs are measured; at most size - 1 bytes. */
void tb_model_machine(char *text, size_t size);

/* The metadata as JSON: numbers, texts, names of choices, lists. NULL without memory. */
json_t *tb_model_meta_to_json(const struct tb_model_meta *meta);

/* A whole file in memory (mapped), or NULL; to be unmapped with munmap. */
const void *tb_model_map(int fd, size_t *size, struct tb_error *err);

#endif
