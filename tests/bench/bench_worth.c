/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What each thing is worth that is done otherwise than in the published systems: the same models on
 * the same held-out clips, played both ways. Nothing is trained again, so a row says what players
 * do to a model, not what a model trained the other way would have become. For the features
 * tests/bench/features trains both.
 *
 * usage: bench-worth ZOO DATASET...    Markdown, means over the data sets' Reduced models
 *        bench-worth --centred DATASET FILE     its loudness as published systems take it
 *        bench-worth --features DATASET CAUSAL CENTRED     two models trained on either
 */
#include "models/eval/evaluate.h"
#include "models/train/dataset.h"
#include "models/train/fft.h"

#include <complex.h>
#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIPS = 8, LONG_WINDOW = 2048, FEEDBACK = 3, N_FAMILIES = 3, HIGH_RATE_HZ = 48000 };

static const char *const families[N_FAMILIES] = {"hpn", "wavetable", "ddx7"};
enum { HPN = 1, WAVETABLE = 2, DDX7 = 4, ALL = 7 };

enum way { AS_IT_IS, CUT_NOISE, HELD, WITH_FEEDBACK, DETUNED, LONG_LOUDNESS, UNCORRECTED };

static const struct row {
    const char *ours, *theirs; /* in words */
    enum way way;
    unsigned families;
} rows[] = {
    {"whole noise filter", "its first half, without the peak", CUT_NOISE, HPN | WAVETABLE},
    {"levels on straight lines", "held for a frame", HELD, ALL},
    {"feedback as trained, if any", "feedback 3 put in", WITH_FEEDBACK, DDX7},
    {"exact ratios, as trained", "operators detuned by up to 3 cents", DETUNED, DDX7},
    {"loudness of 32 ms windows, as the live tracker has it",
     "of 128 ms windows, centred, level made equal", LONG_LOUDNESS, ALL},
    {"loudness corrected", "as the network learned it", UNCORRECTED, ALL},
};

struct score {
    double loss, frechet, envelope_db, loudness_db, n; /* sums over n models */
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "bench-worth: %s\n", what);
    exit(1);
}

/* Loudness as the published systems take it: windows of 2048 samples around the frame; at the same
 * mean level, so that the scale is not what is compared. */
static void long_loudness(const struct tb_dataset_clip *clip, const struct tb_dataset_info *info,
                          float *to)
{
    struct tb_error err;
    const struct tb_analysis_config config = {.rate_hz = TB_CLIP_RATE_HZ,
                                              .loudness = TB_ANALYSIS_MAGENTA_V2,
                                              .n_fft = LONG_WINDOW,
                                              .reference_db = info->loudness_reference_db,
                                              .floor_db = info->loudness_floor_db};
    struct tb_analysis *analysis = tb_analysis_new(&config, &err);
    struct tb_analysis_frame frame[2];
    const size_t ahead = LONG_WINDOW / TB_CLIP_HOP / 2;
    double apart = 0, n = 0;
    if (!analysis)
        fail(err.text);
    memcpy(to, clip->loudness_db, TB_CLIP_FRAMES * sizeof *to);
    for (size_t k = 0; k < TB_CLIP_FRAMES; k++)
        if (tb_analysis_process(analysis, clip->audio + k * TB_CLIP_HOP, TB_CLIP_HOP, frame, 2) &&
            k >= ahead)
            to[k - ahead] = frame[0].loudness_db;
    for (size_t k = 0; k < TB_CLIP_FRAMES; k++)
        if (clip->loudness_db[k] > config.floor_db + 20) {
            apart += (double)(clip->loudness_db[k] - to[k]);
            n++;
        }
    for (size_t k = 0; k < TB_CLIP_FRAMES; k++)
        to[k] = fmaxf(to[k] + (float)(n > 0 ? apart / n : 0), config.floor_db);
    tb_analysis_free(analysis);
}

