/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/golden/nn_reference.h"

#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Cost of a decoder's frame: hot (again and again) and paced as in use (4 ms of sleep and 1 MB of
 * other data touched in between). Taken in turns with what no frame can do without on this machine:
 * reading as many bytes as the model has, and as many multiply-adds as a frame has at the highest
 * rate; the longer of both is the limit. share_of_limit is of the fastest of both where hot, of the
 * medians where paced. One JSON document. */

enum {
    TURNS = 12,
    TURN_NS = 2000000,
    LEAST = 6, /* frames a turn; the first half of a turn does not count */
    MAX_TIMES = 4096,
    SHORT_NS = 4000, /* frames up to this long are timed eight at once */
    PACED = 100,
    TOUCH_BYTES = 1 << 20,
    BUFFER_BYTES = 32 << 20,
    N_INPUTS = 64
};

static double now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double sink;

static void use(const void *sums)
{
    float first;
    memcpy(&first, sums, sizeof first);
    sink += (double)first;
}

/* GMAC/s of independent multiply-adds: `step` of a sum and x does `macs` of them, and as
 * many sums as hide its latency. */
#define PEAK(name, target_name, vector, zero, step, macs, sums)                                    \
    __attribute__((target(target_name))) static double name(void)                                  \
    {                                                                                              \
        double best = 0;                                                                           \
        for (int round = 0; round < 20; round++) {                                                 \
            vector x = (zero), a[sums];                                                            \
            for (int i = 0; i < (sums); i++)                                                       \
                a[i] = x;                                                                          \
            const double start = now_ns();                                                         \
            for (int n = 0; n < 100000; n++)                                                       \
                _Pragma("GCC unroll 32") for (int i = 0; i < (sums); i++)                          \
                {                                                                                  \
                    __asm__("" : "+v"(x));                                                         \
                    a[i] = step(a[i], x);                                                          \
                }                                                                                  \
            const double rate = 100000.0 * (sums) * (macs) / (now_ns() - start);                   \
            for (int i = 0; i < (sums); i++)                                                       \
                use(&a[i]);                                                                        \
            best = rate > best ? rate : best;                                                      \
        }                                                                                          \
        return best;                                                                               \
    }
#define FMA_512(a, x) _mm512_fmadd_ps(x, x, a)
#define FMA_256(a, x) _mm256_fmadd_ps(x, x, a)
#define DOT_512(a, x) _mm512_dpbusd_epi32(a, x, x)
#define DOT_256(a, x)                                                                              \
    _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_maddubs_epi16(x, x), _mm256_set1_epi16(1)))
PEAK(fma_avx512, "avx512f", __m512, _mm512_setzero_ps(), FMA_512, 16, 20)
PEAK(fma_avx2, "avx2,fma", __m256, _mm256_setzero_ps(), FMA_256, 8, 12)
PEAK(dot_avx512, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), DOT_512, 64, 20)
PEAK(dot_avx2, "avx2", __m256i, _mm256_setzero_si256(), DOT_256, 32, 12)

/* Reads whole lines of bytes, in order. */
#define READ(name, target_name, vector, load, add, lanes)                                          \
    __attribute__((target(target_name))) static void name(const float *p, size_t bytes)            \
    {                                                                                              \
        vector a[8];                                                                               \
        for (int k = 0; k < 8; k++)                                                                \
            a[k] = load(p);                                                                        \
        for (const float *end = p + bytes / sizeof *p; p < end; p += 8 * (lanes))                  \
            _Pragma("GCC unroll 8") for (int k = 0; k < 8; k++) a[k] =                             \
                add(a[k], load(p + k * (lanes)));                                                  \
        for (int k = 0; k < 8; k++)                                                                \
            use(&a[k]);                                                                            \
    }
READ(read_avx512, "avx512f", __m512, _mm512_loadu_ps, _mm512_add_ps, 16)
READ(read_avx2, "avx2", __m256, _mm256_loadu_ps, _mm256_add_ps, 8)

/* Of a variant; none known where read is NULL. */
struct limits {
    void (*read)(const float *p, size_t bytes);
    double f32_gmacs, int8_gmacs;
};

