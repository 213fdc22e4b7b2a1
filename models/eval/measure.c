/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/measure.h"

#include "models/train/ops.h"
#include "models/train/random.h"

#include <math.h>
#include <stdlib.h>

/* Address space for the spectral loss of a minute and more; touched memory is what counts. */
static const size_t ARENA_BYTES = (size_t)1 << 30;

double tb_measure_level_db(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return n > 0 && sum > 0 ? fmax(-160, 10 * log10(sum / (double)n)) : -160;
}

double tb_measure_mss(const float *ours, const float *reference, size_t n, bool levelled)
{
    struct tb_tape *tape = tb_tape_new(ARENA_BYTES);
    if (!tape)
        return NAN;
    struct tb_tensor signal = tb_tape_tensor(tape, n, 1, false);
    double gain = 1, loss = NAN;
    if (levelled) {
        const double ours_db = tb_measure_level_db(ours, n);
        const double reference_db = tb_measure_level_db(reference, n);
        gain = ours_db > -120 ? pow(10, (reference_db - ours_db) / 20) : 1;
    }
    for (size_t i = 0; signal.value && i < n; i++)
        signal.value[i] = (float)((double)ours[i] * gain);
    if (signal.value) {
        const struct tb_tensor y = tb_op_spectral_loss(tape, signal, reference, 1);
        loss = y.value ? (double)y.value[0] : NAN;
    }
    tb_tape_free(tape);
    return loss;
}

double tb_measure_mss_over_noise(const float *ours, const float *reference, size_t n)
{
    float *sounds = malloc(2 * n * sizeof *sounds);
    struct tb_random random;
    if (!sounds)
        return NAN;
    tb_random_seed(&random, 1);
    for (size_t i = 0; i < n; i++) {
        const float noise = (float)(0.001 * (2 * tb_random_uniform(&random) - 1));
        sounds[i] = ours[i] + noise;
        sounds[n + i] = reference[i] + noise;
    }
    const double loss = tb_measure_mss(sounds, sounds + n, n, false);
    free(sounds);
    return loss;
}

/* Bands in dB, held above 60 dB below the loudest, mean taken off. */
static void shape_of(const struct tb_mel_frame *f, double shape[TB_MEL_BANDS])
{
    double loudest = 1e-12, mean = 0;
    for (int b = 0; b < TB_MEL_BANDS; b++)
        loudest = fmax(loudest, (double)f->power[b]);
    for (int b = 0; b < TB_MEL_BANDS; b++) {
        shape[b] = 10 * log10(fmax((double)f->power[b], 1e-6 * loudest));
        mean += shape[b] / TB_MEL_BANDS;
    }
    for (int b = 0; b < TB_MEL_BANDS; b++)
        shape[b] -= mean;
}

double tb_measure_envelope_db(const struct tb_mel_frame *ours, const struct tb_mel_frame *reference,
                              size_t n)
{
    double loudest = 0, sum = 0;
    size_t counted = 0;
    for (size_t t = 0; t < n; t++)
        loudest = fmax(loudest, (double)reference[t].total);
    for (size_t t = 0; t < n; t++) {
        if (!((double)reference[t].total > 1e-4 * loudest))
            continue;
        double a[TB_MEL_BANDS], b[TB_MEL_BANDS], squares = 0;
        shape_of(&ours[t], a);
        shape_of(&reference[t], b);
        for (int k = 0; k < TB_MEL_BANDS; k++)
            squares += (a[k] - b[k]) * (a[k] - b[k]);
        sum += sqrt(squares / TB_MEL_BANDS);
        counted++;
    }
    return counted ? sum / (double)counted : NAN;
}

void tb_measure_clicks(const float *x, size_t n, struct tb_clicks *clicks)
{
    enum { AROUND = 256 };
    *clicks = (struct tb_clicks){0};
    double sum = 0;
    double *squares = n > 2 ? malloc(n * sizeof *squares) : NULL;
    if (!squares)
        return;
    squares[0] = squares[n - 1] = 0;
    for (size_t i = 1; i + 1 < n; i++) {
        const double d = (double)x[i - 1] - 2 * (double)x[i] + (double)x[i + 1];
        squares[i] = d * d;
    }
    for (size_t i = 0; i < n && i < AROUND; i++)
        sum += squares[i];
    for (size_t i = 0; i < n; i++) {
        sum += i + AROUND < n ? squares[i + AROUND] : 0;
        sum -= i > AROUND ? squares[i - AROUND - 1] : 0;
        const double rms = fmax(1e-5, sqrt(fmax(sum, 0) / (2 * AROUND + 1)));
        const double ratio = sqrt(squares[i]) / rms;
        clicks->n += ratio > TB_CLICK_RATIO;
        if (ratio > clicks->largest) {
            clicks->largest = ratio;
            clicks->at_s = (double)i / TB_MEL_RATE_HZ;
        }
    }
    free(squares);
}

