/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Playing: keys, players, pedals, stealing, patch changes, panic, telemetry, notices. */
#include "tests/golden/engine_fixture.h"

static int voices(const struct fixture *f)
{
    struct tb_frame frame;
    tb_engine_telemetry(f->engine, &frame);
    return frame.voices;
}

static double pitch(const struct fixture *f)
{
    struct tb_frame frame;
    tb_engine_telemetry(f->engine, &frame);
    return frame.f0_hz > 0.0F ? 69.0 + 12.0 * log2((double)frame.f0_hz / 440.0) : 0.0;
}

static float loudest(const struct fixture *f, size_t from)
{
    float most = 0.0F;
    for (size_t i = from; i < f->n; i++)
        most = fmaxf(most, fabsf(f->left[i]));
    return most;
}

static void bad_configurations_are_named(void **state)
{
    (void)state;
    static const struct {
        struct tb_engine_config config;
        const char *text;
    } table[] = {
        {{8000.0F, 64, TB_CPU_BEST, 0}, "rate_hz: 8000 is not within 22050..192000"},
        {{48000.0F, 8, TB_CPU_BEST, 0}, "max_block: 8 is not within 16..2048"},
        {{48000.0F, 4096, TB_CPU_BEST, 0}, "max_block: 4096 is not within 16..2048"},
        {{48000.0F, 64, (enum tb_cpu)77, 0}, "cpu: this processor has no best"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct tb_error err;
        assert_null(tb_engine_new(&table[i].config, &err));
        assert_string_equal(err.text, table[i].text);
    }
    struct tb_error err;
    struct tb_engine_config nan = {NAN, 64, TB_CPU_BEST, 0};
    assert_null(tb_engine_new(&nan, &err));
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_FM_ALGORITHM] = 33.0F;
    assert_null(tb_program_new(f.engine, values, &err));
    assert_string_equal(err.text, "fm.algorithm: 33 is above 32");
    fixture_free(&f);
}

static void every_rate_and_block_plays(void **state)
{
    (void)state;
    static const float rates[] = {22050.0F, 44100.0F, 48000.0F, 96000.0F, 192000.0F};
    for (size_t i = 0; i < 5; i++) {
        struct tb_engine_config config = {rates[i], 1024, TB_CPU_BEST, 0};
        struct tb_engine *e = tb_engine_new(&config, NULL);
        assert_non_null(e);
        struct tb_event on = {.type = TB_EVENT_NOTE_ON, .key = 69, .source = 1, .value = 100};
        tb_engine_handle(e, &on);
        float left[1024], right[1024];
        for (uint32_t n = 0; n <= 1024; n += 31) {
            tb_engine_render(e, left, right, n);
            for (uint32_t k = 0; k < n; k++)
                assert_true(fabsf(left[k]) <= 1.0F && fabsf(right[k]) <= 1.0F);
        }
        struct tb_frame frame;
        tb_engine_telemetry(e, &frame);
        assert_near((double)frame.f0_hz, 440.0, 0.01);
        assert_true(frame.rms > 0.01F);
        tb_engine_free(e);
    }
}

static void a_note_starts_and_stops_on_its_frame(void **state)
{
    (void)state;
    for (uint32_t offset = 0; offset < 64; offset += 21) {
        struct fixture f;
        fixture_new(&f, TB_CPU_BEST);
        fixture_event(&f, (struct tb_event){.type = TB_EVENT_NOTE_ON,
                                            .key = 100,
                                            .source = 1,
                                            .offset = (uint16_t)offset,
                                            .value = 100});
        fixture_render(&f, 64);
        for (uint32_t k = 0; k <= offset; k++) /* sine from 0: the first frame is silent too */
            assert_true(fabsf(f.left[k]) < 1e-6F);
        float most = 0.0F;
        for (uint32_t k = offset + 1; k < offset + 8 && k < 64; k++)
            most = fmaxf(most, fabsf(f.left[k]));
        assert_true(offset == 63 || most > 1e-5F);
        fixture_free(&f);
    }
}

