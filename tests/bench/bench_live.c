/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/analysis.h"
#include "tests/bench/neural_sizes.h"
#include "tests/golden/neural_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* What players meet besides notes, at 48 kHz in blocks of 64: timbre transfer (from sound in to
 * changed sound out, and its cost), the tracker alone, models that are switched under a chord, and
 * a machine that is too slow on purpose. One JSON document, a line as soon as it is known. */

enum { BLOCK = 64, MOST = 4096 };
static const float RATE_HZ = 48000;
static const double BLOCK_US = 1e6 * BLOCK / 48000, BLOCK_MS = 1e3 * BLOCK / 48000;

/* An engine and what came out of its last block. */
struct stage {
    struct tb_engine *engine;
    struct tb_frame frame;
    float left[BLOCK], right[BLOCK];
    float before;   /* last sample of the block before */
    float steepest; /* from sample to sample, since it was set to 0 */
    float loudest;  /* likewise */
    double us;      /* that the last block took */
};

static void send(struct stage *s, enum tb_event_type type, int key, float value)
{
    tb_engine_handle(s->engine, &(struct tb_event){.type = (uint8_t)type,
                                                   .key = (uint8_t)key,
                                                   .source = TB_SOURCE_REST,
                                                   .value = value});
}

static void set(struct stage *s, enum tb_param id, float value)
{
    tb_engine_handle(
        s->engine, &(struct tb_event){.type = TB_EVENT_PARAM, .id = (uint16_t)id, .value = value});
}

/* Of this thread on a processor: what others take of it while it waits does not count. */
static double own_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1000;
}

static void block(struct stage *s)
{
    const double start = own_us();
    tb_engine_render(s->engine, s->left, s->right, BLOCK);
    s->us = own_us() - start;
    tb_engine_telemetry(s->engine, &s->frame);
    tb_program_free(tb_engine_retired(s->engine));
    for (int i = 0; i < BLOCK; i++) {
        s->steepest = fmaxf(s->steepest, fabsf(s->left[i] - s->before));
        s->loudest = fmaxf(s->loudest, fabsf(s->left[i]));
        s->before = s->left[i];
    }
}

static void blocks(struct stage *s, int n)
{
    for (int i = 0; i < n; i++)
        block(s);
}

static void take(struct stage *s, const float *values, struct tb_neural *neural)
{
    struct tb_error err = {0};
    float defaults[TB_N_PARAMS];
    tb_params_default(defaults);
    struct tb_program *p =
        tb_program_new_neural(s->engine, values ? values : defaults, neural, NULL, &err);
    if (!p || !tb_engine_swap(s->engine, p)) {
        fprintf(stderr, "bench-live: %s\n", err.text);
        exit(1);
    }
}

static void open_stage(struct stage *s, const float *values, struct tb_neural *neural)
{
    struct tb_error err = {0};
    *s = (struct stage){0};
    s->engine = tb_engine_new(&(struct tb_engine_config){RATE_HZ, BLOCK, TB_CPU_BEST, 1}, &err);
    if (!s->engine) {
        fprintf(stderr, "bench-live: %s\n", err.text);
        exit(1);
    }
    take(s, values, neural);
    set(s, TB_P_ENGINE_VOICES, TB_MAX_VOICES);
    blocks(s, 400); /* the voice of the start fades, gains settle */
}

/* ---- timbre transfer */

struct singer {
    double phase;
    float level;
};

/* A block of a tone with harmonics, from sample on into it. */
static void sing(struct stage *s, struct singer *from, double hz, int on)
{
    float in[BLOCK] = {0};
    for (int i = on; i < BLOCK; i++) {
        from->phase = fmod(from->phase + hz / (double)RATE_HZ, 1);
        const float p = (float)(2 * M_PI * from->phase);
        in[i] = 0.25F * (sinf(p) + 0.5F * sinf(2 * p) + 0.3F * sinf(3 * p));
    }
    tb_engine_input(s->engine, in, BLOCK);
    block(s);
}

