/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/dataset.h"

#include <jansson.h>
#include <sodium.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N_FIELDS = 4, MAX_CLIPS = 1000000 };

const char *const tb_split_names[TB_N_SPLITS] = {"train", "validation", "test"};

static const struct field {
    const char *name;
    size_t length; /* values a clip */
    float min, max;
} FIELDS[N_FIELDS] = {{"audio", TB_CLIP_SAMPLES, -1, 1},
                      {"f0", TB_CLIP_FRAMES, 0, 8000},
                      {"loudness", TB_CLIP_FRAMES, -200, 40},
                      {"confidence", TB_CLIP_FRAMES, 0, 1}};

struct tb_dataset {
    struct tb_dataset_info info;
    size_t first[TB_N_SPLITS + 1]; /* of each split; the last is their sum */
    const float *map[N_FIELDS];
    size_t bytes[N_FIELDS];
};

static void hex_of(const unsigned char *hash, char *text)
{
    (void)sodium_bin2hex(text, 2 * crypto_hash_sha256_BYTES + 1, hash, crypto_hash_sha256_BYTES);
}

static enum tb_status check_values(const struct tb_dataset *d, int f, const char *wanted,
                                   struct tb_error *err)
{
    const size_t n = d->bytes[f] / sizeof(float);
    unsigned char hash[crypto_hash_sha256_BYTES];
    char text[2 * crypto_hash_sha256_BYTES + 1];
    (void)crypto_hash_sha256(hash, (const unsigned char *)d->map[f], d->bytes[f]);
    hex_of(hash, text);
    if (!wanted || strcmp(text, wanted) != 0)
        return tb_fail(err, TB_ECORRUPT, "%s.f32: damaged: its SHA-256 is not the one noted",
                       FIELDS[f].name);
    for (size_t i = 0; i < n; i++)
        if (!(d->map[f][i] >= FIELDS[f].min && d->map[f][i] <= FIELDS[f].max))
            return tb_fail(err, TB_ECORRUPT, "%s.f32: value %zu is outside %g..%g", FIELDS[f].name,
                           i, (double)FIELDS[f].min, (double)FIELDS[f].max);
    return TB_OK;
}

static enum tb_status map_field(struct tb_dataset *d, const char *folder, int f,
                                const json_t *hashes, struct tb_error *err)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s.f32", folder, FIELDS[f].name) >= (int)sizeof path)
        return tb_fail(err, TB_EINVAL, "folder: its path is too long");
    const size_t bytes = d->first[TB_N_SPLITS] * FIELDS[f].length * sizeof(float);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0)
            (void)close(fd);
        return tb_fail(err, TB_EIO, "%s.f32: %s", FIELDS[f].name, strerror(errno));
    }
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size != bytes) {
        (void)close(fd);
        return tb_fail(err, TB_ECORRUPT, "%s.f32: %lld bytes where %zu clips are %zu",
                       FIELDS[f].name, (long long)st.st_size, d->first[TB_N_SPLITS], bytes);
    }
    void *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (map == MAP_FAILED)
        return tb_fail(err, TB_ENOMEM, "%s.f32: %s", FIELDS[f].name, strerror(errno));
    d->map[f] = map;
    d->bytes[f] = bytes;
    return check_values(d, f, json_string_value(json_object_get(hashes, FIELDS[f].name)), err);
}

static bool take_text(const json_t *object, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text || strlen(text) >= size)
        return false;
    memcpy(to, text, strlen(text) + 1);
    return true;
}

static bool take_real(const json_t *object, const char *key, float *to)
{
    const json_t *value = json_object_get(object, key);
    *to = (float)json_number_value(value);
    return json_is_number(value) && isfinite(*to);
}

static bool take_count(const json_t *object, const char *key, size_t max, size_t *to)
{
    const json_t *value = json_object_get(object, key);
    const json_int_t n = json_integer_value(value);
    *to = (size_t)n;
    return json_is_integer(value) && n >= 0 && (size_t)n <= max;
}

