/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DB_STORE_PRIV_H
#define TB_DB_STORE_PRIV_H

#include "db/store.h"

#include <sqlite3.h>

/* Shared by the files of db/ only. Every function here belongs to the thread of its store. */

enum { TB_APPLICATION_ID = 0x54696D62 }; /* "Timb" in the header of the file */
enum { TB_MAX_STATEMENTS = 128, TB_MAX_KEYS = 8192 };

struct tb_keys {
    char (*names)[48]; /* by id, [0] unused */
    size_t n, capacity;
    uint32_t *slots; /* open addressing over names, 0 is free */
    size_t n_slots;
};

struct tb_hits { /* a set of patch ids */
    uint64_t *bits;
    size_t n_words;
    size_t count;
};

/* One word or filter of searches; match is an FTS5 expression of one phrase. */
#define TB_TERM_FACET "facet : "
enum { TB_MAX_TERMS = 128 };
struct tb_term {
    char *match; /* owned; NULL: an empty place */
    bool facet, quick;
    struct tb_hits hits, named; /* all patches; those that have it in their name */
    uint64_t used;              /* order of use */
};

struct tb_store {
    sqlite3 *db;
    enum tb_store_mode mode; /* READ or WRITE */
    bool resumes;            /* quick_check is not needed */
    char directory[256];
    char path[272];
    int lock_fd;
    bool in_transaction;
    uint64_t commits;     /* of this connection, beside PRAGMA data_version */
    uint64_t backed_up;   /* commits at the newest automatic backup */
    int64_t backup_due;   /* monotonic */
    struct tb_copy *copy; /* automatic backup in progress */
    struct {
        const char *sql; /* key: address of the static text */
        sqlite3_stmt *stmt;
    } statements[TB_MAX_STATEMENTS];
    struct tb_keys keys;
    const struct tb_hits *hits; /* what SQL function tb_hit looks into */
    struct tb_term *collecting; /* where SQL function tb_collect puts ids */
    struct tb_term terms[TB_MAX_TERMS];
    uint64_t terms_version, terms_used;
    fts5_tokenizer tokenizer;
    Fts5Tokenizer *tokens; /* the text index's own */
};

/* Maps the last fault of db; doing says what failed: "save the patch". */
enum tb_status tb_db_fault(sqlite3 *db, const char *doing, struct tb_error *err);

/* Statement of a static SQL text, prepared once per store, reset, bindings cleared. NULL: err. */
sqlite3_stmt *tb_db_prepare(struct tb_store *store, const char *sql, struct tb_error *err);

/* Why the last call on the store's connection failed; never TB_OK. */
enum tb_status tb_db_failed(const struct tb_store *store);

/* TB_OK with a row, TB_ENOTFOUND at the end (err untouched), else the mapped fault. */
enum tb_status tb_db_step(struct tb_store *store, sqlite3_stmt *stmt, struct tb_error *err);

/* Steps a statement that gives no rows and resets it; TB_OK when done. */
enum tb_status tb_db_run(struct tb_store *store, sqlite3_stmt *stmt, struct tb_error *err);

/* Runs literal SQL without results on any connection. */
enum tb_status tb_db_exec(sqlite3 *db, const char *sql, struct tb_error *err);

void tb_db_text(sqlite3_stmt *stmt, int column, char *out,
                size_t size); /* never cuts a character */
void tb_db_bind(sqlite3_stmt *stmt, int index, const char *text);

/* One integer of a statement without parameters; -1 and err on a fault. */
int64_t tb_db_integer(sqlite3 *db, const char *sql, struct tb_error *err);

