/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/alsa_cards.h"
#include "dsp/audio.h"
#include "dsp/audio_alsa_capture.h"

#include <alsa/asoundlib.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/proc/asound"
enum { MAX_BLOCK = 2048, MAX_CHANNELS = 32, MIN_TIMEOUT_MS = 100 };

struct alsa_audio {
    struct tb_audio audio;
    snd_pcm_t *pcm;
    snd_pcm_format_t format;
    unsigned channels, sample_bytes;
    bool mmap;
    int timeout_ms;             /* no progress for so long: the device is gone */
    unsigned char *bytes;       /* [block][channels] in the device's format */
    struct tb_capture *capture; /* NULL: nothing is heard */
};

/* Best first: what needs no rounding, then what rounds least. */
static const snd_pcm_format_t formats[] = {
    SND_PCM_FORMAT_FLOAT,   SND_PCM_FORMAT_S32, SND_PCM_FORMAT_S24,
    SND_PCM_FORMAT_S24_3LE, SND_PCM_FORMAT_S16,
};
enum { N_FORMATS = sizeof formats / sizeof formats[0] };

/* ---- choosing a format: the nearest that the device offers */

static int choose_format(struct alsa_audio *a, snd_pcm_hw_params_t *hw)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (snd_pcm_hw_params_set_format(a->pcm, hw, formats[i]) == 0) {
            a->format = formats[i];
            a->sample_bytes = (unsigned)snd_pcm_format_physical_width(formats[i]) / 8;
            return 0;
        }
    return -EINVAL;
}

static int choose_access(struct alsa_audio *a, snd_pcm_hw_params_t *hw)
{
    a->mmap = snd_pcm_hw_params_set_access(a->pcm, hw, SND_PCM_ACCESS_MMAP_INTERLEAVED) == 0;
    return a->mmap ? 0 : snd_pcm_hw_params_set_access(a->pcm, hw, SND_PCM_ACCESS_RW_INTERLEAVED);
}

static int set_hardware(struct alsa_audio *a, const struct tb_audio_request *request)
{
    snd_pcm_hw_params_t *hw;
    snd_pcm_hw_params_alloca(&hw);
    unsigned rate = request->rate_hz;
    snd_pcm_uframes_t period = request->block, buffer;
    a->channels = 2;
    int e = snd_pcm_hw_params_any(a->pcm, hw);
    e = e < 0 ? e : choose_access(a, hw);
    e = e < 0 ? e : choose_format(a, hw);
    e = e < 0 ? e : snd_pcm_hw_params_set_channels_near(a->pcm, hw, &a->channels);
    e = e < 0 ? e : snd_pcm_hw_params_set_rate_near(a->pcm, hw, &rate, NULL);
    e = e < 0 ? e : snd_pcm_hw_params_set_period_size_near(a->pcm, hw, &period, NULL);
    buffer = period * request->periods;
    e = e < 0 ? e : snd_pcm_hw_params_set_buffer_size_near(a->pcm, hw, &buffer);
    e = e < 0 ? e : snd_pcm_hw_params(a->pcm, hw);
    if (e < 0)
        return e;
    if (a->channels == 0 || a->channels > MAX_CHANNELS || rate < 8000)
        return -EINVAL;
    if (period > MAX_BLOCK)
        period = MAX_BLOCK;
    if (period == 0 || buffer < period)
        return -EINVAL;
    a->audio.rate_hz = rate;
    a->audio.block = (uint32_t)period;
    a->audio.periods = (uint32_t)(buffer / period);
    double buffer_ms = 1e3 * (double)buffer / rate;
    a->timeout_ms = MIN_TIMEOUT_MS + (int)(4 * buffer_ms);
    return 0;
}

static int set_software(struct alsa_audio *a)
{
    snd_pcm_sw_params_t *sw;
    snd_pcm_sw_params_alloca(&sw);
    snd_pcm_uframes_t whole = (snd_pcm_uframes_t)a->audio.periods * a->audio.block;
    int e = snd_pcm_sw_params_current(a->pcm, sw);
    e = e < 0 ? e : snd_pcm_sw_params_set_start_threshold(a->pcm, sw, whole);
    e = e < 0 ? e : snd_pcm_sw_params_set_avail_min(a->pcm, sw, a->audio.block);
    return e < 0 ? e : snd_pcm_sw_params(a->pcm, sw);
}

static void refuse(const char *name, int e, struct tb_error *err)
{
    char holder[64];
    tb_card_holder(ROOT, -1, holder, sizeof holder);
    if (e == -EBUSY && holder[0])
        (void)tb_fail(err, TB_ECONFLICT, "sound card %.40s is held by %s", name, holder);
    else if (e == -EBUSY)
        (void)tb_fail(err, TB_ECONFLICT, "sound card %.40s is busy", name);
    else if (e == -EACCES || e == -EPERM)
        (void)tb_fail(err, TB_EDENIED, "sound card %.40s: not allowed, join the group audio", name);
    else
        (void)tb_fail(err, TB_ENOTFOUND, "sound card %.40s: %.60s", name, snd_strerror(e));
}

