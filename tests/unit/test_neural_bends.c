/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a player bends of a network's decisions: each knob does what it says, none clicks, nor does
 * another model or another mix of two. */
#include "dsp/reverb_learned.h"
#include "tests/unit/neural_scene.h"

#define CLICK 0.005F

/* Level of harmonic k of a held note 48, with a value set before. */
static double harmonic(enum tb_model_family family, unsigned id, float value, int k)
{
    struct fixture f;
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[id] = value;
    static struct neural_model m;
    neural_model_init(&m, family);
    neural_model_lay_out(&m);
    for (unsigned head = 0; head < m.spec.n_heads; head++) /* all outputs alike */
        for (unsigned i = 0; i < m.spec.head[head]; i++)
            neural_model_output(&m, head, i, head ? -30 : 0, 0);
    neural_model_encode(&m);
    scene_open_pair(&f, neural_model_instrument(&m, fixture_rate, TB_CPU_BEST), NULL, values);
    fixture_on(&f, 48, 127);
    fixture_render(&f, 48000);
    const double level = line_amplitude(f.left + 24000, 16384, k * note_hz(48));
    fixture_free(&f);
    neural_model_free(&m);
    return level;
}

static void each_knob_does_what_it_says(void **state)
{
    (void)state;
    static const struct {
        enum tb_model_family family;
        unsigned id;
        float value;
        int k;
        double db; /* of harmonic k against the middle of the knob */
    } cases[] = {
        {TB_MODEL_HPN, TB_P_NEURAL_HARMONIC_GAIN, -12, 3, -12.04},
        {TB_MODEL_HPN, TB_P_NEURAL_HARMONIC_GAIN, -60, 3, -99},
        {TB_MODEL_WAVETABLE, TB_P_NEURAL_HARMONIC_GAIN, -12, 2, -12.04},
        {TB_MODEL_DDX7, TB_P_NEURAL_HARMONIC_GAIN, -12, 2, -12.04},
        {TB_MODEL_HPN, TB_P_NEURAL_ODD_EVEN, -1, 2, -99},
        {TB_MODEL_HPN, TB_P_NEURAL_ODD_EVEN, -1, 3, 6.02}, /* the others share the amplitude */
        {TB_MODEL_HPN, TB_P_NEURAL_ODD_EVEN, 1, 1, -99},
        {TB_MODEL_WAVETABLE, TB_P_NEURAL_ATTENTION, 1, 1, 12.04}, /* table 0 alone of four */
        {TB_MODEL_WAVETABLE, TB_P_NEURAL_ATTENTION, 1, 2, -99},
        {TB_MODEL_DDX7, TB_P_NEURAL_OP2_LEVEL, 0, 2, -99},
        {TB_MODEL_DDX7, TB_P_NEURAL_OP2_LEVEL, 2, 2, 6.02},
        {TB_MODEL_DDX7, TB_P_NEURAL_OP2_LEVEL, 2, 3, 0},
        {TB_MODEL_DDX7, TB_P_NEURAL_OP5_RATIO, 1.6F, 5, -99},
        {TB_MODEL_DDX7, TB_P_NEURAL_OP4_RATIO, 2, 8, 99},
        {TB_MODEL_HPN, TB_P_NEURAL_STRETCH, 0.01F, 1, 0},
        {TB_MODEL_HPN, TB_P_NEURAL_STRETCH, 0.1F, 5, -99},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const unsigned id = cases[i].id;
        const double usual = harmonic(cases[i].family, id, (float)tb_params[id].def, cases[i].k);
        const double bent = harmonic(cases[i].family, id, cases[i].value, cases[i].k);
        const double db = to_db(bent / (usual + 1e-9));
        const bool good = cases[i].db < -90  ? db < -40
                          : cases[i].db > 90 ? db > 40
                                             : fabs(db - cases[i].db) < 0.3;
        if (!good)
            fail_msg("%s = %g: harmonic %d by %.2f dB, not %.2f", tb_params[id].key,
                     (double)cases[i].value, cases[i].k, db, cases[i].db);
    }
}

static void brightness_tilts_the_harmonics(void **state)
{
    (void)state;
    double db[3];
    for (int k = 0; k < 3; k++)
        db[k] = to_db(harmonic(TB_MODEL_HPN, TB_P_NEURAL_TILT, -6, 1 << k));
    assert_near(db[1] - db[0], -6, 0.3);
    assert_near(db[2] - db[1], -6, 0.3);
}

