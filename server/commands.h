/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_COMMANDS_H
#define TB_SERVER_COMMANDS_H

/* argc/argv hold the options behind the command's name. Returns the exit status. */
#define COMMAND(NAME, FUNCTION) int FUNCTION(int argc, char **argv);
#include "server/commands.def"
#undef COMMAND

/* Exit statuses beside 0 and 1: 2 for wrong use as everywhere, the rest after sysexits(3) and as
 * systemd knows them. */
enum { TB_EXIT_USAGE = 2, TB_EXIT_SOFTWARE = 70, TB_EXIT_BUSY = 75, TB_EXIT_CONFIG = 78 };

#endif
