/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/phrase.h"

#include <math.h>
#include <stdbool.h>

static float between(struct tb_random *random, float low, float high)
{
    return low + (high - low) * (float)tb_random_uniform(random);
}

static bool chance(struct tb_random *random, double share)
{
    return tb_random_uniform(random) < share;
}

/* How a phrase is played. */
struct manner {
    float beat_s, loudness; /* 0..1 */
    bool legato;
    int scale; /* 0 major, 1 minor, 2 chromatic */
    int tonic;
};

static bool in_scale(const struct manner *m, int key)
{
    static const bool scales[3][12] = {{1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1},
                                       {1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1},
                                       {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}};
    return scales[m->scale][((key - m->tonic) % 12 + 12) % 12];
}

/* Steps more often than leaps, turning back at the ends of the range. */
static int next_key(struct tb_random *random, const struct manner *m, int key, int low, int high)
{
    const bool leap = chance(random, 0.25);
    int away = (int)(leap ? between(random, 3, 12.99f) : between(random, 1, 2.99f));
    if (chance(random, 0.5))
        away = -away;
    int next = key + away;
    if (next < low || next > high)
        next = key - away;
    for (int i = 0; i < 12 && !(in_scale(m, next) && next >= low && next <= high); i++)
        next += next > (low + high) / 2 ? -1 : 1;
    return next < low ? low : next > high ? high : next;
}

static float length_of(struct tb_random *random, float beat_s)
{
    static const float beats[] = {0.5f, 0.5f, 1, 1, 1, 1.5f, 2, 4};
    const float s = beat_s * beats[(size_t)(8 * tb_random_uniform(random))];
    return s > 3 ? 3 : s < 0.12f ? 0.12f : s;
}

static void shape_loudness(struct tb_random *random, float loudness, struct tb_phrase_note *note)
{
    const float first = between(random, 0.5f, 1), last = between(random, 0.4f, 1);
    const bool swell = note->end_s - note->start_s > 0.6f && chance(random, 0.4);
    note->expression[0] = swell ? first * 0.6f : first;
    note->expression[1] = swell ? 1 : (first + last) / 2;
    note->expression[2] = last;
    const float velocity = 127 * (0.2f + 0.8f * loudness) * between(random, 0.75f, 1);
    note->velocity = velocity < 12 ? 12 : velocity > 127 ? 127 : (int)velocity;
}

static void shape_pitch(struct tb_random *random, const struct manner *m, int before,
                        struct tb_phrase_note *note)
{
    const float length_s = note->end_s - note->start_s;
    if (m->legato && before >= 0 && note->key - before <= 4 && before - note->key <= 4 &&
        chance(random, 0.35)) {
        note->glide_from = (float)before;
        note->glide_s = between(random, 0.04f, 0.15f);
    }
    if (length_s > 0.4f && chance(random, 0.6)) {
        note->vibrato_cents = between(random, 8, 45);
        note->vibrato_hz = between(random, 4.3f, 6.8f);
        note->vibrato_delay_s = between(random, 0.1f, 0.35f);
    }
}

void tb_phrase_make(struct tb_random *random, int low, int high, struct tb_phrase *phrase)
{
    const float total_s = between(random, 5, 9);
    const struct manner m = {.beat_s = between(random, 0.22f, 0.8f),
                             .loudness = between(random, 0, 1),
                             .legato = chance(random, 0.5),
                             .scale = (int)(3 * tb_random_uniform(random)),
                             .tonic = (int)(12 * tb_random_uniform(random))};
    float at_s = between(random, 0.02f, 0.2f);
    int key = low + (int)((float)(high - low + 1) * (float)tb_random_uniform(random)), before = -1;
    *phrase = (struct tb_phrase){0};
    while (at_s < total_s && phrase->n_notes < TB_PHRASE_MAX_NOTES) {
        struct tb_phrase_note *note = &phrase->notes[phrase->n_notes++];
        const float length_s = length_of(random, m.beat_s);
        const float held = m.legato ? 1 : between(random, 0.45f, 0.95f);
        *note =
            (struct tb_phrase_note){.start_s = at_s, .end_s = at_s + held * length_s, .key = key};
        shape_loudness(random, m.loudness, note);
        shape_pitch(random, &m, before, note);
        before = key;
        key = next_key(random, &m, key, low, high);
        at_s += length_s;
        if (chance(random, 0.1)) {
            at_s += between(random, 0.1f, 0.6f);
            before = -1;
        }
    }
    phrase->length_s = phrase->notes[phrase->n_notes - 1].end_s + 0.5f;
}

float tb_phrase_bend(const struct tb_phrase_note *note, float time_s)
{
    float bend = 0;
    if (time_s < note->glide_s) {
        const float x = time_s / note->glide_s, smooth = x * x * (3 - 2 * x);
        bend = (1 - smooth) * (note->glide_from - (float)note->key);
    }
    const float since = time_s - note->vibrato_delay_s;
    if (since > 0 && note->vibrato_cents > 0) {
        const float depth = since < 0.25f ? since / 0.25f : 1; /* comes in within a quarter s */
        bend += depth * note->vibrato_cents / 100 * sinf(6.28318531f * note->vibrato_hz * since);
    }
    return bend;
}

float tb_phrase_expression(const struct tb_phrase_note *note, float time_s)
{
    const float length_s = note->end_s - note->start_s;
    float x = length_s > 0 ? 2 * time_s / length_s : 0;
    x = x < 0 ? 0 : x > 2 ? 2 : x;
    return x < 1 ? note->expression[0] + x * (note->expression[1] - note->expression[0])
                 : note->expression[1] + (x - 1) * (note->expression[2] - note->expression[1]);
}

void tb_phrase_range(int preset, int *low, int *high)
{
    static const struct {
        int first, last, low, high;
    } ranges[] = {{0, 7, 28, 96},   {24, 31, 40, 84}, {32, 39, 28, 60}, {40, 40, 55, 96},
                  {41, 41, 48, 84}, {42, 42, 36, 76}, {43, 43, 28, 60}, {56, 56, 54, 84},
                  {57, 57, 40, 72}, {58, 58, 28, 60}, {60, 60, 41, 77}, {64, 64, 56, 87},
                  {65, 65, 49, 80}, {66, 66, 44, 75}, {67, 67, 36, 68}, {68, 68, 58, 91},
                  {69, 69, 52, 81}, {70, 70, 34, 72}, {71, 71, 50, 91}, {72, 72, 74, 98},
                  {73, 73, 60, 96}, {74, 75, 60, 91}};
    *low = 48;
    *high = 84;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (preset >= ranges[i].first && preset <= ranges[i].last) {
            *low = ranges[i].low;
            *high = ranges[i].high;
        }
}
