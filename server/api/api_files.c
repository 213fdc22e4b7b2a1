/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/import.h"
#include "server/formats/patch_json.h"
#include "server/formats/syx.h"
#include "server/state/imports.h"
#include "server/state/store_thread.h"
#include "server/web/route.h"
#include "server/web/upload.h"
#include "server/web/web.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static json_t *imported_json(const struct tb_import *import, const struct tb_imported *imported)
{
    json_t *created = json_array(), *warnings = json_array();
    for (size_t i = 0; i < imported->n_created; i++)
        (void)json_array_append_new(created,
                                    json_pack("{s:s, s:s}", "uuid", imported->created[i].uuid,
                                              "name", imported->created[i].name));
    for (size_t i = 0; i < import->warnings.n; i++)
        (void)json_array_append_new(warnings, json_string(import->warnings.text[i]));
    json_t *bank = imported->bank_uuid[0] ? json_pack("{s:s, s:s}", "uuid", imported->bank_uuid,
                                                      "name", imported->bank_name)
                                          : json_null();
    return json_pack("{s:o, s:o, s:o, s:I}", "created", created, "bank", bank, "warnings", warnings,
                     "skipped", (json_int_t)imported->n_skipped);
}

void tb_api_imports(struct tb_request *request)
{
    struct tb_import import = {0};
    struct tb_imported imported = {0};
    struct tb_error err;
    enum tb_status status = tb_import_parse((const uint8_t *)request->body, request->size,
                                            tb_query(request, "filename"), &import, &err);
    if (status != TB_OK) {
        tb_answer_problem(request, status == TB_ECORRUPT ? 400 : tb_http_status(status), "%s",
                          err.text);
        return;
    }
    status = tb_import_store(request->store, &import, &imported, &err);
    if (status == TB_OK) {
        tb_answer_json(request, 201, imported_json(&import, &imported));
        request->effect.kind = TB_EFFECT_IMPORTED;
    } else {
        tb_answer_error(request, &err);
    }
    tb_imported_clear(&imported);
    tb_import_clear(&import);
}

/* A message from MIDI on its way into the store. */
struct sysex {
    struct tb_task task; /* first */
    struct tb_web *web;
    struct tb_import import;
};

static bool store_sysex(struct tb_task *task, struct tb_store *store)
{
    struct tb_imported imported = {0};
    struct tb_error err;
    bool ok = tb_import_store(store, &((struct sysex *)task)->import, &imported, &err) == TB_OK;
    tb_imported_clear(&imported);
    return ok;
}

static void sysex_stored(struct tb_task *task, enum tb_status status, const struct tb_error *err)
{
    struct sysex *sysex = (struct sysex *)task;
    struct tb_effect effect = {.kind = TB_EFFECT_IMPORTED};
    if (status == TB_OK)
        tb_effect_apply(sysex->web, &effect);
    else
        (void)fprintf(stderr, "timbred: system exclusive: %s\n", err->text);
    tb_import_clear(&sysex->import);
    free(sysex);
}

void tb_import_sysex(struct tb_web *web, const void *data, size_t size)
{
    struct tb_error err;
    struct sysex *sysex = calloc(1, sizeof *sysex);
    if (!sysex)
        return;
    sysex->web = web;
    sysex->task = (struct tb_task){.run = store_sysex, .done = sysex_stored};
    if (tb_import_parse(data, size, "MIDI", &sysex->import, &err) != TB_OK) {
        free(sysex);
        return; /* not for us: another device's message */
    }
    if (tb_writer_submit(web->writer, &sysex->task, 64) != TB_OK) {
        tb_import_clear(&sysex->import);
        free(sysex);
    }
}

void tb_reply_name(struct tb_request *request, const char *name, const char *ending)
{
    char plain[48];
    size_t n = 0;
    for (const char *c = name; *c && n < sizeof plain - 1; c++)
        if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
            *c == '-')
            plain[n++] = *c;
        else if (n > 0 && plain[n - 1] != '_')
            plain[n++] = '_';
    plain[n] = '\0';
    (void)snprintf(request->reply.disposition, sizeof request->reply.disposition,
                   "attachment; filename=\"%s.%s\"", n ? plain : "timbred", ending);
}

