/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NEURAL_H
#define TB_DSP_NEURAL_H

#include "base/error.h"
#include "dsp/algorithms.h"
#include "dsp/analysis.h"
#include "dsp/engine.h"
#include "dsp/neural_controls.h"
#include "dsp/synth_kernels.h"
#include "models/nn/nn.h"

/* A neural instrument: a network made ready for one sample rate, with its synthesiser, its reverb
 * and the state of TB_NEURAL_VOICES voices. Built on a control thread, then owned by a program
 * (tb_program_new_neural), of which the audio thread plays it. */
struct tb_neural;

enum { TB_NEURAL_VOICES = 80 }; /* TB_MAX_VOICES and some that fade out */

/* What the second input of the network means. */
enum tb_neural_loudness {
    TB_NEURAL_DB,      /* dB / range_db + 1 */
    TB_NEURAL_VELOCITY /* velocity / 127 while the key is down, then straight to 0 within
                          TB_NEURAL_RELEASE_S */
};
#define TB_NEURAL_RELEASE_S 0.25F

/* What a model file says, in the words of this folder (models/neural_spec.h fills it). Pointers
 * are borrowed: tb_neural_new keeps nothing of them. */
struct tb_neural_spec {
    enum tb_family family; /* not TB_FAMILY_FM */
    const struct tb_nn_spec *network;
    const struct tb_nn_tensor *tensors; /* as tb_nn_shapes orders them */
    float model_rate_hz;                /* of the training audio */
    float hop;                          /* samples a frame at that rate */

    enum tb_pitch_scale pitch_scale;
    float pitch_mean_hz, pitch_deviation_hz;
    enum tb_neural_loudness loudness;
    float floor_db, range_db;       /* of loudness */
    struct tb_loudness_map map;     /* from what is asked to what the decoder is asked */
    struct tb_analysis_scale scale; /* how loudness is measured in a sound */
    float low_hz, high_hz;          /* pitch that it was trained on */
    float low_db, high_db;          /* loudness likewise */
    enum tb_interpolation levels;   /* from frame to frame */

    unsigned n_harmonics, n_bands, n_tables, table_size;
    struct tb_level_curve curve; /* of amplitude, harmonics and attention */
    float noise_bias;            /* added to raw noise magnitudes */
    const float *wavetables;     /* [n_tables][table_size], or NULL */

    unsigned n_operators;
    struct tb_algorithm routing; /* of a free one, where algorithm is 0 */
    unsigned algorithm;          /* 1..32, or 0 */
    float ratios[TB_N_OPERATORS];
    float feedback;  /* DX7 steps, 0..7 */
    float max_level; /* of an operator at network output 1, in cycles of phase */

    const float *impulse; /* [n_impulse] of the reverb, [0] is the dry path; NULL: none */
    size_t n_impulse;
    float impulse_rate_hz;
};

/* Control thread. rate_hz and cpu as the engine's that will play it; any length of block. NULL with
 * *err for a spec that does not fit together, a rate out of bounds or no memory. All memory is
 * touched. */
struct tb_neural *tb_neural_new(const struct tb_neural_spec *spec, float rate_hz, enum tb_cpu cpu,
                                struct tb_error *err);
void tb_neural_free(struct tb_neural *neural); /* NULL is allowed */

/* Any thread. */
enum tb_family tb_neural_family(const struct tb_neural *neural);
float tb_neural_rate_hz(const struct tb_neural *neural); /* that it was made for */

/* What it costs on this machine. */
struct tb_neural_cost {
    double us_per_frame;        /* decoder, one voice */
    double us_per_frame_of_8;   /* decoder, a voice of eight together */
    double us_per_second_voice; /* everything, one voice of eight, a second of sound */
    double share;               /* of one core, a voice of eight: us_per_second_voice / 1e6 */
};

/* Control thread. Plays some tens of milliseconds of sound against the clock, then forgets them.
 * Not once a program owns it. */
void tb_neural_measure(struct tb_neural *neural, struct tb_neural_cost *cost);

/* Control thread. A program of values (as tb_program_new) whose notes play a, and b as ab.mix
 * says; b may be NULL, and a too: then it is the FM program of these values. The program owns both
 * from the call on, even when it fails. NULL with *err: as tb_program_new, or an instrument made
 * for another rate. */
struct tb_program *tb_program_new_neural(const struct tb_engine *engine,
                                         const float values[TB_N_PARAMS], struct tb_neural *a,
                                         struct tb_neural *b, struct tb_error *err);

#endif
