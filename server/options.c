/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct tb_option help_option = {
    .name = "help", .letter = 'h', .help = "tell about this command"};

const struct tb_option *tb_option_at(const struct tb_command *command, size_t i)
{
    const struct tb_option *const tables[] = {command->options, command->common};
    for (size_t t = 0; t < 2; t++) {
        for (const struct tb_option *o = tables[t]; o && o->name; o++) {
            if (i-- == 0)
                return o;
        }
    }
    return i == 0 ? &help_option : NULL;
}

static const struct tb_option *find_option(const struct tb_command *command, const char *name,
                                           size_t length)
{
    const struct tb_option *o;
    for (size_t i = 0; (o = tb_option_at(command, i)); i++) {
        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
            return o;
    }
    return NULL;
}

static enum tb_status check_number(const struct tb_option *o, const char *text, char **end,
                                   double *value, struct tb_error *err)
{
    *value = strtod(text, end);
    if (*end == text || strspn(text, "+-.0123456789eE") < (size_t)(*end - text))
        return tb_fail(err, TB_EINVAL, "--%s: \"%.40s\" is not a number", o->name, text);
    if (!(*value >= o->min))
        return tb_fail(err, TB_EINVAL, "--%s: %g is below %g", o->name, *value, o->min);
    if (!(*value <= o->max))
        return tb_fail(err, TB_EINVAL, "--%s: %g is above %g", o->name, *value, o->max);
    if (o->kind != TB_OPTION_REAL && *value != floor(*value))
        return tb_fail(err, TB_EINVAL, "--%s: %g is not a whole number", o->name, *value);
    return TB_OK;
}

static enum tb_status check_numbers(const struct tb_option *o, const char *text,
                                    struct tb_error *err)
{
    for (int n = 0;; n++) {
        char *end;
        double value;
        enum tb_status s = check_number(o, text, &end, &value, err);
        if (s != TB_OK)
            return s;
        if (*end == '\0')
            return TB_OK;
        if (o->kind != TB_OPTION_WHOLES || *end != ',')
            return tb_fail(err, TB_EINVAL, "--%s: \"%.40s\" is not a number", o->name, text);
        if (n + 1 == TB_MAX_WHOLES)
            return tb_fail(err, TB_EINVAL, "--%s: more than %d numbers", o->name, TB_MAX_WHOLES);
        text = end + 1;
    }
}

static bool is_one_of(const char *words, const char *text)
{
    size_t length = strlen(text);
    for (const char *w = words; length && w; w = strchr(w, '|')) {
        w += *w == '|';
        if (strcspn(w, "|") == length && strncmp(w, text, length) == 0)
            return true;
    }
    return false;
}

static enum tb_status check_value(const struct tb_option *o, const char *text, struct tb_error *err)
{
    if (o->kind == TB_OPTION_WORD && !is_one_of(o->words, text))
        return tb_fail(err, TB_EINVAL, "--%s: \"%.40s\" is none of %s", o->name, text, o->words);
    if (o->kind >= TB_OPTION_WHOLE)
        return check_numbers(o, text, err);
    return TB_OK;
}

static enum tb_status add(struct tb_args *args, const struct tb_option *o, const char *text,
                          struct tb_error *err)
{
    if (o == &help_option) {
        args->help = true;
        return TB_OK;
    }
    if (args->n_given == TB_MAX_GIVEN)
        return tb_fail(err, TB_EINVAL, "more than %d options", TB_MAX_GIVEN);
    if (!o->many && tb_args_has(args, o->name))
        return tb_fail(err, TB_EINVAL, "--%s: given twice", o->name);
    args->given[args->n_given++] = (struct tb_given){o, text};
    return check_value(o, text, err);
}

/* *i stands on an argument that begins with '-'; it moves over a value that follows. */
static enum tb_status take_option(struct tb_args *args, int argc, char **argv, int *i,
                                  struct tb_error *err)
{
    const char *arg = argv[*i], *value = NULL;
    const struct tb_option *o = NULL;
    if (arg[1] == '-') {
        size_t length = strcspn(arg + 2, "=");
        o = find_option(args->command, arg + 2, length);
        value = arg[2 + length] == '=' ? arg + 2 + length + 1 : NULL;
    } else {
        for (size_t k = 0; (o = tb_option_at(args->command, k)) && o->letter != arg[1]; k++)
            ;
        value = arg[2] ? arg + 2 : NULL;
    }
    if (!o)
        return tb_fail(err, TB_EINVAL, "%.60s: no such option", arg);
    if (!o->value)
        return value ? tb_fail(err, TB_EINVAL, "--%s: takes no value", o->name)
                     : add(args, o, "", err);
    if (!value && *i + 1 >= argc)
        return tb_fail(err, TB_EINVAL, "--%s: needs %s", o->name, o->value);
    return add(args, o, value ? value : argv[++*i], err);
}

enum tb_status tb_args_parse(const struct tb_command *command, int argc, char **argv,
                             struct tb_args *args, struct tb_error *err)
{
    bool only_operands = false;
    memset(args, 0, sizeof *args);
    args->command = command;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        enum tb_status s = TB_OK;
        if (!only_operands && strcmp(arg, "--") == 0)
            only_operands = true;
        else if (!only_operands && arg[0] == '-' && arg[1] != '\0')
            s = take_option(args, argc, argv, &i, err);
        else if (args->n_operands == command->max_operands)
            s = tb_fail(err, TB_EINVAL, "%.60s: one argument too many", arg);
        else
            args->operands[args->n_operands++] = arg;
        if (args->help || s != TB_OK)
            return args->help ? TB_OK : s;
    }
    if (args->n_operands < command->min_operands)
        return tb_fail(err, TB_EINVAL, "%s: needs %s", command->name, command->operands);
    return TB_OK;
}

bool tb_args_has(const struct tb_args *args, const char *name)
{
    return tb_args_text(args, name, NULL) != NULL;
}

const char *tb_args_text(const struct tb_args *args, const char *name, const char *otherwise)
{
    for (size_t i = args->n_given; i-- > 0;) {
        if (strcmp(args->given[i].option->name, name) == 0)
            return args->given[i].text;
    }
    return otherwise;
}

double tb_args_number(const struct tb_args *args, const char *name, double otherwise)
{
    const char *text = tb_args_text(args, name, NULL);
    return text ? strtod(text, NULL) : otherwise;
}

const char *tb_args_next(const struct tb_args *args, const char *name, size_t *at)
{
    while (*at < args->n_given) {
        const struct tb_given *g = &args->given[(*at)++];
        if (strcmp(g->option->name, name) == 0)
            return g->text;
    }
    return NULL;
}

size_t tb_args_wholes(const struct tb_args *args, const char *name, unsigned values[TB_MAX_WHOLES])
{
    const char *text = tb_args_text(args, name, NULL);
    size_t n = 0;
    while (text && n < TB_MAX_WHOLES) {
        char *end;
        values[n++] = (unsigned)strtod(text, &end);
        text = *end == ',' ? end + 1 : NULL;
    }
    return n;
}
