/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/nn/kernels_priv.h"

/* Compiled once per processor variant. A tile is some voices times some vectors of outputs, held in
 * registers while the inputs go by: one voice takes two panels at once, a batch takes slices. */

#if TB_VLANES == 16
enum { GROUP = 8, HAS_F16 = 1 };
#elif TB_VLANES == 8
enum { GROUP = 4, HAS_F16 = 1 };
#elif defined(__aarch64__)
enum { GROUP = 4, HAS_F16 = 1 };
#else
enum { GROUP = 4, HAS_F16 = 0 };
#endif
enum {
    PANEL_VECTORS = TB_NN_PANEL / TB_VLANES,
    HALF_VECTORS = TB_NN_HALF / TB_VLANES,
    CHAINS = 8, /* enough sums to hide the latency of a multiply-add at batch 1 */
    MAX_TILE = 16,
    PREFETCH_BYTES = 2048
};

struct panel {
    const float *bias;
    const float *scale;        /* int8 */
    const int32_t *correction; /* int8 */
    const unsigned char *values;
    size_t bytes;   /* to the next panel */
    unsigned row;   /* outputs of this panel, 32 or 16 */
    unsigned slice; /* first output of the tile within the panel */
    unsigned out;   /* first output of the panel */
};

TB_INLINE struct panel panel_at(const struct tb_nn_job *job, unsigned number)
{
    const struct tb_nn_op *op = job->op;
    const unsigned char *at = job->model->arena + op->weights + number * op->panel_bytes;
    struct panel p = {.bias = (const float *)(const void *)at,
                      .bytes = op->panel_bytes,
                      .out = number * TB_NN_PANEL};
    p.row = op->n_out - p.out >= TB_NN_PANEL ? TB_NN_PANEL : TB_NN_HALF;
    at += TB_NN_PANEL * sizeof(float);
    if (op->storage == TB_NN_I8) {
        p.scale = (const float *)(const void *)at;
        p.correction = (const int32_t *)(const void *)(at + TB_NN_PANEL * sizeof(float));
        at += TB_NN_PANEL * (sizeof(float) + sizeof(int32_t));
    }
    p.values = at;
    return p;
}

/* Bytes from a tile's first output in a panel to its s-th vector, `lane` bytes an output. A tile of
 * more vectors than a panel has goes on in the next panel. */
TB_INLINE size_t vector_at(const struct panel *p, unsigned s, size_t lane)
{
    return s / PANEL_VECTORS * p->bytes + s % PANEL_VECTORS * TB_VLANES * lane;
}

/* The same for a value of the panel's head. */
TB_INLINE tb_vf head_at(const struct panel *p, const void *head, unsigned s)
{
    const unsigned char *at = (const unsigned char *)head + p->slice * sizeof(float);
    return tb_vload((const float *)(const void *)(at + vector_at(p, s, sizeof(float))));
}

/* TB_VLANES weights. */
TB_INLINE tb_vf weights_at(const unsigned char *w, enum tb_nn_dtype storage)
{
    if (storage == TB_NN_F32)
        return tb_vload((const float *)(const void *)w);
    const uint16_t *half = (const uint16_t *)(const void *)w;
#if TB_VLANES == 16
    const __m256i raw = _mm256_loadu_si256((const __m256i *)(const void *)half);
    if (storage == TB_NN_F16)
        return (tb_vf)_mm512_cvtph_ps(raw);
    return (tb_vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(raw), 16);
#elif TB_VLANES == 8
    const __m128i raw = _mm_loadu_si128((const __m128i *)(const void *)half);
    if (storage == TB_NN_F16)
        return (tb_vf)_mm256_cvtph_ps(raw);
    return (tb_vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16);
#elif defined(__aarch64__)
    if (storage == TB_NN_F16)
        return (tb_vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(half)));
    return (tb_vf)vshll_n_u16(vld1_u16(half), 16);
#else
    typedef uint16_t vu16 __attribute__((vector_size(TB_VLANES * 2)));
    typedef uint32_t vu32 __attribute__((vector_size(TB_VLANES * 4)));
    vu16 raw;
    memcpy(&raw, half, sizeof raw);
    return (tb_vf)(__builtin_convertvector(raw, vu32) << 16);
