/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/model.h"

#include "models/nn/half.h"
#include "models/train/file.h"
#include "models/train/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t MOST_BYTES = (size_t)256 << 20;

bool tb_model_take(void *data, size_t size, struct tb_model *model, struct tb_error *err)
{
    *model = (struct tb_model){data, size, tb_model_file_parse(data, size, err)};
    if (!model->file)
        tb_model_close(model);
    return model->file != NULL;
}

bool tb_model_open(const char *path, struct tb_model *model, struct tb_error *err)
{
    void *data = NULL;
    size_t size = 0;
    struct tb_error inner;
    *model = (struct tb_model){0};
    if (tb_file_read(path, MOST_BYTES, &data, &size, err) != TB_OK)
        return false;
    if (tb_model_take(data, size, model, &inner))
        return true;
    (void)tb_fail(err, inner.status, "%.60s: %.95s", path, inner.text);
    return false;
}

void tb_model_close(struct tb_model *model)
{
    tb_model_file_free(model->file);
    free(model->data);
    *model = (struct tb_model){0};
}

static float value_at(const struct tb_nn_tensor *t, size_t i, size_t row)
{
    const unsigned char *data = t->data;
    float value;
    uint16_t half;
    switch (t->dtype) {
    case TB_NN_F32:
        memcpy(&value, data + i * sizeof value, sizeof value);
        return value;
    case TB_NN_F16:
        memcpy(&half, data + i * sizeof half, sizeof half);
        return tb_f16_to_f32(half);
    case TB_NN_BF16:
        memcpy(&half, data + i * sizeof half, sizeof half);
        return tb_bf16_to_f32(half);
    case TB_NN_I8:
        return (float)(int8_t)data[i] * t->scales[row];
    case TB_NN_N_DTYPES:
        break;
    }
    return 0;
}

float *tb_model_values(const struct tb_model_file *file, size_t i, size_t *n)
{
    struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    (void)tb_nn_shapes(&file->spec, shapes);
    const size_t row = (size_t)shapes[i].dim[1] * shapes[i].dim[2];
    *n = shapes[i].dim[0] * row;
    float *values = malloc(*n * sizeof *values);
    for (size_t k = 0; values && k < *n; k++)
        values[k] = value_at(&file->tensors[i], k, k / row);
    return values;
}

/* One note of a phrase. */
struct note {
    size_t length, rest;
    double from, to; /* octaves: where the slide begins, and the pitch */
    double loud_db, swell_db, vibrato;
};

static struct note next_note(const struct tb_model_meta *m, struct tb_random *random, double last,
                             double frame_hz)
{
    const double low = log2(m->pitch_low_hz), high = log2(fmax(m->pitch_high_hz, m->pitch_low_hz));
    const double loud = m->loudness_high_db, soft = fmin(m->loudness_low_db, loud);
    struct note n = {.length = (size_t)(frame_hz * (0.2 + 0.8 * tb_random_uniform(random)))};
    n.to = last + 0.5 * tb_random_normal(random);
    if (n.to < low || n.to > high)
        n.to = low + (high - low) * tb_random_uniform(random);
    n.from = tb_random_uniform(random) < 0.3 ? last : n.to;
    n.rest =
        tb_random_uniform(random) < 0.4 ? (size_t)(frame_hz * 0.4 * tb_random_uniform(random)) : 0;
    n.loud_db = loud - fmin(40, loud - soft) * tb_random_uniform(random);
    n.swell_db = 6 * tb_random_normal(random);
    n.vibrato = tb_random_uniform(random) < 0.5 ? 0.02 * tb_random_uniform(random) : 0;
    return n;
}

void tb_phrase(const struct tb_model_meta *meta, uint64_t seed, size_t n, float *f0_hz,
               float *loudness_db)
{
    const double frame_hz = (double)meta->sample_rate / meta->hop;
    const double floor_db = meta->loudness_floor_db, attack = 0.03 * frame_hz;
    struct tb_random random;
    tb_random_seed(&random, seed);
    double last = 0.5 * (log2(meta->pitch_low_hz) + log2(meta->pitch_high_hz));
    for (size_t at = 0; at < n;) {
        const struct note note = next_note(meta, &random, last, frame_hz);
        for (size_t k = 0; k < note.length + note.rest && at < n; k++, at++) {
            const double t = (double)k, along = t / (double)note.length;
            const double slide = fmin(1, t / (0.06 * frame_hz));
            double octave = note.from + (note.to - note.from) * slide;
            octave += note.vibrato * sin(6.28318530717958647692 * 5.5 * t / frame_hz);
            double db = note.loud_db + note.swell_db * sin(3.14159265358979 * along);
            db += 20 * log10(fmin(1, (t + 1) / attack));
            db = k < note.length ? fmin(db, meta->loudness_high_db) : floor_db;
            f0_hz[at] = (float)exp2(octave);
            loudness_db[at] = (float)fmax(db, floor_db);
        }
        last = note.to;
    }
}
