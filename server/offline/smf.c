/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/smf.h"

#include "dsp/params.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { N_CHANNELS = 16, NO_RPN = 0x3fff };

/* Tempo as found, before ticks become seconds. */
struct tempo {
    uint64_t tick;
    uint32_t order;
    uint32_t us_per_quarter;
};

struct channel {
    uint8_t msb[32]; /* of controllers 0..31 */
    uint16_t rpn;    /* selected, NO_RPN for none */
};

struct parser {
    const uint8_t *data;
    size_t size, at, end; /* end: of the current track */
    struct tb_score *score;
    struct tb_smf_info info;
    struct tempo *tempi;
    size_t n_tempi, tempi_capacity;
    struct channel channels[N_CHANNELS];
    uint64_t tick;
    uint64_t last_tick; /* of the longest track */
    uint32_t order;
    uint32_t division; /* ticks per quarter, or 0 with seconds_per_tick */
    double seconds_per_tick;
    struct tb_error *err;
};

static enum tb_status fail(struct parser *p, enum tb_status status, size_t at, const char *what)
{
    return tb_fail(p->err, status, "midi: byte %zu: %s", at, what);
}

static uint32_t read_be(const uint8_t *bytes, size_t n)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | bytes[i];
    return value;
}

static enum tb_status read_varlen(struct parser *p, uint32_t *value)
{
    size_t start = p->at;
    *value = 0;
    for (int i = 0; i < 4; i++) {
        if (p->at >= p->end)
            return fail(p, TB_ECORRUPT, start, "the track ends inside a number");
        uint8_t byte = p->data[p->at++];
        *value = *value << 7 | (byte & 0x7f);
        if (!(byte & 0x80))
            return TB_OK;
    }
    return fail(p, TB_ECORRUPT, start, "a number has more than 4 bytes");
}

/* ticks wait in time_s until the tempo map is whole */
static enum tb_status emit(struct parser *p, struct tb_event event)
{
    struct tb_score_event e = {.time_s = (double)p->tick, .order = p->order++, .event = event};
    e.event.source = TB_SOURCE_MIDI;
    return tb_score_add(p->score, &e, p->err);
}

static enum tb_status data_entry(struct parser *p, uint8_t channel, uint8_t value)
{
    if (p->channels[channel].rpn != 0) {
        p->info.n_ignored++;
        return TB_OK;
    }
    double max = tb_params[TB_P_BEND_RANGE].max;
    return emit(p, (struct tb_event){.type = TB_EVENT_PARAM,
                                     .channel = channel,
                                     .id = TB_P_BEND_RANGE,
                                     .value = (float)((double)value < max ? (double)value : max)});
}

static enum tb_status controller(struct parser *p, uint8_t channel, uint8_t number, uint8_t value)
{
    struct channel *c = &p->channels[channel];
    struct tb_event event = {.type = TB_EVENT_CONTROLLER,
                             .channel = channel,
                             .id = number,
                             .value = (float)value / 127.0F};
    switch (number) {
    case 6:
        return data_entry(p, channel, value);
    case 38:
        return TB_OK; /* cents of the bend range */
    case 98:
    case 99:
        c->rpn = NO_RPN;
        return TB_OK;
    case 100:
        c->rpn = (uint16_t)((c->rpn & 0x3f80) | value);
        return TB_OK;
    case 101:
        c->rpn = (uint16_t)((c->rpn & 0x7f) | value << 7);
        return TB_OK;
    case 120:
        event.type = TB_EVENT_PANIC;
        return emit(p, event);
    case 123:
        event.type = TB_EVENT_ALL_NOTES_OFF;
        return emit(p, event);
    default:
        break;
    }
    if (number < 32) {
        c->msb[number] = value;
    } else if (number < 64) {
        event.id = (uint16_t)(number - 32);
        event.value = (float)(c->msb[event.id] << 7 | value) / 16383.0F;
    }
    return emit(p, event);
}

static enum tb_status channel_message(struct parser *p, uint8_t status, const uint8_t *d)
{
    uint8_t channel = status & 0x0f;
    struct tb_event event = {.channel = channel, .key = d[0]};
    switch (status & 0xf0) {
    case 0x80:
        event.type = TB_EVENT_NOTE_OFF;
        return emit(p, event);
    case 0x90:
        event.type = d[1] ? TB_EVENT_NOTE_ON : TB_EVENT_NOTE_OFF;
        event.value = (float)d[1];
        p->info.n_notes += d[1] != 0;
        return emit(p, event);
    case 0xa0:
        event.type = TB_EVENT_KEY_PRESSURE;
        event.value = (float)d[1] / 127.0F;
        return emit(p, event);
    case 0xb0:
        return controller(p, channel, d[0], d[1]);
    case 0xd0:
        event.type = TB_EVENT_PRESSURE;
        event.key = 0;
        event.value = (float)d[0] / 127.0F;
        return emit(p, event);
    case 0xe0: {
        int bend = (d[1] << 7 | d[0]) - 8192;
        event.type = TB_EVENT_BEND;
        event.key = 0;
        event.value = bend < 0 ? (float)bend / 8192.0F : (float)bend / 8191.0F;
        return emit(p, event);
    }
    default: /* 0xc0: one patch plays the whole file */
        p->info.n_ignored++;
        return TB_OK;
    }
}

