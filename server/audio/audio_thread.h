/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_AUDIO_THREAD_H
#define TB_SERVER_AUDIO_AUDIO_THREAD_H

#include "dsp/audio.h"
#include "dsp/engine.h"
#include "server/audio/midi_message.h"
#include "server/shm.h"

/* The one thread that makes sound. Others speak to it through rings only: the web role's commands
 * in shared memory, MIDI, and the orders below, which hand over pointers. What it no longer needs
 * comes back through tb_audio_thread_retired and is freed by the control threads. */
struct tb_audio_thread;

/* A device with the clock that goes on when the device is lost; both for one rate and block. */
struct tb_output {
    struct tb_audio *device; /* NULL: none, the clock alone */
    struct tb_audio *clock;  /* a null device */
};

struct tb_audio_start {
    struct tb_shm *shm;
    struct tb_engine *engine; /* taken over */
    struct tb_output output;  /* taken over */
    int priority, cpu;        /* as tb_realtime_enter */
};

enum tb_retired_type { TB_RETIRED_PROGRAM, TB_RETIRED_AUDIO, TB_RETIRED_ENGINE };
struct tb_retired {
    enum tb_retired_type type;
    union {
        struct tb_program *program;
        struct tb_audio *audio;
        struct tb_engine *engine;
    };
    bool lost; /* audio: it failed, rather than being replaced */
};

/* Main thread. NULL with *err filled; then engine and output still belong to the caller. */
struct tb_audio_thread *tb_audio_thread_start(const struct tb_audio_start *start,
                                              struct tb_error *err);

/* Fades out within 50 ms, ends and joins the thread (at most about 1 s) and frees everything that
 * it holds. */
void tb_audio_thread_stop(struct tb_audio_thread *thread);

/* Control threads (a lock that audio never takes keeps them apart). False when the queue is full
 * and nothing was handed over. The program takes effect after the commands that lie in the ring
 * before index `after`, and before those behind it. */
bool tb_audio_thread_program(struct tb_audio_thread *thread, struct tb_program *program,
                             uint32_t after);
bool tb_audio_thread_output(struct tb_audio_thread *thread, const struct tb_output *output);
bool tb_audio_thread_engine(struct tb_audio_thread *thread, struct tb_engine *engine);
bool tb_audio_thread_event(struct tb_audio_thread *thread, const struct tb_event *event);
bool tb_audio_thread_tone(struct tb_audio_thread *thread); /* a second of 440 Hz, -12 dBFS */
/* The web role has gone: ends the notes of everybody who played through it. */
bool tb_audio_thread_release_web(struct tb_audio_thread *thread);

/* One control thread. False when there is nothing. */
bool tb_audio_thread_retired(struct tb_audio_thread *thread, struct tb_retired *retired);

/* MIDI thread. False (and counted) when full. */
bool tb_audio_thread_midi(struct tb_audio_thread *thread, const struct tb_midi_message *message);

/* Any thread. 0 is all channels. */
uint32_t tb_audio_thread_midi_channel(const struct tb_audio_thread *thread);

/* Any thread. The kernel's number of the thread; whether its device has written all it should. */
int tb_audio_thread_tid(const struct tb_audio_thread *thread);
bool tb_audio_thread_ended(const struct tb_audio_thread *thread);

#endif
