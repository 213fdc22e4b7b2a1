/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_SHM_H
#define TB_SERVER_SHM_H

#include "dsp/event.h"
#include "dsp/params.h"
#include "dsp/ring.h"
#include "dsp/telemetry.h"

#include <stdatomic.h>
#include <stdint.h>

/* The memory that the audio role and the web role share: one memfd, mapped by both, without
 * pointers. Every field names its only writer. It outlives the web role, which finds its place
 * again in it after a restart. */

enum { TB_SHM_MAGIC = 0x6d627474, TB_COMMANDS = 4096, TB_FRAMES = 1024, TB_NOTICES = 512 };
enum { TB_TAP_FRAMES = 1 << 16 }; /* 1.37 s at 48 kHz */

/* The last second of output, for listening and the scope: the writer never waits and overwrites;
 * a reader that fell behind sees it by write - its own position > TB_TAP_FRAMES. */
struct tb_tap {
    _Alignas(TB_CACHE_LINE) _Atomic uint64_t write; /* frames ever written; audio */
    _Atomic uint32_t sample[TB_TAP_FRAMES];         /* left int16 | right int16 << 16; audio */
};

/* What a client's microphone hears, for timbre transfer: mono at the rate of the device. The writer
 * never waits and overwrites; the reader takes it at the pace of the blocks and skips what is too
 * old. */
enum { TB_MIC_FRAMES = 1 << 14 }; /* 0.34 s at 48 kHz */
struct tb_mic {
    _Alignas(TB_CACHE_LINE) _Atomic uint64_t write; /* frames ever written; web */
    _Atomic uint32_t client;                        /* whose it is, 0: nobody's; web */
    _Atomic float sample[TB_MIC_FRAMES];            /* web; may be anything */
};

/* Counters and state that anyone may read at any time. Written by the audio role. */
struct tb_audio_state {
    _Atomic uint32_t state; /* enum tb_device_state */
    _Atomic uint32_t rate_hz;
    _Atomic uint32_t block;     /* frames */
    _Atomic uint32_t periods;   /* of the device's buffer */
    _Atomic uint32_t realtime;  /* 1: SCHED_FIFO granted */
    _Atomic uint32_t locked;    /* 1: memory locked */
    _Atomic int32_t cpu;        /* pinned to, -1: not pinned */
    _Atomic uint32_t kernel;    /* enum tb_cpu of the engine */
    _Atomic uint64_t blocks;    /* rendered since start */
    _Atomic uint64_t late;      /* blocks whose render took longer than they play */
    _Atomic uint64_t xruns;     /* the device ran dry */
    _Atomic uint64_t heartbeat; /* advances with every block */
    _Atomic uint64_t web_restarts;
    _Atomic uint64_t midi_events;
    _Atomic uint32_t has_input;    /* 1: the device hears something */
    _Atomic uint64_t input_frames; /* heard since start, microphones included */
    _Atomic uint32_t input_open;   /* 1: louder than the gate */
    _Atomic float input_f0_hz, input_confidence, input_level_db; /* as struct tb_engine_heard */
    _Atomic uint32_t text_version; /* odd while the texts are being written */
    char device[64];               /* "null", "hw:1,0" */
    char why[160];                 /* why this device plays, in words */
    char input[128];               /* what is heard beside it, or why nothing; "" not wanted */
};

enum tb_device_state { TB_DEVICE_STOPPED, TB_DEVICE_RUNNING, TB_DEVICE_LOST };

/* What plays now, as the web role last said it. Written by the web role, so that the next one can
 * go on after a crash. */
struct tb_current {
    _Atomic uint32_t announced; /* 1: the link with its token was written and printed */
    _Atomic uint32_t checked;   /* 1: the database was checked since the service started; cleared by
                                   the audio role when the web role ends by itself */
    _Atomic uint32_t version;   /* 0 until the first patch was loaded */
    struct tb_current_slot {
        char patch_uuid[37]; /* "" when the working copy came from nowhere */
        _Atomic uint32_t revision;
        _Atomic uint32_t modified;
        _Atomic uint32_t missing; /* bit 0: model A is named but does not play; bit 1: B */
        struct tb_current_model {
            char uuid[37], sha256[65], name[97];
        } models[2]; /* A, B; uuid "" is none */
        _Atomic float values[TB_N_PARAMS];
    } slots[2]; /* version % 2 is whole; the next is written into the other one */
};

struct tb_shm {
    uint32_t magic, size, n_params, generation; /* set once before sharing */
    struct tb_audio_state audio;
    struct tb_current current;
    struct tb_tap tap;
    struct tb_mic mic;
    /* Rings lie behind the struct at these byte offsets, TB_CACHE_LINE aligned. */
    uint32_t commands; /* web -> audio: struct tb_event */
    uint32_t frames;   /* audio -> web: struct tb_frame */
    uint32_t notices;  /* audio -> web: struct tb_notice */
};

/* Audio role, before threads. Creates the memfd, maps and initialises it; *fd is left open for the
 * children. NULL with *err filled. */
struct tb_shm *tb_shm_new(int *fd, struct tb_error *err);

/* Child. Maps fd, checks magic, size and n_params. */
struct tb_shm *tb_shm_map(int fd, struct tb_error *err);
void tb_shm_unmap(struct tb_shm *shm);

static inline struct tb_ring *tb_shm_ring(struct tb_shm *shm, uint32_t offset)
{
    return (struct tb_ring *)(void *)((char *)shm + offset);
}

#endif