static void players_own_their_notes(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    struct tb_event on = {.type = TB_EVENT_NOTE_ON, .key = 60, .value = 90};
    for (uint32_t source = 16; source < 20; source++) {
        on.source = source;
        fixture_event(&f, on);
    }
    fixture_render(&f, 4800);
    assert_int_equal(voices(&f), 4);
    fixture_event(&f, (struct tb_event){.type = TB_EVENT_NOTE_OFF, .key = 60, .source = 16});
    fixture_render(&f, 4800);
    assert_int_equal(voices(&f), 3);
    fixture_event(&f, (struct tb_event){.type = TB_EVENT_ALL_NOTES_OFF, .source = 17});
    fixture_render(&f, 4800);
    assert_int_equal(voices(&f), 2);
    fixture_event(&f, (struct tb_event){.type = TB_EVENT_NOTE_OFF, .key = 60, .source = 99});
    fixture_render(&f, 4800);
    assert_int_equal(voices(&f), 2);
    fixture_event(&f, (struct tb_event){.type = TB_EVENT_ALL_NOTES_OFF, .source = TB_SOURCE_ANY});
    fixture_render(&f, 4800);
    assert_int_equal(voices(&f), 0);
    fixture_free(&f);
}

static void pedal_belongs_to_player_and_channel(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    struct tb_event on = {.type = TB_EVENT_NOTE_ON, .key = 60, .value = 90, .source = 16};
    struct tb_event off = {.type = TB_EVENT_NOTE_OFF, .key = 60, .source = 16};
    struct tb_event pedal = {.type = TB_EVENT_CONTROLLER, .id = 64, .source = 16, .value = 1.0F};
    fixture_event(&f, pedal);
    fixture_event(&f, on);
    on.channel = off.channel = 1; /* no pedal there */
    fixture_event(&f, on);
    fixture_render(&f, 480);
    fixture_event(&f, off);
    off.channel = 0;
    fixture_event(&f, off);
    fixture_render(&f, 4800);
    assert_int_equal(voices(&f), 1);
    pedal.value = 63.0F / 127.0F;
    fixture_event(&f, pedal);
    fixture_render(&f, 4800);
    assert_int_equal(voices(&f), 0);
    fixture_free(&f);
}

static void polyphony_is_limited_and_the_oldest_gives_way(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    fixture_param(&f, TB_P_ENGINE_VOICES, 4.0F);
    for (int key = 60; key < 66; key++) {
        fixture_on(&f, key, 100);
        fixture_render(&f, 480);
    }
    assert_int_equal(voices(&f), 4);
    struct tb_frame frame;
    tb_engine_telemetry(f.engine, &frame);
    assert_int_equal(frame.stolen, 2);
    struct tb_notice notice;
    int ended[2] = {0}, n = 0;
    while (tb_engine_notice(f.engine, &notice))
        if (notice.type == TB_NOTICE_NOTE_OFF && n < 2)
            ended[n++] = notice.key;
    assert_int_equal(ended[0], 60);
    assert_int_equal(ended[1], 61);
    fixture_param(&f, TB_P_ENGINE_VOICES, 1.0F);
    fixture_render(&f, 480);
    assert_int_equal(voices(&f), 1);
    assert_near(pitch(&f), 65.0, 0.01);
    fixture_param(&f, TB_P_ENGINE_VOICES, 64.0F);
    for (int key = 20; key < 100; key++)
        fixture_on(&f, key, 20);
    fixture_render(&f, 480);
    assert_int_equal(voices(&f), 64);
    fixture_free(&f);
}

/* A released voice goes before a held one. */
static void released_voices_give_way_first(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_FM_OP1_R4] = values[op_param(3, TB_P_FM_OP1_R4)] = 20.0F;
    fixture_load(&f, values);
    fixture_param(&f, TB_P_ENGINE_VOICES, 2.0F);
    fixture_on(&f, 60, 100);
    fixture_render(&f, 480);
    fixture_on(&f, 62, 100);
    fixture_off(&f, 62);
    fixture_render(&f, 480);
    fixture_on(&f, 64, 100);
    fixture_render(&f, 480);
    fixture_off(&f, 64);
    fixture_render(&f, 48);
    struct tb_frame frame;
    tb_engine_telemetry(f.engine, &frame);
    assert_int_equal(frame.stolen, 0); /* a tail is not a sounding note */
    assert_int_equal(frame.voices, 2);
    fixture_free(&f);
}

