/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_MIDI_IN_H
#define TB_SERVER_AUDIO_MIDI_IN_H

#include "base/error.h"
#include "server/audio/audio_thread.h"
#include "server/config.h"

/* MIDI from outside: raw devices, FIFOs and ptys named by the configuration, and the ALSA
 * sequencer where the kernel has one. One thread waits for all of them. */
struct tb_midi_in;

/* Main thread. What is not there yet is looked for twice a second. */
struct tb_midi_in *tb_midi_in_start(const struct tb_config *config, struct tb_audio_thread *audio,
                                    struct tb_error *err);
void tb_midi_in_stop(struct tb_midi_in *midi);

/* Main thread. A socket that gives one system exclusive message (F0 .. F7, at most TB_LINK_MAX
 * bytes) a read; unread ones wait there, and when it is full further ones are dropped. */
int tb_midi_in_sysex_fd(const struct tb_midi_in *midi);

#endif
