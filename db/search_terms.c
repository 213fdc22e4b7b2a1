/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <stdlib.h>
#include <string.h>

/* Sets of patch ids for the terms of searches, kept while nothing changes: who types asks for the
 * same words again and again, with one letter more, on the next page, in another order. One pass
 * over the text index finds all matches of a term, and which have it in the name (measured for a
 * letter that is in all of 100,000 patches: 5 ms; a second pass for the names took 3 more, and two
 * such letters in one expression 10). */
enum { MAX_ID = 1 << 27, CACHE_BYTES = 4 << 20, FACET_COLUMN = 5, INDEXED_PREFIX = 3 };

void tb_hits_free(struct tb_hits *hits)
{
    free(hits->bits);
    memset(hits, 0, sizeof *hits);
}

static bool hits_has(const struct tb_hits *hits, int64_t id)
{
    size_t word = (size_t)id / 64;
    return id >= 0 && word < hits->n_words && hits->bits[word] >> (id % 64) & 1;
}

bool tb_hits_add(struct tb_hits *hits, int64_t id)
{
    size_t word = (size_t)id / 64;
    if (id < 0 || id > MAX_ID)
        return false;
    if (word >= hits->n_words) {
        size_t n_words = hits->n_words ? hits->n_words : 256;
        while (n_words <= word)
            n_words *= 2;
        uint64_t *bits = realloc(hits->bits, n_words * sizeof *bits);
        if (!bits)
            return false;
        memset(bits + hits->n_words, 0, (n_words - hits->n_words) * sizeof *bits);
        hits->bits = bits;
        hits->n_words = n_words;
    }
    hits->bits[word] |= (uint64_t)1 << (id % 64);
    hits->count++;
    return true;
}

bool tb_hits_copy(struct tb_hits *to, const struct tb_hits *from)
{
    *to = (struct tb_hits){0};
    if (from->n_words == 0)
        return true;
    to->bits = malloc(from->n_words * sizeof *to->bits);
    if (!to->bits)
        return false;
    memcpy(to->bits, from->bits, from->n_words * sizeof *to->bits);
    to->n_words = from->n_words;
    to->count = from->count;
    return true;
}

void tb_hits_combine(struct tb_hits *hits, const struct tb_hits *other, bool keep)
{
    hits->count = 0;
    for (size_t i = 0; i < hits->n_words; i++) {
        uint64_t bits = i < other->n_words ? other->bits[i] : 0;
        hits->bits[i] &= keep ? bits : ~bits;
        hits->count += (size_t)__builtin_popcountll(hits->bits[i]);
    }
}

/* ---- what SQL calls */

/* One match of a term, a single phrase. Columns count from the name; a word that is only found
 * among the facets is none. */
static int take(const Fts5ExtensionApi *api, Fts5Context *context, void *arg)
{
    struct tb_term *term = arg;
    Fts5PhraseIter at;
    int column = -1;
    int fault = api->xPhraseFirstColumn(context, 0, &at, &column);
    if (fault || (column == FACET_COLUMN) != term->facet)
        return fault;
    int64_t id = api->xRowid(context);
    bool taken = tb_hits_add(&term->hits, id) && (column != 0 || tb_hits_add(&term->named, id));
    return taken ? SQLITE_OK : SQLITE_NOMEM;
}

/* Called for the first match, and, unless the result is true, for each further one. What the index
 * answers quickly is asked for once more in a loop of the library's own, at half the cost of a row
 * of SQL; the answer to a long prefix is put together at the start, which should not happen twice.
 */
static void collect(const Fts5ExtensionApi *api, Fts5Context *context, sqlite3_context *result,
                    int n, sqlite3_value **args)
{
    const struct tb_store *store = api->xUserData(context);
    struct tb_term *term = store->collecting;
    (void)n;
    (void)args;
    int fault = !term         ? SQLITE_MISUSE
                : term->quick ? api->xQueryPhrase(context, 0, term, take)
                              : take(api, context, term);
    if (fault)
        sqlite3_result_error_code(result, fault);
    else
        sqlite3_result_int(result, term->quick);
}

static void hit(sqlite3_context *context, int n, sqlite3_value **args)
{
    const struct tb_store *store = sqlite3_user_data(context);
    (void)n;
    sqlite3_result_int(context, store->hits && hits_has(store->hits, sqlite3_value_int64(args[0])));
}

static fts5_api *find_fts5(sqlite3 *db)
{
    fts5_api *api = NULL;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &stmt, NULL) == SQLITE_OK) {
        (void)sqlite3_bind_pointer(stmt, 1, (void *)&api, "fts5_api_ptr", NULL);
        (void)sqlite3_step(stmt);
    }
    (void)sqlite3_finalize(stmt);
    return api;
}

