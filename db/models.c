/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "uuid, sha256, name, instrument, family, size, parameters, bytes, sample_rate, frame_rate, "   \
    "width, pitch_low_hz, pitch_high_hz, loudness_low_db, loudness_high_db, licence, credit, "     \
    "source, training, factory, created, updated, first_us, further_us, machine, fm"

/* Texts, whole numbers and reals of a row with their columns, for reading and binding alike. */
static const struct text_column {
    int column;
    size_t offset, size;
} texts[] = {
#define TEXT(COLUMN, FIELD)                                                                        \
    {                                                                                              \
        COLUMN, offsetof(struct tb_model, FIELD), sizeof(((struct tb_model *)0)->FIELD)            \
    }
    TEXT(0, uuid),     TEXT(1, sha256),   TEXT(2, name),    TEXT(3, instrument), TEXT(4, family),
    TEXT(5, size),     TEXT(15, licence), TEXT(16, credit), TEXT(17, source),    TEXT(18, training),
    TEXT(19, factory), TEXT(24, machine), TEXT(25, fm)
#undef TEXT
};
static const struct real_column {
    int column;
    size_t offset;
} reals[] = {
#define REAL(COLUMN, FIELD)                                                                        \
    {                                                                                              \
        COLUMN, offsetof(struct tb_model, FIELD)                                                   \
    }
    REAL(9, frame_rate),       REAL(11, pitch_low_hz),     REAL(12, pitch_high_hz),
    REAL(13, loudness_low_db), REAL(14, loudness_high_db), REAL(22, first_us),
    REAL(23, further_us)
#undef REAL
};
enum { N_TEXTS = sizeof texts / sizeof texts[0], N_REALS = sizeof reals / sizeof reals[0] };

static void read_row(sqlite3_stmt *stmt, struct tb_model *model)
{
    memset(model, 0, sizeof *model);
    for (size_t i = 0; i < N_TEXTS; i++)
        tb_db_text(stmt, texts[i].column, (char *)model + texts[i].offset, texts[i].size);
    for (size_t i = 0; i < N_REALS; i++) {
        double value = sqlite3_column_double(stmt, reals[i].column);
        memcpy((char *)model + reals[i].offset, &value, sizeof value);
    }
    model->parameters = sqlite3_column_int64(stmt, 6);
    model->bytes = sqlite3_column_int64(stmt, 7);
    model->sample_rate = (uint32_t)sqlite3_column_int64(stmt, 8);
    model->width = (uint32_t)sqlite3_column_int64(stmt, 10);
    model->created = sqlite3_column_int64(stmt, 20);
    model->updated = sqlite3_column_int64(stmt, 21);
}

/* Column i is parameter i + 1. */
static void bind_row(sqlite3_stmt *stmt, const struct tb_model *model)
{
    for (size_t i = 0; i < N_TEXTS; i++)
        tb_db_bind(stmt, texts[i].column + 1, (const char *)model + texts[i].offset);
    for (size_t i = 0; i < N_REALS; i++) {
        double value;
        memcpy(&value, (const char *)model + reals[i].offset, sizeof value);
        (void)sqlite3_bind_double(stmt, reals[i].column + 1, value);
    }
    (void)sqlite3_bind_int64(stmt, 7, model->parameters);
    (void)sqlite3_bind_int64(stmt, 8, model->bytes);
    (void)sqlite3_bind_int64(stmt, 9, model->sample_rate);
    (void)sqlite3_bind_int64(stmt, 11, model->width);
    (void)sqlite3_bind_int64(stmt, 21, model->created);
    (void)sqlite3_bind_int64(stmt, 22, model->updated);
}

static enum tb_status write_row(struct tb_store *store, const char *sql, struct tb_model *model,
                                struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(store, sql, err);
    if (!stmt)
        return tb_db_failed(store);
    bind_row(stmt, model);
    enum tb_status status = tb_db_run(store, stmt, err);
    (void)sqlite3_clear_bindings(stmt);
    if (status == TB_ECONFLICT)
        return tb_fail(err, status, "uuid: a model %s or with these weights exists already",
                       model->uuid);
    return status;
}

enum tb_status tb_model_add(struct tb_store *store, struct tb_model *model, struct tb_error *err)
{
    static const char sql[] = "INSERT INTO model (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
                              "?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, "
                              "?22, ?23, ?24, ?25, ?26)";
    model->updated = tb_db_now_ms();
    if (model->created == 0)
        model->created = model->updated;
    return write_row(store, sql, model, err);
}

static enum tb_status no_model(const char *uuid, struct tb_error *err)
{
    return tb_fail(err, TB_ENOTFOUND, "there is no model %.40s", uuid);
}

enum tb_status tb_model_replace(struct tb_store *store, struct tb_model *model,
                                struct tb_error *err)
{
    static const char sql[] =
        "UPDATE model SET sha256 = ?2, name = ?3, instrument = ?4, family = ?5, size = ?6, "
        "parameters = ?7, bytes = ?8, sample_rate = ?9, frame_rate = ?10, width = ?11, "
        "pitch_low_hz = ?12, pitch_high_hz = ?13, loudness_low_db = ?14, loudness_high_db = ?15, "
        "licence = ?16, credit = ?17, source = ?18, training = ?19, factory = ?20, updated = ?22, "
        "first_us = ?23, further_us = ?24, machine = ?25, fm = ?26 WHERE uuid = ?1";
    model->updated = tb_db_now_ms();
    enum tb_status status = write_row(store, sql, model, err);
    if (!status && sqlite3_changes(store->db) == 0)
        return no_model(model->uuid, err);
    return status;
}

