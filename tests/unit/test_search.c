/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/store_fixture.h"

static const struct {
    const char *name, *author, *category, *tag, *comment;
    bool favourite;
} corpus[] = {
    {"Warm Bass", "ann", "bass", "analog", "round and low", false},
    {"zither", "bob", "plucks", "bright", "not a bass", true},
    {"E.PIANO 1", "ann", "keys", "bright", "tines", false},
    {"Überbell", "cid", "bells", "glass", "long", true},
    {"bass two", "bob", "Bass", "warm", "x AND y", false},
};
enum { N = sizeof corpus / sizeof corpus[0] };

static int search_setup(void **state)
{
    if (fixture_setup(state))
        return -1;
    struct fixture *f = *state;
    for (size_t i = 0; i < N; i++) {
        struct tb_patch p;
        fixture_patch(&p, corpus[i].name, corpus[i].category);
        strcpy(p.author, corpus[i].author);
        strcpy(p.comment, corpus[i].comment);
        strcpy(p.tags[0], corpus[i].tag);
        p.n_tags = 1;
        p.favourite = corpus[i].favourite;
        fixture_create(f, &p);
    }
    return 0;
}

/* Names found, joined by "|". */
static void find(struct fixture *f, struct tb_patch_query query, char *names, size_t *total)
{
    struct tb_patch *list;
    size_t n;
    query.limit = query.limit ? query.limit : 100;
    assert_ok(f, tb_patch_list(f->store, &query, &list, &n, total, &f->err));
    names[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        strcat(names, i ? "|" : "");
        strcat(names, list[i].name);
        assert_null(list[i].values);
        assert_int_equal(strlen(list[i].uuid), 36);
    }
    free(list);
}

static void queries_find_what_they_say(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct tb_patch_query query;
        const char *names;
    } cases[] = {
        {{.text = ""}, "bass two|E.PIANO 1|Warm Bass|zither|Überbell"},
        {{.text = NULL, .descending = true}, "Überbell|zither|Warm Bass|E.PIANO 1|bass two"},
        {{.text = "ba"}, "bass two|Warm Bass|zither"}, /* names first, then the comment */
        {{.text = "BASS"}, "bass two|Warm Bass|zither"},
        {{.text = "bass", .descending = true}, "Warm Bass|bass two|zither"},
        {{.text = "warm bass"}, "Warm Bass|bass two"},
        {{.text = "warm bass", .sort = "created", .descending = true}, "bass two|Warm Bass"},
        {{.text = "uber"}, "Überbell"},
        {{.text = "e.pi"}, "E.PIANO 1"},
        {{.text = "ann"}, "E.PIANO 1|Warm Bass"},
        {{.text = "ann", .limit = 1}, "E.PIANO 1"},
        {{.text = "ann", .limit = 1, .offset = 1}, "Warm Bass"},
        {{.text = "ba", .limit = 2, .offset = 1}, "Warm Bass|zither"},
        {{.text = "ba", .limit = 2, .offset = 2}, "zither"},
        {{.text = "nothing"}, ""},
        {{.text = "\"quoted"}, ""},
        {{.text = "bass\" OR name:*"}, ""},
        {{.text = "x AND y"}, "bass two"},
        {{.text = "NOT bass"}, "zither"}, /* a word like others */
        {{.text = "*** --- '"}, "bass two|E.PIANO 1|Warm Bass|zither|Überbell"},
        {{.text = "c62617373"}, ""}, /* facets are no text */
        {{.category = "bass"}, "bass two|Warm Bass"},
        {{.category = "BASS", .text = "round"}, "Warm Bass"},
        {{.tag = "bright"}, "E.PIANO 1|zither"},
        {{.tag = "bright", .favourite = true}, "zither"},
        {{.favourite = true, .sort = "name", .descending = true}, "Überbell|zither"},
        {{.sort = "category"}, "bass two|Warm Bass|Überbell|E.PIANO 1|zither"},
        {{.sort = "created", .limit = 2, .offset = 1}, "zither|E.PIANO 1"},
        {{.sort = "relevance", .limit = 1}, "bass two"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char names[1024];
        size_t total;
        find(f, cases[i].query, names, &total);
        if (strcmp(names, cases[i].names) != 0)
            fail_msg("case %zu: %s, not %s", i, names, cases[i].names);
        if (cases[i].query.limit == 0) {
            size_t n = names[0] != '\0';
            for (const char *p = names; *p; p++)
                n += *p == '|';
            assert_int_equal(total, n);
        }
    }
}

