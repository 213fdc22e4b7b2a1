/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/auth.h"

#include "server/formats/patch_json.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_TOKENS = 256, MAX_ADDRESSES = 256, WRONG_PER_MINUTE = 5, KEEP_LINKS = 8 };

struct entry {
    uint8_t hash[32];
    enum tb_role role;
};

/* Where guesses come from. */
struct address {
    char ip[46];
    unsigned wrong;
    time_t since; /* CLOCK_MONOTONIC seconds of the first wrong one */
    time_t used;
    uint8_t good[32]; /* the last right token from there */
    bool has_good;
};

struct tb_auth {
    pthread_mutex_t mutex;
    struct entry entries[MAX_TOKENS];
    size_t n;
    struct address addresses[MAX_ADDRESSES];
};

static const char *const role_names[] = {"open", "read", "play", "admin"};

enum tb_role tb_role_find(const char *name)
{
    for (int i = TB_ROLE_READ; i <= TB_ROLE_ADMIN; i++)
        if (!strcmp(name, role_names[i]))
            return (enum tb_role)i;
    return TB_ROLE_OPEN;
}

const char *tb_role_name(enum tb_role role)
{
    return role_names[role];
}

struct tb_auth *tb_auth_new(struct tb_error *err)
{
    if (sodium_init() < 0) {
        (void)tb_fail(err, TB_EIO, "libsodium does not start");
        return NULL;
    }
    struct tb_auth *auth = calloc(1, sizeof *auth);
    if (!auth || pthread_mutex_init(&auth->mutex, NULL)) {
        free(auth);
        (void)tb_fail(err, TB_ENOMEM, "no memory for tokens");
        return NULL;
    }
    return auth;
}

void tb_auth_free(struct tb_auth *auth)
{
    if (!auth)
        return;
    (void)pthread_mutex_destroy(&auth->mutex);
    free(auth);
}

enum tb_status tb_auth_reload(struct tb_auth *auth, struct tb_store *store, struct tb_error *err)
{
    struct tb_token *tokens = NULL;
    size_t n = 0;
    enum tb_status status = tb_token_list(store, &tokens, &n, err);
    if (status != TB_OK)
        return status;
    (void)pthread_mutex_lock(&auth->mutex);
    auth->n = 0;
    for (size_t i = 0; i < n && auth->n < MAX_TOKENS; i++) {
        struct entry *e = &auth->entries[auth->n];
        e->role = tb_role_find(tokens[i].role);
        memcpy(e->hash, tokens[i].hash, sizeof e->hash);
        auth->n += e->role != TB_ROLE_OPEN;
    }
    for (size_t i = 0; i < MAX_ADDRESSES; i++)
        auth->addresses[i].has_good = false;
    (void)pthread_mutex_unlock(&auth->mutex);
    free(tokens);
    return TB_OK;
}

size_t tb_auth_count(struct tb_auth *auth)
{
    (void)pthread_mutex_lock(&auth->mutex);
    size_t n = auth->n;
    (void)pthread_mutex_unlock(&auth->mutex);
    return n;
}

static time_t now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* The entry of ip, else the least recently used one, emptied. */
static struct address *find_address(struct tb_auth *auth, const char *ip, time_t now)
{
    struct address *oldest = &auth->addresses[0];
    for (size_t i = 0; i < MAX_ADDRESSES; i++) {
        struct address *a = &auth->addresses[i];
        if (!strcmp(a->ip, ip)) {
            a->used = now;
            return a;
        }
        if (a->used < oldest->used)
            oldest = a;
    }
    *oldest = (struct address){.used = now};
    (void)strncpy(oldest->ip, ip, sizeof oldest->ip - 1);
    return oldest;
}

static enum tb_role role_of(const struct tb_auth *auth, const uint8_t hash[32])
{
    enum tb_role role = TB_ROLE_OPEN;
    for (size_t i = 0; i < auth->n; i++) /* no early end: the time tells nothing */
        if (sodium_memcmp(auth->entries[i].hash, hash, 32) == 0)
            role = auth->entries[i].role;
    return role;
}

enum tb_role tb_auth_role(struct tb_auth *auth, const uint8_t hash[32])
{
    (void)pthread_mutex_lock(&auth->mutex);
    enum tb_role role = role_of(auth, hash);
    (void)pthread_mutex_unlock(&auth->mutex);
    return role;
}

