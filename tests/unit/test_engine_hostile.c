/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Random parameters and events of every kind, right and wrong: whatever comes, the output is finite
 * and within -1..1. 10^5 sets, or as many as TB_HOSTILE_SETS says. */
#include "tests/golden/engine_fixture.h"

static uint64_t random_state = 88172645463325252ULL;

static uint32_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

static float random_within(double low, double high)
{
    return (float)(low + (high - low) * (double)random_bits() / 4294967295.0);
}

/* Extremes are as likely as everything between them. */
static float random_value(unsigned id)
{
    const struct tb_param_info *p = &tb_params[id];
    uint32_t kind = random_bits() % 4;
    double value = kind == 0 ? p->min : kind == 1 ? p->max : (double)random_within(p->min, p->max);
    bool whole = p->scale != TB_SCALE_LINEAR && p->scale != TB_SCALE_LOG;
    return (float)(whole ? floor(value + 0.5) : value);
}

static float strange_value(void)
{
    static const float strange[] = {NAN, INFINITY, -INFINITY, 1e30F, -1e30F, 1e-40F, 128.0F, -1.0F};
    return strange[random_bits() % 8];
}

static struct tb_event random_event(void)
{
    struct tb_event e = {.type = (uint8_t)(random_bits() % (TB_N_EVENTS + 1)),
                         .channel = (uint8_t)(random_bits() % 17),
                         .key = (uint8_t)(random_bits() % 130),
                         .source = random_bits() % 6,
                         .offset = (uint16_t)(random_bits() % 300)};
    static const uint16_t controllers[] = {1,   2,   4,   5,   7,   11, 64, 65,
                                           120, 121, 123, 126, 127, 3,  999};
    e.id = controllers[random_bits() % (sizeof controllers / sizeof controllers[0])];
    e.value = random_within(0.0, 1.0);
    if (random_bits() % 3) /* mostly notes */
        e.type = random_bits() % 3 ? TB_EVENT_NOTE_ON : TB_EVENT_NOTE_OFF;
    if (e.type == TB_EVENT_NOTE_ON)
        e.value = random_within(1.0, 127.0);
    if (e.type == TB_EVENT_PARAM) {
        e.id = (uint16_t)(random_bits() % (TB_N_PARAMS + 1));
        e.value = e.id < TB_N_PARAMS ? random_value(e.id) : 0.0F;
    }
    if (random_bits() % 16 == 0)
        e.value = strange_value();
    return e;
}

static void check(const float *x, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        assert_true(x[k] >= -1.0F && x[k] <= 1.0F); /* false for NaN too */
}

/* One set: a patch of random values, a few events, a short block. */
static void one_set(struct tb_engine *e)
{
    static float left[256], right[256];
    float values[TB_N_PARAMS];
    for (unsigned id = 0; id < TB_N_PARAMS; id++)
        values[id] = random_value(id);
    struct tb_program *program = tb_program_new(e, values, NULL);
    assert_non_null(program);
    if (!tb_engine_swap(e, program))
        tb_program_free(program);
    for (uint32_t n = random_bits() % 12; n > 0; n--) {
        struct tb_event event = random_event();
        tb_engine_handle(e, &event);
    }
    uint32_t n = 1 + random_bits() % 128;
    tb_engine_render(e, left, right, n);
    check(left, n);
    check(right, n);
    tb_program_free(tb_engine_retired(e));
    struct tb_frame frame;
    tb_engine_telemetry(e, &frame);
    assert_true(frame.voices <= TB_MAX_VOICES && frame.nonfinite == 0);
    assert_true(isfinite(frame.f0_hz) && isfinite(frame.rms) && isfinite(frame.limiter_db));
}

static void whatever_comes_the_output_is_sound(void **state)
{
    (void)state;
    const char *asked = getenv("TB_HOSTILE_SETS");
    long sets = asked ? strtol(asked, NULL, 10) : 100000;
    static const float rates[] = {48000.0F, 22050.0F, 192000.0F};
    for (int r = 0; r < 3; r++) {
        struct tb_engine_config config = {rates[r], 256, r == 1 ? TB_CPU_PORTABLE : TB_CPU_BEST, 3};
        struct tb_engine *e = tb_engine_new(&config, NULL);
        assert_non_null(e);
        for (long i = 0; i < (r == 0 ? sets - 2 * (sets / 10) : sets / 10); i++)
            one_set(e);
        tb_engine_free(e);
    }
}

/* More events in a block than there is room for are applied at once, none is lost. */
static void floods_of_events_are_played(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    for (int i = 0; i < 3 * TB_MAX_EVENTS; i++) {
        fixture_on(&f, i % 128, 1 + i % 127);
        fixture_off(&f, (i + 64) % 128);
    }
    fixture_event(&f, (struct tb_event){.type = TB_EVENT_ALL_NOTES_OFF});
    fixture_render(&f, 48000);
    check(f.left, (uint32_t)f.n);
    struct tb_frame frame;
    tb_engine_telemetry(f.engine, &frame);
    assert_int_equal(frame.voices, 0);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_comes_the_output_is_sound),
        cmocka_unit_test(floods_of_events_are_played),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
