/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_run.h"
#include "server/cli/http_client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The recordings that a server keeps for trainings; `timbred dataset FOLDER OUT` makes a data set
 * for `timbred train` here. */

enum { PATH_BYTES = 1024, MAX_RECORDING = 1 << 30 };

enum tb_status tb_cli_find(struct tb_cli *cli, const char *path, const char *name, char uuid[64],
                           struct tb_error *err)
{
    json_t *list = NULL, *one;
    size_t i, n = 0;
    enum tb_status s = tb_cli_call(cli, "GET", path, NULL, &list, err);
    json_array_foreach(json_object_get(list, "items"), i, one)
    {
        const bool it = strcmp(tb_cli_text(one, "uuid"), name) == 0;
        if (!it && strcasecmp(tb_cli_text(one, "name"), name) != 0)
            continue;
        (void)snprintf(uuid, 64, "%s", tb_cli_text(one, "uuid"));
        n = it ? 1 : n + 1;
        if (it)
            break;
    }
    json_decref(list);
    const char *kind = strcmp(path, "/datasets") == 0 ? "data set" : "training";
    if (s == TB_OK && n == 0)
        s = tb_fail(err, TB_ENOTFOUND, "%.60s: no such %s", name, kind);
    if (s == TB_OK && n > 1)
        s = tb_fail(err, TB_EINVAL, "%.60s: %zu have this name; give the uuid", name, n);
    return s;
}

static void print_line(const json_t *set)
{
    const double count = tb_cli_number(set, "count");
    printf("%s  %-24s %-9s %-8s %3.0f recording%s %6.1f MiB", tb_cli_text(set, "uuid"),
           tb_cli_text(set, "name"), tb_cli_text(set, "instrument"), tb_cli_text(set, "state"),
           count, count == 1 ? " " : "s", tb_cli_number(set, "bytes") / 1048576.0);
    if (json_is_number(json_object_get(set, "minutes"))) /* known once it was prepared */
        printf(" %6.1f min", tb_cli_number(set, "minutes"));
    (void)putchar('\n');
}

