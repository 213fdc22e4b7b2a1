/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_OPS_H
#define TB_MODELS_TRAIN_OPS_H

#include "models/train/tape.h"

#include <stdint.h>

/* The differentiable processors. Each takes whole clips, returns a new tensor on the tape, and adds
 * to the gradients of those inputs that have one. Shapes are the caller's duty and asserted. */

struct tb_random; /* random.h */

/* ---- dense layers: x [n][in] */
/* weight [out][in], bias [1][out] -> [n][out] */
struct tb_tensor tb_op_linear(struct tb_tape *tape, struct tb_tensor x, struct tb_tensor weight,
                              struct tb_tensor bias);
/* gain, bias [1][cols]; epsilon 1e-5 */
struct tb_tensor tb_op_layer_norm(struct tb_tape *tape, struct tb_tensor x, struct tb_tensor gain,
                                  struct tb_tensor bias);
/* slope 0 is ReLU, .01 the leaky one of the published decoders */
struct tb_tensor tb_op_leaky_relu(struct tb_tape *tape, struct tb_tensor x, tb_real slope);
struct tb_tensor tb_op_sigmoid(struct tb_tape *tape, struct tb_tensor x);
struct tb_tensor tb_op_tanh(struct tb_tape *tape, struct tb_tensor x);
/* 2 sigmoid(x + bias)^ln(10) + 1e-7; bias -5 on noise bands in some systems */
struct tb_tensor tb_op_exp_sigmoid(struct tb_tape *tape, struct tb_tensor x, tb_real bias);
/* Zeroes with probability p and scales the rest by 1/(1-p) while the tape trains. */
struct tb_tensor tb_op_dropout(struct tb_tape *tape, struct tb_tensor x, tb_real p,
                               struct tb_random *random);
struct tb_tensor tb_op_add(struct tb_tape *tape, struct tb_tensor a, struct tb_tensor b);
/* value * factor */
struct tb_tensor tb_op_scale(struct tb_tape *tape, struct tb_tensor x, tb_real factor);
/* element by element; b may have one column, which then multiplies each row of a */
struct tb_tensor tb_op_multiply(struct tb_tape *tape, struct tb_tensor a, struct tb_tensor b);
/* [n][a] and [n][b] side by side */
struct tb_tensor tb_op_concat(struct tb_tape *tape, struct tb_tensor a, struct tb_tensor b);
/* columns first .. first + count */
struct tb_tensor tb_op_columns(struct tb_tape *tape, struct tb_tensor x, size_t first,
                               size_t count);
/* Each row divided by its sum; a row of zeros stays zero. */
struct tb_tensor tb_op_normalise(struct tb_tape *tape, struct tb_tensor x);

/* ---- sequences: x [clips * frames][...], state starts at zero for each clip */
/* Gate order r, z, n; w_x [3H][in], w_h [3H][H], b_x, b_h [1][3H]; the new gate's b_h lies inside
 * the reset: n = tanh(Wx + b + r (Wh + b_h)) -> [clips * frames][H]. */
struct tb_gru_weights {
    struct tb_tensor w_x, w_h, b_x, b_h;
};
struct tb_tensor tb_op_gru(struct tb_tape *tape, struct tb_tensor x, const struct tb_gru_weights *w,
                           size_t clips);
/* Causal convolution over frames: v [out][in * kernel] (tap 0 is the oldest), weight norm w = g v
 * / |v| per output channel with g [1][out], bias [1][out]. g.value NULL: v is the weight itself. */
struct tb_conv_weights {
    struct tb_tensor v, g, bias;
    size_t kernel, dilation;
};
struct tb_tensor tb_op_causal_conv(struct tb_tape *tape, struct tb_tensor x,
                                   const struct tb_conv_weights *w, size_t clips);

/* ---- frames to samples. Controls at frame t hold at sample t * hop and move on straight lines
 * (facts of the field call it TensorFlow linear); the last frame holds. */
struct tb_grid {
    size_t clips, frames, hop; /* samples = frames * hop */
    tb_real rate_hz;
    bool published; /* as the code of the papers does it, not as the engine plays it: the phase has
                       its first step in it, harmonics end with frames, noise is centred on its
                       frame, tables are read on straight lines with all that they hold */
};
/* What drives oscillators; to the last bit what the engine's have. Not differentiated. */
struct tb_pitch {
    uint32_t *phase; /* [clips * samples], 2^32 a turn: running sum of cps */
    float *cps;      /* [clips * samples] interpolated pitch in turns a sample */
};
/* f0_hz [clips * frames]; f0 <= 0 stands still. Pointers NULL: no memory on the tape. */
struct tb_pitch tb_pitch_from_f0(struct tb_tape *tape, const struct tb_grid *grid,
                                 const tb_real *f0_hz);
