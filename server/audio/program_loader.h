/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_PROGRAM_LOADER_H
#define TB_SERVER_AUDIO_PROGRAM_LOADER_H

#include "base/error.h"
#include "dsp/params.h"
#include "server/link.h"
#include "server/shm.h"

/* Main thread. Reads a struct tb_patch_image out of a memfd that another role made and sealed, and
 * checks everything: seals, size, magic, count, hashes and every value. *values and models are only
 * written on TB_OK. */
enum tb_status tb_patch_image_read(int fd, float values[TB_N_PARAMS], char models[2][TB_LINK_HASH],
                                   struct tb_error *err);

/* Main thread. What plays now, as the web role keeps it in shared memory, every value checked.
 * TB_ENOTFOUND before the first patch, TB_ECONFLICT when it is being written all the time. */
enum tb_status tb_current_read(const struct tb_shm *shm, float values[TB_N_PARAMS],
                               struct tb_error *err);

#endif
