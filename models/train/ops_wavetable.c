/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Wavetables as the engine reads them (dsp/wavetable.h), and as published. */
#include "models/train/ops.h"

#include "dsp/wavetable.h"
#include "models/train/fft.h"
#include "models/train/ops_priv.h"

#include <assert.h>
#include <string.h>

static const float LIMIT_CPS = 0.5f; /* half the rate that a model is trained at */

/* All tables with as many harmonics as a level has: [length + 3][tables], one row before the
 * period and two behind. */
struct mip {
    size_t length;
    tb_real *value, *grad;
};

struct wavetable {
    struct tb_grid grid;
    struct tb_pitch pitch;
    unsigned n_levels;
    struct tb_wave_level plan[TB_WAVETABLE_LEVELS];
    struct mip mip[TB_WAVETABLE_LEVELS + 1]; /* those that are used; the last is silence */
    uint8_t *level;                          /* [clips * frames] */
    tb_real *line;                           /* of a transform */
    tb_complex *series, *spectrum;
};

/* ---- as published: every table on straight lines */
static size_t position(uint32_t phase, size_t size, tb_real *fraction)
{
    tb_real x = (tb_real)phase * TB_R(1.0 / 4294967296.0) * (tb_real)size;
    size_t i = (size_t)x;
    *fraction = x - (tb_real)i;
    return i < size ? i : size - 1;
}

TB_CLONES static void lines_forward(const struct wavetable *w, const struct tb_tensor *attention,
                                    const struct tb_tensor *table, tb_real *out)
{
    size_t n = attention->cols;
    for (size_t t = 0; t < attention->rows; t++) {
        struct span s = span_at(&w->grid, t);
        const tb_real *a = attention->value + s.here * n, *b = attention->value + s.next * n;
        for (size_t i = 0; i < w->grid.hop; i++) {
            tb_real f, late = (tb_real)i / (tb_real)w->grid.hop, sum = 0;
            size_t p = position(w->pitch.phase[s.sample + i], table->rows, &f);
            const tb_real *lo = table->value + p * n;
            const tb_real *hi = table->value + (p + 1) % table->rows * n;
            for (size_t j = 0; j < n; j++)
                sum += (a[j] + (b[j] - a[j]) * late) * (lo[j] + (hi[j] - lo[j]) * f);
            out[s.sample + i] = sum;
        }
    }
}

TB_CLONES static void lines_backward(const struct tb_note *note)
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
            size_t p = position(w->pitch.phase[s.sample + i], table->rows, &f);
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

/* ---- as the engine */
/* Which level of detail every frame has: the next pitch is not known when a frame is taken. */
static void choose_levels(struct wavetable *w)
{
    const struct tb_grid *g = &w->grid;
    for (size_t r = 0; r < g->clips * g->frames; r++) {
        float here = w->pitch.cps[r * g->hop];
        float last = r % g->frames ? w->pitch.cps[(r - 1) * g->hop] : here;
        float highest = TB_WAVETABLE_MARGIN * (here > last ? here : last);
        w->level[r] = (uint8_t)tb_wavetable_level(w->plan, w->n_levels, highest, LIMIT_CPS);
    }
}

/* Harmonics 1..n of every table of `size` as samples of a period of `length`; add: the way back,
 * which is the same sums with the two lengths exchanged. */
static void resample(const struct wavetable *w, const struct tb_tensor *table, unsigned level,
                     bool back)
{
    const struct mip *m = &w->mip[level];
    size_t n = table->cols, size = table->rows, harmonics = w->plan[level].n_harmonics;
    size_t from = back ? m->length : size, to = back ? size : m->length;
    const struct tb_fft *in = tb_fft_get(from), *out = tb_fft_get(to);
    for (size_t j = 0; in && out && j < n; j++) {
        const tb_real *x = back ? m->grad + n : table->value;
        tb_real *y = back ? table->grad : m->value + n;
        for (size_t i = 0; i < from; i++)
            w->line[i] = x[i * n + j];
        tb_fft_forward(in, w->line, w->series);
        memset(w->spectrum, 0, (to / 2 + 1) * sizeof *w->spectrum);
        for (size_t k = 1; k <= harmonics; k++)
            w->spectrum[k] = w->series[k] / (tb_real)size;
        tb_fft_backward(out, w->spectrum, w->line);
        for (size_t i = 0; i < to; i++)
            y[i * n + j] += w->line[i];
    }
}