enum tb_status tb_auth_check(struct tb_auth *auth, const char *token, const char *ip,
                             enum tb_role *role, unsigned *retry_after_s, uint8_t out[32])
{
    uint8_t hash[32];
    (void)crypto_hash_sha256(hash, (const unsigned char *)token, strlen(token));
    if (out)
        memcpy(out, hash, sizeof hash);
    time_t now = now_s();
    enum tb_status status = TB_OK;
    (void)pthread_mutex_lock(&auth->mutex);
    struct address *a = find_address(auth, ip, now);
    if (a->wrong && now - a->since >= 60)
        a->wrong = 0;
    bool known = a->has_good && sodium_memcmp(a->good, hash, sizeof hash) == 0;
    if (a->wrong >= WRONG_PER_MINUTE && !known) {
        *retry_after_s = (unsigned)(60 - (now - a->since));
        status = TB_EFULL;
    } else if ((*role = role_of(auth, hash)) == TB_ROLE_OPEN) {
        if (a->wrong++ == 0)
            a->since = now;
        status = TB_EDENIED;
    } else {
        memcpy(a->good, hash, sizeof hash);
        a->has_good = true;
    }
    (void)pthread_mutex_unlock(&auth->mutex);
    return status;
}

enum tb_status tb_token_make(struct tb_store *store, enum tb_role role, const char *label,
                             char out[TB_TOKEN_TEXT], int64_t *id, struct tb_error *err)
{
    uint8_t bytes[16];
    randombytes_buf(bytes, sizeof bytes);
    (void)sodium_bin2base64(out, TB_TOKEN_TEXT, bytes, sizeof bytes,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof bytes);
    struct tb_token token = {0};
    (void)crypto_hash_sha256(token.hash, (const unsigned char *)out, strlen(out));
    (void)strncpy(token.role, role_names[role], sizeof token.role - 1);
    enum tb_status status =
        tb_text_field("label", label, token.label, sizeof token.label, false, err);
    if (status == TB_OK)
        status = tb_token_add(store, &token, err);
    if (id)
        *id = token.id;
    return status;
}

enum tb_status tb_token_mint(const char *state_dir, enum tb_role role, const char *label,
                             char out[TB_TOKEN_TEXT], struct tb_error *err)
{
    if (sodium_init() < 0)
        return tb_fail(err, TB_EIO, "libsodium does not start");
    struct tb_store *store = tb_store_open(state_dir, TB_STORE_WRITE, NULL, err);
    if (!store)
        return err ? err->status : TB_EIO;
    enum tb_status status = tb_store_begin(store, err);
    if (status == TB_OK) {
        status = tb_token_make(store, role, label, out, NULL, err);
        if (status == TB_OK)
            status = tb_store_commit(store, err);
        else
            tb_store_rollback(store);
    }
    tb_store_close(store);
    return status;
}

/* Deletes the oldest tokens labelled "link ..." until fewer than KEEP_LINKS are left. */
static enum tb_status drop_old_links(struct tb_store *store, struct tb_error *err)
{
    struct tb_token *tokens = NULL;
    size_t n = 0, links = 0;
    enum tb_status status = tb_token_list(store, &tokens, &n, err);
    if (status != TB_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        links += !strncmp(tokens[i].label, "link ", 5);
    while (links >= KEEP_LINKS && status == TB_OK) {
        struct tb_token *oldest = NULL;
        for (size_t i = 0; i < n; i++)
            if (!strncmp(tokens[i].label, "link ", 5) &&
                (!oldest || tokens[i].created < oldest->created ||
                 (tokens[i].created == oldest->created && tokens[i].id < oldest->id)))
                oldest = &tokens[i];
        if (!oldest)
            break;
        status = tb_token_delete(store, oldest->id, err);
        oldest->label[0] = '\0';
        links--;
    }
    free(tokens);
    return status;
}

enum tb_status tb_token_mint_link(struct tb_store *store, char out[TB_TOKEN_TEXT],
                                  struct tb_error *err)
{
    char label[TB_NAME];
    time_t now = time(NULL);
    struct tm tm;
    (void)gmtime_r(&now, &tm);
    (void)strftime(label, sizeof label, "link %Y-%m-%d %H:%M UTC", &tm);
    enum tb_status status = tb_store_begin(store, err);
    if (status != TB_OK)
        return status;
    status = drop_old_links(store, err);
    if (status == TB_OK)
        status = tb_token_make(store, TB_ROLE_ADMIN, label, out, NULL, err);
    if (status == TB_OK)
        return tb_store_commit(store, err);
    tb_store_rollback(store);
    return status;
}
