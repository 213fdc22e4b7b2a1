/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_UPLOAD_H
#define TB_SERVER_WEB_UPLOAD_H

#include "db/store.h"
#include "server/formats/model_files.h"

#include <stdint.h>

enum { TB_UPLOAD_PATH = 640 };

/* A model, or a recording, on its way in: written into a file as it comes, hashed meanwhile, never
 * in memory as a whole. One thread at a time: HTTP while it comes, then a worker, then the store's.
 */
struct tb_upload {
    int fd;
    char path[TB_UPLOAD_PATH]; /* "" once the file has its name */
    const char *what;          /* "model", "recording" */
    uint64_t size;
    char sha256[TB_SHA256];
    struct tb_model model; /* what the check told */
};
struct tb_request;
struct tb_web;

/* expected: bytes, 0 unknown. NULL with *err: TB_EFULL when the disk has no room, TB_ENOMEM when
 * too many are on their way. */
struct tb_upload *tb_upload_begin(struct tb_web *web, uint64_t expected, struct tb_error *err);
/* The same for something else (`what`, for errors) into a file that was made for it; takes fd over,
 * and removes path, also on failure. */
struct tb_upload *tb_upload_adopt(int fd, const char *path, const char *what, struct tb_error *err);
/* Closes; removes the file unless it has its name. NULL is allowed. */
void tb_upload_free(struct tb_upload *upload);

enum tb_status tb_upload_write(struct tb_upload *upload, const void *data, size_t size,
                               struct tb_error *err);
/* Answers with what a client can make of it: a full disk is 507, a bad file 400. */
void tb_upload_answer(struct tb_request *request, const struct tb_error *err);

/* The last byte is there: syncs the file, which may take a second, and fills sha256. */
enum tb_status tb_upload_finish(struct tb_upload *upload, struct tb_error *err);

#endif
