/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/model_check.h"

#include "server/machine.h"

#include <sodium.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

/* Voices of the batch, frames at most and time at most for each of the two measurements. Between
 * frames other memory is touched, as the rest of the engine does it. */
enum { VOICES = 8, FRAMES = 64, WARM = 4, OTHER_BYTES = 1 << 20, LIMIT_NS = 400000000 };

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

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
#define TEXT(field, key, bytes, needed, help) PUT(key, json_string(meta->field));
#include "models/model_meta.def"
#undef CHOICE
#undef INTEGER
#undef REAL
#undef REALS
#undef CHOICES
#undef TEXT
#undef PUT
    if (!failed)
        return json;
    json_decref(json);
    return NULL;
}

/* ---- cost */

struct stand { /* what is measured */
    struct tb_nn_model *model;
    struct tb_nn_bank *bank;
    struct tb_nn_run *run;
    unsigned char *other; /* [OTHER_BYTES] */
};

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double frame_us(struct stand *stand, unsigned n_voices)
{
    uint8_t slots[VOICES];
    float inputs[VOICES * TB_NN_MAX_INPUTS];
    int64_t took[FRAMES];
    int n = 0;
    for (unsigned i = 0; i < VOICES; i++)
        slots[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        inputs[i] = 0.4f + 0.01f * (float)i / (float)TB_NN_MAX_INPUTS;
    int64_t started = now_ns();
    for (int i = 0; i < WARM + FRAMES && (n < 3 || now_ns() - started < LIMIT_NS); i++) {
        for (size_t k = 0; k < OTHER_BYTES; k += 64)
            stand->other[k]++;
        int64_t before = now_ns();
        tb_nn_begin(stand->run, slots, n_voices, inputs);
        (void)tb_nn_advance(stand->run, UINT64_MAX);
        if (i >= WARM)
            took[n++] = now_ns() - before;
    }
    qsort(took, (size_t)n, sizeof took[0], compare);
    return (double)took[n / 2] / 1000.0;
}

void tb_model_machine(char *text, size_t size)
{
    char name[40];
    enum tb_nn_cpu cpu = TB_NN_CPU_NEON;
    while (cpu > TB_NN_CPU_PORTABLE && !tb_nn_cpu_has(cpu))
        cpu--;
    tb_machine_name("", name, sizeof name);
    (void)snprintf(text, size, "%.39s, %s", name, tb_nn_cpu_name(cpu));
}

static enum tb_status measure(const struct tb_model_file *file, json_t *result,
                              struct tb_error *err)
{
    struct tb_nn_options options = {.cpu = TB_NN_CPU_BEST, .storage = TB_NN_N_DTYPES};
    struct stand s = {.model = tb_model_file_decoder(file, &options, err)};
    if (!s.model)
        return err->status;
    s.bank = tb_nn_bank_new(s.model, VOICES);
    s.run = s.bank ? tb_nn_run_new(s.bank) : NULL;
    s.other = calloc(1, OTHER_BYTES);
    bool ready = s.run && s.other;
    if (ready) {
        double one = frame_us(&s, 1), many = frame_us(&s, VOICES);
        double further = many > one ? (many - one) / (VOICES - 1) : one / VOICES;
        char machine[65];
        tb_model_machine(machine, sizeof machine);
        (void)json_object_set_new(result, "first_us", json_real(one));
        (void)json_object_set_new(result, "further_us", json_real(further));
        (void)json_object_set_new(result, "machine", json_string(machine));
    }
    free(s.other);
    tb_nn_run_free(s.run);
    tb_nn_bank_free(s.bank);
    tb_nn_model_free(s.model);
    return ready ? TB_OK : tb_fail(err, TB_ENOMEM, "model: no memory to measure it");
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
