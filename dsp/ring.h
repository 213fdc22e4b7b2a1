/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_RING_H
#define TB_DSP_RING_H

#include "dsp/rt.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Single-producer single-consumer queue of fixed-size records, safe to share between processes that
 * do not trust each other: an index that makes no sense resynchronises instead of being believed.
 * The records follow the header; capacity is a power of two. Indices run freely, modulo 2^32. */
struct tb_ring {
    uint32_t capacity;    /* records, power of two; written once before sharing */
    uint32_t record_size; /* bytes */
    _Alignas(TB_CACHE_LINE) _Atomic uint32_t write;
    _Atomic uint32_t dropped; /* pushes refused because the ring was full */
    _Alignas(TB_CACHE_LINE) _Atomic uint32_t read;
    _Alignas(TB_CACHE_LINE) unsigned char records[];
};

/* Bytes needed for a ring of capacity records. */
static inline size_t tb_ring_bytes(uint32_t capacity, uint32_t record_size)
{
    return sizeof(struct tb_ring) + (size_t)capacity * record_size;
}

/* Control thread, before sharing. */
void tb_ring_init(struct tb_ring *ring, uint32_t capacity, uint32_t record_size);

/* RT. Producer side; record_size bytes are copied. False and counted when full. */
TB_RT bool tb_ring_push(struct tb_ring *ring, const void *record);

/* RT. Consumer side. False when empty. */
TB_RT bool tb_ring_pop(struct tb_ring *ring, void *record);

/* Any thread. Records waiting, at most capacity. */
TB_RT uint32_t tb_ring_depth(const struct tb_ring *ring);

#endif
