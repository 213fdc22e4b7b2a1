/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One pass over the text index collects the ids of all matches into a set, which gives the exact
 * total; then either the index of the wanted order is walked and each id looked up in the set (many
 * matches), or the few matches are sorted. Plain joins and sorts took 11 to 17 ms for 100,000
 * matches of 100,000 patches and bm25 100 ms. */
enum { MAX_WORDS = 16, MAX_TEXT = 256, MATCH_BYTES = 4096, MAX_ID = 1 << 27, MAX_LIMIT = 500 };

static void hits_free(struct tb_hits *hits)
{
    free(hits->bits);
    memset(hits, 0, sizeof *hits);
}

static bool hits_has(const struct tb_hits *hits, int64_t id)
{
    size_t word = (size_t)id / 64;
    return id >= 0 && word < hits->n_words && hits->bits[word] >> (id % 64) & 1;
}

static bool hits_add(struct tb_hits *hits, int64_t id)
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

static void hits_combine(struct tb_hits *hits, const struct tb_hits *other, bool keep)
{
    hits->count = 0;
    for (size_t i = 0; i < hits->n_words; i++) {
        uint64_t bits = i < other->n_words ? other->bits[i] : 0;
        hits->bits[i] &= keep ? bits : ~bits;
        hits->count += (size_t)__builtin_popcountll(hits->bits[i]);
    }
}

static void collect_step(sqlite3_context *context, int n, sqlite3_value **args)
{
    struct tb_store *store = sqlite3_user_data(context);
    (void)n;
    if (!store->collecting || !hits_add(store->collecting, sqlite3_value_int64(args[0])))
        sqlite3_result_error_nomem(context);
}

static void collect_final(sqlite3_context *context)
{
    sqlite3_result_null(context);
}

static void hit(sqlite3_context *context, int n, sqlite3_value **args)
{
    const struct tb_store *store = sqlite3_user_data(context);
    (void)n;
    sqlite3_result_int(context, store->hits && hits_has(store->hits, sqlite3_value_int64(args[0])));
}

enum tb_status tb_search_register(struct tb_store *store, struct tb_error *err)
{
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    if (sqlite3_create_function(store->db, "tb_collect", 1, flags, store, NULL, collect_step,
                                collect_final) ||
        sqlite3_create_function(store->db, "tb_hit", 1, flags, store, hit, NULL, NULL))
        return tb_db_fault(store->db, "database", err);
    return TB_OK;
}

struct writer {
    char *text;
    size_t size, at;
};

static void put(struct writer *w, const char *text)
{
    size_t n = strlen(text);
    if (w->at + n < w->size) {
        memcpy(w->text + w->at, text, n + 1);
        w->at += n;
    }
}

/* "word" * for each word with anything to look for in it: whatever users type is only text here. */
static size_t put_words(struct writer *w, const char *text)
{
    size_t n_words = 0;
    while (*text && n_words < MAX_WORDS) {
        text += strspn(text, " \t\r\n");
        size_t n = strcspn(text, " \t\r\n");
        bool any = false;
        for (size_t i = 0; i < n; i++)
            any = any || isalnum((unsigned char)text[i]) || (unsigned char)text[i] >= 0x80;
        if (any) {
            put(w, n_words++ ? " AND \"" : "\"");
            for (size_t i = 0; i < n; i++) {
                char one[3] = {text[i], text[i] == '"' ? '"' : '\0', '\0'};
                put(w, one);
            }
            put(w, "\" *");
        }
        text += n;
    }
    return n_words;
}

static void put_facet(struct writer *w, char kind, const char *text)
{
    put(w, w->at ? " AND facet : \"" : "facet : \"");
    char one[3] = {kind, '\0', '\0'};
    put(w, one);
    for (; *text; text++) {
        (void)snprintf(one, sizeof one, "%02x", (unsigned)tb_db_fold(*text));
        put(w, one);
    }
    put(w, "\"");
}

