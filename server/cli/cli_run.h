/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_CLI_CLI_RUN_H
#define TB_SERVER_CLI_CLI_RUN_H

#include "server/cli/cli.h"

/* What the lines of cli_table.c run. Each returns the exit status. */
int tb_run_patch_ls(struct tb_cli *cli);
int tb_run_patch_show(struct tb_cli *cli);
int tb_run_patch_import(struct tb_cli *cli);
int tb_run_patch_export(struct tb_cli *cli);
int tb_run_patch_load(struct tb_cli *cli);
int tb_run_patch_rm(struct tb_cli *cli);
int tb_run_model_ls(struct tb_cli *cli);
int tb_run_model_info(struct tb_cli *cli);
int tb_run_model_import(struct tb_cli *cli);
int tb_run_model_export(struct tb_cli *cli);
int tb_run_model_rm(struct tb_cli *cli);
int tb_run_model_use(struct tb_cli *cli);
int tb_run_render(struct tb_cli *cli);
int tb_run_note(struct tb_cli *cli);
int tb_run_panic(struct tb_cli *cli);
int tb_run_status(struct tb_cli *cli);
int tb_run_bench(struct tb_cli *cli);
int tb_run_url(struct tb_cli *cli);
int tb_run_token_ls(struct tb_cli *cli);
int tb_run_token_add(struct tb_cli *cli);
int tb_run_token_rm(struct tb_cli *cli);

int tb_run_training_ls(struct tb_cli *cli);
int tb_run_training_show(struct tb_cli *cli);
int tb_run_training_start(struct tb_cli *cli);
int tb_run_training_stop(struct tb_cli *cli);
int tb_run_training_resume(struct tb_cli *cli);
int tb_run_training_clip(struct tb_cli *cli);
int tb_run_training_rm(struct tb_cli *cli);
int tb_run_training_keep(struct tb_cli *cli);

int tb_run_dataset_ls(struct tb_cli *cli);
int tb_run_dataset_show(struct tb_cli *cli);
int tb_run_dataset_create(struct tb_cli *cli);
int tb_run_dataset_add(struct tb_cli *cli);
int tb_run_dataset_rm(struct tb_cli *cli);

int tb_run_backup_export(struct tb_cli *cli);
int tb_run_backup_restore(struct tb_cli *cli);

/* Every command of the training module (cli_train.c). */
int tb_run_training(struct tb_cli *cli);

/* render --voices V --jobs J OUTDIR (cli_batch.c). */
int tb_run_batch(struct tb_cli *cli);

#endif
