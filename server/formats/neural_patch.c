/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/neural_patch.h"

#include "dsp/fastmath.h"
#include "server/formats/import.h"
#include "server/formats/instruments.h"
#include "server/formats/patch_json.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* What the envelope of loudness of a note (note.*) looks like. */
static const struct manner {
    float attack_s, decay_s, sustain_db, release_s;
    float vibrato_cents, vibrato_hz, vibrato_delay_s;
} manners[TB_N_MANNERS] = {
    [TB_STRUCK] = {0.004F, 8.0F, -60.0F, 0.25F, 0, 5.2F, 0.4F},
    [TB_PLUCKED] = {0.004F, 5.0F, -60.0F, 0.2F, 0, 5.2F, 0.4F},
    [TB_BLOWN] = {0.05F, 0.3F, -2.0F, 0.12F, 10.0F, 5.0F, 0.5F},
    [TB_BRASSY] = {0.03F, 0.2F, -3.0F, 0.1F, 5.0F, 5.2F, 0.6F},
    [TB_BOWED] = {0.08F, 0.3F, -1.5F, 0.18F, 14.0F, 5.6F, 0.35F},
    [TB_SUNG] = {0.06F, 0.3F, -2.0F, 0.15F, 18.0F, 5.4F, 0.4F},
    [TB_HELD] = {0.01F, 0.3F, 0.0F, 0.06F, 0, 5.2F, 0.4F},
};

/* As loud as the FM factory patches, whose middle is at -26.5 LUFS for one key; ones that are held
 * may be a little louder than bells. */
static float gain_of(const struct tb_model *model)
{
    const struct tb_param_info *gain = &tb_params[TB_P_PATCH_GAIN];
    if (model->level_db == 0.0) /* never heard */
        return 0.0F;
    return tb_clampf((float)(-25.0 - model->level_db), (float)gain->min, (float)gain->max);
}

/* Networks that play a DX7 voice's envelopes have its manners by themselves. */
static void play_as(const struct manner *m, float values[TB_N_PARAMS])
{
    values[TB_P_NOTE_ATTACK] = m->attack_s;
    values[TB_P_NOTE_DECAY] = m->decay_s;
    values[TB_P_NOTE_SUSTAIN] = m->sustain_db;
    values[TB_P_NOTE_RELEASE] = m->release_s;
    values[TB_P_NOTE_VIBRATO_DEPTH] = m->vibrato_cents;
    values[TB_P_NOTE_VIBRATO_RATE] = m->vibrato_hz;
    values[TB_P_NOTE_VIBRATO_DELAY] = m->vibrato_delay_s;
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
    const struct tb_instrument *instrument =
        tb_instrument_of(model->instrument[0] ? model->instrument : model->name);
    memset(patch, 0, sizeof *patch);
    derive_uuid(model->uuid, patch->uuid);
    (void)snprintf(patch->name, sizeof patch->name, "%.64s", model->name);
    (void)snprintf(patch->author, sizeof patch->author, "%.64s", model->credit);
    (void)snprintf(patch->category, sizeof patch->category, "%s",
                   instrument ? instrument->category : "Neural");
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
    if (instrument && strcmp(model->family, "fm_envelope") != 0)
        play_as(&manners[instrument->manner], values);
    values[TB_P_PATCH_GAIN] = gain_of(model);
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
