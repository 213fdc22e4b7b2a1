/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli.h"

#include "server/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COMMANDS = 64 };

const struct tb_exit_text tb_cli_exits[] = {{0, "done"},
                                            {1, "it failed"},
                                            {2, "wrong use: an option, an argument or its bound"},
                                            {65, "a file or an answer is damaged"},
                                            {66, "no such patch, file or other thing"},
                                            {69, "no server answers, or it does not offer that"},
                                            {74, "reading or writing failed"},
                                            {75, "busy or changed meanwhile: try again"},
                                            {77, "not allowed, by the token or at all"},
                                            {78, "the settings are wrong"},
                                            {0, NULL}};

int tb_cli_exit(enum tb_status status)
{
    static const int exits[TB_N_STATUS] = {
        [TB_OK] = 0,         [TB_EINVAL] = 2,    [TB_ENOTFOUND] = 66,    [TB_EDENIED] = 77,
        [TB_ECONFLICT] = 75, [TB_ETOOLARGE] = 2, [TB_EFULL] = 75,        [TB_ENOMEM] = 1,
        [TB_EIO] = 74,       [TB_ECORRUPT] = 65, [TB_EUNSUPPORTED] = 69,
    };
    return status < TB_N_STATUS ? exits[status] : 1;
}

static int fail_with(bool json, int status, const char *text)
{
    if (json) {
        json_t *error = json_pack("{s:{s:i,s:s}}", "error", "exit", status, "text", text);
        (void)json_dumpf(error, stdout, JSON_COMPACT);
        (void)putchar('\n');
        json_decref(error);
    }
    fprintf(stderr, "timbred: %s\n", text);
    return status;
}

int tb_cli_fail(const struct tb_cli *cli, const struct tb_error *err)
{
    return fail_with(cli->json, tb_cli_exit(err->status), err->text);
}

int tb_cli_print(json_t *json)
{
    int fault = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(json);
    if (fault || putchar('\n') == EOF || fflush(stdout) != 0) {
        perror("timbred: standard output");
        return tb_cli_exit(TB_EIO);
    }
    return 0;
}

const char *tb_cli_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

enum tb_status tb_cli_may_go(const json_t *item, const char *kind, struct tb_error *err)
{
    if (!json_is_true(json_object_get(item, "factory")))
        return TB_OK;
    return tb_fail(err, TB_EDENIED, "%.96s is a factory %s, which stays", tb_cli_text(item, "name"),
                   kind);
}

double tb_cli_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

void tb_cli_words(const struct tb_args *args, char *text, size_t size)
{
    size_t n = 0;
    text[0] = '\0';
    for (int i = 0; i < args->n_operands && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%s", i ? " " : "", args->operands[i]);
}

static size_t first_word(const char *name)
{
    return strcspn(name, " ");
}

static bool begins_with(const char *command, const char *name)
{
    size_t length = strlen(name);
    return first_word(command) == length && strncmp(command, name, length) == 0;
}

bool tb_cli_help(const char *name, FILE *out)
{
    int n = 0;
    for (const struct tb_cli_entry *e = tb_cli_entries; e->command.name; e++) {
        if (!begins_with(e->command.name, name))
            continue;
        if (n++ > 0)
            fputc('\n', out);
        tb_command_help(&e->command, out);
    }
    return n > 0;
}

/* "patch" "ls" -> the entry "patch ls", "dataset" "voices/" -> "dataset"; *used words of argv
 * belong to its name. */
static const struct tb_cli_entry *find_entry(const char *name, int argc, char **argv, int *used)
{
    const struct tb_cli_entry *alone = NULL;
    for (const struct tb_cli_entry *e = tb_cli_entries; e->command.name; e++) {
        if (!begins_with(e->command.name, name))
            continue;
        const char *second = strchr(e->command.name, ' ');
        if (!second)
            alone = e;
        else if (argc > 0 && strcmp(argv[0], second + 1) == 0) {
            *used = 1;
            return e;
        }
    }
    return alone;
}

/* Of arguments that were not understood. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static int unknown_second(const char *name, int argc, char **argv)
{
    char text[256];
    bool asked = argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
    if (asked) {
        (void)tb_cli_help(name, stdout);
        return 0;
    }
    const bool given = argc > 0 && argv[0][0] != '-';
    size_t n = (size_t)snprintf(text, sizeof text, "%s%s%.60s: %s", name, given ? " " : "",
                                given ? argv[0] : "",
                                given ? "no such command; there are" : "needs one of");
    for (const struct tb_cli_entry *e = tb_cli_entries; e->command.name; e++)
        if (begins_with(e->command.name, name) && n < sizeof text)
            n += (size_t)snprintf(text + n, sizeof text - n, " %s",
                                  e->command.name + first_word(e->command.name) + 1);
    (void)fail_with(wants_json(argc, argv), TB_EXIT_USAGE, text);
    fprintf(stderr, "timbred %s --help tells more.\n", name);
    return TB_EXIT_USAGE;
}

int tb_cli_main(const char *name, int argc, char **argv)
{
    struct tb_cli cli = {0};
    struct tb_error err;
    int used = 0;
    const struct tb_cli_entry *entry = find_entry(name, argc, argv, &used);
    if (!entry)
        return unknown_second(name, argc, argv);
    enum tb_status s = tb_args_parse(&entry->command, argc - used, argv + used, &cli.args, &err);
    cli.json = tb_args_has(&cli.args, "json");
    if (s != TB_OK) {
        int status = fail_with(wants_json(argc, argv), TB_EXIT_USAGE, err.text);
        fprintf(stderr, "timbred %s --help tells more.\n", entry->command.name);
        return status;
    }
    if (cli.args.help) {
        if (used)
            tb_command_help(&entry->command, stdout);
        else /* and those below it */
            (void)tb_cli_help(name, stdout);
        return 0;
    }
    return entry->run(&cli);
}

/* ---- timbred help */

static void overview(FILE *out)
{
    fputs("usage: timbred [command] [options]\n\n", out);
    for (const struct tb_cli_entry *e = tb_cli_entries; e->command.name; e++)
        fprintf(out, "  %-16s %s\n", e->command.name, e->command.summary);
    fputs("\ntimbred COMMAND --help tells more. Without a command it serves.\n", out);
}

int tb_help_main(int argc, char **argv)
{
    static struct tb_command commands[MAX_COMMANDS];
    const char *format = argc > 0 && strncmp(argv[0], "--format=", 9) == 0 ? argv[0] + 9 : NULL;
    size_t n = 0;
    while (n < MAX_COMMANDS - 1 && tb_cli_entries[n].command.name) {
        commands[n] = tb_cli_entries[n].command;
        n++;
    }
    if (format && strcmp(format, "man") == 0) {
        tb_commands_man(commands, tb_cli_exits, stdout);
        return 0;
    }
    if (format && strcmp(format, "bash") == 0) {
        tb_commands_bash(commands, stdout);
        return 0;
    }
    if (argc == 0) {
        overview(stdout);
        return 0;
    }
    int used = 0;
    const struct tb_cli_entry *one = find_entry(argv[0], argc - 1, argv + 1, &used);
    if (used && argc == 2) {
        tb_command_help(&one->command, stdout);
        return 0;
    }
    if (!format && argc == 1 && tb_cli_help(argv[0], stdout))
        return 0;
    fprintf(stderr, "timbred: help %s%s%s: no such command\n", argv[0], argc > 1 ? " " : "",
            argc > 1 ? argv[1] : "");
    return TB_EXIT_USAGE;
}
