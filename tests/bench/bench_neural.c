/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/clock.h"
#include "dsp/cpu.h"
#include "dsp/neural.h"
#include "tests/golden/nn_reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Whole neural voices in the engine: decoder, synthesis at 48 kHz and a second of learned reverb,
 * in blocks of 64. For each of the published sizes: the cost of its decoder hot and paced (4 ms of
 * sleep between), of a voice of many, the spread of a block's time, and how many voices keep the
 * deadline at p99. One JSON document. usage: bench-neural [SECONDS] */

enum { BLOCK = 64, MOST_BLOCKS = 8192, IMPULSE = 16000, TABLES = 20, TABLE = 512 };
static const float RATE_HZ = 48000;
static const double BLOCK_US = 1e6 * BLOCK / 48000;

struct size {
    const char *name;
    enum tb_family family;
    unsigned width, layers; /* layers: of the MLPs, or blocks */
};
static const struct size sizes[] = {
    {"hpn_full", TB_FAMILY_HPN, 512, 3},
    {"hpn_reduced", TB_FAMILY_HPN, 16, 3},
    {"wavetable_full", TB_FAMILY_WAVETABLE, 512, 3},
    {"wavetable_reduced", TB_FAMILY_WAVETABLE, 16, 3},
    {"ddx7_full", TB_FAMILY_DDX7, 128, 5},
    {"ddx7_reduced", TB_FAMILY_DDX7, 64, 3},
    {"fm_envelope", TB_FAMILY_FM_ENVELOPE, 128, 0},
};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

static float impulse[IMPULSE], tables[TABLES * TABLE];
static double us[MOST_BLOCKS];

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void die(const char *text)
{
    fprintf(stderr, "bench-neural: %s\n", text);
    exit(1);
}

static struct tb_nn_spec network_of(const struct size *s)
{
    switch (s->family) {
    case TB_FAMILY_HPN:
        return net_gru(s->width, s->layers, 101, 65);
    case TB_FAMILY_WAVETABLE:
        return net_gru(s->width, s->layers, TABLES + 1, 65);
    case TB_FAMILY_DDX7:
        return net_tcn(s->width, s->layers);
    case TB_FAMILY_FM:
    case TB_FAMILY_FM_ENVELOPE:
    case TB_N_FAMILIES:
    default:
        return net_gru(s->width, s->layers, 6, 0);
    }
}

static struct tb_neural *instrument(const struct size *s)
{
    struct net net;
    struct tb_error err = {0};
    const struct tb_nn_spec shape = network_of(s);
    net_random(&net, &shape, 1);
    const struct tb_neural_spec spec = {
        .family = s->family,
        .network = &net.spec,
        .tensors = net.tensors,
        .model_rate_hz = 16000,
        .hop = 64,
        .floor_db = -80,
        .range_db = 80,
        .low_hz = 50,
        .high_hz = 2000,
        .low_db = -80,
        .n_harmonics = 100,
        .n_bands = 65,
        .n_tables = TABLES,
        .table_size = TABLE,
        .curve = {.scale = 2, .power = 2.302585093F, .floor = 1e-7F},
        .wavetables = s->family == TB_FAMILY_WAVETABLE ? tables : NULL,
        .n_operators = 6,
        .algorithm = 2,
        .ratios = {1, 1, 1, 1, 3, 14},
        .max_level = 1,
        .impulse = s->family == TB_FAMILY_FM_ENVELOPE ? NULL : impulse,
        .n_impulse = IMPULSE,
        .impulse_rate_hz = 16000,
    };
    struct tb_neural *n = tb_neural_new(&spec, RATE_HZ, TB_CPU_BEST, &err);
    if (!n)
        die(err.text);
    net_free(&net);
    return n;
}

