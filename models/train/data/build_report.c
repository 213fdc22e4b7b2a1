/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/build_priv.h"

#include <sodium.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const LEVELS[] = {"auto", "natural", "marks", "each"};
static const char *const FIELD_NAMES[] = {"audio", "f0", "loudness", "confidence"};

/* Where a histogram's running sum passes share, in bins. */
static double quantile(const double *bins, size_t n, double share)
{
    double all = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        all += bins[i];
    for (size_t i = 0; i < n; i++) {
        sum += bins[i];
        if (sum >= share * all && all > 0)
            return (double)i + 1 - (bins[i] > 0 ? (sum - share * all) / bins[i] : 0);
    }
    return 0;
}

static void find_ranges(struct tb_data_stats *s)
{
    /* bin i of keys is i - 0.5 .. i + 0.5 */
    s->pitch_low_hz = 440 * exp2((floor(quantile(s->keys, 128, 0.005)) - 69 - 0.5) / 12);
    s->pitch_high_hz = 440 * exp2((floor(quantile(s->keys, 128, 0.995)) - 69 + 0.5) / 12);
    s->loudness_low_db = -80 + 2 * quantile(s->loudness, TB_DATA_LOUDNESS_BINS, 0.05);
    s->loudness_high_db = -80 + 2 * quantile(s->loudness, TB_DATA_LOUDNESS_BINS, 0.995);
}

static void hash_of_sources(const struct tb_build *b, char *text)
{
    crypto_hash_sha256_state state;
    unsigned char hash[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < b->n_sources; i++)
        if (b->sources[i].kept)
            (void)crypto_hash_sha256_update(&state, (const unsigned char *)b->sources[i].sha256,
                                            64);
    (void)crypto_hash_sha256_final(&state, hash);
    (void)sodium_bin2hex(text, 65, hash, sizeof hash);
}

static json_t *histogram(const double *bins, size_t n, double first, double step)
{
    json_t *values = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(values, json_real(round(bins[i] * 100) / 100));
    return json_pack("{s:f,s:f,s:o}", "first", first, "step", step, "seconds", values);
}

static json_t *source_json(const struct tb_data_source *s, size_t number)
{
    json_t *o = json_pack("{s:i,s:s,s:s,s:f,s:i,s:i}", "number", (int)number, "file", s->name,
                          "sha256", s->sha256, "seconds", s->info.seconds, "rate_hz",
                          (int)s->info.rate_hz, "channels", (int)s->info.n_channels);
    const struct tb_judgement *j = &s->judgement;
    if (s->info.one_side)
        (void)json_object_set_new(o, "one_channel", json_true());
    if (s->label.n_notes == 1)
        (void)json_object_set_new(o, "key", json_real((double)s->label.notes[0].key));
    if (s->label.n_notes > 1)
        (void)json_object_set_new(o, "notes", json_integer((json_int_t)s->label.n_notes));
    if (s->label.mark >= 0)
        (void)json_object_set_new(o, "mark", json_string(tb_mark_names[s->label.mark]));
    if (!s->kept) {
        const char *reason =
            j->verdict == TB_N_VERDICTS ? "unreadable" : tb_verdict_names[j->verdict];
        (void)json_object_set_new(o, "reason", json_string(reason));
        (void)json_object_set_new(o, "detail", json_string(j->text));
        return o;
    }
    (void)json_object_set_new(o, "split", json_string(tb_split_names[s->split]));
    (void)json_object_set_new(o, "kept_seconds", json_real(s->seconds));
    (void)json_object_set_new(o, "level_db", json_real((double)s->loud_db));
    (void)json_object_set_new(o, "gain_db", json_real((double)s->gain_db));
    (void)json_object_set_new(o, "voiced", json_real((double)j->voiced));
    if (s->info.clipped > 1e-4)
        (void)json_object_set_new(o, "clipped", json_real(s->info.clipped));
    if (j->agreement >= 0) {
        (void)json_object_set_new(o, "agreement", json_real((double)j->agreement));
        (void)json_object_set_new(o, "octaves", json_real((double)j->octaves));
        (void)json_object_set_new(o, "cents", json_real((double)j->cents));
        (void)json_object_set_new(o, "filled", json_real((double)j->filled));
    }
    return o;
}

/* Of the files whose label tells every note: how well the tracker and they agree, each file as much
 * as it is long. */
