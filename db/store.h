/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DB_STORE_H
#define TB_DB_STORE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The only code that sees SQLite. A store is one connection; each belongs to one thread at a time.
 * Journal WAL, synchronous FULL: what tb_store_commit answered with TB_OK is on disk.
 * Text is UTF-8 and always terminated; times are milliseconds since 1970. */
struct tb_store;

enum tb_store_mode { TB_STORE_READ, TB_STORE_WRITE, TB_STORE_RESUME };

/* What opening found; told in /health. */
struct tb_store_report {
    bool created;     /* there was no database */
    bool quarantined; /* the file was damaged, moved aside to quarantine_path */
    bool restored;    /* and the newest good backup took its place */
    bool lost;        /* it was missing or empty though this directory had one */
    char reason[160]; /* what was wrong, "" when nothing was */
    int schema;       /* user_version after migration */
    char quarantine_path[256];
};

/* Opens directory/timbred.db. WRITE creates, checks (quick_check), migrates and, when damaged,
 * quarantines and restores. RESUME is WRITE without quick_check (140 ms for 100,000 patches), for a
 * file that was checked since this service started and whose writer was killed: what its log
 * says is replayed all the same. report may be NULL. */
struct tb_store *tb_store_open(const char *directory, enum tb_store_mode mode,
                               struct tb_store_report *report, struct tb_error *err);
void tb_store_close(struct tb_store *store);

/* Changes must lie between begin and commit; many callers' changes may share one transaction, each
 * behind its own savepoint. */
enum tb_status tb_store_begin(struct tb_store *store, struct tb_error *err);
enum tb_status tb_store_commit(struct tb_store *store, struct tb_error *err);
void tb_store_rollback(struct tb_store *store);
enum tb_status tb_store_savepoint(struct tb_store *store, struct tb_error *err);
enum tb_status tb_store_release(struct tb_store *store, struct tb_error *err);
void tb_store_revert(struct tb_store *store); /* back to the savepoint, and drop it */

/* Backup of everything into one file while others go on; restore checks the file first, keeps the
 * old database as timbred.db.before-restore-TIME (the newest 3 of them) and leaves it untouched on
 * any fault. Files are for the owner only. */
enum tb_status tb_store_backup(struct tb_store *store, const char *path, struct tb_error *err);
enum tb_status tb_store_restore(struct tb_store *store, const char *path, struct tb_error *err);

/* To be called by the writing thread every second or so and on idle: keeps an automatic backup
 * (directory/backup-TIME.db) at most 10 minutes behind, a slice of some milliseconds a call; the
 * newest 5 are kept, and the last one of each of the newest 7 days that have one.
 * tb_store_backup_now writes one at once, at a clean stop; without changes since the last both do
 * nothing. */
enum tb_status tb_store_tick(struct tb_store *store, struct tb_error *err);
enum tb_status tb_store_backup_now(struct tb_store *store, struct tb_error *err);

/* Changes whenever anyone committed; for caches. */
uint64_t tb_store_version(struct tb_store *store);

/* ---- patches */
enum { TB_UUID = 37, TB_NAME = 65, TB_COMMENT = 1025, TB_MAX_TAGS = 16, TB_MAX_VALUES = 1024 };

struct tb_value {
    char key[48];
    double value;
};

/* A model as a patch names it. Found by hash, else by uuid (another version of it). */
enum { TB_SHA256 = 65, TB_MODEL_NAME = 97 };
struct tb_model_ref {
    char uuid[TB_UUID]; /* "" none */
    char sha256[TB_SHA256];
    char name[TB_MODEL_NAME]; /* for people, when the model is not there */
};

struct tb_patch {
    char uuid[TB_UUID];
    char name[TB_NAME];
    char author[TB_NAME];
    char category[33];
    char tags[TB_MAX_TAGS][33];
    int n_tags;
    char comment[TB_COMMENT];
    char licence[TB_NAME];
    bool favourite, factory;
    char note[TB_NAME]; /* how the revision came about, "" means "saved": "reverted to 3" */
    uint32_t revision;  /* 1 is the first */
    int64_t created, updated;
    struct tb_model_ref models[2]; /* A, B; not in lists */
    struct tb_value *values;       /* owned; unknown keys are kept */
    size_t n_values;
};

