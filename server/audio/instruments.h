/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_INSTRUMENTS_H
#define TB_SERVER_AUDIO_INSTRUMENTS_H

#include "base/error.h"
#include "dsp/neural.h"
#include "server/link.h"

#include <stdint.h>

/* Neural instruments of the audio role, built from model files on a thread of their own, which may
 * take a second for a large one. Two steps, so that no other command waits meanwhile: a model file
 * comes and is prepared (TB_LINK_MODEL), then a patch that names it is loaded and takes what was
 * prepared. A file is known by the SHA-256 of its bytes, which is checked each time it is read; the
 * newest few stay open, so that they can be built again for another rate. */
struct tb_instruments;

/* rate_hz: of the engine that plays, read whenever one is built. */
struct tb_instruments *tb_instruments_start(const _Atomic uint32_t *rate_hz, struct tb_error *err);
void tb_instruments_stop(struct tb_instruments *instruments);

/* Main thread. Prepares the model file behind fd (kept as a duplicate) under its hash; the answer
 * to header comes out of tb_instruments_fd (tb_link_receive) when it is ready, with the
 * instrument's bytes as its value. Prepared already: at once. */
enum tb_status tb_instruments_prepare(struct tb_instruments *instruments,
                                      const struct tb_link_header *header, const void *payload,
                                      int fd, struct tb_error *err);
int tb_instruments_fd(const struct tb_instruments *instruments);

/* Control threads. Takes a prepared instrument out, NULL with TB_ECONFLICT when there is none for
 * that rate: prepare it again. hash "" is TB_OK and NULL. Never waits for one that is being built.
 */
enum tb_status tb_instruments_take(struct tb_instruments *instruments, const char *hash,
                                   uint32_t rate_hz, struct tb_neural **neural,
                                   struct tb_error *err);

/* A control thread that may wait. Builds one for another rate from a file that was prepared before.
 */
enum tb_status tb_instruments_build(struct tb_instruments *instruments, const char *hash,
                                    uint32_t rate_hz, struct tb_neural **neural,
                                    struct tb_error *err);

#endif
