/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/sound_file.h"

#include <samplerate.h>
#include <sndfile.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_RATE_HZ = 8000, MAX_RATE_HZ = 192000, MAX_CHANNELS = 32, PART = 1024 };

struct memory {
    const unsigned char *data;
    sf_count_t size, at;
};

static sf_count_t memory_size(void *user)
{
    return ((const struct memory *)user)->size;
}

static sf_count_t memory_seek(sf_count_t offset, int whence, void *user)
{
    struct memory *m = user;
    sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m->at : m->size;
    if (offset < -from || offset > m->size - from)
        return -1;
    m->at = from + offset;
    return m->at;
}

static sf_count_t memory_read(void *to, sf_count_t n, void *user)
{
    struct memory *m = user;
    sf_count_t left = m->size - m->at;
    n = n < left ? n : left;
    if (n > 0)
        memcpy(to, m->data + m->at, (size_t)n);
    m->at += n > 0 ? n : 0;
    return n > 0 ? n : 0;
}

static sf_count_t memory_tell(void *user)
{
    return ((const struct memory *)user)->at;
}

static enum tb_status check(const SF_INFO *info, const char *name, struct tb_error *err)
{
    const int major = info->format & SF_FORMAT_TYPEMASK;
    if (major != SF_FORMAT_WAV && major != SF_FORMAT_WAVEX && major != SF_FORMAT_RF64)
        return tb_fail(err, TB_EINVAL, "%.80s: not a WAV file", name);
    if (info->samplerate < MIN_RATE_HZ || info->samplerate > MAX_RATE_HZ)
        return tb_fail(err, TB_EINVAL, "%.80s: %d Hz is not in %d..%d", name, info->samplerate,
                       MIN_RATE_HZ, MAX_RATE_HZ);
    if (info->channels < 1 || info->channels > MAX_CHANNELS)
        return tb_fail(err, TB_EINVAL, "%.80s: %d channels, not 1..%d", name, info->channels,
                       MAX_CHANNELS);
    if (info->frames <= 0)
        return tb_fail(err, TB_EINVAL, "%.80s: no samples", name);
    if (info->frames > (sf_count_t)info->samplerate * TB_SOUND_MAX_SECONDS)
        return tb_fail(err, TB_ETOOLARGE, "%.80s: longer than %d s", name, TB_SOUND_MAX_SECONDS);
    return TB_OK;
}

/* The mean of all channels; a file that ends early gives what it has. */
static size_t read_mono(SNDFILE *file, const SF_INFO *info, float *mono)
{
    float part[PART];
    const sf_count_t most = PART / info->channels;
    size_t n = 0;
    for (sf_count_t got; n < (size_t)info->frames;) {
        sf_count_t left = info->frames - (sf_count_t)n;
        got = sf_readf_float(file, part, left < most ? left : most);
        if (got <= 0)
            break;
        for (sf_count_t i = 0; i < got; i++) {
            float sum = 0.0f;
            for (int ch = 0; ch < info->channels; ch++)
                sum += part[i * info->channels + ch];
            sum /= (float)info->channels;
            mono[n++] = isfinite(sum) ? sum : 0.0f;
        }
    }
    return n;
}

static enum tb_status resample(struct tb_sound *sound, uint32_t rate_hz, struct tb_error *err)
{
    if (sound->file_rate_hz == rate_hz)
        return TB_OK;
    const double ratio = (double)rate_hz / sound->file_rate_hz;
    const size_t room = (size_t)ceil((double)sound->n * ratio) + 1;
    float *out = malloc(room * sizeof *out);
    if (!out)
        return tb_fail(err, TB_ENOMEM, "input: no memory");
    SRC_DATA job = {.data_in = sound->samples,
                    .input_frames = (long)sound->n,
                    .data_out = out,
                    .output_frames = (long)room,
                    .src_ratio = ratio};
    const int fault = src_simple(&job, SRC_SINC_MEDIUM_QUALITY, 1);
    if (fault) {
        free(out);
        return tb_fail(err, TB_EINVAL, "input: %.100s", src_strerror(fault));
    }
    free(sound->samples);
    sound->samples = out;
    sound->n = (size_t)job.output_frames_gen;
    return TB_OK;
}

static enum tb_status take(SNDFILE *file, const SF_INFO *info, const char *name, uint32_t rate_hz,
                           struct tb_sound *sound, struct tb_error *err)
{
    if (!file)
        return tb_fail(err, TB_EINVAL, "%.80s: %.60s", name, sf_strerror(NULL));
    enum tb_status status = check(info, name, err);
    if (status == TB_OK) {
        sound->samples = malloc((size_t)info->frames * sizeof *sound->samples);
        if (!sound->samples)
            status = tb_fail(err, TB_ENOMEM, "%.80s: no memory", name);
    }
    if (status == TB_OK) {
        sound->file_rate_hz = (uint32_t)info->samplerate;
        sound->channels = (uint32_t)info->channels;
        sound->n = sound->samples ? read_mono(file, info, sound->samples) : 0;
        status = sound->n > 0 ? resample(sound, rate_hz, err) : TB_OK;
    }
    if (status == TB_OK && sound->n == 0) /* the file or the converter had none */
        status = tb_fail(err, TB_EINVAL, "%.80s: no samples", name);
    if (status != TB_OK)
        tb_sound_free(sound);
    (void)sf_close(file);
    return status;
}

enum tb_status tb_sound_load(const char *path, uint32_t rate_hz, struct tb_sound *sound,
                             struct tb_error *err)
{
    SF_INFO info = {0};
    *sound = (struct tb_sound){0};
    return take(sf_open(path, SFM_READ, &info), &info, path, rate_hz, sound, err);
}

enum tb_status tb_sound_parse(const void *data, size_t size, uint32_t rate_hz,
                              struct tb_sound *sound, struct tb_error *err)
{
    SF_VIRTUAL_IO io = {
        .get_filelen = memory_size, .seek = memory_seek, .read = memory_read, .tell = memory_tell};
    struct memory memory = {.data = data, .size = (sf_count_t)size};
    SF_INFO info = {0};
    *sound = (struct tb_sound){0};
    if (size < 12 || memcmp(memory.data, "RIFF", 4) != 0 || memcmp(memory.data + 8, "WAVE", 4) != 0)
        return tb_fail(err, TB_EINVAL, "input: not a WAV file");
    return take(sf_open_virtual(&io, SFM_READ, &info, &memory), &info, "input", rate_hz, sound,
                err);
}

void tb_sound_free(struct tb_sound *sound)
{
    free(sound->samples);
    *sound = (struct tb_sound){0};
}
