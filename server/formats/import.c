/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/import.h"

#include "server/formats/instruments.h"
#include "server/formats/syx.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_BANK = 128, MAX_NUMBER = 16383, MAX_TRIES = 64 };

void tb_import_clear(struct tb_import *import)
{
    tb_patch_file_clear(&import->file);
    memset(import, 0, sizeof *import);
}

void tb_imported_clear(struct tb_imported *imported)
{
    free(imported->created);
    memset(imported, 0, sizeof *imported);
}

/* A name-based uuid (RFC 9562, version 8) from the BLAKE2b hash of what it names. */
static void uuid_of(const void *data, size_t size, const void *key, size_t key_size,
                    char uuid[TB_UUID])
{
    uint8_t b[16];
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof b);
    (void)crypto_generichash_update(&state, key, key_size);
    (void)crypto_generichash_update(&state, data, size);
    (void)crypto_generichash_final(&state, b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x80);
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    char *p = uuid;
    for (size_t i = 0; i < sizeof b; i++)
        p += snprintf(p, 4, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
}

/* Players name voices after what they imitate; a first guess at the category spares them sorting
 * hundreds by hand. */
static const char *guess_category(const char *name)
{
    const struct tb_instrument *it =
        strcasecmp(name, "INIT VOICE") == 0 ? NULL : tb_instrument_of(name);
    return it ? it->category : "";
}

/* The display's blanks at both ends are not what people search for, yet a dump must bring them
 * back: what the name alone cannot say is kept beside the values. */
static enum tb_status keep_raw_name(struct tb_patch *patch, const uint8_t raw[TB_SYX_NAME],
                                    struct tb_error *err)
{
    uint8_t again[TB_SYX_NAME];
    tb_syx_name_from_utf8(patch->name, again);
    if (memcmp(again, raw, sizeof again) == 0)
        return TB_OK;
    if (patch->n_values + TB_SYX_NAME > TB_MAX_VALUES)
        return tb_fail(err, TB_ETOOLARGE, "values: more than %d", TB_MAX_VALUES);
    for (int i = 0; i < TB_SYX_NAME; i++) {
        struct tb_value *value = &patch->values[patch->n_values++];
        memset(value, 0, sizeof *value);
        (void)snprintf(value->key, sizeof value->key, "dx7.name.%d", i + 1);
        value->value = raw[i];
    }
    return TB_OK;
}

enum tb_status tb_patch_from_voice(const uint8_t packed[TB_SYX_PACKED], struct tb_patch *patch,
                                   struct tb_error *err)
{
    float values[TB_N_PARAMS];
    char name[TB_SYX_NAME_BYTES];
    memset(patch, 0, sizeof *patch);
    tb_syx_unpack_voice(packed, values, name);
    (void)snprintf(patch->name, sizeof patch->name, "%s", name + strspn(name, " "));
    if (patch->name[0] == '\0')
        (void)snprintf(patch->name, sizeof patch->name, "(blank)");
    (void)snprintf(patch->category, sizeof patch->category, "%s", guess_category(patch->name));
    (void)snprintf(patch->tags[0], sizeof patch->tags[0], "dx7");
    (void)snprintf(patch->note, sizeof patch->note, "imported");
    patch->n_tags = 1;
    uuid_of(packed, TB_SYX_PACKED, "dx7 voice", 9, patch->uuid);
    enum tb_status status = tb_patch_set_params(patch, values, err);
    return status ? status : keep_raw_name(patch, packed + TB_SYX_PACKED - TB_SYX_NAME, err);
}

enum tb_status tb_patch_check_voice(const struct tb_patch *patch, struct tb_error *err)
{
    if (!tb_patch_has_network(patch))
        return TB_OK;
    return tb_fail(err, TB_ECONFLICT, "a network plays \"%.64s\"; a DX7 cannot", patch->name);
}

