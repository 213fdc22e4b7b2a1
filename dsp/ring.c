/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/ring.h"

void tb_ring_init(struct tb_ring *ring, uint32_t capacity, uint32_t record_size)
{
    ring->capacity = capacity;
    ring->record_size = record_size;
    atomic_init(&ring->write, 0);
    atomic_init(&ring->dropped, 0);
    atomic_init(&ring->read, 0);
}

static unsigned char *slot(struct tb_ring *ring, uint32_t index)
{
    return ring->records + (size_t)(index & (ring->capacity - 1)) * ring->record_size;
}

bool tb_ring_push(struct tb_ring *ring, const void *record)
{
    uint32_t write = atomic_load_explicit(&ring->write, memory_order_relaxed);
    uint32_t read = atomic_load_explicit(&ring->read, memory_order_acquire);
    if (write - read >= ring->capacity) {
        atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
        return false;
    }
    memcpy(slot(ring, write), record, ring->record_size);
    atomic_store_explicit(&ring->write, write + 1, memory_order_release);
    return true;
}

bool tb_ring_pop(struct tb_ring *ring, void *record)
{
    uint32_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    uint32_t write = atomic_load_explicit(&ring->write, memory_order_acquire);
    if (write == read)
        return false;
    if (write - read > ring->capacity) { /* a broken producer: start again at its place */
        atomic_store_explicit(&ring->read, write, memory_order_release);
        return false;
    }
    memcpy(record, slot(ring, read), ring->record_size);
    atomic_store_explicit(&ring->read, read + 1, memory_order_release);
    return true;
}

uint32_t tb_ring_depth(const struct tb_ring *ring)
{
    uint32_t write = atomic_load_explicit(&ring->write, memory_order_acquire);
    uint32_t read = atomic_load_explicit(&ring->read, memory_order_acquire);
    uint32_t depth = write - read;
    return depth > ring->capacity ? ring->capacity : depth;
}
