/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "db/store_priv.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BANK = 128, MAX_NUMBER = 16383 };

void tb_bank_clear(struct tb_bank *bank)
{
    free(bank->patches);
    memset(bank, 0, sizeof *bank);
}

static enum tb_status check_bank(const struct tb_bank *bank, struct tb_error *err)
{
    if (bank->name[0] == '\0')
        return tb_fail(err, TB_EINVAL, "name: is empty");
    if (bank->number > MAX_NUMBER)
        return tb_fail(err, TB_EINVAL, "number: %u is above %d", bank->number, MAX_NUMBER);
    if (bank->n_patches > MAX_BANK)
        return tb_fail(err, TB_EINVAL, "patches: %zu is above %d", bank->n_patches, MAX_BANK);
    return TB_OK;
}

static enum tb_status write_entries(struct tb_store *store, int64_t id, const struct tb_bank *bank,
                                    struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(store, "DELETE FROM bank_patch WHERE bank_id = ?1", err);
    if (!stmt)
        return tb_db_failed(store);
    (void)sqlite3_bind_int64(stmt, 1, id);
    enum tb_status status = tb_db_run(store, stmt, err);
    for (size_t i = 0; i < bank->n_patches && !status; i++) {
        if (bank->patches[i][0] == '\0')
            continue;
        stmt = tb_db_prepare(store,
                             "INSERT INTO bank_patch (bank_id, position, patch_id) "
                             "SELECT ?1, ?2, id FROM patch WHERE uuid = ?3",
                             err);
        if (!stmt)
            return tb_db_failed(store);
        (void)sqlite3_bind_int64(stmt, 1, id);
        (void)sqlite3_bind_int64(stmt, 2, (int64_t)i);
        tb_db_bind(stmt, 3, bank->patches[i]);
        status = tb_db_run(store, stmt, err);
        if (!status && sqlite3_changes(store->db) != 1)
            return tb_fail(err, TB_EINVAL, "patches: there is no patch %.40s", bank->patches[i]);
    }
    return status;
}

static enum tb_status number_taken(enum tb_status status, uint32_t number, struct tb_error *err)
{
    if (status == TB_ECONFLICT)
        return tb_fail(err, status, "number: a bank with number %u exists already", number);
    return status;
}

enum tb_status tb_bank_create(struct tb_store *store, struct tb_bank *bank, struct tb_error *err)
{
    enum tb_status status = check_bank(bank, err);
    if (status)
        return status;
    if (bank->uuid[0] == '\0')
        tb_db_uuid(bank->uuid);
    sqlite3_stmt *stmt =
        tb_db_prepare(store, "INSERT INTO bank (uuid, name, number) VALUES (?1, ?2, ?3)", err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, bank->uuid);
    tb_db_bind(stmt, 2, bank->name);
    (void)sqlite3_bind_int64(stmt, 3, bank->number);
    status = tb_db_run(store, stmt, err);
    if (status)
        return number_taken(status, bank->number, err);
    return write_entries(store, sqlite3_last_insert_rowid(store->db), bank, err);
}

static enum tb_status find_bank(struct tb_store *store, const char *uuid, int64_t *id,
                                struct tb_bank *bank, struct tb_error *err)
{
    sqlite3_stmt *stmt =
        tb_db_prepare(store, "SELECT id, uuid, name, number FROM bank WHERE uuid = ?1", err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, uuid);
    enum tb_status status = tb_db_step(store, stmt, err);
    if (!status) {
        *id = sqlite3_column_int64(stmt, 0);
        if (bank) {
            tb_db_text(stmt, 1, bank->uuid, sizeof bank->uuid);
            tb_db_text(stmt, 2, bank->name, sizeof bank->name);
            bank->number = (uint32_t)sqlite3_column_int64(stmt, 3);
        }
    }
    (void)sqlite3_reset(stmt);
    return status == TB_ENOTFOUND ? tb_fail(err, status, "there is no bank %.40s", uuid) : status;
}

static enum tb_status read_entries(struct tb_store *store, int64_t id, struct tb_bank *bank,
                                   struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(store,
                                       "SELECT position, uuid FROM bank_patch JOIN patch ON "
                                       "patch.id = patch_id WHERE bank_id = ?1 ORDER BY position",
                                       err);
    if (!stmt)
        return tb_db_failed(store);
    bank->patches = calloc(MAX_BANK, sizeof *bank->patches);
    if (!bank->patches)
        return tb_fail(err, TB_ENOMEM, "no memory for the bank");
    (void)sqlite3_bind_int64(stmt, 1, id);
    enum tb_status status;
    while ((status = tb_db_step(store, stmt, err)) == TB_OK) {
        int64_t position = sqlite3_column_int64(stmt, 0);
        if (position < 0 || position >= MAX_BANK)
            continue;
        tb_db_text(stmt, 1, bank->patches[position], sizeof bank->patches[0]);
        bank->n_patches = (size_t)position + 1;
    }
    (void)sqlite3_reset(stmt);
    return status == TB_ENOTFOUND ? TB_OK : status;
}

