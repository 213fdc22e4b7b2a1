/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_BENCH_H
#define TB_SERVER_OFFLINE_BENCH_H

#include "dsp/engine.h"
#include "models/model_file.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The real engine against its deadline. Every case is a patch with all six operators sounding,
 * envelopes and LFO running, at a number of voices, a block and a rate:
 *   offline  blocks as fast as they go: what a block costs;
 *   paced    one block a period by the absolute clock, SCHED_FIFO where allowed: what a block costs
 *            when caches are cold and the machine does other things. A block is late when it ends
 *            behind its period. A witness, a thread of the same priority and period on the same
 *            processor half a period apart, does nothing and is late as often as the machine is. */

enum { TB_BENCH_MAX_CASES = 64, TB_BENCH_MAX_MODELS = 8 };

struct tb_bench_spec {
    uint32_t voices[16], blocks[16], rates[8]; /* 1..TB_MAX_VOICES, TB_MIN_BLOCK.., 22050..192000 */
    size_t n_voices, n_blocks, n_rates;
    double seconds; /* of each case and mode, 0.05..60 */
    bool offline, paced;
    bool stress; /* offline, too: a patch change, note-ons of all voices in one block, and a
                    sweep of every live parameter, beside the steady sound */
    enum tb_cpu cpu;
    int priority;                      /* SCHED_FIFO of paced cases, 0: do not ask */
    const float *values;               /* [TB_N_PARAMS] of the patch, NULL: the built-in one */
    const struct tb_model_file *model; /* what the notes play, NULL: plain FM */
};

/* Any thread but audio. What timbred bench does when asked for nothing. */
void tb_bench_default(struct tb_bench_spec *spec);

/* From {"voices":[..],"blocks":[..],"rates":[..],"seconds","paced","stress"}; what is missing keeps
 * its default, "force" is left to the caller. TB_EINVAL names field and bound; unknown fields are
 * refused. */
enum tb_status tb_bench_from_json(json_t *json, struct tb_bench_spec *spec, struct tb_error *err);

/* Seconds that spec will take, about. */
double tb_bench_seconds(const struct tb_bench_spec *spec);

/* done 0..1, case in words; false stops. Called on the benchmark's thread between cases. */
typedef bool (*tb_bench_progress)(void *context, double done, const char *text);

/* Blocks until done. *result, to be decref'd:
 * {"version","time","kernel","machine":{},"spec":{},"realtime":bool,"results":[{"mode":"offline",
 *  "scenario":"steady","voices","block","rate_hz","n","deadline_us","mean_us","p50_us","p99_us",
 *  "p999_us","max_us","share":{"p50","p99","p999","max"},"ns_per_voice_sample","late",
 *  "witness_late","witness_max_us","temperature_c"}]}; late and witness are null offline.
 * "models":[{"name","family","parameters"} or null, which is plain FM]; the name stands as "model"
 * in each result, too. "highest": for each model, mode, block and rate the most of the voices asked
 * for whose p99 held the deadline, as {"model","mode","block","rate_hz","voices"}. TB_ECONFLICT
 * when stopped. */
enum tb_status tb_bench_run(const struct tb_bench_spec *spec, tb_bench_progress progress,
                            void *context, json_t **result, struct tb_error *err);

/* Results of the same spec with another model: one's cases, models and highest behind those of all.
 * Steals one; NULL for all is none yet. NULL without memory, or for what is no result. */
json_t *tb_bench_join(json_t *all, json_t *one);

/* May a benchmark run beside playing audio? It never costs a playing block: it needs a processor
 * of its own, and audio that is not near its deadline by itself. TB_ECONFLICT says why not. */
struct tb_bench_situation {
    int n_cpus;
    int audio_cpu;   /* pinned to, -1: not pinned */
    bool playing;    /* a device is running */
    uint32_t voices; /* sounding now */
    float load_max;  /* of the last seconds, 1 = the deadline */
};
enum tb_status tb_bench_allowed(const struct tb_bench_situation *now, struct tb_error *err);

/* A result as CSV, one line a case, or as a table for people; to be freed. NULL without memory. */
char *tb_bench_csv(const json_t *result);
char *tb_bench_table(const json_t *result);

/* Two results case by case: {"a","b","results":[{mode,scenario,voices,block,rate_hz,"a_p50_us",
 * "b_p50_us","ratio_p50","a_p99_us","b_p99_us","ratio_p99"}]}; ratio > 1: b is slower. */
json_t *tb_bench_compare(const json_t *a, const json_t *b);
char *tb_bench_compare_table(const json_t *comparison);

#endif
