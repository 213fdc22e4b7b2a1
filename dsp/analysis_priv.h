/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_ANALYSIS_PRIV_H
#define TB_DSP_ANALYSIS_PRIV_H

#include "dsp/analysis.h"
#include "dsp/synth_kernels.h"

enum {
    TB_PITCH_SHORT = 400, /* 25 ms: pitches from 100 Hz */
    TB_PITCH_LONG = 800,  /* 50 ms: pitches from 50 Hz */
    TB_PITCH_LAGS = 352,
    TB_PITCH_SLACK = 64,
    TB_PITCH_STEPS = 8, /* between two samples */
    TB_PITCH_SINC = 24, /* taps of the interpolation */
    TB_ANALYSIS_HISTORY = TB_ANALYSIS_MAX_FFT,
    TB_ANALYSIS_MIN_FFT = 256,
    TB_ANALYSIS_N_FFTS = 4, /* each twice as long as the one before */
};

/* Fractional lags of the autocorrelation's peaks. */
struct tb_pitch {
    const struct tb_synth_kernels *kernels;
    float last_period;   /* samples at 16 kHz, 0: none */
    unsigned age;        /* frames since it was found */
    unsigned loud;       /* frames above the gate */
    unsigned held;       /* voiced frames that the pitch has not left its octave */
    unsigned leap;       /* frames that a leap to another note still counts, 0: none */
    unsigned since_leap; /* frames since it began */
    float level_db, loudest_db, quietest_db; /* now, and since the note began */
    float x[TB_PITCH_LONG + TB_PITCH_LAGS + TB_PITCH_SLACK];
    float reversed[TB_PITCH_LONG];
    float nsdf[TB_PITCH_LAGS + TB_PITCH_SLACK];
    float sharp[TB_PITCH_LAGS + TB_PITCH_SLACK]; /* the same of the emphasised sound */
    float sinc[TB_PITCH_STEPS][TB_PITCH_SINC];
};

struct tb_loudness {
    enum tb_analysis_loudness kind;
    unsigned n_fft;
    float reference_db, floor_db;
    float *window;                   /* [n_fft] periodic Hann */
    float *weight_db, *weight_power; /* [n_fft / 2 + 1] A-weighting, as dB and as gain of power */
    float *cosine;                   /* [n_fft / 2 + 1] of k / n_fft turns */
    float *sine;
    float *re, *im;  /* [n_fft / 2 + 1] */
    unsigned *order; /* [n_fft / 2] bit reversal */
};

struct tb_analysis {
    struct tb_analysis_config config;
    unsigned up, down; /* 16000 / rate as a fraction */
    unsigned taps;     /* a phase; a multiple of 16 */
    float *filter;     /* [up][taps], newest sample first */
    float *input;      /* [2 * taps] every sample twice, so that the newest taps lie together */
    unsigned at;       /* next place in input */
    unsigned phase;    /* 0..up - 1 or more: input samples to wait for */
    float history[2 * TB_ANALYSIS_HISTORY]; /* 16 kHz, every sample twice */
    unsigned newest;                        /* next place */
    unsigned filled;                        /* of the current hop */
    struct tb_pitch pitch;
    struct tb_loudness loudness[TB_ANALYSIS_N_FFTS];
    unsigned i_fft; /* which of them counts */
};

/* RT. newest points behind the newest sample of more than TB_PITCH_LONG. */
TB_RT void tb_pitch_frame(struct tb_pitch *pitch, const float *newest, float gate_db,
                          struct tb_analysis_frame *frame);
TB_RT void tb_pitch_reset(struct tb_pitch *pitch);

/* RT. newest points behind the newest of n_fft samples. */
TB_RT float tb_loudness_frame(struct tb_loudness *loudness, const float *newest);

/* Control thread. */
void tb_pitch_init(struct tb_pitch *pitch);
bool tb_loudness_init(struct tb_loudness *l, unsigned n_fft);
void tb_loudness_clear(struct tb_loudness *l);

#endif