/* Frame t of what was asked for against frame t of what is heard. */
static void add_frame(struct tb_follow_sums *s, const struct tb_asked *asked, size_t t,
                      const struct tb_analysis_frame *heard)
{
    const double want = (double)asked->loudness_db[t], got = (double)heard->loudness_db;
    const float confidence = asked->confidence ? asked->confidence[t] : 1.0f;
    if (want > (double)asked->floor_db + 10) {
        s->n_loudness++;
        s->loudness_error += fabs(want - got);
        s->x += want;
        s->y += got;
        s->xx += want * want;
        s->yy += got * got;
        s->xy += want * got;
    }
    if (confidence < 0.85f || !(asked->f0_hz[t] > 0) || want < (double)asked->floor_db + 20)
        return;
    s->n_asked++;
    if (!heard->voiced || !(heard->f0_hz > 0))
        return;
    const double cents = fabs(1200 * log2((double)heard->f0_hz / (double)asked->f0_hz[t]));
    const size_t bin = (size_t)fmin(2 * cents, TB_FOLLOW_BINS - 1);
    s->n_pitch++;
    s->cents[bin]++;
    s->cents_sum += fmin(cents, 1200);
}

enum tb_status tb_measure_heard(const float *audio, const struct tb_asked *asked,
                                const struct tb_analysis_config *config,
                                const struct tb_heard *heard, struct tb_error *err)
{
    enum { SKIP = 64 };
    struct tb_analysis *analysis = tb_analysis_new(config, err);
    if (!analysis)
        return err ? err->status : TB_ENOMEM;
    struct tb_analysis_frame frame[2];
    for (size_t k = 0; k < asked->n; k++) {
        const float *in = audio + k * TB_ANALYSIS_HOP;
        const size_t made = tb_analysis_process(analysis, in, TB_ANALYSIS_HOP, frame, 2);
        if (made > 0 && k >= asked->ahead + SKIP)
            heard->frame(heard->context, k - asked->ahead, &frame[0]);
    }
    tb_analysis_free(analysis);
    return TB_OK;
}

struct following {
    struct tb_follow_sums *sums;
    const struct tb_asked *asked;
};

static void follow_frame(void *context, size_t t, const struct tb_analysis_frame *heard)
{
    const struct following *f = context;
    add_frame(f->sums, f->asked, t, heard);
}

enum tb_status tb_measure_follow(const float *audio, const struct tb_asked *asked,
                                 const struct tb_analysis_config *config,
                                 struct tb_follow_sums *sums, struct tb_error *err)
{
    struct following f = {sums, asked};
    return tb_measure_heard(audio, asked, config, &(struct tb_heard){follow_frame, &f}, err);
}

void tb_measure_follow_end(const struct tb_follow_sums *s, struct tb_follow *follow)
{
    const double n = (double)s->n_loudness, pitches = (double)s->n_pitch;
    uint64_t below = 0, near = 0;
    size_t half = 0;
    while (half < TB_FOLLOW_BINS && (below += s->cents[half]) * 2 < s->n_pitch)
        half++;
    for (size_t i = 0; i <= 100; i++)
        near += s->cents[i];
    const double xx = s->xx - s->x * s->x / n, yy = s->yy - s->y * s->y / n;
    *follow = (struct tb_follow){
        .cents_median = s->n_pitch ? ((double)half + 0.5) / 2 : NAN,
        .cents_mean = s->n_pitch ? s->cents_sum / pitches : NAN,
        .heard = s->n_asked ? pitches / (double)s->n_asked : NAN,
        .off = s->n_pitch ? 1 - (double)near / pitches : NAN,
        .loudness_db = s->n_loudness ? s->loudness_error / n : NAN,
        .correlation = xx > 0 && yy > 0 ? (s->xy - s->x * s->y / n) / sqrt(xx * yy) : NAN,
        .n_pitch = s->n_pitch,
        .n_loudness = s->n_loudness};
}
