/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Notes on neural instruments: every family in tune, as loud as the key, ending in silence, and
 * what players do besides keys. */
#include "tests/unit/neural_scene.h"

static void every_family_sounds_in_tune(void **state)
{
    (void)state;
    for (int i = 0; i < N_FAMILIES; i++)
        for (int key = 40; key <= 88; key += 16) {
            struct fixture f;
            scene_open(&f, families[i], 0, NULL);
            fixture_on(&f, key, 100);
            fixture_render(&f, 48000);
            const double hz = note_hz(key), found = scene_hz(f.left + 9600, 32768, hz);
            assert_true(line_amplitude(f.left + 9600, 32768, hz) > 0.01);
            assert_near(1200 * log2(found / hz), 0, 0.1);
            fixture_free(&f);
        }
}

static void every_rate_is_in_tune(void **state)
{
    (void)state;
    static const float rates[] = {22050, 44100, 96000};
    static float left[16384], right[2048];
    for (int r = 0; r < 3; r++)
        for (int i = 0; i < N_FAMILIES; i++) {
            static struct neural_model m;
            struct tb_error err = {0};
            float values[TB_N_PARAMS];
            struct tb_frame frame;
            tb_params_default(values);
            neural_model_plain(&m, families[i], 0);
            struct tb_engine *e =
                tb_engine_new(&(struct tb_engine_config){rates[r], 2048, TB_CPU_BEST, 1}, &err);
            struct tb_program *p = tb_program_new_neural(
                e, values, neural_model_instrument(&m, rates[r], TB_CPU_BEST), NULL, &err);
            assert_non_null(p);
            assert_true(tb_engine_swap(e, p));
            tb_engine_handle(e, &(struct tb_event){
                                    .type = TB_EVENT_NOTE_ON, .key = 69, .source = 1, .value = 99});
            for (int b = 0; b < 8; b++)
                tb_engine_render(e, left + b * 2048, right, 2048);
            tb_engine_telemetry(e, &frame);
            assert_near((double)frame.f0_hz, 440, 0.01);
            int crossings = 0;
            for (int k = 8193; k < 16384; k++)
                crossings += left[k - 1] < 0 && left[k] >= 0;
            assert_near(crossings, 440.0 * 8192 / (double)rates[r], 1.1);
            tb_program_free(tb_engine_retired(e));
            tb_engine_free(e);
            neural_model_free(&m);
        }
}

static void the_first_sample_comes_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < N_FAMILIES; i++)
        for (unsigned offset = 0; offset < 64; offset += 21) {
            struct fixture f;
            scene_open(&f, families[i], families[i] == TB_MODEL_FM_ENVELOPE ? 1 : 0, NULL);
            fixture_event(&f, (struct tb_event){.type = TB_EVENT_NOTE_ON,
                                                .key = 90,
                                                .source = 1,
                                                .offset = (uint16_t)offset,
                                                .value = 100});
            fixture_render(&f, 128);
            assert_true(scene_loudest(&f, 0, offset + 1) < 1e-6F);
            assert_true(scene_loudest(&f, offset + 1, offset + 8) > 0.0F);
            assert_true(scene_loudest(&f, 64, 128) > 1e-3F);
            fixture_free(&f);
        }
}

static double level_of(enum tb_model_family family, int velocity)
{
    struct fixture f;
    scene_open(&f, family, family == TB_MODEL_FM_ENVELOPE ? 0.8F : 6.0F, NULL);
    fixture_on(&f, 60, velocity);
    fixture_render(&f, 48000);
    const double level = line_amplitude(f.left + 24000, 16384, note_hz(60));
    fixture_free(&f);
    return level;
}

static void loudness_follows_velocity(void **state)
{
    (void)state;
    for (int i = 0; i < N_FAMILIES; i++) {
        const double soft = level_of(families[i], 20), middle = level_of(families[i], 70),
                     hard = level_of(families[i], 127);
        assert_true(soft > 0 && middle > 1.1 * soft && hard > 1.1 * middle);
    }
}

