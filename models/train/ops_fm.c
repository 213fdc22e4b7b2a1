/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/ops.h"

#include "models/train/sine.h"

#include <assert.h>
#include <string.h>

#define TWO_PI TB_R(6.28318530717958647692)

/* Feedback makes each sample wait for the one before, so the lanes of a vector are clips. Clips are
 * taken in groups of LANES; lanes beyond the last clip stand still at level 0. The vectors are
 * explicit: gcc 12 at -O3 vectorised the plain loops over operators to wrong gradients. */
enum { LANES = TB_LANES, MAX = TB_MAX_FM_OPERATORS };
#define INLINE static inline __attribute__((always_inline))

/* One operator at one sample, for the way back. */
struct cell {
    tb_lanes sine, cosine, level;
};

struct fm {
    struct tb_grid grid;
    struct tb_fm_routing routing;
    const uint32_t *phase;
    uint64_t ratio[MAX]; /* 2^32 is 1 */
    size_t groups;
    struct cell *cells; /* [groups][samples][operators] */
};

static size_t samples_of(const struct fm *fm)
{
    return fm->grid.frames * fm->grid.hop;
}

/* Level of every operator of a group at hop t: start and slope per sample. */
static void ramp(const struct fm *fm, const tb_real *level, size_t group, size_t t,
                 tb_lanes start[MAX], tb_lanes slope[MAX])
{
    size_t n = fm->routing.operators, next = t + 1 < fm->grid.frames ? t + 1 : t;
    memset(start, 0, MAX * sizeof *start);
    memset(slope, 0, MAX * sizeof *slope);
    for (size_t l = 0; l < LANES && group * LANES + l < fm->grid.clips; l++) {
        const tb_real *rows = level + (group * LANES + l) * fm->grid.frames * n;
        for (size_t o = 0; o < n; o++) {
            start[o][l] = rows[t * n + o];
            slope[o][l] = (rows[next * n + o] - rows[t * n + o]) / (tb_real)fm->grid.hop;
        }
    }
}

typedef uint64_t lanes_u64 __attribute__((vector_size(LANES * 8)));
typedef int32_t lanes_i32 __attribute__((vector_size(LANES * 4)));

/* Each operator keeps a phase of its own, 2^64 a turn: a wrapped base phase times a ratio that is
 * not whole would jump at every wrap, and a sum of floats drifts within a second. */
struct voice {
    lanes_u64 own[MAX];
    tb_lanes y1[MAX], y2[MAX];
    uint32_t last[LANES];
};

INLINE void advance(const struct fm *fm, struct voice *v, size_t group, size_t sample)
{
    lanes_u64 step = {0};
    for (size_t l = 0; l < LANES && group * LANES + l < fm->grid.clips; l++) {
        uint32_t phase = fm->phase[(group * LANES + l) * samples_of(fm) + sample];
        step[l] = (uint32_t)(phase - v->last[l]);
        v->last[l] = phase;
    }
    for (size_t o = 0; o < fm->routing.operators; o++)
        v->own[o] += step * fm->ratio[o];
}

/* -0.5 to 0.5 */
INLINE void turns_of(const lanes_u64 *own, tb_lanes *turns)
{
    lanes_i32 high = __builtin_convertvector(*own >> 32, lanes_i32);
    *turns = __builtin_convertvector(high, tb_lanes) * TB_R(1.0 / 4294967296.0);
}

/* One operator of all lanes; x is the phase it receives. */
INLINE void operate(const tb_lanes *x, struct cell *cell, tb_lanes *y)
{
    tb_lanes ahead = *x + TB_R(0.25);
    tb_sine_lanes(x, &cell->sine);
    tb_sine_lanes(&ahead, &cell->cosine);
    *y = cell->level * cell->sine;
}

/* Operators from the highest to the lowest, so that modulators have no delay. */
INLINE void one_sample(const struct fm *fm, struct voice *v, struct cell *cells, tb_lanes *sum)
{
    const struct tb_fm_routing *r = &fm->routing;
    tb_lanes in[MAX] = {0}, x, y;
    for (size_t o = r->operators; o-- > 0;) {
        turns_of(&v->own[o], &x);
        x += in[o] + r->feedback[o] * TB_R(0.5) * (v->y1[o] + v->y2[o]);
        operate(&x, &cells[o], &y);
        v->y2[o] = v->y1[o];
        v->y1[o] = y;
        for (size_t m = 0; m < o; m++)
            if (r->modulates[o] >> m & 1)
                in[m] += y;
        if (r->carriers >> o & 1)
            *sum += y;
    }
}

