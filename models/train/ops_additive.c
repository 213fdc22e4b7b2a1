/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"

#include "dsp/neural_controls.h"
#include "models/train/ops_priv.h"
#include "models/train/sine.h"

#include <assert.h>
#include <string.h>

enum { MAX_HOP = 1024 };
static const float LIMIT_CPS = 0.5f; /* half the rate that a model is trained at */

/* The published code's sum has the first step in its first phase; in double precision, for vectors
 * made in it. */
static void sum_published(const struct tb_grid *grid, const tb_real *f0_hz, struct tb_pitch *pitch)
{
    double turns = 0;
    assert(grid->frames > 0 && grid->hop > 0);
    for (size_t i = 0; i < grid->clips * grid->frames * grid->hop; i++) {
        size_t r = i / grid->hop, next = (r + 1) % grid->frames ? r + 1 : r;
        double from = fmax((double)f0_hz[r], 0), to = fmax((double)f0_hz[next], 0);
        double w = (double)(i % grid->hop) / (double)grid->hop;
        turns = i % (grid->frames * grid->hop) ? turns : 0;
        turns += (from + (to - from) * w) / (double)grid->rate_hz;
        turns -= floor(turns);
        pitch->phase[i] = (uint32_t)(uint64_t)(turns * 4294967296.0);
    }
}

static void sum(const struct tb_grid *grid, struct tb_pitch *pitch)
{
    uint64_t turns = 0;
    assert(grid->frames > 0 && grid->hop > 0);
    for (size_t i = 0; i < grid->clips * grid->frames * grid->hop; i++) {
        turns = i % (grid->frames * grid->hop) ? turns : 0;
        pitch->phase[i] = (uint32_t)(turns >> 32);
        turns += tb_turns_of(pitch->cps[i]);
    }
}

static double cps_of(const struct tb_grid *grid, tb_real f0_hz)
{
    return f0_hz > 0 ? (double)f0_hz / (double)grid->rate_hz : 0;
}

struct tb_pitch tb_pitch_from_f0(struct tb_tape *tape, const struct tb_grid *grid,
                                 const tb_real *f0_hz)
{
    size_t samples = grid->clips * grid->frames * grid->hop;
    struct tb_pitch pitch = {.phase = tb_tape_alloc(tape, samples * sizeof *pitch.phase),
                             .cps = tb_tape_alloc(tape, samples * sizeof *pitch.cps)};
    float weight[MAX_HOP];
    assert(grid->frames > 0 && grid->hop <= MAX_HOP);
    if (tb_tape_failed(tape))
        return (struct tb_pitch){0};
    tb_frame_weights(TB_INTERPOLATE_LINEAR, 0, (float)grid->hop, weight, grid->hop);
    for (size_t r = 0; r < grid->clips * grid->frames; r++) {
        size_t t = r % grid->frames, next = t + 1 < grid->frames ? r + 1 : r;
        tb_pitch_ramp(cps_of(grid, f0_hz[r]), cps_of(grid, f0_hz[next]), weight,
                      pitch.cps + r * grid->hop, grid->hop);
    }
    if (grid->published)
        sum_published(grid, f0_hz, &pitch);
    else
        sum(grid, &pitch);
    return pitch;
}

void tb_nyquist_mask(const struct tb_grid *grid, const tb_real *f0_hz, size_t harmonics,
                     tb_real *mask)
{
    for (size_t r = 0; r < grid->clips * grid->frames; r++)
        for (size_t k = 0; k < harmonics; k++)
            mask[r * harmonics + k] =
                (float)cps_of(grid, f0_hz[r]) * (float)(k + 1) < LIMIT_CPS ? 1 : 0;
}

/* ---- harmonic bank */
struct harmonic {
    struct tb_grid grid;
    struct tb_pitch pitch;
};

