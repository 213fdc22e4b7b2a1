/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/syx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { YAMAHA = 0x43, END = 0xF7, START = 0xF0, BULK_DATA = TB_SYX_BANK * TB_SYX_PACKED };

__attribute__((format(printf, 2, 3))) static void warn(struct tb_syx_file *file, const char *format,
                                                       ...)
{
    if (file->n_warnings == TB_SYX_MAX_WARNINGS)
        return;
    char *text = file->warnings[file->n_warnings++];
    if (file->n_warnings == TB_SYX_MAX_WARNINGS) {
        (void)snprintf(text, sizeof file->warnings[0], "and further warnings of the same kinds");
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof file->warnings[0], format, args);
    va_end(args);
}

void tb_syx_clear(struct tb_syx_file *file)
{
    free(file->voices);
    memset(file, 0, sizeof *file);
}

static enum tb_status add_voice(struct tb_syx_file *file, uint8_t voice[TB_SYX_UNPACKED])
{
    if (file->n_voices == file->capacity) {
        size_t capacity = file->capacity ? file->capacity * 2 : TB_SYX_BANK;
        void *larger = realloc(file->voices, capacity * sizeof *file->voices);
        if (!larger)
            return TB_ENOMEM;
        file->voices = larger;
        file->capacity = capacity;
    }
    file->n_clamped += tb_syx_clamp(voice);
    tb_syx_pack(voice, file->voices[file->n_voices++]);
    return TB_OK;
}

static enum tb_status add_packed(struct tb_syx_file *file, const uint8_t packed[TB_SYX_PACKED])
{
    uint8_t voice[TB_SYX_UNPACKED];
    tb_syx_unpack(packed, voice);
    return add_voice(file, voice);
}

/* The bytes of a file and where the scan is. */
struct scan {
    const uint8_t *data;
    size_t size, at;
    bool midi_file;
    size_t message;       /* number of the message, from 1 */
    size_t masked, stray; /* bytes with bit 7 set inside, bytes outside of messages */
};

/* Next byte of the message, without real-time bytes. False at its end: END (consumed), START or the
 * end of the data (neither consumed). */
static bool next_byte(struct scan *s, uint8_t *byte)
{
    while (s->at < s->size && s->data[s->at] >= 0xF8)
        s->at++;
    if (s->at == s->size || s->data[s->at] == START)
        return false;
    if (s->data[s->at] == END) {
        s->at++;
        return false;
    }
    s->masked += s->data[s->at] >> 7;
    *byte = s->data[s->at++] & 0x7F;
    return true;
}

static void skip_message(struct scan *s)
{
    uint8_t byte;
    size_t masked = s->masked;
    while (next_byte(s, &byte))
        ;
    s->masked = masked;
}

static void check_sum(const struct scan *s, struct tb_syx_file *file, const uint8_t *data, size_t n,
                      uint8_t given)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += data[i];
    unsigned right = (128 - sum % 128) % 128;
    if (given != right)
        warn(file, "message %zu: wrong checksum %u, should be %u", s->message, given, right);
}

static enum tb_status take_voices(struct tb_syx_file *file, uint8_t *data, size_t n, bool bulk)
{
    enum tb_status status = TB_OK;
    if (!bulk)
        return n == TB_SYX_UNPACKED ? add_voice(file, data) : TB_OK;
    for (size_t i = 0; i + TB_SYX_PACKED <= n && !status; i += TB_SYX_PACKED)
        status = add_packed(file, data + i);
    return status;
}

/* A dump of one voice or of 32; the scan is behind the two count bytes. */
static enum tb_status take_dump(struct scan *s, struct tb_syx_file *file, const uint8_t head[4])
{
    uint8_t data[BULK_DATA + 1];
    bool bulk = head[1] == 9;
    size_t wanted = bulk ? BULK_DATA : TB_SYX_UNPACKED, n = 0;
    while (n < wanted + 1 && next_byte(s, &data[n]))
        n++;
    unsigned count = head[2] * 128U + head[3];
    if (count != wanted)
        warn(file, "message %zu: byte count %u instead of %zu", s->message, count, wanted);
    if (n < wanted) {
        warn(file, "message %zu: truncated after %zu of %zu bytes%s", s->message, n, wanted,
             bulk && n >= TB_SYX_PACKED ? ", its whole voices were taken" : "");
        return take_voices(file, data, n, bulk);
    }
    if (n == wanted)
        warn(file, "message %zu: the checksum is missing", s->message);
    else
        check_sum(s, file, data, wanted, data[wanted]);
    while (s->at < s->size && s->data[s->at] >= 0xF8)
        s->at++;
    if (n > wanted && s->at < s->size && s->data[s->at] == END)
        s->at++;
    else if (n > wanted)
        warn(file, "message %zu: no end byte", s->message);
    return take_voices(file, data, wanted, bulk);
}

