/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/options.h"

#include <string.h>

/* What the tables of options look like to people: help, man page, completion. */

enum { COLUMN = 28, WIDTH = 92 };

/* " (1..64; default: 8)", " (float|s16|s24)" */
static void describe_values(const struct tb_option *o, char *text, size_t size)
{
    const char *usual = o->usual ? o->usual : "", *before = o->usual ? "; default: " : "";
    text[0] = '\0';
    if (o->kind >= TB_OPTION_WHOLE)
        (void)snprintf(text, size, " (%s%.10g..%.10g%s%s)",
                       o->kind == TB_OPTION_WHOLES ? "each " : "", o->min, o->max, before, usual);
    else if (o->kind == TB_OPTION_WORD)
        (void)snprintf(text, size, " (%s%s%s)", o->words, before, usual);
}

/* text from column on, broken at blanks. */
static void wrap(FILE *out, size_t column, size_t indent, const char *text)
{
    for (bool first = true; *text; first = false) {
        size_t length = strcspn(text, " ");
        if (!first && column + 1 + length > WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void show_option(FILE *out, const struct tb_option *o)
{
    char left[128], values[160], help[512];
    char letter[8] = "    ";
    if (o->letter)
        (void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
    int n = snprintf(left, sizeof left, "  %s--%s%s%s", letter, o->name, o->value ? " " : "",
                     o->value ? o->value : "");
    describe_values(o, values, sizeof values);
    (void)snprintf(help, sizeof help, "%s%s", o->help, values);
    if (n >= COLUMN)
        fprintf(out, "%s\n%*s", left, COLUMN, "");
    else
        fprintf(out, "%-*s", COLUMN, left);
    wrap(out, COLUMN, COLUMN, help);
}

void tb_command_help(const struct tb_command *command, FILE *out)
{
    fprintf(out, "usage: timbred %s [options]%s%s\n\n", command->name,
            command->operands[0] ? " " : "", command->operands);
    wrap(out, 0, 0, command->summary);
    if (command->details) {
        fputc('\n', out);
        wrap(out, 0, 0, command->details);
    }
    fputc('\n', out);
    const struct tb_option *o;
    for (size_t i = 0; (o = tb_option_at(command, i)); i++)
        show_option(out, o);
}

/* roff: a leading dot or quote and every backslash and dash need care. */
static void put_roff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
}

static void man_option(FILE *out, const struct tb_option *o)
{
    char values[160];
    fputs(".TP\n", out);
    if (o->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", out);
    put_roff(out, o->name);
    fputs("\\fR", out);
    if (o->value)
        fprintf(out, " \\fI%s\\fR", o->value);
    fputc('\n', out);
    describe_values(o, values, sizeof values);
    put_roff(out, o->help);
    put_roff(out, values);
    fputc('\n', out);
}

static void man_command(FILE *out, const struct tb_command *command)
{
    fprintf(out, ".SS timbred %s [options]%s", command->name, command->operands[0] ? " " : "");
    put_roff(out, command->operands);
    fputc('\n', out);
    put_roff(out, command->summary);
    fputc('\n', out);
    if (command->details) {
        fputs(".PP\n", out);
        put_roff(out, command->details);
        fputc('\n', out);
    }
    for (const struct tb_option *o = command->options; o && o->name; o++)
        man_option(out, o);
}

/* Tables that several commands share stand once, behind the commands. */
static void man_common(FILE *out, const struct tb_command *commands)
{
    for (const struct tb_command *c = commands; c->name; c++) {
        const struct tb_option *seen = c->common;
        const struct tb_command *first = commands;
        while (first->common != seen)
            first++;
        if (!seen || first != c)
            continue;
        fputs(".SH COMMON OPTIONS\nTaken by:", out);
        for (const struct tb_command *k = commands; k->name; k++) {
            if (k->common == seen)
                fprintf(out, "\n.B %s", k->name);
        }
        fputc('\n', out);
        for (const struct tb_option *o = seen; o->name; o++)
            man_option(out, o);
    }
}

void tb_commands_man(const struct tb_command *commands, const struct tb_exit_text *exits, FILE *out)
{
    fputs(".\\\" SPDX\\-License\\-Identifier: GPL\\-3.0\\-or\\-later\n"
          ".\\\" Written by `timbred help \\-\\-format=man`; do not edit.\n"
          ".TH TIMBRED 1 \"\" \"timbred " TB_VERSION "\" \"User Commands\"\n"
          ".SH NAME\ntimbred \\- networked synthesiser\n.SH SYNOPSIS\n"
          ".B timbred\n[\\fIcommand\\fR] [\\fIoptions\\fR]\n.SH DESCRIPTION\n"
          "Plays, serves, stores and measures. Without a command it serves. Commands that need "
          "patches ask\nthe server that runs on this machine, or the one that \\-\\-url names; "
          "where none runs they read the\nstore themselves.\n.SH COMMANDS\n",
          out);
    for (const struct tb_command *c = commands; c->name; c++)
        man_command(out, c);
    man_common(out, commands);
    fputs(".SH EXIT STATUS\n", out);
    for (const struct tb_exit_text *e = exits; e->meaning; e++)
        fprintf(out, ".TP\n%d\n%s\n", e->status, e->meaning);
    fputs(".SH ENVIRONMENT\n.TP\nTIMBRED_URL\nthe server, as \\-\\-url\n.TP\nTIMBRED_TOKEN\n"
          "the token, as \\-\\-token\n"
          ".SH FILES\n.TP\n/etc/timbred/timbred.conf\nsettings of the device\n"
          ".TP\n~/.config/timbred/token\ntoken of this user for the server on this machine\n",
          out);
}

/* Options of one command as words, and what follows those that take a value. */
static void bash_command(FILE *out, const struct tb_command *command)
{
    const struct tb_option *o;
    fprintf(out, "    '%s')\n        options='", command->name);
    for (size_t i = 0; (o = tb_option_at(command, i)); i++)
        fprintf(out, "%s--%s", i ? " " : "", o->name);
    fputs("'\n        case $previous in\n", out);
    for (size_t i = 0; (o = tb_option_at(command, i)); i++) {
        if (!o->value)
            continue;
        fprintf(out, "        --%s", o->name);
        if (o->letter)
            fprintf(out, " | -%c", o->letter);
        if (o->kind == TB_OPTION_WORD) {
            fputs(") words='", out);
            for (const char *p = o->words; *p; p++)
                fputc(*p == '|' ? ' ' : *p, out);
            fputs("' ;;\n", out);
        } else {
            fprintf(out, ") want='%s' ;;\n", o->kind == TB_OPTION_FILE ? "file" : "value");
        }
    }
    fputs("        esac ;;\n", out);
}

/* First words, the second words of those that have them, and which of these do without. */
static void bash_names(FILE *out, const struct tb_command *commands)
{
    fputs("    local first='", out);
    for (const struct tb_command *c = commands; c->name; c++) {
        size_t length = strcspn(c->name, " ");
        bool again = c > commands && strncmp(c[-1].name, c->name, length) == 0 &&
                     (c[-1].name[length] == ' ' || c[-1].name[length] == '\0');
        if (!again)
            fprintf(out, "%s%.*s", c > commands ? " " : "", (int)length, c->name);
    }
    fputs("'\n    local -A second=(", out);
    for (const struct tb_command *c = commands; c->name; c++) {
        size_t length = strcspn(c->name, " ");
        if (c->name[length] != ' ')
            continue;
        bool again = c > commands && strncmp(c[-1].name, c->name, length + 1) == 0;
        if (!again)
            fprintf(out, " [%.*s]='", (int)length, c->name);
        bool last = !c[1].name || strncmp(c[1].name, c->name, length + 1) != 0;
        fprintf(out, "%s%s", c->name + length + 1, last ? "'" : " ");
    }
    fputs(" )\n    local alone=' ", out);
    for (const struct tb_command *c = commands; c->name; c++)
        if (!strchr(c->name, ' '))
            fprintf(out, "%s ", c->name);
    fputs("'\n", out);
}

void tb_commands_bash(const struct tb_command *commands, FILE *out)
{
    fputs("# bash completion for timbred\n"
          "# SPDX-License-Identifier: GPL-3.0-or-later\n"
          "# Written by `timbred help --format=bash`; do not edit.\n"
          "_timbred()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    local command=${COMP_WORDS[1]} options='' words='' want=''\n",
          out);
    bash_names(out, commands);
    fputs("    COMPREPLY=()\n"
          "    if ((COMP_CWORD == 1)); then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$first --version --help\" -- \"$word\")\n"
          "        return\n    fi\n"
          "    if [ -n \"${second[$command]:-}\" ]; then\n"
          "        if ((COMP_CWORD == 2)); then\n"
          "            mapfile -t COMPREPLY < <(compgen -W \"${second[$command]}\" -- \"$word\")\n"
          "            if ((${#COMPREPLY[@]})) || [[ $alone != *\" $command \"* ]]; then\n"
          "                return\n            fi\n        fi\n"
          "        case \" ${second[$command]} \" in\n"
          "            *\" ${COMP_WORDS[2]} \"*) command+=\" ${COMP_WORDS[2]}\" ;;\n"
          "        esac\n    fi\n"
          "    case $command in\n",
          out);
    for (const struct tb_command *c = commands; c->name; c++)
        bash_command(out, c);
    fputs("    esac\n"
          "    if [ -n \"$words\" ]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
          "    elif [ \"$want\" = value ]; then\n        return\n"
          "    elif [ -z \"$want\" ] && [[ $word == -* ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
          "    else\n"
          "        compopt -o filenames 2>/dev/null\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
          "    fi\n}\ncomplete -F _timbred timbred\n",
          out);
}