static void hush(struct stage *s, int n)
{
    static const float silence[BLOCK];
    for (int i = 0; i < n; i++) {
        tb_engine_input(s->engine, silence, BLOCK);
        block(s);
    }
}

/* ms from the first sample in until one is heard. */
static double onset_ms(struct stage *s, double hz, int on)
{
    struct singer from = {0};
    hush(s, 700);
    for (int b = 0; b < 200; b++) {
        sing(s, &from, hz, b == 0 ? on : 0);
        for (int i = 0; i < BLOCK; i++)
            if (fabsf(s->left[i]) > 1e-3F)
                return 1e3 * (b * BLOCK + i - on) / (double)RATE_HZ;
    }
    return 1e3;
}

/* ms from another pitch in until what is heard has left the old one by a semitone, or half of a
 * smaller step, towards it. */
static double leap_ms(struct stage *s, double hz, int semitones)
{
    struct singer from = {0};
    const double enough = fmin(1, 0.5 * abs(semitones));
    hush(s, 700);
    for (int b = 0; b < 150; b++)
        sing(s, &from, hz, 0);
    for (int b = 1; b <= 200; b++) {
        sing(s, &from, hz * exp2(semitones / 12.0), 0);
        const double moved = 12 * log2((double)s->frame.f0_hz / hz);
        if (semitones > 0 ? moved > enough : moved < -enough)
            return b * BLOCK_MS;
    }
    return 1e3;
}

/* Notes above 110 Hz on both sides, at three phases of the frames. */
static void bench_leaps(struct stage *s)
{
    static const struct {
        const char *name;
        int semitones;
    } leaps[] = {{"leap_fifth_up_ms", 7},    {"leap_fifth_down_ms", -7},
                 {"leap_octave_up_ms", 12},  {"leap_octave_down_ms", -12},
                 {"leap_semitone_up_ms", 1}, {"leap_semitone_down_ms", -1}};
    enum { TONES = 7, PHASES = 3, LEAPS = sizeof leaps / sizeof leaps[0] };
    double worst = 0;
    for (unsigned k = 0; k < LEAPS; k++) {
        double ms[TONES * PHASES];
        unsigned n = 0;
        for (unsigned t = 0; t < TONES; t++)
            for (unsigned phase = 0; phase < PHASES; phase++) {
                const double low = 116.5 * exp2(t / 2.0);
                hush(s, (int)phase);
                ms[n] = leap_ms(
                    s, leaps[k].semitones > 0 ? low : low * exp2(-leaps[k].semitones / 12.0),
                    leaps[k].semitones);
                worst = fmax(worst, ms[n++]);
            }
        print_spread(leaps[k].name, ms, n);
        printf(", ");
    }
    printf("\"worst_leap_ms\": %.2f},\n", worst);
}

static double bench_transfer(void)
{
    static const double tones[] = {82.4, 116.5, 164.8, 233.1, 329.6, 466.2, 659.3, 932.3, 1318.5};
    enum { TONES = sizeof tones / sizeof tones[0], TRIES = 4 };
    static struct neural_model m;
    double onset[TONES * TRIES], worst = 0;
    float values[TB_N_PARAMS];
    struct stage s;
    tb_params_default(values);
    values[TB_P_TRANSFER_SOURCE] = 1;
    values[TB_P_TRANSFER_FIT] = 0;
    values[TB_P_NOTE_ATTACK] = (float)tb_params[TB_P_NOTE_ATTACK].min;
    neural_model_plain(&m, TB_MODEL_HPN, 0);
    open_stage(&s, values, neural_model_instrument(&m, RATE_HZ, TB_CPU_BEST));
    unsigned n = 0;
    for (unsigned t = 0; t < TONES; t++)
        for (int k = 0; k < TRIES; k++) {
            const double ms = onset_ms(&s, tones[t], k * 13);
            if (tones[t] > 110)
                onset[n++] = ms;
            worst = tones[t] > 110 ? fmax(worst, ms) : worst;
        }
    printf("  \"transfer\": {");
    print_spread("onset_ms", onset, n);
    printf(", \"worst_onset_ms\": %.2f,\n    ", worst);
    bench_leaps(&s);
    (void)fflush(stdout);
    tb_engine_free(s.engine);
    neural_model_free(&m);
    return worst;
}

