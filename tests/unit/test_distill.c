/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/distill.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLIPS = 2, FRAMES = 40, HOP = 64, SAMPLES = CLIPS * FRAMES * HOP };
static float f0[CLIPS * FRAMES], pitch[CLIPS * FRAMES], loudness[CLIPS * FRAMES];
static float noise[SAMPLES], audio[SAMPLES];
static const struct tb_batch batch = {.grid = {CLIPS, FRAMES, HOP, 16000, false},
                                      .f0_hz = f0,
                                      .pitch = pitch,
                                      .loudness = loudness,
                                      .noise = noise,
                                      .audio = audio};

static int fill(void **state)
{
    (void)state;
    struct tb_random random;
    tb_random_seed(&random, 1);
    for (int i = 0; i < CLIPS * FRAMES; i++) {
        f0[i] = (float)(300 + 2 * i);
        pitch[i] = (float)((69 + 12 * log2((double)f0[i] / 440)) / 127);
        loudness[i] = (float)(0.5 + 0.3 * sin(0.2 * i));
    }
    for (int i = 0; i < SAMPLES; i++) {
        noise[i] = (float)(2 * tb_random_uniform(&random) - 1);
        audio[i] = (float)(0.3 * sin(0.13 * i));
    }
    return 0;
}

static struct tb_network *network_of(enum tb_family family, size_t hidden, uint64_t seed)
{
    struct tb_network_spec spec = tb_network_preset(family, true);
    struct tb_error err;
    spec.hidden = hidden;
    spec.reverb = 500;
    spec.dropout = 0;
    struct tb_network *n = tb_network_new(&spec, seed, &err);
    assert_non_null(n);
    return n;
}

static void sound_of(const struct tb_network *network, float *out)
{
    struct tb_tape *tape = tb_tape_new((size_t)1 << 30);
    struct tb_random random;
    tb_random_seed(&random, 0);
    const struct tb_pass pass = tb_network_forward(tape, network, &batch, NULL, &random);
    assert_non_null(pass.audio.value);
    memcpy(out, pass.audio.value, SAMPLES * sizeof *out);
    tb_tape_free(tape);
}

static double loss_of(const struct tb_network *student, struct tb_distill *d, bool training)
{
    struct tb_error err;
    struct tb_stepper *stepper = tb_stepper_new(student, 1, (size_t)1 << 30, 1, &err);
    const struct tb_step step = {
        &batch, d ? tb_distill_objective : tb_spectral_objective, d, training, 0, NULL};
    double loss;
    assert_non_null(stepper);
    assert_int_equal(tb_stepper_run(stepper, &step, &loss, &err), TB_OK);
    tb_stepper_free(stepper);
    return loss;
}

static void a_student_that_is_the_teacher(void **state)
{
    (void)state;
    struct tb_error err;
    for (enum tb_family family = TB_FAMILY_HPN; family <= TB_FAMILY_WAVETABLE; family++)
        for (enum tb_distill_mode mode = TB_DISTILL_AUDIO; mode <= TB_DISTILL_BOTH; mode++) {
            struct tb_network *student = network_of(family, 8, 3);
            struct tb_distill *d =
                tb_distill_new(network_of(family, 8, 3), &student->spec, mode, &err);
            assert_non_null(d);
            const double alone = loss_of(student, NULL, true);
            assert_true(alone > 1);
            /* nothing is left but half of what the recording says */
            assert_true(fabs(loss_of(student, d, true) - 0.5 * alone) < 1e-4 * alone);
            assert_true(fabs(loss_of(student, d, false) - alone) < 1e-6);
            float kept[SAMPLES];
            memcpy(kept, audio, sizeof kept);
            sound_of(student, audio); /* and when the recording is its own sound, nothing at all */
            assert_true(loss_of(student, d, true) < 1e-4);
            memcpy(audio, kept, sizeof kept);
            tb_distill_free(d);
            tb_network_free(student);
        }
}

