/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void specs_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text; /* NULL: fine */
    } cases[] = {
        {"{}", NULL},
        {"{\"voices\":[1,64],\"blocks\":[16,2048],\"rates\":[44100,96000],\"seconds\":0.05,"
         "\"paced\":false,\"stress\":false,\"force\":true}",
         NULL},
        {"[]", "benchmark: not an object"},
        {"{\"voices\":8}", "voices: not a list of 1 to 16 numbers"},
        {"{\"voices\":[]}", "voices: not a list of 1 to 16 numbers"},
        {"{\"voices\":[65]}", "voices[0]: 65 is not in 1..64"},
        {"{\"voices\":[1,0]}", "voices[1]: 0 is not in 1..64"},
        {"{\"blocks\":[15]}", "blocks[0]: 15 is not in 16..2048"},
        {"{\"blocks\":[64.5]}", "blocks[0]: not a whole number"},
        {"{\"rates\":[\"48000\"]}", "rates[0]: not a whole number"},
        {"{\"rates\":[192001]}", "rates[0]: 192001 is not in 22050..192000"},
        {"{\"seconds\":0}", "seconds: not a number in 0.05..60"},
        {"{\"seconds\":1e9}", "seconds: not a number in 0.05..60"},
        {"{\"paced\":1}", "paced: not true or false"},
        {"{\"speed\":1}", "speed: unknown field"},
        {"{\"voices\":[1,2,3,4,5,6,7,8,9],\"blocks\":[16,17,18,19,20,21,22,23]}",
         "voices x blocks x rates: 72 cases, more than 64"},
        {"{\"seconds\":60,\"voices\":[1,2,3,4],\"blocks\":[16,17,18,19,20,21,22,23]}",
         "seconds: 3843 s altogether, more than 1800"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = json_loads(cases[i].json, 0, NULL);
        struct tb_bench_spec spec;
        struct tb_error err = {0};
        enum tb_status s = tb_bench_from_json(json, &spec, &err);
        assert_string_equal(err.text, cases[i].text ? cases[i].text : "");
        assert_int_equal(s, cases[i].text ? TB_EINVAL : TB_OK);
        json_decref(json);
    }
}

static void playing_audio_comes_first(void **state)
{
    (void)state;
    static const struct {
        struct tb_bench_situation now;
        enum tb_status status;
    } cases[] = {
        {{.n_cpus = 1, .audio_cpu = -1, .playing = false}, TB_OK},
        {{.n_cpus = 1, .audio_cpu = -1, .playing = true}, TB_ECONFLICT},
        {{.n_cpus = 4, .audio_cpu = -1, .playing = true}, TB_ECONFLICT},
        {{.n_cpus = 2, .audio_cpu = 1, .playing = true, .load_max = 0.3F}, TB_OK},
        {{.n_cpus = 2, .audio_cpu = 1, .playing = true, .load_max = 0.8F}, TB_ECONFLICT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(tb_bench_allowed(&cases[i].now, NULL), cases[i].status);
}

static int steps;

static bool count_steps(void *context, double done, const char *text)
{
    (void)text;
    steps++;
    assert_true(done >= 0.0 && done < 1.0);
    return !context || steps < *(int *)context;
}

static double number(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

static void a_run_measures(void **state)
{
    (void)state;
    struct tb_bench_spec spec;
    json_t *result = NULL, *row;
    size_t i;
    tb_bench_default(&spec);
    spec.voices[0] = 2;
    spec.voices[1] = 32;
    spec.n_voices = 2;
    spec.n_blocks = 1;
    spec.seconds = 0.05;
    spec.priority = 0;
    steps = 0;
    assert_int_equal(tb_bench_run(&spec, count_steps, NULL, &result, NULL), TB_OK);
    const json_t *rows = json_object_get(result, "results");
    assert_int_equal(json_array_size(rows), 2 * (4 + 1));
    assert_int_equal(steps, 10);
    json_array_foreach(rows, i, row)
    {
        assert_true(number(row, "p50_us") > 0.0);
        assert_true(number(row, "p50_us") <= number(row, "p99_us"));
        assert_true(number(row, "p99_us") <= number(row, "p999_us"));
        assert_true(number(row, "p999_us") <= number(row, "max_us"));
        assert_true(number(row, "n") >= 30.0);
        const char *scenario = json_string_value(json_object_get(row, "scenario"));
        if (strcmp(scenario, "sweep") != 0) /* a sweep silences voices on its way */
            assert_true(number(row, "sounding") == number(row, "voices"));
        bool paced = strcmp(json_string_value(json_object_get(row, "mode")), "paced") == 0;
        assert_int_equal(json_is_integer(json_object_get(row, "late")), paced);
    }
    assert_non_null(json_object_get(json_object_get(result, "machine"), "cores"));

    char *csv = tb_bench_csv(result), *table = tb_bench_table(result);
    size_t lines = 0;
    for (const char *p = csv; (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, 11);
    assert_true(strncmp(csv, "mode,scenario,voices,", 21) == 0);
    assert_non_null(strstr(table, "note_ons"));
    free(csv);
    free(table);

    json_t *same = tb_bench_compare(result, result);
    json_array_foreach(json_object_get(same, "results"), i, row)
        assert_true(number(row, "ratio_p50") == 1.0 && number(row, "ratio_p99") == 1.0);
    assert_int_equal(json_array_size(json_object_get(same, "results")), 10);
    char *compared = tb_bench_compare_table(same);
    assert_non_null(strstr(compared, "B/A"));
    free(compared);
    json_decref(same);
    json_decref(result);
}

static void progress_can_stop_it(void **state)
{
    (void)state;
    struct tb_bench_spec spec;
    json_t *result = NULL;
    struct tb_error err;
    int most = 2;
    tb_bench_default(&spec);
    spec.seconds = 0.05;
    steps = 0;
    assert_int_equal(tb_bench_run(&spec, count_steps, &most, &result, &err), TB_ECONFLICT);
    assert_string_equal(err.text, "bench: stopped");
    assert_null(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specs_are_checked),
        cmocka_unit_test(playing_audio_comes_first),
        cmocka_unit_test(a_run_measures),
        cmocka_unit_test(progress_can_stop_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
