/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/notes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static void names_of_keys(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int key;
    } cases[] = {
        {"0", 0},    {"127", 127}, {"128", -1},         {"-1", -1}, {"C4", 60},  {"c4", 60},
        {"A4", 69},  {"F#3", 54},  {"Bb-1", 10},        {"C-1", 0}, {"G9", 127}, {"G#9", -1},
        {"Cb4", 59}, {"B#3", 60},  {"H4", -1},          {"C", -1},  {"C4x", -1}, {"", -1},
        {"60x", -1}, {"C--1", -1}, {"C99999999999", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(tb_note_key(cases[i].text), cases[i].key);
}

static void text_becomes_a_score(void **state)
{
    (void)state;
    struct tb_score score;
    assert_int_equal(tb_notes_parse("60:100:0:1,C4:90:1:0.5,E4", &score, NULL), TB_OK);
    static const struct {
        double time_s;
        int type, key;
        float value;
    } want[] = {{0.0, TB_EVENT_NOTE_ON, 60, 100.0F}, {1.0, TB_EVENT_NOTE_OFF, 60, 0.0F},
                {1.0, TB_EVENT_NOTE_ON, 60, 90.0F},  {1.5, TB_EVENT_NOTE_OFF, 60, 0.0F},
                {1.5, TB_EVENT_NOTE_ON, 64, 100.0F}, {2.5, TB_EVENT_NOTE_OFF, 64, 0.0F}};
    assert_int_equal(score.n, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_true(fabs(score.events[i].time_s - want[i].time_s) < 1e-12);
        assert_int_equal(score.events[i].event.type, want[i].type);
        assert_int_equal(score.events[i].event.key, want[i].key);
        assert_true(score.events[i].event.value == want[i].value);
    }
    assert_true(score.end_s == 2.5);
    tb_score_clear(&score);

    /* a note of no length still begins before it ends */
    assert_int_equal(tb_notes_parse("60:100:1:0", &score, NULL), TB_OK);
    assert_int_equal(score.events[0].event.type, TB_EVENT_NOTE_ON);
    tb_score_clear(&score);
}

static void bad_text_is_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "notes[0].key: \"\" is not a key"},
        {"60:100:0:1,", "notes[1].key: \"\" is not a key"},
        {"X", "notes[0].key: \"X\" is not a key"},
        {"200", "notes[0].key: 200 is above 127"},
        {"60,128:1", "notes[1].key: 128 is above 127"},
        {"60:0", "notes[0].velocity: 0 is below 1"},
        {"60:128", "notes[0].velocity: 128 is above 127"},
        {"60:1.5", "notes[0].velocity: 1.5 is not a whole number"},
        {"60:loud", "notes[0].velocity: \"loud\" is not a number"},
        {"60:100:-1", "notes[0].time_s: -1 is below 0"},
        {"60:100:0:601", "notes[0].duration_s: 601 is above 600"},
        {"60:100:nan:1", "notes[0].time_s: \"nan\" is not a number"},
        {"60:100:1e999:1", "notes[0].time_s: not a finite number"},
        {"60:100:0:1:2", "notes[0]: more than key:velocity:start_s:duration_s"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_score score;
        struct tb_error err;
        assert_int_equal(tb_notes_parse(cases[i][0], &score, &err), TB_EINVAL);
        assert_string_equal(err.text, cases[i][1]);
        assert_null(score.events);
    }
}

static void json_becomes_a_score(void **state)
{
    (void)state;
    static const struct {
        const char *json, *error; /* NULL: fine */
    } cases[] = {
        {"[]", NULL},
        {"[{\"time_s\":0.25,\"key\":60,\"velocity\":100,\"duration_s\":1}]", NULL},
        {"{}", "notes: not an array"},
        {"[1]", "notes[0]: not an object"},
        {"[{\"time_s\":0,\"key\":60,\"velocity\":100}]", "notes[0].duration_s: missing"},
        {"[{\"time_s\":0,\"key\":60,\"velocity\":100,\"duration_s\":1,\"x\":1}]",
         "notes[0].x: unknown field"},
        {"[{\"time_s\":\"0\",\"key\":60,\"velocity\":100,\"duration_s\":1}]",
         "notes[0].time_s: not a number"},
        {"[{\"time_s\":0,\"key\":60.5,\"velocity\":100,\"duration_s\":1}]",
         "notes[0].key: 60.5 is not a whole number"},
        {"[{\"time_s\":0,\"key\":60,\"velocity\":100,\"duration_s\":1e9}]",
         "notes[0].duration_s: 1e+09 is above 600"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *notes = json_loads(cases[i].json, JSON_REJECT_DUPLICATES, NULL);
        struct tb_score score;
        struct tb_error err = {0};
        enum tb_status s = tb_notes_from_json(notes, &score, &err);
        assert_string_equal(err.text, cases[i].error ? cases[i].error : "");
        assert_int_equal(s, cases[i].error ? TB_EINVAL : TB_OK);
        assert_int_equal(score.n, cases[i].error ? 0 : 2 * json_array_size(notes));
        tb_score_clear(&score);
        json_decref(notes);
    }
}

static void a_list_has_a_length(void **state)
{
    (void)state;
    json_t *notes = json_array();
    for (int n = 0; n <= TB_NOTES_MAX; n++)
        assert_int_equal(json_array_append_new(notes, json_integer(1)), 0);
    struct tb_score score;
    struct tb_error err;
    assert_int_equal(tb_notes_from_json(notes, &score, &err), TB_ETOOLARGE);
    assert_string_equal(err.text, "notes: 100001, more than 100000");
    assert_int_equal(json_array_remove(notes, 0), 0);
    assert_int_equal(tb_notes_from_json(notes, &score, &err), TB_EINVAL);
    assert_string_equal(err.text, "notes[0]: not an object");
    json_decref(notes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_keys),       cmocka_unit_test(text_becomes_a_score),
        cmocka_unit_test(bad_text_is_named),   cmocka_unit_test(json_becomes_a_score),
        cmocka_unit_test(a_list_has_a_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
