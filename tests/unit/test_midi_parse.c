/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/midi_parse.h"
#include "dsp/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ITEMS = 4096, SYSEX_MAX = 65536 };

struct log {
    struct tb_midi_item items[MAX_ITEMS];
    size_t n;
    uint8_t sysex[SYSEX_MAX];
    size_t sysex_size;
};

static struct log heard;
static uint8_t buffer[SYSEX_MAX];

static void hear(void *context, const struct tb_midi_item *item)
{
    struct log *log = context;
    assert_true(item->kind <= TB_MIDI_SYSEX);
    if (item->kind == TB_MIDI_SYSEX) {
        assert_true(item->size >= 2 && item->size <= SYSEX_MAX);
        memcpy(log->sysex, item->sysex, item->size);
        log->sysex_size = item->size;
    }
    if (item->kind == TB_MIDI_EVENT) {
        assert_true(item->event.type > TB_EVENT_NONE && item->event.type < TB_N_EVENTS);
        assert_true(item->event.channel < 16 && item->event.key < 128);
        assert_true(item->event.value >= -1.0f && item->event.value <= 127.0f);
        assert_int_equal(item->event.source, TB_SOURCE_MIDI);
    }
    if (log->n < MAX_ITEMS)
        log->items[log->n++] = *item;
}

static void start(struct tb_midi_parser *p)
{
    memset(&heard, 0, sizeof heard);
    tb_midi_init(p, hear, &heard, buffer, sizeof buffer);
}

/* What was heard, as text: one short word an item. */
static void spell(char *text, size_t size)
{
    static const char *const names[TB_N_EVENTS] = {
        [TB_EVENT_PARAM] = "param",       [TB_EVENT_NOTE_ON] = "on",
        [TB_EVENT_NOTE_OFF] = "off",      [TB_EVENT_BEND] = "bend",
        [TB_EVENT_CONTROLLER] = "cc",     [TB_EVENT_PRESSURE] = "press",
        [TB_EVENT_KEY_PRESSURE] = "poly", [TB_EVENT_ALL_NOTES_OFF] = "alloff",
        [TB_EVENT_PANIC] = "panic",
    };
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < heard.n && at + 40 < size; i++) {
        const struct tb_midi_item *m = &heard.items[i];
        const struct tb_event *e = &m->event;
        const char *gap = i ? " " : "";
        if (m->kind == TB_MIDI_SYSEX)
            at += (size_t)snprintf(text + at, size - at, "%ssysex:%zu", gap, m->size);
        else if (m->kind == TB_MIDI_PROGRAM)
            at += (size_t)snprintf(text + at, size - at, "%sprog:%u", gap, m->program);
        else
            at += (size_t)snprintf(text + at, size - at, "%s%s:%d:%d:%.4g", gap, names[e->type],
                                   e->channel, e->type == TB_EVENT_CONTROLLER ? e->id : e->key,
                                   (double)e->value);
    }
}

static size_t unhex(const char *hex, uint8_t *bytes)
{
    size_t n = 0;
    for (char *end; *hex; hex = end) {
        bytes[n++] = (uint8_t)strtoul(hex, &end, 16);
        while (*end == ' ')
            end++;
    }
    return n;
}