static bool make_mips(struct tb_tape *tape, struct wavetable *w, const struct tb_tensor *table)
{
    for (size_t r = 0; r < w->grid.clips * w->grid.frames; r++) {
        unsigned level = w->level[r];
        struct mip *m = &w->mip[level];
        if (m->value || level == w->n_levels)
            continue;
        size_t n = table->cols, row = n * sizeof(tb_real), length = w->plan[level].length;
        *m = (struct mip){length, tb_tape_alloc(tape, (length + 3) * row),
                          table->grad ? tb_tape_alloc(tape, (length + 3) * row) : NULL};
        if (tb_tape_failed(tape))
            return false;
        resample(w, table, level, false);
        memcpy(m->value, m->value + length * n, row);
        memcpy(m->value + (length + 1) * n, m->value + n, 2 * row);
    }
    return true;
}

/* Place of a phase in a level, and the weights of its four rows (Catmull-Rom). */
static inline size_t place(uint32_t phase, size_t length, tb_real weight[4])
{
    float at = (float)(int32_t)(phase >> 8) * (1.0f / 16777216.0f) * (float)length;
    size_t i = (size_t)at;
    tb_real t = (tb_real)(at - (float)i), half = TB_R(0.5) * t;
    weight[0] = half * (t * (2 - t) - 1);
    weight[1] = 1 + half * t * (3 * t - 5);
    weight[2] = half * (1 + t * (4 - 3 * t));
    weight[3] = half * t * (t - 1);
    return i;
}

/* Two levels in the mix of a hop: shares of the attention of frame `row`. */
struct side {
    const struct mip *mip;
    size_t row;
};

static inline tb_real read_side(const struct side *s, const struct tb_tensor *attention,
                                uint32_t phase)
{
    tb_real c[4], sum = 0;
    size_t n = attention->cols;
    if (!s->mip->value)
        return 0;
    const tb_real *x = s->mip->value + place(phase, s->mip->length, c) * n;
    const tb_real *a = attention->value + s->row * n;
    for (size_t j = 0; j < n; j++)
        sum += a[j] * (c[0] * x[j] + c[1] * x[n + j] + c[2] * x[2 * n + j] + c[3] * x[3 * n + j]);
    return sum;
}

static inline void read_side_back(const struct side *s, const struct tb_tensor *attention,
                                  uint32_t phase, tb_real d)
{
    tb_real c[4];
    size_t n = attention->cols;
    if (!s->mip->value)
        return;
    size_t at = place(phase, s->mip->length, c) * n;
    const tb_real *x = s->mip->value + at, *a = attention->value + s->row * n;
    tb_real *da = attention->grad ? attention->grad + s->row * n : NULL;
    for (size_t j = 0; da && j < n; j++)
        da[j] += d * (c[0] * x[j] + c[1] * x[n + j] + c[2] * x[2 * n + j] + c[3] * x[3 * n + j]);
    for (size_t m = 0; s->mip->grad && m < 4; m++) {
        tb_real *dx = s->mip->grad + at + m * n, dc = d * c[m];
        for (size_t j = 0; j < n; j++)
            dx[j] += dc * a[j];
    }
}

static struct side side_of(const struct wavetable *w, size_t row)
{
    return (struct side){&w->mip[w->level[row]], row};
}