/* The whole match expression, "" where the query asks for nothing; columns: where words may be. */
static size_t make_match(const struct tb_patch_query *q, const char *columns, char *text,
                         size_t size)
{
    struct writer w = {text, size, 0};
    char words[MATCH_BYTES / 2];
    struct writer inner = {words, sizeof words, 0};
    size_t n_words = q->text ? put_words(&inner, q->text) : 0;
    text[0] = '\0';
    if (n_words) {
        put(&w, columns);
        put(&w, " : (");
        put(&w, words);
        put(&w, ")");
    }
    if (q->category && q->category[0])
        put_facet(&w, 'c', q->category);
    if (q->tag && q->tag[0])
        put_facet(&w, 't', q->tag);
    if (q->favourite)
        put_facet(&w, 'f', "");
    return n_words;
}

static enum tb_status collect(struct tb_store *store, const char *sql, const char *text,
                              struct tb_hits *hits, struct tb_error *err)
{
    memset(hits, 0, sizeof *hits);
    sqlite3_stmt *stmt = tb_db_prepare(store, sql, err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, text);
    store->collecting = hits;
    enum tb_status status = tb_db_step(store, stmt, err);
    store->collecting = NULL;
    (void)sqlite3_reset(stmt);
    if (status)
        hits_free(hits);
    return status;
}

static const char collect_text[] =
    "SELECT tb_collect(rowid) FROM patch_text WHERE patch_text MATCH ?1";
static const char collect_bank[] =
    "SELECT tb_collect(patch_id) FROM (SELECT DISTINCT patch_id FROM bank_patch JOIN bank "
    "ON bank.id = bank_id WHERE uuid = ?1)";

/* Each order: walking its index, or sorting few; ?1 limit, ?2 offset, ?3 ids as JSON. */
#define WALK(ORDER) "SELECT " TB_PATCH_COLUMNS " FROM patch " ORDER " LIMIT ?1 OFFSET ?2"
#define WALK_HITS(ORDER)                                                                           \
    "SELECT " TB_PATCH_COLUMNS " FROM patch WHERE tb_hit(id) " ORDER " LIMIT ?1 OFFSET ?2"
#define SORT(ORDER)                                                                                \
    "SELECT " TB_PATCH_COLUMNS " FROM patch WHERE id IN (SELECT value FROM json_each(?3)) " ORDER  \
    " LIMIT ?1 OFFSET ?2"
#define BOTH(NAME, UP, DOWN)                                                                       \
    {                                                                                              \
        NAME, {WALK(UP), WALK(DOWN)}, {WALK_HITS(UP), WALK_HITS(DOWN)},                            \
        {                                                                                          \
            SORT(UP), SORT(DOWN)                                                                   \
        }                                                                                          \
    }
struct order {
    const char *name;
    const char *all[2], *walk[2], *sort[2];
};
static const struct order orders[] = {
    BOTH("name", "ORDER BY name COLLATE NOCASE, id", "ORDER BY name COLLATE NOCASE DESC, id DESC"),
    BOTH("category", "ORDER BY category COLLATE NOCASE, name COLLATE NOCASE, id",
         "ORDER BY category COLLATE NOCASE DESC, name COLLATE NOCASE DESC, id DESC"),
    BOTH("created", "ORDER BY created, id", "ORDER BY created DESC, id DESC"),
    BOTH("updated", "ORDER BY updated, id", "ORDER BY updated DESC, id DESC"),
};

static const char by_bank[] =
    "SELECT " TB_PATCH_COLUMNS " FROM (SELECT patch_id, min(position) AS place FROM bank_patch "
    "JOIN bank ON bank.id = bank_id WHERE bank.uuid = ?3 GROUP BY patch_id) JOIN patch ON "
    "patch.id = patch_id WHERE tb_hit(patch_id) ORDER BY place LIMIT ?1 OFFSET ?2";

struct page {
    struct tb_patch *patches;
    size_t n, capacity;
};

static enum tb_status fill_page(struct tb_store *store, const char *sql, const char *third,
                                size_t offset, struct page *page, struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(store, sql, err);
    if (!stmt)
        return tb_db_failed(store);
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)(page->capacity - page->n));
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)offset);
    if (third)
        tb_db_bind(stmt, 3, third);
    enum tb_status status = TB_ENOTFOUND;
    while (page->n < page->capacity && (status = tb_db_step(store, stmt, err)) == TB_OK) {
        memset(&page->patches[page->n], 0, sizeof page->patches[0]);
        tb_patch_row(stmt, &page->patches[page->n++]);
    }
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
    return status == TB_ENOTFOUND ? TB_OK : status;
}