/* Times of blocks while voices notes are held, sorted; returns their number. */
static size_t play(const struct size *s, unsigned voices, double seconds, bool paced)
{
    static float left[BLOCK], right[BLOCK];
    struct tb_error err = {0};
    float values[TB_N_PARAMS];
    tb_params_default(values);
    struct tb_engine *e =
        tb_engine_new(&(struct tb_engine_config){RATE_HZ, BLOCK, TB_CPU_BEST, 1}, &err);
    struct tb_program *p = e ? tb_program_new_neural(e, values, instrument(s), NULL, &err) : NULL;
    if (!p || !tb_engine_swap(e, p))
        die(err.text);
    tb_engine_handle(e, &(struct tb_event){.type = TB_EVENT_PARAM,
                                           .id = TB_P_ENGINE_VOICES,
                                           .value = TB_MAX_VOICES});
    for (unsigned v = 0; v < voices; v++)
        tb_engine_handle(
            e, &(struct tb_event){
                   .type = TB_EVENT_NOTE_ON, .key = (uint8_t)(30 + v), .source = 1, .value = 90});
    size_t n = (size_t)(seconds * (double)RATE_HZ / BLOCK);
    n = n < MOST_BLOCKS ? n : MOST_BLOCKS;
    for (size_t i = 0; i < n + 30; i++) {
        if (paced)
            tb_clock_sleep_ms(1);
        const uint64_t start = tb_clock_ns();
        tb_engine_render(e, left, right, BLOCK);
        if (i >= 30) /* note-ons apart */
            us[i - 30] = (double)(tb_clock_ns() - start) / 1000;
    }
    tb_engine_free(e);
    qsort(us, n, sizeof *us, ascending);
    return n;
}

static double mean(size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += us[i] / (double)n;
    return sum;
}

/* The most voices whose p99 is below the deadline. */
static unsigned most_voices(const struct size *s, double seconds)
{
    unsigned low = 0, high = TB_MAX_VOICES;
    while (low < high) {
        const unsigned middle = (low + high + 1) / 2;
        const size_t n = play(s, middle, seconds, false);
        if (us[n * 99 / 100] < BLOCK_US)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static void report(const struct size *s, double seconds, bool last)
{
    struct tb_neural *n = instrument(s);
    struct tb_neural_cost cost = {0};
    tb_neural_measure(n, &cost);
    tb_neural_free(n);
    printf("    {\"model\": \"%s\", \"decoder_us\": %.2f, \"decoder_of_8_us\": %.2f, ", s->name,
           cost.us_per_frame, cost.us_per_frame_of_8);
    size_t count = play(s, 1, seconds, false);
    const double one = mean(count);
    count = play(s, 8, seconds, false);
    printf("\"voices_8\": {\"block_us_p50\": %.1f, \"p99\": %.1f, \"max\": %.1f, "
           "\"voice_us_per_4ms\": %.2f}, ",
           us[count / 2], us[count * 99 / 100], us[count - 1], mean(count) / 8 * 4000 / BLOCK_US);
    count = play(s, 8, seconds / 4, true);
    printf("\"paced_8\": {\"block_us_p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}, ", us[count / 2],
           us[count * 99 / 100], us[count - 1]);
    count = play(s, 64, seconds, false);
    const double further = (mean(count) - one) / 63;
    printf("\"voices_64\": {\"block_us_p50\": %.1f, \"p99\": %.1f, \"max\": %.1f, "
           "\"voice_us_per_4ms\": %.2f, \"voices_a_core\": %.0f}, \"most_voices_p99\": %u}%s\n",
           us[count / 2], us[count * 99 / 100], us[count - 1], mean(count) / 64 * 4000 / BLOCK_US,
           1 + (BLOCK_US - one) / further, most_voices(s, seconds / 2), last ? "" : ",");
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    uint32_t seed = 1;
    for (int i = 0; i < IMPULSE; i++)
        impulse[i] = i ? 0.3F * net_noise(&seed) * expf(-(float)i / 4000) : 1;
    for (int table = 0; table < TABLES; table++)
        for (int i = 0; i < TABLE; i++)
            tables[table * TABLE + i] =
                sinf(2 * (float)M_PI * (float)(i * (table + 1)) / (TABLE - 1));
    printf("{\"bench\": \"neural\", \"cpu\": \"%s\", \"block\": %d, \"rate_hz\": %.0f, "
           "\"deadline_us\": %.1f, \"results\": [\n",
           tb_cpu_name(tb_cpu_resolve(TB_CPU_BEST)), BLOCK, (double)RATE_HZ, BLOCK_US);
    for (int i = 0; i < N_SIZES; i++)
        report(&sizes[i], seconds, i + 1 == N_SIZES);
    printf("]}\n");
    return 0;
}
