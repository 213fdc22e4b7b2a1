/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/golden/nn_reference.h"

#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Cost of a decoder's frame: hot (again and again) and paced as in use (4 ms of sleep and 1 MB of
 * other data touched in between), beside what the machine can do. One JSON document. */

enum { HOT = 600, HOT_WARM = 50, PACED = 100, TOUCH_BYTES = 1 << 20 };

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

/* GMAC/s of independent multiply-adds, and GB/s of reading bytes again and again. */
#define LIMITS(variant, target_name, vector, load, fmadd, lanes)                                   \
    __attribute__((target(target_name))) static double peak_##variant(void)                        \
    {                                                                                              \
        double best = 0;                                                                           \
        for (int round = 0; round < 5; round++) {                                                  \
            vector a[10];                                                                          \
            float one[lanes];                                                                      \
            for (int i = 0; i < (lanes); i++)                                                      \
                one[i] = 1e-3f;                                                                    \
            const vector x = load(one);                                                            \
            for (int i = 0; i < 10; i++)                                                           \
                a[i] = x;                                                                          \
            const double start = now_ns();                                                         \
            for (int n = 0; n < 200000; n++)                                                       \
                _Pragma("GCC unroll 10") for (int i = 0; i < 10; i++) a[i] = fmadd(a[i], x, x);    \
            const double rate = 200000.0 * 10 * (lanes) / (now_ns() - start);                      \
            for (int i = 0; i < 10; i++)                                                           \
                sink += (double)((float *)&a[i])[0];                                               \
            best = rate > best ? rate : best;                                                      \
        }                                                                                          \
        return best;                                                                               \
    }                                                                                              \
    __attribute__((target(target_name))) static double read_##variant(const float *p,              \
                                                                      size_t bytes)                \
    {                                                                                              \
        double best = 0;                                                                           \
        const size_t n = bytes / sizeof *p;                                                        \
        for (int round = 0; round < 20; round++) {                                                 \
            vector a[4] = {load(p), load(p), load(p), load(p)};                                    \
            const double start = now_ns();                                                         \
            for (int again = 0; again < 4; again++)                                                \
                for (size_t i = 0; i < n; i += 4 * (lanes))                                        \
                    _Pragma("GCC unroll 4") for (size_t k = 0; k < 4; k++) a[k] =                  \
                        (vector)((vector)a[k] + load(p + i + k * (lanes)));                        \
            const double rate = 4.0 * (double)bytes / (now_ns() - start);                          \
            for (int i = 0; i < 4; i++)                                                            \
                sink += (double)((float *)&a[i])[0];                                               \
            best = rate > best ? rate : best;                                                      \
        }                                                                                          \
        return best;                                                                               \
    }
LIMITS(avx512, "avx512f", __m512, _mm512_loadu_ps, _mm512_fmadd_ps, 16)
LIMITS(avx2, "avx2,fma", __m256, _mm256_loadu_ps, _mm256_fmadd_ps, 8)

struct limits {
    double gmac, gbs_256k, gbs_1600k, gbs_16m;
};

static struct limits limits_of(enum tb_nn_cpu cpu, const float *buffer)
{
    struct limits l = {0, 0, 0, 0};
    if (cpu == TB_NN_CPU_AVX512)
        l = (struct limits){peak_avx512(), read_avx512(buffer, 256 << 10),
                            read_avx512(buffer, 1600 << 10), read_avx512(buffer, 16 << 20)};
    else if (cpu == TB_NN_CPU_AVX2)
        l = (struct limits){peak_avx2(), read_avx2(buffer, 256 << 10),
                            read_avx2(buffer, 1600 << 10), read_avx2(buffer, 16 << 20)};
    return l;
}

struct bench {
    const char *name;
    const struct tb_nn_model *model;
    struct tb_nn_run *run;
    unsigned voices;
    enum tb_nn_dtype storage;
    struct limits limits;
    const char *touched;
};

