/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_model.h"

#include "models/train/routing.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct preset {
    const char *family, *size;
    enum tb_family number;
    bool reduced;
} presets[] = {
    {"hpn", "full", TB_FAMILY_HPN, false},
    {"hpn", "reduced", TB_FAMILY_HPN, true},
    {"ddx7", "full", TB_FAMILY_DDX7, false},
    {"ddx7", "reduced", TB_FAMILY_DDX7, true},
    {"wavetable", "full", TB_FAMILY_WAVETABLE, false},
    {"wavetable", "reduced", TB_FAMILY_WAVETABLE, true},
};
enum { N_PRESETS = sizeof presets / sizeof presets[0] };

enum tb_status tb_train_list_presets(bool json, struct tb_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < N_PRESETS; i++) {
        const struct preset *p = &presets[i];
        struct tb_network_spec spec = tb_network_preset(p->number, p->reduced);
        struct tb_network *network = tb_network_new(&spec, 1, err);
        if (!network) {
            json_decref(list);
            return err->status;
        }
        if (!json)
            printf("%-10s %-8s width %3zu, %7zu parameters\n", p->family, p->size, spec.hidden,
                   network->n_values);
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:I,s:I,s:I}", "family", p->family, "preset", p->size,
                            "width", (json_int_t)spec.hidden, "blocks", (json_int_t)spec.blocks,
                            "parameters", (json_int_t)network->n_values));
        tb_network_free(network);
    }
    if (json) {
        (void)json_dumpf(list, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    }
    json_decref(list);
    return fflush(stdout) == 0 ? TB_OK : tb_fail(err, TB_EIO, "standard output: cannot be written");
}

static size_t whole(const struct tb_args *args, const char *name, size_t otherwise)
{
    return (size_t)tb_args_number(args, name, (double)otherwise);
}

/* "1,1,1,2,2,1.5" */
static enum tb_status read_ratios(const char *text, double ratio[6], struct tb_error *err)
{
    for (int i = 0; i < 6; i++) {
        char *end;
        ratio[i] = strtod(text, &end);
        if (end == text || !(ratio[i] > 0 && ratio[i] <= 64) || *end != (i < 5 ? ',' : '\0'))
            return tb_fail(err, TB_EINVAL, "--ratios: six numbers above 0 up to 64, with commas");
        text = end + 1;
    }
    return TB_OK;
}

static enum tb_status read_routing(const struct tb_args *args, struct tb_network_spec *spec,
                                   struct tb_error *err)
{
    const struct tb_fm_voice_preset *voice =
        tb_fm_voice_preset_find(tb_args_text(args, "voice", "flute"));
    struct tb_fm_choice c = {.feedback = tb_args_number(args, "feedback", 0),
                             .max_level =
                                 tb_args_number(args, "max-level", (double)spec->max_level)};
    if (!voice)
        return tb_fail(err, TB_EINVAL, "--voice: unknown");
    c.algorithm = (unsigned)whole(args, "algorithm", voice->algorithm);
    memcpy(c.ratio, voice->ratio, sizeof c.ratio);
    const char *ratios = tb_args_text(args, "ratios", NULL);
    enum tb_status s = ratios ? read_ratios(ratios, c.ratio, err) : TB_OK;
    spec->max_level = (tb_real)c.max_level;
    return s == TB_OK ? tb_fm_routing_make(&c, &spec->routing, err) : s;
}

static void read_residuals(const struct tb_args *args, struct tb_network_spec *spec)
{
    const char *name = tb_args_text(args, "residuals", "default");
    enum tb_residual inner = strcmp(name, "none") == 0   ? TB_RESIDUAL_NONE
                             : strcmp(name, "conv") == 0 ? TB_RESIDUAL_CONV
                                                         : TB_RESIDUAL_DEFAULT;
    for (size_t b = 1; b + 1 < spec->blocks && b < TB_NETWORK_MAX_BLOCKS; b++)
        spec->residual[b] = inner;
}

