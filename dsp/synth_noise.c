/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Inner loops of filtered noise: the filter of a frame, noise, and its way through the filter. */
#include "dsp/synth_kernels_priv.h"

/* A tile: some vectors of inputs past some vectors of taps, which are loaded once for all of the
 * inputs. One sum for each pair, or products would wait for the ones before. */
#if TB_VLANES == 16 || defined(__aarch64__)
enum { INPUTS_MOST = 4, TAPS_OF_MOST = 5 }; /* of 32 registers */
#else
enum { INPUTS_MOST = 2, TAPS_OF_MOST = 5 };
#endif
enum { SUMS_MOST = INPUTS_MOST * TAPS_OF_MOST, TAPS_OF_ONE = 8 };
_Static_assert(TB_SCATTER_BEFORE >= TB_SCATTER_SPACING * 15 &&
                   TB_SCATTER_BEHIND >= TB_SCATTER_SPACING * 15 + TAPS_OF_ONE * TB_VLANES,
               "");

struct tile {
    int inputs, taps; /* vectors; constants */
    size_t lanes;     /* inputs of a vector that there are */
};

/* y[(v + u spacing) LANES + lane] += x[u LANES + r] h[v LANES + lane - r spacing] */
TB_INLINE void scatter_tile(float *y, const float *x, const float *h, size_t spacing, struct tile t)
{
    tb_vf sum[SUMS_MOST] = {{0}};
    TB_ROLLED
    for (size_t r = 0; r < t.lanes; r++, x++, h -= spacing) {
        TB_UNROLL
        for (int v = 0; v < t.taps; v++) {
            tb_vf taps = tb_vload(h + v * TB_VLANES);
            TB_IN_REGISTER(taps);
            TB_UNROLL
            for (int u = 0; u < t.inputs; u++)
                sum[u * t.taps + v] += x[u * TB_VLANES] * taps;
        }
    }
    TB_UNROLL
    for (int u = 0; u < t.inputs; u++, y += spacing * TB_VLANES) {
        TB_UNROLL
        for (int v = 0; v < t.taps; v++)
            tb_vstore(y + v * TB_VLANES, tb_vload(y + v * TB_VLANES) + sum[u * t.taps + v]);
    }
}

TB_INLINE void scatter_inputs(const struct tb_scatter_job *j, size_t from, struct tile t)
{
    const size_t reach = j->n_taps + (t.lanes - 1) * j->spacing;
    for (size_t at = 0; at < reach; at += (size_t)t.taps * TB_VLANES)
        scatter_tile(j->y + from * j->spacing + at, j->x + from, j->h + at, j->spacing, t);
}

void TB_VARIANT(tb_synth_scatter)(const struct tb_scatter_job *j)
{
    size_t from = 0;
    for (; from + INPUTS_MOST * TB_VLANES <= j->n; from += INPUTS_MOST * TB_VLANES)
        scatter_inputs(j, from, (struct tile){INPUTS_MOST, TAPS_OF_MOST, TB_VLANES});
    for (; from + TB_VLANES <= j->n; from += TB_VLANES)
        scatter_inputs(j, from, (struct tile){1, TAPS_OF_ONE, TB_VLANES});
    if (from < j->n)
        scatter_inputs(j, from, (struct tile){1, TAPS_OF_ONE, j->n - from});
}

void TB_VARIANT(tb_synth_mix)(float *y, const float *matrix, size_t rows, const float *x,
                              size_t cols)
{
    enum { WIDE = 64 / TB_VLANES };
    size_t at = 0;
    for (; at + 64 <= rows; at += 64) {
        tb_vf sum[WIDE] = {{0}};
        for (size_t c = 0; c < cols; c++) {
            TB_UNROLL
            for (int v = 0; v < WIDE; v++)
                sum[v] += x[c] * tb_vload(matrix + c * rows + at + v * TB_VLANES);
        }
        TB_UNROLL
        for (int v = 0; v < WIDE; v++)
            tb_vstore(y + at + v * TB_VLANES, sum[v]);
    }
    for (; at < rows; at += TB_VLANES) {
        tb_vf sum = {0};
        for (size_t c = 0; c < cols; c++)
            sum += x[c] * tb_vload(matrix + c * rows + at);
        tb_vstore(y + at, sum);
    }
}

