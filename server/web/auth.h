/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_AUTH_H
#define TB_SERVER_WEB_AUTH_H

#include "base/error.h"
#include "db/store.h"
#include "server/web/request.h"

/* 128 random bits as URL-safe base64 without padding, terminated. */
enum { TB_TOKEN_TEXT = 23 };

/* Who may do what: the hashes of all tokens in memory, and how often each address guessed. */
struct tb_auth;

struct tb_auth *tb_auth_new(struct tb_error *err);
void tb_auth_free(struct tb_auth *auth);

/* Any thread with a connection. Reads all tokens again. */
enum tb_status tb_auth_reload(struct tb_auth *auth, struct tb_store *store, struct tb_error *err);
size_t tb_auth_count(struct tb_auth *auth);

/* Any thread. Role of a token from address ip. TB_EDENIED: no such token; TB_EFULL: five wrong ones
 * within a minute came from there, *retry_after_s tells how long to wait. A token that was right
 * from this address before stays right meanwhile. hash: of the token, for tb_auth_role; may be
 * NULL. */
enum tb_status tb_auth_check(struct tb_auth *auth, const char *token, const char *ip,
                             enum tb_role *role, unsigned *retry_after_s, uint8_t hash[32]);

/* Any thread. What the token of this hash may do now; TB_ROLE_OPEN: it was withdrawn. */
enum tb_role tb_auth_role(struct tb_auth *auth, const uint8_t hash[32]);

/* "play" to TB_ROLE_PLAY; TB_ROLE_OPEN when unknown. */
enum tb_role tb_role_find(const char *name);
const char *tb_role_name(enum tb_role role);

/* Makes a token with a role and a label, adds its hash and writes its text. Needs a transaction of
 * its caller. */
enum tb_status tb_token_make(struct tb_store *store, enum tb_role role, const char *label,
                             char out[TB_TOKEN_TEXT], int64_t *id, struct tb_error *err);

/* Command line: the same through a store connection of its own. */
enum tb_status tb_token_mint(const char *state_dir, enum tb_role role, const char *label,
                             char out[TB_TOKEN_TEXT], struct tb_error *err);

/* Before threads. Makes the token of the link printed at start, labelled "link TIME", and drops the
 * oldest such ones so that few remain. */
enum tb_status tb_token_mint_link(struct tb_store *store, char out[TB_TOKEN_TEXT],
                                  struct tb_error *err);

#endif
