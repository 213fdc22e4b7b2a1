/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/quantise.h"

#include "models/eval/measure.h"
#include "models/nn/half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 64, MAX = 2 * TB_NN_MAX_TENSORS + 4, N_SHARES = 4 };
static const float shares[N_SHARES] = {1.0f, 0.9f, 0.8f, 0.7f};

struct work {
    const struct tb_model_file *file;
    enum tb_nn_dtype to;
    bool keep_uuid;
    bool fine;                    /* int8: two codes an activation */
    bool half[TB_NN_MAX_TENSORS]; /* int8: stays float16 */
    struct tb_nn_shape shapes[TB_NN_MAX_TENSORS];
    size_t n_shapes;
    float *values[TB_NN_MAX_TENSORS];
    float share[TB_NN_MAX_TENSORS];
    /* the file to be */
    struct tb_model_tensor tensors[MAX];
    char names[MAX][NAME];
    void *owned[MAX];
    size_t n;
    struct tb_error *err;
};

static bool to_halves(const float *x, size_t n, bool brain, uint16_t *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = brain ? tb_f32_to_bf16(x[i]) : tb_f32_to_f16(x[i]);
        if (!brain && (out[i] & 0x7c00) == 0x7c00)
            return false;
    }
    return true;
}

static void to_codes(const float *x, size_t rows, size_t row, float share, float *scales,
                     int8_t *codes)
{
    for (size_t r = 0; r < rows; r++) {
        float most = 0;
        for (size_t i = 0; i < row; i++)
            most = fmaxf(most, fabsf(x[r * row + i]));
        scales[r] = most * share / 127.0f;
        for (size_t i = 0; i < row; i++) {
            const float code = scales[r] > 0 ? rintf(x[r * row + i] / scales[r]) : 0;
            codes[r * row + i] = (int8_t)fmaxf(-127, fminf(127, code));
        }
    }
}

/* Adds a tensor with room for its values; NULL without memory. */
static void *declare(struct work *w, const char *name, enum tb_nn_dtype dtype,
                     const struct tb_nn_shape *shape)
{
    struct tb_model_tensor *t = &w->tensors[w->n];
    *t = (struct tb_model_tensor){.name = w->names[w->n], .dtype = dtype, .rank = shape->rank};
    size_t values = 1;
    for (unsigned i = 0; i < shape->rank; i++)
        values *= t->dim[i] = shape->dim[i];
    (void)snprintf(w->names[w->n], sizeof w->names[w->n], "%s", name);
    t->data = w->owned[w->n] = malloc(values * tb_model_dtype_bytes(dtype));
    w->n++;
    return w->owned[w->n - 1];
}

static enum tb_status put_floats(struct work *w, const char *name, const struct tb_nn_shape *shape,
                                 const float *x, enum tb_nn_dtype dtype)
{
    size_t values = 1;
    for (unsigned i = 0; i < shape->rank; i++)
        values *= shape->dim[i];
    void *to = declare(w, name, dtype, shape);
    if (!to)
        return tb_fail(w->err, TB_ENOMEM, "out of memory");
    if (dtype == TB_NN_F32)
        memcpy(to, x, values * sizeof *x);
    else if (!to_halves(x, values, dtype == TB_NN_BF16, to))
        return tb_fail(w->err, TB_EUNSUPPORTED, "%.60s: a weight above 65504 does not fit float16",
                       name);
    return TB_OK;
}

static enum tb_status put_codes(struct work *w, size_t i)
{
    const struct tb_nn_shape *s = &w->shapes[i];
    const struct tb_nn_shape row = {.rank = 1, .dim = {s->dim[0], 1, 1}};
    char name[NAME];
    (void)snprintf(name, sizeof name, "%s.scale", s->name);
    int8_t *codes = declare(w, s->name, TB_NN_I8, s);
    float *scales = declare(w, name, TB_NN_F32, &row);
    if (!codes || !scales)
        return tb_fail(w->err, TB_ENOMEM, "out of memory");
    to_codes(w->values[i], s->dim[0], (size_t)s->dim[1] * s->dim[2], w->share[i], scales, codes);
    return TB_OK;
}

