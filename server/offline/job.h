/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_JOB_H
#define TB_SERVER_OFFLINE_JOB_H

#include <stdint.h>

/* What the web role and a job child say to each other over the job's descriptor 3, an AF_UNIX
 * SOCK_SEQPACKET pair. Every packet is one JSON object (UTF-8, at most TB_JOB_PACKET bytes), with
 * descriptors beside it (SCM_RIGHTS): at most TB_JOB_FDS, from the job at most one.
 *
 * web -> job, once:    {"kind":"model"} with the file to be checked (model_check.h), or
 *                      {"kind":"render"|"bench","a":bool,"b":bool} with a sealed memfd (and behind
 *                      it the files of models A and B where they are true): the specification,
 *                      JSON text,
 *                      the checked body of POST /renders (patch already resolved: "values":{key:
 *                      number} of the whole patch) or of POST /benchmarks (absent members filled).
 * job -> web, often:   {"progress":0..1,"detail":"..."}
 * job -> web, at last: {"done":true,"type":"audio/wav"} with a memfd (render), or
 *                      {"done":true,"type":"application/json"} with a memfd (bench, model), or
 *                      {"error":{"status":N,"text":"field: what"}} with N an enum tb_status.
 * The job then exits 0. EOF on the socket means that nobody waits any more: the job stops. */
enum { TB_JOB_PACKET = 4096, TB_JOB_FDS = 3 };

/* The training role (train_job.c) differs in its first packet, which is this struct and no JSON:
 * what it says decides what the sandbox allows, so it is looked at before there is one. Beside it
 * comes the specification, a sealed memfd with JSON text.
 *
 *   PREPARE  recordings of `set` -> its work/prepared; a result with report and clips
 *   TRAIN    set's work/prepared -> work of `run`; the result is empty
 *   CLIP     a WAV file of a held-out clip, {"of":"original"|"model","split","index"}
 *   KEEP     the best model of run, {"uuid","name","instrument","licence","credit"} in its metadata
 *
 * job -> web, also:    a report {"step","loss",...}, {"saved":step}, {"notice":"for people"},
 *                      {"end":"why","step","best","best_step","test","model"}
 * web -> job, at any time: {"stop":true}; {"workers":N} threads from now on, 0 for all it has.
 * EOF stops as well; so does SIGTERM. */
enum tb_train_task { TB_TRAIN_PREPARE, TB_TRAIN_TRAIN, TB_TRAIN_CLIP, TB_TRAIN_KEEP };
struct tb_train_request {
    uint32_t task;         /* enum tb_train_task */
    char set[40], run[40]; /* UUIDs, NUL-terminated; "" where the task has none */
};

#endif
