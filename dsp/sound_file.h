/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_SOUND_FILE_H
#define TB_DSP_SOUND_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* A recording that becomes an input: any WAV of 8 to 192 kHz, any width and number of channels,
 * mixed to mono and brought to the rate of the engine. Values that are no numbers become 0. */
struct tb_sound {
    float *samples; /* [n], NULL when n is 0 */
    size_t n;
    uint32_t file_rate_hz, channels; /* as the file has it */
};

enum { TB_SOUND_MAX_SECONDS = 600 };

/* Control thread. TB_EINVAL for what is no WAV, has a rate out of bounds or no samples;
 * TB_ETOOLARGE beyond TB_SOUND_MAX_SECONDS; TB_EIO, TB_ENOMEM. *sound is empty then. rate_hz
 * 8000..192000. */
enum tb_status tb_sound_load(const char *path, uint32_t rate_hz, struct tb_sound *sound,
                             struct tb_error *err);
/* The same from memory. */
enum tb_status tb_sound_parse(const void *data, size_t size, uint32_t rate_hz,
                              struct tb_sound *sound, struct tb_error *err);
void tb_sound_free(struct tb_sound *sound);

#endif
