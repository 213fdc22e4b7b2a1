/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_LOADER_H
#define TB_SERVER_LOADER_H

#include "base/error.h"
#include "db/store.h"

#include <stdint.h>

struct tb_web;

/* A thread with a reading connection. Reads a patch and makes it the working copy. */
enum tb_status tb_load_patch(struct tb_web *web, struct tb_store *store, const char *uuid,
                             struct tb_error *err);
/* The same by MIDI bank 0..16383 and program 0..127. */
enum tb_status tb_load_program(struct tb_web *web, struct tb_store *store, uint32_t bank,
                               uint32_t program, struct tb_error *err);

#endif