#endif
}

/* Voices first..first+n of a tile. Everything is a constant, so all loops unroll and the sums stay
 * in registers: `chains` sums an output hide the latency of a multiply-add, `steps` inputs a round
 * (a multiple of chains) pay for the addresses. */
struct tile {
    unsigned first, n, row, vectors, chains, steps;
    enum tb_nn_dtype storage;
};

/* A batch has time to fetch weights ahead, of an input of a tile here; one voice waits for nothing
 * else, and asks for the next ones soon enough. */
TB_INLINE void prefetch(const unsigned char *w, struct tile t, size_t lane)
{
    if (t.n == 1)
        return;
    for (size_t at = 0; at < t.vectors * TB_VLANES * lane; at += TB_NN_ALIGN)
        __builtin_prefetch(w + at + PREFETCH_BYTES);
}

/* Where a tile's results go. */
struct tail {
    float *dst;
    const float *add;
    size_t stride;
    bool relu, adds;
};

TB_INLINE struct tail tail_of(const struct tb_nn_job *job, const struct panel *p, unsigned first)
{
    const struct tb_nn_op *op = job->op;
    float *scratch = job->scratch + first * job->stride + p->out + p->slice;
    return (struct tail){.dst = scratch + op->dst,
                         .add = scratch + (op->add == TB_NN_NONE ? op->dst : op->add),
                         .adds = op->add != TB_NN_NONE,
                         .stride = job->stride,
                         .relu = op->relu};
}

TB_INLINE void finish(const struct tail *tail, unsigned voice, unsigned at, tb_vf y)
{
    if (tail->relu)
        y = tb_vmax(y, (tb_vf){0});
    if (tail->adds)
        y += tb_vload(tail->add + voice * tail->stride + at);
    tb_vstore(tail->dst + voice * tail->stride + at, y);
}

TB_INLINE void tile_float(const struct tb_nn_job *job, const struct panel *p, struct tile t)
{
    const size_t n = job->op->n_row;
    const size_t lane = t.storage == TB_NN_F32 ? sizeof(float) : sizeof(uint16_t);
    const unsigned char *w = p->values + p->slice * lane;
    const size_t row = t.row * lane;
    const float *x[MAX_TILE];
    tb_vf acc[MAX_TILE] = {{0}};
    for (unsigned k = 0; k < job->op->taps; k++) {
        size_t i = 0;
        TB_UNROLL
        for (unsigned v = 0; v < t.n; v++)
            x[v] = tb_nn_row(job, t.first + v, k);
        for (; i + t.steps <= n; i += t.steps, w += t.steps * row) {
            TB_UNROLL
            for (unsigned c = 0; c < t.steps; c++) {
                prefetch(w + c * row, t, lane);
                TB_UNROLL
                for (unsigned s = 0; s < t.vectors; s++) {
                    const tb_vf weight = weights_at(w + c * row + vector_at(p, s, lane), t.storage);
                    TB_UNROLL
                    for (unsigned v = 0; v < t.n; v++)
                        acc[(c % t.chains * t.vectors + s) * t.n + v] += weight * x[v][i + c];
                }
            }
        }
        for (; i < n; i++, w += row) {
            TB_UNROLL
            for (unsigned s = 0; s < t.vectors; s++) {
                const tb_vf weight = weights_at(w + vector_at(p, s, lane), t.storage);
                TB_UNROLL
                for (unsigned v = 0; v < t.n; v++)
                    acc[s * t.n + v] += weight * x[v][i];
            }
        }
    }
    const struct tail tail = tail_of(job, p, t.first);
    TB_UNROLL
    for (unsigned s = 0; s < t.vectors; s++) {
        const tb_vf bias = head_at(p, p->bias, s);
        TB_UNROLL
        for (unsigned v = 0; v < t.n; v++)
            finish(&tail, v, s * TB_VLANES,
                   bias + tb_nn_chain_sum(acc + s * t.n + v, t.vectors * t.n, t.chains));
    }
}

