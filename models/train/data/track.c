/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/track.h"

#include "models/train/fft.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float SILENT_DB = -60; /* a file whose loudest 25 ms stay below is silence */
static const float RANGE_DB = 45;   /* what lies so far below the loudest is not the note */
static const float LEAST_VOICED = 0.6f, LEAST_CONFIDENCE = 0.85f, TONAL = 0.5f;
static const float JUDGED_DB = 25;    /* the pitch of what lies below is the room's, not judged */
static const float HIGHEST_HZ = 1900; /* above, the tracker has no say against a label */
static const float SEMITONE = 1.0f / 12;

const struct tb_analysis_config tb_data_analysis = {.rate_hz = TB_ANALYSIS_RATE_HZ,
                                                    .gate_db = -70,
                                                    .loudness = TB_ANALYSIS_MAGENTA_V2,
                                                    .n_fft = TB_DATA_N_FFT,
                                                    .reference_db = 20,
                                                    .floor_db = -80};

const char *const tb_verdict_names[TB_N_VERDICTS] = {"kept",  "too short", "silence",
                                                     "noise", "polyphony", "other pitch"};

void tb_track_clear(struct tb_track *track)
{
    free(track->f0_hz);
    *track = (struct tb_track){0};
}

enum tb_status tb_track_make(const float *samples, size_t n_samples, struct tb_track *track,
                             struct tb_error *err)
{
    const size_t n = n_samples / TB_ANALYSIS_HOP, all = n + TB_DATA_AHEAD;
    struct tb_analysis *analysis = tb_analysis_new(&tb_data_analysis, err);
    struct tb_analysis_frame *frames = calloc(all + 1, sizeof *frames);
    float *values = calloc(3 * n + 1, sizeof *values);
    *track = (struct tb_track){n, values, values + n, values + 2 * n, -120, -120};
    if (!analysis || !frames || !values) {
        tb_analysis_free(analysis);
        free(frames);
        tb_track_clear(track);
        return tb_fail(err, TB_ENOMEM, "out of memory");
    }
    static const float silence[TB_DATA_AHEAD * TB_ANALYSIS_HOP];
    size_t made = tb_analysis_process(analysis, samples, n * TB_ANALYSIS_HOP, frames, all);
    made += tb_analysis_process(analysis, silence, sizeof silence / sizeof *silence, frames + made,
                                all - made);
    for (size_t k = 0; k < n && k + TB_DATA_AHEAD < made; k++) {
        const struct tb_analysis_frame *f = &frames[k + TB_DATA_AHEAD];
        track->f0_hz[k] = f->f0_hz;
        track->level_db[k] = f->level_db;
        track->confidence[k] = f->confidence;
        track->loudest_db = fmaxf(track->loudest_db, f->level_db);
    }
    track->floor_db = fmaxf(track->loudest_db - RANGE_DB, tb_data_analysis.gate_db);
    free(frames);
    tb_analysis_free(analysis);
    return TB_OK;
}

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float median(float *values, size_t n)
{
    if (n == 0)
        return 0;
    qsort(values, n, sizeof *values, compare);
    return values[n / 2];
}

static bool sounds(const struct tb_track *t, size_t k)
{
    return t->level_db[k] > t->floor_db;
}

/* Loud enough for its pitch to be judged. */
static bool counts(const struct tb_track *t, size_t k)
{
    return t->level_db[k] > fmaxf(t->loudest_db - JUDGED_DB, t->floor_db);
}

static float hz_of_key(float key)
{
    return 440 * exp2f((key - 69) / 12);
}

/* The frequency moved by the octaves (or, from a wrong harmonic, twelfths) that bring it within a
 * semitone of the note; 0 when none does. */
static float towards(float hz, float note_hz, bool *moved)
{
    static const float factors[] = {1, 2, 0.5f, 4, 0.25f, 3, 1.0f / 3, 8, 0.125f};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++)
        if (fabsf(log2f(hz * factors[i] / note_hz)) <= SEMITONE) {
            *moved = i > 0;
            return hz * factors[i];
        }
    return 0;
}

/* What the label says of a frame, -1 nothing. */
static float key_at(const struct tb_track_options *o, size_t k)
{
    return o->keys ? o->keys[k] : tb_label_key_at(o->label, o->start_s + (float)k / 250, 0.05f);
}

