/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/upload.h"

#include "server/web/request.h"
#include "server/web/web.h"

#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_UPLOADS = 4 };

struct upload {
    struct tb_upload public; /* first */
    crypto_hash_sha256_state hash;
};

static _Atomic int under_way;

static struct upload *reserve(const char *what, struct tb_error *err)
{
    if (atomic_fetch_add(&under_way, 1) >= MAX_UPLOADS) {
        (void)atomic_fetch_sub(&under_way, 1);
        (void)tb_fail(err, TB_ENOMEM, "%s: %d uploads are on their way already", what, MAX_UPLOADS);
        return NULL;
    }
    struct upload *u = calloc(1, sizeof *u);
    if (u) {
        (void)crypto_hash_sha256_init(&u->hash);
        u->public.fd = -1;
        u->public.what = what;
        return u;
    }
    (void)tb_fail(err, TB_ENOMEM, "%s: no memory", what);
    (void)atomic_fetch_sub(&under_way, 1);
    return NULL;
}

struct tb_upload *tb_upload_begin(struct tb_web *web, uint64_t expected, struct tb_error *err)
{
    char path[TB_MODEL_PATH];
    struct upload *u = reserve("model", err);
    if (!u)
        return NULL;
    u->public.fd = tb_model_files_new(web->config.state_dir, expected, path, err);
    if (u->public.fd >= 0) {
        memcpy(u->public.path, path, sizeof path);
        return &u->public;
    }
    tb_upload_free(&u->public);
    return NULL;
}

struct tb_upload *tb_upload_adopt(int fd, const char *path, const char *what, struct tb_error *err)
{
    struct upload *u = reserve(what, err);
    if (!u) {
        (void)close(fd);
        (void)unlink(path);
        return NULL;
    }
    u->public.fd = fd;
    (void)snprintf(u->public.path, sizeof u->public.path, "%s", path);
    return &u->public;
}

void tb_upload_free(struct tb_upload *upload)
{
    if (!upload)
        return;
    if (upload->fd >= 0)
        (void)close(upload->fd);
    if (upload->path[0])
        (void)unlink(upload->path);
    free(upload);
    (void)atomic_fetch_sub(&under_way, 1);
}

static enum tb_status failed(const struct tb_upload *upload, int why, struct tb_error *err)
{
    return tb_fail(err, why == ENOSPC || why == EDQUOT ? TB_EFULL : TB_EIO,
                   "%s: cannot be written: %s", upload->what, strerror(why));
}

enum tb_status tb_upload_write(struct tb_upload *upload, const void *data, size_t size,
                               struct tb_error *err)
{
    struct upload *u = (struct upload *)upload;
    (void)crypto_hash_sha256_update(&u->hash, data, size);
    for (const char *at = data; size > 0;) {
        ssize_t n = write(upload->fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return failed(upload, n < 0 ? errno : ENOSPC, err);
        at += n;
        size -= (size_t)n;
        upload->size += (uint64_t)n;
    }
    return TB_OK;
}

void tb_upload_answer(struct tb_request *request, const struct tb_error *err)
{
    if (err->status == TB_EFULL)
        tb_answer_problem(request, 507, "%s", err->text);
    else if (err->status == TB_ECORRUPT)
        tb_answer_problem(request, 400, "%s", err->text);
    else
        tb_answer_error(request, err);
}

enum tb_status tb_upload_finish(struct tb_upload *upload, struct tb_error *err)
{
    struct upload *u = (struct upload *)upload;
    unsigned char hash[crypto_hash_sha256_BYTES];
    if (fsync(upload->fd) != 0)
        return failed(upload, errno, err);
    (void)crypto_hash_sha256_final(&u->hash, hash);
    (void)sodium_bin2hex(upload->sha256, sizeof upload->sha256, hash, sizeof hash);
    return TB_OK;
}