static void terms_add_up(void **state)
{
    (void)state;
    struct tb_error err;
    double losses[3];
    struct tb_network *student = network_of(TB_FAMILY_HPN, 8, 4);
    const double alone = loss_of(student, NULL, true);
    for (enum tb_distill_mode mode = TB_DISTILL_AUDIO; mode <= TB_DISTILL_BOTH; mode++) {
        struct tb_distill *d =
            tb_distill_new(network_of(TB_FAMILY_HPN, 16, 5), &student->spec, mode, &err);
        assert_non_null(d);
        losses[mode] = loss_of(student, d, true);
        tb_distill_free(d);
    }
    const double like = losses[TB_DISTILL_AUDIO] - 0.5 * alone;
    const double controls = losses[TB_DISTILL_CONTROL] - 0.5 * alone;
    assert_true(like > 0.1 && controls > 0.001);
    assert_true(fabs(losses[TB_DISTILL_BOTH] - (0.5 * alone + like + controls)) < 1e-4 * alone);
    /* .5 S(teacher): the same with the teacher's sound as the recording */
    float kept[SAMPLES];
    memcpy(kept, audio, sizeof kept);
    struct tb_network *teacher = network_of(TB_FAMILY_HPN, 16, 5);
    sound_of(teacher, audio);
    assert_true(fabs(0.5 * loss_of(student, NULL, true) - like) < 1e-3 * like);
    memcpy(audio, kept, sizeof kept);
    tb_network_free(teacher);
    tb_network_free(student);
}

/* With a floor every S is the trainer's own under that floor. */
static void under_a_floor(void **state)
{
    (void)state;
    struct tb_error err;
    double floor = 0.01, losses[2];
    struct tb_network *student = network_of(TB_FAMILY_HPN, 8, 4);
    struct tb_distill *d =
        tb_distill_new(network_of(TB_FAMILY_HPN, 8, 4), &student->spec, TB_DISTILL_AUDIO, &err);
    struct tb_stepper *stepper = tb_stepper_new(student, 1, (size_t)1 << 30, 1, &err);
    assert_true(d && stepper);
    tb_distill_set_floor(d, floor);
    const struct tb_step alone = {&batch, tb_floor_objective, &floor, true, 0, NULL};
    const struct tb_step both = {&batch, tb_distill_objective, d, true, 0, NULL};
    assert_int_equal(tb_stepper_run(stepper, &alone, &losses[0], &err), TB_OK);
    assert_int_equal(tb_stepper_run(stepper, &both, &losses[1], &err), TB_OK);
    assert_true(losses[0] < 0.95 * loss_of(student, NULL, true)); /* the floor hides something */
    assert_true(fabs(losses[1] - 0.5 * losses[0]) < 1e-4 * losses[0]);
    assert_true(fabs(loss_of(student, d, false) - losses[0]) < 1e-4 * losses[0]);
    tb_stepper_free(stepper);
    tb_distill_free(d);
    tb_network_free(student);
}

/* Steps of the whole objective with two shards bring the student's controls to the teacher's. */
static void students_learn(void **state)
{
    (void)state;
    struct tb_error err;
    struct tb_network *student = network_of(TB_FAMILY_DDX7, 8, 6);
    struct tb_network *teacher = network_of(TB_FAMILY_DDX7, 12, 7);
    sound_of(teacher, audio);
    struct tb_distill *d = tb_distill_new(teacher, &student->spec, TB_DISTILL_CONTROL, &err);
    struct tb_stepper *stepper = tb_stepper_new(student, 2, (size_t)1 << 30, 1, &err);
    assert_true(d && stepper);
    const struct tb_step step = {&batch, tb_distill_objective, d, true, 0, NULL};
    const struct tb_adamw adamw = {1e-2, 0.9, 0.999, 1e-8, 0, 3};
    double first = 0, last = 0, loss = 0; /* a mean of forty: dropout makes single ones jump */
    for (uint64_t i = 1; i <= 160; i++) {
        assert_int_equal(tb_stepper_run(stepper, &step, &loss, &err), TB_OK);
        first = i == 1 ? loss : first;
        last += i > 120 ? loss / 40 : 0;
        (void)tb_adamw_step(student, &adamw, tb_stepper_gradients(stepper), i);
    }
    print_message("loss %.3f to %.3f\n", first, last);
    if (!(last < 0.95 * first))
        fail_msg("%g after %g", last, first);
    tb_stepper_free(stepper);
    tb_distill_free(d);
    tb_network_free(student);
    (void)fill(NULL);
}

