/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/batch.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SECONDS 600.0

enum field { INDEX, NOTE, VELOCITY, HOLD, TOTAL, N_NUMBERS };
static const char *const field_names[] = {"index", "note", "velocity", "hold_s", "total_s", "name"};

struct parser {
    const char *file;
    int line;
    size_t n_voices;
    struct tb_error *err;
};

static enum tb_status fault(const struct parser *p, int field, const char *text, const char *what)
{
    return tb_fail(p->err, TB_EINVAL, "%.60s:%d: %s: %.40s%s", p->file, p->line, field_names[field],
                   text, what);
}

static enum tb_status read_number(const struct parser *p, int field, const char *text,
                                  double *value)
{
    const double max[N_NUMBERS] = {(double)p->n_voices - 1.0, 127.0, 127.0, MAX_SECONDS,
                                   MAX_SECONDS};
    const double min = field == VELOCITY ? 1.0 : 0.0;
    char *end, what[64];
    *value = strtod(text, &end);
    if (*end != '\0' || strspn(text, "+-.0123456789eE") != strlen(text))
        return fault(p, field, text, " is not a number");
    if (field <= VELOCITY && *value != floor(*value))
        return fault(p, field, text, " is not a whole number");
    if (!(*value >= min) || (field == TOTAL && *value <= 0.0)) {
        (void)snprintf(what, sizeof what, field == TOTAL ? " is not above %g" : " is below %g",
                       min);
        return fault(p, field, text, what);
    }
    if (!(*value <= max[field])) {
        (void)snprintf(what, sizeof what, " is above %g", max[field]);
        return fault(p, field, text, what);
    }
    return TB_OK;
}

static enum tb_status read_name(const struct parser *p, const char *text, char *name)
{
    size_t n = strlen(text);
    if (n >= TB_BATCH_NAME)
        return fault(p, N_NUMBERS, text, "... is longer than 200 bytes");
    if (strchr(text, '/'))
        return fault(p, N_NUMBERS, text, " contains \"/\"");
    if (strstr(text, ".."))
        return fault(p, N_NUMBERS, text, " contains \"..\"");
    if (text[0] == '.')
        return fault(p, N_NUMBERS, text, " begins with \".\"");
    for (size_t i = 0; i < n; i++) {
        if (iscntrl((unsigned char)text[i]))
            return fault(p, N_NUMBERS, "", "contains a control character");
    }
    memcpy(name, text, n + 1);
    return TB_OK;
}

/* One line, split in place; *empty for blank lines and comments. */
static enum tb_status read_line(const struct parser *p, char *line, struct tb_batch_job *job,
                                bool *empty)
{
    double numbers[N_NUMBERS] = {0};
    char *save = NULL, *word = strtok_r(line, " \t\r", &save);
    *empty = !word || word[0] == '#';
    if (*empty)
        return TB_OK;
    for (int i = 0; i < N_NUMBERS; i++, word = strtok_r(NULL, " \t\r", &save)) {
        if (!word)
            return fault(p, i, "", "missing");
        enum tb_status s = read_number(p, i, word, &numbers[i]);
        if (s != TB_OK)
            return s;
    }
    if (!word)
        return fault(p, N_NUMBERS, "", "missing");
    enum tb_status s = read_name(p, word, job->name);
    if (s != TB_OK)
        return s;
    if (strtok_r(NULL, " \t\r", &save))
        return fault(p, N_NUMBERS, word, " is followed by more: a name has no blanks");
    job->index = (uint32_t)numbers[INDEX];
    job->note = (uint8_t)numbers[NOTE];
    job->velocity = (uint8_t)numbers[VELOCITY];
    job->hold_s = numbers[HOLD];
    job->total_s = numbers[TOTAL];
    return TB_OK;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* Two jobs of one name would overwrite each other. */
static enum tb_status check_names(const struct parser *p, const struct tb_batch_job *jobs, size_t n)
{
    const char **sorted = calloc(n ? n : 1, sizeof sorted[0]);
    if (!sorted)
        return tb_fail(p->err, TB_ENOMEM, "%.100s: no memory", p->file);
    for (size_t i = 0; i < n; i++)
        sorted[i] = jobs[i].name;
    qsort(sorted, n, sizeof sorted[0], compare_names);
    enum tb_status s = TB_OK;
    for (size_t i = 1; i < n && s == TB_OK; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            s = tb_fail(p->err, TB_EINVAL, "%.60s: name: %.60s is there twice", p->file, sorted[i]);
    }
    free(sorted);
    return s;
}

static enum tb_status append(const struct parser *p, struct tb_batch_job **jobs, size_t *n,
                             const struct tb_batch_job *job)
{
    if (*n == TB_BATCH_MAX_JOBS)
        return tb_fail(p->err, TB_ETOOLARGE, "%.60s:%d: more than %d jobs", p->file, p->line,
                       TB_BATCH_MAX_JOBS);
    if ((*n & (*n - 1)) == 0) { /* a power of two: full */
        struct tb_batch_job *more = realloc(*jobs, (*n ? 2 * *n : 1) * sizeof **jobs);
        if (!more)
            return tb_fail(p->err, TB_ENOMEM, "%.100s: no memory", p->file);
        *jobs = more;
    }
    (*jobs)[(*n)++] = *job;
    return TB_OK;
}

enum tb_status tb_batch_parse(const char *file, const char *text, size_t n_voices,
                              struct tb_batch_job **jobs, size_t *n, struct tb_error *err)
{
    struct parser p = {.file = file, .n_voices = n_voices, .err = err};
    struct tb_batch_job *list = NULL;
    size_t count = 0;
    char *copy = strdup(text);
    enum tb_status s = copy ? TB_OK : tb_fail(err, TB_ENOMEM, "%.100s: no memory", file);
    for (char *line = copy; line && s == TB_OK;) {
        struct tb_batch_job job;
        bool empty = true;
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        p.line++;
        s = read_line(&p, line, &job, &empty);
        if (s == TB_OK && !empty)
            s = append(&p, &list, &count, &job);
        line = next;
    }
    free(copy);
    if (s == TB_OK && count == 0)
        s = tb_fail(err, TB_EINVAL, "%.100s: no jobs", file);
    if (s == TB_OK)
        s = check_names(&p, list, count);
    if (s != TB_OK) {
        free(list);
        return s;
    }
    *jobs = list;
    *n = count;
    return TB_OK;
}