void tb_patch_to_voice(const struct tb_patch *patch, uint8_t voice[TB_SYX_UNPACKED])
{
    float values[TB_N_PARAMS];
    uint8_t raw[TB_SYX_NAME];
    char shown[TB_SYX_NAME_BYTES];
    size_t n = 0;
    tb_patch_get_params(patch, values);
    tb_syx_from_values(values, patch->name, voice);
    for (size_t i = 0; i < patch->n_values; i++) {
        unsigned place = 0;
        double v = patch->values[i].value;
        if (sscanf(patch->values[i].key, "dx7.name.%2u", &place) == 1 && place >= 1 &&
            place <= TB_SYX_NAME && v >= 0.0 && v <= 127.0) {
            raw[place - 1] = (uint8_t)v;
            n++;
        }
    }
    if (n != TB_SYX_NAME)
        return;
    /* Only while the patch still has the name it came with. */
    tb_syx_name_to_utf8(raw, shown);
    const char *trimmed = shown + strspn(shown, " ");
    if (strcmp(trimmed, patch->name) == 0 ||
        (trimmed[0] == '\0' && strcmp(patch->name, "(blank)") == 0))
        memcpy(voice + TB_SYX_UNPACKED - TB_SYX_NAME, raw, sizeof raw);
}

static void set_title(struct tb_import *import, const char *filename)
{
    const char *base = filename ? filename : "";
    for (const char *p = base; *p; p++)
        if (*p == '/' || *p == '\\')
            base = p + 1;
    char text[TB_NAME];
    (void)snprintf(text, sizeof text, "%s", base);
    char *dot = strrchr(text, '.');
    if (dot && dot != text)
        *dot = '\0';
    json_t *valid = json_string(text); /* NULL unless UTF-8, which cutting may have broken */
    struct tb_error ignored;
    if (!valid || tb_text_field("name", text, import->title, sizeof import->title, false, &ignored))
        import->title[0] = '\0';
    json_decref(valid);
    if (import->title[0] == '\0')
        (void)snprintf(import->title, sizeof import->title, "Imported");
}

static enum tb_status take_voices(const struct tb_syx_file *syx, struct tb_import *import,
                                  struct tb_error *err)
{
    for (size_t i = 0; i < syx->n_warnings; i++)
        tb_warn(&import->warnings, "%s", syx->warnings[i]);
    if (syx->n_voices == 0)
        return tb_fail(err, TB_EINVAL, "%.150s", syx->n_warnings ? syx->warnings[0] : "no voice");
    import->dx7 = true;
    import->file.patches = calloc(syx->n_voices, sizeof *import->file.patches);
    if (!import->file.patches)
        return tb_fail(err, TB_ENOMEM, "no memory for %zu voices", syx->n_voices);
    for (size_t i = 0; i < syx->n_voices; i++) {
        import->file.n_patches = i + 1;
        enum tb_status status = tb_patch_from_voice(syx->voices[i], &import->file.patches[i], err);
        if (status)
            return status;
    }
    return TB_OK;
}

enum tb_status tb_import_parse(const uint8_t *data, size_t size, const char *filename,
                               struct tb_import *import, struct tb_error *err)
{
    struct tb_syx_file syx = {0};
    size_t start = 0;
    memset(import, 0, sizeof *import);
    if (size > TB_IMPORT_MAX_BYTES)
        return tb_fail(err, TB_ETOOLARGE, "import: %zu bytes are above %d", size,
                       TB_IMPORT_MAX_BYTES);
    set_title(import, filename);
    while (start < size && memchr(" \t\r\n", data[start], 4))
        start++;
    enum tb_status status;
    if (start < size && (data[start] == '{' || data[start] == '[')) {
        status =
            tb_patch_file_parse((const char *)data, size, &import->file, &import->warnings, err);
    } else {
        status = tb_syx_parse(data, size, &syx, err);
        if (!status)
            status = take_voices(&syx, import, err);
        tb_syx_clear(&syx);
    }
    if (status)
        tb_import_clear(import);
    return status;
}

/* What key stands for in a patch, which may be older than the parameter; most often at place i. NaN
 * where nothing tells. */
static double value_of(const struct tb_patch *patch, size_t i, const char *key)
{
    if (i < patch->n_values && strcmp(patch->values[i].key, key) == 0)
        return patch->values[i].value;
    for (size_t k = 0; k < patch->n_values; k++)
        if (strcmp(patch->values[k].key, key) == 0)
            return patch->values[k].value;
    const int id = tb_param_find(key);
    return id >= 0 ? tb_params[id].def : (double)NAN;
}

