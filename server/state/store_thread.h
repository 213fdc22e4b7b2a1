/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_STATE_STORE_THREAD_H
#define TB_SERVER_STATE_STORE_THREAD_H

#include "base/error.h"
#include "server/web/request.h"
#include "server/web/task.h"

/* The only owner of the writing connection. Takes everything that waits, puts it into one
 * transaction with a savepoint each, commits once (one fdatasync), then lets all of them answer. */
struct tb_writer;

/* Takes over store, also on failure. */
struct tb_writer *tb_writer_new(struct tb_web *web, struct tb_store *store, struct tb_error *err);
/* Finishes what waits, saves the last state, writes a backup; the thread ends. */
void tb_writer_finish(struct tb_writer *writer);
void tb_writer_free(struct tb_writer *writer);

/* Any thread. See tb_task; TB_EFULL over max waiting. */
enum tb_status tb_writer_submit(struct tb_writer *writer, struct tb_task *task, size_t max);
/* Any thread. The last state has changed and wants to be saved soon. */
void tb_writer_poke(struct tb_writer *writer);
/* Any thread. Requests that wait now. */
size_t tb_writer_depth(struct tb_writer *writer);

/* The store thread only: its connection. */
struct tb_store *tb_writer_store(struct tb_writer *writer);

/* Store thread. Tells caches, the working copy and clients of a committed change; or takes back
 * what was done besides the database for one that was not. */
void tb_effect_apply(struct tb_web *web, struct tb_effect *effect);
void tb_effect_undo(struct tb_web *web, struct tb_effect *effect);

#endif
