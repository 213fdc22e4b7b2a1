/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli.h"
#include "server/commands.h"
#include "server/roles.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
#define COMMAND(NAME, FUNCTION) {NAME, FUNCTION},
#include "server/commands.def"
#undef COMMAND
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

/* A child must not outlive the audio role: the kernel ends it even when the parent was killed. The
 * web role is asked politely, so that it closes its database; a job has nothing to lose. */
static int run_role(const char *role, int argc, char **argv)
{
    if (strcmp(role, "web") == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        return tb_web_main(argc, argv);
    }
    if (strcmp(role, "job") == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        return tb_job_main(argc, argv);
    }
    if (strcmp(role, "train") == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* it saves where it is */
        return tb_train_job_main(argc, argv);
    }
    fprintf(stderr, "timbred: --role=%s: expected web, job or train\n", role);
    return TB_EXIT_USAGE;
}

/* serve and doctor read their own options: their help comes from the same table as everyone's. */
static int run_command(const struct command *command, int argc, char **argv)
{
    bool asked = argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
    if (asked && tb_cli_help(command->name, stdout))
        return 0;
    return command->run(argc, argv);
}

int main(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : "";
    if (strncmp(first, "--role=", 7) == 0)
        return run_role(first + 7, argc - 2, argv + 2);
    if (strcmp(first, "--version") == 0) {
        puts("timbred " TB_VERSION);
        return 0;
    }
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0)
        return tb_help_main(0, NULL);
    if (first[0] == '\0' || first[0] == '-')
        return commands[0].run(argc > 0 ? argc - 1 : 0, argv + (argc > 0));
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(first, commands[i].name) == 0)
            return run_command(&commands[i], argc - 2, argv + 2);
    fprintf(stderr, "timbred: %s: no such command; timbred --help lists them\n", first);
    return TB_EXIT_USAGE;
}
