/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_STATE_FOLDER_H
#define TB_SERVER_AUDIO_STATE_FOLDER_H

#include "base/error.h"

/* Main thread. Makes the state folder where it is missing (0700, parents too), closes one that is
 * surely ours to other users, and claims it for this process until it ends, however it ends.
 * TB_ECONFLICT: another service has it, the text tells its process where that can be known;
 * TB_EIO. Where the file system knows no locks the folder is used all the same. */
enum tb_status tb_state_folder_open(const char *path, struct tb_error *err);

#endif