static enum tb_status put_network(struct work *w)
{
    enum tb_status status = TB_OK;
    for (size_t i = 0; status == TB_OK && i < w->n_shapes; i++) {
        const struct tb_nn_shape *s = &w->shapes[i];
        const enum tb_nn_dtype half = w->to == TB_NN_BF16 ? TB_NN_BF16 : TB_NN_F16;
        if (w->to == TB_NN_I8 && s->quantisable && !w->half[i])
            status = put_codes(w, i);
        else
            status = put_floats(w, s->name, s, w->values[i], s->rank > 1 ? half : TB_NN_F32);
    }
    return status;
}

static enum tb_status put_sound(struct work *w)
{
    const struct tb_model_file *f = w->file;
    const struct tb_nn_shape one = {.rank = 1, .dim = {1, 1, 1}};
    const struct tb_nn_shape tables = {
        .rank = 2, .dim = {(unsigned)f->meta.n_tables, (unsigned)f->meta.table_size, 1}};
    const struct tb_nn_shape taps = {.rank = 1, .dim = {(unsigned)f->n_impulse, 1, 1}};
    enum tb_status status = TB_OK;
    if (f->wavetables)
        status = put_floats(w, "wavetables", &tables, f->wavetables, TB_NN_F16);
    if (status != TB_OK || !f->impulse)
        return status;
    if (f->meta.reverb == TB_REVERB_IMPULSE)
        return put_floats(w, "reverb.impulse", &taps, f->impulse, TB_NN_F16);
    status = put_floats(w, "reverb.noise", &taps, f->reverb_noise, TB_NN_F16);
    if (status == TB_OK)
        status = put_floats(w, "reverb.decay", &one, &f->reverb_decay, TB_NN_F32);
    if (status == TB_OK)
        status = put_floats(w, "reverb.wet", &one, &f->reverb_wet, TB_NN_F32);
    return status;
}

static void forget_tensors(struct work *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->owned[i]);
    w->n = 0;
}

/* The model with what stands in share[] now. */
static enum tb_status make(struct work *w, struct tb_model *out)
{
    struct tb_model_meta meta = w->file->meta;
    size_t size = 0;
    if (!w->keep_uuid)
        meta.uuid[0] = '\0'; /* another model than the one it is made of */
    meta.activations = w->fine;
    enum tb_status status = put_network(w);
    if (status == TB_OK)
        status = put_sound(w);
    void *data =
        status == TB_OK ? tb_model_file_encode(&meta, w->tensors, w->n, &size, w->err) : NULL;
    forget_tensors(w);
    if (status != TB_OK)
        return status;
    return data && tb_model_take(data, size, out, w->err) ? TB_OK : w->err->status;
}

/* ---- trial on curves */
struct trial {
    const struct tb_curve *curves;
    size_t n_curves;
    float **want; /* controls of the model before, a curve each */
    struct tb_error *err;
};

static struct tb_player *player_of(const struct tb_model_file *file, struct tb_error *err)
{
    const struct tb_play_options options = {.cpu = TB_NN_CPU_BEST, .seed = 1};
    return tb_player_new(file, &options, err);
}

static float *controls_of(struct tb_player *player, const struct tb_curve *curve)
{
    float *controls = malloc(curve->n * tb_player_controls(player) * sizeof *controls);
    if (controls && tb_player_decode(player, curve, controls))
        return controls;
    free(controls);
    return NULL;
}

static enum tb_status try_controls(const struct trial *t, const struct tb_model_file *file,
                                   struct tb_quantise_report *report)
{
    struct tb_player *player = player_of(file, t->err);
    double apart = 0, whole = 0, worst = 0;
    bool good = player && t->want;
    for (size_t c = 0; good && c < t->n_curves; c++) {
        float *got = controls_of(player, &t->curves[c]);
        good = got != NULL;
        for (size_t i = 0; good && i < t->curves[c].n * tb_player_controls(player); i++) {
            const double d = fabs((double)got[i] - (double)t->want[c][i]);
            apart += d;
            whole += fabs((double)t->want[c][i]);
            worst = fmax(worst, d);
        }
        free(got);
    }
    tb_player_free(player);
    if (!good)
        return player ? tb_fail(t->err, TB_ENOMEM, "out of memory") : t->err->status;
    report->control_error = whole > 0 ? apart / whole : 0;
    report->control_worst = worst;
    return TB_OK;
}

