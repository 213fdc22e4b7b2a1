/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/wav.h"

#include <sndfile.h>
#include <stdlib.h>
#include <unistd.h>

struct tb_wav {
    SNDFILE *file;
};

static SF_INFO info_of(const struct tb_wav_config *config)
{
    static const int formats[] = {[TB_WAV_FLOAT] = SF_FORMAT_FLOAT,
                                  [TB_WAV_PCM16] = SF_FORMAT_PCM_16,
                                  [TB_WAV_PCM24] = SF_FORMAT_PCM_24};
    return (SF_INFO){.samplerate = (int)config->rate_hz,
                     .channels = (int)config->n_channels,
                     .format = SF_FORMAT_WAV | formats[config->format]};
}

static struct tb_wav *wrap(SNDFILE *file, const char *path, struct tb_error *err)
{
    struct tb_wav *wav = file ? calloc(1, sizeof *wav) : NULL;
    if (!file) {
        (void)tb_fail(err, TB_EIO, "%.100s: %.50s", path, sf_strerror(NULL));
        return NULL;
    }
    if (!wav) {
        (void)sf_close(file);
        (void)tb_fail(err, TB_ENOMEM, "%.100s: no memory", path);
        return NULL;
    }
    /* a peak chunk holds the time of writing: the same sound would not be the same file */
    (void)sf_command(file, SFC_SET_ADD_PEAK_CHUNK, NULL, SF_FALSE);
    (void)sf_command(file, SFC_SET_CLIPPING, NULL, SF_TRUE);
    wav->file = file;
    return wav;
}

struct tb_wav *tb_wav_create(const char *path, const struct tb_wav_config *config,
                             struct tb_error *err)
{
    SF_INFO info = info_of(config);
    return wrap(sf_open(path, SFM_WRITE, &info), path, err);
}

struct tb_wav *tb_wav_create_fd(int fd, const struct tb_wav_config *config, struct tb_error *err)
{
    SF_INFO info = info_of(config);
    return wrap(sf_open_fd(fd, SFM_WRITE, &info, SF_FALSE), "wav", err);
}

enum tb_status tb_wav_write(struct tb_wav *wav, const float *interleaved, size_t n_frames,
                            struct tb_error *err)
{
    if (sf_writef_float(wav->file, interleaved, (sf_count_t)n_frames) != (sf_count_t)n_frames)
        return tb_fail(err, TB_EIO, "wav: %.100s", sf_strerror(wav->file));
    return TB_OK;
}

enum tb_status tb_wav_close(struct tb_wav *wav, struct tb_error *err)
{
    int fault = sf_close(wav->file);
    free(wav);
    if (fault)
        return tb_fail(err, TB_EIO, "wav: %.100s", sf_error_number(fault));
    return TB_OK;
}
