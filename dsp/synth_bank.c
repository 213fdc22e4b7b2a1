/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Inner loops of harmonics: many sines of one phase, and of phases of their own. */
#include "dsp/synth_kernels_priv.h"

/* sin of a phase in turns of 2^32: x (1 - x^2) Q(x^2) on half turns -1..1, error 1.6e-7. A plain
 * odd polynomial of degree 11 is 8 % faster, but cancels near the ends: 1e-6 without fused
 * products. */
TB_INLINE tb_vf sine(tb_vi phase)
{
    const tb_vf x = __builtin_convertvector(phase, tb_vf) * (1.0f / 2147483648.0f);
    const tb_vf z = x * x;
    tb_vf q = tb_vset(0.005974575f);
    q = q * z - 0.07446129f;
    q = q * z + 0.52378134f;
    q = q * z - 2.02608392f;
    q = q * z + 3.1415913f;
    return x * (1.0f - z) * q;
}

enum { PAIR = 2, REACH = 8, BLOCK = 2 * REACH + 1 };
_Static_assert(TB_SYNTH_LEVELS % 16 == 0 && TB_SYNTH_MAX_HARMONICS <= 8 * BLOCK &&
                   TB_SYNTH_LEVELS >= 8 * BLOCK,
               "");

/* Phases wrap, which only unsigned numbers may. */
TB_INLINE tb_vi turned(tb_vi phase, tb_vi step)
{
    return (tb_vi)((tb_vu)phase + (tb_vu)step);
}

TB_INLINE tb_vi times(tb_vi phase, unsigned k)
{
    return (tb_vi)((tb_vu)phase * k);
}

TB_INLINE tb_vf cosine(tb_vi phase)
{
    return sine(turned(phase, (tb_vi){0} + (1 << 30)));
}

/* Some vectors of samples, and sine and cosine of 1 to REACH times their phase. */
struct bank_part {
    tb_vi phase[PAIR];
    tb_vf weight[PAIR], f0[PAIR], sum[PAIR];
    tb_vf s[REACH][PAIR], c[REACH][PAIR];
};

TB_INLINE void turn_sines(struct bank_part *p, unsigned j)
{
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        p->s[j][v] = sine(times(p->phase[v], j + 1));
        p->c[j][v] = cosine(times(p->phase[v], j + 1));
    }
}

/* Angle `to` out of angles a and b: the sum, or a - b. */
TB_INLINE void turn_sum(struct bank_part *p, unsigned to, unsigned a, unsigned b, bool less)
{
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        const tb_vf s = less ? -p->s[b][v] : p->s[b][v], c = p->c[b][v];
        const tb_vf sa = p->s[a][v], ca = p->c[a][v];
        p->s[to][v] = sa * c + ca * s;
        p->c[to][v] = ca * c - sa * s;
    }
}

/* The first and the fourth are polynomials, the others those of one sum of angles or two. */
TB_INLINE void turn_part(struct bank_part *p)
{
    enum { HALF = REACH / 2 };
    turn_sines(p, 0);
    turn_sines(p, HALF - 1);
    turn_sum(p, 1, 0, 0, false);
    turn_sum(p, 2, HALF - 1, 0, true);
    TB_ROLLED
    for (unsigned j = 0; j < HALF; j++)
        turn_sum(p, HALF + j, HALF - 1, j, false);
}

/* With the angle of the middle one of BLOCK harmonics, sin(m + j) + sin(m - j) = 2 sin m cos j and
 * so on, so that only the middle one is a polynomial. */
TB_INLINE void put_block(struct bank_part *p, unsigned middle, const tb_vf *even, const tb_vf *odd)
{
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        const tb_vi at = times(p->phase[v], middle + 1);
        p->sum[v] += sine(at) * even[v];
        p->sum[v] += cosine(at) * odd[v];
    }
}

/* BLOCK harmonics from number k on, `heard` of them and behind those silence, none of them at the
 * limit: levels folded around the middle one are sums and differences already. */
TB_INLINE void folded_block(struct bank_part *p, const struct tb_bank_job *l, unsigned k,
                            unsigned heard)
{
    const float *at = l->fold + k, *step = l->fold_step + k;
    tb_vf even[PAIR], odd[PAIR], more_even[PAIR], more_odd[PAIR];
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        even[v] = tb_vset(at[REACH]);
        more_even[v] = tb_vset(step[REACH]);
        odd[v] = more_odd[v] = (tb_vf){0};
    }
    TB_ROLLED
    for (unsigned j = heard < REACH ? REACH - heard : 0; j < REACH; j++) {
        TB_UNROLL
        for (unsigned v = 0; v < PAIR; v++) {
            const tb_vf c = p->c[j][v], s = p->s[j][v];
            even[v] += at[REACH + 1 + j] * c;
            more_even[v] += step[REACH + 1 + j] * c;
            odd[v] += at[j] * s;
            more_odd[v] += step[j] * s;
        }
    }
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        even[v] += more_even[v] * p->weight[v];
        odd[v] += more_odd[v] * p->weight[v];
    }
    put_block(p, k + REACH, even, odd);
}

/* number: that of the harmonic, one more than k. */
TB_INLINE tb_vf level_of(const struct tb_bank_job *l, unsigned k, const struct bank_part *p,
                         unsigned v, tb_vf number)
{
    const tb_vf level = l->amp[k] + l->step[k] * p->weight[v];
    const tb_vi below = p->f0[v] * number < l->limit_cps;
    return (tb_vf)((tb_vi)level & below);
}