static const char *kind_of(const uint8_t head[2])
{
    switch (head[0] >> 4) {
    case 0:
        break;
    case 1:
        return "a parameter change, skipped";
    case 2:
        return "a dump request, skipped";
    default:
        return "not of a DX7, skipped";
    }
    switch (head[1]) {
    case 1:
        return "performance data, skipped";
    case 3:
        return "a 4-operator voice, which a DX7 cannot play";
    case 4:
        return "format 4 is a 4-operator bank, which a DX7 cannot play";
    case 5:
    case 6:
        return "additional data of a DX7II, skipped";
    default:
        return "an unknown format, skipped";
    }
}

/* The scan is behind the maker's number. */
static enum tb_status take_message(struct scan *s, struct tb_syx_file *file)
{
    uint8_t head[4] = {0};
    size_t n = 0;
    s->message++;
    while (n < 4 && next_byte(s, &head[n]))
        n++;
    if (n < 2) {
        warn(file, "message %zu: truncated", s->message);
        return TB_OK;
    }
    if (head[0] >> 4 == 0 && (head[1] == 0 || head[1] == 9)) {
        if (n < 4) {
            warn(file, "message %zu: truncated", s->message);
            return TB_OK;
        }
        return take_dump(s, file, head);
    }
    warn(file, "message %zu: %s", s->message, kind_of(head));
    if (n == 4)
        skip_message(s);
    return TB_OK;
}

/* Bytes to the maker's number behind a START at s->at: 1, in a MIDI file also a length; 0: other.
 */
static size_t maker_at(const struct scan *s)
{
    size_t i = s->at + 1;
    if (i < s->size && s->data[i] == YAMAHA)
        return 1;
    if (!s->midi_file)
        return 0;
    for (size_t n = 0; n < 4 && i < s->size; n++, i++)
        if (s->data[i] < 0x80)
            return i + 1 < s->size && s->data[i + 1] == YAMAHA ? i + 1 - s->at : 0;
    return 0;
}

static enum tb_status take_messages(struct scan *s, struct tb_syx_file *file)
{
    enum tb_status status = TB_OK;
    while (s->at < s->size && !status) {
        size_t maker = s->data[s->at] == START ? maker_at(s) : 0;
        if (maker) {
            s->at += maker + 1;
            status = take_message(s, file);
        } else {
            s->stray += s->data[s->at] < 0xF8;
            s->at++;
        }
    }
    return status;
}

/* A file without any message: packed voices one after another, if it can be that at all. */
static enum tb_status take_raw(const uint8_t *data, size_t size, struct tb_syx_file *file)
{
    size_t high = 0, clamped = 0;
    for (size_t i = 0; i < size; i++)
        high += data[i] >> 7;
    for (size_t i = 0; i + TB_SYX_PACKED <= size; i += TB_SYX_PACKED) {
        uint8_t voice[TB_SYX_UNPACKED];
        tb_syx_unpack(data + i, voice);
        clamped += tb_syx_clamp(voice);
    }
    if (size % TB_SYX_PACKED != 0 || high * 16 > size || clamped * 8 > size || data[0] == START) {
        warn(file, "not a DX7 file: no DX7 message, and not a row of packed voices");
        return TB_OK;
    }
    warn(file, "no header: taken as %zu packed voices", size / TB_SYX_PACKED);
    if (high > 0)
        warn(file, "%zu bytes had bit 7 set, which was ignored", high);
    enum tb_status status = TB_OK;
    for (size_t i = 0; i < size && !status; i += TB_SYX_PACKED) {
        uint8_t packed[TB_SYX_PACKED];
        for (size_t k = 0; k < TB_SYX_PACKED; k++)
            packed[k] = data[i + k] & 0x7F;
        status = add_packed(file, packed);
    }
    return status;
}

static void conclude(const struct scan *s, struct tb_syx_file *file)
{
    if (s->masked > 0)
        warn(file, "%zu bytes had bit 7 set, which was ignored", s->masked);
    if (s->stray > 0 && !s->midi_file)
        warn(file, "%zu leading or trailing bytes outside of messages were ignored", s->stray);
    if (s->message > 0 && file->n_voices == 0)
        warn(file, "no voice in this file");
}

enum tb_status tb_syx_parse(const uint8_t *data, size_t size, struct tb_syx_file *file,
                            struct tb_error *err)
{
    memset(file, 0, sizeof *file);
    if (size > TB_SYX_MAX_BYTES)
        return tb_fail(err, TB_ETOOLARGE, "system exclusive: %zu bytes are above %d", size,
                       TB_SYX_MAX_BYTES);
    if (size == 0) {
        warn(file, "the file is empty");
        return TB_OK;
    }
    struct scan s = {.data = data, .size = size};
    s.midi_file = size >= 4 && memcmp(data, "MThd", 4) == 0;
    enum tb_status status = take_messages(&s, file);
    if (!status && s.message == 0) {
        if (size < 4 && data[0] == START)
            warn(file, "truncated: %zu bytes are no message", size);
        else
            status = take_raw(data, size, file);
    } else if (!status) {
        conclude(&s, file);
    }
    if (!status && file->n_clamped > 0)
        warn(file, "%zu values clamped to their maximum", file->n_clamped);
    if (status)
        return tb_fail(err, status, "no memory for the voices");
    return TB_OK;
}
