/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A MIDI file: a score that came out is in order, in time and plays only what MIDI can say. */
#include "server/offline/smf.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

static void check_event(const struct tb_event *event)
{
    FUZZ_CHECK(event->type > TB_EVENT_NONE && event->type < TB_N_EVENTS);
    FUZZ_CHECK(event->channel < 16 && event->key < 128);
    FUZZ_CHECK(isfinite(event->value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_score score = {0};
    struct tb_smf_info info;
    struct tb_error err = {0};
    if (tb_smf_parse(data, size, &score, &info, &err) != TB_OK) {
        FUZZ_CHECK(err.text[0] != '\0');
        FUZZ_CHECK(score.n == 0 && score.events == NULL);
        return 0;
    }
    for (size_t i = 0; i < score.n; i++) {
        const struct tb_score_event *e = &score.events[i];
        FUZZ_CHECK(e->time_s >= 0 && e->time_s <= score.end_s);
        FUZZ_CHECK(i == 0 || e->time_s >= score.events[i - 1].time_s);
        check_event(&e->event);
    }
    tb_score_clear(&score);
    return 0;
}