static void free_alsa(struct alsa_audio *a)
{
    tb_capture_close(a->capture);
    if (a->pcm)
        (void)snd_pcm_close(a->pcm);
    free(a->bytes);
    free(a);
}

static void describe(struct alsa_audio *a, const char *name)
{
    snd_pcm_info_t *info;
    snd_pcm_info_alloca(&info);
    const char *card = snd_pcm_info(a->pcm, info) == 0 ? snd_pcm_info_get_name(info) : "";
    (void)snprintf(a->audio.name, sizeof a->audio.name, "%s", name);
    (void)snprintf(a->audio.text, sizeof a->audio.text, "%.60s%s%s", card, card[0] ? ", " : "",
                   snd_pcm_format_description(a->format));
}

/* No input is no reason to play nothing. */
static void open_capture(struct alsa_audio *a, const struct tb_audio_request *request)
{
    if (!request->input[0])
        return;
    const bool same = strcmp(request->input, "same") == 0;
    struct tb_error why;
    a->capture = tb_capture_open(same ? a->audio.name : request->input, &a->audio, &why);
    a->audio.has_input = a->capture != NULL;
    (void)snprintf(a->audio.input, sizeof a->audio.input, "%.127s",
                   a->capture ? tb_capture_text(a->capture) : why.text);
}

static struct tb_audio *open_pcm(const char *name, const struct tb_audio_request *request,
                                 struct tb_error *err)
{
    struct alsa_audio *a = calloc(1, sizeof *a);
    if (!a) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for sound card %.40s", name);
        return NULL;
    }
    /* Never wait for a busy card; rate and format stay the device's own. */
    int e = snd_pcm_open(&a->pcm, name, SND_PCM_STREAM_PLAYBACK,
                         SND_PCM_NONBLOCK | SND_PCM_NO_AUTO_RESAMPLE);
    if (e < 0)
        a->pcm = NULL;
    e = e < 0 ? e : set_hardware(a, request);
    e = e < 0 ? e : set_software(a);
    if (e == 0) {
        a->bytes = calloc((size_t)a->audio.block * a->channels, a->sample_bytes);
        e = a->bytes ? 0 : -ENOMEM;
    }
    if (e < 0) {
        refuse(name, e, err);
        free_alsa(a);
        return NULL;
    }
    a->audio.driver = &tb_audio_alsa;
    describe(a, name);
    open_capture(a, request);
    return &a->audio;
}

/* The card behind an open PCM: its rank, or the best there is for one without a card (a sound
 * server, which has made its own choice). */
static int rank_of(const struct tb_audio *audio, const struct tb_card *cards, size_t n)
{
    snd_pcm_info_t *info;
    snd_pcm_info_alloca(&info);
    if (snd_pcm_info(((const struct alsa_audio *)audio)->pcm, info) != 0)
        return INT32_MAX;
    int index = snd_pcm_info_get_card(info);
    for (size_t i = 0; i < n; i++)
        if (cards[i].index == index)
            return cards[i].rank;
    return INT32_MAX;
}

static struct tb_audio *open_best(const struct tb_audio_request *request, struct tb_error *err)
{
    struct tb_card cards[TB_MAX_CARDS];
    size_t n = tb_cards_list(ROOT, cards, TB_MAX_CARDS);
    struct tb_error refused;
    struct tb_audio *audio = open_pcm("default", request, &refused);
    if (audio && (n == 0 || rank_of(audio, cards, n) >= cards[0].rank))
        return audio;
    tb_audio_close(audio); /* "default" is HDMI, but there is something better */
    for (size_t i = 0; i < n; i++) {
        struct tb_error why;
        audio = open_pcm(cards[i].pcm, request, &why);
        if (audio)
            return audio;
        if (i == 0)
            refused = why;
    }
    audio = open_pcm("default", request, err);
    if (!audio && n > 0)
        *err = refused;
    else if (!audio)
        (void)tb_fail(err, TB_ENOTFOUND, "no sound card found");
    return audio;
}

static void quiet(const char *file, int line, const char *function, int e, const char *fmt, ...)
{
    (void)file, (void)line, (void)function, (void)e, (void)fmt;
}

static struct tb_audio *open_alsa(const struct tb_audio_request *request, struct tb_error *err)
{
    (void)snd_lib_error_set_handler(quiet); /* what fails is told once, by us */
    if (request->name[0])
        return open_pcm(request->name, request, err);
    return open_best(request, err);
}

static void close_alsa(struct tb_audio *audio)
{
    free_alsa((struct alsa_audio *)audio);
}

/* ---- the audio thread */

static enum tb_audio_result recover(struct alsa_audio *a, long e)
{
    if (e == -ESTRPIPE) /* the machine slept */
        e = snd_pcm_resume(a->pcm) == 0 ? 0 : -EPIPE;
    if (e == 0 || (e == -EPIPE && snd_pcm_prepare(a->pcm) == 0))
        return TB_AUDIO_XRUN;
    return TB_AUDIO_LOST;
}

