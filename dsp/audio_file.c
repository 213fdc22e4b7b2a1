/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/audio.h"
#include "dsp/sound_file.h"

#include <sndfile.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A WAV file, 32-bit float, as fast as the processor can. Not in real time, so disk I/O on the
 * thread that renders is fine here. */
struct file_audio {
    struct tb_audio audio;
    SNDFILE *file;
    uint64_t left_frames; /* still to be written */
    float *interleaved;   /* [block][2] */
    struct tb_sound in;   /* at the rate of the output; silence behind its end */
    size_t at;            /* next frame of it */
};

static enum tb_status open_input(struct file_audio *f, const struct tb_audio_request *request,
                                 struct tb_error *err)
{
    f->audio.has_input = request->input[0] != '\0';
    if (!f->audio.has_input)
        return TB_OK;
    (void)snprintf(f->audio.input, sizeof f->audio.input, "the file %.100s", request->input);
    return tb_sound_load(request->input, request->rate_hz, &f->in, err);
}

static struct tb_audio *fail(struct file_audio *f, struct tb_error *err, const char *path)
{
    (void)tb_fail(err, TB_EIO, "%.100s: %.40s", path, f ? sf_strerror(f->file) : "no memory");
    if (f)
        free(f->interleaved);
    free(f);
    return NULL;
}

static struct tb_audio *open_file(const struct tb_audio_request *request, struct tb_error *err)
{
    const char *path = request->name[0] ? request->name : "timbred.wav";
    struct file_audio *f = calloc(1, sizeof *f);
    if (!f)
        return fail(NULL, err, path);
    f->interleaved = calloc((size_t)request->block * 2, sizeof *f->interleaved);
    if (!f->interleaved) {
        free(f);
        return fail(NULL, err, path);
    }
    SF_INFO info = {.samplerate = (int)request->rate_hz,
                    .channels = 2,
                    .format = SF_FORMAT_WAV | SF_FORMAT_FLOAT};
    f->file = sf_open(path, SFM_WRITE, &info);
    if (!f->file)
        return fail(f, err, path);
    if (open_input(f, request, err) != TB_OK) {
        (void)sf_close(f->file);
        free(f->interleaved);
        free(f);
        return NULL;
    }
    f->audio.driver = &tb_audio_file;
    f->audio.rate_hz = request->rate_hz;
    f->audio.block = request->block;
    f->audio.periods = 1;
    f->left_frames = request->seconds ? (uint64_t)request->seconds * request->rate_hz : UINT64_MAX;
    (void)snprintf(f->audio.name, sizeof f->audio.name, "%s", path);
    (void)snprintf(f->audio.text, sizeof f->audio.text, "into the file %.100s", path);
    return &f->audio;
}

static void close_file(struct tb_audio *audio)
{
    struct file_audio *f = (struct file_audio *)audio;
    (void)sf_close(f->file);
    tb_sound_free(&f->in);
    free(f->interleaved);
    free(f);
}

static enum tb_audio_result wait_file(struct tb_audio *audio)
{
    return ((struct file_audio *)audio)->left_frames ? TB_AUDIO_OK : TB_AUDIO_END;
}

static enum tb_audio_result write_file(struct tb_audio *audio, const float *left,
                                       const float *right)
{
    struct file_audio *f = (struct file_audio *)audio;
    uint32_t n = audio->block;
    if (n > f->left_frames)
        n = (uint32_t)f->left_frames;
    for (uint32_t i = 0; i < n; i++) {
        f->interleaved[2 * i] = left[i];
        f->interleaved[2 * i + 1] = right[i];
    }
    if (sf_writef_float(f->file, f->interleaved, n) != (sf_count_t)n)
        return TB_AUDIO_LOST;
    f->left_frames -= n;
    return f->left_frames ? TB_AUDIO_OK : TB_AUDIO_END;
}

static uint32_t read_file(struct tb_audio *audio, float *mono, uint32_t max)
{
    struct file_audio *f = (struct file_audio *)audio;
    uint32_t n = audio->has_input ? audio->block : 0;
    n = n < max ? n : max;
    size_t left = f->in.n - f->at, take = left < n ? left : n;
    memcpy(mono, f->in.samples + f->at, take * sizeof *mono);
    memset(mono + take, 0, (n - take) * sizeof *mono);
    f->at += take;
    return n;
}

static size_t list_file(struct tb_audio_entry *entries, size_t max)
{
    (void)entries, (void)max;
    return 0; /* any path would do */
}

const struct tb_audio_driver tb_audio_file = {
    .name = "file",
    .realtime = false,
    .open = open_file,
    .close = close_file,
    .wait = wait_file,
    .write = write_file,
    .read = read_file,
    .list = list_file,
};
