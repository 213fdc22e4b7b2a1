/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_API_MICROPHONE_H
#define TB_SERVER_API_MICROPHONE_H

#include "base/error.h"
#include "server/shm.h"

/* A client's microphone, on its way from WebSocket frames into shared memory at the rate of the
 * device. WebSocket thread only. */
struct tb_microphone;

enum { TB_MICROPHONE_FRAMES = 9600, TB_MICROPHONE_HEAD = 16, TB_MICROPHONE_KIND = 16 };

struct tb_microphone *tb_microphone_new(struct tb_error *err);
void tb_microphone_free(struct tb_microphone *microphone); /* NULL is allowed */

/* Where the sound goes: memory that is the client's now, and the rate of the device. */
struct tb_microphone_out {
    struct tb_mic *mic;
    uint32_t rate_hz;
};

/* A binary message of kind 16: 8 bytes of head, u32 rate_hz, u32 reserved, count s16. What comes
 * faster than its own rate allows for (half as much again, over a second) is dropped. now_ns as
 * tb_clock_ns. TB_EINVAL names the field. */
enum tb_status tb_microphone_hear(struct tb_microphone *microphone, const void *data, size_t size,
                                  const struct tb_microphone_out *out, uint64_t now_ns,
                                  struct tb_error *err);

#endif
