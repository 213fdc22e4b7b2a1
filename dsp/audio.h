/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_AUDIO_H
#define TB_DSP_AUDIO_H

#include "base/error.h"
#include "dsp/rt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the sound goes. One table of drivers; a device is opened, closed and listed on a control
 * thread and fed by the audio thread alone. */

struct tb_audio_request {
    char name[64];    /* PCM name or path; "" lets the driver choose */
    uint32_t rate_hz; /* wanted; the device may give another */
    uint32_t block;   /* wanted frames of a period */
    uint32_t periods; /* of the buffer */
    uint32_t seconds; /* file: length, 0 = until stopped */
    char input[256];  /* what is heard: alsa: a PCM name or "same"; file: a WAV; "": nothing */
};

/* What came of it. The first member of every driver's own struct. */
struct tb_audio {
    const struct tb_audio_driver *driver;
    char name[64];
    char text[128]; /* for people: "Scarlett 2i2 USB, 32 bit" */
    uint32_t rate_hz, block, periods;
    bool has_input;
    char input[128]; /* for people: what is heard, or why nothing is; "" when nothing was wanted */
};

enum tb_audio_result {
    TB_AUDIO_OK,
    TB_AUDIO_XRUN, /* it ran dry and goes on */
    TB_AUDIO_LOST, /* it is gone: close it */
    TB_AUDIO_END,  /* as much as was asked for has been written */
};

struct tb_audio_entry {
    char name[64];
    char text[128];
    char holder[64]; /* "process 812 (pulseaudio)" */
    bool busy, capture;
};

struct tb_audio_driver {
    const char *name;
    bool realtime; /* paced by a clock; else as fast as it can be */
    /* NULL with *err filled. */
    struct tb_audio *(*open)(const struct tb_audio_request *request, struct tb_error *err);
    void (*close)(struct tb_audio *audio);
    /* Audio thread. The only place where it waits: until a block fits. Gives up after a bounded
     * time with TB_AUDIO_LOST. */
    enum tb_audio_result (*wait)(struct tb_audio *audio);
    /* Audio thread. Takes audio->block frames, after wait said OK. */
    enum tb_audio_result (*write)(struct tb_audio *audio, const float *left, const float *right);
    /* Audio thread, after wait. Takes up to max mono frames of what has come since, however many
     * that are: none when nothing came or nothing is heard. Never waits, and whatever goes wrong
     * with the input is no matter of the output. */
    uint32_t (*read)(struct tb_audio *audio, float *mono, uint32_t max);
    /* Up to max entries, best first; returns how many. */
    size_t (*list)(struct tb_audio_entry *entries, size_t max);
};

extern const struct tb_audio_driver tb_audio_alsa, tb_audio_null, tb_audio_file;

/* Any thread. By name, or NULL. i-th of the table, or NULL behind its end. */
const struct tb_audio_driver *tb_audio_driver_find(const char *name);
const struct tb_audio_driver *tb_audio_driver_at(size_t i);

/* Control thread. Opens `driver` ("alsa", "null", "file"), or for "auto" the best sound card and,
 * where none opens, the null clock. why (of size bytes) says in words what was chosen and why. */
struct tb_audio *tb_audio_open(const char *driver, const struct tb_audio_request *request,
                               char *why, size_t size, struct tb_error *err);
void tb_audio_close(struct tb_audio *audio); /* NULL is allowed */

#endif
