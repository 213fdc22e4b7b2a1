/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_FORMATS_MODEL_JSON_H
#define TB_SERVER_FORMATS_MODEL_JSON_H

#include "base/error.h"
#include "db/store.h"

#include <jansson.h>
#include <stdbool.h>

/* Rows of models from what a check told and to what clients see. Any thread but audio. */

/* The result of tb_model_check, which comes from a process that has read a stranger's file: every
 * member is checked again. A file without a uuid gets one from seed, or from its hash where that is
 * NULL. TB_EINVAL names a key. */
enum tb_status tb_model_from_check(const json_t *check, const char *seed, struct tb_model *model,
                                   struct tb_error *err);

/* How many voices fit the part of a core that decoders may take (70 %), 0..64; 64 where nothing was
 * measured. share gets what the first one takes, 1 is a whole core. */
unsigned tb_model_voices(const struct tb_model *model, double *share);

/* The costliest of the list that fits here, is of the same instrument (or has the same first word
 * of the name) and costs less than model; NULL when there is none. */
const struct tb_model *tb_model_sibling(const struct tb_model *model, const struct tb_model *list,
                                        size_t n);

/* Why it cannot be played here, with a smaller sibling; "" when it can. At most size - 1 bytes. */
void tb_model_why(const struct tb_model *model, const struct tb_model *list, size_t n, char *text,
                  size_t size);

/* As API.md has it. list[n]: where siblings are looked for. NULL without memory. */
json_t *tb_model_to_json(const struct tb_model *model, const struct tb_model *list, size_t n);

#endif