/* How many harmonics are below the limit at every sample of a hop. */
static size_t safe_harmonics(const struct harmonic *h, size_t first, size_t harmonics)
{
    const float *cps = h->pitch.cps + first;
    float highest = cps[0] > cps[h->grid.hop - 1] ? cps[0] : cps[h->grid.hop - 1];
    size_t safe = harmonics;
    while (!h->grid.published && safe > 0 && highest * (float)safe >= LIMIT_CPS)
        safe--;
    return safe;
}

/* How many are below it at some sample: those above get no gradient. */
static size_t heard_harmonics(const struct harmonic *h, size_t first, size_t harmonics)
{
    const float *cps = h->pitch.cps + first;
    float lowest = cps[0] < cps[h->grid.hop - 1] ? cps[0] : cps[h->grid.hop - 1];
    size_t heard = harmonics;
    while (!h->grid.published && heard > 0 && lowest * (float)heard >= LIMIT_CPS)
        heard--;
    return heard;
}

/* out += (a0 (1 - w) + a1 w) sin(2 pi k phase) over one hop */
static inline void bank(const uint32_t *phase, size_t hop, uint32_t k, const tb_real a[2],
                        tb_real *out)
{
    tb_real step = 1 / (tb_real)hop;
    for (size_t i = 0; i < hop; i++)
        out[i] += (a[0] + (a[1] - a[0]) * step * (tb_real)(int)i) * tb_sine_turns(k * phase[i]);
}

/* The same of one that is above the limit at some samples. */
static inline void bank_above(const struct tb_pitch *p, size_t hop, uint32_t k, const tb_real a[2],
                              tb_real *out)
{
    tb_real step = 1 / (tb_real)hop;
    for (size_t i = 0; i < hop; i++)
        if (p->cps[i] * (float)k < LIMIT_CPS)
            out[i] += (a[0] + (a[1] - a[0]) * step * (tb_real)i) * tb_sine_turns(k * p->phase[i]);
}

static struct tb_pitch pitch_from(const struct harmonic *h, size_t sample)
{
    return (struct tb_pitch){h->pitch.phase + sample, h->pitch.cps + sample};
}

TB_CLONES static void harmonic_forward(const struct harmonic *h, const struct tb_tensor *amplitude,
                                       tb_real *out)
{
    size_t n = amplitude->cols, hop = h->grid.hop;
    for (size_t t = 0; t < amplitude->rows; t++) {
        struct span s = span_at(&h->grid, t);
        struct tb_pitch pitch = pitch_from(h, s.sample);
        size_t safe = safe_harmonics(h, s.sample, n);
        for (size_t k = 0; k < n; k++) {
            tb_real a[2] = {amplitude->value[s.here * n + k], amplitude->value[s.next * n + k]};
            if (a[0] == 0 && a[1] == 0)
                continue;
            if (k < safe)
                bank(pitch.phase, hop, (uint32_t)k + 1, a, out + s.sample);
            else
                bank_above(&pitch, hop, (uint32_t)k + 1, a, out + s.sample);
        }
    }
}

/* Sums of d sin(2 pi k phase) over a hop: all of it, and the share of the next frame. */
static inline void bank_back(const struct tb_pitch *p, size_t hop, uint32_t k, const tb_real *d,
                             tb_real sums[2])
{
    tb_real all = 0, late = 0, step = 1 / (tb_real)hop;
    TB_SUM(all, late)
    for (size_t i = 0; i < hop; i++) {
        tb_real v = d[i] * tb_sine_turns(k * p->phase[i]);
        all += v;
        late += v * step * (tb_real)(int)i;
    }
    sums[0] = all;
    sums[1] = late;
}

static inline void bank_above_back(const struct tb_pitch *p, size_t hop, uint32_t k,
                                   const tb_real *d, tb_real sums[2])
{
    tb_real all = 0, late = 0, step = 1 / (tb_real)hop;
    TB_SUM(all, late)
    for (size_t i = 0; i < hop; i++) {
        tb_real heard = p->cps[i] * (float)k < LIMIT_CPS ? 1 : 0;
        tb_real v = heard * d[i] * tb_sine_turns(k * p->phase[i]);
        all += v;
        late += v * step * (tb_real)(int)i;
    }
    sums[0] = all;
    sums[1] = late;
}