static double frame_ns(const struct bench *b, uint32_t *seed)
{
    uint8_t slots[TB_NN_MAX_BATCH];
    float in[TB_NN_MAX_BATCH * 2];
    for (unsigned v = 0; v < b->voices; v++) {
        slots[v] = (uint8_t)v;
        in[2 * v] = 0.5f + 0.1f * net_noise(seed);
        in[2 * v + 1] = 0.7f + 0.1f * net_noise(seed);
    }
    const double start = now_ns();
    tb_nn_begin(b->run, slots, b->voices, in);
    (void)tb_nn_advance(b->run, UINT64_MAX);
    return now_ns() - start;
}

static void touch(const char *bytes)
{
    long sum = 0;
    for (size_t i = 0; i < TOUCH_BYTES; i += 64)
        sum += bytes[i];
    sink += (double)sum;
}

static void report(const struct bench *b, double *ns, int n, const char *mode)
{
    static bool started;
    static const char *const types[] = {"f32", "f16", "bf16", "int8"};
    qsort(ns, (size_t)n, sizeof *ns, ascending);
    const double median = ns[n / 2];
    const double macs = (double)tb_nn_model_macs(b->model) * b->voices;
    printf("%s    {\"model\": \"%s\", \"cpu\": \"%s\", \"weights\": \"%s\", \"mode\": \"%s\", "
           "\"voices\": %u, \"p50_ns\": %.0f, \"p99_ns\": %.0f, \"max_ns\": %.0f, "
           "\"voice_ns\": %.0f, \"gmacs\": %.2f, \"weight_gbs\": %.1f, \"of_fma_peak\": %.3f}",
           started ? ",\n" : "", b->name, tb_nn_cpu_name(tb_nn_model_cpu(b->model)),
           types[b->storage], mode, b->voices, median, ns[n * 99 / 100], ns[n - 1],
           median / b->voices, macs / median, (double)tb_nn_model_bytes(b->model) / median,
           b->limits.gmac > 0 ? macs / median / b->limits.gmac : 0.0);
    started = true;
}

static void measure(struct bench *b, bool paced)
{
    static double ns[HOT];
    uint32_t seed = 1;
    for (int i = -HOT_WARM; i < HOT; i++) {
        const double t = frame_ns(b, &seed);
        if (i >= 0)
            ns[i] = t;
    }
    report(b, ns, HOT, "hot");
    if (!paced)
        return;
    for (int i = 0; i < PACED; i++) {
        const struct timespec sleep = {0, 4000000};
        touch(b->touched);
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &sleep, NULL);
        ns[i] = frame_ns(b, &seed);
    }
    report(b, ns, PACED, "paced");
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
        for (b->voices = 1; b->voices <= 8; b->voices += 7)
            measure(b, paced && b->voices == 1);
        tb_nn_run_free(b->run);
        tb_nn_bank_free(bank);
        tb_nn_model_free(m);
    }
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
    char *touched = aligned_alloc(64, 16 << 20);
    if (!touched)
        return 1;
    memset(touched, 1, 16 << 20);
    struct bench b = {.touched = touched};
    bool best = true;
    printf("{\"bench\": \"nn\", \"results\": [\n");
    struct limits all[TB_NN_N_CPUS];
    for (enum tb_nn_cpu cpu = TB_NN_N_CPUS; cpu-- > 0;) {
        if (!tb_nn_cpu_has(cpu))
            continue;
        b.limits = all[cpu] = limits_of(cpu, (const float *)(void *)touched);
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
        if (tb_nn_cpu_has(cpu) && all[cpu].gmac > 0) {
            printf("%s    {\"cpu\": \"%s\", \"fma_gmacs\": %.1f, \"read_256k_gbs\": %.0f, "
                   "\"read_1600k_gbs\": %.0f, \"read_16m_gbs\": %.0f}",
                   comma, tb_nn_cpu_name(cpu), all[cpu].gmac, all[cpu].gbs_256k, all[cpu].gbs_1600k,
                   all[cpu].gbs_16m);
            comma = ",\n";
        }
    printf("\n  ], \"sink\": %d}\n", sink > 1e300);
    free(touched);
    return 0;
}