/* Every voiced frame against its label; those that no octave explains become holes. */
static void follow_label(struct tb_track *t, const struct tb_track_options *o, float *scratch,
                         struct tb_judgement *j)
{
    size_t voiced = 0, agree = 0, octaves = 0, n = 0;
    for (size_t k = 0; k < t->n; k++) {
        const float key = key_at(o, k);
        if (t->f0_hz[k] <= 0 || !sounds(t, k))
            continue;
        if (key < 0) {
            t->f0_hz[k] = 0;
            continue;
        }
        bool moved = false;
        const float note_hz = hz_of_key(key);
        const float hz = towards(t->f0_hz[k], note_hz, &moved);
        if (counts(t, k)) {
            voiced++;
            agree += hz > 0 && !moved;
            octaves += hz > 0 && moved;
        }
        if (hz > 0)
            scratch[n++] = 1200 * log2f(hz / note_hz);
        t->f0_hz[k] = hz;
    }
    j->agreement = voiced ? (float)agree / (float)voiced : 0;
    j->octaves = voiced ? (float)octaves / (float)voiced : 0;
    j->cents = median(scratch, n);
}

/* Where the tracker knew nothing within a melody. */
static void fill_from_label(struct tb_track *t, const struct tb_track_options *o, float cents)
{
    for (size_t k = 0; k < t->n; k++) {
        const float key = key_at(o, k);
        if (t->f0_hz[k] <= 0 && key >= 0)
            t->f0_hz[k] = hz_of_key(key + cents / 100);
    }
}

/* Pitch from the label alone. */
static void take_label(struct tb_track *t, const struct tb_track_options *o, float cents)
{
    float last = -1;
    for (size_t k = 0; k < t->n; k++) {
        const float key = tb_label_key_at(o->label, o->start_s + (float)k / 250, 0.3f);
        last = key >= 0 ? key : last;
        t->f0_hz[k] = last >= 0 ? hz_of_key(last + cents / 100) : 0;
    }
}

/* Without a label: octaves off the median of the 0.4 s around are folded, and pitches that last for
 * less than 16 ms between others are holes. */
static void smooth(struct tb_track *t, float *scratch)
{
    enum { REACH = 50, SHORT = 4 };
    float *fixed = scratch + t->n;
    for (size_t k = 0; k < t->n; k++) {
        const size_t from = k > REACH ? k - REACH : 0;
        const size_t to = k + REACH < t->n ? k + REACH : t->n - 1;
        size_t n = 0;
        fixed[k] = t->f0_hz[k];
        if (t->f0_hz[k] <= 0)
            continue;
        for (size_t i = from; i <= to; i++)
            if (t->f0_hz[i] > 0)
                scratch[n++] = log2f(t->f0_hz[i]);
        const float off = log2f(t->f0_hz[k]) - median(scratch, n);
        const float whole = roundf(off);
        /* a note an octave away lasts; 20 of these 101 frames say that it is one */
        size_t alike = 0;
        for (size_t i = from; i <= to; i++)
            alike += t->f0_hz[i] > 0 && fabsf(log2f(t->f0_hz[i] / t->f0_hz[k])) < SEMITONE / 2;
        if (whole != 0 && fabsf(off - whole) < SEMITONE && alike < 20)
            fixed[k] = t->f0_hz[k] * exp2f(-whole);
        else if (alike < SHORT)
            fixed[k] = 0;
    }
    memcpy(t->f0_hz, fixed, t->n * sizeof *fixed);
}

/* Holes between two pitches become a line in cents, those at the ends keep the nearest. */
static void fill_holes(struct tb_track *t)
{
    size_t last = t->n;
    for (size_t k = 0; k <= t->n; k++) {
        if (k < t->n && t->f0_hz[k] <= 0)
            continue;
        const size_t from = last == t->n ? 0 : last + 1;
        for (size_t i = from; i < k && (k < t->n || last < t->n); i++) {
            if (last == t->n || k == t->n)
                t->f0_hz[i] = t->f0_hz[last == t->n ? k : last];
            else
                t->f0_hz[i] = t->f0_hz[last] * powf(t->f0_hz[k] / t->f0_hz[last],
                                                    (float)(i - last) / (float)(k - last));
        }
        last = k;
    }
}

