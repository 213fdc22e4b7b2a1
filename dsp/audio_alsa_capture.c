/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/audio_alsa_capture.h"

#include <alsa/asoundlib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 32, MAX_BLOCK = 2048, BUFFER_BLOCKS = 8, MIN_BUFFER_MS = 40, KEEP_MS = 20 };

struct tb_capture {
    snd_pcm_t *pcm;
    snd_pcm_format_t format;
    unsigned channels, stride; /* bytes a frame */
    bool mmap, lost;
    uint32_t block, keep; /* frames; more than keep + block is dropped down to block */
    char text[128];
    unsigned char *bytes; /* [MAX_BLOCK][channels] in the device's format */
};

static const snd_pcm_format_t formats[] = {
    SND_PCM_FORMAT_FLOAT,   SND_PCM_FORMAT_S32, SND_PCM_FORMAT_S24,
    SND_PCM_FORMAT_S24_3LE, SND_PCM_FORMAT_S16,
};
enum { N_FORMATS = sizeof formats / sizeof formats[0] };

static int choose_format(struct tb_capture *c, snd_pcm_hw_params_t *hw)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (snd_pcm_hw_params_set_format(c->pcm, hw, formats[i]) == 0) {
            c->format = formats[i];
            return 0;
        }
    return -EINVAL;
}

static int choose_access(struct tb_capture *c, snd_pcm_hw_params_t *hw)
{
    c->mmap = snd_pcm_hw_params_set_access(c->pcm, hw, SND_PCM_ACCESS_MMAP_INTERLEAVED) == 0;
    return c->mmap ? 0 : snd_pcm_hw_params_set_access(c->pcm, hw, SND_PCM_ACCESS_RW_INTERLEAVED);
}

static int set_up(struct tb_capture *c, unsigned *rate_hz)
{
    snd_pcm_hw_params_t *hw;
    snd_pcm_hw_params_alloca(&hw);
    const unsigned wanted_hz = *rate_hz;
    snd_pcm_uframes_t period = c->block, buffer = (snd_pcm_uframes_t)c->block * BUFFER_BLOCKS;
    if (buffer < (snd_pcm_uframes_t)wanted_hz * MIN_BUFFER_MS / 1000)
        buffer = (snd_pcm_uframes_t)wanted_hz * MIN_BUFFER_MS / 1000;
    c->channels = 2;
    int e = snd_pcm_hw_params_any(c->pcm, hw);
    e = e < 0 ? e : choose_access(c, hw);
    e = e < 0 ? e : choose_format(c, hw);
    e = e < 0 ? e : snd_pcm_hw_params_set_channels_near(c->pcm, hw, &c->channels);
    e = e < 0 ? e : snd_pcm_hw_params_set_rate_near(c->pcm, hw, rate_hz, NULL);
    e = e < 0 ? e : snd_pcm_hw_params_set_period_size_near(c->pcm, hw, &period, NULL);
    e = e < 0 ? e : snd_pcm_hw_params_set_buffer_size_near(c->pcm, hw, &buffer);
    if (e >= 0 && (*rate_hz != wanted_hz || c->channels == 0 || c->channels > MAX_CHANNELS))
        return -EINVAL;
    e = e < 0 ? e : snd_pcm_hw_params(c->pcm, hw);
    c->stride = c->channels * (unsigned)snd_pcm_format_physical_width(c->format) / 8;
    return e;
}

static void describe(struct tb_capture *c, const char *name)
{
    (void)snprintf(c->text, sizeof c->text, "%.60s, %u channel%s, %s", name, c->channels,
                   c->channels == 1 ? "" : "s", snd_pcm_format_description(c->format));
}