void tb_patch_clear(struct tb_patch *patch); /* frees values, zeroes the rest */

/* Fills patch->uuid when it is "". TB_ECONFLICT when the uuid exists. */
enum tb_status tb_patch_create(struct tb_store *store, struct tb_patch *patch,
                               struct tb_error *err);
enum tb_status tb_patch_read(struct tb_store *store, const char *uuid, struct tb_patch *patch,
                             struct tb_error *err);
/* Replaces everything but uuid, factory and created; the state before becomes a revision, of which
 * the newest 100 are kept. TB_ECONFLICT unless
 * expected is the current revision (0: do not check); patch->revision becomes the new one. */
enum tb_status tb_patch_replace(struct tb_store *store, struct tb_patch *patch, uint32_t expected,
                                struct tb_error *err);
enum tb_status tb_patch_delete(struct tb_store *store, const char *uuid, uint32_t expected,
                               struct tb_error *err);

struct tb_patch_query {
    const char *text;                  /* words, all must match (prefixes); NULL or "": all */
    const char *category, *tag, *bank; /* NULL: any */
    bool favourite;
    const char *sort; /* "name" "category" "created" "updated" "relevance"; checked. NULL: the order
                         of the bank, else relevance where there is text, else name. relevance:
                         patches whose name has all the words first, each by name */
    bool descending;
    uint32_t limit, offset;
};

/* Summaries: models are read, values are not. *patches is an array to free with free(); *total
 * counts all. */
enum tb_status tb_patch_list(struct tb_store *store, const struct tb_patch_query *query,
                             struct tb_patch **patches, size_t *n, size_t *total,
                             struct tb_error *err);

/* Installs or updates one patch of the factory bank. A patch that was edited or deleted since it
 * was installed stays as it is. *changed says whether anything was written. */
enum tb_status tb_patch_install(struct tb_store *store, struct tb_patch *patch, bool *changed,
                                struct tb_error *err);

struct tb_revision {
    uint32_t revision;
    int64_t time;
    char name[TB_NAME];
    char note[TB_NAME]; /* "saved", "reverted to 3", "imported" */
};
enum tb_status tb_patch_revisions(struct tb_store *store, const char *uuid,
                                  struct tb_revision **revisions, size_t *n, struct tb_error *err);
enum tb_status tb_patch_read_revision(struct tb_store *store, const char *uuid, uint32_t revision,
                                      struct tb_patch *patch, struct tb_error *err);

struct tb_category {
    char name[33];
    uint32_t count;
};
enum tb_status tb_category_list(struct tb_store *store, struct tb_category **categories, size_t *n,
                                struct tb_error *err);

/* ---- banks: an ordered list of patches; number and position answer MIDI bank and program */
struct tb_bank {
    char uuid[TB_UUID];
    char name[TB_NAME];
    uint32_t number;          /* 0..16383, unique */
    char (*patches)[TB_UUID]; /* owned */
    size_t n_patches;         /* up to 128; "" is an empty place (its patch was deleted) */
};
void tb_bank_clear(struct tb_bank *bank);
enum tb_status tb_bank_create(struct tb_store *store, struct tb_bank *bank, struct tb_error *err);
enum tb_status tb_bank_read(struct tb_store *store, const char *uuid, struct tb_bank *bank,
                            struct tb_error *err);
enum tb_status tb_bank_replace(struct tb_store *store, const struct tb_bank *bank,
                               struct tb_error *err);
enum tb_status tb_bank_delete(struct tb_store *store, const char *uuid, struct tb_error *err);
enum tb_status tb_bank_list(struct tb_store *store, struct tb_bank **banks, size_t *n,
                            struct tb_error *err); /* free each with tb_bank_clear, then banks */
/* Patch at (bank number, program 0..127); TB_ENOTFOUND where there is none. */
enum tb_status tb_bank_program(struct tb_store *store, uint32_t number, uint32_t program,
                               char uuid[TB_UUID], struct tb_error *err);

/* ---- settings: small named texts (device parameters, last state, configuration marks) */
enum tb_status tb_setting_set(struct tb_store *store, const char *key, const char *text,
                              struct tb_error *err);
