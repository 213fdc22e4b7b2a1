/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_entry.h"

#include <string.h>

static enum tb_status run_command(const char *name, const struct tb_args *args,
                                  struct tb_error *err)
{
    static const struct {
        const char *name;
        tb_train_run *run;
    } commands[] = {
#define TRAIN_COMMAND(NAME, FUNCTION) {NAME, FUNCTION},
#include "server/train/train_commands.def"
#undef TRAIN_COMMAND
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(args, err);
    return tb_fail(err, TB_ENOTFOUND, "%.40s: the training module has no such command", name);
}

extern const struct tb_train_module tb_train_module;
__attribute__((visibility("default"))) const struct tb_train_module tb_train_module = {
    .version = TB_VERSION, .command = run_command, .job = tb_train_job_run};
