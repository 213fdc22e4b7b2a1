/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_run.h"

#include "dsp/params.h"
#include "server/cli/http_client.h"
#include "server/formats/syx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IMPORT = 2 << 20, MAX_OUTPUT = 4096 };

static void print_list(const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(list, "items"), i, item)
    {
        printf("%s  %-24s %-14s %s%s\n", tb_cli_text(item, "uuid"), tb_cli_text(item, "name"),
               tb_cli_text(item, "category"), tb_cli_text(item, "author"),
               json_is_true(json_object_get(item, "favourite")) ? "  *" : "");
    }
    json_int_t total = json_integer_value(json_object_get(list, "total"));
    if (total > (json_int_t)i)
        fprintf(stderr, "%zu of %lld\n", i, (long long)total);
}

int tb_run_patch_ls(struct tb_cli *cli)
{
    const struct tb_args *args = &cli->args;
    const char *bank = tb_args_text(args, "bank", NULL);
    char text[512];
    tb_cli_words(args, text, sizeof text);
    struct tb_patch_query query = {.text = text,
                                   .category = tb_args_text(args, "category", NULL),
                                   .tag = tb_args_text(args, "tag", NULL),
                                   .favourite = tb_args_has(args, "favourite"),
                                   .sort = tb_args_text(args, "sort", NULL),
                                   .descending = tb_args_has(args, "descending"),
                                   .limit = (uint32_t)tb_args_number(args, "limit", 100),
                                   .offset = (uint32_t)tb_args_number(args, "offset", 0)};
    struct tb_error err;
    json_t *list = NULL, *of = NULL;
    int status = tb_cli_connect(cli, TB_CLI_ANY);
    if (status)
        return status;
    enum tb_status s = bank ? tb_cli_bank_find(cli, bank, &of, &err) : TB_OK;
    query.bank = of ? tb_cli_text(of, "uuid") : NULL;
    if (s == TB_OK)
        s = tb_cli_patch_list(cli, &query, &list, &err);
    json_decref(of);
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(list);
    print_list(list);
    json_decref(list);
    return 0;
}

static void print_tags(const json_t *patch)
{
    size_t i;
    json_t *tag;
    json_array_foreach(json_object_get(patch, "tags"), i, tag)
        printf("%s%s", i ? ", " : "tags        ", json_string_value(tag));
    if (i > 0)
        putchar('\n');
}

/* In the order of the table, with units and the names of choices. */
static void print_values(const json_t *values)
{
    for (size_t i = 0; i < TB_N_PARAMS; i++) {
        const struct tb_param_info *p = &tb_params[i];
        const json_t *value = json_object_get(values, p->key);
        if (!value)
            continue;
        double v = json_number_value(value);
        if (p->scale == TB_SCALE_ENUM && v >= p->min && v <= p->max)
            printf("  %-24s %s\n", p->key, p->choices[(size_t)v]);
        else
            printf("  %-24s %.6g%s%s\n", p->key, v, p->unit[0] ? " " : "", p->unit);
    }
}

int tb_run_patch_show(struct tb_cli *cli)
{
    static const char *const keys[] = {"name", "uuid", "category", "author", "licence", "comment"};
    struct tb_error err;
    json_t *patch = NULL;
    int status = tb_cli_connect(cli, TB_CLI_ANY);
    if (status)
        return status;
    if (tb_cli_patch_find(cli, cli->args.operands[0], &patch, &err) != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(patch);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (tb_cli_text(patch, keys[i])[0])
            printf("%-12s%s\n", keys[i], tb_cli_text(patch, keys[i]));
    }
    print_tags(patch);
    printf("revision    %lld\n", (long long)json_integer_value(json_object_get(patch, "revision")));
    print_values(json_object_get(patch, "values"));
    json_decref(patch);
    return 0;
}

static void print_report(const char *filename, const json_t *report)
{
    size_t i;
    json_t *item;
    const json_t *created = json_object_get(report, "created");
    const json_t *bank = json_object_get(report, "bank");
    const json_int_t skipped = json_integer_value(json_object_get(report, "skipped"));
    const size_t n = json_array_size(created);
    printf("%s: %zu patch%s", filename, n, n == 1 ? "" : "es");
    if (skipped > 0)
        printf(", %lld here already", (long long)skipped);
    if (json_is_object(bank))
        printf(", bank \"%s\" %s", tb_cli_text(bank, "name"), tb_cli_text(bank, "uuid"));
    putchar('\n');
    json_array_foreach(created, i, item)
        printf("  %s  %s\n", tb_cli_text(item, "uuid"), tb_cli_text(item, "name"));
    json_array_foreach(json_object_get(report, "warnings"), i, item)
        printf("  warning: %s\n", json_string_value(item));
}

