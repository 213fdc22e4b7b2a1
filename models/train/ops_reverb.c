/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"

#include "models/train/fft.h"

#include <assert.h>
#include <string.h>

static tb_real softplus(tb_real x)
{
    return x > 0 ? x + tb_log(1 + tb_exp(-x)) : tb_log(1 + tb_exp(x));
}

/* h[t] = noise[t] e^(-s 500 t / rate) g, s = softplus(-decay), g = sigmoid(wet); h[0] = 1 */
static void response_backward(const struct tb_note *note)
{
    const struct tb_tensor *noise = &note->in[0], *decay = &note->in[1], *wet = &note->in[2];
    tb_real rate = *(const tb_real *)note->saved;
    tb_real x = -decay->value[0], s = softplus(x);
    tb_real g = 1 / (1 + tb_exp(-wet->value[0])), slope = 1 / (1 + tb_exp(-x));
    double d_s = 0, d_g = 0;
    for (size_t t = 1; t < noise->cols; t++) {
        tb_real time = 500 * (tb_real)t / rate, e = tb_exp(-s * time), d = note->out.grad[t];
        if (noise->grad)
            noise->grad[t] += d * e * g;
        d_s -= (double)(d * noise->value[t] * e * g * time);
        d_g += (double)(d * noise->value[t] * e);
    }
    if (decay->grad)
        decay->grad[0] += -(tb_real)d_s * slope;
    if (wet->grad)
        wet->grad[0] += (tb_real)d_g * g * (1 - g);
}

struct tb_tensor tb_op_reverb_response(struct tb_tape *tape, struct tb_tensor noise,
                                       struct tb_tensor decay, struct tb_tensor wet,
                                       tb_real rate_hz)
{
    if (tb_tape_failed(tape)) /* then what came in may be empty */
        return (struct tb_tensor){0};
    assert(noise.rows == 1 && decay.rows * decay.cols == 1 && wet.rows * wet.cols == 1);
    struct tb_tensor y = tb_tape_tensor(tape, 1, noise.cols, true);
    tb_real *saved = tb_tape_alloc(tape, sizeof *saved);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *saved = rate_hz;
    tb_real s = softplus(-decay.value[0]);
    tb_real g = 1 / (1 + tb_exp(-wet.value[0]));
    for (size_t t = 1; t < noise.cols; t++)
        y.value[t] = noise.value[t] * tb_exp(-s * 500 * (tb_real)t / rate_hz) * g;
    y.value[0] = 1;
    tb_tape_push(tape, &(struct tb_note){response_backward, {noise, decay, wet}, y, saved});
    return y;
}

/* ---- convolution of whole clips by one transform */
struct convolution {
    const struct tb_fft *fft;
    size_t clips, samples, size;
    tb_complex *response; /* [stride_of(size)] */
    tb_complex *signal;   /* [clips][stride_of(size)] */
    tb_complex *scratch;  /* [2][stride_of(size)] */
    tb_real *padded;      /* [size] */
};

/* Bins of a spectrum, and some so that the next one begins where a vector may. */
static size_t stride_of(size_t size)
{
    return (size / 2 + 1 + 7) / 8 * 8;
}

static void transform(const struct convolution *c, const tb_real *x, size_t n, tb_complex *out)
{
    memcpy(c->padded, x, n * sizeof *x);
    memset(c->padded + n, 0, (c->size - n) * sizeof *x);
    tb_fft_forward(c->fft, c->padded, out);
}

TB_CLONES static void convolve_backward(const struct tb_note *note)
{
    const struct convolution *c = note->saved;
    const struct tb_tensor *x = &note->in[0], *h = &note->in[1];
    size_t bins = stride_of(c->size);
    tb_real scale = 1 / (tb_real)c->size;
    tb_complex *d = c->scratch, *sum = c->scratch + bins;
    memset(sum, 0, bins * sizeof *sum);
    for (size_t b = 0; b < c->clips; b++) {
        transform(c, note->out.grad + b * c->samples, c->samples, d);
        const tb_complex *signal = c->signal + b * bins;
        for (size_t k = 0; k < bins; k++) {
            sum[k] += d[k] * tb_conj(signal[k]);
            d[k] *= tb_conj(c->response[k]);
        }
        if (!x->grad)
            continue;
        tb_fft_backward(c->fft, d, c->padded);
        for (size_t i = 0; i < c->samples; i++)
            x->grad[b * c->samples + i] += c->padded[i] * scale;
    }
    if (!h->grad)
        return;
    tb_fft_backward(c->fft, sum, c->padded);
    for (size_t i = 0; i < h->cols; i++)
        h->grad[i] += c->padded[i] * scale;
}

struct tb_tensor tb_op_convolve(struct tb_tape *tape, struct tb_tensor signal,
                                struct tb_tensor response, size_t clips)
{
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    assert(clips > 0 && signal.rows % clips == 0 && signal.cols == 1);
    size_t samples = signal.rows / clips, size = tb_fft_good_size(samples + response.cols);
    size_t bins = stride_of(size);
    struct tb_tensor y = tb_tape_tensor(tape, signal.rows, 1, true);
    struct convolution *c = tb_tape_alloc(tape, sizeof *c);
    tb_complex *spectra = tb_tape_alloc(tape, (clips + 3) * bins * sizeof *spectra);
    tb_real *padded = tb_tape_alloc(tape, size * sizeof *padded);
    const struct tb_fft *fft = tb_fft_get(size);
    if (tb_tape_failed(tape) || !fft)
        return (struct tb_tensor){0};
    *c = (struct convolution){
        fft, clips, samples, size, spectra, spectra + bins, spectra + (clips + 1) * bins, padded};
    transform(c, response.value, response.cols, c->response);
    for (size_t b = 0; b < clips; b++) {
        tb_complex *s = c->signal + b * bins, *product = c->scratch;
        transform(c, signal.value + b * samples, samples, s);
        for (size_t k = 0; k < bins; k++)
            product[k] = s[k] * c->response[k];
        tb_fft_backward(fft, product, padded);
        for (size_t i = 0; i < samples; i++)
            y.value[b * samples + i] = padded[i] / (tb_real)size;
    }
    tb_tape_push(tape, &(struct tb_note){convolve_backward, {signal, response}, y, c});
    return y;
}
