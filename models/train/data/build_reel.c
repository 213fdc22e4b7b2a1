/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/build_priv.h"

#include <sodium.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pieces one after the other, as a player who thinks between notes: a quarter of them nearly
 * joined, the rest with rests of 60 to 600 ms. A note that does not fit into what is left of a clip
 * waits for the next; another that fits is looked for. */

enum { FIELDS = 4, LOOK_AHEAD = 32, LONG = TB_CLIP_FRAMES - 50 };
static const char *const FIELD_FILES[FIELDS] = {"audio.f32", "f0.f32", "loudness.f32",
                                                "confidence.f32"};
static const float SOUNDING_DB = -70; /* of loudness: what statistics count */

struct reel {
    struct tb_build *build;
    struct tb_analysis *analysis;
    FILE *file[FIELDS];
    crypto_hash_sha256_state hash[FIELDS];
    enum tb_split split;
    size_t n_frames;   /* of audio and f0 in this split */
    size_t n_features; /* of loudness and confidence */
    size_t n_analysed;
    float last_f0_hz;
    float late_f0_hz[TB_DATA_AHEAD + 1]; /* of frames whose loudness is not known yet */
    json_t *made_of;                     /* of the current clip */
};

static enum tb_status put(struct reel *r, int field, const void *data, size_t bytes,
                          struct tb_error *err)
{
    (void)crypto_hash_sha256_update(&r->hash[field], data, bytes);
    return fwrite(data, 1, bytes, r->file[field]) == bytes
               ? TB_OK
               : tb_build_fault(FIELD_FILES[field], err);
}

static void count(struct tb_data_stats *stats, enum tb_split split, float f0_hz,
                  const struct tb_analysis_frame *frame)
{
    if (frame->loudness_db < SOUNDING_DB || frame->level_db <= -65 || f0_hz <= 0)
        return;
    const float key = roundf(69 + 12 * log2f(f0_hz / 440)), bin = (frame->loudness_db + 80) / 2;
    stats->seconds[split] += 1.0 / 250;
    stats->keys[key < 0 ? 0 : key > 127 ? 127 : (int)key] += 1.0 / 250;
    stats->loudness[bin < 0                            ? 0
                    : bin >= TB_DATA_LOUDNESS_BINS - 1 ? TB_DATA_LOUDNESS_BINS - 1
                                                       : (int)bin] += 1.0 / 250;
}

static enum tb_status analyse(struct reel *r, const float *hop, struct tb_error *err)
{
    struct tb_analysis_frame frame;
    if (tb_analysis_process(r->analysis, hop, TB_DATA_HOP, &frame, 1) != 1)
        return tb_fail(err, TB_EIO, "analysis: no frame after a hop");
    if (r->n_analysed++ < TB_DATA_AHEAD)
        return TB_OK;
    count(&r->build->stats, r->split, r->late_f0_hz[r->n_features % (TB_DATA_AHEAD + 1)], &frame);
    r->n_features++;
    const enum tb_status status = put(r, 2, &frame.loudness_db, sizeof(float), err);
    return status == TB_OK ? put(r, 3, &frame.confidence, sizeof(float), err) : status;
}

/* f0_hz 0: the last one goes on. */
static enum tb_status emit(struct reel *r, const float *hop, float f0_hz, struct tb_error *err)
{
    r->last_f0_hz = f0_hz > 0 ? f0_hz : r->last_f0_hz;
    r->late_f0_hz[r->n_frames % (TB_DATA_AHEAD + 1)] = r->last_f0_hz;
    r->n_frames++;
    enum tb_status status = put(r, 0, hop, TB_DATA_HOP * sizeof *hop, err);
    if (status == TB_OK)
        status = put(r, 1, &r->last_f0_hz, sizeof(float), err);
    if (status == TB_OK)
        status = analyse(r, hop, err);
    return status;
}

static enum tb_status rest(struct reel *r, size_t frames, struct tb_error *err)
{
    static const float silence[TB_DATA_HOP];
    enum tb_status status = TB_OK;
    for (size_t k = 0; k < frames && status == TB_OK; k++)
        status = emit(r, silence, 0, err);
    return status;
}

static size_t left_in_clip(const struct reel *r)
{
    return TB_CLIP_FRAMES - r->n_frames % TB_CLIP_FRAMES;
}

/* Clips know which recordings they hold. */
static enum tb_status note_source(struct reel *r, size_t clip, size_t source, struct tb_error *err)
{
    json_t *clips = r->build->clips;
    size_t before = 0;
    for (int s = 0; s < (int)r->split; s++)
        before += r->build->n_clips[s];
    while (json_array_size(clips) <= before + clip)
        if (json_array_append_new(
                clips, json_pack("{s:s,s:[]}", "split", tb_split_names[r->split], "sources")) != 0)
            return tb_fail(err, TB_ENOMEM, "out of memory");
    json_t *list = json_object_get(json_array_get(clips, before + clip), "sources");
    const size_t n = json_array_size(list);
    if (n && json_integer_value(json_array_get(list, n - 1)) == (json_int_t)source)
        return TB_OK;
    return json_array_append_new(list, json_integer((json_int_t)source)) == 0
               ? TB_OK
               : tb_fail(err, TB_ENOMEM, "out of memory");
}

