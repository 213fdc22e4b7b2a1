/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/build_priv.h"

#include <sodium.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PART = 64000 * 60, /* samples: 4 minutes are decoded at a time */
    BEFORE = 5,        /* frames kept before the sound */
    AFTER = 25,        /* frames kept behind it */
    PAUSE = 125,       /* frames of silence that part two pieces */
    SHORTEST = 25,     /* frames of a piece */
    LONGEST = 3000,    /* frames: then it is cut where it is softest */
    FADE_IN = 32,      /* samples */
    FADE_OUT = 512,
    LEAD_SECONDS = 2, /* of silence before a note */
    DAMPER = 1920,    /* samples: what a released string needs to fall silent */
};

static enum tb_status add_piece(struct tb_build *b, size_t source, size_t first, size_t n,
                                struct tb_error *err)
{
    if ((b->n_pieces & (b->n_pieces - 1)) == 0) {
        const size_t room = b->n_pieces ? 2 * b->n_pieces : 1;
        struct tb_data_piece *pieces = realloc(b->pieces, room * sizeof *pieces);
        if (!pieces)
            return tb_fail(err, TB_ENOMEM, "out of memory");
        b->pieces = pieces;
    }
    b->pieces[b->n_pieces++] = (struct tb_data_piece){.source = source, .first = first, .n = n};
    return TB_OK;
}

/* 40 dB an end, then straight to nothing: as dampers and rooms do. */
static float fade(size_t length, size_t left)
{
    const float x = (float)left / (float)length;
    return x * powf(10, -2 * (1 - x));
}

/* Frames of a part, and the samples that its end fades out. */
struct span {
    size_t from, to, fade_out;
};

/* A span of a part into the spools; its ends are faded, or a cut would click. */
static enum tb_status spool(struct tb_build *b, const float *part, const struct tb_track *track,
                            const struct span *s, struct tb_error *err)
{
    float hop[TB_DATA_HOP];
    const size_t n = (s->to - s->from) * TB_DATA_HOP;
    for (size_t k = s->from; k < s->to; k++) {
        for (size_t i = 0; i < TB_DATA_HOP; i++) {
            const size_t at = (k - s->from) * TB_DATA_HOP + i, left = n - at;
            float gain = at < FADE_IN ? ((float)at + 0.5f) / FADE_IN : 1;
            gain *= left < s->fade_out ? fade(s->fade_out, left) : 1;
            hop[i] = gain * part[k * TB_DATA_HOP + i];
        }
        if (fwrite(hop, sizeof hop, 1, b->audio) != 1 ||
            fwrite(&track->f0_hz[k], sizeof(float), 1, b->f0) != 1)
            return tb_build_fault("spool of samples", err);
    }
    b->n_spooled += s->to - s->from;
    return TB_OK;
}

/* A single note that is to be cut short. */
static bool is_damped(const struct tb_build *b, const struct tb_label *label)
{
    return b->options->note_seconds > 0 && label->n_notes == 1 && !label->free_pitch;
}

static enum tb_status keep(struct tb_taking *t, const float *part, const struct tb_track *track,
                           size_t from, size_t to, struct tb_error *err)
{
    struct tb_build *b = t->build;
    const struct tb_label *label = &b->sources[t->source].label;
    const double most_s = b->options->note_seconds;
    bool damped = false;
    if (is_damped(b, label)) {
        const double held_s = 0.3 + (most_s - 0.3) * tb_random_uniform(&b->random);
        damped = (double)(to - from) / 250 > held_s;
        to = damped ? from + (size_t)(held_s * 250) : to;
    }
    while (to - from >= SHORTEST) {
        size_t stop = to;
        if (to - from > LONGEST) {
            stop = from + LONGEST;
            for (size_t k = from + LONGEST * 2 / 3; k < from + LONGEST; k++)
                stop = track->level_db[k] < track->level_db[stop] ? k : stop;
        }
        const size_t first = b->n_spooled;
        const struct span span = {from, stop, damped ? DAMPER : FADE_OUT};
        enum tb_status status = spool(b, part, track, &span, err);
        if (status == TB_OK)
            status = add_piece(b, t->source, first, stop - from, err);
        if (status != TB_OK)
            return status;
        b->sources[t->source].seconds += (double)(stop - from) / 250;
        from = stop;
    }
    return TB_OK;
}

/* Pieces between silences. */
static enum tb_status cut(struct tb_taking *t, const float *part, const struct tb_track *track,
                          struct tb_error *err)
{
    size_t from = track->n, last = 0;
    for (size_t k = 0; k <= track->n; k++) {
        const bool sounds = k < track->n && track->level_db[k] > track->floor_db;
        if (from < track->n && (k == track->n || (sounds && k - last > PAUSE))) {
            const size_t before = from > BEFORE ? from - BEFORE : 0;
            const size_t after = last + AFTER < track->n ? last + AFTER : track->n;
            const enum tb_status status = keep(t, part, track, before, after, err);
            if (status != TB_OK)
                return status;
            from = track->n;
        }
        if (!sounds)
            continue;
        from = from == track->n ? k : from;
        last = k;
    }
    return TB_OK;
}