static void panic_is_silent_within_5_ms(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_REVERB_MIX] = values[TB_P_CHORUS_MIX] = 0.7F;
    values[TB_P_REVERB_DECAY] = 10.0F;
    values[TB_P_FM_OP1_R4] = values[TB_P_FM_OP1_L4] = 50.0F;
    fixture_load(&f, values);
    for (int key = 40; key < 60; key++)
        fixture_on(&f, key, 100);
    fixture_render(&f, 24000);
    assert_true(loudest(&f, 20000) > 0.3F);
    fixture_event(&f, (struct tb_event){.type = TB_EVENT_PANIC});
    fixture_render(&f, 240);
    size_t from = f.n;
    fixture_render(&f, 24000);
    /* only what the DC block lets go, without a wave in it */
    assert_true(loudest(&f, from) < 0.03F);
    for (size_t k = from + 1; k < f.n; k++)
        assert_true(fabsf(f.left[k] - f.left[k - 1]) < 5e-4F);
    assert_true(loudest(&f, from + 720) < 1e-4F);
    assert_int_equal(voices(&f), 0);
    fixture_on(&f, 60, 100);
    from = f.n;
    fixture_render(&f, 9600);
    assert_true(loudest(&f, from) > 0.03F);
    fixture_free(&f);
}

/* Seconds from one note to the next, by the pitch that telemetry tells. */
static double glide_seconds(struct fixture *f, int from, int to)
{
    fixture_on(f, from, 100);
    fixture_render(f, 4800);
    fixture_off(f, from);
    fixture_render(f, 480);
    fixture_on(f, to, 100);
    size_t frames = 0;
    do {
        fixture_render(f, 32);
        frames += 32;
    } while (fabs(pitch(f) - to) > 0.01 && frames < 20 * 48000);
    fixture_off(f, to);
    fixture_render(f, 4800);
    return (double)frames / 48000.0;
}

static void portamento_takes_the_machines_time(void **state)
{
    (void)state;
    static const struct {
        int time;
        double octave_s, two_s;
    } table[] = {{20, 0.10, 0.13}, {50, 0.30, 0.38}, {80, 1.04, 1.35}, {90, 1.90, 2.49}};
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    for (size_t i = 0; i < 4; i++) {
        fixture_param(&f, TB_P_PLAY_PORTAMENTO, (float)table[i].time);
        assert_near(glide_seconds(&f, 60, 72), table[i].octave_s, 0.06 * table[i].octave_s + 0.01);
        assert_near(glide_seconds(&f, 72, 48), table[i].two_s, 0.06 * table[i].two_s + 0.01);
    }
    fixture_controller(&f, 65, 0.0F); /* gated off */
    assert_near(glide_seconds(&f, 48, 72), 0.0, 0.001);
    fixture_controller(&f, 65, 1.0F);
    fixture_controller(&f, 5, 64.0F / 127.0F); /* CC 5 64 is the panel's 50 */
    assert_near(glide_seconds(&f, 60, 72), 0.30, 0.03);
    fixture_free(&f);
}

static void glissando_steps_in_semitones(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    fixture_param(&f, TB_P_PLAY_PORTAMENTO, 85.0F);
    fixture_param(&f, TB_P_PLAY_GLISSANDO, 1.0F);
    fixture_on(&f, 60, 100);
    fixture_render(&f, 480);
    fixture_on(&f, 67, 100);
    int steps = 0;
    double last = 60.0;
    for (int i = 0; i < 3000; i++) {
        fixture_render(&f, 32);
        double now = pitch(&f);
        assert_near(now, round(now), 0.01);
        steps += fabs(now - last) > 0.5;
        last = now;
    }
    assert_near(last, 67.0, 0.01);
    assert_in_range(steps, 6, 8);
    fixture_free(&f);
}

static void a_patch_change_cross_fades_and_returns_the_old(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    struct tb_error err;
    float values[TB_N_PARAMS];
    tb_params_default(values);
    struct tb_program *a = tb_program_new(f.engine, values, &err);
    values[TB_P_FM_TRANSPOSE] = 12.0F;
    struct tb_program *b = tb_program_new(f.engine, values, &err);
    assert_true(tb_engine_swap(f.engine, a)); /* silent: the INIT voice comes back at once */
    struct tb_program *old = tb_engine_retired(f.engine);
    assert_non_null(old);
    tb_program_free(old);
    assert_null(tb_engine_retired(f.engine));
    fixture_on(&f, 60, 100);
    fixture_render(&f, 4800);
    assert_near(pitch(&f), 60.0, 0.01);
    assert_true(tb_engine_swap(f.engine, b));
    assert_false(tb_engine_swap(f.engine, b)); /* still fading */
    assert_null(tb_engine_retired(f.engine));
    fixture_render(&f, 9600);
    assert_near(pitch(&f), 72.0, 0.01); /* the held key goes on in the new patch */
    assert_int_equal(voices(&f), 1);
    assert_ptr_equal(tb_engine_retired(f.engine), a);
    tb_program_free(a);
    struct tb_notice notice;
    int n = 0;
    while (tb_engine_notice(f.engine, &notice))
        n++;
    assert_int_equal(n, 1); /* one key, one notice */
    fixture_off(&f, 60);
    fixture_render(&f, 4800);
    assert_int_equal(voices(&f), 0);
    fixture_free(&f);
}