static enum tb_status read_spec(const struct tb_args *args, struct tb_network_spec *spec,
                                struct tb_error *err)
{
    const char *family = tb_args_text(args, "family", "hpn");
    const bool reduced = strcmp(tb_args_text(args, "preset", "reduced"), "reduced") == 0;
    enum tb_family number = strcmp(family, "ddx7") == 0        ? TB_FAMILY_DDX7
                            : strcmp(family, "wavetable") == 0 ? TB_FAMILY_WAVETABLE
                                                               : TB_FAMILY_HPN;
    *spec = tb_network_preset(number, reduced);
    spec->hidden = whole(args, "width", spec->hidden);
    spec->blocks = whole(args, "blocks", spec->blocks);
    spec->harmonics = whole(args, "harmonics", spec->harmonics);
    spec->bands = whole(args, "bands", spec->bands);
    spec->tables = whole(args, "tables", spec->tables);
    spec->table_size = whole(args, "table-size", spec->table_size);
    spec->reverb = (size_t)(tb_args_number(args, "reverb", 1) * (double)spec->rate_hz);
    spec->dropout = (tb_real)tb_args_number(args, "dropout", (double)spec->dropout);
    read_residuals(args, spec);
    return number == TB_FAMILY_DDX7 ? read_routing(args, spec, err) : TB_OK;
}

static void shift(struct tb_network *n, const char *name, size_t i, double by)
{
    struct tb_parameter *p = tb_network_find(n, name);
    if (p && i < p->rows * p->cols)
        p->value[i] += (tb_real)by;
}

/* A start from which a few hundred steps find the way; the published one needs thousands, and with
 * few steps it ended in noise (measured: DDX7 flute and HpN piano of 3 minutes' training had no
 * pitch at all).
 * - The published reverb begins 23 dB above the dry sound (first loss of DDX7 Full 59, 25 with
 *   this): ours about 14 dB below it, fading in a third of a second.
 * - Noise bands begin near nothing, as in Magenta's DDSP, so that the harmonics come first.
 * - FM begins with carriers at a quarter and modulators at a twentieth of their range: at a half
 *   each, stacks of them are noise, and the way down from there is to be silent. */
static void settle(struct tb_network *n)
{
    struct tb_parameter *decay = tb_network_find(n, "reverb.decay");
    struct tb_parameter *wet = tb_network_find(n, "reverb.wet");
    if (decay && wet) {
        decay->value[0] = 3;
        wet->value[0] = -4;
    }
    const struct tb_network_spec *s = &n->spec;
    for (size_t i = 0; s->family != TB_FAMILY_DDX7 && i < s->bands; i++)
        shift(n, "p1.bias", i, -4);
    char last[TB_PARAMETER_NAME];
    (void)snprintf(last, sizeof last, "b.%zu.c2.bias", s->blocks - 1);
    for (size_t o = 0; s->family == TB_FAMILY_DDX7 && o < s->routing.operators; o++)
        shift(n, last, o, s->routing.carriers >> o & 1 ? -1 : -3);
}

struct tb_network *tb_train_network(const struct tb_args *args, struct tb_error *err)
{
    const char *from = tb_args_text(args, "from", NULL);
    struct tb_network_spec spec;
    if (from) {
        struct tb_network *n = tb_network_load(from, NULL, err);
        if (n)
            n->spec.dropout = (tb_real)tb_args_number(args, "dropout", (double)n->spec.dropout);
        return n;
    }
    return read_spec(args, &spec, err) == TB_OK ? tb_train_new(&spec, whole(args, "seed", 1), err)
                                                : NULL;
}

