/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/loader.h"

#include "server/control.h"
#include "server/web.h"

enum tb_status tb_load_patch(struct tb_web *web, struct tb_store *store, const char *uuid,
                             struct tb_error *err)
{
    struct tb_patch patch = {0};
    enum tb_status status = tb_patch_read(store, uuid, &patch, err);
    if (status == TB_OK)
        status = tb_control_load(web->control, &patch, err);
    tb_patch_clear(&patch);
    return status;
}

enum tb_status tb_load_program(struct tb_web *web, struct tb_store *store, uint32_t bank,
                               uint32_t program, struct tb_error *err)
{
    char uuid[TB_UUID];
    enum tb_status status = tb_bank_program(store, bank, program, uuid, err);
    return status == TB_OK ? tb_load_patch(web, store, uuid, err) : status;
}
