/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_FORMATS_NEURAL_PATCH_H
#define TB_SERVER_FORMATS_NEURAL_PATCH_H

#include "db/store.h"

/* Store thread, inside a transaction. Installs the factory patch that plays a shipped model, or
 * brings it to a new version of it; one that was edited or deleted stays so (and finds the new
 * version by uuid). */
enum tb_status tb_neural_patch_install(struct tb_store *store, const struct tb_model *model,
                                       struct tb_error *err);

/* The patch itself; to be cleared. uuid is derived from the model's. */
enum tb_status tb_neural_patch_make(const struct tb_model *model, struct tb_patch *patch,
                                    struct tb_error *err);

#endif
