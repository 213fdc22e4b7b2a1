/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_CLI_CLI_MODEL_H
#define TB_SERVER_CLI_CLI_MODEL_H

#include "models/model_file.h"
#include "server/cli/cli.h"

/* A model wherever it is: a file, on the server, or in the store on this machine. One thread. */
struct tb_cli_model {
    void *data; /* the file, owned */
    size_t size;
    struct tb_model_file *file; /* parsed, owned; points into data */
};
void tb_cli_model_close(struct tb_cli_model *model);

/* True when the argument names a file: it ends as one and exists, or has a slash. */
bool tb_cli_model_is_file(const char *name);

/* name: a file, a uuid, or a whole name (case does not matter). All but files need a connection
 * (tb_cli_connect) before. */
enum tb_status tb_cli_model_open(struct tb_cli *cli, const char *name, struct tb_cli_model *model,
                                 struct tb_error *err);
/* {"items":[model],...} of those that have all words of text. */
enum tb_status tb_cli_model_list(struct tb_cli *cli, const char *text, json_t **list,
                                 struct tb_error *err);
/* The model as API.md has it. TB_EINVAL names the uuids of several. */
enum tb_status tb_cli_model_find(struct tb_cli *cli, const char *name, json_t **model,
                                 struct tb_error *err);

#endif
