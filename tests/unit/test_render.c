/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/bench.h"
#include "server/offline/notes.h"
#include "server/offline/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two channels of a render, kept. */
struct kept {
    float *left, *right;
    size_t n, capacity;
    size_t stop_at; /* frames, 0: never */
};

static bool keep(void *context, const float *left, const float *right, uint32_t n)
{
    struct kept *k = context;
    if (k->n + n > k->capacity) {
        k->capacity = 2 * (k->n + n);
        k->left = realloc(k->left, k->capacity * sizeof *k->left);
        k->right = realloc(k->right, k->capacity * sizeof *k->right);
        assert_true(k->left && k->right);
    }
    memcpy(k->left + k->n, left, n * sizeof *left);
    memcpy(k->right + k->n, right, n * sizeof *right);
    k->n += n;
    return !k->stop_at || k->n < k->stop_at;
}

static void drop(struct kept *k)
{
    free(k->left);
    free(k->right);
    memset(k, 0, sizeof *k);
}

static struct tb_render_spec basic(const float *values, const struct tb_score *score,
                                   struct kept *k)
{
    return (struct tb_render_spec){.values = values,
                                   .score = score,
                                   .rate_hz = 48000,
                                   .block = TB_RENDER_BLOCK,
                                   .seed = 1,
                                   .cpu = TB_CPU_BEST,
                                   .tail_s = 5.0,
                                   .sink = keep,
                                   .context = k};
}

/* Something with moving parts: feedback, LFO with sample & hold, detune, effects. */
static void lively(float values[TB_N_PARAMS])
{
    tb_params_default(values);
    values[TB_P_FM_ALGORITHM] = 5;
    values[TB_P_FM_FEEDBACK] = 7;
    values[TB_P_FM_OP1_LEVEL + TB_FM_OP_STRIDE] = 80;
    values[TB_P_LFO_WAVE] = 5;
    values[TB_P_LFO_PMD] = 60;
    values[TB_P_CHORUS_MIX] = 0.5F;
    values[TB_P_REVERB_MIX] = 0.3F;
}

static void same_spec_same_samples(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    struct tb_score score;
    struct kept k[3] = {0};
    lively(values);
    assert_int_equal(tb_notes_parse("60:100:0:0.3,64:90:0.1:0.3,67:127:0.123:0.2", &score, NULL),
                     TB_OK);
    for (int i = 0; i < 3; i++) {
        struct tb_render_spec spec = basic(values, &score, &k[i]);
        struct tb_error err = {0};
        spec.block = i == 2 ? 1024 : 64; /* nor does the block matter */
        assert_int_equal(tb_render(&spec, NULL, &err), TB_OK);
    }
    assert_true(k[0].n > 20000);
    assert_int_equal(k[0].n, k[1].n);
    assert_memory_equal(k[0].left, k[1].left, k[0].n * sizeof(float));
    assert_memory_equal(k[0].right, k[1].right, k[0].n * sizeof(float));
    assert_memory_equal(k[0].left, k[2].left, 20000 * sizeof(float));
    for (int i = 0; i < 3; i++)
        drop(&k[i]);
    tb_score_clear(&score);
}

static size_t first_sound(const struct kept *k)
{
    size_t i = 0;
    while (i < k->n && fabsf(k->left[i]) < 1e-6F)
        i++;
    return i;
}

static void notes_begin_at_their_sample(void **state)
{
    (void)state;
    static const double starts_s[] = {0.0, 0.001, 0.01, 0.1, 0.12345};
    float values[TB_N_PARAMS];
    size_t first[5];
    tb_params_default(values);
    tb_render_make_dry(values);
    for (size_t i = 0; i < 5; i++) {
        struct kept k = {0};
        struct tb_event on = {.type = TB_EVENT_NOTE_ON, .key = 69, .source = 2, .value = 100.0F};
        struct tb_score_event e = {starts_s[i], 0, on};
        struct tb_score score = {.events = &e, .n = 1, .end_s = 0.2};
        struct tb_render_spec spec = basic(values, &score, &k);
        spec.total_s = 0.2;
        assert_int_equal(tb_render(&spec, NULL, NULL), TB_OK);
        assert_int_equal(k.n, 9600);
        first[i] = first_sound(&k) - (size_t)llround(starts_s[i] * 48000.0);
        drop(&k);
    }
    for (size_t i = 1; i < 5; i++)
        assert_true(first[i] <= 8 && first[0] <= 8); /* a sine begins with 0 */
}

