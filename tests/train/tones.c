/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/train/tones.h"

#include "models/train/dataset.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const double TWO_PI = 6.283185307179586;

/* One clip: four notes of 0.8 s and 0.2 s of silence each. */
static void make_clip(size_t index, float *audio, float *f0, float *loudness, float *confidence)
{
    static const double pitches[] = {220, 262, 330, 392, 294};
    double phase = 0;
    for (size_t i = 0; i < TB_CLIP_SAMPLES; i++) {
        double t = (double)(i % 16000) / 16000, hz = pitches[(index + i / 16000) % 5];
        double db = -40 + 34 * sin(TWO_PI / 2 * fmin(1, t / 0.8));
        double amp = t < 0.8 ? pow(10, db / 20) : 0, sum = 0;
        phase += hz / 16000;
        phase -= floor(phase);
        for (int k = 1; k <= 8; k++)
            sum += sin(TWO_PI * k * phase) / (k * k);
        audio[i] = (float)(0.6 * amp * sum);
        if (i % TB_CLIP_HOP != 0)
            continue;
        size_t frame = i / TB_CLIP_HOP;
        f0[frame] = (float)hz;
        loudness[frame] = t < 0.8 ? (float)db : -80;
        confidence[frame] = t < 0.8 ? 1 : 0;
    }
}

/* Writes n values as FIELD.f32; hash gets the SHA-256 in hexadecimal. */
static int put(const char *folder, const char *field, const float *values, size_t n, char hash[65])
{
    char path[4096];
    unsigned char sum[crypto_hash_sha256_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s.f32", folder, field);
    FILE *f = fopen(path, "wb");
    if (!f)
        return 0;
    int whole = fwrite(values, sizeof *values, n, f) == n;
    (void)crypto_hash_sha256(sum, (const unsigned char *)values, n * sizeof *values);
    (void)sodium_bin2hex(hash, 65, sum, sizeof sum);
    return fclose(f) == 0 && whole;
}

static int describe(const char *folder, const size_t n[3], char hash[4][65])
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/dataset.json", folder);
    FILE *f = fopen(path, "w");
    if (!f)
        return 0;
    (void)fprintf(
        f,
        "{\"format\":\"timbred-dataset\",\"version\":1,\"name\":\"tones\",\"licence\":\"CC0-1.0\","
        "\"credit\":\"nobody\",\"source\":\"generated\",\"source_sha256\":\"%s\",\"rate_hz\":16000,"
        "\"hop\":64,\"clip_samples\":64000,\"minutes\":1,\"analysis\":{\"text\":\"exact\","
        "\"loudness_kind\":\"rms_db\",\"n_fft\":512,\"ahead\":4,\"reference_db\":0,"
        "\"floor_db\":-80},\"range\":{\"pitch_low_hz\":220,\"pitch_high_hz\":392,"
        "\"loudness_low_db\":-40,\"loudness_high_db\":-6},\"n_clips\":{\"train\":%zu,"
        "\"validation\":%zu,\"test\":%zu},\"sha256\":{\"audio\":\"%s\",\"f0\":\"%s\","
        "\"loudness\":\"%s\",\"confidence\":\"%s\"}}\n",
        hash[0], n[0], n[1], n[2], hash[0], hash[1], hash[2], hash[3]);
    return fclose(f) == 0;
}

int tb_tones_write(const char *folder, size_t train, size_t validation, size_t test)
{
    const size_t counts[3] = {train, validation, test}, n = train + validation + test;
    float *audio = calloc(n * (TB_CLIP_SAMPLES + 3 * TB_CLIP_FRAMES), sizeof *audio);
    char hash[4][65];
    if (!audio || sodium_init() < 0) {
        free(audio);
        return 0;
    }
    float *f0 = audio + n * TB_CLIP_SAMPLES, *loudness = f0 + n * TB_CLIP_FRAMES;
    float *confidence = loudness + n * TB_CLIP_FRAMES;
    for (size_t i = 0; i < n; i++)
        make_clip(i, audio + i * TB_CLIP_SAMPLES, f0 + i * TB_CLIP_FRAMES,
                  loudness + i * TB_CLIP_FRAMES, confidence + i * TB_CLIP_FRAMES);
    (void)mkdir(folder, 0700);
    int good = put(folder, "audio", audio, n * TB_CLIP_SAMPLES, hash[0]) &&
               put(folder, "f0", f0, n * TB_CLIP_FRAMES, hash[1]) &&
               put(folder, "loudness", loudness, n * TB_CLIP_FRAMES, hash[2]) &&
               put(folder, "confidence", confidence, n * TB_CLIP_FRAMES, hash[3]) &&
               describe(folder, counts, hash);
    free(audio);
    return good;
}