static void noise_has_a_level_of_its_own(void **state)
{
    (void)state;
    static const float gains[] = {-60, 0, 12};
    double level[3];
    for (int i = 0; i < 3; i++) {
        struct fixture f;
        float values[TB_N_PARAMS];
        static struct neural_model m;
        tb_params_default(values);
        values[TB_P_NEURAL_NOISE_GAIN] = gains[i];
        values[TB_P_NEURAL_HARMONIC_GAIN] = -60;
        neural_model_init(&m, TB_MODEL_HPN);
        neural_model_lay_out(&m);
        for (unsigned k = 0; k < m.spec.head[1]; k++)
            neural_model_output(&m, 1, k, -1, 0);
        neural_model_encode(&m);
        scene_open_pair(&f, neural_model_instrument(&m, fixture_rate, TB_CPU_BEST), NULL, values);
        fixture_on(&f, 60, 100);
        fixture_render(&f, 48000);
        double sum = 0;
        for (size_t k = 24000; k < 48000; k++)
            sum += (double)f.left[k] * (double)f.left[k];
        level[i] = sqrt(sum / 24000);
        fixture_free(&f);
        neural_model_free(&m);
    }
    assert_true(level[0] < 1e-6 && level[1] > 1e-3);
    assert_near(to_db(level[2] / level[1]), 12, 0.3);
}

static void the_learned_reverb_rings(void **state)
{
    (void)state;
    static const float mixes[] = {0, 1, 2};
    double tail[3];
    for (int i = 0; i < 3; i++) {
        struct fixture f;
        float values[TB_N_PARAMS];
        static struct neural_model m;
        tb_params_default(values);
        values[TB_P_NEURAL_REVERB] = mixes[i];
        values[TB_P_NOTE_RELEASE] = 0.01F;
        neural_model_init(&m, TB_MODEL_HPN);
        m.meta.reverb = TB_REVERB_IMPULSE;
        m.meta.reverb_rate = 16000;
        m.impulse[0] = 1;
        m.impulse[1600] = 0.5F; /* one echo after 100 ms */
        neural_model_lay_out(&m);
        for (unsigned k = 0; k < m.spec.head[0]; k++)
            neural_model_output(&m, 0, k, k < 2 ? 1 : -9, 0);
        for (unsigned k = 0; k < m.spec.head[1]; k++)
            neural_model_output(&m, 1, k, -30, 0);
        neural_model_encode(&m);
        scene_open_pair(&f, neural_model_instrument(&m, fixture_rate, TB_CPU_BEST), NULL, values);
        fixture_on(&f, 72, 127);
        fixture_render(&f, 24000);
        fixture_off(&f, 72);
        fixture_render(&f, 24000);
        tail[i] = (double)scene_loudest(&f, 24000 + 1500, 24000 + 4700);
        assert_true(scene_loudest(&f, 40000, 48000) < 1e-4F);
        fixture_free(&f);
        neural_model_free(&m);
    }
    assert_true(tail[0] < 1e-3 && tail[1] > 0.02);
    assert_near(to_db(tail[2] / tail[1]), 6.02, 0.5);
}

static double power_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

/* A model with a tail of an eighth of a second in place of one echo. */
static struct tb_neural *ringing(void)
{
    static struct neural_model m;
    neural_model_init(&m, TB_MODEL_HPN);
    m.meta.reverb = TB_REVERB_IMPULSE;
    m.meta.reverb_rate = 16000;
    m.impulse[0] = 1;
    for (int i = 1; i < 2000; i++)
        m.impulse[i] = (float)(i * 7919 % 200 - 100) * 0.002F;
    neural_model_lay_out(&m);
    neural_model_output(&m, 0, 1, 3, 0);
    for (unsigned k = 0; k < m.spec.head[1]; k++)
        neural_model_output(&m, 1, k, -30, 0);
    neural_model_encode(&m);
    struct tb_neural *neural = neural_model_instrument(&m, fixture_rate, TB_CPU_BEST);
    neural_model_free(&m);
    return neural;
}

/* Power of the tail of a short note that comes gap samples after a panic, or without one. */
static double tail_after(const float *values, bool panic, size_t gap)
{
    struct fixture f;
    scene_open_pair(&f, ringing(), NULL, values);
    if (panic) {
        for (int key = 40; key < 60; key += 4)
            fixture_on(&f, key, 127);
        fixture_render(&f, 9600);
        assert_true(power_of(f.left + 4800, 4800) > 1);
        fixture_event(&f, (struct tb_event){.type = TB_EVENT_PANIC});
        fixture_render(&f, gap);
        if (gap >= 480) /* 8 ms, and nothing rings */
            assert_true(scene_loudest(&f, f.n - gap + 400, f.n) < 1e-3F);
    }
    fixture_on(&f, 76, 127);
    fixture_render(&f, 9600);
    fixture_off(&f, 76);
    const size_t from = f.n;
    fixture_render(&f, 9600);
    const double power = power_of(f.left + from + 1920, 3000); /* the key's own release is over */
    fixture_free(&f);
    return power;
}