static json_t *agreement(const struct tb_build *b)
{
    double seconds = 0, agree = 0, octaves = 0, filled = 0, cents = 0;
    size_t n = 0;
    for (size_t i = 0; i < b->n_sources; i++) {
        const struct tb_data_source *s = &b->sources[i];
        if (!s->kept || s->judgement.agreement < 0)
            continue;
        n++;
        seconds += s->seconds;
        agree += s->seconds * (double)s->judgement.agreement;
        octaves += s->seconds * (double)s->judgement.octaves;
        filled += s->seconds * (double)s->judgement.filled;
        cents += s->seconds * (double)s->judgement.cents;
    }
    const double one = seconds > 0 ? 1 / seconds : 0;
    return json_pack("{s:i,s:f,s:f,s:f,s:f}", "files", (int)n, "agreement", one * agree, "octaves",
                     one * octaves, "filled", one * filled, "cents", one * cents);
}

static json_t *head_json(struct tb_build *b)
{
    const struct tb_build_options *o = b->options;
    char hash[65], text[65];
    hash_of_sources(b, hash);
    (void)snprintf(text, sizeof text, "causal 1, ahead %d", TB_DATA_AHEAD);
    const struct tb_data_stats *s = &b->stats;
    const double minutes =
        (s->seconds[TB_SPLIT_TRAIN] + s->seconds[TB_SPLIT_VALIDATION] + s->seconds[TB_SPLIT_TEST]) /
        60;
    json_t *root = json_pack("{s:s,s:i,s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:f,s:I}", "format",
                             "timbred-dataset", "version", 1, "name", o->name, "licence",
                             o->licence, "credit", o->credit, "source", o->source, "source_sha256",
                             hash, "rate_hz", TB_CLIP_RATE_HZ, "hop", TB_CLIP_HOP, "clip_samples",
                             TB_CLIP_SAMPLES, "minutes", minutes, "seed", (json_int_t)o->seed);
    (void)json_object_set_new(root, "analysis",
                              json_pack("{s:s,s:s,s:i,s:i,s:f,s:f}", "text", text, "loudness_kind",
                                        "magenta_v2", "n_fft", TB_DATA_N_FFT, "ahead",
                                        TB_DATA_AHEAD, "reference_db",
                                        (double)tb_data_analysis.reference_db, "floor_db",
                                        (double)tb_data_analysis.floor_db));
    (void)json_object_set_new(root, "range",
                              json_pack("{s:f,s:f,s:f,s:f}", "pitch_low_hz", s->pitch_low_hz,
                                        "pitch_high_hz", s->pitch_high_hz, "loudness_low_db",
                                        s->loudness_low_db, "loudness_high_db",
                                        s->loudness_high_db));
    (void)json_object_set_new(root, "levels", json_string(LEVELS[b->levels]));
    (void)json_object_set_new(root, "split_by", json_string(b->split_pieces ? "piece" : "file"));
    json_t *clips = json_object(), *split = json_object(), *hashes = json_object();
    for (int i = 0; i < TB_N_SPLITS; i++) {
        (void)json_object_set_new(clips, tb_split_names[i],
                                  json_integer((json_int_t)b->n_clips[i]));
        (void)json_object_set_new(split, tb_split_names[i], json_real(s->seconds[i] / 60));
    }
    for (int f = 0; f < 4; f++)
        (void)json_object_set_new(hashes, FIELD_NAMES[f], json_string(b->sha256[f]));
    (void)json_object_set_new(root, "n_clips", clips);
    (void)json_object_set_new(root, "split_minutes", split);
    (void)json_object_set_new(root, "sha256", hashes);
    return root;
}

enum tb_status tb_build_report(struct tb_build *b, json_t **report, struct tb_error *err)
{
    find_ranges(&b->stats);
    json_t *root = head_json(b), *sources = json_array(), *rejected = json_array();
    for (size_t i = 0; i < b->n_sources; i++)
        (void)json_array_append_new(b->sources[i].kept ? sources : rejected,
                                    source_json(&b->sources[i], i));
    (void)json_object_set_new(root, "labels", agreement(b));
    (void)json_object_set_new(root, "pitch", histogram(b->stats.keys, 128, 0, 1));
    (void)json_object_set_new(root, "loudness",
                              histogram(b->stats.loudness, TB_DATA_LOUDNESS_BINS, -80, 2));
    (void)json_object_set_new(root, "sources", sources);
    (void)json_object_set_new(root, "rejected", rejected);
    (void)json_object_set(root, "clips", b->clips);
    FILE *file = tb_build_open(b, "dataset.json", err);
    if (!file) {
        json_decref(root);
        return err->status;
    }
    const int fault = json_dumpf(root, file, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    enum tb_status status = tb_build_close(file, "dataset.json", err);
    if (status == TB_OK && fault != 0)
        status = tb_fail(err, TB_ENOMEM, "dataset.json: out of memory");
    if (status == TB_OK && report)
        *report = json_incref(root);
    json_decref(root);
    return status;
}
