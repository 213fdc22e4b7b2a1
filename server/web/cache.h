/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_CACHE_H
#define TB_SERVER_WEB_CACHE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct MHD_Response;

/* Answers to GET /patches/{uuid}, serialised and compressed once. Only the HTTP thread reads, fills
 * and frees; any thread may say that a patch has changed. */
struct tb_cache;

struct tb_cache *tb_cache_new(struct tb_error *err);
void tb_cache_free(struct tb_cache *cache); /* after the HTTP thread has ended */

/* HTTP thread. The ready answer and its revision, or NULL. */
struct MHD_Response *tb_cache_get(struct tb_cache *cache, const char *uuid, bool gzip,
                                  uint32_t *revision);

/* HTTP thread. Before reading the patch that will be kept: a mark that tells whether it changed
 * meanwhile. */
uint64_t tb_cache_mark(struct tb_cache *cache, const char *uuid);

/* HTTP thread. Keeps response, whose owner the cache becomes. */
void tb_cache_put(struct tb_cache *cache, const char *uuid, bool gzip, uint32_t revision,
                  uint64_t mark, struct MHD_Response *response);

/* Any thread. uuid NULL: all. */
void tb_cache_drop(struct tb_cache *cache, const char *uuid);

#endif
