/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/source.h"

#include "models/train/dataset.h"

#include <samplerate.h>
#include <sndfile.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 16384, MAX_CHANNELS = 8 };

struct reader {
    const struct tb_source_options *options;
    SNDFILE *file;
    SF_INFO format;
    SRC_STATE *rate; /* NULL when there is nothing to convert */
    double ratio;
    int channel; /* -1: the mean of all */
    float *wide; /* [BLOCK][channels] */
    float *mono; /* [BLOCK] */
    float *part; /* [part_samples] */
    size_t filled;
    tb_source_take *take;
    void *user;
    struct tb_source_info *info;
};

static enum tb_status open_file(const char *path, struct reader *r, struct tb_error *err)
{
    r->format = (SF_INFO){0};
    r->file = sf_open(path, SFM_READ, &r->format);
    if (!r->file)
        return tb_fail(err, TB_EUNSUPPORTED, "unreadable: %.110s", sf_strerror(NULL));
    if (r->format.channels < 1 || r->format.channels > MAX_CHANNELS)
        return tb_fail(err, TB_EUNSUPPORTED, "channels: %d; 1 to %d are read", r->format.channels,
                       MAX_CHANNELS);
    if (r->format.samplerate < (int)r->options->least_rate_hz || r->format.samplerate > 384000)
        return tb_fail(err, TB_EUNSUPPORTED, "rate: %d Hz is outside %u..384000",
                       r->format.samplerate, r->options->least_rate_hz);
    return TB_OK;
}

/* Where channels cancel (one wired backwards, or far apart), their mean is no sound that anybody
 * heard: then the louder one is taken. */
static enum tb_status choose_channel(const char *path, struct reader *r, struct tb_error *err)
{
    const int n = r->format.channels;
    double power[MAX_CHANNELS] = {0}, mean_power = 0;
    r->channel = -1;
    if (n == 1)
        return TB_OK;
    for (sf_count_t got, all = 0; (got = sf_readf_float(r->file, r->wide, BLOCK)) > 0; all += got) {
        if ((double)all > r->options->most_seconds * r->format.samplerate)
            break;
        for (sf_count_t i = 0; i < got; i++) {
            double mean = 0;
            for (int c = 0; c < n; c++) {
                const double x = (double)r->wide[i * n + c];
                power[c] += x * x;
                mean += x / n;
            }
            mean_power += mean * mean;
        }
    }
    int loudest = 0;
    for (int c = 1; c < n; c++)
        loudest = power[c] > power[loudest] ? c : loudest;
    double sum = 0;
    for (int c = 0; c < n; c++)
        sum += power[c];
    /* of two like channels the mean has their power; of two that have nothing in common, half */
    if (mean_power < 0.3 * sum / n) {
        r->channel = loudest;
        r->info->one_side = true;
    }
    (void)sf_close(r->file);
    return open_file(path, r, err);
}

static void mix_down(struct reader *r, size_t n)
{
    const size_t width = (size_t)r->format.channels;
    size_t run = 0;
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        if (r->channel >= 0)
            sum = r->wide[i * width + (size_t)r->channel];
        else
            for (size_t c = 0; c < width; c++)
                sum += r->wide[i * width + c] / (float)width;
        sum = isfinite(sum) ? sum : 0;
        run = fabsf(sum) >= 0.9999f ? run + 1 : 0;
        r->info->clipped += run >= 3;
        r->info->peak = fmaxf(r->info->peak, fabsf(sum));
        r->mono[i] = sum;
    }
}

static enum tb_status give(struct reader *r, struct tb_error *err)
{
    const size_t n = r->filled;
    r->filled = 0;
    return n ? r->take(r->user, r->part, n, err) : TB_OK;
}

static enum tb_status convert(struct reader *r, size_t n, bool last, struct tb_error *err)
{
    const size_t room = r->options->part_samples;
    SRC_DATA data = {
        .data_in = r->mono, .input_frames = (long)n, .src_ratio = r->ratio, .end_of_input = last};
    do {
        data.data_out = r->part + r->filled;
        data.output_frames = (long)(room - r->filled);
        if (r->rate) {
            const int fault = src_process(r->rate, &data);
            if (fault)
                return tb_fail(err, TB_EIO, "rate: %s", src_strerror(fault));
        } else {
            const size_t some = n < room - r->filled ? n : room - r->filled;
            memcpy(data.data_out, data.data_in, some * sizeof(float));
            data.input_frames_used = data.output_frames_gen = (long)some;
        }
        data.data_in += data.input_frames_used;
        data.input_frames -= data.input_frames_used;
        n -= (size_t)data.input_frames_used;
        r->filled += (size_t)data.output_frames_gen;
        if (r->filled == room) {
            const enum tb_status status = give(r, err);
            if (status != TB_OK)
                return status;
        } else if (!data.output_frames_gen && !data.input_frames_used) {
            break;
        }
    } while (data.input_frames > 0 || (last && r->rate && data.output_frames_gen > 0));
    return TB_OK;
}

static enum tb_status read_all(struct reader *r, struct tb_error *err)
{
    const double most = r->options->most_seconds * r->format.samplerate;
    double all = 0;
    enum tb_status status = TB_OK;
    for (bool last = false; !last && status == TB_OK;) {
        const sf_count_t got = sf_readf_float(r->file, r->wide, BLOCK);
        const size_t n = got > 0 ? (size_t)got : 0;
        all += (double)n;
        last = n < BLOCK || all >= most;
        mix_down(r, n);
        status = convert(r, n, last, err);
    }
    r->info->seconds = all / r->format.samplerate;
    r->info->clipped = all > 0 ? r->info->clipped / all : 0;
    if (status == TB_OK && sf_error(r->file) != SF_ERR_NO_ERROR && all == 0)
        return tb_fail(err, TB_ECORRUPT, "unreadable: %.110s", sf_strerror(r->file));
    return status == TB_OK ? give(r, err) : status;
}

enum tb_status tb_source_read(const char *path, const struct tb_source_options *options,
                              tb_source_take *take, void *user, struct tb_source_info *info,
                              struct tb_error *err)
{
    struct reader r = {.options = options, .take = take, .user = user, .info = info};
    *info = (struct tb_source_info){0};
    enum tb_status status = open_file(path, &r, err);
    if (status == TB_OK) {
        int fault = 0;
        info->rate_hz = (unsigned)r.format.samplerate;
        info->n_channels = (unsigned)r.format.channels;
        r.ratio = (double)TB_CLIP_RATE_HZ / r.format.samplerate;
        if (r.format.samplerate != TB_CLIP_RATE_HZ)
            r.rate = src_new(SRC_SINC_BEST_QUALITY, 1, &fault);
        r.wide = malloc(BLOCK * (size_t)r.format.channels * sizeof(float));
        r.mono = malloc(BLOCK * sizeof(float));
        r.part = malloc(options->part_samples * sizeof(float));
        if (!r.wide || !r.mono || !r.part || fault)
            status = tb_fail(err, TB_ENOMEM, "out of memory");
    }
    if (status == TB_OK)
        status = choose_channel(path, &r, err);
    if (status == TB_OK && r.part)
        status = read_all(&r, err);
    if (r.rate)
        src_delete(r.rate);
    free(r.wide);
    free(r.mono);
    free(r.part);
    if (r.file)
        (void)sf_close(r.file);
    return status;
}
