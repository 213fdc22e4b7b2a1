/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const struct tb_option own[] = {
    {.name = "rate",
     .letter = 'r',
     .value = "HZ",
     .kind = TB_OPTION_WHOLE,
     .min = 100,
     .max = 200,
     .help = "a rate"},
    {.name = "gain", .value = "DB", .kind = TB_OPTION_REAL, .min = -6, .max = 6, .help = "a gain"},
    {.name = "blocks",
     .value = "LIST",
     .kind = TB_OPTION_WHOLES,
     .min = 16,
     .max = 64,
     .help = "blocks"},
    {.name = "sort",
     .value = "WORD",
     .kind = TB_OPTION_WORD,
     .words = "name|time",
     .help = "order"},
    {.name = "set", .value = "K=V", .kind = TB_OPTION_TEXT, .many = true, .help = "set"},
    {.name = "output", .letter = 'o', .value = "FILE", .kind = TB_OPTION_FILE, .help = "where"},
    {.name = "quick", .letter = 'q', .help = "be quick"},
    {.name = NULL}};
static const struct tb_option common[] = {{.name = "json", .help = "machine-readable"},
                                          {.name = NULL}};
static const struct tb_command commands[] = {
    {.name = "thing ls",
     .operands = "[WORD...]",
     .max_operands = 2,
     .options = own,
     .common = common,
     .summary = "Lists things.",
     .details = "In a table."},
    {.name = "thing rm",
     .operands = "ID",
     .min_operands = 1,
     .max_operands = 1,
     .common = common,
     .summary = "Removes one."},
    {.name = "do", .operands = "", .options = own, .summary = "Does it."},
    {.name = NULL}};

static enum tb_status parse(const struct tb_command *command, const char *line,
                            struct tb_args *args, struct tb_error *err)
{
    static char copy[256];
    static char *argv[32];
    int argc = 0;
    assert_true(strlen(line) < sizeof copy);
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    return tb_args_parse(command, argc, argv, args, err);
}

static void every_spelling(void **state)
{
    (void)state;
    static const char *const lines[] = {"--rate 150 -o x.wav a b", "--rate=150 a --output=x.wav b",
                                        "a -r150 b -ox.wav", "-r 150 -o x.wav -- a b"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct tb_args args;
        struct tb_error err = {0};
        assert_int_equal(parse(&commands[0], lines[i], &args, &err), TB_OK);
        assert_true(tb_args_number(&args, "rate", 0) == 150.0);
        assert_string_equal(tb_args_text(&args, "output", ""), "x.wav");
        assert_int_equal(args.n_operands, 2);
        assert_string_equal(args.operands[1], "b");
        assert_false(tb_args_has(&args, "json"));
    }
    struct tb_args args;
    assert_int_equal(parse(&commands[0], "-q --json - -- --rate", &args, NULL), TB_OK);
    assert_true(tb_args_has(&args, "quick") && tb_args_has(&args, "json"));
    assert_string_equal(args.operands[0], "-");
    assert_string_equal(args.operands[1], "--rate");
    assert_true(tb_args_number(&args, "gain", 1.5) == 1.5);
}

static void lists_and_repeats(void **state)
{
    (void)state;
    struct tb_args args;
    unsigned values[TB_MAX_WHOLES];
    assert_int_equal(parse(&commands[0], "--blocks 16,32,64 --set a=1 --set b=2", &args, NULL),
                     TB_OK);
    assert_int_equal(tb_args_wholes(&args, "blocks", values), 3);
    assert_int_equal(values[2], 64);
    size_t at = 0;
    assert_string_equal(tb_args_next(&args, "set", &at), "a=1");
    assert_string_equal(tb_args_next(&args, "set", &at), "b=2");
    assert_null(tb_args_next(&args, "set", &at));
    assert_int_equal(tb_args_wholes(&args, "rate", values), 0);
}

