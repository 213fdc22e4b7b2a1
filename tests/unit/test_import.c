/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/import.h"
#include "server/formats/instruments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/store_fixture.h"

static void make_voice(int number, const char *name, uint8_t packed[TB_SYX_PACKED])
{
    uint8_t voice[TB_SYX_UNPACKED];
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_FM_ALGORITHM] = (float)(1 + number % 32);
    tb_syx_from_values(values, name, voice);
    memcpy(voice + 145, name, TB_SYX_NAME); /* raw, whatever it is */
    tb_syx_pack(voice, packed);
}

static size_t make_bulk(uint8_t out[TB_SYX_BULK])
{
    uint8_t voices[32][TB_SYX_PACKED];
    for (int i = 0; i < 32; i++) {
        char name[16];
        snprintf(name, sizeof name, "BASS %02d   ", i);
        make_voice(i, i == 3 ? "  \x01PAD \x7f  " : i == 4 ? "          " : name, voices[i]);
    }
    tb_syx_write_bulk((const uint8_t(*)[TB_SYX_PACKED])voices, 32, 0, out);
    return TB_SYX_BULK;
}

static struct tb_imported import(struct fixture *f, const void *data, size_t size, const char *name)
{
    struct tb_import parsed;
    struct tb_imported done;
    assert_ok(f, tb_import_parse(data, size, name, &parsed, &f->err));
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_import_store(f->store, &parsed, &done, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    tb_import_clear(&parsed);
    return done;
}

static void a_cartridge_becomes_a_bank_and_comes_back(void **state)
{
    struct fixture *f = *state;
    uint8_t bulk[TB_SYX_BULK], again[TB_SYX_BULK], voices[32][TB_SYX_PACKED];
    struct tb_bank bank;
    size_t size = make_bulk(bulk);
    struct tb_imported done = import(f, bulk, size, "C:\\old\\My/Cart 1.syx");
    assert_true(done.n_created == 32 && done.n_skipped == 0);
    assert_string_equal(done.bank_name, "Cart 1");
    assert_string_equal(done.created[3].name, "PAD ←");
    assert_string_equal(done.created[4].name, "(blank)");
    assert_ok(f, tb_bank_read(f->store, done.bank_uuid, &bank, &f->err));
    assert_true(bank.number == 1 && bank.n_patches == 32);
    for (size_t i = 0; i < 32; i++) {
        struct tb_patch patch;
        uint8_t voice[TB_SYX_UNPACKED];
        assert_ok(f, tb_patch_read(f->store, bank.patches[i], &patch, &f->err));
        assert_string_equal(patch.note, "imported");
        assert_string_equal(patch.category, i == 3 ? "Pads" : i == 4 ? "" : "Bass");
        tb_patch_to_voice(&patch, voice);
        tb_syx_pack(voice, voices[i]);
        tb_patch_clear(&patch);
    }
    tb_syx_write_bulk((const uint8_t(*)[TB_SYX_PACKED])voices, 32, 0, again);
    assert_memory_equal(again, bulk, sizeof again);
    tb_bank_clear(&bank);
    tb_imported_clear(&done);
}

/* One table for voices and networks; a word within another must not win (FLUTE, BASSOON). */
static void names_tell_category_and_manner(void **state)
{
    static const struct {
        const char *name, *category;
        enum tb_manner manner;
    } cases[] = {
        {"FLUTE   1", "Winds", TB_BLOWN},       {"LUTE 2", "Plucks", TB_PLUCKED},
        {"BASSOON", "Winds", TB_BLOWN},         {"BASS CLAR.", "Winds", TB_BLOWN},
        {"BASS    3", "Bass", TB_PLUCKED},      {"STRINGBASS", "Bass", TB_PLUCKED},
        {"HARPSICH 1", "Keys", TB_PLUCKED},     {"HARP    2", "Plucks", TB_PLUCKED},
        {"E.PIANO 1", "Keys", TB_STRUCK},       {"PERC ORGAN", "Organ", TB_HELD},
        {"BASS DRUM", "Percussion", TB_STRUCK}, {"SNARE", "Percussion", TB_STRUCK},
        {"trumpet", "Brass", TB_BRASSY},        {"Violin DDX7 Full", "Strings", TB_BOWED},
        {"mixed choir", "Voices", TB_SUNG},     {"vibraphone", "Mallets", TB_STRUCK},
        {"nylon guitar", "Plucks", TB_PLUCKED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct tb_instrument *it = tb_instrument_of(cases[i].name);
        if (!it || strcmp(it->category, cases[i].category) != 0 || it->manner != cases[i].manner)
            fail_msg("%s: %s", cases[i].name, it ? it->category : "nothing");
    }
    assert_null(tb_instrument_of("TRAIN"));
    assert_null(tb_instrument_of(""));
}

static void importing_twice_changes_nothing(void **state)
{
    struct fixture *f = *state;
    uint8_t bulk[TB_SYX_BULK];
    size_t size = make_bulk(bulk), n;
    struct tb_bank *banks;
    struct tb_imported first = import(f, bulk, size, "a.syx");
    struct tb_imported second = import(f, bulk, size, "a.syx");
    assert_true(second.n_created == 0 && second.n_skipped == 32 && second.bank_uuid[0] == '\0');
    assert_ok(f, tb_bank_list(f->store, &banks, &n, &f->err));
    assert_int_equal(n, 1);
    tb_bank_clear(&banks[0]);
    free(banks);
    /* One was edited: its original comes back beside it, once. */
    struct tb_patch patch;
    assert_ok(f, tb_patch_read(f->store, first.created[0].uuid, &patch, &f->err));
    patch.values[0].value += 1.0;
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_patch_replace(f->store, &patch, 1, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    struct tb_imported third = import(f, bulk, size, "b.syx");
    assert_true(third.n_created == 1 && third.n_skipped == 31);
    assert_string_equal(third.created[0].name, first.created[0].name);
    assert_string_not_equal(third.created[0].uuid, first.created[0].uuid);
    assert_string_equal(third.bank_name, "b");
    struct tb_imported fourth = import(f, bulk, size, "b.syx");
    assert_true(fourth.n_created == 0 && fourth.n_skipped == 32);
    tb_patch_clear(&patch);
    tb_imported_clear(&first);
    tb_imported_clear(&second);
    tb_imported_clear(&third);
    tb_imported_clear(&fourth);
}

/* What was saved from the working copy holds floats, its file nine digits of them. */
static void an_export_is_known_again(void **state)
{
    struct fixture *f = *state;
    struct tb_patch patch = {.name = "Mine", .n_values = 2};
    patch.values = calloc(2, sizeof *patch.values);
    assert_non_null(patch.values);
    patch.values[0] = (struct tb_value){.key = "note.attack", .value = (double)0.3F};
    patch.values[1] = (struct tb_value){.key = "note.release", .value = (double)0.1F};
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_patch_create(f->store, &patch, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    for (int edited = 0; edited < 2; edited++) {
        json_t *file = tb_patch_file_to_json(&patch, 1, NULL, 0);
        json_t *values =
            json_object_get(json_array_get(json_object_get(file, "patches"), 0), "values");
        if (edited)
            assert_int_equal(json_object_set_new(values, "note.attack", json_real(0.31)), 0);
        char *text = json_dumps(file, JSON_REAL_PRECISION(9));
        assert_non_null(text);
        struct tb_imported done = import(f, text, strlen(text), "mine.json");
        assert_int_equal(done.n_created, edited);
        assert_int_equal(done.n_skipped, !edited);
        tb_imported_clear(&done);
        free(text);
        json_decref(file);
    }
    tb_patch_clear(&patch);
}

static const char json_file[] =
    "{\"format\":\"timbred\",\"version\":1,\"patches\":["
    "{\"uuid\":\"01234567-89ab-4cde-8f01-23456789abcd\",\"name\":\"One\",\"factory\":true},"
    "{\"name\":\"Two\",\"values\":{\"future.key\":1}}],"
    "\"banks\":[{\"name\":\"Mine\",\"number\":5,"
    "\"patches\":[null,\"01234567-89ab-4cde-8f01-23456789abcd\"]}]}";

static void json_resolves_collisions(void **state)
{
    struct fixture *f = *state;
    struct tb_patch patch;
    struct tb_bank bank;
    struct tb_imported done = import(f, json_file, strlen(json_file), NULL);
    assert_int_equal(done.n_created, 2);
    assert_string_equal(done.created[0].uuid, "01234567-89ab-4cde-8f01-23456789abcd");
    assert_ok(f, tb_patch_read(f->store, done.created[0].uuid, &patch, &f->err));
    assert_false(patch.factory); /* nobody imports into the factory bank */
    strcpy(patch.name, "Changed");
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_patch_replace(f->store, &patch, 0, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    tb_patch_clear(&patch);
    tb_imported_clear(&done);

    done = import(f, json_file, strlen(json_file), NULL);
    assert_true(done.n_created == 2);
    assert_string_not_equal(done.created[0].uuid, "01234567-89ab-4cde-8f01-23456789abcd");
    assert_ok(f, tb_bank_read(f->store, done.bank_uuid, &bank, &f->err));
    assert_int_equal(bank.number, 6); /* 5 was taken */
    assert_string_equal(bank.patches[0], "");
    assert_string_equal(bank.patches[1], done.created[0].uuid); /* the bank follows the new uuid */
    tb_bank_clear(&bank);
    tb_imported_clear(&done);
}

static void nothing_to_take_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct tb_import parsed;
    const struct {
        const char *data;
        size_t size;
        const char *error;
    } cases[] = {
        {"", 0, "the file is empty"},
        {"hello", 5, "not a DX7 file: no DX7 message, and not a row of packed voices"},
        {"  {\"format\":1}", 14, "format: must be \"timbred\""},
        {"{\"name\":\"x\",\"values\":{\"fm.feedback\":9}}", 39, "fm.feedback: 9 is above 7"},
        {"\xf0\x43\x10\x01\x06\x3f\xf7", 7, "message 1: a parameter change, skipped"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(tb_import_parse((const uint8_t *)cases[i].data, cases[i].size,
                                         "\xff\xfe/../x.syx", &parsed, &f->err),
                         TB_EINVAL);
        assert_string_equal(f->err.text, cases[i].error);
        assert_null(parsed.file.patches);
    }
    uint8_t *big = calloc(1, TB_IMPORT_MAX_BYTES + 1);
    assert_int_equal(tb_import_parse(big, TB_IMPORT_MAX_BYTES + 1, NULL, &parsed, &f->err),
                     TB_ETOOLARGE);
    assert_int_equal(tb_import_parse(big, TB_IMPORT_MAX_BYTES, NULL, &parsed, &f->err), TB_OK);
    tb_import_clear(&parsed);
    free(big);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_cartridge_becomes_a_bank_and_comes_back),
        T(names_tell_category_and_manner),
        T(importing_twice_changes_nothing),
        T(an_export_is_known_again),
        T(json_resolves_collisions),
        T(nothing_to_take_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
