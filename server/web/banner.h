/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_BANNER_H
#define TB_SERVER_WEB_BANNER_H

struct tb_web;

/* Main thread, at the first start of the web role. Prints where the panel is, as links with token
 * and as a QR code, which device plays and why, and whether in real time. */
void tb_banner_print(struct tb_web *web, const char *token);

#endif
