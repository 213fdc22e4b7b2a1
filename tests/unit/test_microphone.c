/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/microphone.h"

#include "server/shm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { RATE_HZ = 48000, ROOM = TB_MICROPHONE_HEAD + 2 * (TB_MICROPHONE_FRAMES + 1) };
static const uint64_t second_ns = 1000000000;
static struct tb_mic mic;
static const struct tb_microphone_out out = {&mic, RATE_HZ};
static unsigned char message[ROOM + 2];

static size_t fill(unsigned kind, unsigned version, unsigned count, uint32_t rate_hz)
{
    const unsigned char head[TB_MICROPHONE_HEAD] = {
        [0] = (unsigned char)kind,  [1] = (unsigned char)version,
        [2] = count & 255,          [3] = count >> 8 & 255,
        [8] = rate_hz & 255,        [9] = rate_hz >> 8 & 255,
        [10] = rate_hz >> 16 & 255, [11] = (unsigned char)(rate_hz >> 24),
    };
    memset(message, 1, sizeof message);
    memcpy(message, head, sizeof head);
    return sizeof head + 2 * (size_t)count;
}

static void every_field_has_its_bound(void **state)
{
    static const struct {
        unsigned kind, version, count;
        int longer; /* than count says */
        uint32_t rate_hz;
        const char *error; /* NULL: fine */
    } cases[] = {
        {16, 1, 1, 0, 48000, NULL},
        {16, 1, 0, 0, 48000, NULL},
        {16, 1, 0, -1, 48000, "binary: not of kind 16, version 1"},
        {17, 1, 1, 0, 48000, "binary: not of kind 16, version 1"},
        {16, 0, 1, 0, 48000, "binary: not of kind 16, version 1"},
        {16, 2, 1, 0, 48000, "binary: not of kind 16, version 1"},
        {16, 1, 9600, 0, 48000, NULL},
        {16, 1, 9601, 0, 48000, "count: 9601 samples in 19218 bytes, at most 9600"},
        {16, 1, 10, -1, 48000, "count: 10 samples in 35 bytes, at most 9600"},
        {16, 1, 10, -2, 48000, "count: 10 samples in 34 bytes, at most 9600"},
        {16, 1, 10, 1, 48000, "count: 10 samples in 37 bytes, at most 9600"},
        {16, 1, 1, 0, 7999, "rate_hz: 7999 is not in 8000..192000"},
        {16, 1, 1, 0, 8000, NULL},
        {16, 1, 1, 0, 192000, NULL},
        {16, 1, 1, 0, 192001, "rate_hz: 192001 is not in 8000..192000"},
        {16, 1, 1, 0, 0, "rate_hz: 0 is not in 8000..192000"},
        {16, 1, 1, 0, UINT32_MAX, "rate_hz: 4294967295 is not in 8000..192000"},
    };
    struct tb_microphone *m = tb_microphone_new(NULL);
    (void)state;
    assert_non_null(m);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_error err = {0};
        size_t size = fill(cases[i].kind, cases[i].version, cases[i].count, cases[i].rate_hz);
        size = (size_t)((long)size + cases[i].longer);
        enum tb_status status = tb_microphone_hear(m, message, size, &out, second_ns, &err);
        assert_string_equal(err.text, cases[i].error ? cases[i].error : "");
        assert_int_equal(status, cases[i].error ? TB_EINVAL : TB_OK);
    }
    tb_microphone_free(m);
}

/* A message of 0.2 s; true when sound came of it. */
static bool is_heard(struct tb_microphone *m, uint64_t now_ns)
{
    const uint64_t before = atomic_load(&mic.write);
    size_t size = fill(TB_MICROPHONE_KIND, 1, TB_MICROPHONE_FRAMES, RATE_HZ);
    assert_int_equal(tb_microphone_hear(m, message, size, &out, now_ns, NULL), TB_OK);
    return atomic_load(&mic.write) > before;
}

static void what_comes_too_fast_is_dropped(void **state)
{
    struct tb_microphone *m = tb_microphone_new(NULL);
    uint64_t now_ns = 100 * second_ns;
    (void)state;
    for (int i = 0; i < 5; i++) /* one second is let through at once, however long it was quiet */
        assert_true(is_heard(m, now_ns));
    assert_false(is_heard(m, now_ns));
    now_ns += second_ns / 5; /* 0.3 s more are allowed */
    assert_true(is_heard(m, now_ns));
    assert_false(is_heard(m, now_ns));
    now_ns += second_ns / 15; /* and the 0.1 s that were left with 0.1 s */
    assert_true(is_heard(m, now_ns + 1000));
    assert_false(is_heard(m, now_ns + 1000));
    const struct tb_microphone_out closed = {&mic, 0};
    const uint64_t before = atomic_load(&mic.write);
    size_t size = fill(TB_MICROPHONE_KIND, 1, 10, RATE_HZ);
    assert_int_equal(tb_microphone_hear(m, message, size, &closed, now_ns + second_ns, NULL),
                     TB_OK); /* no device yet */
    assert_int_equal(atomic_load(&mic.write), before);
    tb_microphone_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_its_bound),
        cmocka_unit_test(what_comes_too_fast_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
