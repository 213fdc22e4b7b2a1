/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_CLI_CLI_H
#define TB_SERVER_CLI_CLI_H

#include "db/store.h"
#include "server/options.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The command line. Each command asks the server where one runs and works on the store directly
 * where none does. One thread. */

struct tb_cli {
    struct tb_args args;
    bool json;           /* --json: machine-readable output */
    bool remote;         /* a server answers at url */
    char url[256];       /* "http://127.0.0.1:8080" */
    char token[128];     /* "" for none */
    char state_dir[256]; /* of the store on this machine */
    char zoo[256];       /* the setting models.zoo of this machine */
};

/* One line of the table in cli_table.c. */
struct tb_cli_entry {
    struct tb_command command;
    int (*run)(struct tb_cli *cli); /* NULL: another main runs it, this is its documentation */
};
extern const struct tb_cli_entry tb_cli_entries[]; /* ends with command.name NULL */

/* argv[0..argc) behind "timbred NAME", where NAME is the first word of a command. Returns the exit
 * status of the process. */
int tb_cli_main(const char *name, int argc, char **argv);

/* Help of every command whose first word is name; false when there is none. */
bool tb_cli_help(const char *name, FILE *out);

/* ---- exit statuses: 0 and 1, and those of sysexits(3) that say more */
extern const struct tb_exit_text tb_cli_exits[];
enum { TB_CLI_UNAVAILABLE = 69 };
int tb_cli_exit(enum tb_status status);

/* "timbred: text" to standard error, or {"error":{...}} with --json; the exit status for it. */
int tb_cli_fail(const struct tb_cli *cli, const struct tb_error *err);

/* Prints json, indented, with a newline; steals it. Always 0, or 74 when it cannot be written. */
int tb_cli_print(json_t *json);

/* ---- members of answers: "" or 0 where there are none */
const char *tb_cli_text(const json_t *object, const char *key);
double tb_cli_number(const json_t *object, const char *key);

/* What ships with the program stays: TB_EDENIED for a patch or model ("model") that does. */
enum tb_status tb_cli_may_go(const json_t *item, const char *kind, struct tb_error *err);

/* The operands as one search text, cut where it is full. */
void tb_cli_words(const struct tb_args *args, char *text, size_t size);

/* ---- where the answers come from (cli_connect.c) */

enum tb_cli_need {
    TB_CLI_ANY,    /* server, or else the store: cli->remote tells */
    TB_CLI_SERVER, /* a server only; without one the exit status is TB_CLI_UNAVAILABLE */
};

/* Finds the server and a token for it: --url and TIMBRED_URL, else the one of this machine; --token
 * and TIMBRED_TOKEN, else for this machine's server the one in the state folder's link, or the
 * user's own in ~/.config/timbred/token. 0, or the exit status (told already). */
int tb_cli_connect(struct tb_cli *cli, enum tb_cli_need need);

/* The same with the server at url, whatever --url says. */
int tb_cli_connect_to(struct tb_cli *cli, const char *url);

/* One call below /api/v1; send NULL or a body (stolen); reply NULL or to be decref'd. */
enum tb_status tb_cli_call(struct tb_cli *cli, const char *method, const char *path, json_t *send,
                           json_t **reply, struct tb_error *err);

/* A whole file on its way to the server. */
struct tb_cli_upload {
    const char *method; /* NULL: POST */
    const char *path;   /* below the server, already encoded */
    const char *file;   /* "-": standard input */
    size_t max;         /* bytes */
};
/* reply NULL or to be decref'd. Errors name the file. */
enum tb_status tb_cli_upload(struct tb_cli *cli, const struct tb_cli_upload *upload, json_t **reply,
                             struct tb_error *err);

struct tb_cli_bytes {
    void *data; /* to be freed */
    size_t size;
};

/* A whole answer's body. */
struct tb_client_request;
enum tb_status tb_cli_fetch(const struct tb_client_request *request, struct tb_cli_bytes *out,
                            struct tb_error *err);

/* GET of a file; path as above. */
enum tb_status tb_cli_download(struct tb_cli *cli, const char *path, struct tb_cli_bytes *out,
                               struct tb_error *err);

/* The store on this machine. NULL with *err filled; TB_ENOTFOUND: there is none to read yet. */
struct tb_store *tb_cli_store(struct tb_cli *cli, enum tb_store_mode mode, struct tb_error *err);

