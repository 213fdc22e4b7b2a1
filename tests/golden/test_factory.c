/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The factory bank by numbers: as loud as each other, no clipping of a full chord, in tune,
 * brighter when hit harder, silent after release. TIMBRED_FACTORY_REPORT=1 prints a line for each
 * patch. */
#include "server/formats/factory.h"
#include "server/formats/import.h"
#include "server/formats/syx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dsp/engine.h"
#include "tests/golden/sound.h"

static const double rate = 48000.0;
enum { BLOCK = 64 };

struct take { /* what was heard */
    float *x; /* mono sum */
    size_t n;
    float limiter_db; /* most reduction */
};

struct play {
    int keys[8], n_keys;
    float velocity, wheel;
    double hold_s, tail_s;
};

static void send(struct tb_engine *engine, enum tb_event_type type, int key, float value)
{
    struct tb_event event = {.type = (uint8_t)type, .key = (uint8_t)key, .value = value};
    tb_engine_handle(engine, &event);
}

static void control(struct tb_engine *engine, int number, float value)
{
    struct tb_event event = {.type = TB_EVENT_CONTROLLER, .id = (uint16_t)number, .value = value};
    tb_engine_handle(engine, &event);
}

static void render(struct tb_engine *engine, struct take *take, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i += BLOCK) {
        float left[BLOCK], right[BLOCK];
        struct tb_frame frame;
        tb_engine_render(engine, left, right, BLOCK);
        tb_engine_telemetry(engine, &frame);
        take->limiter_db = fmaxf(take->limiter_db, frame.limiter_db);
        for (size_t k = 0; k < BLOCK; k++)
            take->x[from + i + k] = 0.5F * (left[k] + right[k]);
    }
}

static struct take play(const float values[TB_N_PARAMS], const struct play *p)
{
    struct tb_engine_config config = {
        .rate_hz = (float)rate, .max_block = BLOCK, .cpu = TB_CPU_BEST, .seed = 1};
    struct tb_error err;
    struct tb_engine *engine = tb_engine_new(&config, &err);
    if (!engine)
        fail_msg("%s", err.text);
    struct tb_program *program = tb_program_new(engine, values, &err);
    if (!program)
        fail_msg("%s", err.text);
    size_t hold = (size_t)(p->hold_s * rate) / BLOCK * BLOCK;
    size_t tail = (size_t)(p->tail_s * rate) / BLOCK * BLOCK;
    struct take take = {calloc(hold + tail + BLOCK, sizeof(float)), hold + tail, 0.0F};
    assert_true(tb_engine_swap(engine, program));
    render(engine, &take, 0, 4096); /* the cross-fade to the patch, over silence */
    tb_program_free(tb_engine_retired(engine));
    if (p->wheel > 0.0F)
        control(engine, 1, p->wheel);
    for (int i = 0; i < p->n_keys; i++)
        send(engine, TB_EVENT_NOTE_ON, p->keys[i], p->velocity);
    take.limiter_db = 0.0F;
    render(engine, &take, 0, hold);
    for (int i = 0; i < p->n_keys; i++)
        send(engine, TB_EVENT_NOTE_OFF, p->keys[i], 0.0F);
    render(engine, &take, hold, tail);
    tb_engine_free(engine);
    for (size_t i = 0; i < take.n; i++)
        if (!isfinite(take.x[i]))
            fail_msg("sample %zu is not finite", i);
    return take;
}

static bool is_in(const struct tb_patch *patch, const char *category)
{
    return strcmp(patch->category, category) == 0;
}

static int home_key(const struct tb_patch *patch)
{
    return is_in(patch, "Bass") ? 36 : is_in(patch, "Percussion") ? 48 : 60;
}

static double key_hz(int key)
{
    return 440.0 * exp2((key - 69) / 12.0);
}

struct measure {
    double loudness_db, peak_db, chord_peak_db, limiter_db, fundamental_db, bright, colour, end_db,
        wheel_db;
    double low_db, high_db; /* loudness two octaves down and up, re home */
    double soft_db;         /* loudness at velocity 40 re 100 */
};

