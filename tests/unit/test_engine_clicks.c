/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * No clicks: while something changes, no step of the output is more than 0.05 larger than the
 * largest step of the signals before and after. Low sines, so that a step stands out. */
#include "tests/golden/engine_fixture.h"

#define CLICK 0.01F

static float largest_step(const float *x, size_t from, size_t to)
{
    float most = 0.0F;
    for (size_t k = from + 1; k < to; k++)
        most = fmaxf(most, fabsf(x[k] - x[k - 1]));
    return most;
}

/* Events come at the 0.1 s mark of what is rendered from here; then 0.3 s more. */
struct scene {
    struct fixture f;
    size_t begin, change;
};

static void scene_begin(struct scene *s, const float values[TB_N_PARAMS])
{
    fixture_new(&s->f, TB_CPU_BEST);
    fixture_load(&s->f, values);
    fixture_on(&s->f, 40, 110);
    fixture_on(&s->f, 47, 110);
    fixture_render(&s->f, 4807);
    s->begin = s->f.n - 2400;
    s->change = s->f.n;
}

static void scene_end(struct scene *s, const char *name)
{
    fixture_render(&s->f, 14400);
    float before = largest_step(s->f.left, s->begin, s->change);
    float after = largest_step(s->f.left, s->f.n - 4800, s->f.n);
    float during = largest_step(s->f.left, s->change - 1, s->f.n);
    float own = fmaxf(before, after);
    if (during > own + CLICK)
        print_error("%s: step %.4f, the signal's own %.4f\n", name, (double)during, (double)own);
    assert_true(during <= own + CLICK);
    fixture_free(&s->f);
}

static void sine_patch(float values[TB_N_PARAMS])
{
    tb_params_default(values);
    values[TB_P_FM_OP1_R4] = values[op_param(3, TB_P_FM_OP1_R4)] = 60.0F;
}

/* Two carriers, modulated; every edit of it is heard. */
static void rich_patch(float values[TB_N_PARAMS])
{
    tb_params_default(values);
    values[TB_P_FM_FEEDBACK] = 4.0F;
    for (int op = 1; op <= 6; op++)
        values[op_param(op, TB_P_FM_OP1_LEVEL)] = op == 1 || op == 3 ? 99.0F : 70.0F;
}

static void stealing(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    sine_patch(values);
    struct scene s;
    scene_begin(&s, values);
    fixture_param(&s.f, TB_P_ENGINE_VOICES, 2.0F);
    for (int i = 0; i < 40; i++) {
        fixture_on(&s.f, 36 + i % 12, 110);
        fixture_render(&s.f, 217);
    }
    scene_end(&s, "stealing");
}

static void cutting_everything(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    static const struct tb_event events[] = {
        {.type = TB_EVENT_PANIC},
        {.type = TB_EVENT_CONTROLLER, .id = 120, .source = TB_SOURCE_MIDI, .value = 0},
        {.type = TB_EVENT_CONTROLLER, .id = 7, .source = TB_SOURCE_MIDI, .value = 0},
        {.type = TB_EVENT_PARAM, .id = TB_P_MASTER_GAIN, .value = -60},
        {.type = TB_EVENT_PARAM, .id = TB_P_ENGINE_VOICES, .value = 1},
    };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        struct scene s;
        sine_patch(values);
        scene_begin(&s, values);
        fixture_event(&s.f, events[i]);
        scene_end(&s, "cutting");
    }
}

static void patch_changes(void **state)
{
    (void)state;
    float a[TB_N_PARAMS], b[TB_N_PARAMS];
    sine_patch(a);
    rich_patch(b);
    for (int way = 0; way < 4; way++) {
        struct scene s;
        struct tb_error err;
        scene_begin(&s, way & 1 ? a : b);
        for (int i = 0; i < (way & 2 ? 60 : 1); i++) { /* once, and as fast as it goes */
            struct tb_program *p = tb_program_new(s.f.engine, (way + i) & 1 ? b : a, &err);
            assert_non_null(p);
            if (!tb_engine_swap(s.f.engine, p))
                tb_program_free(p);
            fixture_render(&s.f, 333);
            tb_program_free(tb_engine_retired(s.f.engine));
        }
        scene_end(&s, "patch change");
    }
}

enum { STEPS = 6 };

static float step_value(unsigned id, int i)
{
    const struct tb_param_info *p = &tb_params[id];
    double value = p->min + (p->max - p->min) * i / (STEPS - 1);
    bool whole = p->scale != TB_SCALE_LINEAR && p->scale != TB_SCALE_LOG;
    return (float)(whole ? floor(value) : value);
}

/* The largest step of the two notes when nothing is touched. */
static float own_step(unsigned id, float value)
{
    struct fixture f;
    float values[TB_N_PARAMS];
    rich_patch(values);
    fixture_new(&f, TB_CPU_BEST);
    if (tb_params[id].owner == TB_OWNER_PATCH)
        values[id] = value;
    else
        fixture_param(&f, id, value);
    fixture_load(&f, values);
    fixture_on(&f, 40, 110);
    fixture_on(&f, 47, 110);
    fixture_render(&f, 19200);
    float step = largest_step(f.left, 2400, f.n);
    fixture_free(&f);
    return step;
}

/* Every parameter through its range, slowly and as fast as blocks come, both ways. */
static void edits(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    for (unsigned id = 0; id < TB_N_PARAMS; id++) {
        float own = 0.0F;
        for (int i = 0; i < STEPS; i++)
            own = fmaxf(own, own_step(id, step_value(id, i)));
        for (int way = 0; way < 2; way++) {
            struct scene s;
            rich_patch(values);
            scene_begin(&s, values);
            for (int i = 0; i < 10 * STEPS; i++) {
                int at = i % (2 * STEPS);
                fixture_param(&s.f, id, step_value(id, at < STEPS ? at : 2 * STEPS - 1 - at));
                fixture_render(&s.f, way ? 64 : 1500);
            }
            float during = largest_step(s.f.left, s.change - 1, s.f.n);
            if (during > own + CLICK)
                print_error("%s: step %.4f, the signal's own %.4f\n", tb_params[id].key,
                            (double)during, (double)own);
            assert_true(during <= own + CLICK);
            fixture_free(&s.f);
        }
    }
}

static void controllers_sweep(void **state)
{
    (void)state;
    float values[TB_N_PARAMS];
    rich_patch(values);
    static const int numbers[] = {1, 2, 4, 5, 7, 11, 64, 65};
    for (unsigned i = 0; i < 4; i++) {
        values[TB_P_WHEEL_RANGE + 4 * i] = 99.0F;
        values[TB_P_WHEEL_PITCH + 4 * i] = values[TB_P_WHEEL_AMP + 4 * i] = 1.0F;
    }
    for (int op = 1; op <= 6; op++)
        values[op_param(op, TB_P_FM_OP1_AMS)] = 3.0F;
    for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++) {
        struct scene s;
        scene_begin(&s, values);
        for (int i = 0; i < 60; i++) {
            fixture_controller(&s.f, numbers[n], (float)(i % 4) / 3.0F);
            fixture_render(&s.f, 190);
        }
        scene_end(&s, "controllers");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stealing),          cmocka_unit_test(cutting_everything),
        cmocka_unit_test(patch_changes),     cmocka_unit_test(edits),
        cmocka_unit_test(controllers_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
