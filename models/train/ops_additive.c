/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"

#include "models/train/sine.h"

#include <assert.h>
#include <string.h>

void tb_phase_from_f0(const struct tb_grid *grid, const tb_real *f0_hz, tb_real *phase)
{
    for (size_t b = 0; b < grid->clips; b++) {
        const tb_real *f0 = f0_hz + b * grid->frames;
        double turns = 0; /* kept wrapped and in double: a float sum drifts within a second */
        for (size_t t = 0; t < grid->frames; t++) {
            double here = (double)f0[t], next = (double)f0[t + 1 < grid->frames ? t + 1 : t];
            here = here > 0 ? here : 0;
            next = next > 0 ? next : 0;
            for (size_t i = 0; i < grid->hop; i++) {
                double w = (double)i / (double)grid->hop;
                turns += (here + (next - here) * w) / (double)grid->rate_hz;
                turns -= floor(turns);
                phase[(b * grid->frames + t) * grid->hop + i] = (tb_real)turns;
            }
        }
    }
}

void tb_nyquist_mask(const struct tb_grid *grid, const tb_real *f0_hz, size_t harmonics,
                     tb_real *mask)
{
    for (size_t r = 0; r < grid->clips * grid->frames; r++)
        for (size_t k = 0; k < harmonics; k++)
            mask[r * harmonics + k] = (tb_real)(k + 1) * f0_hz[r] < grid->rate_hz / 2 ? 1 : 0;
}

/* Every frame-to-sample operation walks hops: hop t of a clip lies between frame t and the next. */
struct span {
    size_t here, next; /* rows of the two frames */
    size_t sample;     /* first sample */
};

static struct span span_at(const struct tb_grid *grid, size_t hop)
{
    size_t t = hop % grid->frames;
    return (struct span){hop, t + 1 < grid->frames ? hop + 1 : hop, hop * grid->hop};
}

/* ---- harmonic bank */
struct harmonic {
    struct tb_grid grid;
    const tb_real *phase;
};

enum { MAX_HOP = 1024 };

/* out += (a0 (1 - w) + a1 w) sin(2 pi k phase) over one hop */
static inline void bank(const tb_real *phase, size_t hop, tb_real k, const tb_real a[2],
                        tb_real *out)
{
    tb_real step = 1 / (tb_real)hop;
    for (size_t i = 0; i < hop; i++)
        out[i] += (a[0] + (a[1] - a[0]) * step * (tb_real)(int)i) * tb_sine(k * phase[i]);
}

TB_CLONES static void harmonic_forward(const struct harmonic *h, const struct tb_tensor *amplitude,
                                       tb_real *out)
{
    size_t n = amplitude->cols;
    for (size_t t = 0; t < amplitude->rows; t++) {
        struct span s = span_at(&h->grid, t);
        for (size_t k = 0; k < n; k++) {
            tb_real a[2] = {amplitude->value[s.here * n + k], amplitude->value[s.next * n + k]};
            if (a[0] != 0 || a[1] != 0)
                bank(h->phase + s.sample, h->grid.hop, (tb_real)(k + 1), a, out + s.sample);
        }
    }
}

TB_CLONES static void harmonic_backward(const struct tb_note *note)
{
    const struct harmonic *h = note->saved;
    const struct tb_tensor *amplitude = &note->in[0];
    size_t n = amplitude->cols, hop = h->grid.hop;
    tb_real step = 1 / (tb_real)hop;
    for (size_t t = 0; amplitude->grad && t < amplitude->rows; t++) {
        struct span s = span_at(&h->grid, t);
        const tb_real *d = note->out.grad + s.sample, *phase = h->phase + s.sample;
        for (size_t k = 0; k < n; k++) {
            tb_real all = 0, late = 0;
            for (size_t i = 0; i < hop; i++) {
                tb_real v = d[i] * tb_sine((tb_real)(int)(k + 1) * phase[i]);
                all += v;
                late += v * step * (tb_real)(int)i;
            }
            amplitude->grad[s.here * n + k] += all - late;
            amplitude->grad[s.next * n + k] += late;
        }
    }
}

