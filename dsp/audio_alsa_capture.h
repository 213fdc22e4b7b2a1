/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_AUDIO_ALSA_CAPTURE_H
#define TB_DSP_AUDIO_ALSA_CAPTURE_H

#include "dsp/audio.h"

/* What an ALSA device hears, beside one that plays. The output keeps the time: a reader takes what
 * has come, however much that is, so two clocks that drift apart cost a few samples of the input
 * now and then and nothing else. The streams are not linked for the same reason: of linked streams
 * an overrun of one stops both. */
struct tb_capture;

/* Control thread. Opens PCM `name` at the rate of `output` and near its block. NULL with *err. */
struct tb_capture *tb_capture_open(const char *name, const struct tb_audio *output,
                                   struct tb_error *err);
void tb_capture_close(struct tb_capture *capture);             /* NULL is allowed */
const char *tb_capture_text(const struct tb_capture *capture); /* for people */

/* Audio thread. As read of struct tb_audio_driver: never waits; the mean of the first two
 * channels. After a pause of the reader the oldest is dropped. */
uint32_t tb_capture_read(struct tb_capture *capture, float *mono, uint32_t max);

#endif
