/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/model_check.h"

#include "models/neural_spec.h"
#include "server/formats/model_fm.h"
#include "server/offline/machine.h"
#include "server/offline/model_level.h"

#include <sodium.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define RATE_HZ 48000.0F
#define SILENT_LUFS (-200.0) /* JSON has no infinity */

const void *tb_model_map(int fd, size_t *size, struct tb_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)tb_fail(err, TB_EINVAL, "model: not a file");
        return NULL;
    }
    if (st.st_size < 8 || st.st_size > (off_t)TB_MODEL_MAX_MIB << 20) {
        (void)tb_fail(err, st.st_size < 8 ? TB_EINVAL : TB_ETOOLARGE,
                      "model: %lld bytes, 8 to %d MiB are possible", (long long)st.st_size,
                      TB_MODEL_MAX_MIB);
        return NULL;
    }
    *size = (size_t)st.st_size;
    void *data = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data != MAP_FAILED)
        return data;
    (void)tb_fail(err, TB_EIO, "model: %s", strerror(errno));
    return NULL;
}

/* ---- metadata */

/* The i-th name of "a|b|c". */
static json_t *choice_name(const char *names, int i)
{
    for (; i > 0 && *names; i--)
        names += strcspn(names, "|") + 1;
    return json_stringn(names, strcspn(names, "|"));
}

static json_t *list_of(const struct tb_model_reals *list, const char *names)
{
    json_t *json = json_array();
    for (unsigned i = 0; i < list->n && json; i++)
        (void)json_array_append_new(json, names ? choice_name(names, (int)list->value[i])
                                                : json_real(list->value[i]));
    return json;
}

static json_t *grid_of(const struct tb_model_grid *grid)
{
    json_t *rows = json_array();
    for (unsigned r = 0; r < grid->n_rows && rows; r++) {
        json_t *row = json_array();
        for (unsigned c = 0; c < grid->n_columns && row; c++)
            (void)json_array_append_new(row, json_real((double)grid->value[r][c]));
        (void)json_array_append_new(rows, row);
    }
    return rows;
}

/* One expansion of the table; its lines are the members: NOLINTNEXTLINE(readability-function-size)
 */
json_t *tb_model_meta_to_json(const struct tb_model_meta *meta)
{
    json_t *json = json_object();
    int failed = !json;
#define PUT(KEY, VALUE) failed = failed || json_object_set_new(json, KEY, VALUE)
#define CHOICE(field, key, names, needed, help) PUT(key, choice_name(names, meta->field));
#define INTEGER(field, key, min, def, max, needed, help) PUT(key, json_integer(meta->field));
#define REAL(field, key, min, def, max, needed, help) PUT(key, json_real(meta->field));
#define REALS(field, key, most, min, max, needed, help) PUT(key, list_of(&meta->field, NULL));
#define CHOICES(field, key, most, names, needed, help) PUT(key, list_of(&meta->field, names));
#define GRID(field, key, rows, columns, min, max, needed, help) PUT(key, grid_of(&meta->field));
#define TEXT(field, key, bytes, needed, help) PUT(key, json_string(meta->field));
#include "models/model_meta.def"
#undef PUT
    if (!failed)
        return json;
    json_decref(json);
    return NULL;
}

/* ---- cost */

void tb_model_machine(char *text, size_t size)
{
    char name[40];
    enum tb_nn_cpu cpu = TB_NN_CPU_NEON;
    while (cpu > TB_NN_CPU_PORTABLE && !tb_nn_cpu_has(cpu))
        cpu--;
    tb_machine_name("", name, sizeof name);
    (void)snprintf(text, size, "%.39s, %s", name, tb_nn_cpu_name(cpu));
}

/* A whole voice: decoder, synthesis and its share of the reverb, at the rate most devices have. */
static enum tb_status measure(const struct tb_model_file *file, json_t *result,
                              struct tb_error *err)
{
    struct tb_neural_spec spec;
    struct tb_neural_cost cost;
    struct tb_model_fm fm;
    char machine[65];
    tb_neural_spec_of(file, &spec);
    if (tb_model_fm_of(&spec, &fm))
        (void)json_object_set_new(result, "fm", tb_model_fm_to_json(&fm));
    struct tb_neural *neural = tb_neural_new(&spec, RATE_HZ, TB_CPU_BEST, err);
    if (!neural)
        return err->status;
    tb_neural_measure(neural, &cost);
    tb_neural_free(neural);
    tb_model_machine(machine, sizeof machine);
    double frame_rate = (double)file->meta.sample_rate / file->meta.hop;
    double further_us = cost.us_per_second_voice / frame_rate;
    double alone_us = cost.us_per_frame - cost.us_per_frame_of_8; /* of the decoder */
    double first_us = further_us + (alone_us > 0.0 ? alone_us : 0.0);
    (void)json_object_set_new(result, "first_us", json_real(first_us));
    (void)json_object_set_new(result, "further_us", json_real(further_us));
    (void)json_object_set_new(result, "machine", json_string(machine));
    double lufs;
    const enum tb_status status = tb_model_level(&spec, &lufs, err);
    if (status == TB_OK)
        (void)json_object_set_new(result, "level_db", json_real(fmax(lufs, SILENT_LUFS)));
    return status;
}

json_t *tb_model_check(int fd, struct tb_error *err)
{
    size_t size = 0;
    unsigned char hash[crypto_hash_sha256_BYTES];
    char text[2 * sizeof hash + 1];
    const void *data = tb_model_map(fd, &size, err);
    if (!data)
        return NULL;
    (void)crypto_hash_sha256(hash, data, size);
    (void)sodium_bin2hex(text, sizeof text, hash, sizeof hash);
    struct tb_model_file *file = tb_model_file_parse(data, size, err);
    json_t *result = NULL;
    if (file)
        result = json_pack("{s:s, s:I, s:I, s:f, s:o}", "sha256", text, "bytes", (json_int_t)size,
                           "parameters", (json_int_t)file->n_params, "frame_rate",
                           (double)file->meta.sample_rate / file->meta.hop, "meta",
                           tb_model_meta_to_json(&file->meta));
    if (file && !result)
        (void)tb_fail(err, TB_ENOMEM, "model: no memory");
    if (result && measure(file, result, err) != TB_OK) {
        json_decref(result);
        result = NULL;
    }
    tb_model_file_free(file);
    (void)munmap((void *)(size_t)data, size);
    return result;
}
