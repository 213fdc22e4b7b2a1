/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

struct record {
    uint32_t id, check;
};

static struct tb_ring *new_ring(uint32_t capacity)
{
    size_t bytes = tb_ring_bytes(capacity, sizeof(struct record));
    struct tb_ring *ring = aligned_alloc(TB_CACHE_LINE, (bytes + 63) / 64 * 64);
    assert_non_null(ring);
    tb_ring_init(ring, capacity, sizeof(struct record));
    return ring;
}

static void full_and_empty(void **state)
{
    (void)state;
    struct tb_ring *ring = new_ring(4);
    struct record r = {0};
    assert_false(tb_ring_pop(ring, &r));
    for (uint32_t i = 0; i < 4; i++) {
        r.id = i;
        assert_true(tb_ring_push(ring, &r));
    }
    assert_false(tb_ring_push(ring, &r));
    assert_int_equal(atomic_load(&ring->dropped), 1);
    assert_int_equal(tb_ring_depth(ring), 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(tb_ring_pop(ring, &r));
        assert_int_equal(r.id, i);
    }
    assert_false(tb_ring_pop(ring, &r));
    free(ring);
}

static void a_broken_index_resynchronises(void **state)
{
    (void)state;
    struct tb_ring *ring = new_ring(4);
    struct record r = {1, 1};
    assert_true(tb_ring_push(ring, &r));
    atomic_store(&ring->write, 1000000);
    assert_false(tb_ring_pop(ring, &r));
    assert_int_equal(tb_ring_depth(ring), 0);
    assert_true(tb_ring_push(ring, &r));
    assert_true(tb_ring_pop(ring, &r));
    free(ring);
}

enum { MESSAGES = 200000 };

static void *producer(void *arg)
{
    struct tb_ring *ring = arg;
    for (uint32_t id = 1; id <= MESSAGES;) {
        struct record r = {id, id * 2654435761U};
        if (tb_ring_push(ring, &r))
            id++;
    }
    return NULL;
}

static void nothing_is_torn_between_threads(void **state)
{
    (void)state;
    struct tb_ring *ring = new_ring(64);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, producer, ring), 0);
    for (uint32_t id = 1; id <= MESSAGES;) {
        struct record r;
        if (!tb_ring_pop(ring, &r))
            continue;
        assert_int_equal(r.id, id);
        assert_int_equal(r.check, id * 2654435761U);
        id++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_and_empty),
        cmocka_unit_test(a_broken_index_resynchronises),
        cmocka_unit_test(nothing_is_torn_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