/* Blocks while a whole instrument follows the input, and its tracker alone. */
static void bench_cost(void)
{
    static double us[MOST];
    struct singer from = {0};
    float values[TB_N_PARAMS];
    struct stage s;
    tb_params_default(values);
    values[TB_P_TRANSFER_SOURCE] = 1;
    open_stage(&s, values, neural_size_instrument(&neural_sizes[5], RATE_HZ));
    for (int b = 0; b < 200 + 2000; b++) {
        sing(&s, &from, 330, 0);
        if (b >= 200)
            us[b - 200] = s.us;
    }
    printf("  \"transfer_cost\": {\"model\": \"%s\", ", neural_sizes[5].name);
    print_spread("block_us", us, 2000);
    printf(", \"voices\": %u, \"core_share_p99\": %.4f},\n", s.frame.voices,
           us[2000 * 99 / 100] / BLOCK_US);
    tb_engine_free(s.engine);
    struct tb_analysis *analysis =
        tb_analysis_new(&(struct tb_analysis_config){.rate_hz = RATE_HZ,
                                                     .gate_db = -60,
                                                     .n_fft = 2048,
                                                     .reference_db = 20.7F,
                                                     .floor_db = -80},
                        NULL);
    for (int b = 0; analysis && b < 3000; b++) {
        float in[192];
        struct tb_analysis_frame frames[2];
        for (int i = 0; i < 192; i++) {
            const float p = 2 * (float)M_PI * 330 / RATE_HZ * (float)(b * 192 + i);
            in[i] = 0.3F * sinf(p) + 0.2F * sinf(2 * p);
        }
        const double start = own_us();
        (void)tb_analysis_process(analysis, in, 192, frames, 2);
        us[b] = own_us() - start;
    }
    printf("  \"tracker\": {\"sound_ms\": 4, ");
    print_spread("us", us, 3000);
    printf(", \"core_share\": %.4f},\n", us[1500] / 4000);
    (void)fflush(stdout);
    tb_analysis_free(analysis);
}

/* ---- models switched under a chord */

/* Largest step beyond what the two have themselves, over all pairs of families: plain tones. */
static double switch_steps(unsigned *n)
{
    static const enum tb_model_family families[] = {TB_MODEL_HPN, TB_MODEL_WAVETABLE, TB_MODEL_DDX7,
                                                    TB_MODEL_FM_ENVELOPE};
    static struct neural_model m[4];
    double excess = 0;
    for (int i = 0; i < 4; i++)
        neural_model_plain(&m[i], families[i], 0);
    for (int pair = 0; pair < 16; pair++) {
        struct stage s;
        open_stage(&s, NULL, neural_model_instrument(&m[pair / 4], RATE_HZ, TB_CPU_BEST));
        for (int key = 48; key < 64; key += 4)
            send(&s, TB_EVENT_NOTE_ON, key, 100);
        blocks(&s, 400);
        s.steepest = 0;
        blocks(&s, 200);
        const float own = s.steepest;
        take(&s, NULL, neural_model_instrument(&m[pair % 4], RATE_HZ, TB_CPU_BEST));
        s.steepest = 0;
        blocks(&s, 200);
        const float during = s.steepest;
        for (int key = 48; key < 64; key += 4)
            send(&s, TB_EVENT_NOTE_ON, key, 100);
        blocks(&s, 400);
        s.steepest = 0;
        blocks(&s, 200);
        excess = fmax(excess, (double)(during - fmaxf(own, s.steepest)));
        ++*n;
        tb_engine_free(s.engine);
    }
    for (int i = 0; i < 4; i++)
        neural_model_free(&m[i]);
    return excess;
}

