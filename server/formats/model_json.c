/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/model_json.h"

#include "server/formats/model_fm.h"
#include "server/formats/patch_json.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What decoders may take of a core; the synthesis that follows them needs the rest. */
static const double budget = 0.7;
enum { MAX_VOICES = 64 };
#define FM_TEXT (JSON_COMPACT | JSON_REAL_PRECISION(7))

/* ---- from a check */

static enum tb_status read_text(const json_t *from, const char *key, char *out, size_t size,
                                struct tb_error *err)
{
    const char *text = json_string_value(json_object_get(from, key));
    return tb_text_field(key, text ? text : "", out, size, false, err);
}

static double read_number(const json_t *from, const char *key)
{
    double value = json_number_value(json_object_get(from, key));
    return isfinite(value) ? value : 0.0;
}

/* A name-based uuid (RFC 9562, version 8): the same seed has the same one everywhere. */
static void derive_uuid(const char *seed, char uuid[TB_UUID])
{
    unsigned char b[16];
    (void)crypto_generichash(b, sizeof b, (const unsigned char *)seed, strlen(seed),
                             (const unsigned char *)"timbred model", 13);
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x80);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    char *p = uuid;
    for (size_t i = 0; i < sizeof b; i++)
        p += snprintf(p, 4, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
}

static enum tb_status read_texts(const json_t *check, const char *seed, struct tb_model *m,
                                 struct tb_error *err)
{
    const json_t *meta = json_object_get(check, "meta");
    const struct {
        const json_t *from;
        const char *key;
        char *out;
        size_t size;
    } texts[] = {
        {check, "sha256", m->sha256, sizeof m->sha256},
        {check, "machine", m->machine, sizeof m->machine},
        {meta, "uuid", m->uuid, sizeof m->uuid},
        {meta, "name", m->name, sizeof m->name},
        {meta, "instrument", m->instrument, sizeof m->instrument},
        {meta, "family", m->family, sizeof m->family},
        {meta, "size", m->size, sizeof m->size},
        {meta, "licence", m->licence, sizeof m->licence},
        {meta, "credit", m->credit, sizeof m->credit},
        {meta, "source", m->source, sizeof m->source},
        {meta, "training", m->training, sizeof m->training},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (read_text(texts[i].from, texts[i].key, texts[i].out, texts[i].size, err) != TB_OK)
            return TB_EINVAL;
    if (!m->name[0])
        return tb_fail(err, TB_EINVAL, "name: is empty");
    if (strlen(m->sha256) != TB_SHA256 - 1)
        return tb_fail(err, TB_EINVAL, "sha256: the check told none");
    if (!m->uuid[0])
        derive_uuid(seed ? seed : m->sha256, m->uuid);
    if (!tb_uuid_is_valid(m->uuid))
        return tb_fail(err, TB_EINVAL, "uuid: is not a uuid in lower case");
    return TB_OK;
}

/* Kept as text: no query looks into it. */
static enum tb_status read_fm(const json_t *check, struct tb_model *m, struct tb_error *err)
{
    const json_t *told = json_object_get(check, "fm");
    struct tb_model_fm fm;
    if (!told)
        return TB_OK;
    if (tb_model_fm_from_json(told, &fm, err) != TB_OK)
        return TB_EINVAL;
    json_t *json = tb_model_fm_to_json(&fm);
    size_t n = json ? json_dumpb(json, m->fm, sizeof m->fm - 1, FM_TEXT) : 0;
    json_decref(json);
    m->fm[n < sizeof m->fm ? n : 0] = '\0';
    return n > 0 && n < sizeof m->fm ? TB_OK : tb_fail(err, TB_ENOMEM, "fm: no room");
}

enum tb_status tb_model_from_check(const json_t *check, const char *seed, struct tb_model *model,
                                   struct tb_error *err)
{
    const json_t *meta = json_object_get(check, "meta");
    struct tb_model m = {
        .parameters = (int64_t)read_number(check, "parameters"),
        .bytes = (int64_t)read_number(check, "bytes"),
        .sample_rate = (uint32_t)read_number(meta, "sample_rate"),
        .width = (uint32_t)read_number(meta, "width"),
        .frame_rate = read_number(check, "frame_rate"),
        .pitch_low_hz = read_number(meta, "pitch_low_hz"),
        .pitch_high_hz = read_number(meta, "pitch_high_hz"),
        .loudness_low_db = read_number(meta, "loudness_low_db"),
        .loudness_high_db = read_number(meta, "loudness_high_db"),
        .first_us = read_number(check, "first_us"),
        .further_us = read_number(check, "further_us"),
        .level_db = read_number(check, "level_db"),
    };
    enum tb_status status = read_texts(check, seed, &m, err);
    if (status == TB_OK)
        status = read_fm(check, &m, err);
    if (status == TB_OK && !(m.frame_rate > 0.0))
        status = tb_fail(err, TB_EINVAL, "hop: the check told no frame rate");
    if (status == TB_OK)
        *model = m;
    return status;
}

/* ---- what it costs */

unsigned tb_model_voices(const struct tb_model *m, double *share)
{
    double frame_us = 1e6 / m->frame_rate;
    *share = m->first_us / frame_us;
    if (m->first_us <= 0.0)
        return MAX_VOICES;
    double room = budget * frame_us - m->first_us;
    if (room < 0.0)
        return 0;
    double further = m->further_us > 0.0 ? room / m->further_us : (double)MAX_VOICES;
    return further >= MAX_VOICES - 1 ? (unsigned)MAX_VOICES : 1 + (unsigned)further;
}

static bool same_instrument(const struct tb_model *a, const struct tb_model *b)
{
    if (a->instrument[0] && b->instrument[0])
        return strcasecmp(a->instrument, b->instrument) == 0;
    size_t n = strcspn(a->name, " ");
    return n == strcspn(b->name, " ") && strncasecmp(a->name, b->name, n) == 0;
}

const struct tb_model *tb_model_sibling(const struct tb_model *model, const struct tb_model *list,
                                        size_t n)
{
    const struct tb_model *best = NULL;
    double share;
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].uuid, model->uuid) != 0 && list[i].first_us < model->first_us &&
            same_instrument(&list[i], model) && tb_model_voices(&list[i], &share) > 0 &&
            (!best || list[i].first_us > best->first_us))
            best = &list[i];
    return best;
}