static const struct {
    const char *name, *bytes, *heard;
} cases[] = {
    {"note on and off", "90 3c 64 80 3c 40", "on:0:60:100 off:0:60:0"},
    {"velocity 0 is a note off", "91 3c 00", "off:1:60:0"},
    {"running status", "90 3c 64 3e 65 3c 00", "on:0:60:100 on:0:62:101 off:0:60:0"},
    {"clock between bytes", "90 f8 3c fe 64 fa", "on:0:60:100"},
    {"system common ends running status", "90 3c 64 f3 05 3c 64", "on:0:60:100"},
    {"data without status", "3c 64 00 7f", ""},
    {"cut by another status", "90 3c b0 01 7f", "cc:0:1:1"},
    {"pressure", "d2 40 a2 3c 7f", "press:2:0:0.5039 poly:2:60:1"},
    {"bend ends and middle", "e0 00 00 00 40 7f 7f", "bend:0:0:-1 bend:0:0:0 bend:0:0:1"},
    {"program", "c3 05 06", "prog:5 prog:6"},
    {"bank and program", "b0 00 01 20 02 c0 07", "prog:16647"},
    {"bank of one channel only", "b0 00 01 c1 07", "prog:7"},
    {"coarse controllers span all", "b0 01 00 01 40 01 7f", "cc:0:1:0 cc:0:1:0.5039 cc:0:1:1"},
    {"the first pair", "b0 01 40 21 00", "cc:0:1:0.5039 cc:0:1:0.5"},
    {"later pairs come as one", "b0 01 40 21 00 01 3f 21 7f",
     "cc:0:1:0.5039 cc:0:1:0.5 cc:0:1:0.5"},
    {"a pair cut by a note", "b0 01 40 21 00 01 7f 90 3c 64",
     "cc:0:1:0.5039 cc:0:1:0.5 cc:0:1:1 on:0:60:100"},
    {"switches above 63", "b0 40 7f 43 3f", "cc:0:64:1 cc:0:67:0.4961"},
    {"bend range", "b0 65 00 64 00 06 0c", "param:0:0:12"},
    {"bend range is bounded", "b0 65 00 64 00 06 30", "param:0:0:12"},
    {"increment and decrement", "b0 65 00 64 00 06 05 60 00 61 00 61 00",
     "param:0:0:5 param:0:0:6 param:0:0:5 param:0:0:4"},
    {"null parameter", "b0 65 7f 64 7f 06 0c", "cc:0:6:0.09449"},
    {"non-registered parameter", "b0 65 00 64 00 63 01 62 02 06 0c", "cc:0:6:0.09449"},
    {"another registered parameter", "b0 65 00 64 01 06 40 26 00", ""},
    {"a zone of all channels", "b0 65 00 64 06 06 0f", "param:0:0:15 param:0:0:0"},
    {"a zone from above", "bf 65 00 64 06 06 04", "param:15:0:0 param:15:0:4"},
    {"a zone takes from the other", "b0 65 00 64 06 06 0a bf 65 00 64 06 06 07",
     "param:0:0:10 param:0:0:0 param:15:0:7 param:15:0:7"},
    {"no zone of a middle channel", "b4 65 00 64 06 06 04", ""},
    {"members bend far", "b0 65 00 64 06 06 0e b1 65 00 64 00 06 30",
     "param:0:0:14 param:0:0:0 param:1:0:48"},
    {"all notes off", "b5 7b 00", "alloff:5:0:0"},
    {"mono and poly end notes", "b0 7e 01 7f 00", "alloff:0:0:0 alloff:0:0:0"},
    {"all sound off", "b0 78 00", "panic:0:0:0"},
    {"local control is nothing", "b0 7a 7f", ""},
    {"reset controllers", "b0 79 00",
     "cc:0:1:0 cc:0:2:0 cc:0:4:0 cc:0:64:0 cc:0:65:0 cc:0:66:0 cc:0:67:0 cc:0:11:1 "
     "bend:0:0:0 press:0:0:0"},
    {"sysex", "f0 43 00 01 f7", "sysex:5"},
    {"clock inside sysex", "f0 43 f8 00 fe 01 f7", "sysex:5"},
    {"sysex cut by a note", "f0 43 00 90 3c 64", "on:0:60:100"},
    {"sysex begun twice", "f0 43 f0 44 45 f7", "sysex:4"},
    {"end without a beginning", "f7 90 3c 64", "on:0:60:100"},
    {"system reset", "90 3c 64 ff 3c 64", "on:0:60:100 alloff:0:0:0"},
};

static void bytes_become_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_midi_parser p;
        uint8_t bytes[256];
        char text[1024];
        start(&p);
        tb_midi_parse(&p, bytes, unhex(cases[i].bytes, bytes));
        spell(text, sizeof text);
        if (strcmp(text, cases[i].heard) != 0)
            fail_msg("%s: heard \"%s\", expected \"%s\"", cases[i].name, text, cases[i].heard);
    }
}

static void a_slow_14_bit_fade_never_steps_back(void **state)
{
    (void)state;
    struct tb_midi_parser p;
    start(&p);
    for (int value = 16383; value >= 0; value -= 8) {
        uint8_t pair[] = {0xb0, 7, (uint8_t)(value >> 7), 39, (uint8_t)(value & 127)};
        tb_midi_parse(&p, pair, sizeof pair);
        tb_midi_flush(&p);
    }
    assert_true(heard.n > 2000);
    for (size_t i = 2; i < heard.n; i++) /* the very first one is not known to be a pair */
        assert_true(heard.items[i].event.value < heard.items[i - 1].event.value);
}

