/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/syx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t seed = 1;

static uint8_t random_byte(unsigned max)
{
    seed = seed * 1664525U + 1013904223U;
    return (uint8_t)((seed >> 16) % (max + 1));
}

/* A legal voice; its own maxima, so that the codec's table is checked against another one. */
static void random_voice(uint8_t voice[TB_SYX_UNPACKED], int number)
{
    static const uint8_t op[] = {99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
                                 3,  3,  7,  3,  7,  99, 1,  31, 99, 14};
    static const uint8_t rest[] = {99, 99, 99, 99, 99, 99, 99, 99, 31, 7,
                                   1,  99, 99, 99, 99, 1,  5,  7,  48};
    char name[16];
    for (int i = 0; i < 126; i++)
        voice[i] = random_byte(op[i % 21]);
    for (int i = 0; i < 19; i++)
        voice[126 + i] = random_byte(rest[i]);
    snprintf(name, sizeof name, "VOICE %02d  ", number % 100);
    memcpy(voice + 145, name, 10);
}

static size_t random_bulk(uint8_t out[TB_SYX_BULK])
{
    uint8_t voices[32][TB_SYX_PACKED], voice[TB_SYX_UNPACKED];
    for (int i = 0; i < 32; i++) {
        random_voice(voice, i);
        tb_syx_pack(voice, voices[i]);
    }
    tb_syx_write_bulk((const uint8_t(*)[TB_SYX_PACKED])voices, 32, 0, out);
    return TB_SYX_BULK;
}

static void legal_voices_survive_bit_for_bit(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint8_t voice[TB_SYX_UNPACKED], packed[TB_SYX_PACKED], back[TB_SYX_UNPACKED];
        float values[TB_N_PARAMS], check;
        char name[TB_SYX_NAME_BYTES];
        random_voice(voice, i);
        tb_syx_pack(voice, packed);
        tb_syx_unpack_voice(packed, values, name);
        for (int k = 0; k < TB_N_PARAMS; k++)
            assert_int_equal(tb_param_check((enum tb_param)k, (double)values[k], &check, NULL), 0);
        tb_syx_from_values(values, name, back);
        assert_memory_equal(back, voice, sizeof back);
    }
}

static void the_roms_of_hexter_survive(void **state)
{
    (void)state;
    static const char *const paths[] = {"/usr/share/hexter/dx7_roms.dx7",
                                        "/usr/share/hexter/tx7_roms.dx7"};
    static uint8_t data[65536];
    size_t n_voices = 0;
    for (size_t f = 0; f < 2; f++) {
        FILE *file = fopen(paths[f], "rb");
        if (!file) {
            print_message("SKIPPED, not checked here: %s is missing\n", paths[f]);
            skip();
        }
        size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        struct tb_syx_file syx;
        assert_int_equal(tb_syx_parse(data, size, &syx, NULL), TB_OK);
        assert_int_equal(syx.n_voices, size / TB_SYX_PACKED);
        assert_int_equal(syx.n_clamped, 0);
        for (size_t i = 0; i < syx.n_voices; i++, n_voices++) {
            uint8_t voice[TB_SYX_UNPACKED], packed[TB_SYX_PACKED];
            float values[TB_N_PARAMS];
            char name[TB_SYX_NAME_BYTES];
            tb_syx_unpack_voice(data + i * TB_SYX_PACKED, values, name);
            tb_syx_from_values(values, name, voice);
            tb_syx_pack(voice, packed);
            assert_memory_equal(packed, data + i * TB_SYX_PACKED, TB_SYX_PACKED);
        }
        tb_syx_clear(&syx);
    }
    assert_int_equal(n_voices, 192);
}