static double loudness(const float values[TB_N_PARAMS], int key, float velocity, double hold_s)
{
    struct play p = {.keys = {key}, .n_keys = 1, .velocity = velocity, .hold_s = hold_s};
    struct take take = play(values, &p);
    double db = sound_loudness_db(take.x, take.n, rate);
    free(take.x);
    return db;
}

static double centroid(const float values[TB_N_PARAMS], int key, float velocity, double hold_s)
{
    struct play p = {.keys = {key}, .n_keys = 1, .velocity = velocity, .hold_s = hold_s};
    struct take take = play(values, &p);
    double hz = sound_centroid_hz(take.x, take.n, rate);
    free(take.x);
    return hz;
}

/* The strongest partial at half, once, twice or three times the key, re the whole. */
static double fundamental(const struct take *take, int key)
{
    double best = -200.0;
    const double ratios[] = {0.5, 1.0, 1.5, 2.0, 3.0};
    for (size_t i = 0; i < 5; i++)
        for (int cent = -24; cent <= 24; cent += 3)
            best = fmax(best, sound_partial_db(take->x, 16384, rate,
                                               ratios[i] * key_hz(key) * exp2(cent / 1200.0)));
    return best - sound_rms_db(take->x, 16384);
}

/* How much of a held note changes with the wheel: the difference re the note. */
static double wheel_effect(const float values[TB_N_PARAMS], int key, const struct take *plain)
{
    struct play p = {.keys = {key}, .n_keys = 1, .velocity = 100, .wheel = 1.0F, .hold_s = 1.5};
    struct take take = play(values, &p);
    double sum = 0.0, whole = 0.0;
    size_t n = take.n < plain->n ? take.n : plain->n;
    for (size_t i = 0; i < n; i++) {
        double d = (double)take.x[i] - (double)plain->x[i];
        sum += d * d;
        whole += (double)plain->x[i] * (double)plain->x[i];
    }
    free(take.x);
    return 10.0 * log10(sum / whole + 1e-20);
}

static struct measure measure(const struct tb_patch *patch)
{
    float values[TB_N_PARAMS];
    struct measure m;
    int key = home_key(patch);
    double hold_s = is_in(patch, "Pads") || is_in(patch, "Effects") ? 3.0 : 1.5;
    tb_patch_get_params(patch, values);
    struct play one = {
        .keys = {key}, .n_keys = 1, .velocity = 100, .hold_s = hold_s, .tail_s = 8.0};
    struct take take = play(values, &one);
    m.loudness_db = sound_loudness_db(take.x, (size_t)(hold_s * rate), rate);
    m.peak_db = sound_peak_db(take.x, take.n);
    m.fundamental_db = fundamental(&take, key);
    m.end_db = sound_rms_db(take.x + take.n - 9600, 9600);
    m.wheel_db = wheel_effect(values, key, &take);
    free(take.x);
    struct play chord = {.keys = {key, key + 4, key + 7, key + 12, key + 16, key + 19},
                         .n_keys = 6,
                         .velocity = 110,
                         .hold_s = 1.5};
    take = play(values, &chord);
    m.chord_peak_db = sound_peak_db(take.x, take.n);
    m.limiter_db = (double)take.limiter_db;
    free(take.x);
    m.bright = centroid(values, key, 120, 0.7) / centroid(values, key, 40, 0.7);
    m.colour = centroid(values, key, 100, 0.7) / key_hz(key);
    m.soft_db = loudness(values, key, 40, hold_s) - m.loudness_db;
    m.low_db = loudness(values, key - 24, 100, hold_s) - m.loudness_db;
    m.high_db = loudness(values, key + 24, 100, hold_s) - m.loudness_db;
    return m;
}

/* Sounds that are meant to have no clear pitch, or no movement. */
static bool is_unpitched(const struct tb_patch *patch)
{
    return is_in(patch, "Percussion") || is_in(patch, "Effects");
}

