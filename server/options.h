/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OPTIONS_H
#define TB_SERVER_OPTIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* One table a command, from which come the parser, --help, the man page and the bash completion.
 * Control threads. */

enum tb_option_kind {
    TB_OPTION_FLAG,   /* takes no value */
    TB_OPTION_TEXT,   /* any */
    TB_OPTION_FILE,   /* a path */
    TB_OPTION_WORD,   /* one of words */
    TB_OPTION_WHOLE,  /* min..max, no fraction */
    TB_OPTION_REAL,   /* min..max */
    TB_OPTION_WHOLES, /* "1,8,32": each min..max */
};

struct tb_option {
    const char *name;  /* "rate", without the dashes; NULL ends a table */
    char letter;       /* 'o', or 0 */
    const char *value; /* "HZ" in the help; NULL for a flag */
    enum tb_option_kind kind;
    double min, max;   /* of numbers */
    const char *words; /* "float|s16|s24" for WORD */
    const char *usual; /* what holds without it, for the help; NULL: nothing to say */
    bool many;         /* may be given more than once */
    const char *help;  /* begins small, ends without a full stop */
};

enum { TB_MAX_GIVEN = 64, TB_MAX_OPERANDS = 256, TB_MAX_WHOLES = 16 };

struct tb_command {
    const char *name;     /* "patch ls" */
    const char *operands; /* "[WORD...]", "" for none */
    int min_operands, max_operands;
    const struct tb_option *options; /* NULL: parses its own, only shown */
    const struct tb_option *common;  /* a second table that several commands share, or NULL */
    const char *summary;             /* one line */
    const char *details;             /* more, or NULL */
};

struct tb_given {
    const struct tb_option *option;
    const char *text; /* "" for a flag */
};

struct tb_args {
    const struct tb_command *command;
    struct tb_given given[TB_MAX_GIVEN];
    size_t n_given;
    const char *operands[TB_MAX_OPERANDS];
    int n_operands;
    bool help; /* --help was given: nothing else was checked */
};

/* argv[0..argc): behind the command's name. Options and operands may be mixed; "--" ends the
 * options; "--name=value", "--name value", "-x value", "-xvalue". TB_EINVAL names option and
 * bound. The strings stay argv's. */
enum tb_status tb_args_parse(const struct tb_command *command, int argc, char **argv,
                             struct tb_args *args, struct tb_error *err);

/* The i-th option of a command: its own table, then the common one, then --help; NULL behind the
 * end. */
const struct tb_option *tb_option_at(const struct tb_command *command, size_t i);

bool tb_args_has(const struct tb_args *args, const char *name);
/* The last value given, else otherwise. Values were checked by tb_args_parse. */
const char *tb_args_text(const struct tb_args *args, const char *name, const char *otherwise);
double tb_args_number(const struct tb_args *args, const char *name, double otherwise);
/* Every value of an option that may be given more than once: call with *at = 0 first; NULL ends. */
const char *tb_args_next(const struct tb_args *args, const char *name, size_t *at);
/* Of a WHOLES option; 0 when it was not given. */
size_t tb_args_wholes(const struct tb_args *args, const char *name, unsigned values[TB_MAX_WHOLES]);

/* "usage: timbred patch ls [options] [WORD...]" and the table below it. */
void tb_command_help(const struct tb_command *command, FILE *out);

/* A whole man page in section 1, and a completion script for bash; commands ends with name NULL.
 * exits: {status, meaning} pairs, ending with meaning NULL. */
struct tb_exit_text {
    int status;
    const char *meaning;
};
void tb_commands_man(const struct tb_command *commands, const struct tb_exit_text *exits,
                     FILE *out);
void tb_commands_bash(const struct tb_command *commands, FILE *out);

#endif
