/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/sound_input.h"

/* A microphone comes over a network in packets: it starts when DEPTH_MS have come, is brought back
 * to that when it is more than MOST_MS behind, and is silence when nothing comes for GONE_MS. */
enum { DEPTH_MS = 30, MOST_MS = 120, GONE_MS = 100 };

static uint32_t frames_of(const struct tb_audio *audio, uint32_t ms)
{
    return (uint32_t)((uint64_t)audio->rate_hz * ms / 1000);
}

/* Nothing of it comes: after a while that is silence, which closes the gate. */
static uint32_t starve(struct tb_sound_input *in, const struct tb_audio *audio, float *mono,
                       uint32_t n)
{
    const uint32_t gone = frames_of(audio, GONE_MS);
    if (in->starving < gone) {
        in->starving += n;
        return 0;
    }
    in->playing = false;
    for (uint32_t i = 0; i < n; i++)
        mono[i] = 0.0f;
    return n;
}

static uint32_t take_mic(struct tb_sound_input *in, const struct tb_mic *mic,
                         const struct tb_audio *audio, float *mono, uint32_t n)
{
    const uint64_t write = atomic_load_explicit(&mic->write, memory_order_acquire);
    const uint32_t client = atomic_load_explicit(&mic->client, memory_order_relaxed);
    const uint32_t depth = frames_of(audio, DEPTH_MS) + n;
    if (client != in->client || in->at > write) {
        in->client = client;
        in->at = write;
        in->playing = false;
    }
    uint64_t come = write - in->at;
    if (come > frames_of(audio, MOST_MS) || come > TB_MIC_FRAMES / 2) {
        in->at = write - (depth < TB_MIC_FRAMES / 2 ? depth : TB_MIC_FRAMES / 2);
        come = write - in->at;
    }
    if (!in->playing && come < depth && come < TB_MIC_FRAMES / 4)
        return starve(in, audio, mono, n);
    if (come < n)
        return starve(in, audio, mono, n);
    in->playing = true;
    in->starving = 0;
    for (uint32_t i = 0; i < n; i++)
        mono[i] =
            atomic_load_explicit(&mic->sample[(in->at + i) % TB_MIC_FRAMES], memory_order_relaxed);
    in->at += n;
    return n;
}

uint32_t tb_sound_input_take(struct tb_sound_input *in, struct tb_shm *shm, struct tb_audio *audio,
                             float *mono, uint32_t max)
{
    uint32_t n = audio->driver->read(audio, mono, max); /* also unwanted: none piles up */
    if (atomic_load_explicit(&shm->mic.client, memory_order_relaxed) != 0)
        n = take_mic(in, &shm->mic, audio, mono, audio->block < max ? audio->block : max);
    else
        in->client = 0;
    atomic_fetch_add_explicit(&shm->audio.input_frames, n, memory_order_relaxed);
    return n;
}