static int judge(const struct tb_patch *patch, const struct measure *m)
{
    bool brief = is_in(patch, "Percussion") || strcmp(patch->name, "Pizzicato") == 0;
    bool still = is_in(patch, "Organ") || is_in(patch, "Pads") || is_in(patch, "Effects");
    const struct {
        const char *what;
        double value, min, max;
    } rules[] = {
        {"loudness", m->loudness_db, brief ? -45.0 : -33.5, -29.5},
        {"peak", m->peak_db, -30.0, -10.0},
        {"limiter at a chord of six", m->limiter_db, 0.0, 0.5},
        {"fundamental", is_unpitched(patch) ? 0.0 : m->fundamental_db, -18.0, 3.0},
        {"brightness, hard over soft", m->bright, still ? 0.95 : 1.1, 10.0},
        {"partials", m->colour, 1.0, 9.0},
        {"8 s after release", m->end_db, -300.0, -80.0},
        {"effect of the wheel", m->wheel_db, -35.0, 20.0},
        {"two octaves down", m->low_db, -18.0, 9.0},
        {"two octaves up", m->high_db, -18.0, 9.0},
        {"soft keys", m->soft_db, -16.0, 0.6},
    };
    int wrong = 0;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].value >= rules[i].min && rules[i].value <= rules[i].max)
            continue;
        wrong++;
        print_error("%s: %s: %.2f is not in %g..%g\n", patch->name, rules[i].what, rules[i].value,
                    rules[i].min, rules[i].max);
    }
    return wrong;
}

static void every_patch_sounds_as_it_should(void **state)
{
    struct tb_patch_file file;
    struct tb_error err;
    int wrong = 0;
    bool report = getenv("TIMBRED_FACTORY_REPORT") != NULL;
    (void)state;
    if (tb_factory_parse(&file, &err))
        fail_msg("%s", err.text);
    assert_true(file.n_patches >= 40);
    for (size_t i = 0; i < file.n_patches; i++) {
        const struct tb_patch *p = &file.patches[i];
        struct measure m = measure(p);
        wrong += judge(p, &m);
        if (report)
            printf("{\"name\":\"%s\",\"loudness\":%.1f,\"peak\":%.1f,\"chord\":%.1f,"
                   "\"limiter\":%.1f,\"fundamental\":%.1f,\"bright\":%.2f,\"colour\":%.2f,\"end\":%"
                   ".0f,"
                   "\"wheel\":%.0f,\"low\":%.1f,\"high\":%.1f,\"soft\":%.1f}\n",
                   p->name, m.loudness_db, m.peak_db, m.chord_peak_db, m.limiter_db,
                   m.fundamental_db, m.bright, m.colour, m.end_db, m.wheel_db, m.low_db, m.high_db,
                   m.soft_db);
    }
    tb_patch_file_clear(&file);
    assert_int_equal(wrong, 0);
}

/* A DX7 could hold each of them; and none is a voice of the cartridges that Debian ships. */
static void patches_are_voices_of_our_own(void **state)
{
    static uint8_t roms[65536];
    struct tb_patch_file file;
    (void)state;
    assert_int_equal(tb_factory_parse(&file, NULL), TB_OK);
    FILE *f = fopen("/usr/share/hexter/dx7_roms.dx7", "rb");
    size_t size = f ? fread(roms, 1, sizeof roms, f) : 0;
    if (f)
        fclose(f);
    for (size_t i = 0; i < file.n_patches; i++) {
        uint8_t voice[TB_SYX_UNPACKED], other[TB_SYX_UNPACKED];
        tb_patch_to_voice(&file.patches[i], voice);
        assert_int_equal(tb_syx_clamp(voice), 0);
        for (size_t at = 0; at < size; at += TB_SYX_PACKED) {
            int same = 0;
            tb_syx_unpack(roms + at, other);
            for (int k = 0; k < 145; k++)
                same += voice[k] == other[k];
            assert_true(same < 116); /* four fifths of all parameters */
        }
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(file.patches[k].name, file.patches[i].name);
    }
    tb_patch_file_clear(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_are_voices_of_our_own),
        cmocka_unit_test(every_patch_sounds_as_it_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
