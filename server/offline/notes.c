/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/notes.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct note {
    double key, velocity, time_s, duration_s;
};

struct field {
    const char *name;
    size_t offset;
    double min, max;
    bool whole;
};

static const struct field fields[] = {
    {"key", offsetof(struct note, key), 0.0, 127.0, true},
    {"velocity", offsetof(struct note, velocity), 1.0, 127.0, true},
    {"time_s", offsetof(struct note, time_s), 0.0, TB_NOTES_MAX_SECONDS, false},
    {"duration_s", offsetof(struct note, duration_s), 0.0, TB_NOTES_MAX_SECONDS, false},
};
enum { N_FIELDS = sizeof fields / sizeof fields[0] };

static double *field_of(struct note *note, size_t i)
{
    return (double *)(void *)((char *)note + fields[i].offset);
}

static enum tb_status check(struct note *note, size_t index, struct tb_error *err)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        const struct field *f = &fields[i];
        double v = *field_of(note, i);
        if (!isfinite(v))
            return tb_fail(err, TB_EINVAL, "notes[%zu].%s: not a finite number", index, f->name);
        if (v < f->min)
            return tb_fail(err, TB_EINVAL, "notes[%zu].%s: %g is below %g", index, f->name, v,
                           f->min);
        if (v > f->max)
            return tb_fail(err, TB_EINVAL, "notes[%zu].%s: %g is above %g", index, f->name, v,
                           f->max);
        if (f->whole && v != floor(v))
            return tb_fail(err, TB_EINVAL, "notes[%zu].%s: %g is not a whole number", index,
                           f->name, v);
    }
    return TB_OK;
}

/* Ends before beginnings at the same time, but never before their own beginning. */
static enum tb_status add_note(struct tb_score *score, const struct note *note, size_t index,
                               struct tb_error *err)
{
    bool empty = note->duration_s == 0.0;
    uint32_t order = (uint32_t)index;
    struct tb_event event = {.type = TB_EVENT_NOTE_ON,
                             .key = (uint8_t)note->key,
                             .source = TB_SOURCE_REST,
                             .value = (float)note->velocity};
    struct tb_score_event on = {
        .time_s = note->time_s, .order = TB_NOTES_MAX + 2 * order, .event = event};
    event.type = TB_EVENT_NOTE_OFF;
    event.value = 0.0F;
    struct tb_score_event off = {.time_s = note->time_s + note->duration_s,
                                 .order = empty ? on.order + 1 : order,
                                 .event = event};
    enum tb_status s = tb_score_add(score, &on, err);
    return s == TB_OK ? tb_score_add(score, &off, err) : s;
}

static enum tb_status finish(struct tb_score *score, enum tb_status s)
{
    if (s == TB_OK)
        tb_score_sort(score);
    else
        tb_score_clear(score);
    return s;
}

int tb_note_key(const char *text)
{
    static const int semitones[] = {9, 11, 0, 2, 4, 5, 7}; /* A..G above C */
    char *end;
    int letter = toupper((unsigned char)text[0]);
    if (letter < 'A' || letter > 'G') {
        long key = strtol(text, &end, 10);
        return isdigit((unsigned char)text[0]) && *end == '\0' && key <= 127 ? (int)key : -1;
    }
    int key = semitones[letter - 'A'];
    const char *p = text + 1;
    for (; *p == '#' || *p == 'b'; p++)
        key += *p == '#' ? 1 : -1;
    if (p - text > 3 || !(isdigit((unsigned char)*p) || *p == '-'))
        return -1;
    long octave = strtol(p, &end, 10);
    if (*end != '\0' || octave < -2 || octave > 10)
        return -1;
    key += 12 * ((int)octave + 1);
    return key >= 0 && key <= 127 ? key : -1;
}

static bool parse_number(const char *text, double *value)
{
    char *end;
    if (!(isdigit((unsigned char)text[0]) || text[0] == '.' || text[0] == '-'))
        return false;
    *value = strtod(text, &end);
    return *end == '\0';
}

/* text: one note, split in place. */
static enum tb_status parse_note(char *text, size_t index, struct note *note, struct tb_error *err)
{
    for (size_t i = 0; text; i++) {
        char *next = strchr(text, ':');
        if (next)
            *next++ = '\0';
        if (i == N_FIELDS)
            return tb_fail(err, TB_EINVAL, "notes[%zu]: more than key:velocity:start_s:duration_s",
                           index);
        int key = i == 0 ? tb_note_key(text) : -1;
        if (key >= 0)
            note->key = key;
        else if (!parse_number(text, field_of(note, i)))
            return tb_fail(err, TB_EINVAL, "notes[%zu].%s: \"%.20s\" is not a %s", index,
                           fields[i].name, text, i == 0 ? "key" : "number");
        text = next;
    }
    return check(note, index, err);
}

enum tb_status tb_notes_parse(const char *text, struct tb_score *score, struct tb_error *err)
{
    memset(score, 0, sizeof *score);
    char *copy = strdup(text);
    if (!copy)
        return tb_fail(err, TB_ENOMEM, "notes: no memory");
    enum tb_status s = TB_OK;
    struct note note = {0};
    size_t index = 0;
    for (char *item = copy; item && s == TB_OK; index++) {
        char *next = strchr(item, ',');
        if (next)
            *next++ = '\0';
        if (index == TB_NOTES_MAX) {
            s = tb_fail(err, TB_ETOOLARGE, "notes: more than %d", TB_NOTES_MAX);
            break;
        }
        note = (struct note){
            .velocity = 100.0, .time_s = note.time_s + note.duration_s, .duration_s = 1.0};
        s = parse_note(item, index, &note, err);
        if (s == TB_OK)
            s = add_note(score, &note, index, err);
        item = next;
    }
    free(copy);
    return finish(score, s);
}

static enum tb_status note_from_json(json_t *item, size_t index, struct note *note,
                                     struct tb_error *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(item))
        return tb_fail(err, TB_EINVAL, "notes[%zu]: not an object", index);
    unsigned seen = 0;
    json_object_foreach(item, name, value)
    {
        size_t i = 0;
        while (i < N_FIELDS && strcmp(fields[i].name, name) != 0)
            i++;
        if (i == N_FIELDS)
            return tb_fail(err, TB_EINVAL, "notes[%zu].%.40s: unknown field", index, name);
        if (!json_is_number(value))
            return tb_fail(err, TB_EINVAL, "notes[%zu].%s: not a number", index, name);
        *field_of(note, i) = json_number_value(value);
        seen |= 1U << i;
    }
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (!(seen & 1U << i))
            return tb_fail(err, TB_EINVAL, "notes[%zu].%s: missing", index, fields[i].name);
    }
    return check(note, index, err);
}

enum tb_status tb_notes_from_json(const json_t *notes, struct tb_score *score, struct tb_error *err)
{
    memset(score, 0, sizeof *score);
    if (!json_is_array(notes))
        return tb_fail(err, TB_EINVAL, "notes: not an array");
    size_t n = json_array_size(notes);
    if (n > TB_NOTES_MAX)
        return tb_fail(err, TB_ETOOLARGE, "notes: %zu, more than %d", n, TB_NOTES_MAX);
    enum tb_status s = TB_OK;
    for (size_t i = 0; i < n && s == TB_OK; i++) {
        struct note note = {0};
        s = note_from_json(json_array_get(notes, i), i, &note, err);
        if (s == TB_OK)
            s = add_note(score, &note, i, err);
    }
    return finish(score, s);
}
