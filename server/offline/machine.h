/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_MACHINE_H
#define TB_SERVER_OFFLINE_MACHINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What this machine is, as far as the kernel tells; for doctor, benchmarks and /about. Control
 * threads. root is put before every path ("" for the real machine; tests give a made-up tree). */

/* {"name","model","arch","cores","kernel","governor","frequency_mhz","frequency_max_mhz",
 *  "temperature_c","throttled","memory_mb","memory_free_mb","virtual","os","cpu_flags":[..],
 *  "realtime_kernel","versions":{...}}; what is not known is null. NULL without memory. */
json_t *tb_machine_describe(const char *root);

/* Degrees Celsius of the hottest processor zone, NAN where the kernel does not tell. */
double tb_machine_temperature_c(const char *root);

/* True when the machine told that it slowed itself down since it started (a Raspberry Pi's
 * firmware flags, or the throttle counters of x86). *known says whether it tells at all. */
bool tb_machine_throttled(const char *root, bool *known);

/* {"timbred","libmicrohttpd","libwebsockets","jansson","libsndfile","alsa","libsodium"}:
 * what runs, not what was built against, where the library can say. */
json_t *tb_machine_versions(void);

/* "Raspberry Pi 4 Model B", or the processor's name; at most size - 1 bytes. */
void tb_machine_name(const char *root, char *name, size_t size);

#endif
