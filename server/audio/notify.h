/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_NOTIFY_H
#define TB_SERVER_AUDIO_NOTIFY_H

#include <stdint.h>

/* Any thread but audio. Tells the service manager, where there is one (NOTIFY_SOCKET):
 * "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..." as in sd_notify(3). */
void tb_notify(const char *state);

/* How often the service manager wants to hear WATCHDOG=1, ns; 0 when it does not. */
uint64_t tb_notify_watchdog_ns(void);

#endif
