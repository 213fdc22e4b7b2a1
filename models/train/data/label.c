/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/label.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_NOTES = 100000 };

const char *const tb_mark_names[TB_N_MARKS] = {"pianissimo",  "piano", "mezzo-piano",
                                               "mezzo-forte", "forte", "fortissimo"};
static const char *const MARK_SHORT[TB_N_MARKS] = {"pp", "p", "mp", "mf", "f", "ff"};

/* Ways of playing whose pitch is not the one note of the name. */
static const char *const FREE[] = {"phrase",   "trill",      "gliss", "scale", "arpegg",
                                   "harmonic", "portamento", "bend",  "melody"};

void tb_label_clear(struct tb_label *label)
{
    free(label->notes);
    *label = (struct tb_label){.mark = -1};
}

enum tb_status tb_label_add(struct tb_label *label, const struct tb_label_note *note,
                            struct tb_error *err)
{
    if (label->n_notes >= MAX_NOTES)
        return tb_fail(err, TB_ETOOLARGE, "label: more than %d notes", MAX_NOTES);
    if ((label->n_notes & (label->n_notes - 1)) == 0) {
        const size_t room = label->n_notes ? 2 * label->n_notes : 1;
        struct tb_label_note *notes = realloc(label->notes, room * sizeof *notes);
        if (!notes)
            return tb_fail(err, TB_ENOMEM, "out of memory");
        label->notes = notes;
    }
    size_t at = label->n_notes++;
    for (; at > 0 && label->notes[at - 1].start_s > note->start_s; at--)
        label->notes[at] = label->notes[at - 1];
    label->notes[at] = *note;
    return TB_OK;
}

/* A letter, accidentals, an octave; what follows is at *end. */
static float named_key(const char *text, const char **end)
{
    static const int semitones[7] = {9, 11, 0, 2, 4, 5, 7}; /* A to G */
    const int letter = toupper((unsigned char)text[0]);
    if (letter < 'A' || letter > 'G')
        return -1;
    int key = semitones[letter - 'A'];
    const char *at = text + 1;
    if (*at == '#' || *at == 's' || *at == 'b') {
        key += *at == 'b' ? -1 : 1;
        at++;
    }
    const int sign = *at == '-' ? -1 : 1;
    at += sign < 0;
    if (!isdigit((unsigned char)*at))
        return -1;
    key += 12 * (sign * (*at - '0') + 1);
    *end = at + 1;
    return key >= 0 && key <= 127 ? (float)key : -1;
}

float tb_label_key(const char *text)
{
    const char *end = text;
    const float named = named_key(text, &end);
    if (named >= 0)
        return *end ? -1 : named;
    char *stop;
    const float key = strtof(text, &stop);
    return stop != text && !*stop && key >= 0 && key <= 127 ? key : -1;
}

/* "D#1v7" is a note with a number of its layer. */
static float key_of_word(const char *word)
{
    const char *end = word;
    const float key = named_key(word, &end);
    if (key < 0)
        return -1;
    if (*end == 'v' && isdigit((unsigned char)end[1]))
        for (end++; isdigit((unsigned char)*end);)
            end++;
    return *end ? -1 : key;
}

static int mark_of_word(const char *word)
{
    for (int m = 0; m < TB_N_MARKS; m++)
        if (strcasecmp(word, tb_mark_names[m]) == 0 || strcmp(word, MARK_SHORT[m]) == 0)
            return m;
    return -1;
}

enum tb_status tb_label_from_name(const char *name, struct tb_label *label, struct tb_error *err)
{
    *label = (struct tb_label){.mark = -1};
    const char *base = strrchr(name, '/');
    base = base ? base + 1 : name;
    const char *dot = strrchr(base, '.');
    const char *stop = dot ? dot : base + strlen(base);
    float key = -1;
    for (const char *at = base; at < stop;) {
        char word[64] = "";
        size_t n = 0;
        for (; at < stop && *at != '_' && *at != ' '; at++)
            if (n < sizeof word - 1)
                word[n++] = *at;
        word[n] = 0;
        at += at < stop;
        if (key < 0)
            key = key_of_word(word);
        const int mark = mark_of_word(word);
        /* "piano_C4_forte": the last one; an instrument comes first */
        label->mark = mark >= 0 ? mark : label->mark;
        for (size_t i = 0; i < sizeof FREE / sizeof *FREE; i++)
            label->free_pitch |= strcasestr(word, FREE[i]) != NULL;
    }
    if (key < 0)
        return TB_OK;
    return tb_label_add(label, &(struct tb_label_note){0, 1e9f, key}, err);
}