/* acc[lane] += sum over 4 of code * weight, codes -128..127. All variants give the same integers:
 * AVX-512 adds 128 to the codes (see quantise) and takes it back with the correction, AVX2 moves
 * the sign. */
TB_INLINE tb_vi dot4(tb_vi acc, int32_t codes, const unsigned char *w)
{
#if TB_VLANES == 16
    return (tb_vi)_mm512_dpbusd_epi32((__m512i)acc, _mm512_set1_epi32(codes),
                                      _mm512_loadu_si512(w));
#elif TB_VLANES == 8
    const __m256i x = _mm256_set1_epi32(codes);
    const __m256i weight = _mm256_loadu_si256((const __m256i *)(const void *)w);
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(weight, x));
    return acc + (tb_vi)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#elif defined(__aarch64__)
    const int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(codes));
    const int8x16_t weight = vld1q_s8((const int8_t *)w);
#if defined(__ARM_FEATURE_DOTPROD)
    return (tb_vi)vdotq_s32((int32x4_t)acc, weight, x);
#else
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(weight), vget_low_s8(x)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(weight, x));
    return acc + (tb_vi)vpaddq_s32(low, high);
#endif
#elif defined(__SSE2__)
    const __m128i raw = _mm_loadu_si128((const __m128i *)(const void *)w);
    const __m128i x8 = _mm_set1_epi32(codes);
    const __m128i x = _mm_srai_epi16(_mm_unpacklo_epi8(x8, x8), 8);
    const __m128i low = _mm_madd_epi16(_mm_srai_epi16(_mm_unpacklo_epi8(raw, raw), 8), x);
    const __m128i high = _mm_madd_epi16(_mm_srai_epi16(_mm_unpackhi_epi8(raw, raw), 8), x);
    const __m128 l = _mm_castsi128_ps(low), h = _mm_castsi128_ps(high);
    return acc + (tb_vi)_mm_castps_si128(_mm_shuffle_ps(l, h, _MM_SHUFFLE(2, 0, 2, 0))) +
           (tb_vi)_mm_castps_si128(_mm_shuffle_ps(l, h, _MM_SHUFFLE(3, 1, 3, 1)));
#else
    int8_t x[4];
    memcpy(x, &codes, sizeof x);
    const int8_t *weight = (const int8_t *)w;
    for (int lane = 0; lane < TB_VLANES; lane++)
        for (int k = 0; k < 4; k++)
            acc[lane] += x[k] * weight[4 * lane + k];
    return acc;
#endif
}

/* The same of codes 0..127. */
TB_INLINE tb_vi dot4_low(tb_vi acc, int32_t codes, const unsigned char *w)
{
#if TB_VLANES == 8
    const __m256i weight = _mm256_loadu_si256((const __m256i *)(const void *)w);
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi32(codes), weight);
    return acc + (tb_vi)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#else
    return dot4(acc, codes, w);
#endif
}

TB_INLINE int32_t codes_at(const unsigned char *codes, size_t i)
{
    int32_t four;
    memcpy(&four, codes + 4 * i, sizeof four);
    return four;
}

/* int8 weights under activations of two codes: 128 times a high one and a low one. Their sums are
 * kept apart. */
#define I8_FINE TB_NN_N_DTYPES

struct sums {
    tb_vi high[MAX_TILE], low[MAX_TILE];
};

TB_INLINE void finish_int8(const struct tb_nn_job *job, const struct panel *p, struct tile t,
                           const struct sums *sums)
{
    const float *scale = job->scratch + t.first * job->stride + job->model->codes;
    const struct tail tail = tail_of(job, p, t.first);
    TB_UNROLL
    for (unsigned s = 0; s < t.vectors; s++) {
        const tb_vf unit = head_at(p, p->scale, s), bias = head_at(p, p->bias, s);
        const tb_vi correction = TB_VLANES == 16 ? (tb_vi)head_at(p, p->correction, s) : (tb_vi){0};
        TB_UNROLL
        for (unsigned v = 0; v < t.n; v++) {
            tb_vi high = correction + sums->high[s * t.n + v], low = sums->low[s * t.n + v];
            TB_UNROLL
            for (unsigned c = 1; c < t.chains; c++) {
                high += sums->high[(c * t.vectors + s) * t.n + v];
                low += sums->low[(c * t.vectors + s) * t.n + v];
            }
            tb_vf sum = __builtin_convertvector(high, tb_vf);
            if (t.storage == I8_FINE)
                sum = sum * (float)TB_NN_LOW_CODES + __builtin_convertvector(low, tb_vf);
            finish(&tail, v, s * TB_VLANES, bias + sum * unit * scale[v * job->stride]);
        }
    }
}