enum tb_status tb_bank_read(struct tb_store *store, const char *uuid, struct tb_bank *bank,
                            struct tb_error *err)
{
    int64_t id = 0;
    memset(bank, 0, sizeof *bank);
    enum tb_status status = find_bank(store, uuid, &id, bank, err);
    return status ? status : read_entries(store, id, bank, err);
}

enum tb_status tb_bank_replace(struct tb_store *store, const struct tb_bank *bank,
                               struct tb_error *err)
{
    int64_t id = 0;
    enum tb_status status = check_bank(bank, err);
    if (!status)
        status = find_bank(store, bank->uuid, &id, NULL, err);
    if (status)
        return status;
    sqlite3_stmt *stmt =
        tb_db_prepare(store, "UPDATE bank SET name = ?1, number = ?2 WHERE id = ?3", err);
    if (!stmt)
        return tb_db_failed(store);
    tb_db_bind(stmt, 1, bank->name);
    (void)sqlite3_bind_int64(stmt, 2, bank->number);
    (void)sqlite3_bind_int64(stmt, 3, id);
    status = tb_db_run(store, stmt, err);
    if (status)
        return number_taken(status, bank->number, err);
    return write_entries(store, id, bank, err);
}

enum tb_status tb_bank_delete(struct tb_store *store, const char *uuid, struct tb_error *err)
{
    int64_t id = 0;
    enum tb_status status = find_bank(store, uuid, &id, NULL, err);
    if (status)
        return status;
    sqlite3_stmt *stmt = tb_db_prepare(store, "DELETE FROM bank WHERE id = ?1", err);
    if (!stmt)
        return tb_db_failed(store);
    (void)sqlite3_bind_int64(stmt, 1, id);
    return tb_db_run(store, stmt, err);
}

enum tb_status tb_bank_list(struct tb_store *store, struct tb_bank **banks, size_t *n,
                            struct tb_error *err)
{
    void *array = NULL;
    size_t count = 0;
    *banks = NULL;
    *n = 0;
    sqlite3_stmt *stmt =
        tb_db_prepare(store, "SELECT id, uuid, name, number FROM bank ORDER BY number", err);
    if (!stmt)
        return tb_db_failed(store);
    enum tb_status status;
    while ((status = tb_db_step(store, stmt, err)) == TB_OK) {
        struct tb_bank *bank = tb_db_append(&array, &count, sizeof *bank);
        if (!bank) {
            status = tb_fail(err, TB_ENOMEM, "no memory for the banks");
            break;
        }
        tb_db_text(stmt, 1, bank->uuid, sizeof bank->uuid);
        tb_db_text(stmt, 2, bank->name, sizeof bank->name);
        bank->number = (uint32_t)sqlite3_column_int64(stmt, 3);
        status = read_entries(store, sqlite3_column_int64(stmt, 0), bank, err);
        if (status)
            break;
    }
    (void)sqlite3_reset(stmt);
    if (status != TB_ENOTFOUND) {
        struct tb_bank *list = array;
        for (size_t i = 0; i < count; i++)
            tb_bank_clear(&list[i]);
        free(array);
        return status;
    }
    *banks = array;
    *n = count;
    return TB_OK;
}

enum tb_status tb_bank_program(struct tb_store *store, uint32_t number, uint32_t program,
                               char uuid[TB_UUID], struct tb_error *err)
{
    sqlite3_stmt *stmt = tb_db_prepare(
        store,
        "SELECT patch.uuid FROM bank JOIN bank_patch ON bank_id = bank.id JOIN patch ON "
        "patch.id = patch_id WHERE number = ?1 AND position = ?2",
        err);
    if (!stmt)
        return tb_db_failed(store);
    (void)sqlite3_bind_int64(stmt, 1, number);
    (void)sqlite3_bind_int64(stmt, 2, program);
    enum tb_status status = tb_db_step(store, stmt, err);
    if (!status)
        tb_db_text(stmt, 0, uuid, TB_UUID);
    (void)sqlite3_reset(stmt);
    if (status == TB_ENOTFOUND)
        return tb_fail(err, status, "bank %u has no program %u", number, program);
    return status;
}
