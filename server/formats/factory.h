/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_FORMATS_FACTORY_H
#define TB_SERVER_FORMATS_FACTORY_H

#include "db/store.h"
#include "server/formats/patch_json.h"

/* The store's thread, outside of a transaction; at every start. Installs the factory bank at the
 * first, and what is new in it after an update of the program; patches that the user edited or
 * deleted stay so, and nothing at all is written when the bank is the one installed last. *changed
 * (may be NULL) says whether anything was. */
enum tb_status tb_factory_install(struct tb_store *store, bool *changed, struct tb_error *err);

/* The bank itself, for tests and tools; free with tb_patch_file_clear. */
enum tb_status tb_factory_parse(struct tb_patch_file *file, struct tb_error *err);

#endif
