/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NEURAL_CONTROLS_H
#define TB_DSP_NEURAL_CONTROLS_H

#include "dsp/rt.h"

#include <stddef.h>
#include <stdint.h>

/* Between the world's units and a decoder's: scalings of pitch and loudness, and how a control goes
 * from one frame to the next. The values come from the model's metadata. */

enum tb_pitch_scale { TB_SCALE_MIDI, TB_SCALE_HZ, TB_SCALE_STANDARD, TB_SCALE_NOTE };

/* RT. Hz as the decoder wants it: midi / 127 with midi = 69 + 12 log2(f / 440); Hz; (Hz - mean) /
 * deviation; key / 127, which is midi rounded. f0_hz <= 0 or NaN gives 0 (standard: of 0 Hz). */
TB_RT float tb_scale_pitch(enum tb_pitch_scale scale, float f0_hz, float mean_hz,
                           float deviation_hz);

/* RT. dB / range + 1, dB held to floor..0 first; NaN counts as floor. */
TB_RT float tb_scale_loudness(float loudness_db, float floor_db, float range_db);

/* What a decoder has to be asked for to give a loudness: offsets in dB at the crossings of a grid,
 * pitches evenly spaced in octaves, levels evenly in dB, straight in between and held outside. A
 * model's metadata has them (models/FORMAT.md). */
enum { TB_LOUDNESS_MAX_PITCHES = 16, TB_LOUDNESS_MAX_LEVELS = 17 };
struct tb_loudness_map {
    unsigned n_pitches, n_levels; /* 0: as asked; else n_levels >= 2 */
    float low_octave;             /* log2 of the first pitch in Hz */
    float octaves;                /* between two pitches, above 0 */
    float floor_db, step_db;      /* first level; between two, above 0 */
    float offset_db[TB_LOUDNESS_MAX_PITCHES][TB_LOUDNESS_MAX_LEVELS];
};

/* RT. Loudness to ask for, so that loudness_db comes out at f0_hz (0 or NaN: the lowest pitch). */
TB_RT float tb_map_loudness(const struct tb_loudness_map *map, float loudness_db, float f0_hz);

/* RT. A-weighting of IEC 61672 in dB, 0 at 1 kHz; -160 at 0 Hz. */
TB_RT float tb_a_weighting_db(float hz);

enum tb_interpolation {
    TB_INTERPOLATE_LINEAR,        /* frame i is at sample i * hop (TensorFlow) */
    TB_INTERPOLATE_LINEAR_CENTRE, /* frame i is at sample (i + .5) * hop - .5 (torch) */
    TB_INTERPOLATE_HANN,          /* overlapping Hann windows */
    TB_INTERPOLATE_NEAREST        /* held */
};

/* RT. weight[n] of the next frame for samples first.. of `hop` samples between two frames; the
 * other frame has the rest. LINEAR_CENTRE counts from the middle of a frame: what it is given at
 * sample (i + .5) * hop goes on to frame i + 1. hop > 0, first >= 0, may be fractional. */
TB_RT void tb_frame_weights(enum tb_interpolation kind, float first, float hop, float *weight,
                            size_t n);

/* RT. Pitch between two frames in cycles a sample: cps[n] is what is played, to the last bit. */
TB_RT void tb_pitch_ramp(double from_cps, double to_cps, const float *weight, float *cps, size_t n);

/* RT. What a phase of 2^64 a turn goes on by in a sample of cps; held just below half a turn, so
 * that it fits a signed number, which is what processors convert to quickly. cps >= 0. */
TB_RT static inline uint64_t tb_turns_of(float cps)
{
    const float held = cps < 0.49999997f ? cps : 0.49999997f;
    return (uint64_t)(int64_t)((double)held * 18446744073709551616.0);
}

#endif
