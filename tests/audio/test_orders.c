/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/clock.h"
#include "server/audio/keeper.h"
#include "server/shm.h"
#include "tests/audio/checking_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The audio thread with its keeper, on the null device, with an engine that notes what it is told:
 * programs and commands keep their order, devices change while it plays, nothing is leaked. */

static struct tb_shm *shm;
static int shm_fd;
static struct tb_keeper *keeper;

static int set_up(void **state)
{
    (void)state;
    struct tb_config config = {
        .driver = "null", .rate_hz = 48000, .block = 64, .periods = 3, .priority = 70, .cpu = -1};
    struct tb_realtime realtime;
    struct tb_error err;
    tb_realtime_prepare(&config, &realtime);
    shm = tb_shm_new(&shm_fd, &err);
    keeper = shm ? tb_keeper_start(&config, &realtime, shm, &err) : NULL;
    return keeper ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    tb_keeper_stop(keeper);
    tb_shm_unmap(shm);
    (void)close(shm_fd);
    return atomic_load(&checking_programs) == 0 ? 0 : 1; /* every one was freed */
}

static bool wait_until(bool (*condition)(void))
{
    for (int i = 0; i < 3000 && !condition(); i++)
        tb_clock_sleep_ms(1);
    return condition();
}

static void edit(float value)
{
    struct tb_event e = {.type = TB_EVENT_PARAM, .id = TB_P_FM_ALGORITHM, .value = value};
    while (!tb_ring_push(tb_shm_ring(shm, shm->commands), &e))
        tb_clock_sleep_ms(1);
}

/* Edit 2r, program r, edit 2r + 1: as the web role does it when a patch is loaded between edits. */
static void load_between_edits(float r)
{
    struct tb_keeper_sound sound = {0};
    struct tb_error err;
    tb_params_default(sound.values);
    sound.values[0] = r;
    edit(2 * r);
    uint32_t after = atomic_load(&tb_shm_ring(shm, shm->commands)->write);
    while (tb_keeper_load(keeper, &sound, after, &err) != TB_OK)
        tb_clock_sleep_ms(1);
    edit(2 * r + 1);
}

static bool all_taken(void)
{
    return tb_ring_depth(tb_shm_ring(shm, shm->commands)) == 0;
}

static void an_edit_never_lands_on_the_wrong_patch(void **state)
{
    (void)state;
    enum { ROUNDS = 200 };
    atomic_store(&checking_logged, 0);
    atomic_store(&checking_fades, 5);
    for (int r = 1; r <= ROUNDS; r++) {
        load_between_edits((float)r);
        assert_true(wait_until(all_taken));
    }
    tb_clock_sleep_ms(10);
    assert_int_equal(atomic_load(&checking_logged), 3 * ROUNDS);
    for (int r = 1; r <= ROUNDS; r++) {
        const float *got = checking_log + 3 * (r - 1);
        const int expected[] = {2 * r, -r, 2 * r + 1};
        for (int i = 0; i < 3; i++)
            assert_int_equal((int)got[i], expected[i]);
    }
}

/* Loads that come faster than they can fade overtake each other, but never the edits. */
static void a_storm_of_loads_keeps_the_order(void **state)
{
    (void)state;
    enum { ROUNDS = 3000 };
    atomic_store(&checking_logged, 0);
    atomic_store(&checking_fades, 3);
    for (int r = 1; r <= ROUNDS; r++)
        load_between_edits((float)r);
    assert_true(wait_until(all_taken));
    tb_clock_sleep_ms(20);
    int program = 0, last_edit = 0;
    unsigned n = atomic_load(&checking_logged);
    for (unsigned i = 0; i < n; i++) {
        int value = (int)checking_log[i];
        if (value < 0) {
            assert_true(-value > program);
            program = -value;
            continue;
        }
        assert_true(value > last_edit);
        last_edit = value;
        assert_true(value % 2 ? program <= value / 2 : program < value / 2);
    }
    assert_int_equal(program, ROUNDS);
    assert_int_equal(last_edit, 2 * ROUNDS + 1);
}

static void a_load_is_queued_within_a_millisecond(void **state)
{
    (void)state;
    enum { ROUNDS = 100 };
    atomic_store(&checking_fades, 0);
    unsigned slow = 0;
    for (int r = 0; r < ROUNDS; r++) {
        struct tb_keeper_sound sound = {0};
        struct tb_error err;
        tb_params_default(sound.values);
        uint64_t start = tb_clock_ns();
        assert_int_equal(tb_keeper_load(keeper, &sound, 0, &err), TB_OK);
        slow += tb_clock_ns() - start > TB_NS_PER_MS;
        tb_clock_sleep_ms(3);
    }
    assert_true(slow <= ROUNDS / 20); /* the machine itself stalls now and then */
}

static enum tb_status ask(const void *payload, size_t size, uint32_t type,
                          struct tb_link_header *reply, void *answer)
{
    struct tb_link_header header = {.type = type, .id = 9, .size = (uint32_t)size};
    struct tb_error err;
    int fd;
    assert_int_equal(tb_keeper_request(keeper, &header, payload, &err), TB_OK);
    for (int i = 0; i < 5000; i++) {
        if (tb_link_receive(tb_keeper_fd(keeper), reply, answer, &fd, &err) == TB_OK) {
            assert_int_equal(reply->id, 9);
            assert_int_equal(reply->type, TB_LINK_DONE);
            return (enum tb_status)reply->status;
        }
        tb_clock_sleep_ms(1);
    }
    fail_msg("no answer");
    return TB_EIO;
}