static enum tb_status import_file(struct tb_cli *cli, const char *path, json_t **report,
                                  struct tb_error *err)
{
    uint8_t *data = NULL;
    size_t size = 0;
    enum tb_status s = tb_cli_read_file(path, MAX_IMPORT, &data, &size, err);
    if (s != TB_OK)
        return s;
    const char *slash = strrchr(path, '/');
    s = tb_cli_import(cli, slash ? slash + 1 : path, data, size, report, err);
    free(data);
    return s;
}

int tb_run_patch_import(struct tb_cli *cli)
{
    struct tb_error err;
    json_t *reports = json_array();
    int status = tb_cli_connect(cli, TB_CLI_ANY);
    for (int i = 0; i < cli->args.n_operands && status == 0; i++) {
        const char *path = cli->args.operands[i];
        json_t *report = NULL;
        if (import_file(cli, path, &report, &err) != TB_OK) {
            struct tb_error named;
            (void)tb_fail(&named, err.status, "%.60s: %.90s", path, err.text);
            status = tb_cli_fail(cli, strstr(err.text, path) ? &err : &named);
            continue;
        }
        if (!cli->json)
            print_report(path, report);
        (void)json_object_set_new(report, "file", json_string(path));
        (void)json_array_append_new(reports, report);
    }
    if (status == 0 && cli->json)
        return tb_cli_print(json_pack("{s:o}", "files", reports));
    json_decref(reports);
    return status;
}

static enum tb_status find_uuids(struct tb_cli *cli, json_t **uuids, struct tb_error *err)
{
    const struct tb_args *args = &cli->args;
    *uuids = args->n_operands ? json_array() : NULL;
    for (int i = 0; i < args->n_operands; i++) {
        json_t *patch;
        enum tb_status s = tb_cli_patch_find(cli, args->operands[i], &patch, err);
        if (s != TB_OK)
            return s;
        (void)json_array_append(*uuids, json_object_get(patch, "uuid"));
        json_decref(patch);
    }
    return TB_OK;
}

/* NAME.syx, or NAME-2.syx for the second of several. */
static enum tb_status name_part(const char *output, size_t i, size_t n, char path[MAX_OUTPUT],
                                struct tb_error *err)
{
    const char *slash = strrchr(output, '/'), *dot = strrchr(slash ? slash : output, '.');
    const int head = dot ? (int)(dot - output) : (int)strlen(output);
    const int size =
        n == 1 ? snprintf(path, MAX_OUTPUT, "%s", output)
               : snprintf(path, MAX_OUTPUT, "%.*s-%zu%s", head, output, i + 1, dot ? dot : "");
    return size < MAX_OUTPUT ? TB_OK
                             : tb_fail(err, TB_EINVAL, "%.60s: the path is too long", output);
}

/* One voice that was named as a single dump, everything else as cartridges of 32. All are made
 * before the first is written. */
static enum tb_status write_voices(struct tb_cli *cli, const json_t *uuids, const char *output,
                                   json_t *files, struct tb_error *err)
{
    const size_t voices = json_array_size(uuids), n = (voices + TB_SYX_BANK - 1) / TB_SYX_BANK;
    const bool bulk = voices > 1 || cli->args.n_operands == 0;
    char path[MAX_OUTPUT] = "-";
    if (n > 1 && (!output || strcmp(output, "-") == 0))
        return tb_fail(err, TB_EINVAL, "--output: needed for %zu voices, which take %zu files",
                       voices, n);
    struct tb_cli_bytes *parts = calloc(n, sizeof *parts);
    enum tb_status s = TB_OK;
    if (!parts)
        return tb_fail(err, TB_ENOMEM, "no memory");
    for (size_t i = 0; i < n && s == TB_OK; i++)
        s = tb_cli_cartridge(cli, uuids, i * TB_SYX_BANK, bulk, &parts[i], err);
    for (size_t i = 0; i < n && s == TB_OK; i++) {
        s = output ? name_part(output, i, n, path, err) : TB_OK;
        if (s == TB_OK)
            s = tb_cli_write_file(output ? path : NULL, parts[i].data, parts[i].size, err);
        if (s == TB_OK)
            (void)json_array_append_new(
                files, json_pack("{s:s,s:I}", "output", path, "bytes", (json_int_t)parts[i].size));
    }
    for (size_t i = 0; i < n; i++)
        free(parts[i].data);
    free(parts);
    return s;
}

static enum tb_status export_syx(struct tb_cli *cli, const json_t *named, const json_t *bank,
                                 json_t *files, struct tb_error *err)
{
    const char *output = tb_args_text(&cli->args, "output", NULL);
    json_t *voices = NULL;
    size_t n_networks = 0;
    if (named)
        return write_voices(cli, named, output, files, err);
    enum tb_status s = tb_cli_voices(cli, bank, &voices, &n_networks, err);
    if (s == TB_OK)
        s = write_voices(cli, voices, output, files, err);
    if (s == TB_OK && n_networks > 0)
        fprintf(stderr, "left out: %zu patch%s that networks play\n", n_networks,
                n_networks == 1 ? "" : "es");
    json_decref(voices);
    return s;
}