/* Sound of both under one curve; adds its loss and levels. */
static bool compare_sound(struct tb_player *players[2], const struct tb_curve *curve,
                          double sums[3])
{
    const size_t n = curve->n * tb_player_hop(players[0]);
    float *before = malloc(n * sizeof *before), *after = malloc(n * sizeof *after);
    const bool good = before && after && tb_player_render(players[0], curve, before) &&
                      tb_player_render(players[1], curve, after);
    if (good) {
        sums[0] += tb_measure_mss(after, before, n, true);
        sums[1] += pow(10, tb_measure_level_db(before, n) / 10);
        sums[2] += pow(10, tb_measure_level_db(after, n) / 10);
    }
    free(before);
    free(after);
    return good;
}

static enum tb_status try_sound(const struct trial *t, const struct tb_model_file *before,
                                const struct tb_model_file *after,
                                struct tb_quantise_report *report)
{
    struct tb_player *players[2] = {player_of(before, t->err), player_of(after, t->err)};
    double sums[3] = {0};
    bool good = players[0] && players[1];
    for (size_t c = 0; good && c < t->n_curves; c++)
        good = compare_sound(players, &t->curves[c], sums);
    const bool played = players[0] && players[1];
    tb_player_free(players[0]);
    tb_player_free(players[1]);
    if (!good)
        return played ? tb_fail(t->err, TB_ENOMEM, "out of memory") : t->err->status;
    report->mss = sums[0] / (double)t->n_curves;
    report->level_db = 10 * log10((sums[2] + 1e-20) / (sums[1] + 1e-20));
    return TB_OK;
}

/* Error of the controls or of the sound with what is set now. */
static enum tb_status try_now(struct work *w, const struct trial *t, bool sound,
                              struct tb_quantise_report *report)
{
    struct tb_model candidate = {0};
    enum tb_status status = make(w, &candidate);
    if (status == TB_OK)
        status = sound ? try_sound(t, w->file, candidate.file, report)
                       : try_controls(t, candidate.file, report);
    tb_model_close(&candidate);
    return status;
}

/* The share of one matrix after the other that leaves the smallest error. */
static enum tb_status calibrate(struct work *w, const struct trial *t,
                                struct tb_quantise_report *report)
{
    enum tb_status status = try_now(w, t, false, report);
    double best = report->control_error;
    for (size_t i = 0; status == TB_OK && i < w->n_shapes; i++) {
        float kept = w->share[i];
        for (int k = 1; w->shapes[i].quantisable && status == TB_OK && k < N_SHARES; k++) {
            w->share[i] = shares[k];
            status = try_now(w, t, false, report);
            if (report->control_error < best) {
                best = report->control_error;
                kept = shares[k];
            }
        }
        w->share[i] = kept;
        report->clipped += kept < 1;
    }
    return status;
}

struct cost {
    size_t matrix;
    double error; /* of the controls while this one alone is float16 */
};

static int cheaper(const void *a, const void *b)
{
    const struct cost *x = a, *y = b;
    return (x->error > y->error) - (x->error < y->error);
}

/* The matrices that could stay float16, the one that helps the controls most first. */
static enum tb_status rank(struct work *w, const struct trial *t, struct cost *costs, size_t *n,
                           struct tb_quantise_report *report)
{
    enum tb_status status = TB_OK;
    *n = 0;
    for (size_t i = 0; i < w->n_shapes && status == TB_OK; i++) {
        if (!w->shapes[i].quantisable)
            continue;
        w->half[i] = true;
        status = try_now(w, t, false, report);
        w->half[i] = false;
        costs[(*n)++] = (struct cost){i, report->control_error};
    }
    qsort(costs, *n, sizeof *costs, cheaper);
    return status;
}

