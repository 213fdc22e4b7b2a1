/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/clock.h"
#include "dsp/cpu.h"
#include "tests/bench/neural_sizes.h"

#include <stdio.h>
#include <stdlib.h>

/* Whole neural voices in the engine: decoder, synthesis at 48 kHz and a second of learned reverb,
 * in blocks of 64. For each of the published sizes: the cost of its decoder hot and paced (a block
 * and 1 ms of sleep), of a voice of many, the spread of a block's time, and how many voices keep
 * the deadline at p99. One JSON document, a line as soon as it is known. usage: bench-neural
 * [SECONDS], of each of the six measurements of a size; 0.3 without. ..._p50 are medians. */

enum { BLOCK = 64, MOST_BLOCKS = 8192, FRAME_BLOCKS = 3, FRAME_MOST = MOST_BLOCKS / FRAME_BLOCKS };
static const float RATE_HZ = 48000;
static const double BLOCK_US = 1e6 * BLOCK / 48000;

static double us[MOST_BLOCKS];
static double frame_us; /* three blocks, each the median of those at its place in a frame */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct tb_engine *open_engine(const struct neural_size *size)
{
    struct tb_error err = {0};
    float values[TB_N_PARAMS];
    tb_params_default(values);
    struct tb_engine *e =
        tb_engine_new(&(struct tb_engine_config){RATE_HZ, BLOCK, TB_CPU_BEST, 1}, &err);
    struct tb_neural *n = e ? neural_size_instrument(size, RATE_HZ) : NULL;
    struct tb_program *p = n ? tb_program_new_neural(e, values, n, NULL, &err) : NULL;
    if (!p || !tb_engine_swap(e, p)) {
        fprintf(stderr, "bench-neural: %s\n", err.text);
        exit(1);
    }
    tb_engine_handle(e, &(struct tb_event){.type = TB_EVENT_PARAM,
                                           .id = TB_P_ENGINE_VOICES,
                                           .value = TB_MAX_VOICES});
    return e;
}

static double block_us(struct tb_engine *e)
{
    static float left[BLOCK], right[BLOCK];
    const uint64_t start = tb_clock_ns();
    tb_engine_render(e, left, right, BLOCK);
    return (double)(tb_clock_ns() - start) / 1000;
}

/* What a frame takes where nothing comes between: means count the host's other work in. */
static double quiet_frame_us(size_t n)
{
    static double at[FRAME_MOST];
    double sum = 0;
    for (size_t place = 0; place < FRAME_BLOCKS; place++) {
        const size_t count = n / FRAME_BLOCKS;
        for (size_t i = 0; i < count; i++)
            at[i] = us[FRAME_BLOCKS * i + place];
        qsort(at, count, sizeof *at, ascending);
        sum += at[count / 2];
    }
    return sum;
}

/* Times of blocks while voices notes are held, sorted, for seconds of the clock; their number. */
static size_t play(struct tb_engine *e, unsigned voices, double seconds, bool paced)
{
    enum { FEWEST = 100, SETTLE = 30 }; /* note-ons apart */
    tb_engine_handle(e, &(struct tb_event){.type = TB_EVENT_PANIC});
    for (int i = 0; i < SETTLE; i++)
        (void)block_us(e);
    for (unsigned v = 0; v < voices; v++)
        tb_engine_handle(
            e, &(struct tb_event){
                   .type = TB_EVENT_NOTE_ON, .key = (uint8_t)(30 + v), .source = 1, .value = 90});
    for (int i = 0; i < SETTLE; i++)
        (void)block_us(e);
    const uint64_t end = tb_clock_ns() + (uint64_t)(seconds * 1e9);
    size_t n = 0;
    while (n < MOST_BLOCKS && (n < FEWEST || tb_clock_ns() < end)) {
        if (paced)
            tb_clock_sleep_ms(1);
        us[n++] = block_us(e);
    }
    frame_us = quiet_frame_us(n);
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
static unsigned most_voices(struct tb_engine *e, double seconds)
{
    unsigned low = 0, high = TB_MAX_VOICES;
    while (low < high) {
        const unsigned middle = (low + high + 1) / 2;
        const size_t n = play(e, middle, seconds, false);
        if (us[n * 99 / 100] < BLOCK_US)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static void report(const struct neural_size *s, double seconds, bool last)
{
    struct tb_neural *n = neural_size_instrument(s, RATE_HZ);
    struct tb_neural_cost cost = {0};
    tb_neural_measure(n, &cost);
    tb_neural_free(n);
    printf("    {\"model\": \"%s\", \"decoder_us\": %.2f, \"decoder_of_8_us\": %.2f, ", s->name,
           cost.us_per_frame, cost.us_per_frame_of_8);
    struct tb_engine *e = open_engine(s);
    size_t count = play(e, 1, seconds, false);
    const double one = mean(count);
    count = play(e, 8, seconds, false);
    printf("\"voices_8\": {\"block_us_p50\": %.1f, \"p99\": %.1f, \"max\": %.1f, "
           "\"voice_us_per_4ms\": %.2f}, ",
           us[count / 2], us[count * 99 / 100], us[count - 1], mean(count) / 8 * 4000 / BLOCK_US);
    count = play(e, 8, seconds, true);
    printf("\"paced_8\": {\"block_us_p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}, ", us[count / 2],
           us[count * 99 / 100], us[count - 1]);
    count = play(e, 64, seconds, false);
    const double further = (mean(count) - one) / 63;
    printf("\"voices_64\": {\"block_us_p50\": %.1f, \"p99\": %.1f, \"max\": %.1f, "
           "\"voice_us_per_4ms\": %.2f, \"voice_us_per_4ms_p50\": %.2f, \"voices_a_core\": %.0f}, ",
           us[count / 2], us[count * 99 / 100], us[count - 1], mean(count) / 64 * 4000 / BLOCK_US,
           frame_us / 64, 1 + (BLOCK_US - one) / further);
    printf("\"most_voices_p99\": %u}%s\n", most_voices(e, seconds / 3), last ? "" : ",");
    (void)fflush(stdout);
    tb_engine_free(e);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.3;
    printf("{\"bench\": \"neural\", \"cpu\": \"%s\", \"block\": %d, \"rate_hz\": %.0f, "
           "\"deadline_us\": %.1f, \"results\": [\n",
           tb_cpu_name(tb_cpu_resolve(TB_CPU_BEST)), BLOCK, (double)RATE_HZ, BLOCK_US);
    for (int i = 0; i < N_NEURAL_SIZES; i++)
        report(&neural_sizes[i], seconds, i + 1 == N_NEURAL_SIZES);
    printf("]}\n");
    return 0;
}
