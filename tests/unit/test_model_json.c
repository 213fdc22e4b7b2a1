/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/model_json.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(voices_fit_their_part_of_a_core),
        cmocka_unit_test(the_costliest_that_fits_stands_in),
        cmocka_unit_test(checks_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