/* Every value of a in b, as the engine's floats, which our files write with nine digits: 0.3 comes
 * back from the working copy as 0.300000012, and is the same. */
static bool holds(const struct tb_patch *b, const struct tb_patch *a)
{
    for (size_t i = 0; i < a->n_values; i++)
        if ((float)a->values[i].value != (float)value_of(b, i, a->values[i].key))
            return false;
    return true;
}

static bool same_values(const struct tb_patch *a, const struct tb_patch *b)
{
    return holds(a, b) && holds(b, a);
}

/* A cartridge carries a name and values; our own files all the rest, too. */
static bool same_content(const struct tb_patch *a, const struct tb_patch *b, bool dx7)
{
    if (dx7)
        return strcmp(a->name, b->name) == 0 && same_values(a, b);
    return tb_patch_same(a, b);
}

bool tb_patch_same(const struct tb_patch *a, const struct tb_patch *b)
{
    if (strcmp(a->name, b->name) != 0 || !same_values(a, b))
        return false;
    if (a->n_tags != b->n_tags)
        return false;
    for (int i = 0; i < a->n_tags; i++)
        if (strcmp(a->tags[i], b->tags[i]) != 0)
            return false;
    for (int i = 0; i < 2; i++)
        if (strcmp(a->models[i].uuid, b->models[i].uuid) != 0 ||
            strcmp(a->models[i].sha256, b->models[i].sha256) != 0)
            return false;
    return strcmp(a->author, b->author) == 0 && strcmp(a->category, b->category) == 0 &&
           strcmp(a->comment, b->comment) == 0 && strcmp(a->licence, b->licence) == 0;
}

/* Finds a uuid that is free, or one under which just this content is stored already. The tries are
 * derived from each other, so importing a file twice ends at the same place. */
static enum tb_status settle_uuid(struct tb_store *store, struct tb_patch *patch, bool dx7,
                                  bool *stored, struct tb_error *err)
{
    *stored = false;
    if (patch->uuid[0] == '\0')
        return TB_OK;
    for (int i = 0; i < MAX_TRIES; i++) {
        struct tb_patch there;
        enum tb_status status = tb_patch_read(store, patch->uuid, &there, err);
        if (status == TB_ENOTFOUND)
            return TB_OK;
        if (status)
            return status;
        *stored = same_content(patch, &there, dx7);
        tb_patch_clear(&there);
        if (*stored)
            return TB_OK;
        char next[TB_UUID];
        uuid_of(patch->uuid, TB_UUID, "another patch", 13, next);
        memcpy(patch->uuid, next, sizeof next);
    }
    patch->uuid[0] = '\0'; /* the store makes one */
    return TB_OK;
}

static enum tb_status store_patch(struct tb_store *store, struct tb_patch *patch, bool dx7,
                                  struct tb_imported *imported, struct tb_error *err)
{
    bool stored;
    enum tb_status status = settle_uuid(store, patch, dx7, &stored, err);
    if (status)
        return status;
    if (stored) {
        imported->n_skipped++;
        return TB_OK;
    }
    patch->factory = false;
    (void)snprintf(patch->note, sizeof patch->note, "imported");
    status = tb_patch_create(store, patch, err);
    if (status)
        return status;
    memcpy(imported->created[imported->n_created].uuid, patch->uuid, TB_UUID);
    memcpy(imported->created[imported->n_created++].name, patch->name, TB_NAME);
    return TB_OK;
}

/* The lowest number from first on that no bank has. */
static enum tb_status free_number(const struct tb_bank *banks, size_t n, uint32_t first,
                                  uint32_t *number, struct tb_error *err)
{
    *number = first; /* banks are in order of number */
    for (size_t i = 0; i < n; i++)
        if (banks[i].number == *number)
            ++*number;
    if (*number > MAX_NUMBER)
        return tb_fail(err, TB_EFULL, "banks: no number up to %d is free", MAX_NUMBER);
    return TB_OK;
}

