/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"
#include "server/state/loader.h"
#include "server/web/json_in.h"

#include <string.h>

enum tb_status tb_model_choice_read(json_t *json, struct tb_model_choice *choice,
                                    struct tb_error *err)
{
    static const char *const members[] = {"uuid", "b", "force", NULL};
    memset(choice, 0, sizeof *choice);
    enum tb_status status = tb_json_only(json, members, err);
    if (status == TB_OK)
        status = tb_json_bool(json, "force", &choice->force, err);
    for (int i = 0; i < 2 && status == TB_OK; i++) {
        const json_t *member = json_object_get(json, members[i]);
        choice->given[i] = member != NULL;
        if (!member || json_is_null(member))
            continue;
        status = tb_json_text(json, members[i], choice->uuid[i], TB_UUID, err);
        if (status == TB_OK && !tb_uuid_is_valid(choice->uuid[i]))
            status = tb_fail(err, TB_EINVAL, "%s: is not a uuid in lower case", members[i]);
    }
    if (status == TB_OK && !choice->given[0] && !choice->given[1])
        status = tb_fail(err, TB_EINVAL, "uuid: missing, or b");
    return status;
}
