/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/patch_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *parse(const char *text)
{
    struct tb_error err = {TB_OK, ""};
    json_t *json = tb_json_parse(text, strlen(text), &err);
    if (!json)
        fail_msg("%s: %s", text, err.text);
    return json;
}

static void bad_text_is_refused_before_jansson(void **state)
{
    (void)state;
    static char deep[5000], string[6000];
    memset(deep, '[', sizeof deep - 1);
    memset(string, 'x', sizeof string - 1);
    string[0] = string[sizeof string - 2] = '"';
    const struct {
        const char *text, *error;
    } cases[] = {
        {deep, "JSON: deeper than 32 levels"},
        {string, "JSON: a string is longer than 4096 bytes"},
        {"{\"a\":1,\"a\":2}", "JSON, line 1 column 10: duplicate object key"},
        {"{\"a\":NaN}", "JSON, line 1 column 8: invalid token"},
        {"{\"a\":\"\xff\"}", "JSON, line 1 column 6: unable to decode byte 0xff"},
        {"{\"a\":1e999}", "JSON, line 1 column 10: real number overflow"},
        {"{}x", "JSON, line 1 column 3: end of file expected"},
        {"", "JSON, line 1 column 0: '[' or '{' expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_error err;
        assert_null(tb_json_parse(cases[i].text, strlen(cases[i].text), &err));
        if (strncmp(err.text, cases[i].error, strlen(cases[i].error)) != 0)
            fail_msg("case %zu: %s", i, err.text);
    }
    json_decref(parse("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"));
    json_decref(parse("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"}"));
}

static void every_fault_names_field_and_bound(void **state)
{
    (void)state;
    const struct {
        const char *body, *error;
    } cases[] = {
        {"[]", "patch: must be an object"},
        {"{}", "name: is missing"},
        {"{\"name\":null}", "name: is missing"},
        {"{\"name\":3}", "name: must be a string"},
        {"{\"name\":\"  \"}", "name: is empty"},
        {"{\"name\":\"a\\tb\"}", "name: has a control character at byte 1"},
        {"{\"name\":\"a\\u0085\"}", "name: has a control character at byte 1"},
        {"{\"name\":\"a\\u202eb\"}", "name: has a control character at byte 1"},
        {"{\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
         "name: longer than 64 bytes"},
        {"{\"name\":\"x\",\"category\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
         "category: longer than 32 bytes"},
        {"{\"name\":\"x\",\"tags\":\"y\"}", "tags: must be an array of strings"},
        {"{\"name\":\"x\",\"tags\":[1]}", "tags: must be an array of strings"},
        {"{\"name\":\"x\",\"tags\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}", "tags: 17 is above 16"},
        {"{\"name\":\"x\",\"favourite\":1}", "favourite: must be true or false"},
        {"{\"name\":\"x\",\"uuid\":\"../../etc\"}", "uuid: is not a uuid in lower case"},
        {"{\"name\":\"x\",\"colour\":1}", "colour: unknown field"},
        {"{\"name\":\"x\",\"values\":[]}", "values: must be an object of numbers"},
        {"{\"name\":\"x\",\"values\":{\"fm.op1.coarse\":64}}", "fm.op1.coarse: 64 is above 31"},
        {"{\"name\":\"x\",\"values\":{\"fm.op1.coarse\":1.5}}",
         "fm.op1.coarse: 1.5 is not a whole number"},
        {"{\"name\":\"x\",\"values\":{\"fm.op1.coarse\":\"1\"}}",
         "fm.op1.coarse: must be a number"},
        {"{\"name\":\"x\",\"values\":{\"chorus.mix\":1e308}}", "chorus.mix: 1e+308 is above 1"},
        {"{\"name\":\"x\",\"values\":{\"fm.op7.coarse\":1}}", "fm.op7.coarse: unknown parameter"},
        {"{\"name\":\"x\",\"values\":{\"dx7.name.11\":1}}", "dx7.name.11: unknown parameter"},
        {"{\"name\":\"x\",\"values\":{\"master.gain\":0}}",
         "master.gain: belongs to the device, not to a patch"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_patch patch = {.name = "before"};
        struct tb_error err = {TB_OK, ""};
        json_t *body = parse(cases[i].body);
        assert_int_equal(tb_patch_from_json(body, TB_BODY_FULL, &patch, NULL, &err), TB_EINVAL);
        if (strcmp(err.text, cases[i].error) != 0)
            fail_msg("case %zu: %s", i, err.text);
        assert_string_equal(patch.name, "before"); /* refused: nothing changed */
        assert_null(patch.values);
        json_decref(body);
    }
}

#define UUID_TEXT "11111111-2222-4333-8444-555555555555"
#define HASH_TEXT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void models_are_named_and_checked(void **state)
{
    (void)state;
    const struct {
        const char *model, *error;
    } cases[] = {
        {"3", "model: must be an object or null"},
        {"{}", "model.uuid: is not a uuid in lower case"},
        {"{\"uuid\":\"../x\",\"sha256\":\"" HASH_TEXT "\"}",
         "model.uuid: is not a uuid in lower case"},
        {"{\"uuid\":\"" UUID_TEXT "\",\"sha256\":\"../../etc/passwd\"}",
         "model.sha256: is not 64 hexadecimal digits"},
        {"{\"uuid\":\"" UUID_TEXT "\",\"sha256\":\"" HASH_TEXT "\",\"path\":\"x\"}",
         "model.path: unknown field"},
        {"{\"uuid\":\"" UUID_TEXT "\",\"sha256\":\"" HASH_TEXT "\",\"name\":\"a\\nb\"}",
         "model.name: has a control character at byte 1"},
    };
    char text[400];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_patch patch = {0};
        struct tb_error err;
        (void)snprintf(text, sizeof text, "{\"name\":\"x\",\"model\":%s}", cases[i].model);
        json_t *body = parse(text);
        assert_int_equal(tb_patch_from_json(body, TB_BODY_FULL, &patch, NULL, &err), TB_EINVAL);
        assert_string_equal(err.text, cases[i].error);
        json_decref(body);
    }
    struct tb_patch patch = {0};
    json_t *body = parse("{\"name\":\"x\",\"model_b\":{\"uuid\":\"" UUID_TEXT
                         "\",\"sha256\":\"" HASH_TEXT "\",\"name\":\"Flute\"}}");
    assert_int_equal(tb_patch_from_json(body, TB_BODY_FULL, &patch, NULL, NULL), TB_OK);
    json_t *again = tb_patch_to_json(&patch);
    assert_true(json_is_null(json_object_get(again, "model")));
    assert_true(json_equal(json_object_get(again, "model_b"), json_object_get(body, "model_b")));
    json_decref(body);
    json_decref(again);
    body = parse("{\"favourite\":true}"); /* merge: absent stays, null goes */
    assert_int_equal(tb_patch_from_json(body, TB_BODY_MERGE, &patch, NULL, NULL), TB_OK);
    assert_string_equal(patch.models[1].name, "Flute");
    json_decref(body);
    body = parse("{\"model_b\":null}");
    assert_int_equal(tb_patch_from_json(body, TB_BODY_MERGE, &patch, NULL, NULL), TB_OK);
    assert_string_equal(patch.models[1].uuid, "");
    json_decref(body);
    tb_patch_clear(&patch);
}

static void full_bodies_fill_defaults(void **state)
{
    (void)state;
    struct tb_patch patch = {0};
    struct tb_error err;
    float values[TB_N_PARAMS];
    json_t *body = parse("{\"name\":\"  Tin \",\"tags\":[\"a\",\" a\",\"\",\"b\"],"
                         "\"comment\":\"one\\ntwo\\n\",\"revision\":7,"
                         "\"values\":{\"fm.algorithm\":5,\"chorus.mix\":0.1}}");
    assert_int_equal(tb_patch_from_json(body, TB_BODY_FULL, &patch, NULL, &err), TB_OK);
    json_decref(body);
    assert_string_equal(patch.name, "Tin");
    assert_string_equal(patch.comment, "one\ntwo");
    assert_int_equal(patch.n_tags, 2);
    assert_int_equal(patch.revision, 0);
    tb_patch_get_params(&patch, values);
    assert_true(values[TB_P_FM_ALGORITHM] == 5.0F && values[TB_P_CHORUS_MIX] == 0.1F);
    assert_true(values[TB_P_FM_OP1_LEVEL] == 99.0F && patch.n_values > 150);

    body = parse("{\"name\":\"New\",\"tags\":null,\"values\":{\"fm.algorithm\":null,"
                 "\"fm.feedback\":3}}");
    assert_int_equal(tb_patch_from_json(body, TB_BODY_MERGE, &patch, NULL, &err), TB_OK);
    json_decref(body);
    tb_patch_get_params(&patch, values);
    assert_true(values[TB_P_FM_ALGORITHM] == 1.0F && values[TB_P_FM_FEEDBACK] == 3.0F);
    assert_true(values[TB_P_CHORUS_MIX] == 0.1F); /* untouched */
    assert_string_equal(patch.comment, "one\ntwo");
    assert_int_equal(patch.n_tags, 0);
    tb_patch_clear(&patch);
}

static void patches_survive_a_file(void **state)
{
    (void)state;
    struct tb_patch patch = {.name = "Größe \"1\"", .category = "Bass", .favourite = true};
    struct tb_bank bank = {.uuid = "11234567-89ab-4cde-8f01-23456789abcd",
                           .name = "Set",
                           .number = 12,
                           .n_patches = 2};
    struct tb_patch_file file;
    struct tb_warnings warnings = {0};
    struct tb_error err;
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_REVERB_DECAY] = 1.2345678F;
    values[TB_P_PATCH_GAIN] = -3.1F;
    assert_int_equal(tb_patch_set_params(&patch, values, &err), TB_OK);
    patch.values[patch.n_values++] = (struct tb_value){"future.key", 0.5};
    strcpy(patch.uuid, "01234567-89ab-4cde-8f01-23456789abcd");
    bank.patches = calloc(2, sizeof *bank.patches);
    strcpy(bank.patches[1], patch.uuid);
    json_t *json = tb_patch_file_to_json(&patch, 1, &bank, 1);
    size_t size;
    char *text = tb_json_dump(json, &size, &err);
    json_decref(json);
    assert_non_null(text);
    if (tb_patch_file_parse(text, size, &file, &warnings, &err) != TB_OK)
        fail_msg("%s", err.text);
    free(text);
    assert_true(file.n_patches == 1 && file.n_banks == 1);
    assert_string_equal(file.patches[0].name, patch.name);
    assert_string_equal(file.patches[0].uuid, patch.uuid);
    assert_true(file.patches[0].favourite);
    assert_int_equal(file.patches[0].n_values, patch.n_values);
    for (size_t i = 0; i < patch.n_values; i++) {
        assert_string_equal(file.patches[0].values[i].key, patch.values[i].key);
        assert_true((float)file.patches[0].values[i].value == (float)patch.values[i].value);
    }
    assert_int_equal(warnings.n, 1);
    assert_string_equal(warnings.text[0], "future.key: unknown parameter, kept");
    assert_true(file.banks[0].n_patches == 2 && file.banks[0].number == 12);
    assert_string_equal(file.banks[0].patches[0], "");
    assert_string_equal(file.banks[0].patches[1], patch.uuid);
    tb_patch_file_clear(&file);
    tb_patch_clear(&patch);
    tb_bank_clear(&bank);
}

static void bad_files_say_where(void **state)
{
    (void)state;
    const struct {
        const char *text, *error;
        enum tb_status status;
    } cases[] = {
        {"{}", "format: must be \"timbred\"", TB_EINVAL},
        {"{\"format\":\"timbred\"}", "version: must be 1", TB_EINVAL},
        {"{\"format\":\"timbred\",\"version\":2}", "version: 2 is above 1", TB_EUNSUPPORTED},
        {"{\"format\":\"timbred\",\"version\":1}", "patches: must be an array", TB_EINVAL},
        {"{\"format\":\"timbred\",\"version\":1,\"patches\":[{\"name\":\"a\"},{\"name\":\"b\","
         "\"values\":{\"fm.feedback\":8}}]}",
         "patches[1]: fm.feedback: 8 is above 7", TB_EINVAL},
        {"{\"format\":\"timbred\",\"version\":1,\"patches\":[],\"banks\":[{\"name\":\"b\","
         "\"number\":16384,\"patches\":[]}]}",
         "banks[0]: number: 16384 is not in 0..16383", TB_EINVAL},
        {"{\"format\":\"timbred\",\"version\":1,\"patches\":[],\"banks\":[{\"name\":\"b\","
         "\"number\":1,\"patches\":[\"x\"]}]}",
         "banks[0]: patches: number 0 is not a uuid in lower case", TB_EINVAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_patch_file file;
        struct tb_error err;
        struct tb_warnings warnings = {0};
        assert_int_equal(
            tb_patch_file_parse(cases[i].text, strlen(cases[i].text), &file, &warnings, &err),
            cases[i].status);
        if (strcmp(err.text, cases[i].error) != 0)
            fail_msg("case %zu: %s", i, err.text);
        assert_null(file.patches);
    }
}

/* Each bound: the last that passes, the first that does not. A list whose first item is a number is
 * counted before that is told. */
static void file_bounds_are_exact(void **state)
{
    enum { HEAD = 200, MOST = 2 * (TB_FILE_MAX_PATCHES + 1) };
    static char text[HEAD + MOST];
    static const struct {
        const char *head, *item;
        size_t n;
        const char *tail, *error; /* NULL: fine */
    } cases[] = {
        {"1,\"patches\":[", "3", TB_FILE_MAX_PATCHES, "]", "patches[0]: patch: must be an object"},
        {"1,\"patches\":[", "3", TB_FILE_MAX_PATCHES + 1, "]", "patches: 16385 is above 16384"},
        {"1,\"patches\":[],\"banks\":[", "3", 16384, "]", "banks[0]: bank: must be an object"},
        {"1,\"patches\":[],\"banks\":[", "3", 16385, "]", "banks: 16385 is above 16384"},
        {"1,\"patches\":[],\"banks\":[{\"name\":\"b\",\"number\":0,\"patches\":[", "null", 128,
         "]}]", NULL},
        {"1,\"patches\":[],\"banks\":[{\"name\":\"b\",\"number\":0,\"patches\":[", "null", 129,
         "]}]", "banks[0]: patches: 129 is above 128"},
        {"1,\"patches\":[],\"banks\":[{\"name\":\"b\",\"patches\":[],\"number\":", "16383", 1, "}]",
         NULL},
        {"1,\"patches\":[],\"banks\":[{\"name\":\"b\",\"patches\":[],\"number\":", "-1", 1, "}]",
         "banks[0]: number: -1 is not in 0..16383"},
        {"1,\"patches\":[],\"banks\":[{\"name\":\"b\",\"patches\":[],\"number\":", "4294967296", 1,
         "}]", "banks[0]: number: 4294967296 is not in 0..16383"},
        {"0,\"patches\":[", "", 1, "]", "version: must be 1"},
        {"-1,\"patches\":[", "", 1, "]", "version: must be 1"},
        {"1.0,\"patches\":[", "", 1, "]", "version: must be 1"},
        {"\"1\",\"patches\":[", "", 1, "]", "version: must be 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_patch_file file;
        struct tb_error err = {0};
        struct tb_warnings warnings = {0};
        size_t n = (size_t)sprintf(text, "{\"format\":\"timbred\",\"version\":%s", cases[i].head);
        for (size_t k = 0; k < cases[i].n; k++)
            n += (size_t)sprintf(text + n, "%s%s", k ? "," : "", cases[i].item);
        n += (size_t)sprintf(text + n, "%s}", cases[i].tail);
        enum tb_status status = tb_patch_file_parse(text, n, &file, &warnings, &err);
        if (strcmp(err.text, cases[i].error ? cases[i].error : "") != 0)
            fail_msg("case %zu: %s", i, err.text);
        assert_int_equal(status == TB_OK, !cases[i].error);
        tb_patch_file_clear(&file);
    }
}

static void strings_and_keys_have_a_length(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        char text[TB_JSON_MAX_STRING + 64], key[64];
        struct tb_warnings warnings = {0};
        struct tb_patch patch = {0};
        struct tb_error err = {0};
        (void)snprintf(text, sizeof text, "{\"a\":\"%0*d\"}", TB_JSON_MAX_STRING + over, 0);
        json_t *json = tb_json_parse(text, strlen(text), &err);
        assert_int_equal(json == NULL, over);
        json_decref(json);
        /* A key that this version does not know is kept, and comes back as it was. */
        (void)snprintf(key, sizeof key, "%0*d", (int)sizeof patch.values[0].key - 1 + over, 7);
        (void)snprintf(text, sizeof text, "{\"name\":\"x\",\"values\":{\"%s\":1}}", key);
        json = parse(text);
        enum tb_status status = tb_patch_from_json(json, TB_BODY_FULL, &patch, &warnings, &err);
        if (status != (over ? TB_EINVAL : TB_OK))
            fail_msg("%s: %s", key, err.text);
        if (over)
            assert_non_null(strstr(err.text, "must have 1..47 bytes"));
        else
            assert_string_equal(patch.values[patch.n_values - 1].key, key);
        json_decref(json);
        tb_patch_clear(&patch);
    }
}

static void stored_values_beyond_bounds_are_held(void **state)
{
    (void)state;
    struct tb_value stored[] = {
        {"fm.algorithm", 400.0}, {"chorus.mix", -3.0}, {"fm.feedback", 2.6}, {"master.gain", 6.0}};
    struct tb_patch patch = {.values = stored, .n_values = 4};
    float values[TB_N_PARAMS];
    tb_patch_get_params(&patch, values);
    assert_true(values[TB_P_FM_ALGORITHM] == 32.0F && values[TB_P_CHORUS_MIX] == 0.0F);
    assert_true(values[TB_P_FM_FEEDBACK] == 3.0F && values[TB_P_MASTER_GAIN] == -6.0F);
}

/* Byte for byte what jansson writes, with strings and numbers of every kind. */
static void a_text_is_what_jansson_dumps(void **state)
{
    (void)state;
    struct tb_value values[] = {
        {"zero", -0.0},          {"whole", 17},         {"minus", -123456789012345.0},
        {"far", 1e15},           {"further", -1e300},   {"tenth", 0.1},
        {"float", (double)0.3F}, {"small", 1.5e-7},     {"smallest", 5e-324},
        {"digits", 123456.7891}, {"near", 2.000000001}, {"round", 0.99999999999},
        {"ten", 12345678.9e3},   {"key \"\\\x01", 1}};
    static const struct tb_model_ref model = {
        .uuid = UUID_TEXT, .sha256 = HASH_TEXT, .name = "Fl\xc3\xb6te \"A\""};
    struct tb_patch patch = {.uuid = UUID_TEXT,
                             .name = "a\"b\\c/d",
                             .author = "\xe2\x82\xac",
                             .comment = "one\ntwo\ttab\b\f\r\x1f\x7f",
                             .favourite = true,
                             .revision = UINT32_MAX,
                             .created = 1700000000123,
                             .updated = INT64_MIN,
                             .values = values};
    for (int i = 0; i < 4; i++) {
        patch.n_values = i == 0 ? 0 : sizeof values / sizeof values[0];
        patch.n_tags = i;
        memcpy(patch.tags[i], "t\tag", 5);
        patch.factory = i == 2;
        if (i >= 2)
            patch.models[i % 2] = model;
        json_t *json = tb_patch_to_json(&patch);
        char *want = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
        size_t size = 0;
        char *text = tb_patch_to_text(&patch, &size);
        assert_non_null(want);
        assert_string_equal(text, want);
        assert_int_equal(size, strlen(want));
        json_decref(json);
        free(want);
        free(text);
    }
    size_t size;
    values[0].value = NAN;
    assert_null(tb_patch_to_text(&patch, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_text_is_refused_before_jansson),
        cmocka_unit_test(every_fault_names_field_and_bound),
        cmocka_unit_test(models_are_named_and_checked),
        cmocka_unit_test(full_bodies_fill_defaults),
        cmocka_unit_test(patches_survive_a_file),
        cmocka_unit_test(bad_files_say_where),
        cmocka_unit_test(file_bounds_are_exact),
        cmocka_unit_test(strings_and_keys_have_a_length),
        cmocka_unit_test(stored_values_beyond_bounds_are_held),
        cmocka_unit_test(a_text_is_what_jansson_dumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