static void change(struct tb_model_meta *m, enum way way)
{
    static const double cents[6] = {0, 3, -2, -3, 2, 1};
    if (way == WITH_FEEDBACK)
        m->fm_feedback = FEEDBACK;
    for (unsigned i = 0; way == DETUNED && i < m->fm_ratios.n; i++)
        m->fm_ratios.value[i] *= exp2(cents[i] / 1200);
}

/* A model one way, on up to `most` clips of the test split. */
static void play(const struct tb_model *model, const struct tb_dataset *data, enum way way,
                 size_t most, struct score *score)
{
    static float audio[TB_CLIP_SAMPLES], loudness[TB_CLIP_FRAMES];
    struct tb_error err;
    struct tb_model changed;
    struct tb_model_meta meta = model->file->meta;
    size_t size;
    const struct tb_play_options options = {.cpu = TB_NN_CPU_BEST,
                                            .seed = 1,
                                            .held = way == HELD,
                                            .cut_noise = way == CUT_NOISE,
                                            .uncorrected = way == UNCORRECTED};
    struct tb_evaluation *e = malloc(sizeof *e);
    change(&meta, way);
    void *bytes = tb_model_file_with(model->data, model->size, &meta, &size, &err);
    if (!e || !bytes || !tb_model_take(bytes, size, &changed, &err) ||
        !tb_evaluation_begin(e, changed.file, &options, &err))
        fail(err.text);
    const size_t all = tb_dataset_n_clips(data, TB_SPLIT_TEST), n = all < most ? all : most;
    for (size_t i = 0; i < n; i++) {
        const struct tb_dataset_clip c = tb_dataset_clip(data, TB_SPLIT_TEST, i * all / n);
        struct tb_asked asked = {c.f0_hz, c.loudness_db, c.confidence, TB_CLIP_FRAMES, 0, 0};
        if (way == LONG_LOUDNESS) {
            long_loudness(&c, tb_dataset_info(data), loudness);
            asked.loudness_db = loudness;
        }
        if (tb_evaluation_add(e, &asked, c.audio, audio, &err) != TB_OK)
            fail(err.text);
    }
    struct tb_follow follow;
    tb_measure_follow_end(&e->follow, &follow);
    score->loss += e->loss_over_noise / (double)e->n_clips;
    score->envelope_db += e->envelope_db / (double)e->n_envelopes;
    score->loudness_db += follow.loudness_db;
    score->frechet += tb_frechet_distance(&e->ours, &e->reference);
    score->n++;
    tb_evaluation_clear(e);
    tb_model_close(&changed);
    free(e);
}

/* ---- what more than 16 kHz give */

/* Power of x[n] in bins from first on, against all of it; every: only bins that are no multiple of
 * it. In dB. */
static double share_db(const float *x, size_t n, size_t first, size_t every)
{
    const struct tb_fft *fft = tb_fft_get(n);
    float *copy = malloc(n * sizeof *copy);
    float _Complex *spectrum = malloc((n / 2 + 1) * sizeof *spectrum);
    double part = 0, whole = 1e-30;
    if (!fft || !copy || !spectrum)
        fail("no memory");
    memcpy(copy, x, n * sizeof *copy);
    tb_fft_forward(fft, copy, spectrum);
    for (size_t k = 1; k < n / 2; k++) {
        const double re = (double)crealf(spectrum[k]), im = (double)cimagf(spectrum[k]);
        whole += re * re + im * im;
        part += k >= first && (every == 0 || k % every != 0) ? re * re + im * im : 0;
    }
    free(copy);
    free(spectrum);
    return 10 * log10(part / whole + 1e-16);
}

static float *render(const struct tb_model *model, const struct tb_curve *curve, float rate_hz,
                     size_t *n)
{
    struct tb_error err;
    const struct tb_play_options options = {
        .rate_hz = rate_hz, .cpu = TB_NN_CPU_BEST, .seed = 1, .dry = true};
    struct tb_player *player = tb_player_new(model->file, &options, &err);
    if (!player)
        fail(err.text);
    *n = curve->n * tb_player_hop(player);
    float *audio = malloc(*n * sizeof *audio);
    if (!audio || !tb_player_render(player, curve, audio))
        fail("no memory");
    tb_player_free(player);
    return audio;
}

