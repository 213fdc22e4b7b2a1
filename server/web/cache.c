/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/cache.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Directly mapped: two patches in one place take turns. 256 answers of 2 to 6 KiB stay well within
 * the memory of the web role. */
enum { PLACES = 256 };

struct place {
    _Atomic uint64_t changes; /* how often a patch of this place changed */
    uint64_t mark;            /* changes when the answers were made; HTTP thread */
    char uuid[40];
    uint32_t revision;
    struct MHD_Response *response[2]; /* plain, gzip */
};

struct tb_cache {
    struct place places[PLACES];
};

struct tb_cache *tb_cache_new(struct tb_error *err)
{
    struct tb_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        (void)tb_fail(err, TB_ENOMEM, "no memory for the cache");
    return cache;
}

static void clear(struct place *place)
{
    for (int i = 0; i < 2; i++) {
        if (place->response[i])
            MHD_destroy_response(place->response[i]);
        place->response[i] = NULL;
    }
    place->uuid[0] = '\0';
}

void tb_cache_free(struct tb_cache *cache)
{
    for (size_t i = 0; cache && i < PLACES; i++)
        clear(&cache->places[i]);
    free(cache);
}

static struct place *place_of(struct tb_cache *cache, const char *uuid)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = uuid; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return &cache->places[(hash ^ hash >> 16) % PLACES];
}

struct MHD_Response *tb_cache_get(struct tb_cache *cache, const char *uuid, bool gzip,
                                  uint32_t *revision)
{
    struct place *place = place_of(cache, uuid);
    if (strcmp(place->uuid, uuid) != 0 || place->mark != atomic_load(&place->changes))
        return NULL;
    *revision = place->revision;
    return place->response[gzip];
}

uint64_t tb_cache_mark(struct tb_cache *cache, const char *uuid)
{
    return atomic_load(&place_of(cache, uuid)->changes);
}

void tb_cache_put(struct tb_cache *cache, const char *uuid, bool gzip, uint32_t revision,
                  uint64_t mark, struct MHD_Response *response)
{
    struct place *place = place_of(cache, uuid);
    if (strcmp(place->uuid, uuid) != 0 || place->mark != mark || place->revision != revision)
        clear(place);
    if (place->response[gzip])
        MHD_destroy_response(place->response[gzip]);
    (void)strncpy(place->uuid, uuid, sizeof place->uuid - 1);
    place->mark = mark;
    place->revision = revision;
    place->response[gzip] = response;
}

void tb_cache_drop(struct tb_cache *cache, const char *uuid)
{
    if (uuid) {
        atomic_fetch_add(&place_of(cache, uuid)->changes, 1);
        return;
    }
    for (size_t i = 0; i < PLACES; i++)
        atomic_fetch_add(&cache->places[i].changes, 1);
}