static void dry_sine_is_a_sine(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    struct tb_score score;
    struct tb_render_report report;
    struct kept k = {0};
    tb_params_default(values);
    tb_render_make_dry(values);
    assert_int_equal(tb_notes_parse("69:100:0:1", &score, NULL), TB_OK);
    struct tb_render_spec spec = basic(values, &score, &k);
    assert_int_equal(tb_render(&spec, &report, NULL), TB_OK);
    assert_memory_equal(k.left, k.right, k.n * sizeof(float));
    assert_int_equal(report.frames, k.n);
    assert_true(report.peak > 0.05 && report.peak < 0.9);
    assert_false(report.cut);
    /* energy at 440 Hz against all, over half a second */
    double re = 0.0, im = 0.0, all = 0.0;
    for (size_t i = 12000; i < 36000; i++) {
        double x = (double)k.left[i], phase = 2.0 * M_PI * 440.0 * (double)i / 48000.0;
        re += x * cos(phase);
        im += x * sin(phase);
        all += x * x;
    }
    assert_true(2.0 * (re * re + im * im) / 24000.0 > 0.999 * all);
    drop(&k);
    tb_score_clear(&score);
}

static void tails_end(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    struct tb_score score;
    struct tb_render_report report;
    struct kept k = {0};
    tb_params_default(values);
    assert_int_equal(tb_notes_parse("60:100:0:0.1", &score, NULL), TB_OK);
    struct tb_render_spec spec = basic(values, &score, &k);
    assert_int_equal(tb_render(&spec, &report, NULL), TB_OK);
    assert_true(report.frames > 4800 && report.frames < 48000); /* silence ends it */
    drop(&k);

    for (int op = 0; op < 6; op++)
        values[TB_P_FM_OP1_L4 + op * TB_FM_OP_STRIDE] = 99.0F; /* never silent */
    spec.tail_s = 0.5;
    assert_int_equal(tb_render(&spec, &report, NULL), TB_OK);
    assert_int_equal(report.frames, 28800);
    assert_true(report.cut);
    assert_true(fabsf(k.left[28799]) < 1e-3F); /* faded, not cut */
    drop(&k);
    tb_score_clear(&score);
}

/* More events in one block than the engine takes at once. */
static void a_flood_of_events(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    struct tb_score score = {0};
    struct kept k = {0};
    tb_params_default(values);
    for (uint32_t i = 0; i < 3000; i++) {
        struct tb_event e = {.type = i % 2 ? TB_EVENT_NOTE_OFF : TB_EVENT_NOTE_ON,
                             .key = (uint8_t)(40 + i % 40),
                             .source = 2,
                             .value = 90.0F};
        uint32_t ms = i / 1000;
        struct tb_score_event at = {ms * 1e-3, i, e};
        assert_int_equal(tb_score_add(&score, &at, NULL), TB_OK);
    }
    tb_score_sort(&score);
    struct tb_render_spec spec = basic(values, &score, &k);
    assert_int_equal(tb_render(&spec, NULL, NULL), TB_OK);
    for (size_t i = 0; i < k.n; i++)
        assert_true(isfinite(k.left[i]) && fabsf(k.left[i]) <= 1.0F);
    drop(&k);
    tb_score_clear(&score);
}

static void bad_specs_are_named(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    struct tb_score score = {0};
    struct kept k = {0};
    struct tb_error err;
    tb_params_default(values);
    const struct tb_render_spec good = basic(values, &score, &k);
    struct tb_render_spec bad[6];
    for (size_t i = 0; i < 6; i++)
        bad[i] = good;
    bad[0].rate_hz = 1;
    bad[1].block = 1;
    bad[2].tail_s = (double)NAN;
    bad[3].total_s = 601.0;
    bad[4].tail_s = 61.0;
    bad[5].cpu = TB_CPU_NEON;
    static const char *const texts[] = {
        "rate_hz: 1 ", "block: 1 ", "tail_s: ", "total_s: 601 ", "tail_s: 61 ", "cpu: "};
    for (size_t i = 0; i < 6; i++) {
        assert_int_not_equal(tb_render(&bad[i], NULL, &err), TB_OK);
        assert_true(strncmp(err.text, texts[i], strlen(texts[i])) == 0);
    }
    score.end_s = 599.0;
    assert_int_equal(tb_render(&good, NULL, &err), TB_ETOOLARGE);
    score.end_s = 0.0;
    values[TB_P_FM_OP1_COARSE] = 64.0F;
    assert_int_equal(tb_render(&good, NULL, &err), TB_EINVAL);
    assert_non_null(strstr(err.text, "fm.op1.coarse"));
    assert_int_equal(k.n, 0); /* nothing was rendered */
}

static void a_sink_can_stop_it(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    struct tb_score score = {.end_s = 10.0};
    struct kept k = {.stop_at = 1000};
    struct tb_error err;
    tb_params_default(values);
    struct tb_render_spec spec = basic(values, &score, &k);
    assert_int_equal(tb_render(&spec, NULL, &err), TB_ECONFLICT);
    assert_true(k.n < 1100);
    drop(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_spec_same_samples), cmocka_unit_test(notes_begin_at_their_sample),
        cmocka_unit_test(dry_sine_is_a_sine),     cmocka_unit_test(tails_end),
        cmocka_unit_test(a_flood_of_events),      cmocka_unit_test(bad_specs_are_named),
        cmocka_unit_test(a_sink_can_stop_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