/* amplitude [clips * frames][harmonics] -> [clips * samples][1]; harmonic k (1..) sin(2 pi k
 * phase), silent where it is at or above half the rate. */
struct tb_tensor tb_op_harmonic(struct tb_tape *tape, const struct tb_grid *grid,
                                struct tb_tensor amplitude, const struct tb_pitch *pitch);
/* 1 where harmonic k of the frame lies below half the rate, else 0; [clips * frames][harmonics] */
void tb_nyquist_mask(const struct tb_grid *grid, const tb_real *f0_hz, size_t harmonics,
                     tb_real *mask);
/* magnitude [clips * frames][bands] -> filter of 2 (bands - 1) taps under a Hann window; noise
 * [clips * samples] uniform in -1..1; tails overlap-add. As live: a hop goes through the
 * filter of the frame that it ends with, whose middle is bands - 2 samples late (published: of its
 * own frame, zero-phase). */
struct tb_tensor tb_op_noise(struct tb_tape *tape, const struct tb_grid *grid,
                             struct tb_tensor magnitude, const tb_real *noise);
/* Six (or fewer) operators; level [clips * frames][operators] in turns, the modulation index;
 * ratio_hz as multiples of f0. modulates[i] is a bit set of the operators that operator i drives;
 * carriers a bit set; output = sum of carriers / scale. Operators drive lower-numbered ones only;
 * feedback[i] (turns per unit of the mean of its last two outputs) is operator i on itself. */
enum { TB_MAX_FM_OPERATORS = 8 };
struct tb_fm_routing {
    size_t operators;
    uint32_t modulates[TB_MAX_FM_OPERATORS], carriers;
    tb_real ratio[TB_MAX_FM_OPERATORS], feedback[TB_MAX_FM_OPERATORS], scale;
};
struct tb_tensor tb_op_fm(struct tb_tape *tape, const struct tb_grid *grid,
                          const struct tb_fm_routing *routing, struct tb_tensor level,
                          const struct tb_pitch *pitch);
/* table [size][tables] (transposed: one row is one position), attention [clips * frames][tables]
 * -> [clips * samples][1]. As dsp/wavetable.h: without their mean, with as many harmonics as fit
 * the pitch of the frame and the one before, read by cubics, from the mix of a frame to that of the
 * next (published: every table on straight lines). */
struct tb_tensor tb_op_wavetable(struct tb_tape *tape, const struct tb_grid *grid,
                                 struct tb_tensor attention, struct tb_tensor table,
                                 const struct tb_pitch *pitch);
/* [clips * frames][1] times a signal [clips * samples][1], interpolated */
struct tb_tensor tb_op_gain(struct tb_tape *tape, const struct tb_grid *grid,
                            struct tb_tensor signal, struct tb_tensor gain);
/* Impulse response of the learned reverb: noise [1][n], decay [1][1], wet [1][1] -> [1][n] with
 * h[t] = noise[t] exp(-softplus(-decay) 500 t/rate) sigmoid(wet), h[0] = 1. */
struct tb_tensor tb_op_reverb_response(struct tb_tape *tape, struct tb_tensor noise,
                                       struct tb_tensor decay, struct tb_tensor wet,
                                       tb_real rate_hz);
/* Each clip of signal [clips * samples][1] convolved with response [1][n], cut to its length. */
struct tb_tensor tb_op_convolve(struct tb_tape *tape, struct tb_tensor signal,
                                struct tb_tensor response, size_t clips);

/* ---- losses: a [1][1] tensor */
/* Multi-scale spectral loss of clips [clips * samples][1] against target (Distilling DDSP): sizes
 * 2048..64, hop a quarter, periodic Hann, |X| / sqrt(n), reflect padding; mean |S - S'| + mean
 * |ln(S + 1e-7) - ln(S' + 1e-7)|, summed over sizes. */
struct tb_tensor tb_op_spectral_loss(struct tb_tape *tape, struct tb_tensor signal,
                                     const tb_real *target, size_t clips);
struct tb_tensor tb_op_l1(struct tb_tape *tape, struct tb_tensor a, const tb_real *target);
struct tb_tensor tb_op_l2(struct tb_tape *tape, struct tb_tensor a, const tb_real *target);

#endif
