/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/routing.h"

#include "dsp/algorithms.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const struct tb_fm_voice_preset tb_fm_voice_presets[] = {
    {"violin", 2, {1, 1, 1, 1, 3, 14}},      /* STRINGS 1 */
    {"flute", 16, {1, 1, 1, 2, 2, 1.5}},     /* FLUTE 1 */
    {"trumpet", 18, {1, 1, 1, 1, 3.2, 8.5}}, /* BRASS 3 */
    {"piano", 19, {1, 1, 3, 1, 1.58, 1}},    /* PIANO 1 */
    {NULL, 0, {0}},
};

const struct tb_fm_voice_preset *tb_fm_voice_preset_find(const char *name)
{
    for (const struct tb_fm_voice_preset *p = tb_fm_voice_presets; p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

static bool drives(const struct tb_algorithm *a, unsigned from, unsigned to)
{
    return tb_algorithm_modulates(a, from, to) && from != to;
}

enum tb_status tb_fm_routing_make(const struct tb_fm_choice *c, struct tb_fm_routing *r,
                                  struct tb_error *err)
{
    if (c->algorithm < 1 || c->algorithm > TB_N_ALGORITHMS)
        return tb_fail(err, TB_EINVAL, "fm.algorithm: %u is not within 1..%d", c->algorithm,
                       TB_N_ALGORITHMS);
    const struct tb_algorithm *a = &tb_algorithms[c->algorithm - 1];
    if (c->feedback > 0 && a->fb_from != a->fb_to)
        return tb_fail(
            err, TB_EUNSUPPORTED,
            "fm.feedback: algorithm %u feeds back round several operators; not trainable",
            c->algorithm);
    *r = (struct tb_fm_routing){
        .operators = 6, .carriers = a->carriers, .scale = (tb_real)c->max_level};
    for (unsigned from = 0; from < 6; from++) {
        r->ratio[from] = (tb_real)c->ratio[from];
        for (unsigned to = 0; to < from; to++)
            if (drives(a, from, to))
                r->modulates[from] |= 1U << to;
    }
    if (c->feedback > 0)
        r->feedback[a->fb_to] = (tb_real)exp2(c->feedback - 8);
    return TB_OK;
}

/* The number of the DX7 algorithm with these edges and this feedback operator (6: none), or 0. */
static unsigned find_algorithm(const struct tb_fm_routing *r, unsigned feedback)
{
    for (unsigned n = 0; r->operators == 6 && n < TB_N_ALGORITHMS; n++) {
        const struct tb_algorithm *a = &tb_algorithms[n];
        bool same = a->carriers == r->carriers &&
                    (feedback == 6 || (a->fb_from == feedback && a->fb_to == feedback));
        for (unsigned from = 0; same && from < 6; from++)
            for (unsigned to = 0; same && to < from; to++)
                same = drives(a, from, to) == ((r->modulates[from] >> to & 1) != 0);
        if (same)
            return n + 1;
    }
    return 0;
}

static void spell_routing(const struct tb_fm_routing *r, struct tb_model_meta *meta)
{
    size_t used = 0;
    meta->fm_carriers.n = 0;
    meta->fm_routing[0] = '\0';
    for (size_t o = 0; o < r->operators; o++) {
        if (r->carriers >> o & 1)
            meta->fm_carriers.value[meta->fm_carriers.n++] = (double)o + 1;
        for (size_t to = 0; to < o && used < sizeof meta->fm_routing; to++)
            if (r->modulates[o] >> to & 1)
                used += (size_t)snprintf(meta->fm_routing + used, sizeof meta->fm_routing - used,
                                         "%s%zu>%zu", used ? "," : "", o + 1, to + 1);
    }
}

enum tb_status tb_fm_routing_describe(const struct tb_fm_routing *r, struct tb_model_meta *meta,
                                      struct tb_error *err)
{
    unsigned fed = 6;
    meta->n_operators = (int)r->operators;
    meta->fm_ratios.n = (unsigned)r->operators;
    if (r->operators > 6)
        return tb_fail(err, TB_EUNSUPPORTED, "operators: %zu, a model file has 6 at most",
                       r->operators);
    for (unsigned o = 0; o < r->operators; o++) {
        meta->fm_ratios.value[o] = (double)r->ratio[o];
        if (r->feedback[o] > 0 && fed != 6)
            return tb_fail(err, TB_EUNSUPPORTED, "fm.feedback: on one operator only");
        fed = r->feedback[o] > 0 ? o : fed;
    }
    meta->fm_max_level = (double)r->scale;
    meta->fm_feedback = fed == 6 ? 0 : fmax(0, 8 + log2((double)r->feedback[fed]));
    meta->fm_algorithm = (int)find_algorithm(r, fed);
    if (meta->fm_algorithm == 0 && fed != 6)
        return tb_fail(err, TB_EUNSUPPORTED, "fm.feedback: only with a DX7 algorithm");
    if (meta->fm_algorithm == 0)
        spell_routing(r, meta);
    return TB_OK;
}

enum tb_status tb_fm_routing_read(const struct tb_model_meta *meta, const uint8_t modulates[6],
                                  struct tb_fm_routing *r, struct tb_error *err)
{
    if (meta->fm_algorithm > 0) {
        struct tb_fm_choice c = {
            (unsigned)meta->fm_algorithm, {0}, meta->fm_feedback, meta->fm_max_level};
        for (unsigned o = 0; o < 6; o++)
            c.ratio[o] = meta->fm_ratios.value[o];
        return tb_fm_routing_make(&c, r, err);
    }
    *r = (struct tb_fm_routing){.operators = (size_t)meta->n_operators,
                                .scale = (tb_real)meta->fm_max_level};
    for (unsigned o = 0; o < r->operators; o++) {
        r->ratio[o] = (tb_real)meta->fm_ratios.value[o];
        for (unsigned to = 0; to < o; to++)
            if (modulates[o] >> to & 1)
                r->modulates[o] |= 1U << to;
    }
    for (unsigned i = 0; i < meta->fm_carriers.n; i++)
        r->carriers |= 1U << ((unsigned)meta->fm_carriers.value[i] - 1);
    return TB_OK;
}
