/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_ACCEPT_H
#define TB_SERVER_WEB_ACCEPT_H

#include "base/error.h"
#include "server/config.h"

#include <stdbool.h>
#include <stdint.h>

struct tb_web;

/* Main thread. Opens the one port for HTTP and WebSocket. A taken one is passed over, up to 20
 * further, unless it was asked for; *port is what it became. TB_ECONFLICT says who may hold it. */
enum tb_status tb_accept_listen(const struct tb_config *config, int *socket, uint16_t *port,
                                struct tb_error *err);

/* Main thread. True when fd listens; *port is where. */
bool tb_accept_inherited(int fd, uint16_t *port);

/* Main thread. Accepts, looks at the first 8 bytes without taking them, and hands each connection
 * to libwebsockets ("GET /ws" and a space or ?) or libmicrohttpd (the rest), until stop_fd is
 * readable. What says nothing for 5 s is closed. */
void tb_accept_run(struct tb_web *web, int socket, int stop_fd);

#endif