static void a_pair_that_stays_away_is_let_go(void **state)
{
    (void)state;
    struct tb_midi_parser p;
    start(&p);
    tb_midi_parse(&p, (const uint8_t[]){0xb0, 1, 64, 33, 0, 1, 127}, 7);
    assert_int_equal(heard.n, 2);
    tb_midi_flush(&p);
    assert_int_equal(heard.n, 3);
    tb_midi_parse(&p, (const uint8_t[]){1, 0}, 2); /* coarse again: at once */
    assert_int_equal(heard.n, 4);
}

static void one_channel_only(void **state)
{
    (void)state;
    struct tb_midi_parser p;
    start(&p);
    p.only_channel = 3;
    for (uint8_t ch = 0; ch < 16; ch++)
        tb_midi_parse(&p, (const uint8_t[]){0x90 | ch, 60, 100}, 3);
    assert_int_equal(heard.n, 1);
    assert_int_equal(heard.items[0].event.channel, 2);
}

static void sysex_of_any_length(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 161, 4102, SYSEX_MAX - 2, SYSEX_MAX - 1, 3 * SYSEX_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct tb_midi_parser p;
        start(&p);
        tb_midi_parse(&p, (const uint8_t[]){0xf0}, 1);
        for (size_t k = 0; k < lengths[i]; k++)
            tb_midi_parse(&p, (const uint8_t[]){(uint8_t)(k & 127)}, 1);
        tb_midi_parse(&p, (const uint8_t[]){0xf7, 0x90, 60, 100}, 4);
        bool fits = lengths[i] + 2 <= SYSEX_MAX;
        assert_int_equal(heard.n, fits ? 2 : 1); /* and the note after it is heard in any case */
        assert_int_equal(p.too_long, fits ? 0 : 1);
        if (fits) {
            assert_int_equal(heard.sysex_size, lengths[i] + 2);
            assert_int_equal(heard.sysex[0], 0xf0);
            assert_int_equal(heard.sysex[lengths[i] + 1], 0xf7);
        }
    }
}

/* Everything of the table in a row, cut after every byte, then a note: it must be heard. */
static void every_truncation(void **state)
{
    (void)state;
    uint8_t all[2048];
    size_t n = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        n += unhex(cases[i].bytes, all + n);
    for (size_t cut = 0; cut <= n; cut++) {
        struct tb_midi_parser p;
        start(&p);
        tb_midi_parse(&p, all, cut);
        tb_midi_reset(&p);
        heard.n = 0;
        tb_midi_parse(&p, (const uint8_t[]){0x90, 1, 2}, 3);
        assert_int_equal(heard.n, 1);
        assert_int_equal(heard.items[0].event.type, TB_EVENT_NOTE_ON);
    }
}

static void random_bytes(void **state)
{
    (void)state;
    struct tb_midi_parser p;
    start(&p);
    uint32_t x = 1;
    uint8_t bytes[977];
    for (int round = 0; round < 4000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            x = x * 1664525 + 1013904223;
            bytes[i] = (uint8_t)(x >> 24);
        }
        heard.n = 0;
        tb_midi_parse(&p, bytes, sizeof bytes); /* hear() checks every item */
    }
    assert_true(p.rubbish > 0);
}

/* Chopping a stream differently changes nothing. */
static void chunks_do_not_matter(void **state)
{
    (void)state;
    uint8_t all[2048];
    char whole[16384], chopped[16384];
    size_t n = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        n += unhex(cases[i].bytes, all + n);
    struct tb_midi_parser p;
    start(&p);
    tb_midi_parse(&p, all, n);
    spell(whole, sizeof whole);
    for (size_t chunk = 1; chunk < 7; chunk++) {
        start(&p);
        for (size_t at = 0; at < n; at += chunk)
            tb_midi_parse(&p, all + at, at + chunk < n ? chunk : n - at);
        spell(chopped, sizeof chopped);
        assert_string_equal(whole, chopped);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_become_events),
        cmocka_unit_test(a_slow_14_bit_fade_never_steps_back),
        cmocka_unit_test(a_pair_that_stays_away_is_let_go),
        cmocka_unit_test(one_channel_only),
        cmocka_unit_test(sysex_of_any_length),
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(chunks_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