static void notices_tell_what_sounds(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    struct tb_notice n;
    fixture_on(&f, 60, 77);
    assert_false(tb_engine_notice(f.engine, &n)); /* not before it sounds */
    fixture_render(&f, 64);
    assert_true(tb_engine_notice(f.engine, &n));
    assert_int_equal(n.type, TB_NOTICE_NOTE_ON);
    assert_int_equal(n.key, 60);
    assert_int_equal(n.source, TB_SOURCE_MIDI);
    assert_true(n.value == 77.0F);
    fixture_off(&f, 60);
    fixture_render(&f, 64);
    assert_true(tb_engine_notice(f.engine, &n));
    assert_int_equal(n.type, TB_NOTICE_NOTE_OFF);
    assert_false(tb_engine_notice(f.engine, &n));
    fixture_free(&f);
}

static void telemetry_shows_operators_and_meters(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    fixture_param(&f, op_param(2, TB_P_FM_OP1_LEVEL), 99.0F);
    fixture_param(&f, op_param(6, TB_P_FM_OP1_LEVEL), 91.0F);
    fixture_on(&f, 57, 100);
    fixture_render(&f, 9600);
    struct tb_frame frame;
    tb_engine_telemetry(f.engine, &frame);
    assert_near((double)frame.operator_level[0], 1.0, 0.01);
    assert_near((double)frame.operator_level[1], 1.0, 0.01);
    assert_near((double)frame.operator_level[5], 0.5, 0.01);
    assert_near((double)frame.operator_level[2], 0.0, 0.001);
    assert_near((double)frame.f0_hz, 220.0, 0.05);
    assert_int_equal(frame.n_frames, 64);
    assert_true(frame.peak[0] > 0.05F && frame.peak[0] <= 1.0F);
    assert_true(frame.rms > 0.03F && frame.rms < frame.peak[0]);
    assert_true(frame.limiter_db == 0.0F);
    fixture_param(&f, TB_P_MASTER_GAIN, 6.0F);
    for (int key = 30; key < 60; key++)
        fixture_on(&f, key, 127);
    fixture_render(&f, 9600);
    tb_engine_telemetry(f.engine, &frame);
    assert_true(frame.limiter_db > 3.0F);
    fixture_free(&f);
}

static void volume_and_expression_scale(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    fixture_on(&f, 69, 100);
    fixture_render(&f, 9600);
    double full = line_amplitude(f.left + 4800, 4800, 440.0);
    fixture_controller(&f, 7, 0.5F);
    fixture_controller(&f, 11, 0.5F);
    fixture_render(&f, 9600);
    size_t from = f.n;
    fixture_render(&f, 4800);
    assert_near(to_db(line_amplitude(f.left + from, 4800, 440.0) / full), -24.1, 0.1);
    fixture_controller(&f, 121, 0.0F); /* expression returns, volume stays */
    fixture_render(&f, 9600);
    from = f.n;
    fixture_render(&f, 4800);
    assert_near(to_db(line_amplitude(f.left + from, 4800, 440.0) / full), -12.05, 0.1);
    fixture_free(&f);
}

static void a_drone_ends_in_time(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    f.block = 1024;
    fixture_param(&f, TB_P_FM_OP1_L4, 90.0F);
    fixture_on(&f, 60, 100);
    fixture_render(&f, 4800);
    fixture_off(&f, 60);
    fixture_render(&f, 10 * 48000);
    assert_int_equal(voices(&f), 1);
    fixture_render(&f, 14 * 48000);
    assert_int_equal(voices(&f), 0);
    fixture_free(&f);
}

