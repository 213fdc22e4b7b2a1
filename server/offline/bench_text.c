/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Results of benchmarks as CSV, tables and comparisons. */

struct column {
    const char *title, *key;
    int decimals; /* of a number; TEXT: text */
    double scale;
};
enum { TEXT = -1 };

static double number_of(const json_t *object, const char *key)
{
    const char *dot = strchr(key, '.');
    if (!dot)
        return json_number_value(json_object_get(object, key));
    char first[32];
    (void)snprintf(first, sizeof first, "%.*s", (int)(dot - key), key);
    return json_number_value(json_object_get(json_object_get(object, first), dot + 1));
}

static const json_t *value_of(const json_t *object, const char *key)
{
    const char *dot = strchr(key, '.');
    return json_object_get(object, dot ? "share" : key);
}

static void put_cell(FILE *out, const struct column *column, const json_t *row)
{
    const json_t *value = value_of(row, column->key);
    const char *text = json_string_value(value);
    if (column->decimals == TEXT)
        fprintf(out, "%s", text ? text : "");
    else if (value && !json_is_null(value))
        fprintf(out, "%.*f", column->decimals, number_of(row, column->key) * column->scale);
}

static char *csv_of(const json_t *rows, const struct column *columns, size_t n)
{
    char *text = NULL;
    size_t size = 0, i;
    json_t *row;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (size_t k = 0; k < n; k++)
        fprintf(out, "%s%s", k ? "," : "", columns[k].title);
    fputs("\r\n", out);
    json_array_foreach(rows, i, row)
    {
        for (size_t k = 0; k < n; k++) {
            if (k)
                fputc(',', out);
            put_cell(out, &columns[k], row);
        }
        fputs("\r\n", out);
    }
    return fclose(out) == 0 ? text : NULL;
}

/* One padded cell of a line; row NULL is the line of titles. */
static bool put_padded(FILE *out, const struct column *column, const json_t *row)
{
    char cell[64];
    FILE *memory = fmemopen(cell, sizeof cell, "w");
    if (!memory)
        return false;
    if (row)
        put_cell(memory, column, row);
    else
        fputs(column->title, memory);
    (void)fputc('\0', memory);
    (void)fclose(memory);
    int width = (int)strlen(column->title);
    if (column->decimals == TEXT)
        fprintf(out, "%-12s", cell);
    else
        fprintf(out, "%*s", width < 7 ? 7 : width, cell);
    return true;
}

/* Columns as wide as their widest cell, right-aligned; text to the left. */
static void put_table(FILE *out, const json_t *rows, const struct column *columns, size_t n)
{
    size_t n_rows = json_array_size(rows);
    for (size_t line = 0; line <= n_rows; line++) {
        const json_t *row = line ? json_array_get(rows, line - 1) : NULL;
        for (size_t k = 0; k < n; k++) {
            if (k)
                fputs("  ", out);
            if (!put_padded(out, &columns[k], row))
                return;
        }
        fputc('\n', out);
    }
}

char *tb_bench_csv(const json_t *result)
{
    static const struct column columns[] = {{"mode", "mode", TEXT, 1},
                                            {"scenario", "scenario", TEXT, 1},
                                            {"voices", "voices", 0, 1},
                                            {"block", "block", 0, 1},
                                            {"rate_hz", "rate_hz", 0, 1},
                                            {"n", "n", 0, 1},
                                            {"sounding", "sounding", 0, 1},
                                            {"deadline_us", "deadline_us", 3, 1},
                                            {"mean_us", "mean_us", 3, 1},
                                            {"p50_us", "p50_us", 3, 1},
                                            {"p99_us", "p99_us", 3, 1},
                                            {"p999_us", "p999_us", 3, 1},
                                            {"max_us", "max_us", 3, 1},
                                            {"p99_share", "share.p99", 6, 1},
                                            {"ns_per_voice_sample", "ns_per_voice_sample", 4, 1},
                                            {"late", "late", 0, 1},
                                            {"witness_late", "witness_late", 0, 1},
                                            {"temperature_c", "temperature_c", 1, 1},
                                            {"model", "model", TEXT, 1}};
    return csv_of(json_object_get(result, "results"), columns, sizeof columns / sizeof columns[0]);
}

static void put_machine(FILE *out, const json_t *result)
{
    const json_t *machine = json_object_get(result, "machine");
    const char *name = json_string_value(json_object_get(machine, "name"));
    const char *kernel = json_string_value(json_object_get(machine, "kernel"));
    const char *governor = json_string_value(json_object_get(machine, "governor"));
    const char *kernels = json_string_value(json_object_get(result, "kernel"));
    const char *version = json_string_value(json_object_get(result, "version"));
    fprintf(out, "%s, %d cores, Linux %s, governor %s, timbred %s (%s kernels)%s\n\n",
            name ? name : "?", (int)number_of(machine, "cores"), kernel ? kernel : "?",
            governor ? governor : "unknown", version ? version : "?", kernels ? kernels : "?",
            json_is_true(json_object_get(machine, "virtual")) ? ", virtual machine" : "");
}

