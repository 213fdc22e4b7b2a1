/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_EVAL_PNG_H
#define TB_MODELS_EVAL_PNG_H

#include <stddef.h>
#include <stdint.h>

/* Pictures and sounds as text inside a page. Ordinary threads. */

/* A PNG of width x height pixels, each an index into a palette of up to 256 colours. Malloced,
 * *size bytes; NULL without memory or when a side is 0 or above 8192. */
void *tb_png(const uint8_t *pixels, uint32_t width, uint32_t height, const uint8_t palette[256][3],
             size_t *size);

/* A mono WAV of 16 bits, clipped at full scale. Malloced; NULL without memory. */
void *tb_wav16(const float *x, size_t n, uint32_t rate_hz, size_t *size);

/* Base64 with padding, terminated. Malloced; NULL without memory. */
char *tb_base64(const void *data, size_t size);

#endif