/* The same where some may be at the limit, sample by sample. */
TB_INLINE void block_at_limit(struct bank_part *p, const struct tb_bank_job *l, unsigned k)
{
    tb_vf even[PAIR], odd[PAIR];
    const unsigned middle = k + REACH;
    tb_vf above = tb_vset((float)(middle + 1)), below = above;
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        even[v] = level_of(l, middle, p, v, above);
        odd[v] = (tb_vf){0};
    }
    TB_ROLLED
    for (unsigned j = 0; j < REACH; j++) {
        above += 1.0f;
        below -= 1.0f;
        TB_UNROLL
        for (unsigned v = 0; v < PAIR; v++) {
            const tb_vf up = level_of(l, middle + j + 1, p, v, above);
            const tb_vf down = level_of(l, middle - j - 1, p, v, below);
            even[v] += (up + down) * p->c[j][v];
            odd[v] += (up - down) * p->s[j][v];
        }
    }
    put_block(p, middle, even, odd);
}

/* Two vectors from sample `at`; phases are multiples of the first's, so they
 * are exact however long the note is. */
TB_INLINE void bank_part(const struct tb_bank_job *job, struct bank_part *p, float *out,
                         unsigned at)
{
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        memcpy(&p->phase[v], job->phase + at + v * TB_VLANES, sizeof p->phase[v]);
        p->weight[v] = tb_vload(job->weight + at + v * TB_VLANES);
        p->f0[v] = tb_vload(job->f0_cps + at + v * TB_VLANES);
        p->sum[v] = (tb_vf){0};
    }
    turn_part(p);
    const unsigned live = job->n_live;
    for (unsigned k = 0; k < live; k += BLOCK) {
        const unsigned heard = live - k < BLOCK ? live - k : BLOCK;
        if (k + heard <= job->n_safe)
            folded_block(p, job, k, heard);
        else
            block_at_limit(p, job, k);
    }
    TB_UNROLL
    for (unsigned v = 0; v < PAIR; v++) {
        const unsigned first = at + v * TB_VLANES;
        if (first + TB_VLANES <= job->n)
            tb_vstore(out + first, tb_vload(out + first) + p->sum[v]);
        else if (first < job->n)
            tb_vstore_part(out + first, tb_vload_part(out + first, job->n - first) + p->sum[v],
                           job->n - first);
    }
}

void TB_VARIANT(tb_synth_bank)(const struct tb_bank_job *job, float *out)
{
    struct bank_part p;
    for (unsigned at = 0; at < job->n; at += PAIR * TB_VLANES)
        bank_part(job, &p, out, at);
}

/* Levels of a block around its middle: differences of those j above and j below at j - 1, the
 * middle, and sums. */
static void fold_block(const float *level, float *fold)
{
    typedef float eight __attribute__((vector_size(4 * REACH)));
    eight low, high;
    memcpy(&low, level, sizeof low);
    memcpy(&high, level + REACH + 1, sizeof high);
    low = __builtin_shufflevector(low, low, 7, 6, 5, 4, 3, 2, 1, 0);
    const eight sum = high + low, difference = high - low;
    memcpy(fold, &difference, sizeof difference);
    fold[REACH] = level[REACH];
    memcpy(fold + REACH + 1, &sum, sizeof sum);
}

enum { AT_ONCE = 4 };
static bool is_silent(const float *level)
{
    uint64_t bits[AT_ONCE / 2];
    memcpy(bits, level, sizeof bits);
    return (bits[0] | bits[1]) == 0;
}

unsigned TB_VARIANT(tb_synth_fold)(const struct tb_fold_job *job)
{
    for (unsigned k = 0; k < job->n; k += TB_VLANES) {
        const unsigned rest = job->n - k;
        const tb_vf amp = tb_vload(job->amp + k) + tb_vload(job->step + k);
        const tb_vf next =
            rest < TB_VLANES ? tb_vload_part(job->next + k, rest) : tb_vload(job->next + k);
        tb_vstore(job->amp + k, amp);
        tb_vstore(job->step + k, next - amp);
    }
    unsigned live = (job->n + AT_ONCE - 1) / AT_ONCE * AT_ONCE;
    while (live > 0 && is_silent(job->amp + live - AT_ONCE) &&
           is_silent(job->step + live - AT_ONCE))
        live -= AT_ONCE;
    for (unsigned k = 0; k < live; k += BLOCK) {
        fold_block(job->amp + k, job->fold + k);
        fold_block(job->step + k, job->fold_step + k);
    }
    return live;
}

void TB_VARIANT(tb_synth_partials)(const struct tb_partials_job *job, float *out)
{
    for (unsigned at = 0; at < job->n_partials; at += TB_VLANES) {
        tb_vi phase, inc;
        memcpy(&phase, job->phase + at, sizeof phase);
        memcpy(&inc, job->inc + at, sizeof inc);
        const tb_vf step = tb_vload(job->step + at);
        const tb_vf amp = tb_vload(job->amp + at);
        const unsigned rest = job->n_partials - at;
        float mask[TB_VLANES];
        for (unsigned i = 0; i < TB_VLANES; i++)
            mask[i] = i < rest ? 1.0f : 0.0f;
        const tb_vf audible = tb_vload(mask);
        for (unsigned i = 0; i < job->n; i++) {
            float sum[TB_VLANES];
            const tb_vf y = sine(phase) * (amp + step * job->weight[i]) * audible;
            memcpy(sum, &y, sizeof sum);
            for (unsigned k = 0; k < TB_VLANES; k++)
                out[i] += sum[k];
            phase = turned(phase, inc);
        }
        memcpy(job->phase + at, &phase, sizeof phase);
    }
}