static void names_map_to_utf8_and_back(void **state)
{
    (void)state;
    const struct {
        const char *raw, *name; /* raw of ten bytes */
    } cases[] = {
        {"E.PIANO 1 ", "E.PIANO 1"}, {"\\~\x7f{AB z   ", "¥→←{AB z"}, {"  LEFT    ", "  LEFT"},
        {"          ", ""},          {"0123456789", "0123456789"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t raw[TB_SYX_NAME];
        char name[TB_SYX_NAME_BYTES];
        tb_syx_name_to_utf8((const uint8_t *)cases[i].raw, name);
        assert_string_equal(name, cases[i].name);
        tb_syx_name_from_utf8(name, raw);
        assert_memory_equal(raw, cases[i].raw, TB_SYX_NAME);
    }
    const struct {
        const char *name, *raw;
    } foreign[] = {
        {"Bläser Größe", "Blaser Gro"}, {"日~\\本", "?-/?      "}, {"\xff\xc3", "??        "}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t raw[TB_SYX_NAME];
        tb_syx_name_from_utf8(foreign[i].name, raw);
        assert_memory_equal(raw, foreign[i].raw, TB_SYX_NAME);
    }
}

static void an_operator_that_is_off_is_silent_in_a_dump(void **state)
{
    (void)state;
    uint8_t voice[TB_SYX_UNPACKED];
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_FM_OP1_ON] = 0.0F;
    tb_syx_from_values(values, "x", voice);
    assert_int_equal(voice[5 * 21 + 16], 0); /* operator 1 is the last block */
}

/* Each fault of a file, made here: what it gives and which words warn of it. */
enum edit {
    NOTHING,
    CUT,
    DROP_END,
    BAD_SUM,
    COUNT,
    CHANNEL,
    REALTIME,
    BIT7,
    LEADING,
    FORMAT,
    PERF
};
static const struct {
    enum edit edit;
    size_t voices;
    const char *words;
} faults[] = {
    {NOTHING, 32, NULL},
    {CUT, 15, "truncated after 2026 of 4096 bytes, its whole voices were taken"},
    {DROP_END, 32, "no end byte"},
    {BAD_SUM, 32, "wrong checksum"},
    {COUNT, 32, "byte count 2048 instead of 4096"},
    {CHANNEL, 32, NULL},
    {REALTIME, 32, NULL},
    {BIT7, 32, "1 bytes had bit 7 set"},
    {LEADING, 32, "3 leading or trailing bytes"},
    {FORMAT, 0, "format 4 is a 4-operator bank"},
    {PERF, 0, "performance data, skipped"},
};

static size_t apply(enum edit edit, uint8_t *data, size_t size)
{
    switch (edit) {
    case NOTHING:
        return size;
    case CUT:
        return 2032;
    case DROP_END:
        return size - 1;
    case BAD_SUM:
        data[size - 2] ^= 1;
        return size;
    case COUNT:
        data[4] = 0x10;
        return size;
    case CHANNEL:
        data[2] = 15;
        return size;
    case REALTIME:
        memmove(data + 101, data + 100, size - 100);
        data[100] = 0xF8;
        data[size] = 0xFE; /* and one before the end byte */
        data[size + 1] = 0xF7;
        return size + 2;
    case BIT7:
        data[6] |= 0x80;
        return size;
    case LEADING:
        memmove(data + 3, data, size);
        memcpy(data, "abc", 3);
        return size + 3;
    case FORMAT:
        data[3] = 4;
        return size;
    case PERF:
        data[3] = 1;
        return size;
    }
    return 0;
}

static void faults_are_survived_and_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        uint8_t data[TB_SYX_BULK + 16], first[TB_SYX_PACKED];
        struct tb_syx_file file;
        size_t size = random_bulk(data);
        memcpy(first, data + 6, sizeof first);
        size = apply(faults[i].edit, data, size);
        assert_int_equal(tb_syx_parse(data, size, &file, NULL), TB_OK);
        assert_int_equal(file.n_voices, faults[i].voices);
        if (file.n_voices)
            assert_memory_equal(file.voices[0], first, sizeof first);
        assert_int_equal(file.n_warnings > 0, faults[i].words != NULL);
        if (faults[i].words && !strstr(file.warnings[0], faults[i].words))
            fail_msg("fault %zu: %s", i, file.warnings[0]);
        tb_syx_clear(&file);
    }
}

static void every_truncation_is_survived(void **state)
{
    (void)state;
    uint8_t bulk[TB_SYX_BULK];
    size_t size = random_bulk(bulk);
    for (size_t n = 0; n < size; n++) {
        struct tb_syx_file file;
        uint8_t *copy = malloc(n ? n : 1); /* its own block: sanitizers see a read past the end */
        memcpy(copy, bulk, n);
        assert_int_equal(tb_syx_parse(copy, n, &file, NULL), TB_OK);
        assert_int_equal(file.n_voices, n < 6                          ? 0
                                        : (n - 6) / TB_SYX_PACKED > 32 ? 32
                                                                       : (n - 6) / TB_SYX_PACKED);
        assert_true(file.n_warnings > 0);
        tb_syx_clear(&file);
        free(copy);
    }
}

