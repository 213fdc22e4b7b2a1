/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_WEB_ASSETS_H
#define TB_WEB_ASSETS_H

#include <stddef.h>

/* One file of the panel, as it is served: always gzipped (Content-Encoding: gzip). Constant data,
 * any thread. Made by web/build.mjs. */
struct tb_web_asset {
    const char *path;          /* "/", "/main.js", ...; a query after it only defeats caches */
    const char *content_type;  /* "text/javascript; charset=utf-8" */
    const char *etag;          /* strong, with its quotes; the same for the same content */
    const unsigned char *gzip; /* [size] */
    size_t size;               /* bytes */
};

/* Sorted by path. */
extern const struct tb_web_asset tb_web_assets[];
extern const size_t tb_n_web_assets;

#endif