/* *text is to be freed; TB_ENOTFOUND leaves it NULL. */
enum tb_status tb_setting_get(struct tb_store *store, const char *key, char **text,
                              struct tb_error *err);

/* ---- tokens: only the SHA-256 of a token is kept */
struct tb_token {
    int64_t id;
    uint8_t hash[32];
    char role[8]; /* "read" "play" "admin" */
    char label[TB_NAME];
    int64_t created;
};
enum tb_status tb_token_add(struct tb_store *store, struct tb_token *token, struct tb_error *err);
enum tb_status tb_token_delete(struct tb_store *store, int64_t id, struct tb_error *err);
enum tb_status tb_token_list(struct tb_store *store, struct tb_token **tokens, size_t *n,
                             struct tb_error *err);

/* ---- benchmarks: summary columns for lists, the whole result as JSON text */
struct tb_benchmark {
    int64_t id; /* add: 0 takes the next one */
    int64_t time;
    char machine[TB_NAME];
    char version[33];
    char *result; /* owned JSON; NULL in lists */
};
enum tb_status tb_benchmark_add(struct tb_store *store, struct tb_benchmark *b,
                                struct tb_error *err);
enum tb_status tb_benchmark_read(struct tb_store *store, int64_t id, struct tb_benchmark *b,
                                 struct tb_error *err);
enum tb_status tb_benchmark_delete(struct tb_store *store, int64_t id, struct tb_error *err);
enum tb_status tb_benchmark_list(struct tb_store *store, struct tb_benchmark **list, size_t *n,
                                 struct tb_error *err);

/* ---- neural models: the rows; files are the server's. A row is never without its file. */
enum { TB_MODEL_TEXT = 257, TB_MODEL_TRAINING = 513, TB_MODEL_FM = 513 };
struct tb_model {
    char uuid[TB_UUID], sha256[TB_SHA256];
    char name[TB_MODEL_NAME], instrument[49], family[16], size[12];
    int64_t parameters, bytes;
    uint32_t sample_rate, width;
    double frame_rate; /* Hz */
    double pitch_low_hz, pitch_high_hz, loudness_low_db, loudness_high_db;
    char licence[TB_NAME], credit[TB_MODEL_TEXT], source[TB_MODEL_TEXT];
    char training[TB_MODEL_TRAINING];
    char factory[129]; /* file in the zoo; "" is an upload */
    int64_t created, updated;
    double first_us, further_us; /* a frame of the first voice and of each further one */
    double level_db;             /* LUFS of a note, as the check heard it; not stored */
    char machine[TB_NAME];       /* where that was measured; "" not yet */
    char fm[TB_MODEL_FM]; /* JSON of its operators (server/formats/model_fm.h); "" has none */
};

/* TB_ECONFLICT when uuid or sha256 is there. created and updated are filled in. */
enum tb_status tb_model_add(struct tb_store *store, struct tb_model *model, struct tb_error *err);
/* Everything of the model with that uuid but uuid and created. */
enum tb_status tb_model_replace(struct tb_store *store, struct tb_model *model,
                                struct tb_error *err);
enum tb_status tb_model_read(struct tb_store *store, const char *uuid, struct tb_model *model,
                             struct tb_error *err);
/* By hash, else by uuid; either may be "". TB_ENOTFOUND names ref->name. */
enum tb_status tb_model_find(struct tb_store *store, const struct tb_model_ref *ref,
                             struct tb_model *model, struct tb_error *err);
enum tb_status tb_model_delete(struct tb_store *store, const char *uuid, struct tb_error *err);

struct tb_model_query {
    const char *text;   /* words, all must occur somewhere; NULL or "": all */
    const char *family; /* NULL: any */
    const char *sort;   /* "name" "family" "bytes" "created" "cost"; NULL: name */
    bool descending;
    uint32_t limit, offset; /* limit 0: all */
};
/* *models is an array to free with free(); *total counts all (may be NULL). */
enum tb_status tb_model_list(struct tb_store *store, const struct tb_model_query *query,
                             struct tb_model **models, size_t *n, size_t *total,
                             struct tb_error *err);

#endif
