/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Two threads through one ring under ThreadSanitizer, at full speed, ROUNDS times. Compiled once
 * with the real ring and once with a mutant whose releases are relaxed, which must be reported. */
#include "dsp/ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 20, MESSAGES = 20000, CAPACITY = 64 };

struct record {
    uint32_t id, check;
};

static void *produce(void *argument)
{
    struct tb_ring *ring = argument;
    for (uint32_t id = 1; id <= MESSAGES;) {
        struct record r = {id, ~id};
        if (tb_ring_push(ring, &r))
            id++;
        else
            sched_yield();
    }
    return NULL;
}

static int torn_in_round(struct tb_ring *ring)
{
    pthread_t thread;
    int torn = 0;
    tb_ring_init(ring, CAPACITY, sizeof(struct record));
    if (pthread_create(&thread, NULL, produce, ring) != 0)
        return 1;
    for (uint32_t id = 1; id <= MESSAGES;) {
        struct record r;
        if (!tb_ring_pop(ring, &r)) {
            sched_yield();
            continue;
        }
        torn += r.id != id || r.check != ~id;
        id++;
    }
    pthread_join(thread, NULL);
    return torn;
}

int main(void)
{
    size_t bytes = tb_ring_bytes(CAPACITY, sizeof(struct record));
    struct tb_ring *ring = aligned_alloc(TB_CACHE_LINE, (bytes + 63) / 64 * 64);
    int torn = ring ? 0 : 1;
    for (int round = 0; ring && round < ROUNDS; round++)
        torn += torn_in_round(ring);
    printf("%d rounds of %d messages, %d torn\n", ROUNDS, MESSAGES, torn);
    free(ring);
    return torn != 0;
}