static struct limits limits_of(enum tb_nn_cpu cpu)
{
    if (cpu == TB_NN_CPU_AVX512)
        return (struct limits){read_avx512, fma_avx512(), dot_avx512()};
    if (cpu == TB_NN_CPU_AVX2)
        return (struct limits){read_avx2, fma_avx2(), dot_avx2()};
    return (struct limits){NULL, 0, 0};
}

struct bench {
    const char *name;
    const struct tb_nn_model *model;
    struct tb_nn_run *run;
    unsigned voices, frame;
    enum tb_nn_dtype storage;
    struct limits limits;
    const float *buffer;
    float inputs[N_INPUTS][TB_NN_MAX_BATCH * 2];
};

static void decode(struct bench *b)
{
    static const uint8_t slots[TB_NN_MAX_BATCH] = {0, 1, 2, 3, 4, 5, 6, 7};
    tb_nn_begin(b->run, slots, b->voices, b->inputs[b->frame++ % N_INPUTS]);
    (void)tb_nn_advance(b->run, UINT64_MAX);
}

static void read_weights(struct bench *b)
{
    b->limits.read(b->buffer, tb_nn_model_bytes(b->model));
}

struct times {
    double ns[MAX_TIMES];
    int n;
};

static double time_of(struct bench *b, void (*work)(struct bench *), int times)
{
    const double start = now_ns();
    for (int i = 0; i < times; i++)
        work(b);
    return (now_ns() - start) / times;
}

static void take_turn(struct bench *b, void (*work)(struct bench *), struct times *times)
{
    const double start = now_ns();
    const int at_once = time_of(b, work, 1) > SHORT_NS ? 1 : 8;
    for (int i = 0; i < LEAST || now_ns() < start + TURN_NS; i++) {
        const double ns = time_of(b, work, at_once);
        if (i >= LEAST / 2 && now_ns() > start + 0.5 * TURN_NS && times->n < MAX_TIMES)
            times->ns[times->n++] = ns;
    }
}

static void touch(const void *bytes)
{
    long sum = 0;
    for (size_t i = 0; i < TOUCH_BYTES; i += 64)
        sum += ((const char *)bytes)[BUFFER_BYTES - TOUCH_BYTES + i];
    sink += (double)sum;
}

static void take_paced(struct bench *b, void (*work)(struct bench *), struct times *times)
{
    const struct timespec sleep = {0, 4000000};
    touch(b->buffer);
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &sleep, NULL);
    times->ns[times->n++] = time_of(b, work, 1);
}

static double median(struct times *times)
{
    if (!times->n)
        return 0;
    qsort(times->ns, (size_t)times->n, sizeof *times->ns, ascending);
    return times->ns[times->n / 2];
}

static void report(const struct bench *b, struct times *frames, struct times *reads,
                   const char *mode)
{
    static bool started;
    static const char *const types[] = {"f32", "f16", "bf16", "int8"};
    const char *cpu = tb_nn_cpu_name(tb_nn_model_cpu(b->model)), *type = types[b->storage];
    const bool hot = strcmp(mode, "hot") == 0;
    const double p50 = median(frames), reads_p50 = median(reads);
    const double ours = hot ? frames->ns[0] : p50,
                 read = hot && reads->n ? reads->ns[0] : reads_p50;
    const double macs = (double)tb_nn_model_macs(b->model) * b->voices;
    const double rate = b->storage == TB_NN_I8 ? b->limits.int8_gmacs : b->limits.f32_gmacs;
    const double multiply = rate > 0 ? macs / rate : 0, limit = read > multiply ? read : multiply;
    printf("%s    {\"figure\": \"%s_%s_%s_%s_%u\", \"model\": \"%s\", \"cpu\": \"%s\", "
           "\"weights\": \"%s\", \"mode\": \"%s\", \"voices\": %u, \"min_ns\": %.0f, "
           "\"p50_ns\": %.0f, \"p99_ns\": %.0f, \"max_ns\": %.0f, \"voice_ns\": %.0f, "
           "\"gmacs\": %.2f, \"weight_gbs\": %.1f",
           started ? ",\n" : "", cpu, b->name, type, mode, b->voices, b->name, cpu, type, mode,
           b->voices, frames->ns[0], p50, frames->ns[frames->n * 99 / 100],
           frames->ns[frames->n - 1], p50 / b->voices, macs / p50,
           (double)tb_nn_model_bytes(b->model) / p50);
    if (limit > 0)
        printf(", \"read_ns\": %.0f, \"multiply_ns\": %.0f, \"limit_voice_ns\": %.0f, "
               "\"share_of_limit\": %.3f",
               read, multiply, limit / b->voices, limit / ours);
    printf("}");
    started = true;
}

