/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The inner loops of the FM synthesiser, compiled once per kind of processor with TB_WIDTH voices
 * a vector and TB_VARIANT in the names. GCC vector extensions: gcc 12 and clang 14 turn the same
 * text into SSE2, AVX2, AVX-512 and NEON. Sine, wrap and routing decide the speed:
 * 11 instructions an operator and sample, which keep both ports of a 512-bit processor busy nine
 * tenths of the time. Tried and dropped: phases summed as integers (one conversion more per
 * modulated operator), a quarter-wave fold (it costs what it saves), tables (gathers). */
#include "dsp/fm_group.h"

#include "dsp/algorithms.h"
#include "dsp/fastmath.h"
#include "dsp/fm_tables.h"

#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 6")
#define PASTE2(A, B) A##B
#define PASTE(A, B) PASTE2(A, B)

typedef float vf __attribute__((vector_size(TB_WIDTH * 4)));
typedef int32_t vi __attribute__((vector_size(TB_WIDTH * 4)));
typedef uint32_t vu __attribute__((vector_size(TB_WIDTH * 4)));

enum { OCTET = 8 };
static const float frame_number[OCTET] = {0, 1, 2, 3, 4, 5, 6, 7};

INLINE vf load_f(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE vi load_i(const void *p)
{
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store_f(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

INLINE void store_i(void *p, vi v)
{
    memcpy(p, &v, sizeof v);
}

INLINE vf splat(float x)
{
    return x - (vf){0};
}

INLINE vf select_f(vi mask, vf a, vf b)
{
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

/* The compiler makes four instructions of a comparison and select_f. */
INLINE vf least(vf a, vf b)
{
#ifdef __AVX512DQ__
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined __AVX2__
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return select_f(a < b, a, b);
#endif
}

INLINE vf most(vf a, vf b)
{
#ifdef __AVX512DQ__
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined __AVX2__
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return select_f(a > b, a, b);
#endif
}

INLINE int any(vi mask)
{
    int64_t part[TB_WIDTH / 2], all = 0;
    memcpy(part, &mask, sizeof part);
    for (int i = 0; i < TB_WIDTH / 2; i++)
        all |= part[i];
    return all != 0;
}

/* x minus the nearest whole number. */
INLINE vf wrap(vf x)
{
#ifdef __AVX512DQ__
    return (vf)_mm512_reduce_ps((__m512)x, 0);
#else
    const vf magic = splat(0x1.8p23F); /* |x| < 2^22 */
    return x - ((x + magic) - magic);
#endif
}

/* sin(2 pi x), x in -0.5..0.5, times amp / TB_SIN_LEAD. The polynomial of degree 11 with its
 * coefficients adapted (Knuth): five products instead of six, four of them in a row. Without fused
 * products it would be off by 1e-6. amp comes first: the feedback loop waits for x. */
INLINE vf sine(vf x, vf amp)
{
#if defined TB_FUSES && (defined __FMA__ || defined __ARM_FEATURE_FMA)
    vf w = TB_SIN_A - x * x;
    vf y = w * w + TB_SIN_B;
    vf q = y * y + (w * TB_SIN_C + TB_SIN_D);
    return (x * amp) * (q * w + TB_SIN_E);
#else
    vf w = 0.25F - x * x;
    vf q = w * (TB_SIN_S4 / TB_SIN_LEAD) + (TB_SIN_S3 / TB_SIN_LEAD);
    q = q * w + (TB_SIN_S2 / TB_SIN_LEAD);
    q = q * w + (TB_SIN_S1 / TB_SIN_LEAD);
    q = q * w + (TB_SIN_S0 / TB_SIN_LEAD);
    return (x * amp * w) * q;
#endif
}

INLINE vf cycles(vi phase)
{
    return __builtin_convertvector(phase, vf) * 0x1p-32F;
}

INLINE vf exp2_v(vf x)
{
#ifdef __AVX512DQ__
    vf f = wrap(x);
#else
    const vf magic = splat(0x1.8p23F);
    vf whole = (x + magic) - magic;
    vf f = x - whole;
#endif
    vf p = f * TB_EXP2_C5 + TB_EXP2_C4;
    p = p * f + TB_EXP2_C3;
    p = p * f + TB_EXP2_C2;
    p = p * f + TB_EXP2_C1;
    p = p * f + TB_EXP2_C0;
#ifdef __AVX512DQ__
    return (vf)_mm512_scalef_ps((__m512)p, (__m512)(x - f));
#else
    return (vf)((vi)p + (__builtin_convertvector(whole, vi) << 23));
#endif
}

/* ---- synthesiser `fm` ---- */

/* Registers of one vector of voices. A phase is exact only as an integer, but cheap only as a
 * number: it is converted at every eighth frame, and the frames between add a multiple of the
 * increment, at most four turns, so that no sum is off by more than 1.2e-7 turns. Gliding ones
 * have functions of their own (glide), which cost steady voices nothing. */
struct lanes {
    vi phase[TB_N_OPERATORS];                      /* at frame 0 of the eight */
    vf turn[TB_N_OPERATORS], rate[TB_N_OPERATORS]; /* the same, and turns a frame */
    vf curve[TB_N_OPERATORS];                      /* what rate grows by each frame; for glide */
    vf amp[TB_N_OPERATORS], amp_inc[TB_N_OPERATORS];
    vf y[TB_N_OPERATORS];
    vf fb1, fb2, feedback, feedback_inc;
};

/* x with feedback, wrapped; nothing waits for fb1 longer than it must. */
INLINE vf feed_back(const struct lanes *v, vf x)
{
    x += v->fb2 * v->feedback;
#ifdef __AVX512DQ__
    return wrap(v->fb1 * v->feedback + x);
#else
    const vf magic = splat(0x1.8p23F);
    vf whole = (v->fb1 * v->feedback + (x + magic)) - magic;
    return (v->fb1 * v->feedback + x) - whole;
#endif
}

/* The phase at frame i of eight. */
INLINE vf turned(const struct lanes *v, unsigned op, float i, const int glide)
{
    if (glide)
        return (v->curve[op] * (0.5F * i - 0.5F) + v->rate[op]) * i + v->turn[op];
    return v->rate[op] * i + v->turn[op];
}

/* One operator, at phase x. Everything about the routing is known when compiling. */
INLINE void operate(struct lanes *v, const unsigned op, const uint64_t edges, const int feedback,
                    vf x)
{
    const unsigned from = (unsigned)(edges >> (6 * op)) & 63U;
    if (from & 2U)
        x += v->y[1];
    if (from & 4U)
        x += v->y[2];
    if (from & 8U)
        x += v->y[3];
    if (from & 16U)
        x += v->y[4];
    if (from & 32U)
        x += v->y[5];
    x = feedback ? feed_back(v, x) : wrap(x);
    v->y[op] = sine(x, v->amp[op]);
    v->amp[op] += v->amp_inc[op];
}

/* Gliding phases go on by count frames, or back by -count. */
static __attribute__((noinline)) void go_on(struct tb_fm_group *g, unsigned at, uint32_t count)
{
    const uint32_t pairs = count * (count - 1) / 2;
    for (int op = 0; op < TB_N_OPERATORS; op++) {
        vu phase = (vu)load_i(&g->phase[op][at]), inc = (vu)load_i(&g->inc[op][at]);
        vu grows = (vu)load_i(&g->inc_inc[op][at]);
        store_i(&g->phase[op][at], (vi)(phase + inc * count + grows * pairs));
        store_i(&g->inc[op][at], (vi)(inc + grows * count));
    }
}

INLINE void load_lanes(struct lanes *v, struct tb_fm_group *g, unsigned at, const int glide)
{
    uint32_t past = g->beat % OCTET;
    if (glide) {
        go_on(g, at, -past);
        past = 0;
    }
    UNROLL
    for (int op = 0; op < TB_N_OPERATORS; op++) {
        vu inc = (vu)load_i(&g->inc[op][at]);
        v->phase[op] = (vi)((vu)load_i(&g->phase[op][at]) - inc * past);
        v->curve[op] = cycles(load_i(&g->inc_inc[op][at]));
        v->rate[op] = cycles((vi)inc);
        v->amp[op] = load_f(&g->amp[op][at]);
        v->amp_inc[op] = load_f(&g->amp_inc[op][at]);
    }
    v->fb1 = load_f(&g->fb1[at]);
    v->fb2 = load_f(&g->fb2[at]);
    v->feedback = splat(g->feedback);
    v->feedback_inc = splat(g->feedback_inc);
}

/* The next frame is number beat of eight, returned as 0 where it is the first of the next eight. */
INLINE uint32_t turn_lanes(struct lanes *v, struct tb_fm_group *g, unsigned at, uint32_t beat,
                           const int glide)
{
    if (beat == OCTET) {
        beat = 0;
        if (glide)
            go_on(g, at, OCTET);
        UNROLL
        for (int op = 0; op < TB_N_OPERATORS; op++) {
            vi inc = load_i(&g->inc[op][at]);
            if (glide) {
                v->phase[op] = load_i(&g->phase[op][at]);
                v->rate[op] = cycles(inc);
            } else {
                v->phase[op] = (vi)((vu)v->phase[op] + (vu)inc * OCTET);
            }
        }
    }
    UNROLL
    for (int op = 0; op < TB_N_OPERATORS; op++)
        v->turn[op] = cycles(v->phase[op]);
    return beat;
}

INLINE void store_lanes(const struct lanes *v, struct tb_fm_group *g, unsigned at, uint32_t beat,
                        const int glide)
{
    if (glide)
        go_on(g, at, beat);
    UNROLL
    for (int op = 0; op < TB_N_OPERATORS; op++) {
        vu inc = (vu)load_i(&g->inc[op][at]);
        if (!glide)
            store_i(&g->phase[op][at], (vi)((vu)v->phase[op] + inc * beat));
        store_f(&g->amp[op][at], v->amp[op]);
    }
    store_f(&g->fb1[at], v->fb1);
    store_f(&g->fb2[at], v->fb2);
}

INLINE vf carried(const struct lanes *v, const unsigned carriers)
{
    vf out = v->y[0]; /* operator 1 is a carrier of every algorithm */
    if (carriers & 2U)
        out += v->y[1];
    if (carriers & 4U)
        out += v->y[2];
    if (carriers & 8U)
        out += v->y[3];
    if (carriers & 16U)
        out += v->y[4];
    if (carriers & 32U)
        out += v->y[5];
    return out;
}

/* Returns the feedback at the end. */
INLINE float render_lanes(struct tb_fm_group *g, float *sum, uint32_t n, unsigned at,
                          const struct tb_algorithm a, const int glide)
{
    struct lanes v;
    load_lanes(&v, g, at, glide);
    vf gain = load_f(&g->gain[at]);
    const vf gain_inc = load_f(&g->gain_inc[at]);
    uint32_t beat = g->beat % OCTET;
    for (float *const end = sum + (size_t)n * TB_WIDTH; sum < end;) {
        beat = turn_lanes(&v, g, at, beat, glide);
        for (; beat < OCTET && sum < end; beat++, sum += TB_WIDTH) {
            const float i = frame_number[beat];
            operate(&v, 5, a.edges, a.fb_to == 5, turned(&v, 5, i, glide));
            operate(&v, 4, a.edges, a.fb_to == 4, turned(&v, 4, i, glide));
            operate(&v, 3, a.edges, a.fb_to == 3, turned(&v, 3, i, glide));
            operate(&v, 2, a.edges, a.fb_to == 2, turned(&v, 2, i, glide));
            operate(&v, 1, a.edges, a.fb_to == 1, turned(&v, 1, i, glide));
            operate(&v, 0, a.edges, a.fb_to == 0, turned(&v, 0, i, glide));
            v.fb2 = v.fb1;
            v.fb1 = v.y[a.fb_from];
            v.feedback += v.feedback_inc;
            store_f(sum, load_f(sum) + carried(&v, a.carriers) * gain);
            gain += gain_inc;
        }
    }
    store_lanes(&v, g, at, beat, glide);
    store_f(&g->gain[at], gain);
    return v.feedback[0];
}

INLINE void render_group(struct tb_fm_group *g, float *sum, uint32_t n, const struct tb_algorithm a,
                         const int glide)
{
    float feedback = g->feedback;
    for (unsigned at = 0; at < TB_LANES; at += TB_WIDTH)
        if (g->used >> at & (uint32_t)((1ULL << TB_WIDTH) - 1))
            feedback = render_lanes(g, sum, n, at, a, glide);
    g->feedback = feedback;
    g->beat += n;
}

#define C(OP) (1U << ((OP)-1))
#define M(FROM, TO) (1ULL << (6 * ((TO)-1) + ((FROM)-1)))
#define FORM(NAME, CARRIERS, EDGES, FROM, TO, GLIDE)                                               \
    static void NAME(struct tb_fm_group *g, float *sum, uint32_t n)                                \
    {                                                                                              \
        render_group(                                                                              \
            g, sum, n,                                                                             \
            (struct tb_algorithm){                                                                 \
                .edges = (EDGES), .carriers = (CARRIERS), .fb_from = (FROM)-1, .fb_to = (TO)-1},   \
            GLIDE);                                                                                \
    }
#define ALGORITHM(N, ...) FORM(render_##N, __VA_ARGS__, 0) FORM(glide_##N, __VA_ARGS__, 1)
#include "dsp/algorithms.def"
#undef ALGORITHM

/* A routing that is known only now. */
INLINE void operate_free(struct lanes *v, unsigned op, const struct tb_algorithm *a, vf x)
{
    for (unsigned from = op + 1; from < TB_N_OPERATORS; from++)
        if (a->edges >> (6 * op + from) & 1U)
            x += v->y[from];
    x = a->fb_to == op ? feed_back(v, x) : wrap(x);
    v->y[op] = sine(x, v->amp[op]);
    v->amp[op] += v->amp_inc[op];
}

static float render_free_lanes(struct tb_fm_group *g, float *sum, uint32_t n, unsigned at,
                               const struct tb_algorithm *a)
{
    const int glide = g->glides != 0;
    struct lanes v;
    load_lanes(&v, g, at, glide);
    vf gain = load_f(&g->gain[at]);
    const vf gain_inc = load_f(&g->gain_inc[at]);
    uint32_t beat = g->beat % OCTET;
    for (float *const end = sum + (size_t)n * TB_WIDTH; sum < end;) {
        beat = turn_lanes(&v, g, at, beat, glide);
        for (; beat < OCTET && sum < end; beat++, sum += TB_WIDTH) {
            vf out = splat(0.0F);
            for (unsigned op = TB_N_OPERATORS; op-- > 0;) {
                operate_free(&v, op, a, turned(&v, op, frame_number[beat], glide));
                if (a->carriers >> op & 1U)
                    out += v.y[op];
            }
            v.fb2 = v.fb1;
            v.fb1 = v.y[a->fb_from];
            v.feedback += v.feedback_inc;
            store_f(sum, load_f(sum) + out * gain);
            gain += gain_inc;
        }
    }
    store_lanes(&v, g, at, beat, glide);
    store_f(&g->gain[at], gain);
    return v.feedback[0];
}

static void render_free(struct tb_fm_group *g, float *sum, uint32_t n, const struct tb_algorithm *a)
{
    float feedback = g->feedback;
    for (unsigned at = 0; at < TB_LANES; at += TB_WIDTH)
        if (g->used >> at & (uint32_t)((1ULL << TB_WIDTH) - 1))
            feedback = render_free_lanes(g, sum, n, at, a);
    g->feedback = feedback;
    g->beat += n;
}

typedef float v4f __attribute__((vector_size(16)));

INLINE float sum4(const float *q)
{
    return (q[0] + q[2]) + (q[1] + q[3]);
}

#if TB_WIDTH == 4
typedef v4f vr; /* a row, or the sum of its halves */

/* Sums of four rows of four, in the order of row_sum. */
INLINE v4f sums4(v4f a, v4f b, v4f c, v4f d)
{
    v4f ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    v4f cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) +
           __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

#define rows_sums sums4
#define row_sum sum4
#else
typedef float vr __attribute__((vector_size(32)));

/* Sums of the rows, in the order of row_sum: each half of them, then both together. */
INLINE v4f rows_sums(vr a, vr b, vr c, vr d)
{
    vr ab = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13) +
            __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    vr cd = __builtin_shufflevector(c, d, 0, 8, 1, 9, 4, 12, 5, 13) +
            __builtin_shufflevector(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
    vr all = __builtin_shufflevector(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13) +
             __builtin_shufflevector(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
    return __builtin_shufflevector(all, all, 0, 1, 2, 3) +
           __builtin_shufflevector(all, all, 4, 5, 6, 7);
}

INLINE float row_sum(const float *h)
{
    return sum4(h) + sum4(h + 4);
}
#endif

INLINE vr row_of(const float *row)
{
    vr all, part;
    memcpy(&all, row, sizeof all);
    if (sizeof all < TB_WIDTH * sizeof *row) {
        memcpy(&part, row + TB_WIDTH / 2, sizeof part);
        all += part;
    }
    return all;
}

/* Four rows at a time, transposed; the additions of a row are the same either way. */
static void fold(const float *sum, float *out, uint32_t n)
{
    uint32_t k = 0;
    for (; k + 4 <= n; k += 4) {
        const float *row = sum + (size_t)k * TB_WIDTH;
        v4f four = rows_sums(row_of(row), row_of(row + TB_WIDTH), row_of(row + 2 * TB_WIDTH),
                             row_of(row + 3 * TB_WIDTH));
        memcpy(out + k, &four, sizeof four);
    }
    for (; k < n; k++) {
        float h[sizeof(vr) / sizeof(float)];
        vr one = row_of(sum + (size_t)k * TB_WIDTH);
        memcpy(h, &one, sizeof h);
        out[k] = row_sum(h);
    }
}

static void sine_table(const uint32_t *phase, float *out, uint32_t n)
{
    for (uint32_t k = 0; k + TB_WIDTH <= n; k += TB_WIDTH)
        store_f(out + k, sine(cycles(load_i(phase + k)), splat(TB_SIN_LEAD)));
}

/* ---- controller `eg` ---- */

/* Attenuation of u: convex and piecewise straight, so the largest of ten lines. */
INLINE vf att_of_u(vf u)
{
    static const float at_zero[9] = {
        240.0F - 2 * 240.0F,       496.0F - 3 * 368.0F,       752.0F - 4 * 453.333333F,
        1008.0F - 5 * 517.333333F, 1264.0F - 6 * 568.533333F, 1520.0F - 7 * 611.2F,
        1776.0F - 8 * 647.771429F, 2032.0F - 9 * 679.771429F, 2288.0F - 10 * 708.215873F};
    vf att = u;
    for (int j = 0; j < 9; j++) {
        vf line = u * (float)(j + 2) + at_zero[j];
        att = most(line, att);
    }
    return att;
}

INLINE vi advance_rows(struct tb_fm_group *g, unsigned at)
{
    /* whole slices, or the lanes that an event within the slice changed */
    vi n = g->dirty ? load_i(&g->advance[at]) : (vi){0} + TB_SLICE;
    vi over = {0};
    for (int row = 0; row < TB_EG_ROWS; row++) {
        vi elapsed = load_i(&g->elapsed[row][at]) + n;
        store_i(&g->elapsed[row][at], elapsed);
        over |= elapsed >= load_i(&g->end[row][at]);
    }
    return over;
}

INLINE vf row_value(const struct tb_fm_group *g, int row, unsigned at)
{
    return load_f(&g->x0[row][at]) +
           load_f(&g->step[row][at]) * __builtin_convertvector(load_i(&g->elapsed[row][at]), vf);
}

INLINE vf row_att(const struct tb_fm_group *g, int row, unsigned at)
{
    vf x = row_value(g, row, at);
    if (g->any_rising >> row & 1U)
        x = select_f(load_i(&g->rising[row][at]), att_of_u(x), x);
    return x;
}

INLINE void aim_lanes(struct tb_fm_group *g, const struct tb_fm_slice *s, unsigned at)
{
    const float per_frame = 1.0F / (float)s->left;
    vf pitch = load_f(&g->octaves[at]) + row_value(g, TB_PITCH_ROW, at) + s->pitch;
    pitch = least(pitch, splat(17.0F));
    vf hz = exp2_v(pitch);
    vf loud = splat(0.0F);
    for (int op = 0; op < TB_N_OPERATORS; op++) {
        const int carrier = (int)(s->carriers >> op & 1U);
        vf trim = load_f(&g->trim[op][at]);
        vf att = row_att(g, op, at) + trim + (s->amp_mod[op] + (carrier ? s->carrier_att : 0.0F));
        att += load_f(&g->touch[at]) * s->ams[op];
        store_f(&g->trim[op][at], trim * s->trim_decay);
        vi heard = att < (float)TB_ATT_SILENT;
        vf amp =
            exp2_v(TB_SIN_LEAD_LOG2 + 2.0F - least(att, splat(TB_ATT_SILENT)) * (1.0F / 256.0F)) *
            s->on[op];
        amp = (vf)(heard & (vi)amp);
        if (carrier)
            loud = most(amp, loud);
        store_f(&g->amp_inc[op][at], (amp - load_f(&g->amp[op][at])) * per_frame);
        vf inc = load_f(&g->ratio[op][at]) * s->turns_per_hz;
        if (s->ratio_mode[op])
            inc *= hz;
        inc = least(inc, splat(s->inc_max));
        store_i(&g->inc[op][at], __builtin_convertvector(inc, vi));
    }
    store_f(&g->loud[at], loud);
    store_f(&g->gain_inc[at], (load_f(&g->gain_target[at]) - load_f(&g->gain[at])) * per_frame);
}

static void aim(struct tb_fm_group *g, const struct tb_fm_slice *s,
                const struct tb_program *program)
{
    vi over = {0};
    for (unsigned at = 0; at < TB_LANES; at += TB_WIDTH)
        over |= advance_rows(g, at);
    if (any(over))
        tb_fm_cross(g, program);
    for (unsigned at = 0; at < TB_LANES; at += TB_WIDTH)
        if (g->used >> at & (uint32_t)((1ULL << TB_WIDTH) - 1))
            aim_lanes(g, s, at);
    g->feedback_inc = (s->feedback - g->feedback) / (float)s->left;
    g->beat = TB_SLICE - (uint32_t)s->left;
}

const struct tb_fm_kernels PASTE(tb_fm_kernels_, TB_VARIANT) = {
    .width = TB_WIDTH,
    .aim = aim,
    .render =
        {
#define ALGORITHM(N, ...) [(N)-1] = render_##N,
#include "dsp/algorithms.def"
#undef ALGORITHM
        },
    .glide =
        {
#define ALGORITHM(N, ...) [(N)-1] = glide_##N,
#include "dsp/algorithms.def"
#undef ALGORITHM
        },
    .render_free = render_free,
    .fold = fold,
    .sine = sine_table,
};
