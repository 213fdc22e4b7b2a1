/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/audio.h"
#include "dsp/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No sound, but the time of a sound card: block n is due at start + n * block / rate, on absolute
 * times, so that nothing drifts. The buffer is `periods` blocks deep like a card's: being late by
 * less than that is caught up at once, by more is an xrun and the count starts again from now. */
struct null_audio {
    struct tb_audio audio;
    uint64_t start_ns, blocks;
};

static uint64_t due_ns(const struct null_audio *n, uint64_t block)
{
    uint64_t frames = block * n->audio.block;
    uint64_t rate = n->audio.rate_hz;
    return n->start_ns + frames / rate * TB_NS_PER_S + frames % rate * TB_NS_PER_S / rate;
}

static struct tb_audio *open_null(const struct tb_audio_request *request, struct tb_error *err)
{
    struct null_audio *n = calloc(1, sizeof *n);
    if (!n) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for the null device");
        return NULL;
    }
    n->audio.driver = &tb_audio_null;
    n->audio.rate_hz = request->rate_hz;
    n->audio.block = request->block;
    n->audio.periods = request->periods;
    (void)snprintf(n->audio.name, sizeof n->audio.name, "null");
    (void)snprintf(n->audio.text, sizeof n->audio.text, "no sound card, the computer's clock");
    n->audio.has_input = request->input[0] != '\0';
    if (n->audio.has_input)
        (void)snprintf(n->audio.input, sizeof n->audio.input, "silence");
    return &n->audio;
}

static void close_null(struct tb_audio *audio)
{
    free(audio);
}

static enum tb_audio_result wait_null(struct tb_audio *audio)
{
    struct null_audio *n = (struct null_audio *)audio;
    uint64_t now = tb_clock_ns();
    if (n->blocks == 0)
        n->start_ns = now;
    uint64_t due = due_ns(n, n->blocks);
    uint64_t depth_ns = due_ns(n, n->blocks + audio->periods) - due;
    if (now > due + depth_ns) {
        n->start_ns = now;
        n->blocks = 1;
        return TB_AUDIO_XRUN;
    }
    struct timespec until = {.tv_sec = (time_t)(due / TB_NS_PER_S),
                             .tv_nsec = (long)(due % TB_NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
    n->blocks++;
    return TB_AUDIO_OK;
}

static enum tb_audio_result write_null(struct tb_audio *audio, const float *left,
                                       const float *right)
{
    (void)audio, (void)left, (void)right;
    return TB_AUDIO_OK;
}

static uint32_t read_null(struct tb_audio *audio, float *mono, uint32_t max)
{
    uint32_t n = audio->has_input ? audio->block : 0;
    n = n < max ? n : max;
    memset(mono, 0, n * sizeof *mono);
    return n;
}

static size_t list_null(struct tb_audio_entry *entries, size_t max)
{
    if (max == 0)
        return 0;
    memset(entries, 0, sizeof *entries);
    (void)snprintf(entries->name, sizeof entries->name, "null");
    (void)snprintf(entries->text, sizeof entries->text, "no sound card: listen in the browser");
    return 1;
}

const struct tb_audio_driver tb_audio_null = {
    .name = "null",
    .realtime = true,
    .open = open_null,
    .close = close_null,
    .wait = wait_null,
    .write = write_null,
    .read = read_null,
    .list = list_null,
};
