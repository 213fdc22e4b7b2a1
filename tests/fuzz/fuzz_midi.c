/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The bytes of a MIDI cable, in pieces of changing size: every event is one that the engine knows,
 * and pieces give what the whole gives. */
#include "dsp/midi_parse.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

enum { SYSEX_MAX = 256 };

struct heard {
    unsigned events, programs, sysex;
    float sum;
    uint8_t buffer[SYSEX_MAX];
};

static void hear(void *context, const struct tb_midi_item *item)
{
    struct heard *heard = context;
    const struct tb_event *e = &item->event;
    if (item->kind == TB_MIDI_EVENT) {
        FUZZ_CHECK(e->type > TB_EVENT_NONE && e->type < TB_N_EVENTS);
        FUZZ_CHECK(e->channel < 16 && e->key < 128 && isfinite(e->value));
        FUZZ_CHECK(e->type != TB_EVENT_CONTROLLER || e->id < 128);
        heard->sum += e->value;
        heard->events++;
    } else if (item->kind == TB_MIDI_PROGRAM) {
        FUZZ_CHECK(item->program < 16384U << 7);
        heard->programs++;
    } else {
        FUZZ_CHECK(item->size >= 2 && item->size <= SYSEX_MAX);
        FUZZ_CHECK(item->sysex[0] == 0xF0 && item->sysex[item->size - 1] == 0xF7);
        heard->sysex++;
    }
}

static void parse(struct heard *heard, const uint8_t *data, size_t size, size_t piece)
{
    struct tb_midi_parser parser;
    *heard = (struct heard){0};
    tb_midi_init(&parser, hear, heard, heard->buffer, sizeof heard->buffer);
    for (size_t at = 0; at < size; at += piece)
        tb_midi_parse(&parser, data + at, size - at < piece ? size - at : piece);
    tb_midi_flush(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard whole, pieces;
    parse(&whole, data, size, size + 1);
    parse(&pieces, data, size, 1 + size % 5);
    FUZZ_CHECK(whole.events == pieces.events && whole.programs == pieces.programs);
    FUZZ_CHECK(whole.sysex == pieces.sysex);
    return 0;
}