/* And what its blocks cost, with the published sizes. */
static void bench_switch(void)
{
    enum { ROUNDS = 3, FADE = 60 };
    static double us[N_NEURAL_SIZES * ROUNDS * FADE];
    struct stage s;
    unsigned n = 0, late = 0, n_pairs = 0;
    const double excess = switch_steps(&n_pairs);
    open_stage(&s, NULL, neural_size_instrument(&neural_sizes[0], RATE_HZ));
    for (unsigned k = 1; k <= N_NEURAL_SIZES * ROUNDS; k++) {
        for (int key = 48; key < 64; key += 4)
            send(&s, TB_EVENT_NOTE_ON, key, 100);
        blocks(&s, 100);
        take(&s, NULL, neural_size_instrument(&neural_sizes[k * 3 % N_NEURAL_SIZES], RATE_HZ));
        for (int b = 0; b < FADE; b++) {
            block(&s);
            us[n++] = s.us;
            late += s.us > BLOCK_US;
        }
    }
    printf("  \"switch\": {\"pairs\": %u, \"step_excess\": %.4f, \"late_blocks\": %u, ", n_pairs,
           excess, late);
    print_spread("block_us", us, n);
    printf("},\n");
    (void)fflush(stdout);
    tb_engine_free(s.engine);
}

/* ---- overload */

/* 64 voices of the largest model on a machine that is three times too slow for them: what a block
 * takes is told to the engine as if the deadline were a third of what all of them need. */
static void bench_overload(void)
{
    enum { WARM = 300, BLOCKS = 900 };
    static double us[MOST];
    struct stage s;
    open_stage(&s, NULL, neural_size_instrument(&neural_sizes[0], RATE_HZ));
    set(&s, TB_P_MASTER_GAIN, -40); /* far below the limiter, which would rise as voices go */
    for (int v = 0; v < TB_MAX_VOICES; v++)
        send(&s, TB_EVENT_NOTE_ON, 30 + v, 90);
    blocks(&s, WARM);
    double all = 0;
    for (int b = 0; b < WARM; b++) {
        block(&s);
        all += s.us / WARM;
    }
    const double deadline = all / 3;
    s.steepest = s.loudest = 0;
    blocks(&s, 2 * WARM);
    const float own = s.steepest, peak = s.loudest;
    s.steepest = 0;
    unsigned until = 0, n = 0, late_after = 0;
    for (unsigned b = 0; b < BLOCKS; b++) {
        block(&s);
        if (s.us > deadline && b < BLOCKS / 3)
            until = b + 1;
        if (b >= BLOCKS / 3) {
            us[n++] = s.us / deadline;
            late_after += s.us > deadline;
        }
        tb_engine_load(s.engine, (float)(s.us / deadline));
    }
    const unsigned held = s.frame.voices, shed = s.frame.shed;
    const float steepest = s.steepest;
    send(&s, TB_EVENT_ALL_NOTES_OFF, 0, 0);
    blocks(&s, 2000);
    for (int v = 0; v < 4; v++)
        send(&s, TB_EVENT_NOTE_ON, 60 + v, 90);
    blocks(&s, 50);
    printf("  \"overload\": {\"voices_asked\": %d, \"voices_held\": %u, \"shed\": %u, "
           "\"late_until_ms\": %.1f, \"late_afterwards\": %u, ",
           TB_MAX_VOICES, held, shed, until * BLOCK_MS, late_after);
    print_spread("load_afterwards", us, n);
    printf(", \"step_excess\": %.4f, \"voices_after_rest\": %u}\n",
           fmax(0, (double)((steepest - own) / peak)), s.frame.voices);
    tb_engine_free(s.engine);
}

int main(void)
{
    printf("{\"bench\": \"live\", \"rate_hz\": 48000, \"block\": %d, \"deadline_us\": %.1f,\n",
           BLOCK, BLOCK_US);
    bench_transfer();
    bench_cost();
    bench_switch();
    bench_overload();
    printf("}\n");
    return 0;
}
