/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/eval/png.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

enum { PALETTE_BYTES = 768, MAX_SIDE = 8192, WAV_HEADER = 44 };

static unsigned char *put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 3; i >= 0; i--)
        *at++ = (unsigned char)(value >> 8 * i);
    return at;
}

/* Length, name, data, checksum. */
static unsigned char *put_chunk(unsigned char *at, const char *name, const void *data, size_t size)
{
    at = put_u32(at, (uint32_t)size);
    unsigned char *start = at;
    memcpy(at, name, 4);
    at += 4;
    if (size > 0)
        memcpy(at, data, size);
    at += size;
    return put_u32(at, (uint32_t)crc32(crc32(0, NULL, 0), start, (uInt)(size + 4)));
}

/* Rows with the filter byte 0 before each, deflated. */
static unsigned char *pack_rows(const uint8_t *pixels, uint32_t width, uint32_t height,
                                uLongf *packed)
{
    const size_t plain = (size_t)height * (width + 1);
    unsigned char *rows = calloc(1, plain);
    *packed = compressBound((uLong)plain);
    unsigned char *out = malloc(*packed);
    for (uint32_t y = 0; rows && y < height; y++)
        memcpy(rows + (size_t)y * (width + 1) + 1, pixels + (size_t)y * width, width);
    if (!rows || !out || compress2(out, packed, rows, (uLong)plain, 9) != Z_OK) {
        free(out);
        out = NULL;
    }
    free(rows);
    return out;
}

void *tb_png(const uint8_t *pixels, uint32_t width, uint32_t height, const uint8_t palette[256][3],
             size_t *size)
{
    static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uLongf packed = 0;
    if (width < 1 || width > MAX_SIDE || height < 1 || height > MAX_SIDE)
        return NULL;
    unsigned char *data = pack_rows(pixels, width, height, &packed);
    unsigned char *png = data ? malloc(packed + PALETTE_BYTES + 128) : NULL;
    if (png) {
        unsigned char head[13] = {[8] = 8, [9] = 3}; /* 8 bits, palette */
        (void)put_u32(put_u32(head, width), height);
        memcpy(png, signature, sizeof signature);
        unsigned char *at = put_chunk(png + sizeof signature, "IHDR", head, sizeof head);
        at = put_chunk(at, "PLTE", palette, PALETTE_BYTES);
        at = put_chunk(at, "IDAT", data, packed);
        at = put_chunk(at, "IEND", NULL, 0);
        *size = (size_t)(at - png);
    }
    free(data);
    return png;
}

static void put_le(unsigned char *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

void *tb_wav16(const float *x, size_t n, uint32_t rate_hz, size_t *size)
{
    *size = WAV_HEADER + 2 * n;
    unsigned char *wav = n < (1U << 30) ? malloc(*size) : NULL;
    if (!wav)
        return NULL;
    memcpy(wav, "RIFF----WAVEfmt ", 16);
    put_le(wav + 4, (uint32_t)(*size - 8), 4);
    put_le(wav + 16, 16, 4);
    put_le(wav + 20, 1, 2); /* PCM */
    put_le(wav + 22, 1, 2); /* mono */
    put_le(wav + 24, rate_hz, 4);
    put_le(wav + 28, 2 * rate_hz, 4);
    put_le(wav + 32, 2, 2);
    put_le(wav + 34, 16, 2);
    memcpy(wav + 36, "data", 4);
    put_le(wav + 40, (uint32_t)(2 * n), 4);
    for (size_t i = 0; i < n; i++) {
        const float clipped = fmaxf(-1, fminf(1, x[i]));
        put_le(wav + WAV_HEADER + 2 * i, (uint32_t)(int32_t)lrintf(clipped * 32767), 2);
    }
    return wav;
}

char *tb_base64(const void *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = data;
    char *out = malloc((size + 2) / 3 * 4 + 1), *at = out;
    if (!out)
        return NULL;
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t bits = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)in[i + 2] : 0);
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[bits & 63] : '=';
    }
    *at = '\0';
    return out;
}
