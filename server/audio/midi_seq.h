/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_MIDI_SEQ_H
#define TB_SERVER_AUDIO_MIDI_SEQ_H

#include "dsp/midi_parse.h"

#include <poll.h>

/* The client "timbred" of the ALSA sequencer, with one port "in" that connects itself to hardware:
 * to what is there and to what is plugged in later. MIDI thread only. */
struct tb_midi_seq;

/* NULL where the kernel has no sequencer, or it may not be used. */
struct tb_midi_seq *tb_midi_seq_open(void);
void tb_midi_seq_close(struct tb_midi_seq *seq);

/* At most max entries to wait for; returns how many. */
size_t tb_midi_seq_poll(struct tb_midi_seq *seq, struct pollfd *fds, size_t max);

/* Whatever has come, through the parser. */
void tb_midi_seq_read(struct tb_midi_seq *seq, struct tb_midi_parser *parser);

#endif