struct tb_capture *tb_capture_open(const char *name, const struct tb_audio *output,
                                   struct tb_error *err)
{
    struct tb_capture *c = calloc(1, sizeof *c);
    if (!c) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for input %.40s", name);
        return NULL;
    }
    c->block = output->block < MAX_BLOCK ? output->block : MAX_BLOCK;
    c->keep = c->block + output->rate_hz * KEEP_MS / 1000;
    unsigned rate_hz = output->rate_hz;
    int e = snd_pcm_open(&c->pcm, name, SND_PCM_STREAM_CAPTURE,
                         SND_PCM_NONBLOCK | SND_PCM_NO_AUTO_RESAMPLE);
    if (e < 0)
        c->pcm = NULL;
    e = e < 0 ? e : set_up(c, &rate_hz);
    c->bytes = e < 0 ? NULL : calloc(MAX_BLOCK, c->stride);
    if (e >= 0 && !c->bytes)
        e = -ENOMEM;
    e = e < 0 ? e : snd_pcm_start(c->pcm);
    if (e >= 0) {
        describe(c, name);
        return c;
    }
    if (rate_hz != output->rate_hz)
        (void)tb_fail(err, TB_EINVAL, "input %.40s: runs at %u Hz, the output at %u Hz", name,
                      rate_hz, output->rate_hz);
    else
        (void)tb_fail(err, TB_ENOTFOUND, "input %.40s: %.60s", name, snd_strerror(e));
    tb_capture_close(c);
    return NULL;
}

void tb_capture_close(struct tb_capture *c)
{
    if (!c)
        return;
    if (c->pcm)
        (void)snd_pcm_close(c->pcm);
    free(c->bytes);
    free(c);
}

const char *tb_capture_text(const struct tb_capture *c)
{
    return c->text;
}

/* ---- the audio thread */

/* It overran, or the machine slept: goes on with what comes from now on. */
static void recover(struct tb_capture *c)
{
    c->lost = snd_pcm_prepare(c->pcm) < 0 || snd_pcm_start(c->pcm) < 0;
}

static uint32_t fetch(struct tb_capture *c, uint32_t n)
{
    snd_pcm_sframes_t got =
        c->mmap ? snd_pcm_mmap_readi(c->pcm, c->bytes, n) : snd_pcm_readi(c->pcm, c->bytes, n);
    if (got < 0 && got != -EAGAIN && got != -EINTR)
        recover(c);
    return got > 0 ? (uint32_t)got : 0;
}

static float sample(const struct tb_capture *c, const unsigned char *from)
{
    int32_t i32 = 0;
    int16_t i16 = 0;
    float f = 0.0f;
    switch ((int)c->format) {
    case SND_PCM_FORMAT_S32:
        memcpy(&i32, from, sizeof i32);
        return (float)i32 * 0x1p-31f;
    case SND_PCM_FORMAT_S24: /* the upper byte may hold anything */
        memcpy(&i32, from, sizeof i32);
        return (float)(int32_t)((uint32_t)i32 << 8) * 0x1p-31f;
    case SND_PCM_FORMAT_S24_3LE:
        i32 = (int32_t)((uint32_t)from[0] << 8 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 24);
        return (float)i32 * 0x1p-31f;
    case SND_PCM_FORMAT_S16:
        memcpy(&i16, from, sizeof i16);
        return (float)i16 * 0x1p-15f;
    default:
        memcpy(&f, from, sizeof f);
        return f;
    }
}

uint32_t tb_capture_read(struct tb_capture *c, float *mono, uint32_t max)
{
    if (c->lost)
        return 0;
    snd_pcm_sframes_t come = snd_pcm_avail_update(c->pcm);
    if (come < 0) {
        recover(c);
        return 0;
    }
    uint32_t n = (uint32_t)come;
    while (n > c->keep + c->block) {
        uint32_t left = n - c->block, old = fetch(c, left < MAX_BLOCK ? left : MAX_BLOCK);
        if (old == 0)
            return 0;
        n -= old;
    }
    n = n < max ? n : max;
    n = fetch(c, n < MAX_BLOCK ? n : MAX_BLOCK);
    const unsigned second = c->channels > 1 ? c->stride / c->channels : 0;
    for (uint32_t i = 0; i < n; i++) {
        const unsigned char *frame = c->bytes + (size_t)i * c->stride;
        mono[i] = 0.5f * (sample(c, frame) + sample(c, frame + second));
    }
    return n;
}