static enum tb_status add_tempo(struct parser *p, uint32_t us_per_quarter, size_t at)
{
    if (us_per_quarter == 0)
        return fail(p, TB_ECORRUPT, at, "a tempo of 0 us per quarter note");
    if (p->n_tempi == p->tempi_capacity) {
        size_t capacity = p->tempi_capacity ? 2 * p->tempi_capacity : 16;
        struct tempo *tempi = realloc(p->tempi, capacity * sizeof *tempi);
        if (!tempi)
            return tb_fail(p->err, TB_ENOMEM, "midi: no memory for the tempo map");
        p->tempi = tempi;
        p->tempi_capacity = capacity;
    }
    p->tempi[p->n_tempi++] = (struct tempo){p->tick, p->order, us_per_quarter};
    p->info.n_tempi++;
    return TB_OK;
}

/* FF type length data. *done: the track's end was told. */
static enum tb_status meta_event(struct parser *p, bool *done)
{
    size_t start = p->at - 1;
    if (p->at >= p->end)
        return fail(p, TB_ECORRUPT, start, "the track ends inside a meta event");
    uint8_t type = p->data[p->at++];
    uint32_t length;
    enum tb_status s = read_varlen(p, &length);
    if (s != TB_OK)
        return s;
    if (length > p->end - p->at)
        return fail(p, TB_ECORRUPT, start, "a meta event is longer than its track");
    const uint8_t *bytes = p->data + p->at;
    p->at += length;
    *done = type == 0x2f;
    if (type == 0x51 && length != 3)
        return fail(p, TB_ECORRUPT, start, "a tempo of other than 3 bytes");
    return type == 0x51 ? add_tempo(p, read_be(bytes, 3), start) : TB_OK;
}

static enum tb_status skip_sysex(struct parser *p)
{
    size_t start = p->at - 1;
    uint32_t length;
    enum tb_status s = read_varlen(p, &length);
    if (s != TB_OK)
        return s;
    if (length > p->end - p->at)
        return fail(p, TB_ECORRUPT, start, "a system exclusive message is longer than its track");
    p->at += length;
    p->info.n_ignored++;
    return TB_OK;
}

/* One event behind its delta time. *running is the running status, 0 for none. */
static enum tb_status read_event(struct parser *p, uint8_t *running, bool *done)
{
    size_t start = p->at;
    uint8_t status = p->data[p->at];
    if (status & 0x80)
        p->at++;
    else
        status = *running;
    if (status == 0)
        return fail(p, TB_ECORRUPT, start, "data without a status byte");
    if (status >= 0xf0) {
        *running = 0;
        if (status == 0xff)
            return meta_event(p, done);
        if (status == 0xf0 || status == 0xf7)
            return skip_sysex(p);
        return fail(p, TB_ECORRUPT, start, "a status byte F1..FE, which files do not have");
    }
    *running = status;
    size_t n = (status & 0xe0) == 0xc0 ? 1 : 2;
    if (n > p->end - p->at)
        return fail(p, TB_ECORRUPT, start, "the track ends inside a message");
    uint8_t d[2] = {p->data[p->at], n == 2 ? p->data[p->at + 1] : 0};
    if ((d[0] | d[1]) & 0x80)
        return fail(p, TB_ECORRUPT, start, "a data byte above 127");
    p->at += n;
    return channel_message(p, status, d);
}

static enum tb_status read_track(struct parser *p)
{
    uint8_t running = 0;
    bool done = false;
    p->tick = 0;
    while (!done && p->at < p->end) {
        uint32_t delta;
        enum tb_status s = read_varlen(p, &delta);
        if (s != TB_OK)
            return s;
        p->tick += delta;
        if (p->at >= p->end)
            return fail(p, TB_ECORRUPT, p->at, "the track ends behind a delta time");
        s = read_event(p, &running, &done);
        if (s != TB_OK)
            return s;
    }
    if (p->last_tick < p->tick)
        p->last_tick = p->tick;
    return TB_OK;
}

static enum tb_status read_division(struct parser *p)
{
    uint32_t division = read_be(p->data + 12, 2);
    if (!(division & 0x8000)) {
        p->division = division;
        return division ? TB_OK : fail(p, TB_ECORRUPT, 12, "0 ticks per quarter note");
    }
    uint32_t frames = 256 - (division >> 8), ticks = division & 0xff;
    bool known = frames == 24 || frames == 25 || frames == 29 || frames == 30;
    if (!known || ticks == 0)
        return fail(p, TB_ECORRUPT, 12, "a time division of no known frame rate");
    double frames_hz = frames == 29 ? 30000.0 / 1001.0 : (double)frames;
    p->seconds_per_tick = 1.0 / (frames_hz * (double)ticks);
    return TB_OK;
}