/* ASCII letters to lower case, for facets and their search. */
static inline unsigned char tb_db_fold(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

int64_t tb_db_now_ms(void); /* wall clock */
int64_t tb_db_monotonic_ms(void);
void tb_db_stamp(char text[20]);     /* 20261121-120000-123 of the wall clock, for file names */
void tb_db_uuid(char uuid[TB_UUID]); /* version 4, from getrandom */

/* Opening a file of ours with all safe settings; read-only or for writing. */
enum tb_status tb_db_connect(const char *path, bool write, sqlite3 **db, struct tb_error *err);
/* Application id, or that and quick_check. TB_ECORRUPT names the first finding. */
enum tb_status tb_db_check_id(sqlite3 *db, struct tb_error *err);
enum tb_status tb_db_check(sqlite3 *db, struct tb_error *err);
enum tb_status tb_db_migrate(sqlite3 *db, int *schema, struct tb_error *err);
int tb_db_schema_newest(void);
/* The schema of db is what the migrations made of it: no foreign trigger, view or table. */
enum tb_status tb_db_schema_check(sqlite3 *db, struct tb_error *err);

/* Start of a writing store: lock, marker, check, quarantine, restore. Leaves store->db open. */
enum tb_status tb_db_recover(struct tb_store *store, struct tb_store_report *report,
                             struct tb_error *err);
void tb_db_unlock(struct tb_store *store);
enum tb_status tb_db_sync(const char *path, struct tb_error *err); /* a file or a directory */
enum tb_status tb_db_copy_file(const char *from, const char *to, struct tb_error *err);

/* backup.c. Names of the automatic backups, newest first; returns how many (at most max). */
enum { TB_BACKUP_NAME = 48, TB_MAX_BACKUPS = 64 };
size_t tb_db_backups(const char *directory, char names[][TB_BACKUP_NAME], size_t max);
/* Removes what a copy left that was cut off: files called timbred.*.part (those of callers of
 * tb_store_backup, too), backup-TIME.db.part and timbred.db.restoring. */
void tb_db_sweep(const char *directory);
/* Sets when the next automatic backup is due, from the age of the newest and of the database. */
void tb_db_backup_schedule(struct tb_store *store);
void tb_db_backup_abort(struct tb_store *store);

/* values.c: the compact form of a patch's values. */
enum tb_status tb_values_encode(struct tb_store *store, const struct tb_value *values, size_t n,
                                uint8_t **blob, size_t *size, struct tb_error *err);
enum tb_status tb_values_decode(struct tb_store *store, sqlite3_stmt *stmt, int column,
                                struct tb_value **values, size_t *n, struct tb_error *err);
void tb_keys_clear(struct tb_keys *keys);

/* Growing array of results: room for one more of size bytes, zeroed; NULL when out of memory. */
void *tb_db_append(void **array, size_t *n, size_t size);

/* search_terms.c: SQL functions of the store, sets of ids, and the sets of terms. */
enum tb_status tb_search_register(struct tb_store *store, struct tb_error *err);
bool tb_hits_add(struct tb_hits *hits, int64_t id); /* false: out of memory */
bool tb_hits_copy(struct tb_hits *to, const struct tb_hits *from);
void tb_hits_combine(struct tb_hits *hits, const struct tb_hits *other, bool keep); /* else drop */
void tb_hits_free(struct tb_hits *hits);
bool tb_term_has_token(struct tb_store *store, const char *word, size_t n);
/* Inside the transaction of a search, before the first term. committed: nothing of this connection
 * is waiting for its commit. */
void tb_terms_begin(struct tb_store *store, bool committed);
/* *term is valid until the next call. */
enum tb_status tb_term_find(struct tb_store *store, const char *match, const struct tb_term **term,
                            struct tb_error *err);
void tb_terms_forget(struct tb_store *store);
void tb_terms_free(struct tb_store *store);

/* patches.c: summary columns, in the order that tb_patch_row reads them. */
#define TB_PATCH_COLUMNS                                                                           \
    "uuid, name, author, category, tags, comment, licence, favourite, factory, revision, "         \
    "created, updated, note"
void tb_patch_row(sqlite3_stmt *stmt, struct tb_patch *patch);
void tb_patch_models_row(sqlite3_stmt *stmt, int column, struct tb_patch *patch);

#endif