static bool same_bank(const struct tb_bank *a, const struct tb_bank *b)
{
    if (strcmp(a->name, b->name) != 0 || a->n_patches != b->n_patches)
        return false;
    for (size_t i = 0; i < a->n_patches; i++)
        if (strcmp(a->patches[i], b->patches[i]) != 0)
            return false;
    return true;
}

static enum tb_status store_bank(struct tb_store *store, struct tb_bank *bank,
                                 struct tb_imported *imported, struct tb_error *err)
{
    struct tb_bank *banks;
    size_t n;
    bool known = false, taken = false;
    enum tb_status status = tb_bank_list(store, &banks, &n, err);
    if (status)
        return status;
    for (size_t i = 0; i < n && !known; i++) {
        known = same_bank(&banks[i], bank);
        taken = taken || strcmp(banks[i].uuid, bank->uuid) == 0;
    }
    if (taken)
        bank->uuid[0] = '\0';
    if (!known)
        status = free_number(banks, n, bank->number, &bank->number, err);
    for (size_t i = 0; i < n; i++)
        tb_bank_clear(&banks[i]);
    free(banks);
    if (status || known)
        return status;
    status = tb_bank_create(store, bank, err);
    if (!status && imported->bank_uuid[0] == '\0') {
        memcpy(imported->bank_uuid, bank->uuid, TB_UUID);
        memcpy(imported->bank_name, bank->name, TB_NAME);
    }
    return status;
}

static enum tb_status store_cartridge_bank(struct tb_store *store, const struct tb_import *import,
                                           struct tb_imported *imported, struct tb_error *err)
{
    const struct tb_patch_file *file = &import->file;
    for (size_t first = 0, part = 1; first < file->n_patches; first += MAX_BANK, part++) {
        struct tb_bank bank = {.number = 1}; /* 0 is the factory's */
        (void)snprintf(bank.name, sizeof bank.name, "%s", import->title);
        if (part > 1)
            (void)snprintf(bank.name, sizeof bank.name, "%.40s %u", import->title, (unsigned)part);
        size_t n = file->n_patches - first;
        bank.n_patches = n < MAX_BANK ? n : MAX_BANK;
        bank.patches = calloc(MAX_BANK, sizeof *bank.patches);
        if (!bank.patches)
            return tb_fail(err, TB_ENOMEM, "no memory for the bank");
        for (size_t i = 0; i < bank.n_patches; i++)
            memcpy(bank.patches[i], file->patches[first + i].uuid, TB_UUID);
        enum tb_status status = store_bank(store, &bank, imported, err);
        tb_bank_clear(&bank);
        if (status)
            return status;
    }
    return TB_OK;
}

static void rename_in_banks(struct tb_patch_file *file, const char *from, const char *to)
{
    for (size_t b = 0; b < file->n_banks && from[0]; b++)
        for (size_t i = 0; i < file->banks[b].n_patches; i++)
            if (strcmp(file->banks[b].patches[i], from) == 0)
                memcpy(file->banks[b].patches[i], to, TB_UUID);
}

enum tb_status tb_import_store(struct tb_store *store, struct tb_import *import,
                               struct tb_imported *imported, struct tb_error *err)
{
    struct tb_patch_file *file = &import->file;
    enum tb_status status = TB_OK;
    memset(imported, 0, sizeof *imported);
    imported->created = calloc(file->n_patches + 1, sizeof *imported->created);
    if (!imported->created)
        return tb_fail(err, TB_ENOMEM, "no memory for the import");
    for (size_t i = 0; i < file->n_patches && !status; i++) {
        char before[TB_UUID];
        memcpy(before, file->patches[i].uuid, sizeof before);
        status = store_patch(store, &file->patches[i], import->dx7, imported, err);
        if (!status && strcmp(before, file->patches[i].uuid) != 0)
            rename_in_banks(file, before, file->patches[i].uuid);
    }
    for (size_t i = 0; i < file->n_banks && !status; i++)
        status = store_bank(store, &file->banks[i], imported, err);
    if (!status && import->dx7 && file->n_patches > 1)
        status = store_cartridge_bank(store, import, imported, err);
    if (status)
        tb_imported_clear(imported);
    return status;
}