static void answer_syx(struct tb_request *request, const struct tb_patch *patches, size_t n,
                       bool bulk)
{
    size_t size = bulk ? TB_SYX_BULK : TB_SYX_SINGLE;
    uint8_t *out = malloc(size), packed[TB_SYX_BANK][TB_SYX_PACKED], voice[TB_SYX_UNPACKED];
    for (size_t i = 0; i < n; i++) {
        tb_patch_to_voice(&patches[i], voice);
        tb_syx_pack(voice, packed[i]);
    }
    if (out && bulk)
        tb_syx_write_bulk((const uint8_t(*)[TB_SYX_PACKED])packed, n, 0, out);
    else if (out)
        tb_syx_write_single(voice, 0, out);
    tb_answer_data(request, "application/octet-stream", (char *)out, size);
}

static void answer_file(struct tb_request *request, const struct tb_patch *patches, size_t n,
                        const struct tb_bank *bank)
{
    tb_answer_json(request, 200, tb_patch_file_to_json(patches, n, bank, bank ? 1 : 0));
}

static bool wants_syx(const struct tb_request *request)
{
    const char *format = tb_query(request, "format");
    return format && !strcmp(format, "syx");
}

void tb_api_patch_export(struct tb_request *request)
{
    struct tb_patch patch = {0};
    struct tb_error err;
    bool syx = wants_syx(request);
    enum tb_status status = tb_patch_read(request->store, request->args[0], &patch, &err);
    if (status == TB_OK && syx)
        status = tb_patch_check_voice(&patch, &err);
    if (status != TB_OK) {
        tb_patch_clear(&patch);
        tb_answer_error(request, &err);
        return;
    }
    if (syx)
        answer_syx(request, &patch, 1, false);
    else
        answer_file(request, &patch, 1, NULL);
    tb_reply_name(request, patch.name, syx ? "syx" : "json");
    tb_patch_clear(&patch);
}

/* Uuids of a bank's patches, or those that were named; n of them. */
static size_t chosen(struct tb_request *request, const struct tb_bank *bank, const char **uuids,
                     size_t max)
{
    size_t n = 0;
    for (size_t i = 0; bank && i < bank->n_patches && n < max; i++)
        if (bank->patches[i][0])
            uuids[n++] = bank->patches[i];
    for (size_t i = 0; !bank && i < request->n_query && n < max; i++)
        if (!strcmp(request->query[i].key, "uuid"))
            uuids[n++] = request->query[i].value;
    return n;
}

static void export_chosen(struct tb_request *request, const struct tb_bank *bank)
{
    const char *uuids[128];
    struct tb_error err;
    bool syx = wants_syx(request);
    size_t n = chosen(request, bank, uuids, 128), have = 0;
    if (n == 0 || (syx && n > TB_SYX_BANK)) {
        tb_answer_problem(request, 400, "%s: %zu patches, a file takes 1 to %d",
                          bank ? "bank" : "uuid", n, syx ? (int)TB_SYX_BANK : 128);
        return;
    }
    struct tb_patch *patches = calloc(n, sizeof *patches);
    enum tb_status status = patches ? TB_OK : tb_fail(&err, TB_ENOMEM, "out of memory");
    for (; have < n && status == TB_OK; have++)
        status = tb_patch_read(request->store, uuids[have], &patches[have], &err);
    for (size_t i = 0; syx && i < have && status == TB_OK; i++)
        status = tb_patch_check_voice(&patches[i], &err);
    if (status != TB_OK)
        tb_answer_error(request, &err);
    else if (syx)
        answer_syx(request, patches, n, true);
    else
        answer_file(request, patches, n, bank);
    if (status == TB_OK)
        tb_reply_name(request, bank ? bank->name : "timbred-patches", syx ? "syx" : "json");
    for (size_t i = 0; patches && i < have; i++)
        tb_patch_clear(&patches[i]);
    free(patches);
}