/* MThd. *n_tracks as it tells. */
static enum tb_status read_header(struct parser *p, uint32_t *n_tracks)
{
    if (p->size < 14 || memcmp(p->data, "MThd", 4) != 0)
        return fail(p, TB_ECORRUPT, 0, "not a standard MIDI file (no MThd of 14 bytes)");
    uint32_t length = read_be(p->data + 4, 4);
    if (length < 6 || length > p->size - 8)
        return fail(p, TB_ECORRUPT, 4, "the length of MThd is below 6 or behind the file's end");
    p->info.format = read_be(p->data + 8, 2);
    *n_tracks = read_be(p->data + 10, 2);
    if (p->info.format > 1)
        return fail(p, TB_EUNSUPPORTED, 8, "format 2 and above are not offered, only 0 and 1");
    if (*n_tracks == 0 || *n_tracks > TB_SMF_MAX_TRACKS)
        return fail(p, TB_ECORRUPT, 10, "the number of tracks is not in 1..1024");
    if (p->info.format == 0 && *n_tracks != 1)
        return fail(p, TB_ECORRUPT, 10, "format 0 with more than one track");
    p->at = 8 + length;
    return read_division(p);
}

static enum tb_status read_chunks(struct parser *p, uint32_t n_tracks)
{
    while (p->info.n_tracks < n_tracks) {
        if (p->size - p->at < 8)
            return fail(p, TB_ECORRUPT, p->at, "the file ends before its last track");
        bool is_track = memcmp(p->data + p->at, "MTrk", 4) == 0;
        uint32_t length = read_be(p->data + p->at + 4, 4);
        if (length > p->size - p->at - 8)
            return fail(p, TB_ECORRUPT, p->at + 4, "a chunk is longer than the file");
        p->at += 8;
        size_t next = p->at + length;
        if (is_track) {
            p->end = next;
            enum tb_status s = read_track(p);
            if (s != TB_OK)
                return s;
            p->info.n_tracks++;
        }
        p->at = next;
    }
    return TB_OK;
}

static int compare_tempi(const void *a, const void *b)
{
    const struct tempo *x = a, *y = b;
    if (x->tick != y->tick)
        return x->tick < y->tick ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* Where the conversion from ticks stands: seconds at tick, and the tempo from there on. */
struct clock_state {
    size_t i_tempo;
    double tick, seconds, seconds_per_tick;
};

static double seconds_at(const struct parser *p, struct clock_state *c, double tick)
{
    while (p->division && c->i_tempo < p->n_tempi && (double)p->tempi[c->i_tempo].tick <= tick) {
        const struct tempo *t = &p->tempi[c->i_tempo++];
        c->seconds += ((double)t->tick - c->tick) * c->seconds_per_tick;
        c->tick = (double)t->tick;
        c->seconds_per_tick = (double)t->us_per_quarter * 1e-6 / (double)p->division;
    }
    return c->seconds + (tick - c->tick) * c->seconds_per_tick;
}

static enum tb_status to_seconds(struct parser *p)
{
    struct tb_score *score = p->score;
    tb_score_sort(score);
    if (p->n_tempi)
        qsort(p->tempi, p->n_tempi, sizeof *p->tempi, compare_tempi);
    struct clock_state c = {.seconds_per_tick =
                                p->division ? 0.5 / (double)p->division : p->seconds_per_tick};
    for (size_t i = 0; i < score->n; i++)
        score->events[i].time_s = seconds_at(p, &c, score->events[i].time_s);
    score->end_s = seconds_at(p, &c, (double)p->last_tick);
    if (score->end_s > TB_SMF_MAX_SECONDS)
        return tb_fail(p->err, TB_ETOOLARGE, "midi: %.0f s long, more than %d s", score->end_s,
                       TB_SMF_MAX_SECONDS);
    return TB_OK;
}

enum tb_status tb_smf_parse(const uint8_t *data, size_t size, struct tb_score *score,
                            struct tb_smf_info *info, struct tb_error *err)
{
    struct parser p = {.data = data, .size = size, .score = score, .err = err};
    memset(score, 0, sizeof *score);
    for (size_t i = 0; i < N_CHANNELS; i++)
        p.channels[i].rpn = NO_RPN;
    if (size > TB_SMF_MAX_BYTES)
        return tb_fail(err, TB_ETOOLARGE, "midi: %zu bytes, more than %d", size, TB_SMF_MAX_BYTES);
    uint32_t n_tracks = 0;
    enum tb_status s = read_header(&p, &n_tracks);
    if (s == TB_OK)
        s = read_chunks(&p, n_tracks);
    if (s == TB_OK)
        s = to_seconds(&p);
    free(p.tempi);
    if (s != TB_OK)
        tb_score_clear(score);
    if (info)
        *info = p.info;
    return s;
}