TB_INLINE tb_vf reversed(tb_vf x)
{
#if TB_VLANES == 16
    return __builtin_shufflevector(x, x, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
#elif TB_VLANES == 8
    return __builtin_shufflevector(x, x, 7, 6, 5, 4, 3, 2, 1, 0);
#else
    return __builtin_shufflevector(x, x, 3, 2, 1, 0);
#endif
}

/* Taps i and turn - i on both sides. */
TB_INLINE void put_taps(const struct tb_taps_job *j, size_t i, tb_vf even, tb_vf odd)
{
    const tb_vf near = (even + odd) * tb_vload(j->window + i);
    tb_vstore(j->middle + i, near);
    tb_vstore(j->middle - i - TB_VLANES + 1, reversed(near));
    if (!j->folded)
        return;
    const tb_vf far = (even - odd) * tb_vload(j->window_back + i);
    tb_vstore(j->middle - j->turn + i, far);
    tb_vstore(j->middle + j->turn - i - TB_VLANES + 1, reversed(far));
}

/* At 48 kHz and 65 bands there are 112 rows. */
#if TB_VLANES > 4
enum { TAPS_AT_ONCE = 7 };
#else
enum { TAPS_AT_ONCE = 4 };
#endif
TB_INLINE void taps_part(const struct tb_taps_job *j, size_t at, const int vectors)
{
    tb_vf even[TAPS_AT_ONCE], odd[TAPS_AT_ONCE];
    const float *row = j->matrix + at;
    TB_UNROLL
    for (int v = 0; v < vectors; v++) {
        even[v] = j->magnitudes[0] * tb_vload(row + v * TB_VLANES);
        odd[v] = (tb_vf){0};
    }
    unsigned k = 1;
    row += j->rows;
    TB_ROLLED
    for (; k + 1 < j->n_bands; k += 2, row += 2 * j->rows) {
        TB_UNROLL
        for (int v = 0; v < vectors; v++) {
            odd[v] += j->magnitudes[k] * tb_vload(row + v * TB_VLANES);
            even[v] += j->magnitudes[k + 1] * tb_vload(row + j->rows + v * TB_VLANES);
        }
    }
    for (int v = 0; v < vectors; v++) {
        if (k < j->n_bands)
            odd[v] += j->magnitudes[k] * tb_vload(row + v * TB_VLANES);
        put_taps(j, at + (size_t)v * TB_VLANES, even[v], odd[v]);
    }
}

void TB_VARIANT(tb_synth_taps)(const struct tb_taps_job *j)
{
    size_t at = 0;
    for (; at + TAPS_AT_ONCE * TB_VLANES <= j->rows; at += TAPS_AT_ONCE * TB_VLANES)
        taps_part(j, at, TAPS_AT_ONCE);
    for (; at + 2 * TB_VLANES <= j->rows; at += 2 * TB_VLANES)
        taps_part(j, at, 2);
    if (at < j->rows)
        taps_part(j, at, 1);
}

/* Hash of a counter (Wellons' lowbias32), so that any sample can be made on its own. */
void TB_VARIANT(tb_synth_noise)(float *x, uint32_t counter, size_t n)
{
    uint32_t count[TB_VLANES];
    for (uint32_t i = 0; i < TB_VLANES; i++)
        count[i] = i;
    tb_vu base;
    memcpy(&base, count, sizeof base);
    for (size_t i = 0; i < n; i += TB_VLANES) {
        tb_vu h = base + (counter + (uint32_t)i);
        h ^= h >> 16;
        h *= 0x7feb352du;
        h ^= h >> 15;
        h *= 0x846ca68bu;
        h ^= h >> 16;
        tb_vstore(x + i, __builtin_convertvector((tb_vi)h, tb_vf) * (1.0f / 2147483648.0f));
    }
}