static void faults_are_named(void **state)
{
    (void)state;
    static const struct {
        int command;
        const char *line, *text;
    } cases[] = {
        {0, "--rate 99", "--rate: 99 is below 100"},
        {0, "--rate 201", "--rate: 201 is above 200"},
        {0, "--rate 150.5", "--rate: 150.5 is not a whole number"},
        {0, "--rate x", "--rate: \"x\" is not a number"},
        {0, "--rate nan", "--rate: \"nan\" is not a number"},
        {0, "--rate 1e2x", "--rate: \"1e2x\" is not a number"},
        {0, "--rate 0x96", "--rate: \"0x96\" is not a number"},
        {0, "--rate", "--rate: needs HZ"},
        {0, "--gain 7", "--gain: 7 is above 6"},
        {0, "--blocks 16,8", "--blocks: 8 is below 16"},
        {0, "--blocks 16,", "--blocks: \"\" is not a number"},
        {0, "--blocks 16;32", "--blocks: \"16;32\" is not a number"},
        {0, "--sort size", "--sort: \"size\" is none of name|time"},
        {0, "--sort names", "--sort: \"names\" is none of name|time"},
        {0, "--quick=1", "--quick: takes no value"},
        {0, "--rate 150 --rate 160", "--rate: given twice"},
        {0, "--rat 150", "--rat: no such option"},
        {0, "-x", "-x: no such option"},
        {0, "a b c", "c: one argument too many"},
        {1, "", "thing rm: needs ID"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_args args;
        struct tb_error err = {0};
        assert_int_equal(parse(&commands[cases[i].command], cases[i].line, &args, &err), TB_EINVAL);
        assert_string_equal(err.text, cases[i].text);
    }
    struct tb_args args;
    assert_int_equal(parse(&commands[1], "--help", &args, NULL), TB_OK);
    assert_true(args.help);
}

static void too_many_are_refused(void **state)
{
    (void)state;
    char *argv[200];
    struct tb_args args;
    struct tb_error err;
    static char set[] = "--set=a=1", list[200] = "--blocks=16";
    for (int i = 0; i < 200; i++)
        argv[i] = set;
    assert_int_equal(tb_args_parse(&commands[0], 200, argv, &args, &err), TB_EINVAL);
    assert_string_equal(err.text, "more than 64 options");
    for (int i = 0; i < TB_MAX_WHOLES; i++)
        strcat(list, ",16");
    argv[0] = list;
    assert_int_equal(tb_args_parse(&commands[0], 1, argv, &args, &err), TB_EINVAL);
    assert_string_equal(err.text, "--blocks: more than 16 numbers");
}

static char *written(void (*write)(FILE *out))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    write(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void write_help(FILE *out)
{
    tb_command_help(&commands[0], out);
}

static void write_man(FILE *out)
{
    static const struct tb_exit_text exits[] = {{0, "done"}, {2, "wrong use"}, {0, NULL}};
    tb_commands_man(commands, exits, out);
}

static void write_bash(FILE *out)
{
    tb_commands_bash(commands, out);
}

static void texts_name_every_option(void **state)
{
    (void)state;
    char *help = written(write_help), *man = written(write_man), *bash = written(write_bash);
    for (const struct tb_option *o = own; o->name; o++) {
        char dashed[32];
        (void)snprintf(dashed, sizeof dashed, "--%s", o->name);
        assert_non_null(strstr(help, dashed));
        assert_non_null(strstr(help, o->help));
        assert_non_null(strstr(bash, dashed));
        (void)snprintf(dashed, sizeof dashed, "\\-\\-%s", o->name);
        assert_non_null(strstr(man, dashed));
    }
    static const char *const in_help[] = {"usage: timbred thing ls [options] [WORD...]\n",
                                          "  -r, --rate HZ             a rate (100..200)\n",
                                          "  -h, --help", "(name|time)", "In a table."};
    for (size_t i = 0; i < 5; i++)
        assert_non_null(strstr(help, in_help[i]));
    assert_non_null(strstr(man, ".SS timbred thing rm [options] ID\n"));
    assert_non_null(strstr(man, ".TP\n2\nwrong use\n"));
    assert_non_null(strstr(bash, "[thing]='ls rm'"));
    assert_non_null(strstr(bash, "local first='thing do'"));
    free(help);
    free(man);
    free(bash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling),          cmocka_unit_test(lists_and_repeats),
        cmocka_unit_test(faults_are_named),        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(texts_name_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
