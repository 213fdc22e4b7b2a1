/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"

#include "models/train/sine.h"

#include <assert.h>

#define TWO_PI TB_R(6.28318530717958647692)

/* Per sample and operator: the sine and the cosine of its modulated phase, for the way back. */
struct fm {
    struct tb_grid grid;
    struct tb_fm_routing routing;
    tb_real *sine, *cosine, *level; /* [samples][operators] */
    tb_real *ratio_phase;           /* [samples][operators] own wrapped phase, turns */
};

/* Each operator keeps a phase of its own: a wrapped base phase times a ratio that is not whole
 * would jump at every wrap. */
static void own_phases(const struct fm *fm, const tb_real *phase)
{
    size_t n = fm->routing.operators, samples = fm->grid.frames * fm->grid.hop;
    for (size_t b = 0; b < fm->grid.clips; b++) {
        double turns[TB_MAX_FM_OPERATORS] = {0};
        double last = 0;
        for (size_t i = b * samples; i < (b + 1) * samples; i++) {
            double step = (double)phase[i] - last;
            step += step < 0 ? 1 : 0;
            last = (double)phase[i];
            for (size_t o = 0; o < n; o++) {
                turns[o] += step * (double)fm->routing.ratio[o];
                turns[o] -= floor(turns[o]);
                fm->ratio_phase[i * n + o] = (tb_real)turns[o];
            }
        }
    }
}

static void ramp_levels(const struct fm *fm, const struct tb_tensor *level)
{
    size_t n = fm->routing.operators, hop = fm->grid.hop;
    for (size_t t = 0; t < level->rows; t++) {
        size_t next = (t + 1) % fm->grid.frames != 0 ? t + 1 : t;
        const tb_real *a = level->value + t * n, *b = level->value + next * n;
        for (size_t i = 0; i < hop; i++)
            for (size_t o = 0; o < n; o++)
                fm->level[(t * hop + i) * n + o] =
                    a[o] + (b[o] - a[o]) * ((tb_real)i / (tb_real)hop);
    }
}

/* Operators from the highest to the lowest, so that modulators have no delay. */
static void fm_forward(const struct fm *fm, tb_real *out)
{
    const struct tb_fm_routing *r = &fm->routing;
    size_t n = r->operators, samples = fm->grid.frames * fm->grid.hop;
    for (size_t b = 0; b < fm->grid.clips; b++) {
        tb_real y1[TB_MAX_FM_OPERATORS] = {0}, y2[TB_MAX_FM_OPERATORS] = {0};
        for (size_t i = b * samples; i < (b + 1) * samples; i++) {
            tb_real in[TB_MAX_FM_OPERATORS] = {0}, sum = 0;
            for (size_t o = n; o-- > 0;) {
                tb_real x = fm->ratio_phase[i * n + o] + in[o] +
                            r->feedback[o] * TB_R(0.5) * (y1[o] + y2[o]);
                tb_real s = tb_sine(x), y = fm->level[i * n + o] * s;
                fm->sine[i * n + o] = s;
                fm->cosine[i * n + o] = tb_cosine(x);
                y2[o] = y1[o];
                y1[o] = y;
                for (size_t m = 0; m < o; m++)
                    if (r->modulates[o] >> m & 1)
                        in[m] += y;
                if (r->carriers >> o & 1)
                    sum += y;
            }
            out[i] = sum / r->scale;
        }
    }
}

/* The same in reverse: samples from last to first (feedback reaches two samples ahead), operators
 * from the lowest to the highest. d_level [samples][operators] overwrites level. */
static void fm_walk_back(const struct fm *fm, const tb_real *d_out)
{
    const struct tb_fm_routing *r = &fm->routing;
    size_t n = r->operators, samples = fm->grid.frames * fm->grid.hop;
    for (size_t b = 0; b < fm->grid.clips; b++) {
        tb_real later1[TB_MAX_FM_OPERATORS] = {0}, later2[TB_MAX_FM_OPERATORS] = {0};
        for (size_t i = (b + 1) * samples; i-- > b * samples;) {
            tb_real d_phase[TB_MAX_FM_OPERATORS];
            for (size_t o = 0; o < n; o++) {
                tb_real d = r->carriers >> o & 1 ? d_out[i] / r->scale : 0;
                for (size_t m = 0; m < o; m++)
                    if (r->modulates[o] >> m & 1)
                        d += d_phase[m];
                d += r->feedback[o] * TB_R(0.5) * (later1[o] + later2[o]);
                tb_real *level = &fm->level[i * n + o];
                d_phase[o] = d * *level * TWO_PI * fm->cosine[i * n + o];
                *level = d * fm->sine[i * n + o];
                later2[o] = later1[o];
                later1[o] = d_phase[o];
            }
        }
    }
}

static void fm_backward(const struct tb_note *note)
{
    const struct fm *fm = note->saved;
    const struct tb_tensor *level = &note->in[0];
    if (!level->grad)
        return;
    fm_walk_back(fm, note->out.grad);
    size_t n = fm->routing.operators, hop = fm->grid.hop;
    for (size_t t = 0; t < level->rows; t++) {
        size_t next = (t + 1) % fm->grid.frames != 0 ? t + 1 : t;
        for (size_t i = 0; i < hop; i++) {
            tb_real late = (tb_real)i / (tb_real)hop;
            const tb_real *d = fm->level + (t * hop + i) * n;
            for (size_t o = 0; o < n; o++) {
                level->grad[t * n + o] += d[o] * (1 - late);
                level->grad[next * n + o] += d[o] * late;
            }
        }
    }
}

struct tb_tensor tb_op_fm(struct tb_tape *tape, const struct tb_grid *grid,
                          const struct tb_fm_routing *routing, struct tb_tensor level,
                          const tb_real *phase)
{
    size_t n = routing->operators, samples = grid->clips * grid->frames * grid->hop;
    assert(n <= TB_MAX_FM_OPERATORS && level.cols == n);
    assert(level.rows == grid->clips * grid->frames);
    struct tb_tensor y = tb_tape_tensor(tape, samples, 1, true);
    struct fm *fm = tb_tape_alloc(tape, sizeof *fm);
    tb_real *memory = tb_tape_alloc(tape, 4 * samples * n * sizeof *memory);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *fm = (struct fm){*grid,  *routing, memory, memory + samples * n, memory + 2 * samples * n,
                      memory + 3 * samples * n};
    own_phases(fm, phase);
    ramp_levels(fm, &level);
    fm_forward(fm, y.value);
    tb_tape_push(tape, &(struct tb_note){fm_backward, {level}, y, fm});
    return y;
}