static void measure(struct bench *b, bool paced)
{
    static struct times frames, reads;
    frames.n = reads.n = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        take_turn(b, decode, &frames);
        if (b->limits.read)
            take_turn(b, read_weights, &reads);
    }
    report(b, &frames, &reads, "hot");
    if (!paced)
        return;
    frames.n = reads.n = 0;
    for (int i = 0; i < PACED; i++) {
        take_paced(b, decode, &frames);
        if (b->limits.read)
            take_paced(b, read_weights, &reads);
    }
    report(b, &frames, &reads, "paced");
}

static void measure_net(struct bench *b, const struct net *net, enum tb_nn_cpu cpu, bool paced)
{
    static const enum tb_nn_dtype types[] = {TB_NN_F32, TB_NN_F16, TB_NN_I8};
    for (int t = 0; t < 3; t++) {
        struct tb_error err;
        const struct tb_nn_options options = {cpu, types[t], true};
        struct tb_nn_model *m = tb_nn_model_new(&net->spec, net->tensors, &options, &err);
        struct tb_nn_bank *bank = m ? tb_nn_bank_new(m, 8) : NULL;
        b->run = bank ? tb_nn_run_new(bank) : NULL;
        if (!b->run) {
            fprintf(stderr, "out of memory\n");
            exit(1);
        }
        b->model = m;
        b->storage = types[t];
        for (b->voices = 1; b->voices <= 8; b->voices = b->voices == 1 ? 4 : 2 * b->voices)
            measure(b, paced && b->voices == 1);
        tb_nn_run_free(b->run);
        tb_nn_bank_free(bank);
        tb_nn_model_free(m);
    }
}

/* On huge pages, as weights are. */
static const float *take_buffer(void)
{
    void *at = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        exit(1);
    (void)madvise(at, BUFFER_BYTES, MADV_HUGEPAGE);
    memset(at, 0, BUFFER_BYTES);
    return at;
}

int main(void)
{
    const struct {
        const char *name;
        struct tb_nn_spec spec;
    } nets[] = {{"tcn64x3", net_tcn(64, 3)},
                {"tcn128", net_tcn(128, 5)},
                {"gru16", net_gru(16, 3, 101, 65)},
                {"gru64", net_gru(64, 3, 101, 65)},
                {"gru512", net_gru(512, 3, 101, 65)}};
    static struct bench b;
    b.buffer = take_buffer();
    uint32_t seed = 1;
    for (int i = 0; i < N_INPUTS * TB_NN_MAX_BATCH; i++) {
        b.inputs[i / TB_NN_MAX_BATCH][2 * (i % TB_NN_MAX_BATCH)] = 0.5f + 0.1f * net_noise(&seed);
        b.inputs[i / TB_NN_MAX_BATCH][2 * (i % TB_NN_MAX_BATCH) + 1] =
            0.7f + 0.1f * net_noise(&seed);
    }
    struct limits all[TB_NN_N_CPUS];
    bool best = true;
    printf("{\"bench\": \"nn\", \"results\": [\n");
    for (enum tb_nn_cpu cpu = TB_NN_N_CPUS; cpu-- > 0;) {
        if (!tb_nn_cpu_has(cpu))
            continue;
        b.limits = all[cpu] = limits_of(cpu);
        for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
            struct net net;
            net_random(&net, &nets[i].spec, 1);
            b.name = nets[i].name;
            measure_net(&b, &net, cpu, best);
            net_free(&net);
        }
        best = false;
    }
    printf("\n  ],\n  \"limits\": [\n");
    const char *comma = "";
    for (enum tb_nn_cpu cpu = 0; cpu < TB_NN_N_CPUS; cpu++)
        if (tb_nn_cpu_has(cpu) && all[cpu].read) {
            printf("%s    {\"cpu\": \"%s\", \"f32_gmacs\": %.1f, \"int8_gmacs\": %.1f}", comma,
                   tb_nn_cpu_name(cpu), all[cpu].f32_gmacs, all[cpu].int8_gmacs);
            comma = ",\n";
        }
    printf("\n  ], \"sink\": %d}\n", sink > 1e300);
    return 0;
}