enum tb_status tb_search_register(struct tb_store *store, struct tb_error *err)
{
    static const char *options[] = {"remove_diacritics", "2"}; /* as the migration says */
    void *context = NULL;
    fts5_api *api = find_fts5(store->db);
    if (!api)
        return tb_fail(err, TB_EUNSUPPORTED, "SQLite has no full-text search (FTS5)");
    if (sqlite3_create_function(store->db, "tb_hit", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, store, hit,
                                NULL, NULL) ||
        api->xCreateFunction(api, "tb_collect", store, collect, NULL) ||
        api->xFindTokenizer(api, "unicode61", &context, &store->tokenizer) ||
        store->tokenizer.xCreate(context, options, 2, &store->tokens))
        return tb_db_fault(store->db, "database", err);
    return TB_OK;
}

static int token_found(void *found, int flags, const char *token, int n, int start, int end)
{
    (void)flags, (void)token, (void)n, (void)start, (void)end;
    *(bool *)found = true;
    return SQLITE_DONE;
}

bool tb_term_has_token(struct tb_store *store, const char *word, size_t n)
{
    bool found = false;
    (void)store->tokenizer.xTokenize(store->tokens, &found, FTS5_TOKENIZE_QUERY, word, (int)n,
                                     token_found);
    return found;
}

/* ---- the cache */

static void forget(struct tb_term *term)
{
    tb_hits_free(&term->hits);
    tb_hits_free(&term->named);
    free(term->match);
    memset(term, 0, sizeof *term);
}

void tb_terms_forget(struct tb_store *store)
{
    for (size_t i = 0; i < TB_MAX_TERMS; i++)
        forget(&store->terms[i]);
}

void tb_terms_free(struct tb_store *store)
{
    tb_terms_forget(store);
    if (store->tokens)
        store->tokenizer.xDelete(store->tokens);
    store->tokens = NULL;
}

void tb_terms_begin(struct tb_store *store, bool committed)
{
    uint64_t version = committed ? tb_store_version(store) : 0;
    if (!committed || version != store->terms_version)
        tb_terms_forget(store);
    store->terms_version = version;
}

static size_t bytes_of(const struct tb_term *term)
{
    return (term->hits.n_words + term->named.n_words) * sizeof *term->hits.bits;
}

/* An empty place, after the terms that were used least recently have made room. */
static struct tb_term *find_place(struct tb_store *store)
{
    for (;;) {
        struct tb_term *empty = NULL, *oldest = NULL;
        size_t bytes = 0;
        for (size_t i = 0; i < TB_MAX_TERMS; i++) {
            struct tb_term *term = &store->terms[i];
            bytes += bytes_of(term);
            if (!term->match)
                empty = term;
            else if (!oldest || term->used < oldest->used)
                oldest = term;
        }
        if (empty && (bytes < CACHE_BYTES || !oldest))
            return empty;
        if (oldest)
            forget(oldest);
    }
}

enum tb_status tb_term_find(struct tb_store *store, const char *match, const struct tb_term **term,
                            struct tb_error *err)
{
    for (size_t i = 0; i < TB_MAX_TERMS; i++) {
        struct tb_term *t = &store->terms[i];
        if (!t->match || strcmp(t->match, match) != 0)
            continue;
        t->used = ++store->terms_used;
        *term = t;
        return TB_OK;
    }
    struct tb_term *t = find_place(store);
    *t = (struct tb_term){.match = strdup(match),
                          .facet = !strncmp(match, TB_TERM_FACET, sizeof TB_TERM_FACET - 1),
                          .used = ++store->terms_used};
    t->quick = t->facet || strlen(match) <= sizeof "\"\" *" - 1 + INDEXED_PREFIX;
    sqlite3_stmt *stmt = tb_db_prepare(
        store, "SELECT 1 FROM patch_text WHERE patch_text MATCH ?1 AND tb_collect(patch_text)",
        err);
    if (!stmt || !t->match) {
        forget(t);
        return stmt ? tb_fail(err, TB_ENOMEM, "no memory for the search") : tb_db_failed(store);
    }
    tb_db_bind(stmt, 1, match);
    store->collecting = t;
    enum tb_status status = tb_db_step(store, stmt, err);
    store->collecting = NULL;
    (void)sqlite3_reset(stmt);
    *term = t;
    if (status == TB_OK || status == TB_ENOTFOUND)
        return TB_OK;
    forget(t);
    return status;
}