TB_INLINE void tile_int8(const struct tb_nn_job *job, const struct panel *p, struct tile t)
{
    const bool fine = t.storage == I8_FINE;
    const size_t n4 = (job->op->n_in + 3) / 4, low = job->model->low_codes;
    const size_t lane = 4, row = lane * t.row;
    const unsigned char *w = p->values + lane * p->slice, *x[MAX_TILE];
    struct sums sums = {{{0}}, {{0}}};
    TB_UNROLL
    for (unsigned v = 0; v < t.n; v++) {
        const float *scale = job->scratch + (t.first + v) * job->stride + job->model->codes;
        x[v] = (const unsigned char *)(scale + TB_NN_HALF);
        TB_APART(x[v]);
    }
    size_t i = 0;
    for (; i + t.steps <= n4; i += t.steps, w += t.steps * row) {
        TB_UNROLL
        for (unsigned c = 0; c < t.steps; c++) {
            prefetch(w + c * row, t, lane);
            TB_UNROLL
            for (unsigned v = 0; v < t.n; v++) {
                const int32_t high = codes_at(x[v], i + c), rest = codes_at(x[v] + low, i + c);
                TB_UNROLL
                for (unsigned s = 0; s < t.vectors; s++) {
                    const unsigned at = (c % t.chains * t.vectors + s) * t.n + v;
                    const unsigned char *four = w + c * row + vector_at(p, s, lane);
                    sums.high[at] = dot4(sums.high[at], high, four);
                    if (fine)
                        sums.low[at] = dot4_low(sums.low[at], rest, four);
                }
            }
        }
    }
    for (; i < n4; i++, w += row) {
        TB_UNROLL
        for (unsigned v = 0; v < t.n; v++) {
            const int32_t high = codes_at(x[v], i), rest = codes_at(x[v] + low, i);
            TB_UNROLL
            for (unsigned s = 0; s < t.vectors; s++) {
                const unsigned at = s * t.n + v;
                const unsigned char *four = w + vector_at(p, s, lane);
                sums.high[at] = dot4(sums.high[at], high, four);
                if (fine)
                    sums.low[at] = dot4_low(sums.low[at], rest, four);
            }
        }
    }
    finish_int8(job, p, t, &sums);
}

TB_INLINE void tile_any(const struct tb_nn_job *job, const struct panel *p, struct tile t)
{
    if (t.storage == TB_NN_I8 || t.storage == I8_FINE)
        tile_int8(job, p, t);
    else
        tile_float(job, p, t);
}

/* Slices of up to `vectors` vectors of panel p for t.n voices. */
TB_INLINE void slices(const struct tb_nn_job *job, struct panel p, struct tile t)
{
    for (p.slice = 0; p.slice < p.row; p.slice += t.vectors * TB_VLANES)
        tile_any(job, &p, t);
}

/* Of one voice: as many chains as hide the latency of a multiply-add. */
TB_INLINE void panel_alone(const struct tb_nn_job *job, const struct panel *p, unsigned voice,
                           unsigned vectors, enum tb_nn_dtype storage)
{
    const unsigned row = vectors < PANEL_VECTORS ? TB_NN_HALF : TB_NN_PANEL;
    const unsigned chains = vectors < CHAINS ? CHAINS / vectors : 1,
                   steps = chains < 2 ? 2 : chains;
    tile_any(job, p, (struct tile){voice, 1, row, vectors, chains, steps, storage});
}

