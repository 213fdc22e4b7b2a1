/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/neural_controls.h"

#include <math.h>

float tb_scale_pitch(enum tb_pitch_scale scale, float f0_hz, float mean_hz, float deviation_hz)
{
    const float f = f0_hz > 0 ? f0_hz : 0;
    const float midi = f > 0 ? 69.0f + 12.0f * log2f(f / 440.0f) : 0;
    switch (scale) {
    case TB_SCALE_MIDI:
        return midi / 127.0f;
    case TB_SCALE_HZ:
        return f;
    case TB_SCALE_STANDARD:
        return (f - mean_hz) / deviation_hz;
    case TB_SCALE_NOTE:
        return rintf(midi) / 127.0f;
    }
    return 0;
}

float tb_scale_loudness(float loudness_db, float floor_db, float range_db)
{
    float db = loudness_db > floor_db ? loudness_db : floor_db;
    db = db < 0 ? db : 0;
    return db / range_db + 1.0f;
}

/* Where x stands among n crossings: the one before it, and how far on the way to the next. */
static unsigned crossing(float x, unsigned n, float *share)
{
    const float last = (float)(n - 1);
    const float held = x > 0 ? (x < last ? x : last) : 0;
    const unsigned at = (unsigned)held;
    *share = held - (float)at;
    return at;
}

float tb_map_loudness(const struct tb_loudness_map *map, float loudness_db, float f0_hz)
{
    if (map->n_pitches == 0)
        return loudness_db;
    float up, along;
    const float octave = f0_hz > 1.0f ? log2f(f0_hz) : 0;
    const unsigned p = crossing((octave - map->low_octave) / map->octaves, map->n_pitches, &up);
    const unsigned l =
        crossing((loudness_db - map->floor_db) / map->step_db, map->n_levels, &along);
    const unsigned p1 = p + 1 < map->n_pitches ? p + 1 : p;
    const unsigned l1 = l + 1 < map->n_levels ? l + 1 : l;
    const float *low = map->offset_db[p], *high = map->offset_db[p1];
    const float here = low[l] + up * (high[l] - low[l]);
    const float next = low[l1] + up * (high[l1] - low[l1]);
    return loudness_db + here + along * (next - here);
}

float tb_a_weighting_db(float hz)
{
    const float f2 = hz * hz;
    const float low = f2 + 20.598997f * 20.598997f, high = f2 + 12194.217f * 12194.217f;
    const float a = f2 + 107.65265f * 107.65265f, b = f2 + 737.86223f * 737.86223f;
    const float gain = 12194.217f * (f2 / low) * (12194.217f / high) * (f2 / sqrtf(a * b));
    const float db = gain > 0 ? 20.0f * log10f(gain) + 1.9997f : -160.0f;
    return db > -160.0f ? db : -160.0f;
}

void tb_frame_weights(enum tb_interpolation kind, float first, float hop, float *weight, size_t n)
{
    const float offset = kind == TB_INTERPOLATE_LINEAR_CENTRE ? 0.5f : 0;
    for (size_t i = 0; i < n; i++) {
        float w = (first + (float)i + offset) / hop;
        w = w < 1 ? w : 1;
        if (kind == TB_INTERPOLATE_HANN)
            w = 0.5f - 0.5f * cosf(3.14159265f * w);
        else if (kind == TB_INTERPOLATE_NEAREST)
            w = w < 1 ? 0 : 1;
        weight[i] = w;
    }
}

void tb_pitch_ramp(double from_cps, double to_cps, const float *weight, float *cps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cps[i] = (float)(from_cps + (double)weight[i] * (to_cps - from_cps));
}