void tb_model_why(const struct tb_model *model, const struct tb_model *list, size_t n, char *text,
                  size_t size)
{
    double share;
    text[0] = '\0';
    if (tb_model_voices(model, &share) > 0)
        return;
    const struct tb_model *sibling = tb_model_sibling(model, list, n);
    int used = snprintf(text, size, "one voice takes %.0f %% of a core, %.0f %% are allowed",
                        100.0 * share, 100.0 * budget);
    if (sibling && used > 0 && (size_t)used < size)
        (void)snprintf(text + used, size - (size_t)used, "; %.50s fits", sibling->name);
}

/* ---- to clients */

static json_t *cost_to_json(const struct tb_model *m)
{
    double share;
    unsigned voices = tb_model_voices(m, &share);
    if (m->first_us <= 0.0)
        return json_null();
    return json_pack("{s:f, s:f, s:i, s:f, s:s}", "us_per_frame", m->first_us, "us_per_further",
                     m->further_us, "voices", (int)voices, "share", share, "machine", m->machine);
}

/* Checked again: a restored database is a stranger's, too. */
static json_t *fm_to_json(const struct tb_model *m)
{
    struct tb_model_fm fm;
    json_t *json = m->fm[0] ? json_loads(m->fm, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool valid = json && tb_model_fm_from_json(json, &fm, NULL) == TB_OK;
    json_decref(json);
    return valid ? tb_model_fm_to_json(&fm) : json_null();
}

static int put(json_t *json, const char *key, json_t *value)
{
    return json_object_set_new(json, key, value);
}

json_t *tb_model_to_json(const struct tb_model *m, const struct tb_model *list, size_t n)
{
    char why[160];
    tb_model_why(m, list, n, why, sizeof why);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "uuid", m->uuid,
                             "name", m->name, "instrument", m->instrument, "family", m->family,
                             "size", m->size, "sha256", m->sha256, "licence", m->licence, "credit",
                             m->credit, "source", m->source, "training", m->training);
    int failed = !json;
    failed = failed || put(json, "parameters", json_integer(m->parameters));
    failed = failed || put(json, "bytes", json_integer(m->bytes));
    failed = failed || put(json, "sample_rate", json_integer(m->sample_rate));
    failed = failed || put(json, "frame_rate", json_real(m->frame_rate));
    failed = failed || put(json, "width", json_integer(m->width));
    failed = failed ||
             put(json, "pitch",
                 json_pack("{s:f, s:f}", "low_hz", m->pitch_low_hz, "high_hz", m->pitch_high_hz));
    failed = failed || put(json, "loudness",
                           json_pack("{s:f, s:f}", "low_db", m->loudness_low_db, "high_db",
                                     m->loudness_high_db));
    failed = failed || put(json, "fm", fm_to_json(m));
    failed = failed || put(json, "factory", json_boolean(m->factory[0]));
    failed = failed || put(json, "created", json_integer(m->created));
    failed = failed || put(json, "updated", json_integer(m->updated));
    failed = failed || put(json, "cost", cost_to_json(m));
    failed = failed || put(json, "affordable", json_boolean(!why[0]));
    failed = failed || put(json, "why", json_string(why));
    if (!failed)
        return json;
    json_decref(json);
    return NULL;
}