static unsigned char answer[TB_LINK_MAX];

static void devices_change_while_it_plays(void **state)
{
    (void)state;
    static const struct {
        const char *driver, *name, *fault; /* NULL: accepted */
        uint32_t rate_hz, block, periods;
    } cases[] = {
        {"null", "", NULL, 0, 256, 0},
        {"null", "", NULL, 44100, 32, 2},
        {"auto", "", NULL, 96000, 1024, 0},
        {"null", "", NULL, 48000, 64, 3},
        {"file", "/tmp/x.wav", "driver: file is none of", 0, 0, 0},
        {"oss", "", "driver: oss is none of", 0, 0, 0},
        {"null", "", "rate_hz: 1 is not in 22050..192000", 1, 0, 0},
        {"null", "", "block: 8 is not in 16..2048", 0, 8, 0},
        {"null", "", "periods: 1 is not in 2..16", 0, 0, 1},
        {"alsa", "file:'|id',raw", "name: ", 0, 0, 0},
        {"alsa", "file:out,raw", "name: ", 0, 0, 0},
        {"alsa", "tee:x", "name: ", 0, 0, 0},
        {"alsa", "../../etc", "name: ", 0, 0, 0},
        {"alsa", "hw:CARD=nobody,DEV=0", "sound card hw:CARD=nobody", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_device_request request = {
            .rate_hz = cases[i].rate_hz, .block = cases[i].block, .periods = cases[i].periods};
        struct tb_link_header reply;
        (void)snprintf(request.driver, sizeof request.driver, "%s", cases[i].driver);
        (void)snprintf(request.name, sizeof request.name, "%s", cases[i].name);
        enum tb_status status = ask(&request, sizeof request, TB_LINK_DEVICE_SET, &reply, answer);
        if ((status == TB_OK) != !cases[i].fault ||
            (cases[i].fault && !strstr(reply.text, cases[i].fault)))
            fail_msg("%zu: status %d: %s", i, status, reply.text);
        uint64_t before = atomic_load(&shm->audio.blocks);
        tb_clock_sleep_ms(60);
        assert_true(atomic_load(&shm->audio.blocks) > before); /* it plays on in any case */
        if (!cases[i].fault && cases[i].block)
            assert_int_equal(atomic_load(&shm->audio.block), cases[i].block);
        if (!cases[i].fault && cases[i].rate_hz)
            assert_int_equal(atomic_load(&shm->audio.rate_hz), cases[i].rate_hz);
    }
    struct tb_link_header reply;
    assert_int_equal(ask("x", 1, TB_LINK_DEVICE_SET, &reply, answer), TB_EINVAL);
}

static void devices_are_listed(void **state)
{
    (void)state;
    struct tb_link_header reply;
    assert_int_equal(ask(NULL, 0, TB_LINK_DEVICES, &reply, answer), TB_OK);
    assert_true(reply.size > 0 && reply.size % sizeof(struct tb_device_entry) == 0);
    bool current = false;
    for (size_t i = 0; i < reply.size / sizeof(struct tb_device_entry); i++) {
        struct tb_device_entry entry;
        memcpy(&entry, answer + i * sizeof entry, sizeof entry);
        assert_non_null(memchr(entry.name, 0, sizeof entry.name));
        current = current || (entry.current && strcmp(entry.driver, "null") == 0);
    }
    assert_true(current);
}

static bool released(void)
{
    return atomic_load(&checking_all_off) >= 3;
}

static bool released_everybody(void)
{
    return atomic_load(&checking_all_off) >= 1;
}

/* Only who played through the web role loses notes; more players than the table holds: everyone. */
static void a_dead_web_role_holds_no_keys(void **state)
{
    (void)state;
    struct tb_event e = {.type = TB_EVENT_NOTE_ON, .key = 60};
    const uint32_t players[] = {TB_SOURCE_REST, 17, 18, 17};
    assert_true(wait_until(all_taken));
    (void)tb_audio_thread_release_web(tb_keeper_thread(keeper));
    tb_clock_sleep_ms(20);
    atomic_store(&checking_all_off, 0);
    for (size_t i = 0; i < sizeof players / sizeof players[0]; i++) {
        e.source = players[i];
        assert_true(tb_ring_push(tb_shm_ring(shm, shm->commands), &e));
    }
    assert_true(wait_until(all_taken));
    assert_true(tb_audio_thread_release_web(tb_keeper_thread(keeper)));
    assert_true(wait_until(released));
    tb_clock_sleep_ms(20);
    assert_int_equal(atomic_load(&checking_all_off), 3);
    atomic_store(&checking_all_off, 0);
    for (e.source = 100; e.source < 300; e.source++)
        assert_true(tb_ring_push(tb_shm_ring(shm, shm->commands), &e));
    assert_true(wait_until(all_taken));
    assert_true(tb_audio_thread_release_web(tb_keeper_thread(keeper)));
    assert_true(wait_until(released_everybody));
    tb_clock_sleep_ms(20);
    assert_int_equal(atomic_load(&checking_all_off), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_never_lands_on_the_wrong_patch),
        cmocka_unit_test(a_storm_of_loads_keeps_the_order),
        cmocka_unit_test(a_load_is_queued_within_a_millisecond),
        cmocka_unit_test(devices_change_while_it_plays),
        cmocka_unit_test(devices_are_listed),
        cmocka_unit_test(a_dead_web_role_holds_no_keys),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