/* One row of a statement with one text parameter. */
static enum tb_status read_one(struct tb_store *store, const char *sql, const char *key,
                               struct tb_model *model, struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(store, sql, err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, key);
    enum tb_status status = tb_db_step(store, stmt, err);
    if (!status)
        read_row(stmt, model);
    (void)sqlite3_reset(stmt);
    return status;
}

static const char by_uuid[] = "SELECT " COLUMNS " FROM model WHERE uuid = ?1";
static const char by_hash[] = "SELECT " COLUMNS " FROM model WHERE sha256 = ?1";

enum tb_status tb_model_read(struct tb_store *store, const char *uuid, struct tb_model *model,
                             struct tb_error *err)
{
    enum tb_status status = read_one(store, by_uuid, uuid, model, err);
    return status == TB_ENOTFOUND ? no_model(uuid, err) : status;
}

enum tb_status tb_model_find(struct tb_store *store, const struct tb_model_ref *ref,
                             struct tb_model *model, struct tb_error *err)
{
    enum tb_status status = TB_ENOTFOUND;
    if (ref->sha256[0])
        status = read_one(store, by_hash, ref->sha256, model, err);
    if (status == TB_ENOTFOUND && ref->uuid[0])
        status = read_one(store, by_uuid, ref->uuid, model, err);
    if (status == TB_ENOTFOUND)
        return tb_fail(err, TB_ENOTFOUND, "model: %.60s (%s) is not on this device",
                       ref->name[0] ? ref->name : "unnamed", ref->uuid);
    return status;
}

enum tb_status tb_model_delete(struct tb_store *store, const char *uuid, struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(store, "DELETE FROM model WHERE uuid = ?1", err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, uuid);
    enum tb_status status = tb_db_run(store, stmt, err);
    return !status && sqlite3_changes(store->db) == 0 ? no_model(uuid, err) : status;
}

/* Every word of text occurs in one of the model's texts, ASCII case apart. */
static bool matches(const struct tb_model *m, const char *text)
{
    const char *const fields[] = {m->name,   m->instrument, m->family, m->size,
                                  m->source, m->credit,     m->uuid};
    for (const char *word = text; word && *word;) {
        word += strspn(word, " \t");
        size_t n = strcspn(word, " \t");
        char wanted[64];
        bool found = n == 0;
        if (n >= sizeof wanted)
            return false;
        memcpy(wanted, word, n);
        wanted[n] = '\0';
        for (size_t i = 0; i < sizeof fields / sizeof fields[0] && !found; i++)
            found = strcasestr(fields[i], wanted) != NULL;
        if (!found)
            return false;
        word += n;
    }
    return true;
}

/* Statements are told apart by the address of their text, so each order has its own. */
static const char *list_sql(const struct tb_model_query *query)
{
#define BY(ORDER) "SELECT " COLUMNS " FROM model ORDER BY " ORDER ", name COLLATE NOCASE, uuid"
    static const struct {
        const char *sort, *up, *down;
    } orders[] = {
        {"name", BY("name COLLATE NOCASE"), BY("name COLLATE NOCASE DESC")},
        {"family", BY("family, parameters"), BY("family DESC, parameters DESC")},
        {"bytes", BY("bytes"), BY("bytes DESC")},
        {"created", BY("created"), BY("created DESC")},
        {"cost", BY("first_us"), BY("first_us DESC")},
    };
#undef BY
    for (size_t i = 0; query->sort && i < sizeof orders / sizeof orders[0]; i++)
        if (strcmp(orders[i].sort, query->sort) == 0)
            return query->descending ? orders[i].down : orders[i].up;
    return query->sort ? NULL : query->descending ? orders[0].down : orders[0].up;
}

struct page {
    void *array;
    size_t n, total;
};

static enum tb_status collect(struct tb_store *store, sqlite3_stmt *stmt,
                              const struct tb_model_query *query, struct page *page,
                              struct tb_error *err)
{
    enum tb_status status;
    while ((status = tb_db_step(store, stmt, err)) == TB_OK) {
        struct tb_model model;
        read_row(stmt, &model);
        if ((query->family && strcmp(query->family, model.family) != 0) ||
            !matches(&model, query->text))
            continue;
        bool wanted = page->total >= query->offset && (query->limit == 0 || page->n < query->limit);
        page->total++;
        if (!wanted)
            continue;
        struct tb_model *room = tb_db_append(&page->array, &page->n, sizeof model);
        if (!room)
            return tb_fail(err, TB_ENOMEM, "no memory for the models");
        *room = model;
    }
    return status == TB_ENOTFOUND ? TB_OK : status;
}

enum tb_status tb_model_list(struct tb_store *store, const struct tb_model_query *query,
                             struct tb_model **models, size_t *n, size_t *total,
                             struct tb_error *err)
{
    struct page page = {0};
    const char *sql = list_sql(query);
    *models = NULL;
    *n = 0;
    if (!sql)
        return tb_fail(err, TB_EINVAL, "sort: %.20s is no order of models", query->sort);
    sqlite3_stmt *stmt = tb_db_prepare(store, sql, err);
    if (!stmt)
        return tb_db_failed(store);
    enum tb_status status = collect(store, stmt, query, &page, err);
    (void)sqlite3_reset(stmt);
    if (status) {
        free(page.array);
        return status;
    }
    if (total)
        *total = page.total;
    *models = page.array;
    *n = page.n;
    return TB_OK;
}
