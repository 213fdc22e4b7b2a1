/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_MODEL_PRIV_H
#define TB_MODELS_MODEL_PRIV_H

#include "models/model_file.h"

#include <jansson.h>

/* __metadata__ to meta and back; metadata is an object of strings. */
enum tb_status tb_model_meta_read(struct tb_model_meta *meta, const json_t *metadata,
                                  struct tb_error *err);
/* A new reference; NULL without memory. Only what differs from the default, and what is needed. */
json_t *tb_model_meta_write(const struct tb_model_meta *meta);
/* Every known key of metadata becomes what meta says; false without memory. */
bool tb_model_meta_replace(json_t *metadata, const struct tb_model_meta *meta);
/* Free routing of FM operators. */
enum tb_status tb_model_routing(const struct tb_model_meta *meta, uint8_t modulates[6],
                                struct tb_error *err);

#endif