/* As few as will do become float16: more of them are better, so their number is halved in. */
static enum tb_status spare_some(struct work *w, const struct trial *t,
                                 struct tb_quantise_report *report)
{
    struct cost costs[TB_NN_MAX_TENSORS];
    size_t n, low = 0;
    enum tb_status status = rank(w, t, costs, &n, report);
    size_t high = n; /* enough; low is too few */
    while (status == TB_OK && low + 1 < high) {
        const size_t middle = (low + high) / 2;
        for (size_t k = 0; k < n; k++)
            w->half[costs[k].matrix] = k < middle;
        status = try_now(w, t, true, report);
        if (report->mss <= TB_QUANTISE_LOSS)
            high = middle;
        else
            low = middle;
    }
    for (size_t k = 0; k < n; k++)
        w->half[costs[k].matrix] = k < high;
    report->halves = (unsigned)high;
    return status;
}

/* Coarse activations where they will do, and float16 where int8 will not. */
static enum tb_status choose_steps(struct work *w, const struct trial *t,
                                   struct tb_quantise_report *report)
{
    w->fine = false;
    enum tb_status status = try_now(w, t, true, report);
    report->coarse_mss = report->mss;
    report->fine = w->fine = !(report->mss <= TB_QUANTISE_LOSS);
    if (status == TB_OK && w->fine)
        status = try_now(w, t, true, report);
    if (status == TB_OK && !(report->mss <= TB_QUANTISE_LOSS))
        status = spare_some(w, t, report);
    return status;
}

static enum tb_status want_controls(struct trial *t, const struct tb_model_file *file)
{
    struct tb_player *player = player_of(file, t->err);
    if (!player)
        return t->err->status;
    t->want = calloc(t->n_curves, sizeof *t->want);
    bool good = t->want != NULL;
    for (size_t c = 0; good && c < t->n_curves; c++) {
        t->want[c] = controls_of(player, &t->curves[c]);
        good = t->want[c] != NULL;
    }
    tb_player_free(player);
    return good ? TB_OK : tb_fail(t->err, TB_ENOMEM, "out of memory");
}

static enum tb_status open_work(struct work *w, const struct tb_model_file *file)
{
    w->file = file;
    w->n_shapes = tb_nn_shapes(&file->spec, w->shapes);
    for (size_t i = 0; i < w->n_shapes; i++) {
        size_t n;
        w->share[i] = 1;
        w->values[i] = tb_model_values(file, i, &n);
        if (!w->values[i])
            return tb_fail(w->err, TB_ENOMEM, "out of memory");
    }
    return TB_OK;
}

static void close_all(struct work *w, struct trial *t)
{
    for (size_t i = 0; w && i < w->n_shapes; i++)
        free(w->values[i]);
    free(w);
    for (size_t c = 0; t->want && c < t->n_curves; c++)
        free(t->want[c]);
    free(t->want);
}

enum tb_status tb_quantise(const struct tb_model *model, const struct tb_quantise_wish *wish,
                           const struct tb_curves *curves, struct tb_model *out,
                           struct tb_quantise_report *report, struct tb_error *err)
{
    const enum tb_nn_dtype to = wish->to;
    *out = (struct tb_model){0};
    *report = (struct tb_quantise_report){.bytes_before = model->size};
    if (to != TB_NN_F16 && to != TB_NN_BF16 && to != TB_NN_I8)
        return tb_fail(err, TB_EINVAL, "to: not f16, bf16 or int8");
    struct trial t = {.curves = curves->curve, .n_curves = curves->n, .err = err};
    struct work *w = calloc(1, sizeof *w);
    if (!w)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    w->to = to;
    w->keep_uuid = wish->keep_uuid;
    w->err = err;
    enum tb_status status = open_work(w, model->file);
    if (status == TB_OK)
        status = want_controls(&t, model->file);
    w->fine = to == TB_NN_I8; /* so that it is the weights' errors that are weighed */
    if (status == TB_OK && to == TB_NN_I8)
        status = calibrate(w, &t, report);
    if (status == TB_OK && to == TB_NN_I8)
        status = choose_steps(w, &t, report);
    if (status == TB_OK)
        status = make(w, out);
    if (status == TB_OK)
        status = try_controls(&t, out->file, report);
    if (status == TB_OK)
        status = try_sound(&t, model->file, out->file, report);
    if (status == TB_OK)
        report->bytes_after = out->size;
    else
        tb_model_close(out);
    close_all(w, &t);
    return status;
}