static void a_released_note_ends_in_silence(void **state)
{
    (void)state;
    for (int i = 0; i < N_FAMILIES; i++) {
        struct fixture f;
        struct tb_frame frame;
        const bool envelope = families[i] == TB_MODEL_FM_ENVELOPE;
        scene_open(&f, families[i], envelope ? 1 : 0, NULL);
        fixture_on(&f, 60, 100);
        fixture_render(&f, 24000);
        assert_true(scene_loudest(&f, 12000, 24000) > 0.01F);
        fixture_off(&f, 60);
        fixture_render(&f, 72000);
        tb_engine_telemetry(f.engine, &frame);
        /* this network says .1 at velocity 0 and so drones, as a patch with L4 above 0 does */
        assert_int_equal(frame.voices, envelope ? 1 : 0);
        if (!envelope)
            assert_true(scene_loudest(&f, 72000, 96000) < 1e-6F);
        fixture_free(&f);
    }
}

/* The same note twice with silence between is the same sound: nothing of the first is left in the
 * network. Random weights, so that the state matters. */
static void a_new_note_has_heard_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        static struct neural_model m;
        struct fixture f;
        float values[TB_N_PARAMS];
        tb_params_default(values);
        values[TB_P_NEURAL_NOISE_GAIN] = -60;
        neural_model_init(&m, families[i]);
        neural_model_lay_out(&m);
        neural_model_random(&m, 3);
        neural_model_encode(&m);
        scene_open_pair(&f, neural_model_instrument(&m, fixture_rate, TB_CPU_BEST), NULL, values);
        for (int take = 0; take < 2; take++) {
            fixture_on(&f, 50, 100);
            fixture_render(&f, 19200);
            fixture_off(&f, 50);
            fixture_render(&f, 28800); /* whole frames of the model */
        }
        float most = 0;
        for (size_t k = 0; k < 38400; k++)
            most = fmaxf(most, fabsf(f.left[k] - f.left[k + 48000]));
        assert_true(scene_loudest(&f, 0, 19200) > 0.003F);
        assert_near((double)most, 0, 2e-4); /* the DC block remembers a little */
        fixture_free(&f);
        neural_model_free(&m);
    }
}

/* How far the sounding pitch is from where an event should bring it, cents above note 60. */
static double cents_off(struct tb_event event, double cents)
{
    struct fixture f;
    scene_open(&f, TB_MODEL_HPN, 0, NULL);
    event.source = 1;
    fixture_event(&f,
                  (struct tb_event){
                      .type = TB_EVENT_NOTE_ON, .channel = 1, .key = 60, .source = 1, .value = 99});
    fixture_render(&f, 4800);
    fixture_event(&f, event);
    fixture_render(&f, 43200);
    const double wanted = note_hz(60 + cents / 100);
    const double hz = scene_hz(f.left + 24000, 16384, wanted);
    fixture_free(&f);
    return 1200 * log2(hz / wanted);
}

