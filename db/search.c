/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each word and each filter is a term with its own set of matching ids (search_terms.c); the sets
 * are combined, which gives the exact total. Then either the index of the wanted order is walked
 * and each id looked up in the set (many matches), or the few matches are sorted. Plain joins and
 * sorts took 11 to 17 ms for 100,000 matches of 100,000 patches and bm25 100 ms. */
enum { MAX_WORDS = 16, MAX_TERMS = MAX_WORDS + 3, MAX_TEXT = 256, MAX_FACET = 64 };
enum { TERM_BYTES = 4096, MAX_LIMIT = 500 };

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

/* What is asked for: FTS5 expressions of one phrase each, the words first. */
struct terms {
    const char *match[MAX_TERMS];
    size_t n_words, n;
    char text[TERM_BYTES];
    struct writer writer;
};

static void term_begins(struct terms *t)
{
    t->match[t->n++] = t->text + t->writer.at;
}

static void term_ends(struct terms *t)
{
    t->writer.at++; /* behind the terminator */
}

/* "word" * for each word with anything to look for in it: whatever users type is only text here. */
static void add_words(struct tb_store *store, struct terms *t, const char *text)
{
    while (*text && t->n < MAX_WORDS) {
        text += strspn(text, " \t\r\n");
        size_t n = strcspn(text, " \t\r\n");
        if (tb_term_has_token(store, text, n)) {
            term_begins(t);
            put(&t->writer, "\"");
            for (size_t i = 0; i < n; i++) {
                char one[3] = {text[i], text[i] == '"' ? '"' : '\0', '\0'};
                put(&t->writer, one);
            }
            put(&t->writer, "\" *");
            term_ends(t);
        }
        text += n;
    }
    t->n_words = t->n;
}

/* No category or tag is as long as what is cut here. */
static void add_facet(struct terms *t, char kind, const char *text)
{
    char one[3] = {kind, '\0', '\0'};
    term_begins(t);
    put(&t->writer, TB_TERM_FACET "\"");
    put(&t->writer, one);
    for (int i = 0; i < MAX_FACET && text[i]; i++) {
        (void)snprintf(one, sizeof one, "%02x", (unsigned)tb_db_fold(text[i]));
        put(&t->writer, one);
    }
    put(&t->writer, "\"");
    term_ends(t);
}

static void make_terms(struct tb_store *store, const struct tb_patch_query *q, struct terms *t)
{
    t->n = t->n_words = 0;
    t->writer = (struct writer){t->text, sizeof t->text, 0};
    if (q->text)
        add_words(store, t, q->text);
    if (q->category && q->category[0])
        add_facet(t, 'c', q->category);
    if (q->tag && q->tag[0])
        add_facet(t, 't', q->tag);
    if (q->favourite)
        add_facet(t, 'f', "");
}

static enum tb_status bank_members(struct tb_store *store, const char *bank, struct tb_hits *hits,
                                   struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(
        store,
        "SELECT DISTINCT patch_id FROM bank_patch JOIN bank ON bank.id = bank_id WHERE uuid = ?1",
        err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, bank);
    enum tb_status status;
    while ((status = tb_db_step(store, stmt, err)) == TB_OK)
        if (!tb_hits_add(hits, sqlite3_column_int64(stmt, 0))) {
            status = tb_fail(err, TB_ENOMEM, "no memory for the search");
            break;
        }
    (void)sqlite3_reset(stmt);
    return status == TB_ENOTFOUND ? TB_OK : status;
}

#define LISTED "SELECT " TB_PATCH_COLUMNS ", models FROM "
/* Each order: walking its index, or sorting few; ?1 limit, ?2 offset, ?3 ids as JSON. */
#define WALK(ORDER) LISTED "patch " ORDER " LIMIT ?1 OFFSET ?2"
#define WALK_HITS(ORDER) LISTED "patch WHERE tb_hit(id) " ORDER " LIMIT ?1 OFFSET ?2"
#define SORT(ORDER)                                                                                \
    LISTED "patch WHERE id IN (SELECT value FROM json_each(?3)) " ORDER " LIMIT ?1 OFFSET ?2"
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
    LISTED "(SELECT patch_id, min(position) AS place FROM bank_patch "
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
        tb_patch_row(stmt, &page->patches[page->n]);
        tb_patch_models_row(stmt, 13, &page->patches[page->n++]);
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
    struct terms terms;
};

