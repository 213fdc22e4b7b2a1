/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Inner loops around a voice: its pitch, its phase, shares of its levels, its way into the mix. */
#include "dsp/synth_kernels_priv.h"

enum { HALF_LANES = TB_VLANES / 2 };
typedef double doubles __attribute__((vector_size(TB_VLANES * 4)));
typedef float halves __attribute__((vector_size(TB_VLANES * 2)));
typedef uint64_t turns_v __attribute__((vector_size(TB_VLANES * 4)));

/* 0, 1, 2 and so on */
TB_INLINE tb_vf ascending(void)
{
    float number[TB_VLANES];
    for (int i = 0; i < TB_VLANES; i++)
        number[i] = (float)i;
    return tb_vload(number);
}

void TB_VARIANT(tb_synth_pitch)(float *cps, double from, double inc, size_t n)
{
    double number[HALF_LANES];
    doubles at;
    for (int i = 0; i < HALF_LANES; i++)
        number[i] = i;
    memcpy(&at, number, sizeof at);
    for (size_t i = 0; i < n; i += HALF_LANES, at += (double)HALF_LANES) {
        const halves f = __builtin_convertvector(from + inc * at, halves);
        memcpy(cps + i, &f, sizeof f);
    }
}

/* Pairs of lanes of two vectors, the lower half of them, and the upper half; the higher ones of
 * pairs. */
#if TB_VLANES == 16
#define ZIP_LOW(a, b)                                                                              \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b)                                                                             \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define HIGHER(a, b)                                                                               \
    __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#define LAST(x) __builtin_shufflevector(x, x, 7, 7, 7, 7, 7, 7, 7, 7)
#elif TB_VLANES == 8
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define HIGHER(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#define LAST(x) __builtin_shufflevector(x, x, 3, 3, 3, 3)
#else
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define HIGHER(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7)
#define LAST(x) __builtin_shufflevector(x, x, 1, 1)
#endif

/* Every lane with all lanes before it. */
TB_INLINE turns_v running_sum(turns_v x)
{
    const turns_v none = {0};
#if TB_VLANES == 16
    x += __builtin_shufflevector(none, x, 0, 8, 9, 10, 11, 12, 13, 14);
    x += __builtin_shufflevector(none, x, 0, 1, 8, 9, 10, 11, 12, 13);
    return x + __builtin_shufflevector(none, x, 0, 1, 2, 3, 8, 9, 10, 11);
#elif TB_VLANES == 8
    x += __builtin_shufflevector(none, x, 0, 4, 5, 6);
    return x + __builtin_shufflevector(none, x, 0, 1, 4, 5);
#else
    return x + __builtin_shufflevector(none, x, 0, 2);
#endif
}

/* Phases at the samples of half a vector; *at, where all lanes are one, goes on. */
TB_INLINE turns_v phases_of(turns_v step, turns_v *at)
{
    const turns_v sum = running_sum(step), phase = *at + sum - step;
    *at += LAST(sum);
    return phase;
}

/* Steps of 2^64 a turn are exact, as in tb_turns_of: whole ones of 2^32 a turn, and the rest. */
TB_INLINE tb_vi phase_of(tb_vf f0, turns_v *at)
{
    const tb_vf turns = tb_vmin(f0, tb_vset(0.49999997f)) * 4294967296.0f;
    const tb_vi whole = __builtin_convertvector(turns, tb_vi);
    const tb_vf rest = turns - __builtin_convertvector(whole, tb_vf);
    const tb_vi half = __builtin_convertvector(rest * 2147483648.0f, tb_vi);
    const tb_vi twice = (tb_vi)((tb_vu)half + (tb_vu)half);
    const turns_v low = phases_of((turns_v)ZIP_LOW(twice, whole), at);
    const turns_v high = phases_of((turns_v)ZIP_HIGH(twice, whole), at);
    return (tb_vi)HIGHER((tb_vi)low, (tb_vi)high);
}

void TB_VARIANT(tb_synth_turns)(struct tb_turns *t, const float *cps, size_t n)
{
    const size_t end = (n + TB_SYNTH_CHUNK / 2 - 1) / (TB_SYNTH_CHUNK / 2) * (TB_SYNTH_CHUNK / 2);
    turns_v at = (turns_v){0} + t->at;
    tb_vf highest = {0};
    for (size_t i = 0; i < end; i += TB_VLANES) {
        const size_t rest = n > i ? n - i : 0;
        tb_vf f = rest >= TB_VLANES ? tb_vload(cps + i) : tb_vload_part(cps + i, rest);
        f = tb_vmin(tb_vselect(f > 0.0f, f, (tb_vf){0}), tb_vset(0.5f));
        highest = tb_vmax(highest, f);
        tb_vstore(t->f0_cps + i, f);
        const tb_vi phase = phase_of(f, &at);
        memcpy(t->phase + i, &phase, sizeof phase);
    }
    t->at = at[0];
    t->highest = tb_vpeak(highest);
}

void TB_VARIANT(tb_synth_shares)(const struct tb_shares_job *j, float *amp)
{
    tb_vf sum = {0}, number = ascending() + 1.0f;
    for (unsigned k = 0; k < j->n; k += TB_VLANES, number += (float)TB_VLANES) {
        const tb_vi heard = (number * j->f0_cps < j->limit_cps) & (number <= (float)j->n);
        tb_vf level = tb_vload(j->level + k);
        if (j->bend)
            level *= tb_vload(j->bend + k);
        level = (tb_vf)((tb_vi)level & heard);
        tb_vstore(amp + k, level);
        sum += level;
    }
    const float all = tb_vsum(sum), gain = all > 1e-20f ? j->total / all : 0;
    for (unsigned k = 0; k < j->n; k += TB_VLANES)
        tb_vstore(amp + k, tb_vload(amp + k) * gain);
}

void TB_VARIANT(tb_synth_join)(float *out, const float *sound, size_t n, float gain, float inc)
{
    tb_vf number = ascending();
    size_t i = 0;
    for (; i + TB_VLANES <= n; i += TB_VLANES, number += (float)TB_VLANES)
        tb_vstore(out + i, tb_vload(out + i) + tb_vload(sound + i) * (gain + inc * number));
    if (i < n)
        tb_vstore_part(out + i,
                       tb_vload_part(out + i, n - i) +
                           tb_vload_part(sound + i, n - i) * (gain + inc * number),
                       n - i);
}