TB_CLONES static void fm_forward(const struct fm *fm, const tb_real *level, tb_real *out)
{
    size_t n = fm->routing.operators, samples = samples_of(fm);
    for (size_t g = 0; g < fm->groups; g++) {
        struct voice v = {0};
        tb_lanes start[MAX], slope[MAX];
        for (size_t i = 0; i < samples; i++) {
            struct cell *cells = fm->cells + (g * samples + i) * n;
            tb_lanes sum = {0};
            if (i % fm->grid.hop == 0)
                ramp(fm, level, g, i / fm->grid.hop, start, slope);
            for (size_t o = 0; o < n; o++)
                cells[o].level = start[o] + slope[o] * (tb_real)(i % fm->grid.hop);
            advance(fm, &v, g, i);
            one_sample(fm, &v, cells, &sum);
            for (size_t l = 0; l < LANES && g * LANES + l < fm->grid.clips; l++)
                out[(g * LANES + l) * samples + i] = sum[l] / fm->routing.scale;
        }
    }
}

/* One sample in reverse, operators from the lowest to the highest; feedback reaches two samples
 * ahead. d_level [operators] is what their levels get. */
INLINE void one_sample_back(const struct fm *fm, const struct cell *cells, const tb_lanes *d_out,
                            tb_lanes later[2][MAX], tb_lanes *d_level)
{
    const struct tb_fm_routing *r = &fm->routing;
    tb_lanes d_phase[MAX];
    for (size_t o = 0; o < r->operators; o++) {
        tb_lanes d = r->feedback[o] * TB_R(0.5) * (later[0][o] + later[1][o]);
        if (r->carriers >> o & 1)
            d += *d_out;
        for (size_t m = 0; m < o; m++)
            if (r->modulates[o] >> m & 1)
                d += d_phase[m];
        d_phase[o] = d * cells[o].level * TWO_PI * cells[o].cosine;
        d_level[o] = d * cells[o].sine;
        later[1][o] = later[0][o];
        later[0][o] = d_phase[o];
    }
}

/* What the levels of a hop get, to the frames at both of its ends. */
static void add_hop(const struct fm *fm, size_t group, size_t t, tb_lanes sums[2][MAX],
                    tb_real *d_level)
{
    size_t n = fm->routing.operators, next = t + 1 < fm->grid.frames ? t + 1 : t;
    for (size_t l = 0; l < LANES && group * LANES + l < fm->grid.clips; l++) {
        tb_real *rows = d_level + (group * LANES + l) * fm->grid.frames * n;
        for (size_t o = 0; o < n; o++) {
            rows[t * n + o] += sums[0][o][l] - sums[1][o][l];
            rows[next * n + o] += sums[1][o][l];
        }
    }
}

TB_CLONES static void fm_walk_back(const struct fm *fm, const tb_real *d_out, tb_real *d_level)
{
    const size_t samples = samples_of(fm), hop = fm->grid.hop, n = fm->routing.operators;
    for (size_t g = 0; g < fm->groups; g++) {
        tb_lanes later[2][MAX] = {{{0}}}, sums[2][MAX], at[MAX];
        for (size_t i = samples; i-- > 0;) {
            const tb_real late = (tb_real)(i % hop) / (tb_real)hop;
            tb_lanes d = {0};
            if (i % hop == hop - 1)
                memset(sums, 0, sizeof sums);
            for (size_t l = 0; l < LANES && g * LANES + l < fm->grid.clips; l++)
                d[l] = d_out[(g * LANES + l) * samples + i] / fm->routing.scale;
            one_sample_back(fm, fm->cells + (g * samples + i) * n, &d, later, at);
            for (size_t o = 0; o < n; o++) {
                sums[0][o] += at[o];
                sums[1][o] += at[o] * late;
            }
            if (i % hop == 0)
                add_hop(fm, g, i / hop, sums, d_level);
        }
    }
}

static void fm_backward(const struct tb_note *note)
{
    const struct fm *fm = note->saved;
    const struct tb_tensor *level = &note->in[0];
    if (level->grad)
        fm_walk_back(fm, note->out.grad, level->grad);
}

struct tb_tensor tb_op_fm(struct tb_tape *tape, const struct tb_grid *grid,
                          const struct tb_fm_routing *routing, struct tb_tensor level,
                          const struct tb_pitch *pitch)
{
    size_t n = routing->operators, samples = grid->frames * grid->hop;
    size_t groups = (grid->clips + LANES - 1) / LANES;
    if (tb_tape_failed(tape)) /* then what came in may be empty */
        return (struct tb_tensor){0};
    assert(n <= MAX && level.cols == n && level.rows == grid->clips * grid->frames);
    struct tb_tensor y = tb_tape_tensor(tape, grid->clips * samples, 1, true);
    struct fm *fm = tb_tape_alloc(tape, sizeof *fm);
    struct cell *cells = tb_tape_room(tape, groups * samples * n * sizeof *cells);
    if (tb_tape_failed(tape))
        return (struct tb_tensor){0};
    *fm = (struct fm){*grid, *routing, pitch->phase, {0}, groups, cells};
    for (size_t o = 0; o < n; o++)
        fm->ratio[o] = (uint64_t)((double)routing->ratio[o] * 4294967296.0 + 0.5);
    fm_forward(fm, level.value, y.value);
    tb_tape_push(tape, &(struct tb_note){fm_backward, {level}, y, fm});
    return y;
}