static void bends_reach_the_pitch(void **state)
{
    (void)state;
    const struct {
        struct tb_event event;
        double cents;
    } cases[] = {
        {{.type = TB_EVENT_BEND, .channel = 1, .value = 1}, 200},
        {{.type = TB_EVENT_PARAM, .id = TB_P_MASTER_TUNE, .value = 30}, 30},
        {{.type = TB_EVENT_PARAM, .id = TB_P_NEURAL_PITCH, .value = 7.5F}, 750},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_near(cents_off(cases[i].event, cases[i].cents), 0, 0.5);
}

static void members_of_a_zone_bend_alone(void **state)
{
    (void)state;
    struct fixture f;
    scene_open(&f, TB_MODEL_HPN, 0, NULL);
    fixture_param(&f, TB_P_MPE_LOWER, 14);
    struct tb_event on = {
        .type = TB_EVENT_NOTE_ON, .channel = 1, .key = 60, .source = 1, .value = 99};
    fixture_event(&f, on);
    on.channel = 2;
    on.key = 67;
    fixture_event(&f, on);
    fixture_event(&f, (struct tb_event){
                          .type = TB_EVENT_BEND, .channel = 2, .source = 1, .value = 2.0F / 48});
    fixture_render(&f, 48000);
    const float *x = f.left + 24000;
    const double kept = line_amplitude(x, 16384, note_hz(60));
    assert_near(line_amplitude(x, 16384, note_hz(69)) / kept, 1, 0.05);
    assert_true(line_amplitude(x, 16384, note_hz(67)) < 0.02 * kept);
    fixture_free(&f);
}

static void vibrato_comes_after_its_delay(void **state)
{
    (void)state;
    float values[TB_N_PARAMS], swing[2] = {0, 0};
    struct fixture f;
    struct tb_frame frame;
    tb_params_default(values);
    values[TB_P_NOTE_VIBRATO_DEPTH] = 100;
    values[TB_P_NOTE_VIBRATO_DELAY] = 0.5F;
    scene_open(&f, TB_MODEL_HPN, 0, values);
    fixture_on(&f, 69, 100);
    for (int i = 0; i < 1500; i++) {
        fixture_render(&f, 64);
        tb_engine_telemetry(f.engine, &frame);
        const float cents = 1200.0F * log2f(frame.f0_hz / 440.0F);
        float *most = &swing[i >= 370]; /* .49 s */
        *most = fmaxf(*most, fabsf(cents));
    }
    assert_near((double)swing[0], 0, 0.5);
    assert_near((double)swing[1], 100, 3);
    fixture_free(&f);
}

/* dB by which an event changes a held note. */
static double db_after(const struct tb_event *event)
{
    struct fixture f;
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_NOTE_PRESSURE_VIBRATO] = 0; /* it would spread the line that is measured */
    scene_open(&f, TB_MODEL_HPN, 6, values);
    fixture_on(&f, 60, 100);
    fixture_render(&f, 33600);
    const double before = line_amplitude(f.left + 16000, 16384, note_hz(60));
    fixture_event(&f, *event);
    fixture_render(&f, 33600);
    const double after = line_amplitude(f.left + 50000, 16384, note_hz(60));
    fixture_free(&f);
    return to_db(after / before);
}