/* What held, model by model. */
static void put_highest(FILE *out, const json_t *result)
{
    size_t i;
    json_t *line;
    const char *before = NULL;
    json_array_foreach(json_object_get(result, "highest"), i, line)
    {
        const char *name = json_string_value(json_object_get(line, "model"));
        name = name ? name : "FM";
        if (!before || strcmp(name, before) != 0)
            fprintf(out, "\n%s:", name);
        before = name;
        fprintf(out, "\n  %lld voices hold the deadline at p99, %s, %lld frames at %lld Hz",
                json_integer_value(json_object_get(line, "voices")),
                json_string_value(json_object_get(line, "mode")),
                json_integer_value(json_object_get(line, "block")),
                json_integer_value(json_object_get(line, "rate_hz")));
    }
    fputc('\n', out);
}

char *tb_bench_table(const json_t *result)
{
    static const struct column columns[] = {{"model", "model", TEXT, 1},
                                            {"mode", "mode", TEXT, 1},
                                            {"scenario", "scenario", TEXT, 1},
                                            {"voices", "voices", 0, 1},
                                            {"block", "block", 0, 1},
                                            {"rate", "rate_hz", 0, 1},
                                            {"p50 us", "p50_us", 2, 1},
                                            {"p99 us", "p99_us", 2, 1},
                                            {"p99.9 us", "p999_us", 2, 1},
                                            {"max us", "max_us", 2, 1},
                                            {"p99 %", "share.p99", 2, 100},
                                            {"ns/voice", "ns_per_voice_sample", 3, 1},
                                            {"late", "late", 0, 1},
                                            {"witness", "witness_late", 0, 1}};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    put_machine(out, result);
    put_table(out, json_object_get(result, "results"), columns, sizeof columns / sizeof columns[0]);
    put_highest(out, result);
    fputs("\np99 %: share of the time that the block plays. late: blocks that ended behind their "
          "period;\nwitness: the same of an idle thread beside them, which only the machine can "
          "delay.\n",
          out);
    return fclose(out) == 0 ? text : NULL;
}

/* ---- comparison */

static const char *const identity[] = {"model", "mode", "scenario", "voices", "block", "rate_hz"};
enum { N_IDENTITY = sizeof identity / sizeof identity[0] };

/* Results from before there were models name none. */
static bool same(const json_t *a, const json_t *b)
{
    return json_equal(a, b) || ((!a || json_is_null(a)) && (!b || json_is_null(b)));
}

static const json_t *find_same(const json_t *rows, const json_t *row)
{
    size_t i;
    json_t *other;
    json_array_foreach(rows, i, other)
    {
        size_t k = 0;
        while (k < N_IDENTITY &&
               same(json_object_get(other, identity[k]), json_object_get(row, identity[k])))
            k++;
        if (k == N_IDENTITY)
            return other;
    }
    return NULL;
}

static json_t *compare_row(const json_t *a, const json_t *b)
{
    static const char *const figures[] = {"p50_us", "p99_us"};
    json_t *row = json_object();
    for (size_t k = 0; k < N_IDENTITY; k++)
        if (json_object_get(a, identity[k]))
            (void)json_object_set(row, identity[k], json_object_get(a, identity[k]));
    for (size_t k = 0; k < 2; k++) {
        double x = number_of(a, figures[k]), y = number_of(b, figures[k]);
        char key[32];
        (void)snprintf(key, sizeof key, "a_%s", figures[k]);
        (void)json_object_set_new(row, key, json_real(x));
        (void)snprintf(key, sizeof key, "b_%s", figures[k]);
        (void)json_object_set_new(row, key, json_real(y));
        (void)snprintf(key, sizeof key, "ratio_%.3s", figures[k]);
        (void)json_object_set_new(row, key, x > 0.0 ? json_real(y / x) : json_null());
    }
    return row;
}

static json_t *label_of(const json_t *result)
{
    const json_t *machine = json_object_get(result, "machine");
    const json_t *const parts[] = {json_object_get(machine, "name"),
                                   json_object_get(result, "version"),
                                   json_object_get(result, "time")};
    char text[256] = "";
    for (size_t i = 0; i < 3; i++) {
        const char *part = json_string_value(parts[i]);
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof text - n, "%s%s", i ? ", " : "", part ? part : "?");
    }
    return json_string(text);
}

json_t *tb_bench_compare(const json_t *a, const json_t *b)
{
    json_t *rows = json_array(), *row;
    size_t i;
    json_array_foreach(json_object_get(a, "results"), i, row)
    {
        const json_t *other = find_same(json_object_get(b, "results"), row);
        if (other)
            (void)json_array_append_new(rows, compare_row(row, other));
    }
    return json_pack("{s:o,s:o,s:o}", "a", label_of(a), "b", label_of(b), "results", rows);
}

char *tb_bench_compare_table(const json_t *comparison)
{
    static const struct column columns[] = {
        {"model", "model", TEXT, 1},       {"mode", "mode", TEXT, 1},
        {"scenario", "scenario", TEXT, 1}, {"voices", "voices", 0, 1},
        {"block", "block", 0, 1},          {"rate", "rate_hz", 0, 1},
        {"A p50 us", "a_p50_us", 2, 1},    {"B p50 us", "b_p50_us", 2, 1},
        {"B/A", "ratio_p50", 2, 1},        {"A p99 us", "a_p99_us", 2, 1},
        {"B p99 us", "b_p99_us", 2, 1},    {"B/A", "ratio_p99", 2, 1}};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "A: %s\nB: %s\n\n", json_string_value(json_object_get(comparison, "a")),
            json_string_value(json_object_get(comparison, "b")));
    put_table(out, json_object_get(comparison, "results"), columns,
              sizeof columns / sizeof columns[0]);
    return fclose(out) == 0 ? text : NULL;
}