/* Power at hz in samples[n], as a share of all. */
static float share_at(const float *samples, size_t n, float hz, double power)
{
    double re = 0, im = 0;
    const double step = 6.283185307179586 * (double)hz / TB_ANALYSIS_RATE_HZ;
    for (size_t i = 0; i < n; i++) {
        const double w = 0.5 - 0.5 * cos(6.283185307179586 * (double)i / (double)n);
        re += w * (double)samples[i] * cos(step * (double)i);
        im += w * (double)samples[i] * sin(step * (double)i);
    }
    const double scale = 2 / (double)n; /* of a Hann window: a sine's amplitude is 2 |X| * scale */
    return power > 0 ? (float)((re * re + im * im) * scale * scale * 2 / power) : 0;
}

/* A chord whose notes are harmonics of one absent below is periodic, but its "pitch" and the two
 * harmonics above it are hardly there. */
static bool only_upper_harmonics(const struct tb_track *t, const float *samples)
{
    enum { WINDOW = 2048 };
    size_t looked = 0, empty = 0;
    for (size_t k = 8; (k + 8) * TB_ANALYSIS_HOP + WINDOW < t->n * TB_ANALYSIS_HOP; k += 16) {
        if (t->f0_hz[k] <= 0 || !sounds(t, k))
            continue;
        const float *x = samples + k * TB_ANALYSIS_HOP;
        double power = 0;
        for (size_t i = 0; i < WINDOW; i++)
            power += (double)(x[i] * x[i]) / WINDOW;
        float share = 0;
        for (int h = 1; h <= 3; h++)
            share += share_at(x, WINDOW, (float)h * t->f0_hz[k], power);
        looked++;
        empty += share < 0.01f;
    }
    return looked >= 4 && 2 * empty > looked;
}

/* Share of the power in lines that stand out of the 41 bins around them, 0..1: noise of any colour
 * has hardly any, chords have most. */
static float tonal_share(const struct tb_track *t, const float *samples)
{
    enum { WINDOW = 2048, BINS = WINDOW / 2, AROUND = 20 };
    static const float OUTSTANDING = 20; /* times the median; noise has one such bin in a million */
    const struct tb_fft *fft = tb_fft_get(WINDOW);
    double lines = 0, all = 1e-20;
    for (size_t k = 0; fft && (k + 32) * TB_ANALYSIS_HOP <= t->n * TB_ANALYSIS_HOP; k += 32) {
        float x[WINDOW], power[BINS + 1], near[2 * AROUND + 1];
        tb_complex spectrum[BINS + 1];
        for (size_t i = 0; i < WINDOW; i++)
            x[i] = samples[k * TB_ANALYSIS_HOP + i] *
                   (0.5f - 0.5f * cosf(6.2831853f * (float)i / WINDOW));
        tb_fft_forward(fft, x, spectrum);
        for (size_t i = 0; i <= BINS; i++)
            power[i] = crealf(spectrum[i]) * crealf(spectrum[i]) +
                       cimagf(spectrum[i]) * cimagf(spectrum[i]);
        for (size_t i = AROUND; i + AROUND <= BINS; i++) {
            memcpy(near, power + i - AROUND, sizeof near);
            lines += power[i] > OUTSTANDING * median(near, 2 * AROUND + 1) ? (double)power[i] : 0;
            all += (double)power[i];
        }
    }
    return (float)(lines / all);
}

static float mean_of_loudest(const struct tb_track *t, float *scratch)
{
    size_t n = 0;
    for (size_t k = 0; k < t->n; k++)
        if (sounds(t, k))
            scratch[n++] = t->level_db[k];
    if (n == 0)
        return -120;
    qsort(scratch, n, sizeof *scratch, compare);
    float sum = 0;
    const size_t few = n / 5 + 1;
    for (size_t i = n - few; i < n; i++)
        sum += scratch[i];
    return sum / (float)few;
}