static enum tb_status make_plan(struct tb_store *store, struct plan *plan, struct tb_error *err)
{
    const struct tb_patch_query *q = plan->query;
    if (q->text && strlen(q->text) > MAX_TEXT)
        return tb_fail(err, TB_EINVAL, "q: longer than %d bytes", MAX_TEXT);
    if (q->limit < 1 || q->limit > MAX_LIMIT)
        return tb_fail(err, TB_EINVAL, "limit: %u is not in 1..%d", q->limit, MAX_LIMIT);
    make_terms(store, q, &plan->terms);
    plan->order = NULL;
    plan->relevance = false;
    const char *sort = q->sort && q->sort[0] ? q->sort : NULL;
    if (!sort && q->bank && q->bank[0])
        return TB_OK;
    if (!sort)
        sort = plan->terms.n_words ? "relevance" : "name";
    if (strcmp(sort, "relevance") == 0) {
        plan->relevance = plan->terms.n_words > 0;
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
                                        struct tb_hits *hits, struct tb_hits *named,
                                        struct page *page, struct tb_error *err)
{
    const struct tb_patch_query *q = plan->query;
    size_t offset = q->offset;
    enum tb_status status = TB_OK;
    tb_hits_combine(named, hits, true);
    tb_hits_combine(hits, named, false);
    if (offset < named->count) {
        store->hits = named;
        status = fill_from_hits(store, plan->order, q->descending, offset, page, err);
        offset = 0;
    } else {
        offset -= named->count;
    }
    store->hits = hits;
    if (!status)
        status = fill_from_hits(store, plan->order, q->descending, offset, page, err);
    return status;
}

/* hits: all that the query asks for; named: those with all words in the name, filters aside. */
static enum tb_status find_hits(struct tb_store *store, const struct plan *plan,
                                struct tb_hits *hits, struct tb_hits *named, struct tb_error *err)
{
    const struct terms *t = &plan->terms;
    const char *bank = plan->query->bank;
    enum tb_status status = TB_OK;
    for (size_t i = 0; i < t->n; i++) {
        const struct tb_term *term;
        status = tb_term_find(store, t->match[i], &term, err);
        if (status)
            return status;
        bool copied = i > 0 || tb_hits_copy(hits, &term->hits);
        if (copied && i == 0 && t->n_words > 0)
            copied = tb_hits_copy(named, &term->named);
        if (!copied)
            return tb_fail(err, TB_ENOMEM, "no memory for the search");
        if (i > 0)
            tb_hits_combine(hits, &term->hits, true);
        if (i > 0 && i < t->n_words)
            tb_hits_combine(named, &term->named, true);
    }
    if (!bank || !bank[0])
        return status;
    if (t->n == 0)
        return bank_members(store, bank, hits, err);
    struct tb_hits members = {0};
    status = bank_members(store, bank, &members, err);
    tb_hits_combine(hits, &members, true);
    tb_hits_free(&members);
    return status;
}

static enum tb_status run_plan(struct tb_store *store, const struct plan *plan, struct page *page,
                               size_t *total, struct tb_error *err)
{
    const struct tb_patch_query *q = plan->query;
    struct tb_hits hits = {0}, named = {0};
    if (plan->order && plan->terms.n == 0 && !(q->bank && q->bank[0])) {
        int64_t count = tb_db_integer(store->db, "SELECT count(*) FROM patch", err);
        *total = count < 0 ? 0 : (size_t)count;
        return count < 0
                   ? TB_EIO
                   : fill_page(store, plan->order->all[q->descending], NULL, q->offset, page, err);
    }
    enum tb_status status = find_hits(store, plan, &hits, &named, err);
    *total = hits.count;
    store->hits = &hits;
    if (!status && !plan->order)
        status = fill_page(store, by_bank, q->bank, q->offset, page, err);
    else if (!status && plan->relevance)
        status = fill_by_relevance(store, plan, &hits, &named, page, err);
    else if (!status)
        status = fill_from_hits(store, plan->order, q->descending, q->offset, page, err);
    store->hits = NULL;
    tb_hits_free(&hits);
    tb_hits_free(&named);
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
    enum tb_status status = make_plan(store, &plan, err);
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
        tb_terms_begin(store, own);
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
