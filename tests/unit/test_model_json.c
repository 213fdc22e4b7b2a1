/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/model_fm.h"
#include "server/formats/model_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* 250 frames a second: 4,000 us each, 2,800 of them for decoders. */
static struct tb_model make(const char *name, const char *instrument, double first, double further)
{
    struct tb_model m = {.frame_rate = 250.0, .first_us = first, .further_us = further};
    snprintf(m.name, sizeof m.name, "%s", name);
    snprintf(m.uuid, sizeof m.uuid, "%s", name);
    snprintf(m.instrument, sizeof m.instrument, "%s", instrument);
    strcpy(m.machine, "this one");
    return m;
}

static void voices_fit_their_part_of_a_core(void **state)
{
    (void)state;
    static const struct {
        double first, further;
        unsigned voices;
    } cases[] = {{0, 0, 64},    {10, 5, 64},    {2800, 100, 1}, {2801, 100, 0},
                 {800, 500, 5}, {800, 499, 5},  {800, 2001, 1}, {1000, 0, 64},
                 {99000, 1, 0}, {28.5, 44, 63}, {100, 100, 28}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_model m = make("x", "", cases[i].first, cases[i].further);
        double share;
        unsigned voices = tb_model_voices(&m, &share);
        if (voices != cases[i].voices)
            fail_msg("case %zu: %u voices", i, voices);
        assert_true(fabs(share - cases[i].first / 4000.0) < 1e-12);
    }
}

static void the_costliest_that_fits_stands_in(void **state)
{
    (void)state;
    struct tb_model list[] = {
        make("Flute full", "flute", 9000, 900), make("Flute a", "Flute", 10, 5),
        make("Flute b", "flute", 200, 5),       make("Flute c", "flute", 3000, 5),
        make("Violin", "violin", 300, 5),       make("flute plain", "", 250, 5),
    };
    const size_t n = sizeof list / sizeof list[0];
    char why[160];
    assert_ptr_equal(tb_model_sibling(&list[0], list, n), &list[5]);
    strcpy(list[5].name, "Other");
    assert_ptr_equal(tb_model_sibling(&list[0], list, n), &list[2]);
    assert_null(tb_model_sibling(&list[1], list, n));
    tb_model_why(&list[0], list, n, why, sizeof why);
    assert_string_equal(why, "one voice takes 225 % of a core, 70 % are allowed; Flute b fits");
    tb_model_why(&list[0], NULL, 0, why, sizeof why);
    assert_string_equal(why, "one voice takes 225 % of a core, 70 % are allowed");
    tb_model_why(&list[1], list, n, why, sizeof why);
    assert_string_equal(why, "");
}

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What a job tells is not believed: it has read a stranger's file. */
static void checks_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *check, *error;
    } cases[] = {
        {"{}", "name: is empty"},
        {"{\"frame_rate\":250,\"sha256\":\"" HASH "\",\"meta\":{\"name\":\"a\\nb\"}}",
         "name: has a control character at byte 1"},
        {"{\"frame_rate\":250,\"sha256\":\"" HASH "0\",\"meta\":{\"name\":\"x\"}}",
         "sha256: longer than 64 bytes"},
        {"{\"frame_rate\":250,\"sha256\":\"ab\",\"meta\":{\"name\":\"x\"}}",
         "sha256: the check told none"},
        {"{\"frame_rate\":250,\"sha256\":\"" HASH "\",\"meta\":{\"name\":\"x\",\"uuid\":\"../x\"}}",
         "uuid: is not a uuid in lower case"},
        {"{\"frame_rate\":0,\"sha256\":\"" HASH "\",\"meta\":{\"name\":\"x\"}}",
         "hop: the check told no frame rate"},
    };
    struct tb_model m = {.name = "as before"};
    struct tb_error err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = json_loads(cases[i].check, 0, NULL);
        assert_non_null(json);
        assert_int_equal(tb_model_from_check(json, NULL, &m, &err), TB_EINVAL);
        assert_string_equal(err.text, cases[i].error);
        assert_string_equal(m.name, "as before");
        json_decref(json);
    }
    json_t *json = json_loads("{\"frame_rate\":250,\"first_us\":3,\"sha256\":\"" HASH
                              "\",\"meta\":{\"name\":\"x\",\"width\":8}}",
                              0, NULL);
    assert_int_equal(tb_model_from_check(json, NULL, &m, &err), TB_OK);
    char uuid[TB_UUID];
    memcpy(uuid, m.uuid, sizeof uuid);
    assert_int_equal(strlen(uuid), 36);
    assert_int_equal(m.width, 8);
    assert_int_equal(tb_model_from_check(json, NULL, &m, &err), TB_OK);
    assert_string_equal(m.uuid, uuid); /* of the hash: the same everywhere */
    assert_int_equal(tb_model_from_check(json, "flute.safetensors", &m, &err), TB_OK);
    assert_string_not_equal(m.uuid, uuid);
    json_decref(json);
}

