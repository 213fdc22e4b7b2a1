/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_LOG_H
#define TB_SERVER_LOG_H

/* Any thread but audio. One line "timbred: ..." to standard error, written at once; the journal or
 * the terminal adds the time. At most 20 lines a second: what is over is counted and told later. */
void tb_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