static void touch_and_controllers_reach_the_network(void **state)
{
    (void)state;
    const struct {
        struct tb_event event;
        double low_db, high_db;
    } cases[] = {
        {{.type = TB_EVENT_CONTROLLER, .id = 11, .source = 1, .value = 0.5F}, -30, -1},
        {{.type = TB_EVENT_CONTROLLER, .id = 2, .source = 1, .value = 0.5F}, -30, -1},
        {{.type = TB_EVENT_PRESSURE, .source = 1, .value = 1}, 0.5, 12},
        {{.type = TB_EVENT_KEY_PRESSURE, .key = 60, .source = 1, .value = 1}, 0.5, 12},
        {{.type = TB_EVENT_KEY_PRESSURE, .key = 61, .source = 1, .value = 1}, -0.01, 0.01},
        {{.type = TB_EVENT_PARAM, .id = TB_P_NEURAL_LOUDNESS, .value = -20}, -30, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const double db = db_after(&cases[i].event);
        if (db < cases[i].low_db || db > cases[i].high_db)
            fail_msg("case %zu: %g dB", i, db);
    }
}

static void mono_notes_are_tied_or_struck(void **state)
{
    (void)state;
    for (int legato = 0; legato < 2; legato++) {
        float values[TB_N_PARAMS];
        struct fixture f;
        struct tb_frame frame;
        tb_params_default(values);
        values[TB_P_PLAY_MODE] = 1;
        values[TB_P_NOTE_LEGATO] = (float)legato;
        values[TB_P_NOTE_ATTACK] = 0.2F;
        values[TB_P_NOTE_DECAY] = 0.05F;
        values[TB_P_NOTE_SUSTAIN] = -30;
        scene_open(&f, TB_MODEL_HPN, 0, values);
        fixture_on(&f, 60, 100);
        fixture_render(&f, 24000);
        tb_engine_telemetry(f.engine, &frame);
        const float before = frame.neural.loudness_db;
        fixture_on(&f, 64, 100);
        fixture_render(&f, 9600);
        tb_engine_telemetry(f.engine, &frame);
        assert_int_equal(frame.voices, 1);
        assert_near((double)frame.f0_hz, note_hz(64), 0.5);
        if (legato)
            assert_near((double)(frame.neural.loudness_db - before), 0, 0.1);
        else
            assert_true(frame.neural.loudness_db > before + 20);
        fixture_free(&f);
    }
}

static void a_flood_of_notes_is_survived(void **state)
{
    (void)state;
    struct fixture f;
    struct tb_frame frame;
    scene_open(&f, TB_MODEL_DDX7, 0, NULL);
    fixture_param(&f, TB_P_ENGINE_VOICES, 64);
    for (int i = 0; i < 600; i++) {
        fixture_on(&f, i % 128, 1 + i % 127);
        fixture_render(&f, 7);
    }
    tb_engine_telemetry(f.engine, &frame);
    assert_int_equal(frame.voices, 64);
    fixture_event(&f, (struct tb_event){.type = TB_EVENT_PANIC});
    fixture_render(&f, 9600);
    tb_engine_telemetry(f.engine, &frame);
    assert_int_equal(frame.voices, 0);
    assert_true(scene_loudest(&f, f.n - 4800, f.n) < 1e-5F);
    fixture_free(&f);
}

static void voices_are_shed_near_the_deadline(void **state)
{
    (void)state;
    struct fixture f;
    struct tb_frame frame;
    scene_open(&f, TB_MODEL_HPN, 0, NULL);
    for (int i = 0; i < 6; i++)
        fixture_on(&f, 60 + i, 100);
    fixture_render(&f, 4800);
    fixture_off(&f, 62);
    fixture_render(&f, 64);
    static const struct {
        float load;
        int wait, voices; /* frames that follow; voices then */
    } steps[] = {{0.8F, 64, 6},  {0.9F, 64, 6},  {0.9F, 64, 5}, /* the released one */
                 {0.9F, 960, 5}, {0.97F, 64, 5}, {0.97F, 960, 4}, {0.5F, 64, 4},
                 {2.0F, 64, 4},                                                  /* one stall */
                 {0.5F, 64, 4},  {2.0F, 64, 4},  {2.0F, 64, 2},   {2.0F, 64, 2}, /* it rests */
                 {2.0F, 960, 2}, {2.0F, 960, 1}, {2.0F, 960, 1},  {2.0F, 960, 1}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        tb_engine_load(f.engine, steps[i].load);
        fixture_render(&f, (size_t)steps[i].wait);
        tb_engine_telemetry(f.engine, &frame);
        if (frame.voices != steps[i].voices)
            fail_msg("step %zu: %u voices", i, frame.voices);
    }
    assert_int_equal(frame.shed, 5);
    fixture_free(&f);
}

/* A machine on which 8 of 24 voices fit, and what was given up is seen 8 blocks later. */
static void overload_ends_at_once_and_without_clicks(void **state)
{
    (void)state;
    enum { BLOCKS = 400, LAG = 8, ASKED = 24, FIT = 8 };
    struct fixture f;
    struct tb_frame frame;
    unsigned voices[BLOCKS + LAG];
    scene_open(&f, TB_MODEL_HPN, 0, NULL);
    for (int i = 0; i < ASKED; i++)
        fixture_on(&f, 40 + i, 100);
    fixture_render(&f, 24000);
    const float own = scene_largest_step(&f, 12000, f.n);
    const size_t from = f.n;
    for (unsigned b = 0; b < LAG; b++)
        voices[b] = ASKED;
    for (unsigned b = 0; b < BLOCKS; b++) {
        tb_engine_load(f.engine, (float)voices[b] / FIT);
        fixture_render(&f, 64);
        tb_engine_telemetry(f.engine, &frame);
        voices[b + LAG] = frame.voices;
    }
    assert_int_equal(voices[2 + LAG], voices[BLOCKS + LAG - 1]); /* in one go */
    assert_in_range(frame.voices, FIT * 7 / 10, FIT);
    assert_int_equal(frame.shed, ASKED - frame.voices);
    assert_true(scene_largest_step(&f, from, f.n) < own + 0.01F);
    for (int i = 0; i < ASKED; i++)
        fixture_off(&f, 40 + i);
    fixture_render(&f, 48000);
    for (int i = 0; i < 4; i++) {
        fixture_on(&f, 60 + i, 100);
        tb_engine_load(f.engine, 0.5F);
        fixture_render(&f, 64);
    }
    tb_engine_telemetry(f.engine, &frame);
    assert_int_equal(frame.voices, 4); /* all of what comes afterwards */
    fixture_free(&f);
}

/* The engine works in slices of its own, so blocks of any length give the same samples. */
static void the_block_size_changes_nothing(void **state)
{
    (void)state;
    static const uint32_t blocks[] = {64, 17, 2048};
    for (int i = 0; i < N_FAMILIES; i++) {
        static float first[14400];
        for (int b = 0; b < 3; b++) {
            struct fixture f;
            scene_open(&f, families[i], 3, NULL);
            f.block = blocks[b];
            fixture_on(&f, 50, 100);
            fixture_render(&f, 4807);
            fixture_on(&f, 57, 60);
            fixture_param(&f, TB_P_NEURAL_PITCH, 3);
            fixture_render(&f, 4801);
            fixture_off(&f, 50);
            fixture_render(&f, 4792);
            if (b == 0)
                memcpy(first, f.left, sizeof first);
            for (int k = 0; k < 14400; k++) /* but for the rounding of a sum */
                assert_true(fabsf(f.left[k] - first[k]) < 1e-5F);
            fixture_free(&f);
        }
    }
}

static void wrong_instruments_are_refused(void **state)
{
    (void)state;
    static struct neural_model m;
    struct fixture f;
    struct tb_error err = {0};
    float values[TB_N_PARAMS];
    struct tb_neural_spec spec;
    tb_params_default(values);
    fixture_new(&f, TB_CPU_BEST);
    neural_model_plain(&m, TB_MODEL_HPN, 0);
    struct tb_neural *other = neural_model_instrument(&m, 44100, TB_CPU_BEST);
    assert_null(tb_program_new_neural(f.engine, values, other, NULL, &err));
    assert_string_equal(err.text, "instrument: made for 44100 Hz, the engine runs at 48000 Hz");
    tb_neural_spec_of(m.file, &spec);
    assert_null(tb_neural_new(&spec, NAN, TB_CPU_BEST, &err));
    assert_string_equal(err.text, "rate_hz: nan is not within 22050..192000");
    spec.n_harmonics = 7;
    assert_null(tb_neural_new(&spec, 48000, TB_CPU_BEST, &err));
    assert_string_equal(err.text, "network: its outputs are not those of its family");
    values[TB_P_AB_MIX] = NAN;
    struct tb_neural *fit = neural_model_instrument(&m, 48000, TB_CPU_BEST);
    assert_null(tb_program_new_neural(f.engine, values, fit, NULL, &err));
    assert_int_equal(err.status, TB_EINVAL);
    neural_model_free(&m);
    fixture_free(&f);
}

static void costs_are_measured(void **state)
{
    (void)state;
    struct tb_neural_cost cost = {0};
    struct tb_neural *n = scene_plain(TB_MODEL_DDX7, 0);
    tb_neural_measure(n, &cost);
    assert_true(cost.us_per_frame > 0 && cost.us_per_frame < 1e5);
    assert_true(cost.us_per_frame_of_8 > 0 && cost.us_per_second_voice > 0);
    assert_near(cost.share, cost.us_per_second_voice / 1e6, 1e-12);
    tb_neural_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_sounds_in_tune),
        cmocka_unit_test(every_rate_is_in_tune),
        cmocka_unit_test(the_first_sample_comes_at_once),
        cmocka_unit_test(loudness_follows_velocity),
        cmocka_unit_test(a_released_note_ends_in_silence),
        cmocka_unit_test(a_new_note_has_heard_nothing),
        cmocka_unit_test(bends_reach_the_pitch),
        cmocka_unit_test(members_of_a_zone_bend_alone),
        cmocka_unit_test(vibrato_comes_after_its_delay),
        cmocka_unit_test(touch_and_controllers_reach_the_network),
        cmocka_unit_test(mono_notes_are_tied_or_struck),
        cmocka_unit_test(a_flood_of_notes_is_survived),
        cmocka_unit_test(voices_are_shed_near_the_deadline),
        cmocka_unit_test(overload_ends_at_once_and_without_clicks),
        cmocka_unit_test(the_block_size_changes_nothing),
        cmocka_unit_test(wrong_instruments_are_refused),
        cmocka_unit_test(costs_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