TB_CLONES static void mips_forward(const struct wavetable *w, const struct tb_tensor *attention,
                                   tb_real *out)
{
    for (size_t t = 0; t < attention->rows; t++) {
        struct span s = span_at(&w->grid, t);
        struct side from = side_of(w, s.here), to = side_of(w, s.next);
        for (size_t i = 0; i < w->grid.hop; i++) {
            uint32_t phase = w->pitch.phase[s.sample + i];
            tb_real a = read_side(&from, attention, phase), b = read_side(&to, attention, phase);
            out[s.sample + i] = a + (b - a) * ((tb_real)i / (tb_real)w->grid.hop);
        }
    }
}

TB_CLONES static void mips_back(const struct wavetable *w, const struct tb_tensor *attention,
                                const tb_real *d_out)
{
    for (size_t t = 0; t < attention->rows; t++) {
        struct span s = span_at(&w->grid, t);
        struct side from = side_of(w, s.here), to = side_of(w, s.next);
        for (size_t i = 0; i < w->grid.hop; i++) {
            uint32_t phase = w->pitch.phase[s.sample + i];
            tb_real d = d_out[s.sample + i], late = (tb_real)i / (tb_real)w->grid.hop;
            read_side_back(&from, attention, phase, d * (1 - late));
            read_side_back(&to, attention, phase, d * late);
        }
    }
}

static void mips_backward(const struct tb_note *note)
{
    const struct wavetable *w = note->saved;
    const struct tb_tensor *table = &note->in[1];
    size_t n = table->cols;
    mips_back(w, &note->in[0], note->out.grad);
    for (unsigned v = 0; v < w->n_levels; v++) {
        const struct mip *m = &w->mip[v];
        if (!m->grad)
            continue;
        for (size_t j = 0; j < n; j++) { /* what lies beyond the period is of its other end */
            m->grad[m->length * n + j] += m->grad[j];
            m->grad[n + j] += m->grad[(m->length + 1) * n + j];
            m->grad[2 * n + j] += m->grad[(m->length + 2) * n + j];
        }
        resample(w, table, v, true);
    }
}

static bool prepare(struct tb_tape *tape, struct wavetable *w, const struct tb_tensor *table)
{
    w->n_levels = tb_wavetable_plan(w->plan, ((unsigned)table->rows - 1) / 2);
    size_t longest = w->plan[0].length > table->rows ? w->plan[0].length : table->rows;
    size_t rows = w->grid.clips * w->grid.frames;
    w->level = tb_tape_alloc(tape, rows * sizeof *w->level);
    w->line = tb_tape_alloc(tape, longest * sizeof *w->line);
    w->series = tb_tape_alloc(tape, (longest / 2 + 1) * sizeof *w->series);
    w->spectrum = tb_tape_alloc(tape, (longest / 2 + 1) * sizeof *w->spectrum);
    if (tb_tape_failed(tape))
        return false;
    choose_levels(w);
    return make_mips(tape, w, table);
}

struct tb_tensor tb_op_wavetable(struct tb_tape *tape, const struct tb_grid *grid,
                                 struct tb_tensor attention, struct tb_tensor table,
                                 const struct tb_pitch *pitch)
{
    if (tb_tape_failed(tape)) /* then what came in may be empty */
        return (struct tb_tensor){0};
    assert(attention.rows == grid->clips * grid->frames && table.cols == attention.cols);
    assert(table.rows >= 3);
    struct tb_tensor y = tb_tape_tensor(tape, attention.rows * grid->hop, 1, true);
    struct wavetable *w = tb_tape_alloc(tape, sizeof *w);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *w = (struct wavetable){.grid = *grid, .pitch = *pitch};
    if (grid->published)
        lines_forward(w, &attention, &table, y.value);
    else if (prepare(tape, w, &table))
        mips_forward(w, &attention, y.value);
    else
        return (struct tb_tensor){0};
    tb_backward *back = grid->published ? lines_backward : mips_backward;
    tb_tape_push(tape, &(struct tb_note){back, {attention, table}, y, w});
    return y;
}
