/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_STATE_LINK_CLIENT_H
#define TB_SERVER_STATE_LINK_CLIENT_H

#include "base/error.h"
#include "server/link.h"

#include <stddef.h>

/* The web role's end of the link: questions with their answers, and what the audio role says by
 * itself (system exclusive, ended jobs), on a thread of its own. */
struct tb_link_client;
struct tb_web;

/* lost() is called once on the link's thread when the audio role is gone. */
struct tb_link_client *tb_link_client_new(struct tb_web *web, int socket, void (*lost)(void),
                                          struct tb_error *err);
/* Any thread. The audio role is stopping and answers no more: who waits, or asks from now on, gets
 * TB_EIO at once. */
void tb_link_client_stop(struct tb_link_client *client);
void tb_link_client_free(struct tb_link_client *client);

struct tb_link_question {
    enum tb_link_type type;
    int64_t value;
    const void *payload;
    size_t size;
    int fd;         /* sent along, or -1; stays the caller's */
    int timeout_ms; /* 0: 3 s */
};

struct tb_link_answer {
    int64_t value;
    void *payload; /* owned by the caller, malloc; NULL when empty */
    size_t size;
};

/* Any thread but the link's. Waits for the answer; answer may be NULL. TB_EIO when the
 * audio role does not answer, else what it answered. */
enum tb_status tb_link_ask(struct tb_link_client *client, const struct tb_link_question *question,
                           struct tb_link_answer *answer, struct tb_error *err);

#endif