float tb_label_key_at(const struct tb_label *label, float time_s, float slack_s)
{
    float best = -1, distance = slack_s;
    for (size_t i = 0; i < label->n_notes; i++) {
        const struct tb_label_note *note = &label->notes[i];
        if (note->start_s > time_s + slack_s)
            break;
        if (time_s >= note->start_s && time_s < note->end_s)
            return note->key;
        const float off = time_s < note->start_s ? note->start_s - time_s : time_s - note->end_s;
        if (off <= distance) {
            distance = off;
            best = note->key;
        }
    }
    return best;
}

float tb_label_overlap(const struct tb_label *label)
{
    float both = 0, all = 0, until = 0;
    for (size_t i = 0; i < label->n_notes; i++) {
        const struct tb_label_note *note = &label->notes[i];
        const float end = note->end_s < until ? note->end_s : until;
        all += note->end_s - note->start_s;
        both += end > note->start_s ? end - note->start_s : 0;
        until = note->end_s > until ? note->end_s : until;
    }
    return all > 0 ? both / all : 0;
}

static bool same_file(const char *told, const char *name)
{
    const char *base = strrchr(name, '/');
    return strcmp(told, name) == 0 || (base && strcmp(told, base + 1) == 0);
}

/* One line, ended with a null. */
static enum tb_status take_line(char *line, unsigned number, const char *name,
                                struct tb_label *label, struct tb_error *err)
{
    char *cells[5] = {0};
    int n = 0;
    for (char *at = line; at && n < 5; n++) {
        cells[n] = at;
        at = strchr(at, ',');
        if (at)
            *at++ = 0;
    }
    if (line[0] == '#' || line[0] == 0 || !same_file(cells[0], name))
        return TB_OK;
    if (n != 2 && n != 4)
        return tb_fail(err, TB_EINVAL, "labels: line %u: %d cells; 2 or 4 are wanted", number, n);
    struct tb_label_note note = {0, 1e9f, tb_label_key(cells[n - 1])};
    if (note.key < 0)
        return tb_fail(err, TB_EINVAL, "labels: line %u: \"%.20s\" is no note", number,
                       cells[n - 1]);
    if (n == 4) {
        char *stop[2];
        note.start_s = strtof(cells[1], &stop[0]);
        note.end_s = strtof(cells[2], &stop[1]);
        if (*stop[0] || *stop[1] || !(note.start_s >= 0 && note.end_s > note.start_s))
            return tb_fail(err, TB_EINVAL, "labels: line %u: start and end are no times", number);
    }
    return tb_label_add(label, &note, err);
}

enum tb_status tb_label_from_csv(const char *csv, const char *name, struct tb_label *label,
                                 struct tb_error *err)
{
    const size_t before = label->n_notes;
    enum tb_status status = TB_OK;
    unsigned number = 0;
    for (const char *at = csv; *at && status == TB_OK;) {
        const size_t length = strcspn(at, "\r\n");
        char *line = strndup(at, length);
        if (!line)
            return tb_fail(err, TB_ENOMEM, "out of memory");
        status = take_line(line, ++number, name, label, err);
        free(line);
        at += length;
        at += *at == '\r';
        at += *at == '\n';
    }
    if (label->n_notes > before && before == 1 && label->notes[0].end_s > 1e8f) {
        /* the file's name is less exact than the list */
        memmove(label->notes, label->notes + 1, --label->n_notes * sizeof *label->notes);
    }
    label->free_pitch = label->n_notes > before ? false : label->free_pitch;
    return status;
}
