/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_PITCH_MIDI_H
#define TB_SERVER_AUDIO_PITCH_MIDI_H

#include "base/error.h"
#include "server/shm.h"

/* The pitch of the input as MIDI on channel 1: note on and off, and pitch bend within a note, for a
 * bend range of two semitones. */
struct tb_pitch_notes {
    int key;      /* -1: none sounds */
    int bend;     /* 0..16383 as last told */
    int next_key; /* what a glide may become, for `steady` looks in a row */
    int steady;
    int silent; /* looks without a pitch in a row */
};

enum { TB_PITCH_NOTES_BYTES = 12 };

/* Any thread. What is heard now, every 4 ms: writes up to TB_PITCH_NOTES_BYTES of MIDI to out and
 * returns how many. open: louder than the gate. Starts with key -1 and all else 0. */
size_t tb_pitch_notes(struct tb_pitch_notes *notes, float f0_hz, float level_db, bool open,
                      unsigned char *out);

/* A thread that looks at what the engine hears and writes it to `path`: a raw device, FIFO, pty or
 * file. What a slow reader does not take is dropped. */
struct tb_pitch_midi;

/* Main thread. NULL with *err naming the path. */
struct tb_pitch_midi *tb_pitch_midi_start(const char *path, const struct tb_shm *shm,
                                          struct tb_error *err);
void tb_pitch_midi_stop(struct tb_pitch_midi *midi); /* ends its note; NULL is allowed */

#endif