static enum tb_status play(struct reel *r, const struct tb_data_piece *piece, struct tb_error *err)
{
    const struct tb_build *b = r->build;
    const float gain = powf(10, b->sources[piece->source].gain_db / 20);
    enum tb_status status = TB_OK;
    for (size_t k = piece->first; k < piece->first + piece->n && status == TB_OK; k++) {
        float hop[TB_DATA_HOP];
        for (size_t i = 0; i < TB_DATA_HOP; i++) {
            const float x = gain * b->audio_map[k * TB_DATA_HOP + i];
            hop[i] = x > 1 ? 1 : x < -1 ? -1 : x;
        }
        if (r->n_frames % TB_CLIP_FRAMES == 0 || k == piece->first)
            status = note_source(r, r->n_frames / TB_CLIP_FRAMES, piece->source, err);
        if (status == TB_OK)
            status = emit(r, hop, b->f0_map[k], err);
    }
    return status;
}

static size_t pause(struct tb_random *random)
{
    const double kind = tb_random_uniform(random), x = tb_random_uniform(random);
    return (size_t)(kind < 0.25 ? 5 * x : kind < 0.8 ? 15 + 40 * x : 50 + 100 * x);
}

/* Index into order[from..n) of the next piece to play: the first, or one near it that fits. */
static size_t next_piece(const struct reel *r, const size_t *order, size_t from, size_t n)
{
    const struct tb_data_piece *pieces = r->build->pieces;
    const size_t left = left_in_clip(r);
    if (pieces[order[from]].n > LONG)
        return from;
    for (size_t i = from; i < n && i < from + LOOK_AHEAD; i++)
        if (pieces[order[i]].n <= left)
            return i;
    return n;
}

static enum tb_status play_all(struct reel *r, size_t *order, size_t n, struct tb_error *err)
{
    const struct tb_build *b = r->build;
    enum tb_status status = TB_OK;
    for (size_t at = 0; at < n && status == TB_OK;) {
        const size_t chosen = next_piece(r, order, at, n);
        if (chosen == n) {
            status = rest(r, left_in_clip(r), err);
            continue;
        }
        const size_t was = order[at];
        order[at] = order[chosen];
        order[chosen] = was;
        status = play(r, &b->pieces[order[at]], err);
        at++;
        const size_t gap = pause(&r->build->random);
        if (status == TB_OK)
            status = rest(r, gap, err);
    }
    if (status == TB_OK && r->n_frames % TB_CLIP_FRAMES)
        status = rest(r, left_in_clip(r), err);
    return status;
}

/* The loudness of the last frames needs what comes behind them: silence. */
static enum tb_status finish(struct reel *r, struct tb_error *err)
{
    static const float silence[TB_DATA_HOP];
    enum tb_status status = TB_OK;
    while (r->n_features < r->n_frames && status == TB_OK)
        status = analyse(r, silence, err);
    return status;
}

static enum tb_status make_split(struct reel *r, struct tb_error *err)
{
    struct tb_build *b = r->build;
    size_t *order = malloc((b->n_pieces + 1) * sizeof *order), n = 0;
    if (!order)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    for (size_t i = 0; i < b->n_pieces; i++)
        if (b->pieces[i].split == r->split)
            order[n++] = i;
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)(tb_random_uniform(&b->random) * (double)i), was = order[i - 1];
        order[i - 1] = order[j];
        order[j] = was;
    }
    tb_analysis_reset(r->analysis);
    r->n_frames = r->n_features = r->n_analysed = 0;
    /* before the first note there is already its pitch, not none */
    r->last_f0_hz = n ? b->f0_map[b->pieces[order[0]].first] : 0;
    enum tb_status status = play_all(r, order, n, err);
    if (status == TB_OK)
        status = finish(r, err);
    b->n_clips[r->split] = r->n_frames / TB_CLIP_FRAMES;
    free(order);
    return status;
}

enum tb_status tb_build_reels(struct tb_build *b, struct tb_error *err)
{
    struct reel r = {.build = b, .analysis = tb_analysis_new(&tb_data_analysis, err)};
    enum tb_status status = r.analysis ? TB_OK : TB_ENOMEM;
    for (int f = 0; f < FIELDS && status == TB_OK; f++) {
        (void)crypto_hash_sha256_init(&r.hash[f]);
        r.file[f] = tb_build_open(b, FIELD_FILES[f], err);
        status = r.file[f] ? TB_OK : err->status;
    }
    for (int s = 0; s < TB_N_SPLITS && status == TB_OK; s++) {
        r.split = (enum tb_split)s;
        status = make_split(&r, err);
    }
    for (int f = 0; f < FIELDS; f++) {
        struct tb_error late;
        unsigned char hash[crypto_hash_sha256_BYTES];
        if (!r.file[f])
            continue;
        (void)crypto_hash_sha256_final(&r.hash[f], hash);
        (void)sodium_bin2hex(b->sha256[f], sizeof b->sha256[f], hash, sizeof hash);
        const enum tb_status closed = tb_build_close(r.file[f], FIELD_FILES[f], &late);
        if (status == TB_OK && closed != TB_OK)
            status = tb_fail(err, closed, "%s", late.text);
    }
    tb_analysis_free(r.analysis);
    return status;
}
