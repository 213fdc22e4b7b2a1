/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From a tracked pitch to notes and bends. */
#include "server/audio/pitch_midi.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static unsigned char out[TB_PITCH_NOTES_BYTES];

static size_t look(struct tb_pitch_notes *n, float hz, int times)
{
    size_t bytes = 0;
    for (int i = 0; i < times; i++)
        bytes = tb_pitch_notes(n, hz, -20, true, out);
    return bytes;
}

static void a_note_begins_in_tune_and_ends(void **state)
{
    (void)state;
    struct tb_pitch_notes n = {.key = -1};
    assert_int_equal(look(&n, 440, 1), 6); /* the bend comes before its note */
    const unsigned char on[] = {0xe0, 0, 64, 0x90, 69, 94};
    assert_memory_equal(out, on, sizeof on);
    assert_int_equal(look(&n, 440, 10), 0);
    assert_int_equal(look(&n, 440 * exp2f(0.5F / 12), 1), 3); /* a quarter of the range up */
    assert_int_equal(out[0], 0xe0);
    assert_int_equal(out[1] | out[2] << 7, 8192 + 2048);
    assert_int_equal(look(&n, 0, 12), 0); /* a consonant */
    assert_int_equal(look(&n, 440, 1), 3);
    assert_int_equal(tb_pitch_notes(&n, 0, -90, false, out), 3);
    const unsigned char off[] = {0x80, 69, 0};
    assert_memory_equal(out, off, sizeof off);
    assert_int_equal(tb_pitch_notes(&n, 0, -90, false, out), 0);
}

static void a_glide_becomes_another_note_once_it_stays(void **state)
{
    (void)state;
    struct tb_pitch_notes n = {.key = -1};
    (void)look(&n, 440, 1);
    assert_int_equal(look(&n, 494, 1), 3); /* at once a bend */
    assert_int_equal(n.key, 69);
    size_t bytes = 0;
    for (int i = 0; i < 6 && n.key == 69; i++)
        bytes = look(&n, 494, 1);
    assert_int_equal(n.key, 71);
    assert_int_equal(bytes, 9); /* off, bend, on */
    assert_int_equal(out[0], 0x80);
    assert_int_equal(out[6], 0x90);
}

static void what_is_no_pitch_is_no_note(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -440, 0, 1e30F, 5, 20000};
    struct tb_pitch_notes n = {.key = -1};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(look(&n, bad[i], 20), 0);
    (void)look(&n, 11, 1);
    assert_int_equal(n.key, 5);
    assert_true(out[1] < 128 && out[2] < 128);
    assert_int_equal(tb_pitch_notes(&n, 440, NAN, false, out), 3);
    assert_true(tb_pitch_notes(&n, 440, NAN, true, out) == 6 && out[5] >= 1 && out[5] < 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_begins_in_tune_and_ends),
        cmocka_unit_test(a_glide_becomes_another_note_once_it_stays),
        cmocka_unit_test(what_is_no_pitch_is_no_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