/* A steady loud note whose partials, multiples of half its pitch, fall on every `half`-th bin of
 * its last n samples: what is between them was folded back. */
static double folded_db(const struct tb_model *model, double hz, float rate_hz)
{
    enum { FRAMES = 500 };
    float f0[FRAMES], loudness[FRAMES];
    const size_t n = 16384 * (size_t)(rate_hz / TB_CLIP_RATE_HZ);
    size_t half = (size_t)rint(hz / 2 * 16384 / TB_CLIP_RATE_HZ) | 1, all;
    for (size_t t = 0; t < FRAMES; t++) {
        f0[t] = (float)(2.0 * (double)half * TB_CLIP_RATE_HZ / 16384);
        loudness[t] = (float)model->file->meta.loudness_high_db;
    }
    float *audio = render(model, &(struct tb_curve){f0, loudness, FRAMES}, rate_hz, &all);
    const double db = share_db(audio + all - n, n, 1, half);
    free(audio);
    return db;
}

static void high_rate(struct tb_model *models[N_FAMILIES], const struct tb_dataset *data)
{
    static const double octaves[] = {-1, 0};
    const struct tb_dataset_clip c = tb_dataset_clip(data, TB_SPLIT_TEST, 0);
    const struct tb_curve curve = {c.f0_hz, c.loudness_db, TB_CLIP_FRAMES};
    for (size_t f = 0; f < N_FAMILIES; f++) {
        size_t n;
        float *audio = render(models[f], &curve, HIGH_RATE_HZ, &n);
        printf("| %s %s | %.1f |", tb_dataset_info(data)->name, families[f],
               share_db(audio, n, n / 6, 0));
        free(audio);
        for (size_t o = 0; o < 2 && f == 2; o++) {
            const double hz = models[f]->file->meta.pitch_high_hz * exp2(octaves[o]);
            printf(" %.0f Hz: %.1f, %.1f |", hz, folded_db(models[f], hz, TB_CLIP_RATE_HZ),
                   folded_db(models[f], hz, HIGH_RATE_HZ));
        }
        printf(f == 2 ? "\n" : " | |\n");
    }
}

/* ---- features */

static struct tb_dataset *open_data(const char *folder)
{
    struct tb_error err;
    struct tb_dataset *data = tb_dataset_open(folder, &err);
    if (!data)
        fail(err.text);
    return data;
}

/* loudness.f32 of a data set anew: its clips lie split after split. */
static int write_centred(const char *folder, const char *path)
{
    static float loudness[TB_CLIP_FRAMES];
    struct tb_dataset *data = open_data(folder);
    const float *next = tb_dataset_clip(data, TB_SPLIT_TRAIN, 0).loudness_db;
    FILE *f = fopen(path, "wb");
    if (!f)
        fail(path);
    for (enum tb_split split = 0; split < TB_N_SPLITS; split++)
        for (size_t i = 0; i < tb_dataset_n_clips(data, split); i++, next += TB_CLIP_FRAMES) {
            const struct tb_dataset_clip c = tb_dataset_clip(data, split, i);
            if (c.loudness_db != next)
                fail("clips in another order than their splits");
            long_loudness(&c, tb_dataset_info(data), loudness);
            if (fwrite(loudness, sizeof loudness, 1, f) != 1)
                fail(path);
        }
    if (fclose(f))
        fail(path);
    tb_dataset_free(data);
    return 0;
}

/* A model trained on the engine's features, played with them; one trained on centred ones, played
 * with those as its evaluation would, and with the engine's as it is heard live. */
