/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A list of notes, as the command line ("60:100:0:1,...") and as POST /renders (JSON) write it. */
#include "server/offline/notes.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

static void check(enum tb_status status, struct tb_score *score, const struct tb_error *err)
{
    FUZZ_CHECK(status == TB_OK || err->text[0] != '\0');
    for (size_t i = 0; status == TB_OK && i < score->n; i++) {
        const struct tb_score_event *e = &score->events[i];
        FUZZ_CHECK(isfinite(e->time_s) && e->time_s >= 0);
        FUZZ_CHECK(e->event.key < 128 && e->event.value >= 0 && e->event.value <= 127);
    }
    tb_score_clear(score);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct tb_score score = {0};
    struct tb_error err = {0};
    check(tb_notes_parse(text, &score, &err), &score, &err);
    FUZZ_CHECK(tb_note_key(text) >= -1 && tb_note_key(text) < 128);
    json_t *notes = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    if (notes) {
        score = (struct tb_score){0};
        err = (struct tb_error){0};
        check(tb_notes_from_json(notes, &score, &err), &score, &err);
        json_decref(notes);
    }
    free(text);
    return 0;
}
