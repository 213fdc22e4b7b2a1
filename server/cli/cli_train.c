/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_run.h"
#include "server/train/train_module.h"

int tb_run_training(struct tb_cli *cli)
{
    struct tb_error err = {.status = TB_OK};
    enum tb_status s = tb_train_module_run(cli->args.command->name, &cli->args, &err);
    return s == TB_OK ? 0 : tb_cli_fail(cli, &err);
}