#define CHECK "{\"frame_rate\":250,\"sha256\":\"" HASH "\",\"meta\":{\"name\":\"x\"},\"fm\":"
#define FM(ALGORITHM, OPERATORS, EDGES, RATIOS)                                                    \
    "{\"algorithm\":" ALGORITHM ",\"operators\":" OPERATORS ",\"routing\":{\"carriers\":[1,2],"    \
    "\"edges\":[" EDGES "],\"feedback\":[3,3]},\"ratios\":[" RATIOS "],\"feedback\":2.5,"          \
    "\"max_level\":0.32}"

static enum tb_status check_fm(const char *fm, struct tb_model *m, struct tb_error *err)
{
    char text[1024];
    snprintf(text, sizeof text, CHECK "%s}", fm);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    enum tb_status s = tb_model_from_check(json, NULL, m, err);
    json_decref(json);
    return s;
}

static void operators_are_told_as_they_are_wired(void **state)
{
    (void)state;
    static const char good[] = FM("0", "3", "[3,1],[3,2]", "1.0,3.2,0.5");
    struct tb_model m;
    struct tb_error err;
    assert_int_equal(check_fm(good, &m, &err), TB_OK);
    json_t *json = tb_model_to_json(&m, NULL, 0), *wanted = json_loads(good, 0, NULL);
    assert_true(json_equal(json_object_get(json, "fm"), wanted));
    json_decref(wanted);
    json_decref(json);
    strcpy(m.fm, "{\"algorithm\":77}"); /* as a restored database might say */
    json = tb_model_to_json(&m, NULL, 0);
    assert_true(json_is_null(json_object_get(json, "fm")));
    json_decref(json);
    m.fm[0] = '\0';
    json = tb_model_to_json(&m, NULL, 0);
    assert_true(json_is_null(json_object_get(json, "fm")));
    json_decref(json);
}

static void wrong_operators_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {FM("33", "3", "", "1,1,1"), "fm.algorithm: not a whole number in 0..32"},
        {FM("0", "7", "", "1,1,1"), "fm.operators: not a whole number in 1..6"},
        {FM("0", "2", "", "1,1"), "fm.routing.feedback: not a whole number in 1..2"},
        {FM("0", "3", "[1,1]", "1,1,1"), "fm.routing.edges: a modulator is above its carrier"},
        {FM("0", "3", "[4,1]", "1,1,1"), "fm.routing.edges: not a whole number in 1..3"},
        {FM("0", "3", "[3]", "1,1,1"), "fm.routing.edges: not a pair of operators"},
        {FM("0", "3", "", "1,1"), "fm.ratios: not one of each operator"},
        {FM("0", "3", "", "1,1,65"), "fm.ratios: not a number in 0..64"},
        {"{}", "fm.algorithm: not a whole number in 0..32"},
        {"7", "fm.algorithm: not a whole number in 0..32"},
        {"{\"algorithm\":1,\"operators\":6}", "fm.routing.carriers: none"},
    };
    struct tb_model m;
    struct tb_error err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(check_fm(cases[i][0], &m, &err), TB_EINVAL);
        assert_string_equal(err.text, cases[i][1]);
    }
}

static void every_family_says_whether_it_has_operators(void **state)
{
    (void)state;
    static const struct {
        enum tb_family family;
        unsigned algorithm;
        bool has;
    } cases[] = {{TB_FAMILY_HPN, 0, false},
                 {TB_FAMILY_WAVETABLE, 0, false},
                 {TB_FAMILY_DDX7, 16, true},
                 {TB_FAMILY_FM_ENVELOPE, 0, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_neural_spec spec = {.family = cases[i].family,
                                      .algorithm = cases[i].algorithm,
                                      .routing = {.edges = 2, .carriers = 1},
                                      .n_operators = 6,
                                      .ratios = {1.0F, 3.2F, 1.58F, 14.0F, 0.5F, 2.00276566F},
                                      .max_level = 0.32F};
        struct tb_model_fm fm;
        assert_int_equal(tb_model_fm_of(&spec, &fm), cases[i].has);
        if (!cases[i].has)
            continue;
        assert_int_equal(fm.algorithm, cases[i].algorithm);
        assert_int_equal(fm.routing.edges, cases[i].algorithm ? tb_algorithms[15].edges : 2);
        assert_true(fm.ratios[1] == 3.2 && fm.ratios[2] == 1.58 && fm.max_level == 0.32);
        json_t *json = tb_model_fm_to_json(&fm);
        struct tb_model_fm again = {0};
        assert_int_equal(tb_model_fm_from_json(json, &again, NULL), TB_OK);
        assert_memory_equal(&again.ratios, &fm.ratios, sizeof fm.ratios);
        assert_int_equal(again.routing.edges, fm.routing.edges);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(voices_fit_their_part_of_a_core),
        cmocka_unit_test(the_costliest_that_fits_stands_in),
        cmocka_unit_test(checks_are_checked),
        cmocka_unit_test(operators_are_told_as_they_are_wired),
        cmocka_unit_test(wrong_operators_are_refused),
        cmocka_unit_test(every_family_says_whether_it_has_operators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
