/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/commands.h"

#include "server/cli/cli.h"

/* The functions that commands.def names; what they do stands in cli_table.c. */
#define CLI(NAME)                                                                                  \
    int tb_##NAME##_main(int argc, char **argv)                                                    \
    {                                                                                              \
        return tb_cli_main(#NAME, argc, argv);                                                     \
    }
CLI(patch)
CLI(backup)
CLI(model)
CLI(render)
CLI(note)
CLI(panic)
CLI(status)
CLI(bench)
CLI(dataset)
CLI(train)
CLI(training)
CLI(distill)
CLI(prune)
CLI(quantize)
CLI(eval)
CLI(url)
CLI(token)

int tb_fm_env_main(int argc, char **argv)
{
    return tb_cli_main("fm-env", argc, argv);
}
