/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/store_fixture.h"

static const char hash_of_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char hash_of_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/* i numbers uuid and hash. */
static struct tb_model make(unsigned i, const char *name, const char *family, double first_us)
{
    struct tb_model m = {.parameters = 1000 + i,
                         .bytes = 5000 - i,
                         .sample_rate = 16000,
                         .width = 64,
                         .frame_rate = 250.0,
                         .pitch_low_hz = 196.5,
                         .pitch_high_hz = 1500.25,
                         .loudness_low_db = -61.5,
                         .loudness_high_db = -3.25,
                         .first_us = first_us,
                         .further_us = first_us / 4.0};
    snprintf(m.uuid, sizeof m.uuid, "00000000-0000-4000-8000-%012u", i);
    snprintf(m.sha256, sizeof m.sha256, "%064u", i);
    snprintf(m.name, sizeof m.name, "%s", name);
    snprintf(m.family, sizeof m.family, "%s", family);
    strcpy(m.size, "full");
    strcpy(m.instrument, "flute");
    strcpy(m.licence, "CC-BY-4.0");
    strcpy(m.credit, "Somebody Ö");
    strcpy(m.source, "Studio A");
    strcpy(m.training, "loss 3.1 after 40000 steps");
    strcpy(m.machine, "test machine avx2");
    strcpy(m.fm, "{\"algorithm\":16}");
    return m;
}

static void add(struct fixture *f, struct tb_model *model)
{
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_model_add(f->store, model, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
}

static void a_model_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct tb_model a = make(1, "Flute “1”", "ddx7", 12.5), b;
    strcpy(a.factory, "flute.safetensors");
    add(f, &a);
    assert_true(a.created > 0 && a.updated == a.created);
    assert_ok(f, tb_model_read(f->store, a.uuid, &b, &f->err));
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(tb_model_read(f->store, "nothing", &b, &f->err), TB_ENOTFOUND);
    assert_string_equal(f->err.text, "there is no model nothing");
}

static void uuid_and_hash_are_unique(void **state)
{
    struct fixture *f = *state;
    struct tb_model a = make(1, "A", "hpn", 1.0), same_uuid = make(1, "B", "hpn", 1.0),
                    same_hash = make(2, "C", "hpn", 1.0), other = make(3, "D", "hpn", 1.0);
    add(f, &a);
    strcpy(same_uuid.sha256, hash_of_a);
    strcpy(same_hash.sha256, a.sha256);
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_int_equal(tb_model_add(f->store, &same_uuid, &f->err), TB_ECONFLICT);
    assert_int_equal(tb_model_add(f->store, &same_hash, &f->err), TB_ECONFLICT);
    assert_int_equal(tb_model_replace(f->store, &other, &f->err), TB_ENOTFOUND);
    assert_ok(f, tb_model_replace(f->store, &same_uuid, &f->err));
    assert_ok(f, tb_store_commit(f->store, &f->err));
    assert_ok(f, tb_model_read(f->store, a.uuid, &other, &f->err));
    assert_string_equal(other.name, "B");
    assert_string_equal(other.sha256, hash_of_a);
    assert_int_equal(other.created, a.created);
}

static void found_by_hash_then_by_uuid(void **state)
{
    struct fixture *f = *state;
    struct tb_model a = make(1, "A", "hpn", 1.0), b = make(2, "B", "hpn", 1.0), found;
    add(f, &a);
    add(f, &b);
    struct tb_model_ref ref = {.name = "Lost one"};
    strcpy(ref.uuid, a.uuid);
    strcpy(ref.sha256, b.sha256); /* the weights decide */
    assert_ok(f, tb_model_find(f->store, &ref, &found, &f->err));
    assert_string_equal(found.name, "B");
    strcpy(ref.sha256, hash_of_b); /* another version of A */
    assert_ok(f, tb_model_find(f->store, &ref, &found, &f->err));
    assert_string_equal(found.name, "A");
    strcpy(ref.uuid, "00000000-0000-4000-8000-000000000009");
    assert_int_equal(tb_model_find(f->store, &ref, &found, &f->err), TB_ENOTFOUND);
    assert_string_equal(
        f->err.text,
        "model: Lost one (00000000-0000-4000-8000-000000000009) is not on this device");
}