static void bad_queries_are_refused(void **state)
{
    struct fixture *f = *state;
    char text[300];
    struct tb_patch *list;
    size_t n, total;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const struct {
        struct tb_patch_query query;
        const char *error;
    } cases[] = {
        {{.limit = 10, .text = text}, "q: longer than 256 bytes"},
        {{.limit = 0}, "limit: 0 is not in 1..500"},
        {{.limit = 501}, "limit: 501 is not in 1..500"},
        {{.limit = 10, .sort = "uuid; DROP TABLE patch"},
         "sort: must be name, category, created, updated or relevance"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(tb_patch_list(f->store, &cases[i].query, &list, &n, &total, &f->err),
                         TB_EINVAL);
        assert_string_equal(f->err.text, cases[i].error);
        assert_null(list);
    }
}

static void the_index_follows_changes(void **state)
{
    struct fixture *f = *state;
    struct tb_patch p, *list;
    struct tb_patch_query query = {.text = "zither", .limit = 10};
    size_t n, total;
    char names[1024];
    assert_ok(f, tb_patch_list(f->store, &query, &list, &n, &total, &f->err));
    assert_ok(f, tb_patch_read(f->store, list[0].uuid, &p, &f->err));
    free(list);
    strcpy(p.name, "koto");
    strcpy(p.category, "world");
    p.favourite = false;
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_patch_replace(f->store, &p, 0, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    find(f, (struct tb_patch_query){.text = "zither"}, names, &total);
    assert_string_equal(names, "");
    find(f, (struct tb_patch_query){.text = "koto"}, names, &total);
    assert_string_equal(names, "koto");
    find(f, (struct tb_patch_query){.favourite = true}, names, &total);
    assert_string_equal(names, "Überbell");
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_patch_delete(f->store, p.uuid, 0, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    find(f, (struct tb_patch_query){.category = "world"}, names, &total);
    assert_string_equal(names, "");
    tb_patch_clear(&p);
}

static void categories_are_counted(void **state)
{
    struct fixture *f = *state;
    struct tb_category *list;
    size_t n;
    assert_ok(f, tb_category_list(f->store, &list, &n, &f->err));
    assert_int_equal(n, 4);
    assert_int_equal(list[0].count, 2); /* bass and Bass are one */
    assert_string_equal(list[1].name, "bells");
    free(list);
}

/* Many matches are walked, few are sorted: both ways must agree with a plain scan. */
static void large_results_page_exactly(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 3000 };
    assert_ok(f, tb_store_begin(f->store, &f->err));
    for (int i = 0; i < MANY; i++) {
        struct tb_patch p;
        char name[32];
        snprintf(name, sizeof name, "patch %04d", (i * 7919) % MANY);
        fixture_patch(&p, name, i % 300 == 0 ? "rare" : "common");
        assert_ok(f, tb_patch_create(f->store, &p, &f->err));
    }
    assert_ok(f, tb_store_commit(f->store, &f->err));
    const struct {
        const char *category;
        int step; /* between the numbers found, in order of name */
        size_t total;
    } cases[] = {{"common", 0, 2990}, {"rare", 0, 10}};
    for (size_t c = 0; c < 2; c++) {
        char previous[TB_NAME] = "";
        size_t seen = 0;
        for (uint32_t offset = 0; offset < cases[c].total; offset += 130) {
            struct tb_patch_query q = {
                .category = cases[c].category, .text = "patch", .limit = 130, .offset = offset};
            struct tb_patch *list;
            size_t n, total;
            assert_ok(f, tb_patch_list(f->store, &q, &list, &n, &total, &f->err));
            assert_int_equal(total, cases[c].total);
            for (size_t i = 0; i < n; i++, seen++) {
                assert_true(strcmp(previous, list[i].name) < 0);
                strcpy(previous, list[i].name);
                assert_string_equal(list[i].category, cases[c].category);
            }
            free(list);
        }
        assert_int_equal(seen, cases[c].total);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, search_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(queries_find_what_they_say), T(bad_queries_are_refused),    T(the_index_follows_changes),
        T(categories_are_counted),     T(large_results_page_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