static void copies_are_frozen(void **state)
{
    (void)state;
    struct tb_error err;
    struct tb_network *student = network_of(TB_FAMILY_WAVETABLE, 8, 4);
    struct tb_network *teacher = network_of(TB_FAMILY_WAVETABLE, 16, 5);
    static const char *const names[] = {"wavetables", "reverb.noise", "reverb.decay", "reverb.wet"};
    assert_int_equal(tb_distill_copy_tables(student, teacher, &err), TB_OK);
    assert_int_equal(tb_distill_copy_reverb(student, teacher, &err), TB_OK);
    struct tb_stepper *stepper = tb_stepper_new(student, 1, (size_t)1 << 30, 1, &err);
    const struct tb_step step = {&batch, tb_spectral_objective, NULL, true, 0, NULL};
    const struct tb_adamw adamw = {1e-2, 0.9, 0.999, 1e-8, 0.01, 3};
    double loss;
    assert_non_null(stepper);
    assert_int_equal(tb_stepper_run(stepper, &step, &loss, &err), TB_OK);
    (void)tb_adamw_step(student, &adamw, tb_stepper_gradients(stepper), 1);
    for (size_t i = 0; i < 4; i++) {
        const struct tb_parameter *a = tb_network_find(student, names[i]);
        const struct tb_parameter *b = tb_network_find(teacher, names[i]);
        assert_memory_equal(a->value, b->value, a->rows * a->cols * sizeof *a->value);
    }
    tb_stepper_free(stepper);
    tb_network_free(student);
    tb_network_free(teacher);
}

static void what_does_not_fit(void **state)
{
    (void)state;
    struct tb_error err;
    struct tb_network *hpn = network_of(TB_FAMILY_HPN, 8, 1);
    struct tb_network *tables = network_of(TB_FAMILY_WAVETABLE, 8, 1);
    struct tb_network_spec other = hpn->spec;
    other.harmonics = 50;
    assert_null(tb_distill_new(network_of(TB_FAMILY_HPN, 8, 1), &other, TB_DISTILL_BOTH, &err));
    assert_true(err.status == TB_EINVAL && strstr(err.text, "harmonics"));
    assert_null(
        tb_distill_new(network_of(TB_FAMILY_DDX7, 8, 1), &hpn->spec, TB_DISTILL_CONTROL, &err));
    assert_non_null(strstr(err.text, "family"));
    other.hop = 128;
    assert_null(tb_distill_new(network_of(TB_FAMILY_HPN, 8, 1), &other, TB_DISTILL_AUDIO, &err));
    assert_non_null(strstr(err.text, "hop"));
    assert_int_equal(tb_distill_copy_tables(hpn, tables, &err), TB_EINVAL);
    assert_non_null(strstr(err.text, "wavetables"));
    tb_network_find(tables, "reverb.noise")->cols--;
    assert_int_equal(tb_distill_copy_reverb(hpn, tables, &err), TB_EINVAL);
    assert_non_null(strstr(err.text, "reverb.noise"));
    tb_network_free(hpn);
    tb_network_free(tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_student_that_is_the_teacher),
        cmocka_unit_test(terms_add_up),
        cmocka_unit_test(under_a_floor),
        cmocka_unit_test(students_learn),
        cmocka_unit_test(copies_are_frozen),
        cmocka_unit_test(what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