static char *ids_as_json(const struct tb_hits *hits)
{
    const size_t size = hits->count * 11 + 3;
    char *text = malloc(size);
    if (!text)
        return NULL;
    size_t at = 0;
    text[at++] = '[';
    for (size_t i = 0; i < hits->n_words; i++) {
        for (uint64_t bits = hits->bits[i]; bits; bits &= bits - 1)
            at += (size_t)snprintf(text + at, size - at, "%s%zu", at > 1 ? "," : "",
                                   i * 64 + (size_t)__builtin_ctzll(bits));
    }
    text[at++] = ']';
    text[at] = '\0';
    return text;
}

static enum tb_status fill_from_hits(struct tb_store *store, const struct order *order, bool down,
                                     size_t offset, struct page *page, struct tb_error *err)
{
    /* Measured: about 0.2 us a step of the walk, 1.5 us a sorted match. */
    const struct tb_hits *hits = store->hits;
    if (hits->count == 0 || page->n == page->capacity)
        return TB_OK;
    double share = (double)hits->count / ((double)hits->n_words * 64.0);
    double steps = (double)(offset + page->capacity) / share;
    if (steps * 0.2 < (double)hits->count * 1.5)
        return fill_page(store, order->walk[down], NULL, offset, page, err);
    char *ids = ids_as_json(hits);
    if (!ids)
        return tb_fail(err, TB_ENOMEM, "no memory for the search");
    enum tb_status status = fill_page(store, order->sort[down], ids, offset, page, err);
    free(ids);
    return status;
}

struct plan {
    const struct tb_patch_query *query;
    const struct order *order; /* NULL: the order of the bank */
    bool relevance;
    char match[MATCH_BYTES];
    size_t n_words;
};

static enum tb_status make_plan(struct plan *plan, struct tb_error *err)
{
    const struct tb_patch_query *q = plan->query;
    if (q->text && strlen(q->text) > MAX_TEXT)
        return tb_fail(err, TB_EINVAL, "q: longer than %d bytes", MAX_TEXT);
    if (q->limit < 1 || q->limit > MAX_LIMIT)
        return tb_fail(err, TB_EINVAL, "limit: %u is not in 1..%d", q->limit, MAX_LIMIT);
    plan->n_words =
        make_match(q, "{name author category tags comment}", plan->match, sizeof plan->match);
    plan->order = NULL;
    plan->relevance = false;
    const char *sort = q->sort && q->sort[0] ? q->sort : NULL;
    if (!sort && q->bank && q->bank[0])
        return TB_OK;
    if (!sort)
        sort = plan->n_words ? "relevance" : "name";
    if (strcmp(sort, "relevance") == 0) {
        plan->relevance = plan->n_words > 0;
        sort = "name";
    }
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        if (strcmp(sort, orders[i].name) == 0)
            plan->order = &orders[i];
    if (!plan->order)
        return tb_fail(err, TB_EINVAL,
                       "sort: must be name, category, created, updated or relevance");
    return TB_OK;
}

/* Names first: two passes over disjoint sets, as if one list. */
static enum tb_status fill_by_relevance(struct tb_store *store, const struct plan *plan,
                                        struct tb_hits *hits, struct page *page,
                                        struct tb_error *err)
{
    const struct tb_patch_query *q = plan->query;
    char match[MATCH_BYTES];
    struct tb_hits named;
    size_t offset = q->offset;
    (void)make_match(q, "name", match, sizeof match);
    enum tb_status status = collect(store, collect_text, match, &named, err);
    if (status)
        return status;
    hits_combine(&named, hits, true);
    hits_combine(hits, &named, false);
    if (offset < named.count) {
        store->hits = &named;
        status = fill_from_hits(store, plan->order, q->descending, offset, page, err);
        offset = 0;
    } else {
        offset -= named.count;
    }
    store->hits = hits;
    if (!status)
        status = fill_from_hits(store, plan->order, q->descending, offset, page, err);
    hits_free(&named);
    return status;
}

