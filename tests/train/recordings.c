/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/train/recordings.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <sndfile.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const double TWO_PI = 6.283185307179586;
char recordings_root[64], recordings_in[80], recordings_out[80];
float recording[2 * RECORDING_MAX_SAMPLES];

int recordings_set_up(void **state)
{
    (void)state;
    (void)snprintf(recordings_root, sizeof recordings_root, "/tmp/timbred-data-XXXXXX");
    if (!mkdtemp(recordings_root))
        return -1;
    (void)snprintf(recordings_in, sizeof recordings_in, "%s/in", recordings_root);
    (void)snprintf(recordings_out, sizeof recordings_out, "%s/out", recordings_root);
    return mkdir(recordings_in, 0700);
}

static void remove_all(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (const struct dirent *e; (e = readdir(dir));) {
        char below[512];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        if (unlink(below) != 0)
            remove_all(below);
    }
    (void)closedir(dir);
    (void)rmdir(path);
}

int recordings_tear_down(void **state)
{
    (void)state;
    remove_all(recordings_root);
    return 0;
}

size_t make_recording(const struct shape *s, int rate_hz)
{
    const size_t n = (size_t)(s->seconds * rate_hz);
    uint32_t seed = 7;
    assert_true(n <= RECORDING_MAX_SAMPLES);
    for (size_t i = 0; i < n; i++) {
        const double t = (double)i / rate_hz;
        const double edge = fmin(1, fmin(t, s->seconds - t) / 0.02);
        double sum = 0;
        for (int v = 0; v < 3 && s->hz[v] > 0; v++)
            for (int k = 1; k <= 10 && k * s->hz[v] < 0.45 * rate_hz; k++)
                sum += (k % 2 ? s->odd : 1) / k * sin(TWO_PI * k * s->hz[v] * t + k);
        seed = seed * 1664525 + 1013904223;
        sum += s->noise * ((double)seed / 2147483648.0 - 1);
        for (int c = 0; c < s->n_channels; c++)
            recording[i * (size_t)s->n_channels + (size_t)c] =
                (float)(s->level * edge * sum * (c ? s->second : 1));
    }
    return n;
}

void save_recording(const char *name, const struct shape *s, int rate_hz, int format)
{
    char path[256];
    const size_t n = make_recording(s, rate_hz);
    (void)snprintf(path, sizeof path, "%s/%s", recordings_in, name);
    SF_INFO info = {.samplerate = rate_hz, .channels = s->n_channels, .format = format};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    if (!file)
        fail_msg("%s: %s", name, sf_strerror(NULL));
    assert_int_equal(sf_writef_float(file, recording, (sf_count_t)n), (sf_count_t)n);
    (void)sf_close(file);
}

void save_tone(const char *name, double hz, double level)
{
    const struct shape s = {{hz}, 0, level, 1.2, 1, 1, 0};
    save_recording(name, &s, 16000, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
}

void save_bytes(const char *name, const void *data, size_t n)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", recordings_in, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

struct tb_build_options recording_options(void)
{
    return (struct tb_build_options){.folder = recordings_in,
                                     .out = recordings_out,
                                     .name = "test",
                                     .licence = "CC0-1.0",
                                     .credit = "nobody",
                                     .source = "generated",
                                     .seed = 1};
}

json_t *build_recordings(const struct tb_build_options *options)
{
    struct tb_error err = {0};
    json_t *report = NULL;
    if (tb_dataset_build(options, &report, &err) != TB_OK)
        fail_msg("%s", err.text);
    return report;
}

size_t files_in(const char *path)
{
    size_t n = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    for (const struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

void save_scale(int n)
{
    for (int i = 0; i < n; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "tone %02d.wav", i);
        save_tone(name, 220 * exp2(i / 12.0), 0.05 + 0.01 * i);
    }
}