static void messages_mix_and_midi_files_open(void **state)
{
    (void)state;
    uint8_t data[20000] = {0}, voice[TB_SYX_UNPACKED];
    struct tb_syx_file file;
    random_voice(voice, 7);
    size_t n = 0;
    tb_syx_write_single(voice, 3, data);
    n += TB_SYX_SINGLE;
    n += random_bulk(data + n);
    memcpy(data + n, "\xf0\x7e\x7f\x06\x01\xf7", 6); /* somebody else's message */
    n += 6;
    tb_syx_write_single(voice, 3, data + n);
    n += TB_SYX_SINGLE;
    assert_int_equal(tb_syx_parse(data, n, &file, NULL), TB_OK);
    assert_int_equal(file.n_voices, 34);
    tb_syx_clear(&file);

    memcpy(data, "MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\xaa", 22);
    data[22] = 0;
    tb_syx_write_single(voice, 0, data + 25);
    memcpy(data + 23, "\xf0\x81\x22\x43", 4); /* a MIDI file has a length behind F0 */
    tb_syx_write_single(voice, 0, data + 300);
    memmove(data + 26, data + 301, TB_SYX_SINGLE - 1);
    assert_int_equal(tb_syx_parse(data, 26 + TB_SYX_SINGLE - 1, &file, NULL), TB_OK);
    assert_int_equal(file.n_voices, 1);
    assert_int_equal(file.n_warnings, 0);
    tb_syx_clear(&file);
}

/* Voices without any message around them are only taken for such when they look like it. */
static void a_row_of_voices_is_told_from_noise(void **state)
{
    static const struct {
        size_t size, high; /* bytes, of which so many have bit 7 */
        uint8_t byte;
        size_t voices;
    } cases[] = {
        {TB_SYX_PACKED, 0, 0, 1},      {TB_SYX_PACKED, 8, 0, 1},     {TB_SYX_PACKED, 9, 0, 0},
        {TB_SYX_PACKED, 0, 0x7f, 0}, /* most of them out of their range */
        {TB_SYX_PACKED - 1, 0, 0, 0},  {TB_SYX_PACKED + 1, 0, 0, 0}, {3 * TB_SYX_PACKED, 24, 0, 3},
        {3 * TB_SYX_PACKED, 25, 0, 0}, {2 * TB_SYX_PACKED, 0, 0, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t data[3 * TB_SYX_PACKED];
        struct tb_syx_file file;
        memset(data, cases[i].byte, sizeof data);
        for (size_t k = 0; k < cases[i].high; k++)
            data[k] |= 0x80;
        assert_int_equal(tb_syx_parse(data, cases[i].size, &file, NULL), TB_OK);
        assert_int_equal(file.n_voices, cases[i].voices);
        assert_int_equal(strncmp(file.warnings[0], "no header: taken", 16) == 0,
                         cases[i].voices > 0);
        tb_syx_clear(&file);
    }
}

static void size_is_bounded(void **state)
{
    (void)state;
    struct tb_error err;
    struct tb_syx_file file;
    uint8_t *big = calloc(1, TB_SYX_MAX_BYTES + 1);
    assert_int_equal(tb_syx_parse(big, TB_SYX_MAX_BYTES + 1, &file, &err), TB_ETOOLARGE);
    assert_string_equal(err.text, "system exclusive: 2097153 bytes are above 2097152");
    assert_int_equal(tb_syx_parse(big, TB_SYX_MAX_BYTES, &file, &err), TB_OK);
    tb_syx_clear(&file);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_voices_survive_bit_for_bit),
        cmocka_unit_test(the_roms_of_hexter_survive),
        cmocka_unit_test(names_map_to_utf8_and_back),
        cmocka_unit_test(an_operator_that_is_off_is_silent_in_a_dump),
        cmocka_unit_test(faults_are_survived_and_told),
        cmocka_unit_test(every_truncation_is_survived),
        cmocka_unit_test(messages_mix_and_midi_files_open),
        cmocka_unit_test(a_row_of_voices_is_told_from_noise),
        cmocka_unit_test(size_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