struct tb_tensor tb_op_harmonic(struct tb_tape *tape, const struct tb_grid *grid,
                                struct tb_tensor amplitude, const tb_real *phase)
{
    assert(amplitude.rows == grid->clips * grid->frames && grid->hop <= MAX_HOP);
    struct tb_tensor y = tb_tape_tensor(tape, amplitude.rows * grid->hop, 1, true);
    struct harmonic *h = tb_tape_alloc(tape, sizeof *h);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *h = (struct harmonic){*grid, phase};
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

/* ---- wavetables. The mix of the two neighbouring positions is kept per sample as index. */
struct wavetable {
    struct tb_grid grid;
    const tb_real *phase;
};

static size_t position(tb_real phase, size_t size, tb_real *fraction)
{
    tb_real x = phase * (tb_real)size;
    size_t i = (size_t)x;
    *fraction = x - (tb_real)i;
    return i < size ? i : size - 1;
}

TB_CLONES static void wavetable_forward(const struct wavetable *w,
                                        const struct tb_tensor *attention,
                                        const struct tb_tensor *table, tb_real *out)
{
    size_t n = attention->cols;
    for (size_t t = 0; t < attention->rows; t++) {
        struct span s = span_at(&w->grid, t);
        const tb_real *a = attention->value + s.here * n, *b = attention->value + s.next * n;
        for (size_t i = 0; i < w->grid.hop; i++) {
            tb_real f, late = (tb_real)i / (tb_real)w->grid.hop, sum = 0;
            size_t p = position(w->phase[s.sample + i], table->rows, &f);
            const tb_real *lo = table->value + p * n;
            const tb_real *hi = table->value + (p + 1) % table->rows * n;
            for (size_t j = 0; j < n; j++)
                sum += (a[j] + (b[j] - a[j]) * late) * (lo[j] + (hi[j] - lo[j]) * f);
            out[s.sample + i] = sum;
        }
    }
}

TB_CLONES static void wavetable_backward(const struct tb_note *note)
{
    const struct wavetable *w = note->saved;
    const struct tb_tensor *attention = &note->in[0], *table = &note->in[1];
    size_t n = attention->cols;
    for (size_t t = 0; t < attention->rows; t++) {
        struct span s = span_at(&w->grid, t);
        const tb_real *a = attention->value + s.here * n, *b = attention->value + s.next * n;
        tb_real *da = attention->grad + s.here * n, *db = attention->grad + s.next * n;
        for (size_t i = 0; i < w->grid.hop; i++) {
            tb_real f, late = (tb_real)i / (tb_real)w->grid.hop;
            tb_real d = note->out.grad[s.sample + i];
            size_t p = position(w->phase[s.sample + i], table->rows, &f);
            size_t q = (p + 1) % table->rows;
            for (size_t j = 0; attention->grad && j < n; j++) {
                tb_real lo = table->value[p * n + j],
                        v = d * (lo + (table->value[q * n + j] - lo) * f);
                da[j] += v * (1 - late);
                db[j] += v * late;
            }
            for (size_t j = 0; table->grad && j < n; j++) {
                tb_real v = d * (a[j] + (b[j] - a[j]) * late);
                table->grad[p * n + j] += v * (1 - f);
                table->grad[q * n + j] += v * f;
            }
        }
    }
}

struct tb_tensor tb_op_wavetable(struct tb_tape *tape, const struct tb_grid *grid,
                                 struct tb_tensor attention, struct tb_tensor table,
                                 const tb_real *phase)
{
    assert(attention.rows == grid->clips * grid->frames && table.cols == attention.cols);
    struct tb_tensor y = tb_tape_tensor(tape, attention.rows * grid->hop, 1, true);
    struct wavetable *w = tb_tape_alloc(tape, sizeof *w);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *w = (struct wavetable){*grid, phase};
    wavetable_forward(w, &attention, &table, y.value);
    tb_tape_push(tape, &(struct tb_note){wavetable_backward, {attention, table}, y, w});
    return y;
}