static void a_note_after_a_panic_has_its_reverb(void **state)
{
    (void)state;
    static const size_t gaps[] = {0, 64, 480, 4800};
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_NOTE_RELEASE] = (float)tb_params[TB_P_NOTE_RELEASE].min;
    values[TB_P_NEURAL_REVERB] = 0;
    const double dry = tail_after(values, false, 0);
    values[TB_P_NEURAL_REVERB] = 1;
    const double usual = tail_after(values, false, 0);
    assert_true(to_db(usual / (dry + 1e-12)) > 20);
    for (size_t i = 0; i < sizeof gaps / sizeof gaps[0]; i++) {
        const double db = 0.5 * to_db(tail_after(values, true, gaps[i]) / usual);
        if (!(fabs(db) < 0.5))
            fail_msg("%zu samples after a panic: %.2f dB", gaps[i], db);
    }
}

/* dB between .1 and .4 s after a click through a reverb of 40 dB a second. */
static double fall_db(float factor)
{
    enum { TAPS = 16000, N = 24000 };
    static float impulse[TAPS], click[N], wet[N];
    for (int i = 1; i < TAPS; i++)
        impulse[i] = (float)(i * 7919 % 200 - 100) * 0.01F * powf(10, -2.0F * (float)i / TAPS);
    memset(click, 0, sizeof click);
    struct tb_learned_reverb *r =
        tb_learned_reverb_new(impulse, TAPS, 16000, 16000, TB_NN_CPU_BEST);
    assert_non_null(r);
    tb_learned_reverb_decay(r, factor);
    tb_learned_reverb_process(r, click, wet, 8192); /* the knob comes to rest */
    click[0] = 1;
    tb_learned_reverb_process(r, click, wet, N);
    double early = 0, late = 0;
    for (int i = 1600; i < 2400; i++) {
        early += (double)wet[i] * (double)wet[i];
        late += (double)wet[i + 4800] * (double)wet[i + 4800];
    }
    tb_learned_reverb_free(r);
    return 10 * log10(late / early);
}

static void the_learned_decay_can_be_changed(void **state)
{
    (void)state;
    assert_near(fall_db(1), -12, 0.5);
    assert_near(fall_db(0.5F), -24, 2.5);
    assert_near(fall_db(2), -6, 2.5);
}

/* Largest step of two low notes while a knob jumps through its range, against without. */
static void knob_is_smooth(enum tb_model_family family, unsigned id)
{
    const struct tb_param_info *p = &tb_params[id];
    const float places[] = {(float)p->max, (float)p->min, (float)p->def, (float)p->max};
    struct fixture f;
    float own = 0, most = 0;
    scene_open_pair(&f, scene_plain(family, 0), scene_plain(family, 0), NULL);
    fixture_on(&f, 36, 100);
    fixture_on(&f, 43, 100);
    fixture_render(&f, 9600);
    own = scene_largest_step(&f, 4800, 9600);
    for (int i = 0; i < 4; i++) {
        const size_t from = f.n - 1;
        fixture_param(&f, id, places[i]);
        fixture_render(&f, 9600);
        const float settled = scene_largest_step(&f, f.n - 2400, f.n);
        own = settled > own ? settled : own;
        const float step = scene_largest_step(&f, from, f.n);
        most = step > most ? step : most;
    }
    if (most > own + CLICK)
        fail_msg("%s: step %.4f, its own %.4f", p->key, (double)most, (double)own);
    fixture_free(&f);
}

static void no_knob_clicks(void **state)
{
    (void)state;
    for (int i = 0; i < N_FAMILIES; i++) {
        for (unsigned id = TB_P_NEURAL_PITCH; id <= TB_P_AB_MORPH; id++)
            knob_is_smooth(families[i], id);
        for (unsigned id = TB_P_NOTE_ATTACK; id <= TB_P_NOTE_TIMBRE_BRIGHTNESS; id++)
            knob_is_smooth(families[i], id);
    }
}

/* A speaks softly on the first harmonic, B loudly on the second: raw outputs -2 and 2. */
static struct tb_neural *speaker(bool b)
{
    static struct neural_model m;
    neural_model_init(&m, TB_MODEL_HPN);
    neural_model_lay_out(&m);
    neural_model_output(&m, 0, 0, b ? 2 : -2, 0);
    for (unsigned i = 1; i < m.spec.head[0]; i++)
        neural_model_output(&m, 0, i, i == (b ? 2U : 1U) ? 9 : -20, 0);
    for (unsigned i = 0; i < m.spec.head[1]; i++)
        neural_model_output(&m, 1, i, -30, 0);
    neural_model_encode(&m);
    struct tb_neural *n = neural_model_instrument(&m, fixture_rate, TB_CPU_BEST);
    neural_model_free(&m);
    return n;
}