struct tb_network *tb_train_new(const struct tb_network_spec *spec, uint64_t seed,
                                struct tb_error *err)
{
    struct tb_network *n = tb_network_new(spec, seed, err);
    struct tb_model_meta meta;
    struct tb_nn_spec shape;
    tb_model_meta_init(&meta);
    if (n && (tb_network_describe(n, &meta, err) != TB_OK ||
              tb_model_spec(&meta, &shape, err) != TB_OK)) {
        tb_network_free(n);
        return NULL;
    }
    if (n)
        settle(n);
    return n;
}

static int number_of(const char *const *names, const char *name)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return 0;
}

void tb_train_uuid(struct tb_model_meta *m)
{
    unsigned char h[16];
    char text[256];
    (void)snprintf(text, sizeof text, "%s/%d/%d/%s", m->name, m->family, m->width,
                   m->source_sha256);
    (void)crypto_generichash(h, sizeof h, (const unsigned char *)text, strlen(text), NULL, 0);
    h[6] = (unsigned char)((h[6] & 0x0f) | 0x80); /* version 8: of our own making */
    h[8] = (unsigned char)((h[8] & 0x3f) | 0x80);
    (void)snprintf(m->uuid, sizeof m->uuid,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", h[0],
                   h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13],
                   h[14], h[15]);
}

static int size_of(const struct tb_network *n)
{
    enum { OTHER, FULL, REDUCED };
    for (size_t i = 0; i < N_PRESETS; i++) {
        struct tb_network_spec s = tb_network_preset(presets[i].number, presets[i].reduced);
        if (presets[i].number == n->spec.family && s.hidden == n->spec.hidden &&
            s.blocks == n->spec.blocks)
            return presets[i].reduced ? REDUCED : FULL;
    }
    return OTHER;
}

void tb_train_meta(const struct tb_network *network, const struct tb_dataset_info *data,
                   const struct tb_train_facts *facts, struct tb_model_meta *m)
{
    static const char *const kinds[] = {"a_weighted_db", "magenta_v2", "rms_db", "velocity", NULL};
    struct tm now;
    time_t seconds = time(NULL);
    tb_model_meta_init(m);
    (void)tb_network_describe(network, m, NULL);
    (void)snprintf(m->name, sizeof m->name, "%s", facts->name ? facts->name : data->name);
    (void)snprintf(m->instrument, sizeof m->instrument, "%s",
                   facts->instrument ? facts->instrument : "");
    m->size = size_of(network);
    m->loudness_kind = number_of(kinds, data->loudness_kind);
    m->loudness_n_fft = (int)data->loudness_n_fft;
    m->loudness_reference_db = (double)data->loudness_reference_db;
    m->loudness_floor_db = (double)data->loudness_floor_db;
    m->loudness_range_db = -(double)data->loudness_floor_db;
    (void)snprintf(m->analysis, sizeof m->analysis, "%s", data->analysis);
    m->pitch_low_hz = (double)data->pitch_low_hz;
    m->pitch_high_hz = (double)data->pitch_high_hz;
    m->loudness_low_db = (double)data->loudness_low_db;
    m->loudness_high_db = (double)data->loudness_high_db;
    (void)snprintf(m->licence, sizeof m->licence, "%s", data->licence);
    (void)snprintf(m->credit, sizeof m->credit, "%s", data->credit);
    (void)snprintf(m->source, sizeof m->source, "%s", data->source);
    (void)snprintf(m->source_sha256, sizeof m->source_sha256, "%s", data->source_sha256);
    (void)snprintf(m->training, sizeof m->training,
                   "%.1f minutes of sound; %llu steps (best %llu), %s; seed %llu; spectral loss "
                   "%.4f on clips held back",
                   data->minutes, (unsigned long long)facts->steps,
                   (unsigned long long)facts->best_step, facts->how,
                   (unsigned long long)facts->seed, facts->loss);
    if (gmtime_r(&seconds, &now))
        (void)strftime(m->created, sizeof m->created, "%Y-%m-%dT%H:%M:%SZ", &now);
    tb_train_uuid(m);
}
