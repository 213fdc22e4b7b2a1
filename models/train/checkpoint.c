/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/file.h"
#include "models/train/trainer_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* A checkpoint is for the machine that wrote it: structs as they lie in memory, then value,
 * moment1, moment2, average and best of n_values floats each, then the CRC-32 of all before. */

/* The first version had the random streams of 16 shards behind its head, which are not needed any
 * more: it can still be gone on from. */
/* DUE is VERSION with the validation of its step still to be made. */
enum { N_ARRAYS = 5, VERSION = 2, DUE = 3, STREAMS_BYTES = 16 * sizeof(struct tb_random) };

struct head {
    char magic[8];
    uint32_t version, bytes; /* of all before the arrays */
    char source_sha256[72];  /* of the data set */
    uint64_t n_values, n_train, threads, batch, clip_frames, seed, validate;
    double rate, decay, decay_steps, warm_up, clip, weight_decay, average;
    char shape[256]; /* of the network, as text */
    struct tb_trainer_state state;
};

static const char MAGIC[8] = "TBTRAIN";

static void describe_shape(const struct tb_network_spec *s, char *text, size_t size)
{
    (void)snprintf(
        text, size, "%d:%zu:%zu:%zu:%zu:%zu:%zu:%zu:%g:%g:%x:%g,%g,%g,%g,%g,%g:%g", (int)s->family,
        s->hidden, s->blocks, s->harmonics, s->bands, s->tables, s->table_size, s->reverb,
        (double)s->dropout, (double)s->max_level, s->routing.carriers, (double)s->routing.ratio[0],
        (double)s->routing.ratio[1], (double)s->routing.ratio[2], (double)s->routing.ratio[3],
        (double)s->routing.ratio[4], (double)s->routing.ratio[5], (double)s->routing.scale);
}

static void fill_head(const struct tb_trainer *t, struct head *h)
{
    const struct tb_trainer_options *o = &t->options;
    memset(h, 0, sizeof *h); /* padding is part of the sum */
    memcpy(h->magic, MAGIC, sizeof h->magic);
    h->version = t->due ? DUE : VERSION;
    h->bytes = sizeof *h;
    (void)snprintf(h->source_sha256, sizeof h->source_sha256, "%s",
                   tb_dataset_info(t->dataset)->source_sha256);
    h->n_values = t->network->n_values;
    h->n_train = tb_dataset_n_clips(t->dataset, TB_SPLIT_TRAIN);
    h->threads = o->threads * tb_ranks_count(o->ranks);
    h->batch = o->batch * tb_ranks_count(o->ranks);
    h->clip_frames = o->clip_frames;
    h->seed = o->seed;
    h->validate = o->validate;
    h->rate = o->rate;
    h->decay = o->decay;
    h->decay_steps = o->decay_steps;
    h->warm_up = o->warm_up;
    h->clip = o->clip;
    h->weight_decay = o->weight_decay;
    h->average = o->average;
    describe_shape(&t->network->spec, h->shape, sizeof h->shape);
    h->state = t->state;
}

static uint32_t sum_of(const unsigned char *data, size_t size)
{
    uLong sum = crc32(0, NULL, 0);
    while (size > 0) {
        uInt n = size < 1U << 30 ? (uInt)size : 1U << 30;
        sum = crc32(sum, data, n);
        data += n;
        size -= n;
    }
    return (uint32_t)sum;
}

static void keep_old(const char *path)
{
    char old[PATH_MAX];
    if (snprintf(old, sizeof old, "%s.old", path) >= (int)sizeof old)
        return;
    (void)rename(path, old);
}

enum tb_status tb_trainer_save(const struct tb_trainer *t, const char *path, struct tb_error *err)
{
    const size_t n = t->network->n_values, row = n * sizeof(tb_real);
    const size_t size = sizeof(struct head) + N_ARRAYS * row;
    unsigned char *data = malloc(size + 4);
    char fresh[PATH_MAX];
    if (!data)
        return tb_fail(err, TB_ENOMEM, "no memory for a checkpoint");
    fill_head(t, (struct head *)(void *)data);
    unsigned char *to = data + sizeof(struct head);
    memcpy(to, t->network->memory, 3 * row);
    memcpy(to + 3 * row, t->average, row);
    memcpy(to + 4 * row, t->best, row);
    uint32_t sum = sum_of(data, size);
    memcpy(data + size, &sum, sizeof sum);
    /* First all of the new one under a name of its own, then two renames: at any moment PATH or
     * PATH.old is whole. */
    (void)snprintf(fresh, sizeof fresh, "%s.next", path);
    enum tb_status s = tb_file_write(fresh, data, size + 4, err);
    free(data);
    if (s != TB_OK)
        return s;
    keep_old(path);
    if (rename(fresh, path) != 0)
        return tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
    return TB_OK;
}

static enum tb_status check_head(const struct tb_trainer *t, const struct head *h,
                                 struct tb_error *err)
{
    struct head own;
    fill_head(t, &own);
    if (strcmp(h->shape, own.shape) != 0 || h->n_values != own.n_values)
        return tb_fail(err, TB_ECONFLICT,
                       "the checkpoint is of another network; --fresh begins anew");
    if (strcmp(h->source_sha256, own.source_sha256) != 0 || h->n_train != own.n_train)
        return tb_fail(err, TB_ECONFLICT, "the checkpoint is of other data; --fresh begins anew");
    if (h->threads != own.threads)
        return tb_fail(err, TB_ECONFLICT, "the checkpoint was made with %llu threads, not %llu",
                       (unsigned long long)h->threads, (unsigned long long)own.threads);
    return TB_OK;
}

static void take(struct tb_trainer *t, const struct head *h, const unsigned char *data)
{
    const size_t row = t->network->n_values * sizeof(tb_real);
    data += h->bytes;
    memcpy(t->network->memory, data, 3 * row);
    memcpy(t->average, data + 3 * row, row);
    memcpy(t->best, data + 4 * row, row);
    t->state = h->state;
    t->due = h->version == DUE;
}

static bool known_version(const struct head *h)
{
    return ((h->version == VERSION || h->version == DUE) && h->bytes == sizeof *h) ||
           (h->version == 1 && h->bytes == sizeof *h + STREAMS_BYTES);
}

enum tb_status tb_trainer_resume(struct tb_trainer *t, const char *path, struct tb_error *err)
{
    void *data;
    size_t size;
    enum tb_status s = tb_file_read(path, (size_t)1 << 31, &data, &size, err);
    if (s != TB_OK)
        return s;
    struct head h = {0};
    uint32_t sum = 0;
    bool sound = size >= sizeof h + 4;
    if (sound) {
        memcpy(&h, data, sizeof h);
        memcpy(&sum, (const unsigned char *)data + size - 4, 4);
        sound = memcmp(h.magic, MAGIC, sizeof MAGIC) == 0 && known_version(&h) &&
                sum == sum_of(data, size - 4) && memchr(h.shape, 0, sizeof h.shape) &&
                memchr(h.source_sha256, 0, sizeof h.source_sha256);
    }
    if (!sound)
        s = tb_fail(err, TB_ECORRUPT, "%.100s: damaged", path);
    else
        s = check_head(t, &h, err);
    const size_t want = s == TB_OK ? h.bytes + N_ARRAYS * h.n_values * sizeof(tb_real) + 4 : 0;
    if (s == TB_OK && size != want)
        s = tb_fail(err, TB_ECORRUPT, "%.100s: %zu bytes, %zu expected", path, size, want);
    if (s == TB_OK)
        take(t, &h, data);
    free(data);
    return s;
}
