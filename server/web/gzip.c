/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/gzip.h"

#include <stdlib.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16, LEVEL = 4 };

char *tb_gzip(const void *data, size_t size, size_t *packed)
{
    z_stream z = {0};
    if (deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    size_t bound = deflateBound(&z, size);
    char *out = malloc(bound);
    z.next_in = (Bytef *)(size_t)data;
    z.avail_in = (uInt)size;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)bound;
    int status = out ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
    *packed = z.total_out;
    (void)deflateEnd(&z);
    if (status == Z_STREAM_END)
        return out;
    free(out);
    return NULL;
}

char *tb_gunzip(const void *data, size_t size, size_t max, size_t *unpacked)
{
    z_stream z = {0};
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return NULL;
    char *out = malloc(max);
    z.next_in = (Bytef *)(size_t)data;
    z.avail_in = (uInt)size;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)max;
    int status = out ? inflate(&z, Z_FINISH) : Z_MEM_ERROR;
    *unpacked = z.total_out;
    (void)inflateEnd(&z);
    if (status == Z_STREAM_END)
        return out;
    free(out);
    return NULL;
}
