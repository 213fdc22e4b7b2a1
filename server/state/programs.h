/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_STATE_PROGRAMS_H
#define TB_SERVER_STATE_PROGRAMS_H

#include "base/error.h"

#include <stdint.h>

/* Program changes from MIDI. Loading a patch waits for the database and the audio role, so a worker
 * does it; of several that wait only the newest is loaded. */
struct tb_programs;
struct tb_web;

struct tb_programs *tb_programs_new(struct tb_web *web, struct tb_error *err);
/* The workers have ended. */
void tb_programs_free(struct tb_programs *programs);

/* One thread. bank * 128 + program. */
void tb_programs_want(struct tb_programs *programs, uint32_t number);
/* The same thread, often: hands what is wanted to a worker. */
void tb_programs_tick(struct tb_programs *programs);

#endif
