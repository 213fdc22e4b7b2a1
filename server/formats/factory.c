/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/factory.h"

#include "db/factory_bank.h"
#include "server/formats/import.h"

#include <stdlib.h>
#include <string.h>

static const char setting[] = "factory.bank";

enum tb_status tb_factory_parse(struct tb_patch_file *file, struct tb_error *err)
{
    return tb_patch_file_parse(factory_json, sizeof factory_json, file, NULL, err);
}

static enum tb_status install_bank(struct tb_store *store, struct tb_bank *bank, bool first,
                                   struct tb_error *err)
{
    struct tb_bank there;
    enum tb_status status = tb_bank_read(store, bank->uuid, &there, err);
    if (status == TB_ENOTFOUND && first) {
        status = tb_bank_create(store, bank, err);
        /* Somebody's bank 0 stays; the patches are there without one. */
        return status == TB_ECONFLICT ? TB_OK : status;
    }
    if (status == TB_ENOTFOUND)
        return TB_OK; /* deleted: left so */
    if (status)
        return status;
    bank->number = there.number;
    memcpy(bank->name, there.name, sizeof bank->name);
    tb_bank_clear(&there);
    for (size_t i = 0; i < bank->n_patches; i++) { /* those that were deleted leave a gap */
        struct tb_patch patch;
        status = tb_patch_read(store, bank->patches[i], &patch, err);
        if (status == TB_ENOTFOUND)
            bank->patches[i][0] = '\0';
        else if (status)
            return status;
        tb_patch_clear(&patch);
    }
    return tb_bank_replace(store, bank, err);
}

static enum tb_status install(struct tb_store *store, struct tb_patch_file *file, bool first,
                              struct tb_error *err)
{
    enum tb_status status = TB_OK;
    for (size_t i = 0; i < file->n_patches && !status; i++) {
        struct tb_patch there;
        bool written;
        status = tb_patch_read(store, file->patches[i].uuid, &there, err);
        bool same = !status && tb_patch_same(&file->patches[i], &there);
        tb_patch_clear(&there);
        if (same || (status && status != TB_ENOTFOUND))
            continue;
        memcpy(file->patches[i].note, "factory", sizeof "factory");
        status = tb_patch_install(store, &file->patches[i], &written, err);
    }
    for (size_t i = 0; i < file->n_banks && !status; i++)
        status = install_bank(store, &file->banks[i], first, err);
    if (!status)
        status = tb_setting_set(store, setting, factory_mark, err);
    return status;
}

enum tb_status tb_factory_install(struct tb_store *store, bool *changed, struct tb_error *err)
{
    struct tb_patch_file file;
    char *mark;
    if (changed)
        *changed = false;
    enum tb_status status = tb_setting_get(store, setting, &mark, err);
    bool first = status == TB_ENOTFOUND;
    bool current = !status && strcmp(mark, factory_mark) == 0;
    free(mark);
    if (current || (status && !first))
        return current ? TB_OK : status;
    status = tb_factory_parse(&file, err);
    if (status)
        return status;
    status = tb_store_begin(store, err);
    if (!status) {
        status = install(store, &file, first, err);
        if (status)
            tb_store_rollback(store);
        else
            status = tb_store_commit(store, err);
    }
    tb_patch_file_clear(&file);
    if (changed)
        *changed = status == TB_OK;
    return status;
}
