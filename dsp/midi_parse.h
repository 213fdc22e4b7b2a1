/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_MIDI_PARSE_H
#define TB_DSP_MIDI_PARSE_H

#include "dsp/event.h"
#include "dsp/rt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of one MIDI cable in, events out (MIDI 1.0 Detailed Specification 4.2). By value; allocates
 * nothing; any bytes are survived. */

enum tb_midi_kind {
    TB_MIDI_EVENT,   /* for the engine */
    TB_MIDI_PROGRAM, /* program change: program and bank */
    TB_MIDI_SYSEX,   /* a whole message F0 .. F7 */
};

struct tb_midi_item {
    enum tb_midi_kind kind;
    struct tb_event event; /* type, channel, key, id, value; source TB_SOURCE_MIDI */
    uint32_t program;      /* bank 0..16383 << 7 | program 0..127 */
    const uint8_t *sysex;  /* [size], valid during the call */
    size_t size;
};

typedef void tb_midi_sink(void *context, const struct tb_midi_item *item);

struct tb_midi_channel {
    uint16_t bank;       /* from controllers 0 and 32 */
    uint16_t rpn;        /* selected by 101 and 100; 0x3fff is none */
    uint8_t bend_range;  /* semitones, for data increment and decrement */
    uint8_t coarse[32];  /* last value of controllers 0..31 */
    uint32_t fine_known; /* bit n: controller n + 32 follows controller n on this channel */
};

struct tb_midi_parser {
    tb_midi_sink *sink;
    void *context;
    uint32_t only_channel; /* 0: all, 1..16 */
    uint8_t status;        /* running status, 0: none */
    uint8_t data[2], n_data;
    bool in_sysex, sysex_cut;
    uint8_t *sysex; /* [sysex_max], the caller's */
    size_t sysex_max, n_sysex;
    bool waiting; /* a coarse value waits for the fine one that has always followed it */
    uint8_t wait_channel, wait_controller;
    uint32_t rubbish;             /* bytes that made no sense, since init */
    uint32_t too_long;            /* system exclusive messages longer than sysex_max, since init */
    uint8_t mpe_lower, mpe_upper; /* member channels of the zones, from RPN 6 */
    struct tb_midi_channel channels[16];
};

/* sysex may be NULL with sysex_max 0: then system exclusive messages are skipped. */
void tb_midi_init(struct tb_midi_parser *p, tb_midi_sink *sink, void *context, uint8_t *sysex,
                  size_t sysex_max);

/* RT as long as the sink is. */
TB_RT void tb_midi_parse(struct tb_midi_parser *p, const uint8_t *bytes, size_t n);

/* RT. Nothing came for a moment: lets go of a coarse controller value that waits for its fine
 * part. Harmless at any time. */
TB_RT void tb_midi_flush(struct tb_midi_parser *p);

/* RT. The cable was pulled: forgets a message that has begun, keeps counters. */
TB_RT void tb_midi_reset(struct tb_midi_parser *p);

#endif
