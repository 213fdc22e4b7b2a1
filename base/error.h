/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_BASE_ERROR_H
#define TB_BASE_ERROR_H

/* What went wrong, once for the whole program. server/ maps a status to an HTTP code and a process
 * exit code in one table. */
enum tb_status {
    TB_OK = 0,
    TB_EINVAL,       /* the caller's input breaks a stated bound */
    TB_ENOTFOUND,    /* no such patch, bank, model, parameter ... */
    TB_ECONFLICT,    /* stale revision, busy, one at a time */
    TB_EDENIED,      /* not allowed for this role */
    TB_ETOOLARGE,    /* over a stated limit of size */
    TB_EFULL,        /* queue, table or disk is full */
    TB_ENOMEM,       /* allocation failed */
    TB_EIO,          /* the operating system refused a read or write */
    TB_ECORRUPT,     /* stored data breaks its own format */
    TB_EUNSUPPORTED, /* understood, but not offered on this machine */
    TB_N_STATUS
};

/* A status with a sentence for people: names the field and the bound, e.g.
 * "fm.op1.coarse: 64 is above 31". text is UTF-8, always terminated. */
struct tb_error {
    enum tb_status status;
    char text[160];
};

/* Any thread except audio. Fills *err (which may be NULL) and returns status, so that callers can
 * write `return tb_fail(err, TB_EINVAL, "...")`. printf-style. */
enum tb_status tb_fail(struct tb_error *err, enum tb_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
