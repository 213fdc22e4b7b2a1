/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_AUDIO_SOUND_INPUT_H
#define TB_SERVER_AUDIO_SOUND_INPUT_H

#include "dsp/audio.h"
#include "server/shm.h"

/* What the engine hears in a block: a client's microphone while one is on, else the device. Audio
 * thread only. */
struct tb_sound_input {
    uint64_t at;       /* next frame of the microphone */
    uint32_t client;   /* whose it was */
    uint32_t starving; /* frames since its last sound */
    bool playing;      /* enough has come to go on without gaps */
};

/* RT. Up to max frames into mono; returns how many: none when nothing is heard. */
uint32_t tb_sound_input_take(struct tb_sound_input *input, struct tb_shm *shm,
                             struct tb_audio *audio, float *mono, uint32_t max);

#endif
