/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_LINK_H
#define TB_SERVER_LINK_H

#include "base/error.h"
#include "dsp/params.h"

#include <stdint.h>

/* The unix SEQPACKET socket between the audio role and the web role: everything that is too big or
 * too rare for a ring. One message is one packet, header first, at most one descriptor with it.
 * The audio role serves it on its main thread, never on the audio thread. */

enum tb_link_type {
    /* web -> audio; each is answered by TB_LINK_DONE with the same id */
    TB_LINK_LOAD = 1,   /* fd = sealed memfd with struct tb_patch_image; answered once it is queued
                           ahead of every later command in the ring */
    TB_LINK_DEVICES,    /* list audio devices; DONE carries struct tb_device_entry[] */
    TB_LINK_DEVICE_SET, /* payload = struct tb_device_request */
    TB_LINK_TEST_TONE,  /* one second of 440 Hz at -12 dBFS through the device */
    TB_LINK_JOB_START,  /* payload = struct tb_job_request, fd = the web's end of a socket pair that
                           becomes the job's descriptor 3; DONE.value = pid */
    TB_LINK_JOB_STOP,   /* value = pid */
    TB_LINK_MODEL, /* payload = SHA-256 of a model file in 64 hexadecimal digits and a NUL, fd = the
                      file; answered when its instrument is ready for a TB_LINK_LOAD */
    TB_LINK_LISTENING, /* fd = the listening socket; the next web role inherits it, so that who
                          connects meanwhile waits instead of being refused */
    /* audio -> web */
    TB_LINK_DONE = 64,  /* id of the request, status, text on failure */
    TB_LINK_SYSEX,      /* payload = one whole message F0 .. F7 from MIDI, at most 64 KiB */
    TB_LINK_JOB_EXITED, /* value = pid, status = TB_OK or how it failed */
};

enum { TB_LINK_MAX = 65536, TB_LINK_HASH = 65 };

struct tb_link_header {
    uint32_t type;
    uint32_t id;
    uint32_t status; /* enum tb_status */
    uint32_t size;   /* payload bytes behind the header */
    int64_t value;
    char text[160];
};

/* A whole patch and device state, natural values in the order of this build's table. */
struct tb_patch_image {
    uint32_t magic; /* TB_PATCH_MAGIC */
    uint32_t n_params;
    float values[TB_N_PARAMS];
    char models[2][TB_LINK_HASH]; /* A, B: what TB_LINK_MODEL prepared; "" none */
};
enum { TB_PATCH_MAGIC = 0x74617074 };

struct tb_device_entry {
    char driver[8];  /* "alsa", "null", "file" */
    char name[64];   /* PCM name */
    char text[128];  /* for people */
    char holder[64]; /* who keeps it busy, "" when free or unknown */
    uint8_t playback, capture, busy, current;
};

struct tb_device_request {
    char driver[8];
    char name[64];                    /* PCM name or path */
    uint32_t rate_hz, block, periods; /* 0: keep */
    uint32_t set_input;               /* 0: keep the input */
    char input[64];                   /* PCM name, "same" or "" for none */
};

/* TRAIN and CLIP are for the training role (job.h). */
enum tb_job_kind { TB_JOB_RENDER, TB_JOB_BENCH, TB_JOB_MODEL, TB_JOB_TRAIN, TB_JOB_CLIP };
struct tb_job_request {
    uint32_t kind; /* enum tb_job_kind; the job reads its JSON specification from descriptor 3 */
};

/* Any thread but audio. fd_to_send < 0: none. Blocks at most 2 s. */
enum tb_status tb_link_send(int socket, const struct tb_link_header *header, const void *payload,
                            int fd_to_send, struct tb_error *err);

/* Any thread but audio. payload has TB_LINK_MAX bytes; *fd gets a received descriptor or -1.
 * TB_ENOTFOUND: nothing there (non-blocking socket); TB_EIO: the other side is gone;
 * TB_ECORRUPT: a malformed packet. */
enum tb_status tb_link_receive(int socket, struct tb_link_header *header, void *payload, int *fd,
                               struct tb_error *err);

#endif