TB_CLONES static void harmonic_backward(const struct tb_note *note)
{
    const struct harmonic *h = note->saved;
    const struct tb_tensor *amplitude = &note->in[0];
    size_t n = amplitude->cols, hop = h->grid.hop;
    for (size_t t = 0; amplitude->grad && t < amplitude->rows; t++) {
        struct span s = span_at(&h->grid, t);
        struct tb_pitch pitch = pitch_from(h, s.sample);
        size_t safe = safe_harmonics(h, s.sample, n), heard = heard_harmonics(h, s.sample, n);
        for (size_t k = 0; k < heard; k++) {
            tb_real sums[2];
            if (k < safe)
                bank_back(&pitch, hop, (uint32_t)k + 1, note->out.grad + s.sample, sums);
            else
                bank_above_back(&pitch, hop, (uint32_t)k + 1, note->out.grad + s.sample, sums);
            amplitude->grad[s.here * n + k] += sums[0] - sums[1];
            amplitude->grad[s.next * n + k] += sums[1];
        }
    }
}

struct tb_tensor tb_op_harmonic(struct tb_tape *tape, const struct tb_grid *grid,
                                struct tb_tensor amplitude, const struct tb_pitch *pitch)
{
    if (tb_tape_failed(tape)) /* then what came in may be empty */
        return (struct tb_tensor){0};
    assert(amplitude.rows == grid->clips * grid->frames && grid->hop <= MAX_HOP);
    struct tb_tensor y = tb_tape_tensor(tape, amplitude.rows * grid->hop, 1, true);
    struct harmonic *h = tb_tape_alloc(tape, sizeof *h);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *h = (struct harmonic){*grid, *pitch};
    harmonic_forward(h, &amplitude, y.value);
    tb_tape_push(tape, &(struct tb_note){harmonic_backward, {amplitude}, y, h});
    return y;
}

/* ---- gain */
static void gain_backward(const struct tb_note *note)
{
    const struct tb_grid *grid = note->saved;
    const struct tb_tensor *x = &note->in[0], *g = &note->in[1];
    tb_real step = 1 / (tb_real)grid->hop;
    for (size_t t = 0; t < g->rows; t++) {
        struct span s = span_at(grid, t);
        tb_real all = 0, late = 0;
        for (size_t i = 0; i < grid->hop; i++) {
            tb_real w = step * (tb_real)i, d = note->out.grad[s.sample + i];
            tb_real gain = g->value[s.here] + (g->value[s.next] - g->value[s.here]) * w;
            if (x->grad)
                x->grad[s.sample + i] += d * gain;
            all += d * x->value[s.sample + i];
            late += d * x->value[s.sample + i] * w;
        }
        if (g->grad) {
            g->grad[s.here] += all - late;
            g->grad[s.next] += late;
        }
    }
}

struct tb_tensor tb_op_gain(struct tb_tape *tape, const struct tb_grid *grid,
                            struct tb_tensor signal, struct tb_tensor gain)
{
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    assert(gain.cols == 1 && signal.rows == gain.rows * grid->hop);
    struct tb_tensor y = tb_tape_tensor(tape, signal.rows, 1, true);
    struct tb_grid *saved = tb_tape_alloc(tape, sizeof *saved);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *saved = *grid;
    for (size_t t = 0; t < gain.rows; t++) {
        struct span s = span_at(grid, t);
        for (size_t i = 0; i < grid->hop; i++) {
            tb_real w = (tb_real)i / (tb_real)grid->hop;
            tb_real g = gain.value[s.here] + (gain.value[s.next] - gain.value[s.here]) * w;
            y.value[s.sample + i] = g * signal.value[s.sample + i];
        }
    }
    tb_tape_push(tape, &(struct tb_note){gain_backward, {signal, gain}, y, saved});
    return y;
}