/* ---- patches, wherever they are (cli_library.c); JSON as in server/API.md */

/* query: struct tb_patch_query; {"items":[],"total","limit","offset"}. */
enum tb_status tb_cli_patch_list(struct tb_cli *cli, const struct tb_patch_query *query,
                                 json_t **list, struct tb_error *err);

/* The items of all its pages: of the bank with this uuid or, NULL, of everything by name. To be
 * decref'd; NULL unless TB_OK. */
enum tb_status tb_cli_patch_all(struct tb_cli *cli, const char *bank, json_t **items,
                                struct tb_error *err);

/* name: a uuid, or a whole name (case does not matter). TB_ENOTFOUND; TB_EINVAL when several
 * patches have that name: the text tells their uuids. */
enum tb_status tb_cli_patch_find(struct tb_cli *cli, const char *name, json_t **patch,
                                 struct tb_error *err);

/* The bank with this uuid or, alone, this whole name, {uuid,name,number,patches}; to be decref'd.
 * TB_ENOTFOUND tells the others. */
enum tb_status tb_cli_bank_find(struct tb_cli *cli, const char *name, json_t **bank,
                                struct tb_error *err);

enum tb_status tb_cli_import(struct tb_cli *cli, const char *filename, const void *data,
                             size_t size, json_t **report, struct tb_error *err);

/* uuids: array of strings, or NULL with bank's uuid, or NULL for everything; as our JSON. */
enum tb_status tb_cli_export(struct tb_cli *cli, const json_t *uuids, const char *bank,
                             struct tb_cli_bytes *out, struct tb_error *err);

/* The DX7 voices among them (cli_cartridge.c): new array of uuids, without the *n_networks patches
 * that networks play. bank NULL: everything. */
enum tb_status tb_cli_voices(struct tb_cli *cli, const json_t *bank, json_t **uuids,
                             size_t *n_networks, struct tb_error *err);

/* Up to 32 of uuids, from first on, as system exclusive: a cartridge of 32 voices, or without bulk
 * the one at first as a single voice. TB_EINVAL names a patch that a network plays. */
enum tb_status tb_cli_cartridge(struct tb_cli *cli, const json_t *uuids, size_t first, bool bulk,
                                struct tb_cli_bytes *out, struct tb_error *err);

/* Natural values of a patch document {"values":{key:number}}; what is missing takes its default,
 * *n_unknown counts keys that this build does not have (may be NULL). */
enum tb_status tb_cli_values(const json_t *patch, float *values, size_t *n_unknown,
                             struct tb_error *err);

/* ---- trainings and data sets of a server (cli_dataset.c) */

/* path: "/trainings" or "/datasets"; name: a uuid, or a whole name (case does not matter).
 * TB_ENOTFOUND; TB_EINVAL when several have that name. */
enum tb_status tb_cli_find(struct tb_cli *cli, const char *path, const char *name, char uuid[64],
                           struct tb_error *err);

/* A new data set of the recordings args->operands[first ..]; what is said about it comes from the
 * options of the same name. Nothing is left of it where one of them fails. */
enum tb_status tb_cli_set_create(struct tb_cli *cli, const char *name, int first, char uuid[64],
                                 struct tb_error *err);

/* ---- files (cli_file.c) */

/* A whole file ("-": standard input), at most max bytes; *data to be freed. */
enum tb_status tb_cli_read_file(const char *path, size_t max, uint8_t **data, size_t *size,
                                struct tb_error *err);

/* Where a file of that name is put: behind symbolic links. False: path is no file to be replaced
 * but a device or a pipe, to be written into. */
bool tb_cli_target(const char *path, char target[4096]);

/* To path, written beside it and renamed, or to standard output when path is "-" or NULL; then not
 * to a terminal what is no text. */
enum tb_status tb_cli_write_file(const char *path, const void *data, size_t size,
                                 struct tb_error *err);

/* The end of what gets a file: where got is TB_OK writes it to --output, then frees it; tells of it
 * with --json unless it went to standard output. An exit status. */
int tb_cli_deliver(struct tb_cli *cli, struct tb_cli_bytes *file, enum tb_status got,
                   struct tb_error *err);

#endif
