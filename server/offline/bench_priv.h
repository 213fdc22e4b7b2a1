/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_BENCH_PRIV_H
#define TB_SERVER_OFFLINE_BENCH_PRIV_H

#include "server/offline/bench.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One engine at one case, and the block times taken on it. Only between bench*.c. */
struct tb_bench_case {
    const struct tb_bench_spec *spec;
    uint32_t voices, block, rate_hz;
    float values[TB_N_PARAMS];
    struct tb_engine *engine;
    float *left, *right; /* [block] */
    uint32_t *times_ns;  /* [capacity] */
    size_t n, capacity;
    uint32_t sounding; /* voices that really sounded at the last block */
    /* of paced runs */
    bool realtime;
    uint32_t late, witness_late;
    uint32_t witness_max_ns;
};

uint64_t tb_bench_now_ns(void);

/* The built-in patch: six operators sounding for ever, moving envelopes, vibrato and tremolo. */
void tb_bench_values(float values[TB_N_PARAMS]);

enum tb_status tb_bench_case_open(struct tb_bench_case *c, struct tb_error *err);
void tb_bench_case_close(struct tb_bench_case *c);

/* All voices on, then a quarter of a second unmeasured. */
void tb_bench_case_warm(struct tb_bench_case *c);

/* One block; its time is added while there is room. */
void tb_bench_case_block(struct tb_bench_case *c, bool measured);

void tb_bench_steady(struct tb_bench_case *c);
void tb_bench_note_ons(struct tb_bench_case *c);
void tb_bench_sweep(struct tb_bench_case *c);
enum tb_status tb_bench_patch_change(struct tb_bench_case *c, struct tb_error *err);

/* In a thread of its own, beside the witness. */
enum tb_status tb_bench_paced(struct tb_bench_case *c, struct tb_error *err);

#endif
