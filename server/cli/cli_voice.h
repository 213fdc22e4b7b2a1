/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_CLI_CLI_VOICE_H
#define TB_SERVER_CLI_CLI_VOICE_H

#include "base/error.h"
#include "dsp/engine.h"
#include "server/options.h"

#include <stdbool.h>
#include <stdint.h>

/* True when the argument of render names a file: it ends as one and exists, or has a slash. */
bool tb_voice_is_file(const char *text);

/* Values of voice number (1..) of a .syx file, or of our own .json; the rest takes its default. */
enum tb_status tb_voice_from_file(const char *path, unsigned number, float *values,
                                  struct tb_error *err);

/* values: [TB_N_PARAMS], only those that a DX7 voice has are written; packed: 128 bytes, bulk
 * format. Values over the machine's maxima are brought back to them. */
void tb_voice_from_packed(const uint8_t *packed, float *values);

/* --cpu of a command. */
enum tb_cpu tb_cli_cpu(const struct tb_args *args);

#endif
