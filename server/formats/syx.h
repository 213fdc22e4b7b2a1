/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_FORMATS_SYX_H
#define TB_SERVER_FORMATS_SYX_H

#include "base/error.h"
#include "dsp/params.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* System exclusive of the DX7 (Yamaha's data format sheet). Pure functions of their arguments; any
 * thread but audio. A voice is either packed, 128 bytes as in a bulk dump, or unpacked, 155 bytes
 * as in a single dump; both with 7-bit bytes, operator 6 first. */
enum {
    TB_SYX_PACKED = 128,
    TB_SYX_UNPACKED = 155,
    TB_SYX_SINGLE = 163,
    TB_SYX_BULK = 4104,
    TB_SYX_BANK = 32,
    TB_SYX_NAME = 10,
    TB_SYX_NAME_BYTES = 41,        /* ten characters as UTF-8, terminated */
    TB_SYX_MAX_BYTES = 2 << 20,    /* of a file */
    TB_SYX_MAX_MESSAGE = 64 << 10, /* of a message that arrives by MIDI */
    TB_SYX_MAX_WARNINGS = 24
};

/* What a file gave. Warnings are sentences: "message 1: wrong checksum 51, should be 83". */
struct tb_syx_file {
    uint8_t (*voices)[TB_SYX_PACKED]; /* owned; legal: masked and clamped */
    size_t n_voices;
    char warnings[TB_SYX_MAX_WARNINGS][160];
    size_t n_warnings;
    size_t n_clamped; /* values beyond their maximum, over all voices */
    size_t capacity;
};

/* Takes voices from .syx files, raw files of packed voices and standard MIDI files, in any mix and
 * with the faults that real files have: any channel and count bytes, wrong checksums, missing ends,
 * real-time bytes inside, bytes before, between and behind messages, bit 7 set, illegal values.
 * TB_OK with n_voices 0 and a warning where there is none; TB_ETOOLARGE above TB_SYX_MAX_BYTES;
 * TB_ENOMEM. Free with tb_syx_clear in every case. */
enum tb_status tb_syx_parse(const uint8_t *data, size_t size, struct tb_syx_file *file,
                            struct tb_error *err);
void tb_syx_clear(struct tb_syx_file *file);

void tb_syx_unpack(const uint8_t packed[TB_SYX_PACKED], uint8_t voice[TB_SYX_UNPACKED]);
void tb_syx_pack(const uint8_t voice[TB_SYX_UNPACKED], uint8_t packed[TB_SYX_PACKED]);

/* Brings every value within its maximum, as the machine does at play time; returns how many. */
unsigned tb_syx_clamp(uint8_t voice[TB_SYX_UNPACKED]);

/* Ten characters of the DX7's display to UTF-8 and back: 5C yen, 7E and 7F arrows, below 20 blank.
 * Blanks at the end go. To the display: accents are dropped, what it cannot show becomes '?'. */
void tb_syx_name_to_utf8(const uint8_t raw[TB_SYX_NAME], char name[TB_SYX_NAME_BYTES]);
void tb_syx_name_from_utf8(const char *name, uint8_t raw[TB_SYX_NAME]);

/* Voice to parameter values and back. To values: illegal bytes are clamped, parameters that the
 * voice does not have take their defaults. To a voice: an operator that is off gets level 0, the
 * only way a voice can say it. name may be NULL on the way to values. */
void tb_syx_to_values(const uint8_t voice[TB_SYX_UNPACKED], float values[TB_N_PARAMS],
                      char name[TB_SYX_NAME_BYTES]);
void tb_syx_from_values(const float values[TB_N_PARAMS], const char *name,
                        uint8_t voice[TB_SYX_UNPACKED]);
void tb_syx_unpack_voice(const uint8_t packed[TB_SYX_PACKED], float values[TB_N_PARAMS],
                         char name[TB_SYX_NAME_BYTES]);

/* Messages to send or save; channel 0..15. A bulk of less than 32 voices is filled with INIT. */
void tb_syx_write_single(const uint8_t voice[TB_SYX_UNPACKED], unsigned channel,
                         uint8_t out[TB_SYX_SINGLE]);
void tb_syx_write_bulk(const uint8_t (*voices)[TB_SYX_PACKED], size_t n, unsigned channel,
                       uint8_t out[TB_SYX_BULK]);

#endif