void tb_api_exports(struct tb_request *request)
{
    const char *uuid = tb_query(request, "bank");
    struct tb_bank bank = {0};
    struct tb_error err;
    if (uuid && tb_bank_read(request->store, uuid, &bank, &err) != TB_OK) {
        tb_answer_error(request, &err);
        return;
    }
    export_chosen(request, uuid ? &bank : NULL);
    tb_bank_clear(&bank);
}

/* A name of our own in the state folder, and of this request alone: no route names a path. The
 * store removes such files where a crash has left one. */
static void scratch_path(struct tb_web *web, char *path, size_t size, const char *what)
{
    static _Atomic unsigned counter;
    (void)snprintf(path, size, "%s/timbred.%s-%d-%u.part", web->config.state_dir, what,
                   (int)getpid(), atomic_fetch_add(&counter, 1));
}

void tb_api_backup_get(struct tb_request *request)
{
    char path[320];
    struct tb_error err;
    scratch_path(request->web, path, sizeof path, "download");
    struct tb_store *store =
        tb_store_open(request->web->config.state_dir, TB_STORE_READ, NULL, &err);
    enum tb_status status = store ? tb_store_backup(store, path, &err) : err.status;
    tb_store_close(store);
    int fd = status == TB_OK ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    (void)unlink(path);
    if (status == TB_OK && fd < 0)
        status = tb_fail(&err, TB_EIO, "backup: %s", strerror(errno));
    if (status != TB_OK) {
        if (fd >= 0)
            (void)close(fd);
        tb_upload_answer(request, &err); /* a full disk is 507 */
        return;
    }
    tb_answer_empty(request, 200);
    request->reply.type = "application/vnd.sqlite3";
    request->reply.fd = fd;
    tb_reply_name(request, "timbred-backup", "db");
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* Whoever may come in now may also come in afterwards, whatever the backup knew. */
static enum tb_status keep_tokens(struct tb_store *store, struct tb_token *tokens, size_t n,
                                  struct tb_error *err)
{
    enum tb_status status = tb_store_begin(store, err);
    if (status != TB_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        if (tb_store_savepoint(store, NULL) == TB_OK &&
            tb_token_add(store, &tokens[i], NULL) == TB_OK)
            (void)tb_store_release(store, NULL);
        else
            tb_store_revert(store); /* the backup had it */
    return tb_store_commit(store, err);
}

/* *restored: the store is another one, even where keeping the tokens failed afterwards. */
static enum tb_status restore(struct tb_store *store, const char *path, bool *restored,
                              struct tb_error *err)
{
    struct tb_token *tokens = NULL;
    size_t n = 0;
    enum tb_status status = tb_token_list(store, &tokens, &n, err);
    if (status == TB_OK)
        status = tb_store_restore(store, path, err);
    *restored = status == TB_OK;
    if (*restored)
        status = keep_tokens(store, tokens, n, err);
    free(tokens);
    return status;
}

void tb_api_backup_put(struct tb_request *request)
{
    char path[320];
    struct tb_error err;
    bool restored = false;
    scratch_path(request->web, path, sizeof path, "upload");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write_all(fd, request->body, request->size);
    const int fault = errno;
    if (fd >= 0)
        (void)close(fd);
    enum tb_status status =
        written ? restore(request->store, path, &restored, &err)
                : tb_fail(&err, fault == ENOSPC || fault == EDQUOT ? TB_EFULL : TB_EIO,
                          "backup: cannot be written: %s", strerror(fault));
    (void)unlink(path);
    if (status == TB_OK) {
        tb_answer_json(request, 200, json_pack("{s:b}", "restored", 1));
        request->effect.kind = TB_EFFECT_EVERYTHING;
    } else {
        unsigned http = status == TB_ECORRUPT ? 400 : tb_http_status(status);
        tb_answer_problem(request, status == TB_EFULL ? 507 : http, "%s%s",
                          restored ? "restored, but the tokens of before are lost: " : "",
                          err.text);
        struct tb_effect everything = {.kind = TB_EFFECT_EVERYTHING};
        if (restored)
            tb_effect_apply(request->web, &everything);
    }
}