static enum tb_audio_result wait_alsa(struct tb_audio *audio)
{
    struct alsa_audio *a = (struct alsa_audio *)audio;
    for (;;) {
        snd_pcm_sframes_t room = snd_pcm_avail_update(a->pcm);
        if (room < 0)
            return recover(a, room);
        if ((uint32_t)room >= audio->block)
            return TB_AUDIO_OK;
        if (snd_pcm_state(a->pcm) == SND_PCM_STATE_PREPARED && snd_pcm_start(a->pcm) < 0)
            return TB_AUDIO_LOST;
        int ready = snd_pcm_wait(a->pcm, a->timeout_ms);
        if (ready == 0)
            return TB_AUDIO_LOST;
        if (ready < 0 && ready != -EINTR)
            return recover(a, ready);
    }
}

/* Rounds to nearest. v is within -1..1; full scale is 2^(bits-1) - 1, so that +1 fits. */
static int32_t whole(float v, double full_scale)
{
    return (int32_t)lrint((double)v * full_scale);
}

static void put(const struct alsa_audio *a, unsigned char *to, float v)
{
    int32_t i32;
    int16_t i16;
    switch ((int)a->format) {
    case SND_PCM_FORMAT_S32:
        i32 = whole(v, 2147483647.0);
        memcpy(to, &i32, sizeof i32);
        break;
    case SND_PCM_FORMAT_S24:
        i32 = whole(v, 8388607.0);
        memcpy(to, &i32, sizeof i32);
        break;
    case SND_PCM_FORMAT_S24_3LE:
        i32 = whole(v, 8388607.0);
        for (unsigned k = 0; k < 3; k++)
            to[k] = (unsigned char)((uint32_t)i32 >> (8 * k));
        break;
    case SND_PCM_FORMAT_S16:
        i16 = (int16_t)whole(v, 32767.0);
        memcpy(to, &i16, sizeof i16);
        break;
    default:
        memcpy(to, &v, sizeof v);
    }
}

/* Further channels stay silent; a single one gets the mean. */
static void convert(const struct alsa_audio *a, const float *left, const float *right)
{
    size_t stride = (size_t)a->channels * a->sample_bytes;
    for (uint32_t i = 0; i < a->audio.block; i++) {
        unsigned char *to = a->bytes + i * stride;
        if (a->channels == 1) {
            put(a, to, 0.5f * (left[i] + right[i]));
        } else {
            put(a, to, left[i]);
            put(a, to + a->sample_bytes, right[i]);
        }
    }
}

static enum tb_audio_result write_alsa(struct tb_audio *audio, const float *left,
                                       const float *right)
{
    struct alsa_audio *a = (struct alsa_audio *)audio;
    convert(a, left, right);
    const size_t stride = (size_t)a->channels * a->sample_bytes;
    for (uint32_t done = 0; done < audio->block;) {
        snd_pcm_sframes_t n =
            a->mmap ? snd_pcm_mmap_writei(a->pcm, a->bytes + done * stride, audio->block - done)
                    : snd_pcm_writei(a->pcm, a->bytes + done * stride, audio->block - done);
        if (n == -EINTR)
            continue;
        if (n == -EAGAIN) /* wait said that it fits: only a broken device gets here */
            return snd_pcm_wait(a->pcm, a->timeout_ms) > 0 ? TB_AUDIO_XRUN : TB_AUDIO_LOST;
        if (n < 0)
            return recover(a, n);
        done += (uint32_t)n;
    }
    return TB_AUDIO_OK;
}

static uint32_t read_alsa(struct tb_audio *audio, float *mono, uint32_t max)
{
    struct alsa_audio *a = (struct alsa_audio *)audio;
    return a->capture ? tb_capture_read(a->capture, mono, max) : 0;
}

static size_t list_alsa(struct tb_audio_entry *entries, size_t max)
{
    struct tb_card cards[TB_MAX_CARDS];
    size_t n = tb_cards_list(ROOT, cards, TB_MAX_CARDS), used = 0;
    if (max > 0) {
        memset(&entries[used], 0, sizeof *entries);
        (void)snprintf(entries[used].name, sizeof entries->name, "default");
        (void)snprintf(entries[used].text, sizeof entries->text, "the system's choice");
        used++;
    }
    for (size_t i = 0; i < n && used < max; i++, used++) {
        struct tb_audio_entry *e = &entries[used];
        memset(e, 0, sizeof *e);
        (void)snprintf(e->name, sizeof e->name, "%s", cards[i].pcm);
        (void)snprintf(e->text, sizeof e->text, "%s", cards[i].text);
        tb_card_holder(ROOT, cards[i].index, e->holder, sizeof e->holder);
        e->busy = e->holder[0] != '\0';
        e->capture = cards[i].capture;
    }
    return used;
}

const struct tb_audio_driver tb_audio_alsa = {
    .name = "alsa",
    .realtime = true,
    .open = open_alsa,
    .close = close_alsa,
    .wait = wait_alsa,
    .write = write_alsa,
    .read = read_alsa,
    .list = list_alsa,
};
