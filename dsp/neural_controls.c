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