static enum tb_status find_hits(struct tb_store *store, const struct plan *plan,
                                struct tb_hits *hits, struct tb_error *err)
{
    const char *bank = plan->query->bank;
    enum tb_status status = TB_OK;
    if (plan->match[0])
        status = collect(store, collect_text, plan->match, hits, err);
    if (status || !bank || !bank[0])
        return status;
    if (!plan->match[0])
        return collect(store, collect_bank, bank, hits, err);
    struct tb_hits members;
    status = collect(store, collect_bank, bank, &members, err);
    if (!status)
        hits_combine(hits, &members, true);
    hits_free(&members);
    return status;
}

static enum tb_status run_plan(struct tb_store *store, const struct plan *plan, struct page *page,
                               size_t *total, struct tb_error *err)
{
    const struct tb_patch_query *q = plan->query;
    struct tb_hits hits = {0};
    if (plan->order && !plan->match[0] && !(q->bank && q->bank[0])) {
        int64_t count = tb_db_integer(store->db, "SELECT count(*) FROM patch", err);
        *total = count < 0 ? 0 : (size_t)count;
        return count < 0
                   ? TB_EIO
                   : fill_page(store, plan->order->all[q->descending], NULL, q->offset, page, err);
    }
    enum tb_status status = find_hits(store, plan, &hits, err);
    if (status)
        return status;
    *total = hits.count;
    store->hits = &hits;
    if (!plan->order)
        status = fill_page(store, by_bank, q->bank, q->offset, page, err);
    else if (plan->relevance)
        status = fill_by_relevance(store, plan, &hits, page, err);
    else
        status = fill_from_hits(store, plan->order, q->descending, q->offset, page, err);
    store->hits = NULL;
    hits_free(&hits);
    return status;
}

enum tb_status tb_patch_list(struct tb_store *store, const struct tb_patch_query *query,
                             struct tb_patch **patches, size_t *n, size_t *total,
                             struct tb_error *err)
{
    struct plan plan = {.query = query};
    struct page page = {NULL, 0, query->limit};
    *patches = NULL;
    *n = *total = 0;
    enum tb_status status = make_plan(&plan, err);
    if (status)
        return status;
    page.patches = malloc(page.capacity * sizeof *page.patches);
    if (!page.patches)
        return tb_fail(err, TB_ENOMEM, "no memory for %zu patches", page.capacity);
    /* One snapshot for all steps. */
    bool own = sqlite3_get_autocommit(store->db) != 0;
    if (own)
        status = tb_db_exec(store->db, "BEGIN", err);
    if (!status)
        status = run_plan(store, &plan, &page, total, err);
    if (own)
        (void)sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
    if (status) {
        free(page.patches);
        *total = 0;
        return status;
    }
    *patches = page.patches;
    *n = page.n;
    return TB_OK;
}

enum tb_status tb_category_list(struct tb_store *store, struct tb_category **categories, size_t *n,
                                struct tb_error *err)
{
    void *array = NULL;
    *categories = NULL;
    *n = 0;
    sqlite3_stmt *stmt = tb_db_prepare(store,
                                       "SELECT category, count(*) FROM patch WHERE category <> '' "
                                       "GROUP BY category COLLATE NOCASE ORDER BY 1 COLLATE NOCASE",
                                       err);
    if (!stmt)
        return tb_db_failed(store);
    enum tb_status status;
    while ((status = tb_db_step(store, stmt, err)) == TB_OK) {
        struct tb_category *c = tb_db_append(&array, n, sizeof *c);
        if (!c) {
            status = tb_fail(err, TB_ENOMEM, "no memory for the categories");
            break;
        }
        tb_db_text(stmt, 0, c->name, sizeof c->name);
        c->count = (uint32_t)sqlite3_column_int64(stmt, 1);
    }
    (void)sqlite3_reset(stmt);
    if (status != TB_ENOTFOUND) {
        free(array);
        *n = 0;
        return status;
    }
    *categories = array;
    return TB_OK;
}
