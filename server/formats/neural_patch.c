/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/neural_patch.h"

#include "server/formats/import.h"
#include "server/formats/patch_json.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Where people look for an instrument; the first word that occurs decides. */
static const char *const places[][2] = {
    {"flute", "Winds"},     {"clarinet", "Winds"}, {"oboe", "Winds"},     {"bassoon", "Winds"},
    {"sax", "Winds"},       {"recorder", "Winds"}, {"trumpet", "Brass"},  {"trombone", "Brass"},
    {"horn", "Brass"},      {"tuba", "Brass"},     {"violin", "Strings"}, {"viola", "Strings"},
    {"cello", "Strings"},   {"bass", "Bass"},      {"string", "Strings"}, {"piano", "Keys"},
    {"organ", "Organ"},     {"guitar", "Plucks"},  {"harp", "Plucks"},    {"mandolin", "Plucks"},
    {"marimba", "Mallets"}, {"vibra", "Mallets"},  {"bell", "Mallets"},   {"voice", "Voices"},
    {"choir", "Voices"},
};

static const char *place_of(const struct tb_model *model)
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (strcasestr(model->instrument[0] ? model->instrument : model->name, places[i][0]))
            return places[i][1];
    return "Neural";
}

/* A data set peaks at full scale with its loudest note; an ordinary one of the shipped instruments
 * lies about 9 dB below the FM patches (measured: peaks of -30 dBFS against -21 for one key).
 * Models of envelopes have the level of their FM voice. */
static float level_of(const struct tb_model *model)
{
    return strcmp(model->family, "fm_envelope") == 0 ? 0.0F : 9.0F;
}

static void derive_uuid(const char *model_uuid, char uuid[TB_UUID])
{
    unsigned char b[16];
    (void)crypto_generichash(b, sizeof b, (const unsigned char *)model_uuid, strlen(model_uuid),
                             (const unsigned char *)"timbred neural patch", 20);
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x80);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    char *p = uuid;
    for (size_t i = 0; i < sizeof b; i++)
        p += snprintf(p, 4, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
}

enum tb_status tb_neural_patch_make(const struct tb_model *model, struct tb_patch *patch,
                                    struct tb_error *err)
{
    float values[TB_N_PARAMS];
    memset(patch, 0, sizeof *patch);
    derive_uuid(model->uuid, patch->uuid);
    (void)snprintf(patch->name, sizeof patch->name, "%.64s", model->name);
    (void)snprintf(patch->author, sizeof patch->author, "%.64s", model->credit);
    (void)snprintf(patch->category, sizeof patch->category, "%s", place_of(model));
    (void)snprintf(patch->comment, sizeof patch->comment, "%s",
                   model->source[0] ? model->source : "A neural instrument.");
    (void)snprintf(patch->licence, sizeof patch->licence, "%.64s", model->licence);
    (void)snprintf(patch->tags[patch->n_tags++], sizeof patch->tags[0], "neural");
    (void)snprintf(patch->tags[patch->n_tags++], sizeof patch->tags[0], "%.32s", model->family);
    if (strcmp(model->size, "other") != 0)
        (void)snprintf(patch->tags[patch->n_tags++], sizeof patch->tags[0], "%.32s", model->size);
    (void)snprintf(patch->note, sizeof patch->note, "factory");
    memcpy(patch->models[0].uuid, model->uuid, sizeof model->uuid);
    memcpy(patch->models[0].sha256, model->sha256, sizeof model->sha256);
    memcpy(patch->models[0].name, model->name, sizeof model->name);
    patch->factory = true;
    tb_params_default(values);
    values[TB_P_PATCH_GAIN] = level_of(model);
    return tb_patch_set_params(patch, values, err);
}

enum tb_status tb_neural_patch_install(struct tb_store *store, const struct tb_model *model,
                                       struct tb_error *err)
{
    struct tb_patch patch, there;
    bool written;
    enum tb_status status = tb_neural_patch_make(model, &patch, err);
    if (status == TB_OK)
        status = tb_patch_read(store, patch.uuid, &there, err);
    bool same = status == TB_OK && tb_patch_same(&patch, &there);
    if (status == TB_OK)
        tb_patch_clear(&there);
    if (!same && (status == TB_OK || status == TB_ENOTFOUND))
        status = tb_patch_install(store, &patch, &written, err);
    tb_patch_clear(&patch);
    return status;
}
