/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/model_fm.h"

#include <stdio.h>
#include <stdlib.h>

json_t *tb_algorithm_to_json(const struct tb_algorithm *a)
{
    json_t *carriers = json_array(), *edges = json_array();
    for (unsigned op = 1; op <= TB_N_OPERATORS; op++) {
        if (a->carriers >> (op - 1) & 1)
            (void)json_array_append_new(carriers, json_integer((json_int_t)op));
        for (unsigned to = 1; to <= TB_N_OPERATORS; to++)
            if (tb_algorithm_modulates(a, op - 1, to - 1))
                (void)json_array_append_new(edges, json_pack("[i,i]", (int)op, (int)to));
    }
    return json_pack("{s:o, s:o, s:[i,i]}", "carriers", carriers, "edges", edges, "feedback",
                     (int)a->fb_from + 1, (int)a->fb_to + 1);
}

/* As people write it: 3.2, not the 3.20000005 that a float makes of it. */
static double plain(float value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%.7g", (double)value);
    return strtod(text, NULL);
}

bool tb_model_fm_of(const struct tb_neural_spec *spec, struct tb_model_fm *fm)
{
    if (spec->family != TB_FAMILY_DDX7 && spec->family != TB_FAMILY_FM_ENVELOPE)
        return false;
    *fm = (struct tb_model_fm){.algorithm = spec->algorithm,
                               .operators = spec->n_operators,
                               .routing = spec->algorithm ? tb_algorithms[spec->algorithm - 1]
                                                          : spec->routing,
                               .feedback = plain(spec->feedback),
                               .max_level = plain(spec->max_level)};
    for (unsigned op = 0; op < TB_N_OPERATORS; op++)
        fm->ratios[op] = plain(spec->ratios[op]);
    return true;
}

json_t *tb_model_fm_to_json(const struct tb_model_fm *fm)
{
    json_t *ratios = json_array();
    for (unsigned op = 0; op < fm->operators; op++)
        (void)json_array_append_new(ratios, json_real(fm->ratios[op]));
    return json_pack("{s:i, s:i, s:o, s:o, s:f, s:f}", "algorithm", (int)fm->algorithm, "operators",
                     (int)fm->operators, "routing", tb_algorithm_to_json(&fm->routing), "ratios",
                     ratios, "feedback", fm->feedback, "max_level", fm->max_level);
}

/* ---- from a check */

static enum tb_status real_of(const json_t *value, const char *name, double low, double high,
                              double *out, struct tb_error *err)
{
    *out = json_number_value(value);
    return json_is_number(value) && *out >= low && *out <= high
               ? TB_OK
               : tb_fail(err, TB_EINVAL, "%s: not a number in %g..%g", name, low, high);
}

static enum tb_status count_of(const json_t *value, const char *name, unsigned low, unsigned high,
                               unsigned *out, struct tb_error *err)
{
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < (json_int_t)low || n > (json_int_t)high)
        return tb_fail(err, TB_EINVAL, "%s: not a whole number in %u..%u", name, low, high);
    *out = (unsigned)n;
    return TB_OK;
}

/* [a, b], operators from 1, to operators from 0. */
static enum tb_status pair_of(const json_t *pair, const char *name, unsigned operators,
                              unsigned out[2], struct tb_error *err)
{
    enum tb_status s = json_array_size(pair) == 2
                           ? TB_OK
                           : tb_fail(err, TB_EINVAL, "%s: not a pair of operators", name);
    for (size_t i = 0; i < 2 && s == TB_OK; i++)
        s = count_of(json_array_get(pair, i), name, 1, operators, &out[i], err);
    for (size_t i = 0; i < 2 && s == TB_OK; i++)
        out[i]--;
    return s;
}

static uint64_t bit(unsigned i)
{
    return 1ULL << (i % 64);
}

static enum tb_status routing_of(const json_t *json, unsigned operators, struct tb_algorithm *a,
                                 struct tb_error *err)
{
    const json_t *carriers = json_object_get(json, "carriers"),
                 *edges = json_object_get(json, "edges");
    enum tb_status s = TB_OK;
    unsigned pair[2] = {0, 0}, carrier = 0;
    for (size_t i = 0; i < json_array_size(carriers) && s == TB_OK; i++) {
        s = count_of(json_array_get(carriers, i), "fm.routing.carriers", 1, operators, &carrier,
                     err);
        a->carriers |= s == TB_OK ? (uint8_t)bit(carrier - 1) : 0;
    }
    if (s == TB_OK && !a->carriers)
        s = tb_fail(err, TB_EINVAL, "fm.routing.carriers: none");
    for (size_t i = 0; i < json_array_size(edges) && s == TB_OK; i++) {
        s = pair_of(json_array_get(edges, i), "fm.routing.edges", operators, pair, err);
        if (s == TB_OK && pair[0] <= pair[1])
            s = tb_fail(err, TB_EINVAL, "fm.routing.edges: a modulator is above its carrier");
        a->edges |= s == TB_OK ? bit(6 * pair[1] + pair[0]) : 0;
    }
    if (s == TB_OK)
        s = pair_of(json_object_get(json, "feedback"), "fm.routing.feedback", operators, pair, err);
    a->fb_from = (uint8_t)pair[0];
    a->fb_to = (uint8_t)pair[1];
    return s;
}

enum tb_status tb_model_fm_from_json(const json_t *json, struct tb_model_fm *fm,
                                     struct tb_error *err)
{
    const json_t *ratios = json_object_get(json, "ratios");
    struct tb_model_fm made = {0};
    enum tb_status s = count_of(json_object_get(json, "algorithm"), "fm.algorithm", 0,
                                TB_N_ALGORITHMS, &made.algorithm, err);
    if (s == TB_OK)
        s = count_of(json_object_get(json, "operators"), "fm.operators", 1, TB_N_OPERATORS,
                     &made.operators, err);
    if (s == TB_OK)
        s = routing_of(json_object_get(json, "routing"), made.operators, &made.routing, err);
    if (s == TB_OK && json_array_size(ratios) != made.operators)
        s = tb_fail(err, TB_EINVAL, "fm.ratios: not one of each operator");
    for (size_t i = 0; i < made.operators && s == TB_OK; i++)
        s = real_of(json_array_get(ratios, i), "fm.ratios", 0.0, 64.0, &made.ratios[i], err);
    if (s == TB_OK)
        s = real_of(json_object_get(json, "feedback"), "fm.feedback", 0.0, 7.0, &made.feedback,
                    err);
    if (s == TB_OK)
        s = real_of(json_object_get(json, "max_level"), "fm.max_level", 0.0, 16.0, &made.max_level,
                    err);
    if (s == TB_OK)
        *fm = made;
    return s;
}
