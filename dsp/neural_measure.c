/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What an instrument costs on this machine: played against the clock before anyone owns it. */
#include "dsp/clock.h"
#include "dsp/neural_priv.h"

#include <stdlib.h>

enum { VOICES = 8, ROUNDS = 9, SLICES = 60 };

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, by_size);
    return values[ROUNDS / 2];
}

/* One frame of n voices. */
static double decoder_us(struct tb_neural *n, unsigned voices)
{
    static const float input[VOICES][2] = {{0.5F, 0.8F}};
    uint8_t slots[VOICES];
    double us[ROUNDS];
    for (unsigned i = 0; i < voices; i++)
        slots[i] = (uint8_t)i;
    for (unsigned round = 0; round < ROUNDS; round++) {
        const uint64_t start = tb_clock_ns();
        tb_nn_begin(n->first, slots, voices, input[0]);
        (void)tb_nn_advance(n->first, UINT64_MAX);
        us[round] = (double)(tb_clock_ns() - start) / 1000.0;
    }
    return median(us);
}

static void play_slice(struct tb_neural *n)
{
    float out[TB_SLICE] = {0};
    for (unsigned i = 0; i < VOICES; i++) {
        const struct tb_neural_aim aim = {.f0_hz = 110.0F * (float)(i + 1),
                                          .loudness =
                                              n->loudness == TB_NEURAL_VELOCITY ? 0.8F : n->high_db,
                                          .gain = 0.1F};
        tb_neural_aim(n, i, &aim, TB_SLICE);
    }
    tb_neural_slice(n, TB_SLICE, true);
    tb_neural_render(n, out, TB_SLICE);
}

void tb_neural_measure(struct tb_neural *n, struct tb_neural_cost *cost)
{
    double us[ROUNDS];
    cost->us_per_frame = decoder_us(n, 1);
    cost->us_per_frame_of_8 = decoder_us(n, VOICES) / VOICES;
    for (unsigned i = 0; i < VOICES; i++)
        tb_neural_start(n, i, true);
    for (unsigned round = 0; round < ROUNDS; round++) {
        const uint64_t start = tb_clock_ns();
        for (unsigned i = 0; i < SLICES; i++)
            play_slice(n);
        us[round] = (double)(tb_clock_ns() - start) / 1000.0;
    }
    const double played_s = (double)SLICES * TB_SLICE / (double)n->rate_hz;
    cost->us_per_second_voice = median(us) / played_s / VOICES;
    cost->share = cost->us_per_second_voice / 1e6;
    tb_neural_finish(n);
    for (unsigned i = 0; i < VOICES; i++) {
        tb_neural_stop(n, i);
        tb_nn_reset(n->bank, i);
    }
    n->pos = 0.0F;
    n->n_queue = n->at_queue = 0;
    if (n->reverb)
        tb_learned_reverb_reset(n->reverb);
    n->reverb_left = 0;
}
