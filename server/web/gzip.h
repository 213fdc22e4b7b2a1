/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_GZIP_H
#define TB_SERVER_WEB_GZIP_H

#include <stddef.h>

/* Any thread. New memory (malloc) with the gzip form of data[size]; NULL without memory. */
char *tb_gzip(const void *data, size_t size, size_t *packed);
/* The other way; max bounds the result. NULL when it is damaged or longer. */
char *tb_gunzip(const void *data, size_t size, size_t max, size_t *unpacked);

#endif
