/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/analysis.h"
#include "dsp/hpn.h"
#include "dsp/noise.h"
#include "dsp/reverb_learned.h"
#include "dsp/wavetable.h"
#include "tests/golden/nn_reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Cost of the neural synthesisers' blocks, for every processor variant. One JSON document; medians
 * of batches and the fastest batch, which a busy host disturbs least. */

enum { BATCHES = 41, PER_BATCH = 200, BLOCK = 64, PERIOD = 64, PERIODS = 301 };

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

struct voice {
    struct tb_hpn hpn;
    struct tb_noise noise;
    struct tb_wavetable wavetable;
    struct tb_analysis *analysis;
    float f0[192], weight[192], out[192];
    float levels[TB_SYNTH_MAX_HARMONICS + 16], magnitudes[80];
};

static void run_bank(struct voice *v)
{
    tb_hpn_render(&v->hpn, v->f0, v->weight, v->out, 192);
}

static void run_noise(struct voice *v)
{
    tb_noise_frame(&v->noise, v->magnitudes, 64);
    tb_noise_render(&v->noise, v->out, 64);
}

static void run_noise_48k(struct voice *v)
{
    tb_noise_frame(&v->noise, v->magnitudes, 192);
    tb_noise_render(&v->noise, v->out, 192);
}

static void run_wavetable(struct voice *v)
{
    tb_wavetable_frame(&v->wavetable, v->levels, v->f0[0]);
    tb_wavetable_render(&v->wavetable, v->f0, v->weight, v->out, 192);
}

static void run_analysis(struct voice *v)
{
    struct tb_analysis_frame frames[2];
    float in[192];
    for (int i = 0; i < 192; i++)
        in[i] = (float)(i % 64) / 64; /* 750 Hz at 48 kHz */
    (void)tb_analysis_process(v->analysis, in, 192, frames, 2);
}

static void run_levels(struct voice *v)
{
    static const struct tb_level_curve curve = {2.0f, 2.30258509f, 1e-7f, 0.0f};
    float amp[TB_SYNTH_MAX_HARMONICS];
    tb_hpn_levels(&v->hpn, &curve, v->levels, v->f0[0], NULL, amp);
    tb_hpn_frame(&v->hpn, amp);
}

/* Prints the median and the fastest batch, divided by units. */
static void report(const char *name, struct voice *v, void (*run)(struct voice *v), double units)
{
    double ns[BATCHES];
    for (int b = 0; b < BATCHES; b++) {
        const double start = now_ns();
        for (int i = 0; i < PER_BATCH; i++)
            run(v);
        ns[b] = (now_ns() - start) / PER_BATCH;
        memset(v->out, 0, sizeof v->out);
    }
    qsort(ns, BATCHES, sizeof *ns, ascending);
    printf(", \"%s_ns\": [%.4g, %.4g]", name, ns[BATCHES / 2] / units, ns[0] / units);
}

/* The work repeats every 4096 samples, so the median of each of the 64 blocks of that period is its
 * cost without what the host steals; their mean and largest are the reverb's. */
static void bench_reverb(enum tb_nn_cpu cpu)
{
    static float impulse[48000], in[BLOCK], out[BLOCK];
    static double ns[PERIOD][PERIODS];
    uint32_t seed = 1;
    for (int i = 0; i < 48000; i++)
        impulse[i] = 0.01f * net_noise(&seed);
    struct tb_learned_reverb *r = tb_learned_reverb_new(impulse, 48000, 48000, 48000, cpu);
    if (!r)
        exit(1);
    double sum = 0, worst = 0;
    for (int b = -20 * PERIOD; b < PERIOD * PERIODS; b++) {
        for (int i = 0; i < BLOCK; i++)
            in[i] = net_noise(&seed);
        const double start = now_ns();
        tb_learned_reverb_process(r, in, out, BLOCK);
        if (b >= 0)
            ns[b % PERIOD][b / PERIOD] = now_ns() - start;
    }
    for (int p = 0; p < PERIOD; p++) {
        qsort(ns[p], PERIODS, sizeof **ns, ascending);
        sum += ns[p][PERIODS / 2];
        worst = ns[p][PERIODS / 2] > worst ? ns[p][PERIODS / 2] : worst;
    }
    printf(", \"reverb_1s_mean_ns\": %.0f, \"reverb_1s_worst_ns\": %.0f", sum / PERIOD, worst);
    tb_learned_reverb_free(r);
}

static void bench_cpu(enum tb_nn_cpu cpu)
{
    static struct voice v;
    static float tables[20][512];
    const struct tb_synth_kernels *kernels = tb_synth_kernels(cpu);
    uint32_t seed = 3;
    for (int i = 0; i < 192; i++) {
        v.f0[i] = 110.0f / 48000;
        v.weight[i] = (float)i / 192;
    }
    for (int k = 0; k < TB_SYNTH_MAX_HARMONICS; k++)
        v.levels[k] = 0.01f * net_noise(&seed);
    for (int k = 0; k < 65; k++)
        v.magnitudes[k] = 0.01f;
    for (int k = 0; k < 20; k++)
        for (int i = 0; i < 512; i++)
            tables[k][i] = net_noise(&seed);
    struct tb_wavetables *shape = tb_wavetables_new(kernels, tables[0], 20, 512);
    struct tb_noise_shape *at_16k = tb_noise_shape_new(kernels, 65, 16000, 16000);
    struct tb_noise_shape *at_48k = tb_noise_shape_new(kernels, 65, 16000, 48000);
    tb_hpn_init(&v.hpn, kernels, 100, 0.5f);
    tb_hpn_frame(&v.hpn, v.levels);
    v.analysis = tb_analysis_new(&(struct tb_analysis_config){.rate_hz = 48000,
                                                              .gate_db = -60,
                                                              .n_fft = 2048,
                                                              .reference_db = 20.7f,
                                                              .floor_db = -80},
                                 NULL);
    if (!v.analysis || !shape || !at_16k || !at_48k ||
        !tb_wavetable_init(&v.wavetable, shape, 0.5f) || !tb_noise_init(&v.noise, at_16k, 1))
        exit(1);
    printf("    {\"cpu\": \"%s\"", tb_nn_cpu_name(cpu));
    report("harmonic_sample", &v, run_bank, 19200);
    report("levels_100", &v, run_levels, 1);
    report("noise_65_bands_64_samples", &v, run_noise, 1);
    tb_noise_clear(&v.noise);
    if (!tb_noise_init(&v.noise, at_48k, 1))
        exit(1);
    report("noise_65_bands_192_samples_48k", &v, run_noise_48k, 1);
    report("wavetable_20_tables_192_samples", &v, run_wavetable, 1);
    report("pitch_and_loudness_frame", &v, run_analysis, 1);
    bench_reverb(cpu);
    printf("}");
    tb_noise_clear(&v.noise);
    tb_wavetable_clear(&v.wavetable);
    tb_wavetables_free(shape);
    tb_analysis_free(v.analysis);
    tb_noise_shape_free(at_16k);
    tb_noise_shape_free(at_48k);
}

int main(void)
{
    const char *comma = "";
    printf("{\"bench\": \"synth\", \"results\": [\n");
    for (enum tb_nn_cpu cpu = 0; cpu < TB_NN_N_CPUS; cpu++)
        if (tb_nn_cpu_has(cpu)) {
            printf("%s", comma);
            comma = ",\n";
            bench_cpu(cpu);
        }
    printf("\n  ]}\n");
    return 0;
}
