/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_STATE_IMPORTS_H
#define TB_SERVER_STATE_IMPORTS_H

#include <stddef.h>

struct tb_web;

/* Link thread. A system exclusive message from MIDI goes into the store as an import. */
void tb_import_sysex(struct tb_web *web, const void *data, size_t size);

#endif