int tb_run_dataset_ls(struct tb_cli *cli)
{
    struct tb_error err;
    json_t *list = NULL, *one;
    size_t i;
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    if (tb_cli_call(cli, "GET", "/datasets", NULL, &list, &err) != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(list);
    json_array_foreach(json_object_get(list, "items"), i, one) print_line(one);
    json_decref(list);
    return 0;
}

static void print_whole(const json_t *set)
{
    const json_t *report = json_object_get(set, "report"), *one;
    size_t i;
    print_line(set);
    json_array_foreach(json_object_get(set, "recordings"), i, one)
    {
        const char *why = tb_cli_text(one, "rejected");
        printf("  %-40s %8.1f KiB%s%s\n", tb_cli_text(one, "name"),
               tb_cli_number(one, "bytes") / 1024.0, why[0] ? "  rejected: " : "", why);
    }
    if (!json_is_object(report))
        return;
    const json_t *clips = json_object_get(report, "clips");
    printf("prepared: %.1f min, clips %.0f train, %.0f validation, %.0f test\n",
           tb_cli_number(report, "minutes"), tb_cli_number(clips, "train"),
           tb_cli_number(clips, "validation"), tb_cli_number(clips, "test"));
}

int tb_run_dataset_show(struct tb_cli *cli)
{
    struct tb_error err;
    json_t *set = NULL;
    char uuid[64] = "", path[PATH_BYTES];
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    enum tb_status s = tb_cli_find(cli, "/datasets", cli->args.operands[0], uuid, &err);
    (void)snprintf(path, sizeof path, "/datasets/%s", uuid);
    if (s == TB_OK)
        s = tb_cli_call(cli, "GET", path, NULL, &set, &err);
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(set);
    print_whole(set);
    json_decref(set);
    return 0;
}

/* ---- create, add, rm */

static enum tb_status add_recording(struct tb_cli *cli, const char *uuid, const char *file,
                                    struct tb_error *err)
{
    char path[PATH_BYTES]; /* 255 bytes, each as %XX */
    const char *slash = strrchr(file, '/');
    int n = snprintf(path, sizeof path, "/api/v1/datasets/%.36s/recordings?filename=", uuid);
    if (!tb_client_escape(slash ? slash + 1 : file, path + n, sizeof path - (size_t)n))
        return tb_fail(err, TB_EINVAL, "%.60s: the name is too long", file);
    const struct tb_cli_upload upload = {.path = path, .file = file, .max = MAX_RECORDING};
    return tb_cli_upload(cli, &upload, NULL, err);
}

enum tb_status tb_cli_set_create(struct tb_cli *cli, const char *name, int first, char uuid[64],
                                 struct tb_error *err)
{
    const struct tb_args *a = &cli->args;
    json_t *set = NULL;
    json_t *about = json_pack(
        "{s:s, s:s, s:s, s:s, s:s}", "name", name, "instrument", tb_args_text(a, "instrument", ""),
        "labels", tb_args_text(a, "labels", "names"), "licence", tb_args_text(a, "licence", ""),
        "credit", tb_args_text(a, "credit", ""));
    enum tb_status s = about ? tb_cli_call(cli, "POST", "/datasets", about, &set, err)
                             : tb_fail(err, TB_EINVAL, "%.60s: not UTF-8", name);
    (void)snprintf(uuid, 64, "%s", tb_cli_text(set, "uuid"));
    json_decref(set);
    for (int i = first; i < a->n_operands && s == TB_OK; i++)
        s = add_recording(cli, uuid, a->operands[i], err);
    if (s != TB_OK && uuid[0]) { /* nothing half is left for another try to stumble over */
        struct tb_error ignored;
        char path[128];
        (void)snprintf(path, sizeof path, "/datasets/%.36s", uuid);
        (void)tb_cli_call(cli, "DELETE", path, NULL, NULL, &ignored);
        uuid[0] = '\0';
    }
    return s;
}

/* The data set as it is now. */
static int tell_set(struct tb_cli *cli, const char *uuid)
{
    struct tb_error err;
    json_t *set = NULL;
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/datasets/%.36s", uuid);
    if (tb_cli_call(cli, "GET", path, NULL, &set, &err) != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(set);
    print_line(set);
    json_decref(set);
    return 0;
}

int tb_run_dataset_create(struct tb_cli *cli)
{
    struct tb_error err;
    char uuid[64] = "";
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    if (tb_cli_set_create(cli, cli->args.operands[0], 1, uuid, &err) != TB_OK)
        return tb_cli_fail(cli, &err);
    return tell_set(cli, uuid);
}

/* Those before the one that fails stay. */
int tb_run_dataset_add(struct tb_cli *cli)
{
    struct tb_error err;
    char uuid[64] = "";
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    enum tb_status s = tb_cli_find(cli, "/datasets", cli->args.operands[0], uuid, &err);
    for (int i = 1; i < cli->args.n_operands && s == TB_OK; i++)
        s = add_recording(cli, uuid, cli->args.operands[i], &err);
    return s == TB_OK ? tell_set(cli, uuid) : tb_cli_fail(cli, &err);
}

/* One recording of a data set, by the name that it was uploaded with. */
static enum tb_status remove_recording(struct tb_cli *cli, const char *uuid, const char *name,
                                       struct tb_error *err)
{
    char path[PATH_BYTES];
    struct tb_error fault;
    int n = snprintf(path, sizeof path, "/datasets/%.36s/recordings?filename=", uuid);
    if (!tb_client_escape(name, path + n, sizeof path - (size_t)n))
        return tb_fail(err, TB_EINVAL, "%.60s: the name is too long", name);
    enum tb_status s = tb_cli_call(cli, "DELETE", path, NULL, NULL, &fault);
    return s == TB_OK ? TB_OK : tb_fail(err, s, "%.50s: %.100s", name, fault.text);
}

int tb_run_dataset_rm(struct tb_cli *cli)
{
    const struct tb_args *a = &cli->args;
    struct tb_error err;
    char uuid[64] = "", path[PATH_BYTES];
    int status = tb_cli_connect(cli, TB_CLI_SERVER);
    if (status)
        return status;
    enum tb_status s = tb_cli_find(cli, "/datasets", a->operands[0], uuid, &err);
    (void)snprintf(path, sizeof path, "/datasets/%s", uuid);
    if (s == TB_OK && a->n_operands == 1)
        s = tb_cli_call(cli, "DELETE", path, NULL, NULL, &err);
    for (int i = 1; i < a->n_operands && s == TB_OK; i++)
        s = remove_recording(cli, uuid, a->operands[i], &err);
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    return cli->json ? tb_cli_print(json_object()) : 0;
}