enum tb_status tb_build_take_part(void *user, const float *part, size_t n, struct tb_error *err)
{
    struct tb_taking *t = user;
    struct tb_build *b = t->build;
    struct tb_data_source *source = &b->sources[t->source];
    struct tb_track track;
    enum tb_status status = tb_track_make(part, n, &track, err);
    if (status != TB_OK)
        return status;
    struct tb_judgement judgement;
    const struct tb_track_options options = {.label = &source->label,
                                             .start_s = (float)t->start_s,
                                             .keys = t->keys,
                                             .known_notes =
                                                 b->options->known_notes && source->label.n_notes};
    status = tb_track_repair(&track, part, &options, &judgement, err);
    if (status == TB_OK && judgement.verdict == TB_KEEP) {
        if (!t->any || judgement.loud_db > source->loud_db)
            source->loud_db = judgement.loud_db;
        status = cut(t, part, &track, err);
        for (size_t i = 0; i < n; i++)
            source->peak = fmaxf(source->peak, fabsf(part[i]));
    }
    if (judgement.verdict == TB_KEEP ? !t->any : source->judgement.verdict == TB_KEEP)
        source->judgement = judgement;
    t->any = t->any || judgement.verdict == TB_KEEP;
    t->start_s += (double)n / TB_CLIP_RATE_HZ;
    tb_track_clear(&track);
    return status;
}

static enum tb_status hash_file(const char *path, char *text, struct tb_error *err)
{
    unsigned char block[65536], hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return tb_fail(err, TB_EUNSUPPORTED, "unreadable: %s", strerror(errno));
    (void)crypto_hash_sha256_init(&state);
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        (void)crypto_hash_sha256_update(&state, block, n);
    const bool fault = ferror(file);
    (void)fclose(file);
    if (fault)
        return tb_fail(err, TB_EUNSUPPORTED, "unreadable: %s", strerror(errno));
    (void)crypto_hash_sha256_final(&state, hash);
    (void)sodium_bin2hex(text, 65, hash, sizeof hash);
    return TB_OK;
}

static enum tb_status label(struct tb_build *b, struct tb_data_source *source, const char *path,
                            struct tb_error *err)
{
    char midi[4096];
    enum tb_status status = TB_OK;
    if (!b->options->ignore_names)
        status = tb_label_from_name(source->name, &source->label, err);
    if (status == TB_OK && b->options->labels)
        status = tb_label_from_csv(b->options->labels, source->name, &source->label, err);
    const char *dot = strrchr(path, '.');
    (void)snprintf(midi, sizeof midi, "%.*s.mid", (int)(dot - path), path);
    if (status == TB_OK && b->options->read_midi && access(midi, R_OK) == 0)
        status = b->options->read_midi(midi, &source->label, err);
    return status;
}

/* Faults of one file refuse it; those of the machine end the build. */
static bool is_refusal(enum tb_status status)
{
    return status == TB_EUNSUPPORTED || status == TB_ECORRUPT;
}

enum tb_status tb_build_take(struct tb_build *b, size_t i, struct tb_error *err)
{
    char path[4096];
    struct tb_data_source *source = &b->sources[i];
    double most_s = 60 * (b->options->most_minutes > 0 ? b->options->most_minutes : 120);
    struct tb_taking taking = {.build = b, .source = i};
    struct tb_error why = {0};
    const size_t pieces = b->n_pieces;
    if (snprintf(path, sizeof path, "%s/%s", b->options->folder, source->name) >= (int)sizeof path)
        return tb_fail(err, TB_EINVAL, "%.80s: its path is too long", source->name);
    enum tb_status status = hash_file(path, source->sha256, &why);
    if (status == TB_OK)
        status = label(b, source, path, &why);
    if (is_damped(b, &source->label)) /* what comes later is not used */
        most_s = b->options->note_seconds + LEAD_SECONDS;
    const struct tb_source_options options = {PART, most_s,
                                              b->options->low_rate ? 8000 : TB_CLIP_RATE_HZ};
    if (status == TB_OK)
        status = tb_source_read(path, &options, tb_build_take_part, &taking, &source->info, &why);
    if (status != TB_OK && !is_refusal(status))
        return tb_fail(err, status, "%s", why.text);
    source->kept = b->n_pieces > pieces;
    if (source->kept)
        return TB_OK;
    if (status != TB_OK) {
        source->judgement.verdict = TB_N_VERDICTS;
        (void)snprintf(source->judgement.text, sizeof source->judgement.text, "%.118s", why.text);
    } else if (source->judgement.verdict == TB_KEEP) {
        source->judgement.verdict = TB_TOO_SHORT;
        (void)snprintf(source->judgement.text, sizeof source->judgement.text,
                       "%.0f ms of sound, least 100", 1000 * source->info.seconds);
    }
    return TB_OK;
}