static void refuse(struct tb_judgement *j, enum tb_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void refuse(struct tb_judgement *j, enum tb_verdict verdict, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    j->verdict = verdict;
    (void)vsnprintf(j->text, sizeof j->text, format, args);
    va_end(args);
}

/* Without a label, the tracker alone says whether there is one pitch at a time. */
static void judge_unlabelled(const struct tb_track *t, const float *samples, float confidence,
                             struct tb_judgement *j)
{
    const bool pitched = j->voiced >= LEAST_VOICED && confidence >= LEAST_CONFIDENCE;
    if (!pitched && tonal_share(t, samples) < TONAL)
        refuse(j, TB_NOISE, "no pitch: mean confidence %.2f, least %.2f", (double)confidence,
               (double)LEAST_CONFIDENCE);
    else if (!pitched)
        refuse(j, TB_POLYPHONY,
               "more than one note at a time, or noisy: a pitch in %.0f %% of it (least 60), "
               "confidence %.2f (least %.2f)",
               100 * (double)j->voiced, (double)confidence, (double)LEAST_CONFIDENCE);
    else if (only_upper_harmonics(t, samples))
        refuse(j, TB_POLYPHONY, "a chord: its common period has no power in its harmonics 1 to 3");
}

static void judge(const struct tb_track *t, const float *samples, const struct tb_track_options *o,
                  struct tb_judgement *j)
{
    size_t sounding = 0, judged = 0, voiced = 0;
    double confidence = 0;
    for (size_t k = 0; k < t->n; k++) {
        sounding += sounds(t, k);
        if (counts(t, k)) {
            judged++;
            voiced += t->f0_hz[k] > 0;
            confidence += (double)t->confidence[k];
        }
    }
    j->voiced = judged ? (float)voiced / (float)judged : 0;
    const float mean = judged ? (float)(confidence / (double)judged) : 0;
    if (t->loudest_db < SILENT_DB)
        refuse(j, TB_SILENT, "nothing above %g dB", (double)SILENT_DB);
    else if (sounding < 25)
        refuse(j, TB_TOO_SHORT, "%zu ms of sound, least 100", 4 * sounding);
    else if (o->label->n_notes > 1 && tb_label_overlap(o->label) > 0.1f)
        refuse(j, TB_POLYPHONY, "its labels overlap for %.0f %% of their time",
               100 * (double)tb_label_overlap(o->label));
    else if (!o->known_notes && (o->label->n_notes == 0 || o->label->free_pitch))
        judge_unlabelled(t, samples, mean, j);
}

/* With a label that tells every note. */
static void judge_labelled(struct tb_track *t, bool known, struct tb_judgement *j)
{
    size_t judged = 0, held = 0;
    for (size_t k = 0; k < t->n; k++)
        if (counts(t, k)) {
            judged++;
            held += t->f0_hz[k] > 0;
        }
    j->filled = judged ? 1 - (float)held / (float)judged : 0;
    if (known || j->verdict != TB_KEEP)
        return;
    if (j->agreement + j->octaves < 0.6f)
        refuse(j, TB_OTHER_PITCH, "pitch agrees with its label in %.0f %% of its frames, least 60",
               100 * (double)(j->agreement + j->octaves));
    else if (j->filled > 0.6f)
        refuse(j, TB_NOISE, "a pitch in %.0f %% of its sound, least 40",
               100 * (1 - (double)j->filled));
}

enum tb_status tb_track_repair(struct tb_track *t, const float *samples,
                               const struct tb_track_options *o, struct tb_judgement *j,
                               struct tb_error *err)
{
    *j = (struct tb_judgement){.verdict = TB_KEEP, .agreement = -1, .octaves = -1};
    float *scratch = malloc((2 * t->n + 1) * sizeof *scratch);
    if (!scratch)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    const bool labelled = o->label->n_notes > 0 && !o->label->free_pitch;
    const bool known =
        labelled && (o->known_notes ||
                     (o->label->n_notes == 1 && hz_of_key(o->label->notes[0].key) > HIGHEST_HZ));
    j->loud_db = mean_of_loudest(t, scratch);
    judge(t, samples, o, j);
    if (labelled) {
        follow_label(t, o, scratch, j);
        judge_labelled(t, known, j);
        /* half of the frames must tell the same offset for it to count */
        if (known)
            take_label(t, o, j->agreement > 0.5f ? j->cents : 0);
        else if (o->keys || o->label->n_notes > 1)
            fill_from_label(t, o, j->cents);
    } else {
        smooth(t, scratch);
    }
    fill_holes(t);
    free(scratch);
    return TB_OK;
}