/* Harmonics of a note of 220 Hz on A alone, and then with a mix. */
struct mixed {
    double a, first, second;
};

static struct mixed listen_to(float mix, bool morph)
{
    struct fixture f;
    scene_open_pair(&f, speaker(false), speaker(true), NULL);
    fixture_param(&f, TB_P_AB_MORPH, morph ? 1 : 0);
    fixture_on(&f, 57, 127);
    fixture_render(&f, 48000);
    struct mixed m = {.a = line_amplitude(f.left + 24000, 16384, 220)};
    assert_true(line_amplitude(f.left + 24000, 16384, 440) < 1e-3 * m.a);
    fixture_param(&f, TB_P_AB_MIX, mix);
    fixture_render(&f, 48000);
    m.first = line_amplitude(f.left + 72000, 16384, 220);
    m.second = line_amplitude(f.left + 72000, 16384, 440);
    fixture_free(&f);
    return m;
}

static void a_goes_over_into_b(void **state)
{
    (void)state;
    struct mixed m = listen_to(0.5F, false); /* both sound at once, half each */
    assert_near(to_db(m.first / m.a), -6.02, 0.1);
    assert_true(m.second > m.first);
    m = listen_to(1, false); /* only B */
    assert_true(m.first < 1e-3 * m.a && m.second > 5 * m.a);
    m = listen_to(0.5F, true); /* one sound half way between both: the amplitude of raw 0 */
    assert_near(to_db(m.first / m.second), 0, 0.5);
    assert_true(m.first > m.a);
}

static void models_change_without_a_click(void **state)
{
    (void)state;
    for (int from = 0; from < N_FAMILIES; from++)
        for (int to = 0; to < N_FAMILIES; to++) {
            struct fixture f;
            scene_open(&f, families[from], 0, NULL);
            fixture_on(&f, 36, 110);
            fixture_on(&f, 43, 110);
            fixture_render(&f, 9607);
            const float before = scene_largest_step(&f, 4800, f.n);
            const size_t change = f.n - 1;
            scene_swap(&f, scene_plain(families[to], 0), NULL, NULL);
            fixture_render(&f, 14400);
            struct tb_program *old = tb_engine_retired(f.engine);
            assert_non_null(old); /* 0.3 s later its last voice is gone */
            tb_program_free(old);
            const float after = scene_largest_step(&f, f.n - 4800, f.n);
            const float own = before > after ? before : after;
            const float step = scene_largest_step(&f, change, f.n);
            if (step > own + CLICK)
                fail_msg("%d to %d: step %.4f, own %.4f", from, to, (double)step, (double)own);
            assert_true(scene_loudest(&f, f.n - 4800, f.n) > 0.02F);
            fixture_free(&f);
        }
}

static void nothing_strange_comes_out_of_strange_weights(void **state)
{
    (void)state;
    for (int i = 0; i < N_FAMILIES; i++)
        for (unsigned seed = 1; seed <= 4; seed++) {
            static struct neural_model m;
            struct fixture f;
            neural_model_init(&m, families[i]);
            neural_model_lay_out(&m);
            neural_model_random(&m, seed);
            for (size_t t = 0; t < m.n; t++) /* as large as a file may have them */
                m.values[t][0] *= seed % 2 ? 1e9F : 30;
            neural_model_encode(&m);
            scene_open_pair(&f, neural_model_instrument(&m, fixture_rate, TB_CPU_BEST),
                            neural_model_instrument(&m, fixture_rate, TB_CPU_PORTABLE), NULL);
            for (int k = 0; k < 60; k++) {
                fixture_param(&f, TB_P_NEURAL_PITCH + (unsigned)(k % 30), NAN);
                fixture_param(&f, TB_P_AB_MIX, (float)(k % 3) * 0.5F);
                fixture_event(&f, (struct tb_event){.type = TB_EVENT_BEND, .value = INFINITY});
                fixture_on(&f, (k * 37) % 128, 127);
                fixture_render(&f, 480);
            }
            for (size_t k = 0; k < f.n; k++)
                assert_true(fabsf(f.left[k]) <= 1.0F);
            fixture_free(&f);
            neural_model_free(&m);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_knob_does_what_it_says),
        cmocka_unit_test(brightness_tilts_the_harmonics),
        cmocka_unit_test(noise_has_a_level_of_its_own),
        cmocka_unit_test(the_learned_reverb_rings),
        cmocka_unit_test(a_note_after_a_panic_has_its_reverb),
        cmocka_unit_test(the_learned_decay_can_be_changed),
        cmocka_unit_test(no_knob_clicks),
        cmocka_unit_test(a_goes_over_into_b),
        cmocka_unit_test(models_change_without_a_click),
        cmocka_unit_test(nothing_strange_comes_out_of_strange_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
