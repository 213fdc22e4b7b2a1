/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_EVENT_H
#define TB_DSP_EVENT_H

#include <stdint.h>

/* What can be asked of the engine. Plain values, no pointers: it crosses processes in rings. */
enum tb_event_type {
    TB_EVENT_NONE,
    TB_EVENT_PARAM,         /* id = enum tb_param, value = natural value, already checked */
    TB_EVENT_NOTE_ON,       /* key 0..127, value = velocity 1..127 */
    TB_EVENT_NOTE_OFF,      /* key */
    TB_EVENT_BEND,          /* value -1..1 */
    TB_EVENT_CONTROLLER,    /* id = MIDI controller number 0..127, value 0..1 (14 bit kept) */
    TB_EVENT_PRESSURE,      /* channel aftertouch, value 0..1 */
    TB_EVENT_KEY_PRESSURE,  /* key, value 0..1 */
    TB_EVENT_ALL_NOTES_OFF, /* keys of this source go up, pedal included; source 0 = all */
    TB_EVENT_PANIC,         /* silence within 5 ms: every voice, every source */
    TB_N_EVENTS
};

/* Who plays. A note is known by (source, channel, key), so two players may hold the same key and
 * a lost connection takes only its own notes with it. */
enum {
    TB_SOURCE_ANY = 0,
    TB_SOURCE_MIDI = 1,
    TB_SOURCE_REST = 2,
    TB_SOURCE_INPUT = 3, /* the sound at the input */
    TB_SOURCE_FIRST_CLIENT = 16
};

struct tb_event {
    uint8_t type;    /* enum tb_event_type */
    uint8_t channel; /* MIDI channel 0..15 */
    uint8_t key;     /* 0..127 */
    uint8_t reserved;
    uint32_t source; /* TB_SOURCE_... or a client's number */
    uint16_t id;     /* parameter or controller */
    uint16_t offset; /* frames into the coming block; clamped to it */
    float value;
    uint64_t stamp_ns; /* CLOCK_MONOTONIC when it arrived, 0 unknown; for measuring only */
};

_Static_assert(sizeof(struct tb_event) == 24, "events are laid out alike in every role");

#endif