TB_INLINE void panel_batch(const struct tb_nn_job *job, const struct panel *p, unsigned row,
                           unsigned vectors, enum tb_nn_dtype storage)
{
    unsigned v = 0;
    for (; v + GROUP <= job->n_voices; v += GROUP)
        slices(job, *p, (struct tile){v, GROUP, row, vectors, 1, 4, storage});
    if (GROUP > 4 && v + 4 <= job->n_voices) {
        slices(job, *p, (struct tile){v, 4, row, vectors, 2, 4, storage});
        v += 4;
    }
    if (v + 2 <= job->n_voices) {
        slices(job, *p, (struct tile){v, 2, row, vectors, 2, 4, storage});
        v += 2;
    }
    if (v < job->n_voices)
        panel_alone(job, p, v, row == TB_NN_PANEL ? PANEL_VECTORS : HALF_VECTORS, storage);
}

TB_INLINE void linear_with(const struct tb_nn_job *job, enum tb_nn_dtype storage)
{
    enum { SLICE = HALF_VECTORS < 2 ? 1 : 2, WIDE = PANEL_VECTORS < 2 ? 1 : 2 };
    const bool fine = storage == I8_FINE; /* two sums an output */
    const bool pairs = PANEL_VECTORS < CHAINS && !fine;
    for (unsigned i = job->first; i < job->last; i++) {
        const struct panel p = panel_at(job, i);
        const bool full = p.row == TB_NN_PANEL;
        if (job->n_voices > 1 && full) {
            panel_batch(job, &p, TB_NN_PANEL, fine ? SLICE : WIDE, storage);
        } else if (job->n_voices > 1) {
            panel_batch(job, &p, TB_NN_HALF, SLICE, storage);
        } else if (pairs && i + 1 < job->last && p.out + 2 * TB_NN_PANEL <= job->op->n_out) {
            panel_alone(job, &p, 0, 2 * PANEL_VECTORS, storage);
            i++;
        } else if (full) {
            panel_alone(job, &p, 0, PANEL_VECTORS, storage);
        } else {
            panel_alone(job, &p, 0, HALF_VECTORS, storage);
        }
    }
    if (job->last == job->op->n_panels)
        tb_nn_remember(job);
}

/* One function for each storage: compilers take their time over all of them in one. */
#define LINEAR(name, storage)                                                                      \
    __attribute__((noinline)) static void name(const struct tb_nn_job *job)                        \
    {                                                                                              \
        linear_with(job, storage);                                                                 \
    }
LINEAR(linear_f32, TB_NN_F32)
LINEAR(linear_f16, TB_NN_F16)
LINEAR(linear_bf16, TB_NN_BF16)
LINEAR(linear_int8, TB_NN_I8)
LINEAR(linear_fine, I8_FINE)

static void linear(const struct tb_nn_job *job)
{
    switch (job->op->storage) {
    case TB_NN_F32:
        linear_f32(job);
        break;
    case TB_NN_F16:
        linear_f16(job);
        break;
    case TB_NN_BF16:
        linear_bf16(job);
        break;
    case TB_NN_I8:
        if (job->model->spec.fine)
            linear_fine(job);
        else
            linear_int8(job);
        break;
    case TB_NN_N_DTYPES:
        break;
    }
}

#if TB_VLANES == 16
enum { CPU = TB_NN_CPU_AVX512 };
#elif TB_VLANES == 8
enum { CPU = TB_NN_CPU_AVX2 };
#elif defined(__aarch64__)
enum { CPU = TB_NN_CPU_NEON };
#else
enum { CPU = TB_NN_CPU_PORTABLE };
#endif

const struct tb_nn_kernels TB_VARIANT(tb_nn_kernels) = {
    .cpu = (enum tb_nn_cpu)CPU,
    .has_f16 = HAS_F16,
    .linear = linear,
    .quantise = TB_VARIANT(tb_nn_quantise),
    .norm = TB_VARIANT(tb_nn_norm),
    .dense = TB_VARIANT(tb_nn_dense),
    .gru = TB_VARIANT(tb_nn_gru),
    .copy = TB_VARIANT(tb_nn_copy),
    .finite = TB_VARIANT(tb_nn_finite),
    .map = TB_VARIANT(tb_nn_map),
};