/* Key sync: the same wave each time. Without: another phase, but again the same for a seed. */
static void oscillators_run_on_without_key_sync(void **state)
{
    (void)state;
    static float first[2][480];
    for (int sync = 0; sync < 2; sync++) {
        for (int run = 0; run < 2; run++) {
            struct fixture f;
            fixture_new(&f, TB_CPU_BEST);
            fixture_param(&f, TB_P_FM_OSC_SYNC, (float)sync);
            fixture_on(&f, 69, 100);
            fixture_render(&f, 480);
            if (run == 0)
                memcpy(first[sync], f.left, sizeof first[sync]);
            assert_memory_equal(first[sync], f.left, sizeof first[sync]);
            fixture_off(&f, 69);
            fixture_render(&f, 9600 - 480);
            fixture_on(&f, 69, 100); /* silent in between */
            fixture_render(&f, 480);
            float difference = 0.0F;
            for (size_t k = 0; k < 480; k++)
                difference = fmaxf(difference, fabsf(f.left[9600 + k] - first[sync][k]));
            assert_true(sync ? difference < 1e-4F : difference > 1e-3F);
            fixture_free(&f);
        }
    }
}

static void nonsense_is_ignored(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    const struct tb_event bad[] = {
        {.type = TB_EVENT_NOTE_ON, .key = 200, .value = 100},
        {.type = TB_EVENT_NOTE_ON, .key = 60, .channel = 99, .value = 100},
        {.type = TB_EVENT_NOTE_ON, .key = 60, .value = NAN},
        {.type = TB_EVENT_BEND, .value = INFINITY},
        {.type = TB_EVENT_BEND, .value = 7.0F},
        {.type = TB_EVENT_CONTROLLER, .id = 1, .value = -1.0F},
        {.type = TB_EVENT_CONTROLLER, .id = 65000, .value = 1.0F},
        {.type = TB_EVENT_PARAM, .id = 60000, .value = 1.0F},
        {.type = TB_EVENT_PARAM, .id = TB_P_FM_ALGORITHM, .value = 1e9F},
        {.type = TB_EVENT_PARAM, .id = TB_P_MASTER_GAIN, .value = NAN},
        {.type = 200, .value = 1.0F},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        fixture_event(&f, bad[i]);
    fixture_render(&f, 4800);
    assert_int_equal(voices(&f), 0);
    assert_true(loudest(&f, 0) == 0.0F);
    fixture_on(&f, 69, 100);
    fixture_render(&f, 4800);
    assert_near(pitch(&f), 69.0, 0.001);
    fixture_free(&f);
}

static void the_midi_channel_filters_only_midi(void **state)
{
    (void)state;
    struct fixture f;
    fixture_new(&f, TB_CPU_BEST);
    fixture_param(&f, TB_P_MIDI_CHANNEL, 3.0F);
    fixture_on(&f, 60, 100); /* channel 1 */
    fixture_render(&f, 64);
    assert_int_equal(voices(&f), 0);
    fixture_event(&f,
                  (struct tb_event){
                      .type = TB_EVENT_NOTE_ON, .key = 60, .source = 1, .channel = 2, .value = 9});
    fixture_event(&f,
                  (struct tb_event){.type = TB_EVENT_NOTE_ON, .key = 62, .source = 16, .value = 9});
    fixture_render(&f, 64);
    assert_int_equal(voices(&f), 2);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_configurations_are_named),
        cmocka_unit_test(every_rate_and_block_plays),
        cmocka_unit_test(a_note_starts_and_stops_on_its_frame),
        cmocka_unit_test(players_own_their_notes),
        cmocka_unit_test(pedal_belongs_to_player_and_channel),
        cmocka_unit_test(polyphony_is_limited_and_the_oldest_gives_way),
        cmocka_unit_test(released_voices_give_way_first),
        cmocka_unit_test(panic_is_silent_within_5_ms),
        cmocka_unit_test(portamento_takes_the_machines_time),
        cmocka_unit_test(glissando_steps_in_semitones),
        cmocka_unit_test(a_patch_change_cross_fades_and_returns_the_old),
        cmocka_unit_test(notices_tell_what_sounds),
        cmocka_unit_test(telemetry_shows_operators_and_meters),
        cmocka_unit_test(volume_and_expression_scale),
        cmocka_unit_test(a_drone_ends_in_time),
        cmocka_unit_test(oscillators_run_on_without_key_sync),
        cmocka_unit_test(nonsense_is_ignored),
        cmocka_unit_test(the_midi_channel_filters_only_midi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
