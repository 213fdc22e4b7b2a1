/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/build_priv.h"

#include <math.h>
#include <stdlib.h>

/* What the levels of a set are made of. A microphone that was left alone gives dynamics that mean
 * something, so one gain for all files is right. Recordings that were normalised one by one (the
 * Philharmonia trumpet: pianissimo at -22.7 dB, fortissimo at -19.6) would teach a model that
 * loudness means nothing; their marks say what they were, at 4 dB a mark. */
static const float MARK_STEP_DB = 4, NORMALISED_SPREAD_DB = 6, PEAK_DB = -1, LOUDEST_DB = -0.2f;
enum { LEAST_FILES = 5 };

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float quantile(float *values, size_t n, double q)
{
    qsort(values, n, sizeof *values, compare);
    return n ? values[(size_t)(q * (double)(n - 1) + 0.5)] : 0;
}

/* Median loud level of the files with a mark; their number. */
static size_t level_of_mark(const struct tb_build *b, int mark, float *scratch, float *median)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_sources; i++)
        if (b->sources[i].kept && b->sources[i].label.mark == mark)
            scratch[n++] = b->sources[i].loud_db;
    *median = quantile(scratch, n, 0.5);
    return n;
}

static void by_marks(struct tb_build *b, const float median[TB_N_MARKS], const size_t n[TB_N_MARKS],
                     float *scratch)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->n_sources; i++)
        if (b->sources[i].kept)
            scratch[kept++] = b->sources[i].loud_db;
    const float middle = quantile(scratch, kept, 0.5);
    for (size_t i = 0; i < b->n_sources; i++) {
        struct tb_data_source *s = &b->sources[i];
        const int mark = s->label.mark >= 0 ? s->label.mark : TB_MARK_MF;
        const float now = n[mark] ? median[mark] : middle;
        s->gain_db = MARK_STEP_DB * (float)(mark - TB_MARK_FF) - now;
    }
}

/* One gain for all: the peak that all but 2 % of the files stay below is -1 dB; what would still
 * clip is brought down alone. */
static void normalise(struct tb_build *b, float *scratch)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_sources; i++) {
        const struct tb_data_source *s = &b->sources[i];
        if (s->kept)
            scratch[n++] = 20 * log10f(s->peak + 1e-9f) + s->gain_db;
    }
    const float common = PEAK_DB - quantile(scratch, n, 0.98);
    for (size_t i = 0; i < b->n_sources; i++) {
        struct tb_data_source *s = &b->sources[i];
        s->gain_db += common;
        const float peak = 20 * log10f(s->peak + 1e-9f) + s->gain_db;
        s->gain_db -= peak > LOUDEST_DB ? peak - LOUDEST_DB : 0;
    }
}

enum tb_status tb_build_levels(struct tb_build *b, struct tb_error *err)
{
    float *scratch = malloc(b->n_sources * sizeof *scratch), median[TB_N_MARKS];
    size_t n[TB_N_MARKS], marks = 0;
    float softest = 0, loudest = 0;
    if (!scratch)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    for (int m = 0; m < TB_N_MARKS; m++) {
        n[m] = level_of_mark(b, m, scratch, &median[m]);
        if (n[m] < LEAST_FILES)
            continue;
        softest = marks == 0 ? median[m] : softest;
        loudest = median[m];
        marks++;
    }
    b->levels = b->options->levels;
    if (b->levels == TB_LEVELS_AUTO)
        b->levels = marks >= 3 && loudest - softest < NORMALISED_SPREAD_DB ? TB_LEVELS_MARKS
                                                                           : TB_LEVELS_NATURAL;
    for (size_t i = 0; i < b->n_sources; i++)
        b->sources[i].gain_db = b->levels == TB_LEVELS_EACH ? -b->sources[i].loud_db : 0;
    if (b->levels == TB_LEVELS_MARKS)
        by_marks(b, median, n, scratch);
    normalise(b, scratch);
    free(scratch);
    return TB_OK;
}

static void shuffle(struct tb_random *random, size_t *order, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)(tb_random_uniform(random) * (double)i), was = order[i - 1];
        order[i - 1] = order[j];
        order[j] = was;
    }
}

/* Deals order[n] out, 1 in 10 to validation and to test, so that a handful has one of each. */
static enum tb_split deal(size_t at, size_t n)
{
    const size_t tenth = n >= 10 ? (n + 5) / 10 : n >= 3 ? 1 : 0;
    return at < tenth ? TB_SPLIT_TEST : at < 2 * tenth ? TB_SPLIT_VALIDATION : TB_SPLIT_TRAIN;
}

/* Phrases and single notes are dealt apart, so that every split has both. With fewer than 5 files
 * their pieces are dealt: then the splits share recordings, which the report says. */
enum tb_status tb_build_split(struct tb_build *b, struct tb_error *err)
{
    size_t *order = malloc((b->n_sources + b->n_pieces) * sizeof *order), kept = 0;
    if (!order)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    for (size_t i = 0; i < b->n_sources; i++)
        kept += b->sources[i].kept;
    b->split_pieces = kept < LEAST_FILES;
    for (int phrases = 0; phrases < 2 && !b->split_pieces; phrases++) {
        size_t n = 0;
        for (size_t i = 0; i < b->n_sources; i++)
            if (b->sources[i].kept && b->sources[i].label.free_pitch == (phrases == 1))
                order[n++] = i;
        shuffle(&b->random, order, n);
        for (size_t i = 0; i < n; i++)
            b->sources[order[i]].split = deal(i, n);
    }
    if (b->split_pieces)
        for (size_t i = 0; i < b->n_pieces; i++)
            order[i] = i;
    if (b->split_pieces)
        shuffle(&b->random, order, b->n_pieces);
    for (size_t i = 0; i < b->n_pieces; i++) {
        if (b->split_pieces)
            b->pieces[order[i]].split = deal(i, b->n_pieces);
        else
            b->pieces[i].split = b->sources[b->pieces[i].source].split;
    }
    free(order);
    return TB_OK;
}
