/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An imported file, either format: what came out is within all bounds and survives a round trip
 * through our own JSON; one patch as the body of a request likewise. */
#include "server/formats/import.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

static void check_patch(const struct tb_patch *patch)
{
    FUZZ_CHECK(patch->name[0] != '\0' && memchr(patch->name, '\0', sizeof patch->name));
    FUZZ_CHECK(patch->n_tags >= 0 && patch->n_tags <= TB_MAX_TAGS);
    FUZZ_CHECK(patch->n_values <= TB_MAX_VALUES && !patch->factory);
    for (size_t i = 0; i < patch->n_values; i++) {
        int id = tb_param_find(patch->values[i].key);
        float checked;
        FUZZ_CHECK(isfinite(patch->values[i].value));
        FUZZ_CHECK(id < 0 || tb_param_check((enum tb_param)id, patch->values[i].value, &checked,
                                            NULL) == TB_OK);
    }
}

static void check_body(const char *data, size_t size)
{
    struct tb_error err = {TB_OK, ""};
    json_t *json = tb_json_parse(data, size, &err);
    struct tb_patch patch = {0};
    if (!json) {
        FUZZ_CHECK(err.text[0] != '\0');
        return;
    }
    if (tb_patch_from_json(json, TB_BODY_FULL, &patch, NULL, &err) == TB_OK) {
        check_patch(&patch);
        (void)tb_patch_from_json(json, TB_BODY_MERGE, &patch, NULL, &err);
        check_patch(&patch);
    } else {
        FUZZ_CHECK(err.text[0] != '\0' && patch.values == NULL);
    }
    tb_patch_clear(&patch);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_import import;
    struct tb_error err = {TB_OK, ""};
    check_body((const char *)data, size);
    if (tb_import_parse(data, size, "fuzz.syx", &import, &err) != TB_OK) {
        FUZZ_CHECK(err.text[0] != '\0' && import.file.patches == NULL);
        return 0;
    }
    for (size_t i = 0; i < import.file.n_patches; i++)
        check_patch(&import.file.patches[i]);
    if (import.file.n_patches <= 64) {
        json_t *json = tb_patch_file_to_json(import.file.patches, import.file.n_patches, NULL, 0);
        char *text = tb_json_dump(json, NULL, &err);
        FUZZ_CHECK(text);
        free(text);
        json_decref(json);
    }
    tb_import_clear(&import);
    return 0;
}