static enum tb_status export_json(struct tb_cli *cli, const json_t *named, const json_t *bank,
                                  json_t *files, struct tb_error *err)
{
    const char *output = tb_args_text(&cli->args, "output", NULL);
    struct tb_cli_bytes out = {0};
    enum tb_status s =
        tb_cli_export(cli, named, bank ? tb_cli_text(bank, "uuid") : NULL, &out, err);
    if (s == TB_OK)
        s = tb_cli_write_file(output, out.data, out.size, err);
    if (s == TB_OK)
        (void)json_array_append_new(files, json_pack("{s:s,s:I}", "output", output ? output : "-",
                                                     "bytes", (json_int_t)out.size));
    free(out.data);
    return s;
}

/* What was written, where that was not standard output; several files are told in any case. */
static int tell_files(struct tb_cli *cli, const json_t *files, const char *format)
{
    json_t *one = json_array_get(files, 0);
    const bool several = json_array_size(files) > 1;
    size_t i;
    if (strcmp(tb_cli_text(one, "output"), "-") == 0 || (!cli->json && !several))
        return 0;
    if (cli->json && several)
        return tb_cli_print(json_pack("{s:O,s:s}", "files", files, "format", format));
    if (cli->json)
        return tb_cli_print(json_pack("{s:O,s:O,s:s}", "output", json_object_get(one, "output"),
                                      "bytes", json_object_get(one, "bytes"), "format", format));
    json_array_foreach(files, i, one) puts(tb_cli_text(one, "output"));
    return 0;
}

int tb_run_patch_export(struct tb_cli *cli)
{
    const struct tb_args *args = &cli->args;
    const char *output = tb_args_text(args, "output", NULL);
    const char *name = tb_args_text(args, "bank", NULL);
    const char *dot = output ? strrchr(output, '.') : NULL;
    const char *format =
        tb_args_text(args, "format", dot && strcmp(dot, ".syx") == 0 ? "syx" : "json");
    struct tb_error err;
    json_t *named = NULL, *bank = NULL;
    if (name && args->n_operands > 0) {
        (void)tb_fail(&err, TB_EINVAL, "--bank: not together with patches");
        return tb_cli_fail(cli, &err);
    }
    int status = tb_cli_connect(cli, TB_CLI_ANY);
    if (status)
        return status;
    json_t *files = json_array();
    enum tb_status s = find_uuids(cli, &named, &err);
    if (s == TB_OK && name)
        s = tb_cli_bank_find(cli, name, &bank, &err);
    if (s == TB_OK)
        s = strcmp(format, "syx") == 0 ? export_syx(cli, named, bank, files, &err)
                                       : export_json(cli, named, bank, files, &err);
    status = s == TB_OK ? tell_files(cli, files, format) : tb_cli_fail(cli, &err);
    json_decref(named);
    json_decref(bank);
    json_decref(files);
    return status;
}

int tb_run_patch_load(struct tb_cli *cli)
{
    struct tb_error err;
    json_t *patch = NULL, *state = NULL;
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    enum tb_status s = tb_cli_patch_find(cli, cli->args.operands[0], &patch, &err);
    if (s == TB_OK)
        s = tb_cli_call(cli, "PUT", "/state/patch",
                        json_pack("{s:O}", "uuid", json_object_get(patch, "uuid")), &state, &err);
    if (s != TB_OK) {
        json_decref(patch);
        return tb_cli_fail(cli, &err);
    }
    if (!cli->json)
        printf("%s plays\n", tb_cli_text(patch, "name"));
    json_decref(patch);
    if (cli->json && state)
        return tb_cli_print(state);
    json_decref(state);
    return 0;
}

int tb_run_patch_rm(struct tb_cli *cli)
{
    struct tb_error err;
    json_t *patch = NULL, *ignored = NULL;
    char path[64], revision[24];
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    enum tb_status s = tb_cli_patch_find(cli, cli->args.operands[0], &patch, &err);
    if (s == TB_OK)
        s = tb_cli_may_go(patch, "patch", &err);
    if (s == TB_OK) {
        (void)snprintf(path, sizeof path, "/api/v1/patches/%.36s", tb_cli_text(patch, "uuid"));
        (void)snprintf(revision, sizeof revision, "\"%lld\"",
                       (long long)json_integer_value(json_object_get(patch, "revision")));
        const struct tb_client_request request = {.method = "DELETE",
                                                  .url = cli->url,
                                                  .path = path,
                                                  .token = cli->token,
                                                  .if_match = revision};
        s = tb_client_json(&request, NULL, &ignored, &err);
    }
    json_decref(ignored);
    json_decref(patch);
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    return cli->json ? tb_cli_print(json_object()) : 0;
}
