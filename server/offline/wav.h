/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_WAV_H
#define TB_SERVER_OFFLINE_WAV_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* WAV files out, over libsndfile. The bytes depend on the samples only (no time stamps). Control
 * threads; one thread at a time. */
struct tb_wav;

enum tb_wav_format { TB_WAV_FLOAT, TB_WAV_PCM16, TB_WAV_PCM24 };

struct tb_wav_config {
    uint32_t rate_hz;    /* 1..768000 */
    uint32_t n_channels; /* 1 or 2 */
    enum tb_wav_format format;
};

/* Creates or truncates path. NULL with *err naming the path. */
struct tb_wav *tb_wav_create(const char *path, const struct tb_wav_config *config,
                             struct tb_error *err);

/* The same into an open, seekable descriptor (a memfd), which stays the caller's. */
struct tb_wav *tb_wav_create_fd(int fd, const struct tb_wav_config *config, struct tb_error *err);

/* interleaved: [n_frames][n_channels]; integer formats clip at full scale. */
enum tb_status tb_wav_write(struct tb_wav *wav, const float *interleaved, size_t n_frames,
                            struct tb_error *err);

/* Writes the header and closes; TB_EIO when the disk did not take it. Always frees wav. */
enum tb_status tb_wav_close(struct tb_wav *wav, struct tb_error *err);

#endif
