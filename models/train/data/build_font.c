/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/build_priv.h"

#include <sodium.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double MEAN_SECONDS = 7; /* of a phrase with its rests */

enum tb_status tb_build_list_phrases(struct tb_build *b, struct tb_error *err)
{
    const struct tb_build_options *o = b->options;
    b->font = tb_soundfont_open(o->soundfont, o->bank, o->preset, err);
    if (!b->font)
        return err->status;
    tb_phrase_range(o->preset, &b->low_key, &b->high_key);
    const size_t n = (size_t)ceil(60 * o->minutes / MEAN_SECONDS);
    b->sources = calloc(n, sizeof *b->sources);
    if (!b->sources)
        return tb_fail(err, TB_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct tb_data_source *s = &b->sources[b->n_sources++];
        s->label.mark = -1;
        if (asprintf(&s->name, "%s, phrase %zu", tb_soundfont_name(b->font), i + 1) < 0) {
            s->name = NULL;
            return tb_fail(err, TB_ENOMEM, "out of memory");
        }
    }
    return TB_OK;
}

/* Whole notes as labels for the report; the pitch itself comes frame by frame. */
static enum tb_status label(struct tb_data_source *source, const struct tb_phrase *phrase,
                            struct tb_error *err)
{
    enum tb_status status = TB_OK;
    for (size_t i = 0; i < phrase->n_notes && status == TB_OK; i++) {
        const struct tb_phrase_note *note = &phrase->notes[i];
        status = tb_label_add(&source->label,
                              &(struct tb_label_note){note->start_s, note->end_s, (float)note->key},
                              err);
    }
    return status;
}

enum tb_status tb_build_take_phrase(struct tb_build *b, size_t i, struct tb_error *err)
{
    struct tb_data_source *source = &b->sources[i];
    struct tb_taking taking = {.build = b, .source = i};
    struct tb_random random;
    struct tb_phrase phrase;
    float *samples = NULL, *keys = NULL;
    size_t n = 0;
    /* each phrase has a seed of its own: more minutes keep those before */
    tb_random_seed(&random, b->options->seed + 0x9e3779b97f4a7c15u * (i + 1));
    tb_phrase_make(&random, b->low_key, b->high_key, &phrase);
    enum tb_status status = tb_soundfont_play(b->font, &phrase, &samples, &n, &keys, err);
    if (status == TB_OK)
        status = label(source, &phrase, err);
    if (status == TB_OK) {
        unsigned char hash[crypto_hash_sha256_BYTES];
        (void)crypto_hash_sha256(hash, (const unsigned char *)samples, n * sizeof *samples);
        (void)sodium_bin2hex(source->sha256, sizeof source->sha256, hash, sizeof hash);
        source->info = (struct tb_source_info){
            .rate_hz = TB_CLIP_RATE_HZ, .n_channels = 1, .seconds = (double)n / TB_CLIP_RATE_HZ};
        const size_t pieces = b->n_pieces;
        taking.keys = keys;
        status = tb_build_take_part(&taking, samples, n, err);
        source->kept = b->n_pieces > pieces;
    }
    free(samples);
    free(keys);
    return status;
}