static int print_features(const char *folder, char **paths)
{
    static const struct {
        int model;
        enum way way;
    } column[] = {{0, AS_IT_IS}, {1, LONG_LOUDNESS}, {1, AS_IT_IS}};
    struct tb_dataset *data = open_data(folder);
    struct tb_model model[2];
    struct tb_error err;
    for (int i = 0; i < 2; i++)
        if (!tb_model_open(paths[i], &model[i], &err))
            fail(err.text);
    printf("| %s |", tb_dataset_info(data)->name);
    for (size_t k = 0; k < sizeof column / sizeof column[0]; k++) {
        struct score s = {0};
        play(&model[column[k].model], data, column[k].way, SIZE_MAX, &s);
        printf(" %.3f, %.2f |", s.loss, s.frechet);
    }
    printf("\n");
    tb_model_close(&model[0]);
    tb_model_close(&model[1]);
    tb_dataset_free(data);
    return 0;
}

/* ---- */

static struct tb_model *open_model(const char *zoo, const char *name, const char *family)
{
    char path[4096];
    struct tb_error err;
    struct tb_model *model = malloc(sizeof *model);
    (void)snprintf(path, sizeof path, "%s/%s-%s-reduced.safetensors", zoo, name, family);
    for (char *p = path + strlen(zoo); *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (!model || !tb_model_open(path, model, &err))
        fail(err.text);
    return model;
}

static void print_row(const struct row *row, size_t f, const struct score s[2])
{
    printf("| %s | %s | %s |", row->ours, row->theirs, families[f]);
    printf(" %.3f / %.3f | %.2f / %.2f |", s[0].loss / s[0].n, s[1].loss / s[1].n,
           s[0].frechet / s[0].n, s[1].frechet / s[1].n);
    printf(" %.2f / %.2f |", s[0].envelope_db / s[0].n, s[1].envelope_db / s[1].n);
    if (row->way == LONG_LOUDNESS)
        printf(" - |\n");
    else
        printf(" %.2f / %.2f |\n", s[0].loudness_db / s[0].n, s[1].loudness_db / s[1].n);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    enum { MOST = 8 };
    struct tb_dataset *data[MOST];
    struct tb_model *models[MOST][N_FAMILIES];
    const size_t n = argc > 2 ? (size_t)argc - 2 : 0;
    if (argc == 4 && strcmp(argv[1], "--centred") == 0)
        return write_centred(argv[2], argv[3]);
    if (argc == 5 && strcmp(argv[1], "--features") == 0)
        return print_features(argv[2], argv + 3);
    if (n < 1 || n > MOST)
        fail("usage: bench-worth ZOO DATASET... (at most 8)");
    for (size_t i = 0; i < n; i++) {
        data[i] = open_data(argv[i + 2]);
        for (size_t f = 0; f < N_FAMILIES; f++)
            models[i][f] = open_model(argv[1], tb_dataset_info(data[i])->name, families[f]);
    }
    printf("| ours | instead | family | loss over noise | Frechet | envelope, dB | loudness, dB |\n"
           "|---|---|---|---|---|---|---|\n");
    static struct score score[2];
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (size_t f = 0; f < N_FAMILIES; f++) {
            if (!(rows[r].families >> f & 1U))
                continue;
            memset(score, 0, sizeof score);
            for (size_t i = 0; i < n; i++) {
                play(models[i][f], data[i], AS_IT_IS, CLIPS, &score[0]);
                play(models[i][f], data[i], rows[r].way, CLIPS, &score[1]);
            }
            print_row(&rows[r], f, score);
        }
    printf("\n| at 48 kHz | above 8 kHz, dB of all | folded back at 16 and 48 kHz, dB of all | |\n"
           "|---|---|---|---|\n");
    for (size_t i = 0; i < n; i++)
        high_rate(models[i], data[i]);
    for (size_t i = 0; i < n; i++) {
        for (size_t f = 0; f < N_FAMILIES; f++) {
            tb_model_close(models[i][f]);
            free(models[i][f]);
        }
        tb_dataset_free(data[i]);
    }
    return 0;
}
