/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Cost of the FM voice, as JSON. "voice": envelopes, LFO and all six operators of 32 voices, slice
 * by slice, for each kind of processor in turn (interleaved, so that a busy host hits all alike).
 * "block": whole blocks of the engine, 32 voices, 48 kHz, 64 frames; hot, and after other work has
 * taken the cache; then blocks in which much is asked for at once. */
#include "dsp/engine.h"
#include "dsp/fm_group.h"
#include "dsp/fm_voice.h"
#include "dsp/lfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 400, SLICES = 64, GROUPS = 2, BLOCK = 64, BLOCKS = 20000, ALGORITHM = 4 };

#define RATE_HZ 48000.0F
#define DEADLINE_NS (1e9 * BLOCK / (double)RATE_HZ)

static double now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts. */
static double percentile(double *x, size_t n, double p)
{
    qsort(x, n, sizeof *x, compare);
    size_t i = (size_t)(p / 100.0 * (double)(n - 1) + 0.5);
    return x[i];
}

/* Core clock: a chain of additions takes one cycle each. */
static double core_ghz(void)
{
    double best = 0.0;
    for (int run = 0; run < 20; run++) {
        double t = now_ns();
        unsigned long x = 1;
        for (int i = 0; i < 500000; i++) {
            x += 3;
            __asm__ volatile("" : "+r"(x)); /* not to be folded */
        }
        t = now_ns() - t;
        best = 500000.0 / t > best ? 500000.0 / t : best;
    }
    return best;
}

/* Six operators at audible, moving levels; LFO on pitch and amplitude. */
static void busy_patch(float values[TB_N_PARAMS])
{
    tb_params_default(values);
    values[TB_P_FM_ALGORITHM] = ALGORITHM + 1;
    values[TB_P_FM_FEEDBACK] = 6.0F;
    values[TB_P_LFO_SPEED] = 60.0F;
    values[TB_P_LFO_PMD] = values[TB_P_LFO_AMD] = 30.0F;
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        float *v = values + (size_t)op * TB_FM_OP_STRIDE;
        v[TB_P_FM_OP1_LEVEL] = 85.0F;
        v[TB_P_FM_OP1_AMS] = 2.0F;
        v[TB_P_FM_OP1_COARSE] = (float)(op + 1);
        v[TB_P_FM_OP1_R2] = 10.0F; /* moves for a minute */
        v[TB_P_FM_OP1_L2] = 60.0F;
    }
}

struct bank {
    struct tb_fm_group group[GROUPS];
    float sum[TB_SLICE * TB_LANES];
    float out[TB_SLICE];
    struct tb_program program;
    struct tb_lfo lfo;
    struct tb_mod_state mods;
};

static void bank_start(struct bank *b)
{
    memset(b, 0, sizeof *b);
    busy_patch(b->program.values);
    b->program.rate_hz = RATE_HZ;
    tb_program_derive(&b->program);
    tb_lfo_reset(&b->lfo, 1);
    for (unsigned v = 0; v < GROUPS * TB_LANES; v++) {
        struct tb_fm_group *g = &b->group[v / TB_LANES];
        struct tb_fm_note note = {.note = (uint8_t)(36 + v), .velocity = 100};
        tb_fm_lane_clear(g, v % TB_LANES);
        tb_fm_lane_start(g, v % TB_LANES, &b->program, &note);
        g->octaves[v % TB_LANES] = tb_fm_note_octaves((float)note.note);
        g->gain_target[v % TB_LANES] = 0.1F;
        g->used |= 1U << v % TB_LANES;
    }
}

static void bank_slice(struct bank *b, const struct tb_fm_kernels *k)
{
    const struct tb_program *p = &b->program;
    const struct tb_algorithm *a = &tb_algorithms[ALGORITHM];
    tb_lfo_advance(&b->lfo, p, (float)TB_SLICE / RATE_HZ);
    struct tb_fm_slice s = {.pitch = tb_lfo_pitch(&b->lfo, p, &b->mods),
                            .turns_per_hz = 4294967296.0F / RATE_HZ,
                            .inc_max = 2.1e9F,
                            .carrier_att = 416.0F,
                            .carriers = a->carriers,
                            .feedback = 0.125F,
                            .trim_decay = 0.7F,
                            .left = TB_SLICE};
    float amp = tb_lfo_amp(&b->lfo, p, &b->mods);
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        s.amp_mod[op] = amp * 4.0F;
        s.on[op] = 1.0F;
        s.ratio_mode[op] = UINT32_MAX;
    }
    memset(b->sum, 0, sizeof(float) * TB_SLICE * k->width);
    for (unsigned i = 0; i < GROUPS; i++) {
        k->aim(&b->group[i], &s, p);
        k->render[ALGORITHM](&b->group[i], b->sum, TB_SLICE);
    }
    k->fold(b->sum, b->out, TB_SLICE);
}

static double bank_ns(const struct tb_fm_kernels *k)
{
    static struct bank bank;
    bank_start(&bank);
    for (int i = 0; i < 16; i++)
        bank_slice(&bank, k);
    double t = now_ns();
    for (int i = 0; i < SLICES; i++)
        bank_slice(&bank, k);
    return (now_ns() - t) / ((double)SLICES * TB_SLICE * GROUPS * TB_LANES);
}

static struct tb_engine *engine_of(enum tb_cpu cpu)
{
    struct tb_engine_config config = {RATE_HZ, BLOCK, cpu, 1};
    return tb_engine_new(&config, NULL);
}

static bool supported(enum tb_cpu cpu)
{
    struct tb_engine *e = engine_of(cpu);
    tb_engine_free(e);
    return e != NULL;
}

