/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_MIDI_MESSAGE_H
#define TB_SERVER_AUDIO_MIDI_MESSAGE_H

#include "dsp/event.h"
#include "dsp/telemetry.h"

/* From the MIDI thread to the audio thread: an event for the engine, or, when event.type is
 * TB_EVENT_NONE, a notice for the rest of the house (a program change). */
struct tb_midi_message {
    struct tb_event event;
    struct tb_notice notice;
};

#endif
