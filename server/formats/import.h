/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_FORMATS_IMPORT_H
#define TB_SERVER_FORMATS_IMPORT_H

#include "db/store.h"
#include "server/formats/patch_json.h"
#include "server/formats/syx.h"

#include <stdint.h>

/* One voice as a patch (freed with tb_patch_clear) and back, bit for bit where the patch was not
 * changed. The category is guessed from the name. Any thread but audio. */
enum tb_status tb_patch_from_voice(const uint8_t packed[TB_SYX_PACKED], struct tb_patch *patch,
                                   struct tb_error *err);
void tb_patch_to_voice(const struct tb_patch *patch, uint8_t voice[TB_SYX_UNPACKED]);

/* May it be written for a DX7? TB_ECONFLICT where a network plays it: its values alone are another
 * sound. */
enum tb_status tb_patch_check_voice(const struct tb_patch *patch, struct tb_error *err);

/* Equal texts, tags and values; whatever the uuid, favourite and revision. */
bool tb_patch_same(const struct tb_patch *a, const struct tb_patch *b);

enum { TB_IMPORT_MAX_BYTES = 2 << 20 };

/* What a file holds, read and checked but not yet stored. */
struct tb_import {
    struct tb_patch_file file;
    bool dx7;            /* voices of a cartridge: a bank is made of them */
    char title[TB_NAME]; /* of that bank: the file's name without folder and ending */
    struct tb_warnings warnings;
};

/* Any thread. Takes system exclusive (any file that does not start as JSON) or our JSON. filename
 * may be NULL or anything at all; it names only the bank. Patches of a cartridge get a uuid made of
 * their content, so that the same voice is the same patch wherever it comes from. TB_EINVAL with
 * the reason when nothing can be taken; TB_ETOOLARGE above TB_IMPORT_MAX_BYTES. Free with
 * tb_import_clear unless it failed. */
enum tb_status tb_import_parse(const uint8_t *data, size_t size, const char *filename,
                               struct tb_import *import, struct tb_error *err);
void tb_import_clear(struct tb_import *import);

struct tb_imported {
    struct {
        char uuid[TB_UUID], name[TB_NAME];
    } * created;                 /* owned */
    size_t n_created, n_skipped; /* skipped: the store had them already, unchanged */
    char bank_uuid[TB_UUID], bank_name[TB_NAME]; /* "" when none was made */
};
void tb_imported_clear(struct tb_imported *imported);

/* The store's thread, inside its transaction: stores all of import, or fails and leaves the undoing
 * to the caller (tb_store_revert or tb_store_rollback). A uuid that exists with other content gets
 * a new one, and banks follow; a bank whose number is taken gets the next free one. */
enum tb_status tb_import_store(struct tb_store *store, struct tb_import *import,
                               struct tb_imported *imported, struct tb_error *err);

#endif
