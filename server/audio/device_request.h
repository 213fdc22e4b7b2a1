/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_DEVICE_REQUEST_H
#define TB_SERVER_AUDIO_DEVICE_REQUEST_H

#include "dsp/audio.h"
#include "server/link.h"

/* Which device plays and how. */
struct tb_device_choice {
    char driver[8];
    struct tb_audio_request request;
};

/* Any thread. What another role asks for, checked field by field and put over *choice, which is
 * what plays now; untouched members stay. TB_EINVAL names the field and its bound, and *choice may
 * then be half written. */
enum tb_status tb_device_request_check(const struct tb_device_request *request,
                                       struct tb_device_choice *choice, struct tb_error *err);

#endif
