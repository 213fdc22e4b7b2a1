/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Everything in one file: from the server, or from the store itself where none runs. */

enum { MAX_RESTORE = 64 << 20, MAX_STORED = 2047 << 20, PATH_BYTES = 512 };

/* SQLite writes into a file of its own, which nobody else can see. */
static enum tb_status backup_stored(struct tb_cli *cli, struct tb_cli_bytes *out,
                                    struct tb_error *err)
{
    char folder[PATH_BYTES], path[PATH_BYTES + 8];
    const char *scratch = getenv("TMPDIR");
    uint8_t *data = NULL;
    struct tb_store *store = tb_cli_store(cli, TB_STORE_READ, err);
    if (!store)
        return err->status;
    (void)snprintf(folder, sizeof folder, "%s/timbred-XXXXXX",
                   scratch && scratch[0] == '/' ? scratch : "/tmp");
    enum tb_status s =
        mkdtemp(folder) ? TB_OK : tb_fail(err, TB_EIO, "%.100s: %s", folder, strerror(errno));
    (void)snprintf(path, sizeof path, "%s/backup", folder);
    if (s == TB_OK) {
        s = tb_store_backup(store, path, err);
        if (s == TB_OK)
            s = tb_cli_read_file(path, MAX_STORED, &data, &out->size, err);
        (void)unlink(path);
        (void)rmdir(folder);
    }
    tb_store_close(store);
    out->data = data;
    return s;
}

int tb_run_backup_export(struct tb_cli *cli)
{
    struct tb_cli_bytes backup = {0};
    struct tb_error err;
    int status = tb_cli_connect(cli, TB_CLI_ANY);
    if (status)
        return status;
    enum tb_status s = cli->remote ? tb_cli_download(cli, "/api/v1/backup", &backup, &err)
                                   : backup_stored(cli, &backup, &err);
    mode_t mask = umask(0077); /* it holds everything, hashes of tokens too */
    status = tb_cli_deliver(cli, &backup, s, &err);
    (void)umask(mask);
    return status;
}

static enum tb_status restore_stored(struct tb_cli *cli, const char *file, struct tb_error *err)
{
    struct tb_error fault;
    if (access(file, R_OK) != 0)
        return tb_fail(err, errno == ENOENT ? TB_ENOTFOUND : TB_EIO, "%.100s: %s", file,
                       strerror(errno));
    struct tb_store *store = tb_cli_store(cli, TB_STORE_WRITE, err);
    if (!store)
        return err->status;
    enum tb_status s = tb_store_restore(store, file, &fault);
    tb_store_close(store);
    return s == TB_OK ? TB_OK : tb_fail(err, s, "%.50s: %.100s", file, fault.text);
}

int tb_run_backup_restore(struct tb_cli *cli)
{
    const char *file = cli->args.operands[0];
    const struct tb_cli_upload upload = {
        .method = "PUT", .path = "/api/v1/backup", .file = file, .max = MAX_RESTORE};
    struct tb_error err;
    json_t *reply = NULL;
    int status = tb_cli_connect(cli, TB_CLI_ANY);
    if (status)
        return status;
    enum tb_status s =
        cli->remote ? tb_cli_upload(cli, &upload, &reply, &err) : restore_stored(cli, file, &err);
    json_decref(reply);
    if (cli->remote && s == TB_EINVAL) /* there is nothing to be wrong but the file */
        s = err.status = TB_ECORRUPT;
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(json_pack("{s:b}", "restored", 1));
    fprintf(stderr,
            "%s is restored; what was there before is timbred.db.before-restore-TIME in "
            "the state folder\n",
            file);
    return 0;
}
