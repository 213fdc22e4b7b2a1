/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_API_STATUS_H
#define TB_SERVER_API_STATUS_H

#include <jansson.h>
#include <stddef.h>

struct tb_web;

/* As GET /status; any thread; NULL without memory. */
json_t *tb_status_json(struct tb_web *web);

/* Any thread. The texts of the audio role, read while it may write them. */
void tb_status_texts(struct tb_web *web, char *device, size_t device_size, char *why,
                     size_t why_size);

#endif