static void lists_search_sort_and_page(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name, *family;
        double us;
    } rows[] = {{"Flute full", "hpn", 300.0},
                {"flute small", "hpn", 1.0},
                {"Violin", "ddx7", 20.0},
                {"Trumpet", "wavetable", 30.0}};
    for (unsigned i = 0; i < 4; i++) {
        struct tb_model m = make(i + 1, rows[i].name, rows[i].family, rows[i].us);
        strcpy(m.instrument, i < 2 ? "flute" : i == 2 ? "violin" : "trumpet");
        add(f, &m);
    }
    static const struct {
        struct tb_model_query query;
        const char *names;
        size_t total;
    } cases[] = {
        {{0}, "Flute full,flute small,Trumpet,Violin,", 4},
        {{.descending = true, .limit = 2}, "Violin,Trumpet,", 4},
        {{.limit = 2, .offset = 3}, "Violin,", 4},
        {{.sort = "cost"}, "flute small,Violin,Trumpet,Flute full,", 4},
        {{.sort = "bytes"}, "Trumpet,Violin,flute small,Flute full,", 4},
        {{.family = "ddx7"}, "Violin,", 1},
        {{.text = "FLUTE sm"}, "flute small,", 1},
        {{.text = "studio", .family = "hpn"}, "Flute full,flute small,", 2},
        {{.text = "oboe"}, "", 0},
        {{.text = " "}, "Flute full,flute small,Trumpet,Violin,", 4},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct tb_model *list;
        size_t n, total;
        char names[200] = "";
        assert_ok(f, tb_model_list(f->store, &cases[c].query, &list, &n, &total, &f->err));
        for (size_t i = 0; i < n; i++) {
            strcat(names, list[i].name);
            strcat(names, ",");
        }
        free(list);
        if (strcmp(names, cases[c].names) != 0 || total != cases[c].total)
            fail_msg("case %zu: %s %zu", c, names, total);
    }
    struct tb_model *list;
    size_t n;
    struct tb_model_query bad = {.sort = "uuid; DROP TABLE model"};
    assert_int_equal(tb_model_list(f->store, &bad, &list, &n, NULL, &f->err), TB_EINVAL);
}

static void a_deleted_model_is_gone(void **state)
{
    struct fixture *f = *state;
    struct tb_model a = make(1, "A", "hpn", 1.0), found;
    add(f, &a);
    assert_ok(f, tb_store_begin(f->store, &f->err));
    assert_ok(f, tb_model_delete(f->store, a.uuid, &f->err));
    assert_int_equal(tb_model_delete(f->store, a.uuid, &f->err), TB_ENOTFOUND);
    assert_ok(f, tb_store_commit(f->store, &f->err));
    assert_int_equal(tb_model_read(f->store, a.uuid, &found, &f->err), TB_ENOTFOUND);
}

static void name_model(struct tb_model_ref *ref, const char *hash, const char *name)
{
    strcpy(ref->uuid, "00000000-0000-4000-8000-000000000001");
    strcpy(ref->sha256, hash);
    strcpy(ref->name, name);
}

/* Which of the two slots are in use, and a revision remembers its own. */
static void patches_name_models(void **state)
{
    struct fixture *f = *state;
    for (unsigned used = 0; used < 4; used++) {
        struct tb_patch a, b;
        fixture_patch(&a, "Named", "Keys");
        if (used & 1)
            name_model(&a.models[0], hash_of_a, "Flûte full, at 16 kHz");
        if (used & 2)
            name_model(&a.models[1], hash_of_b, "");
        fixture_create(f, &a);
        assert_ok(f, tb_patch_read(f->store, a.uuid, &b, &f->err));
        assert_memory_equal(a.models, b.models, sizeof a.models);
        memset(&b.models[0], 0, sizeof b.models[0]);
        assert_ok(f, tb_store_begin(f->store, &f->err));
        assert_ok(f, tb_patch_replace(f->store, &b, 1, &f->err));
        assert_ok(f, tb_store_commit(f->store, &f->err));
        tb_patch_clear(&b);
        assert_ok(f, tb_patch_read(f->store, a.uuid, &b, &f->err));
        assert_string_equal(b.models[0].uuid, "");
        assert_memory_equal(&a.models[1], &b.models[1], sizeof a.models[1]);
        tb_patch_clear(&b);
        assert_ok(f, tb_patch_read_revision(f->store, a.uuid, 1, &b, &f->err));
        assert_memory_equal(a.models, b.models, sizeof a.models);
        tb_patch_clear(&b);
        tb_patch_clear(&a);
    }
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        EACH(a_model_comes_back_as_it_was), EACH(uuid_and_hash_are_unique),
        EACH(found_by_hash_then_by_uuid),   EACH(lists_search_sort_and_page),
        EACH(a_deleted_model_is_gone),      EACH(patches_name_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