static void voice_figures(double ghz)
{
    static const struct {
        enum tb_cpu cpu;
        const struct tb_fm_kernels *kernels;
    } variants[] = {
        {TB_CPU_PORTABLE, &tb_fm_kernels_portable},
#ifdef __x86_64__
        {TB_CPU_AVX2, &tb_fm_kernels_avx2},
        {TB_CPU_AVX512, &tb_fm_kernels_avx512},
#endif
    };
    enum { N = sizeof variants / sizeof variants[0] };
    static double ns[N][RUNS];
    bool has[N];
    for (size_t i = 0; i < N; i++)
        has[i] = supported(variants[i].cpu);
    for (int run = 0; run < RUNS; run++)
        for (size_t i = 0; i < N; i++)
            if (has[i])
                ns[i][run] = bank_ns(variants[i].kernels);
    printf("  \"voice\": [\n");
    for (size_t i = 0, n = 0; i < N; i++) {
        if (!has[i])
            continue;
        double p50 = percentile(ns[i], RUNS, 50);
        printf("%s    {\"cpu\": \"%s\", \"ns_per_voice_sample\": {\"p5\": %.3f, \"p50\": %.3f, "
               "\"p95\": %.3f}, \"cycles_per_voice_sample\": %.2f, \"voices_per_core\": %.0f}",
               n++ ? ",\n" : "", tb_cpu_name(variants[i].cpu), percentile(ns[i], RUNS, 5), p50,
               percentile(ns[i], RUNS, 95), p50 * ghz, 1e9 / (double)RATE_HZ / p50);
    }
    printf("\n  ],\n");
}

enum scene { HOT, COLD, NOTES, PATCH, SWEEP, N_SCENES };
static const char *const scene_names[N_SCENES] = {"hot", "cold_cache", "32_note_ons",
                                                  "patch_change", "parameter_sweep"};

static void key(struct tb_engine *e, int type, int n)
{
    struct tb_event event = {
        .type = (uint8_t)type, .key = (uint8_t)(36 + n), .source = 1, .value = 100};
    tb_engine_handle(e, &event);
}

/* What happens before the measured block. */
static void prepare(struct tb_engine *e, enum scene scene, int i)
{
    static volatile char other[8 << 20];
    if (scene == COLD)
        for (size_t k = 0; k < sizeof other; k += 64)
            other[k] = (char)(other[k] + 1);
    if (scene == NOTES)
        for (int n = 0; n < 32; n++)
            key(e, TB_EVENT_NOTE_ON, (n + i) % 48);
    if (scene != SWEEP)
        return;
    for (unsigned id = 0; id < TB_N_PARAMS; id++) {
        const struct tb_param_info *info = &tb_params[id];
        if (info->owner != TB_OWNER_PATCH)
            continue;
        float x = (float)tb_param_denormalise((enum tb_param)id, (i % 8) / 7.0);
        struct tb_event event = {.type = TB_EVENT_PARAM, .id = (uint16_t)id, .value = x};
        tb_engine_handle(e, &event);
    }
}

static void scene_figures(enum scene scene)
{
    static double us[BLOCKS];
    float left[BLOCK], right[BLOCK], values[TB_N_PARAMS];
    struct tb_engine *e = engine_of(TB_CPU_BEST);
    busy_patch(values);
    struct tb_program *p = tb_program_new(e, values, NULL);
    if (!e || !p || !tb_engine_swap(e, p))
        exit(1);
    for (int n = 0; n < 32; n++)
        key(e, TB_EVENT_NOTE_ON, n);
    for (int i = 0; i < 200; i++)
        tb_engine_render(e, left, right, BLOCK);
    tb_program_free(tb_engine_retired(e));
    int blocks = scene == HOT ? BLOCKS : BLOCKS / 10;
    for (int i = 0; i < blocks; i++) {
        struct tb_program *next = scene == PATCH ? tb_program_new(e, values, NULL) : NULL;
        double t = now_ns();
        prepare(e, scene, i);
        if (scene == COLD)
            t = now_ns();
        if (next && !tb_engine_swap(e, next))
            exit(1);
        tb_engine_render(e, left, right, BLOCK);
        us[i] = (now_ns() - t) / 1000.0;
        for (int rest = 0; scene > COLD && rest < 40; rest++) /* the scene's fades end */
            tb_engine_render(e, left, right, BLOCK);
        tb_program_free(tb_engine_retired(e));
    }
    size_t n = (size_t)blocks;
    double p99 = percentile(us, n, 99);
    printf("    {\"scene\": \"%s\", \"cpu\": \"%s\", \"us\": {\"p50\": %.2f, \"p99\": %.2f, "
           "\"p99.9\": %.2f, \"max\": %.2f}, \"deadline_share_p50\": %.5f, "
           "\"deadline_share_p99\": %.5f}%s\n",
           scene_names[scene], tb_cpu_name(tb_engine_cpu(e)), percentile(us, n, 50), p99,
           percentile(us, n, 99.9), percentile(us, n, 100),
           percentile(us, n, 50) * 1000.0 / DEADLINE_NS, p99 * 1000.0 / DEADLINE_NS,
           scene == N_SCENES - 1 ? "" : ",");
    tb_engine_free(e);
}

int main(void)
{
    double ghz = core_ghz();
    printf("{\n  \"voices\": 32, \"rate_hz\": 48000, \"block\": %d, \"core_ghz\": %.2f,\n", BLOCK,
           ghz);
    voice_figures(ghz);
    printf("  \"block_times\": [\n");
    for (int scene = 0; scene < N_SCENES; scene++)
        scene_figures((enum scene)scene);
    printf("  ]\n}\n");
    return 0;
}
