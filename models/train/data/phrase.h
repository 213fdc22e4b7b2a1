/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_DATA_PHRASE_H
#define TB_MODELS_TRAIN_DATA_PHRASE_H

#include "base/error.h"
#include "models/train/random.h"

#include <stddef.h>
#include <stdint.h>

/* A player for sampled instruments: seeded phrases of one voice, with legato, portamento, vibrato,
 * crescendo and swells, of which every pitch is known. Ordinary threads. */

enum { TB_PHRASE_MAX_NOTES = 64 };

struct tb_phrase_note {
    float start_s, end_s;
    int key, velocity;
    float glide_from, glide_s;       /* key it comes from by portamento; 0 s: none */
    float vibrato_cents, vibrato_hz; /* 0: none */
    float vibrato_delay_s;
    float expression[3]; /* 0..1 at its start, middle and end */
};

struct tb_phrase {
    struct tb_phrase_note notes[TB_PHRASE_MAX_NOTES];
    size_t n_notes;
    float length_s; /* with half a second of rest at its end */
};

/* Keys low..high, 0..127. The same random state gives the same phrase. */
void tb_phrase_make(struct tb_random *random, int low, int high, struct tb_phrase *phrase);

/* What a wheel adds to the key of a note at a time since the note's start, in semitones. */
float tb_phrase_bend(const struct tb_phrase_note *note, float time_s);
/* 0..1 */
float tb_phrase_expression(const struct tb_phrase_note *note, float time_s);

/* An instrument of a soundfont (libfluidsynth), at 16 kHz, without reverb and chorus. */
struct tb_soundfont;

/* NULL: TB_EUNSUPPORTED in a build without libfluidsynth, TB_ENOTFOUND: no such file or preset,
 * TB_ENOMEM. bank 0..128, preset 0..127. */
struct tb_soundfont *tb_soundfont_open(const char *path, int bank, int preset,
                                       struct tb_error *err);
void tb_soundfont_free(struct tb_soundfont *font);
/* Of the preset, for people; valid until it is freed. */
const char *tb_soundfont_name(const struct tb_soundfont *font);

/* Plays a phrase: *samples [*n_samples] at 16 kHz and *keys [n_samples / 64], the sounding key with
 * its bend at each frame's end, both to be freed. TB_ENOMEM, TB_EIO. */
enum tb_status tb_soundfont_play(struct tb_soundfont *font, const struct tb_phrase *phrase,
                                 float **samples, size_t *n_samples, float **keys,
                                 struct tb_error *err);

/* Usual range of a General MIDI program. */
void tb_phrase_range(int preset, int *low, int *high);

#endif