static bool take_info(const json_t *root, struct tb_dataset_info *info)
{
    const json_t *analysis = json_object_get(root, "analysis");
    const json_t *range = json_object_get(root, "range");
    size_t n_fft, ahead;
    if (!take_count(analysis, "n_fft", 2048, &n_fft) ||
        !take_count(analysis, "ahead", 1000, &ahead))
        return false;
    info->loudness_n_fft = (unsigned)n_fft;
    info->ahead = (unsigned)ahead;
    info->minutes = json_number_value(json_object_get(root, "minutes"));
    return take_text(root, "name", info->name, sizeof info->name) &&
           take_text(root, "licence", info->licence, sizeof info->licence) &&
           take_text(root, "credit", info->credit, sizeof info->credit) &&
           take_text(root, "source", info->source, sizeof info->source) &&
           take_text(root, "source_sha256", info->source_sha256, sizeof info->source_sha256) &&
           take_text(analysis, "text", info->analysis, sizeof info->analysis) &&
           take_text(analysis, "loudness_kind", info->loudness_kind, sizeof info->loudness_kind) &&
           take_real(analysis, "reference_db", &info->loudness_reference_db) &&
           take_real(analysis, "floor_db", &info->loudness_floor_db) &&
           take_real(range, "pitch_low_hz", &info->pitch_low_hz) &&
           take_real(range, "pitch_high_hz", &info->pitch_high_hz) &&
           take_real(range, "loudness_low_db", &info->loudness_low_db) &&
           take_real(range, "loudness_high_db", &info->loudness_high_db);
}

static enum tb_status take_head(struct tb_dataset *d, const json_t *root, struct tb_error *err)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    size_t version, rate, hop, samples;
    if (!format || strcmp(format, "timbred-dataset") != 0 ||
        !take_count(root, "version", 1, &version) || version != 1)
        return tb_fail(err, TB_ECORRUPT, "dataset.json: format: not timbred-dataset, version 1");
    if (!take_count(root, "rate_hz", 1000000, &rate) || rate != TB_CLIP_RATE_HZ ||
        !take_count(root, "hop", 100000, &hop) || hop != TB_CLIP_HOP ||
        !take_count(root, "clip_samples", 10000000, &samples) || samples != TB_CLIP_SAMPLES)
        return tb_fail(err, TB_ECORRUPT, "dataset.json: clips are not of 64000 samples at 16 kHz");
    const json_t *n = json_object_get(root, "n_clips");
    for (int s = 0; s < TB_N_SPLITS; s++) {
        size_t count;
        if (!take_count(n, tb_split_names[s], MAX_CLIPS, &count))
            return tb_fail(err, TB_ECORRUPT, "dataset.json: n_clips.%s: not a count up to %d",
                           tb_split_names[s], MAX_CLIPS);
        d->first[s + 1] = d->first[s] + count;
    }
    if (d->first[TB_N_SPLITS] == 0)
        return tb_fail(err, TB_ECORRUPT, "dataset.json: n_clips: there is not one");
    if (!take_info(root, &d->info))
        return tb_fail(err, TB_ECORRUPT,
                       "dataset.json: name, analysis or range: missing or not "
                       "within its bounds");
    return TB_OK;
}

struct tb_dataset *tb_dataset_open(const char *folder, struct tb_error *err)
{
    char path[4096];
    json_error_t where;
    if (sodium_init() < 0 ||
        snprintf(path, sizeof path, "%s/dataset.json", folder) >= (int)sizeof path) {
        (void)tb_fail(err, TB_EINVAL, "folder: its path is too long");
        return NULL;
    }
    if (access(path, R_OK) != 0) {
        (void)tb_fail(err, TB_ENOTFOUND, "%.100s: %s", path, strerror(errno));
        return NULL;
    }
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    struct tb_dataset *d = calloc(1, sizeof *d);
    enum tb_status status = TB_OK;
    if (!d)
        status = tb_fail(err, TB_ENOMEM, "out of memory");
    else if (!root)
        status = tb_fail(err, TB_ECORRUPT, "dataset.json: line %d: %.100s", where.line, where.text);
    else
        status = take_head(d, root, err);
    for (int f = 0; f < N_FIELDS && d && status == TB_OK; f++)
        status = map_field(d, folder, f, json_object_get(root, "sha256"), err);
    json_decref(root);
    if (status == TB_OK)
        return d;
    tb_dataset_free(d);
    return NULL;
}

void tb_dataset_free(struct tb_dataset *d)
{
    if (!d)
        return;
    for (int f = 0; f < N_FIELDS; f++)
        if (d->map[f])
            (void)munmap((void *)(uintptr_t)d->map[f], d->bytes[f]);
    free(d);
}

const struct tb_dataset_info *tb_dataset_info(const struct tb_dataset *d)
{
    return &d->info;
}

size_t tb_dataset_n_clips(const struct tb_dataset *d, enum tb_split split)
{
    return d->first[split + 1] - d->first[split];
}

struct tb_dataset_clip tb_dataset_clip(const struct tb_dataset *d, enum tb_split split, size_t i)
{
    const size_t clip = d->first[split] + i;
    return (struct tb_dataset_clip){
        d->map[0] + clip * TB_CLIP_SAMPLES, d->map[1] + clip * TB_CLIP_FRAMES,
        d->map[2] + clip * TB_CLIP_FRAMES, d->map[3] + clip * TB_CLIP_FRAMES};
}
