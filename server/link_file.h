/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_LINK_FILE_H
#define TB_SERVER_LINK_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* DIRECTORY/link: where the server of this machine listens and a token for it, for the command line
 * of whoever may read the state folder (mode 0600). The same text as the printed link. */

/* Web role, once it listens. host: of this machine, as in an address. Replaces the file at once. */
enum tb_status tb_link_file_write(const char *directory, const char *host, uint16_t port,
                                  const char *token, struct tb_error *err);

/* url: "http://127.0.0.1:8080"; token: what stands behind "#token=". False when there is none, or
 * it is not ours. */
bool tb_link_file_read(const char *directory, char *url, size_t url_size, char *token,
                       size_t token_size);

#endif
