/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/bench/neural_sizes.h"

#include "tests/golden/nn_reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { IMPULSE = 16000, TABLES = 20, TABLE = 512 };

const struct neural_size neural_sizes[N_NEURAL_SIZES] = {
    {"hpn_full", TB_FAMILY_HPN, 512, 3},
    {"hpn_reduced", TB_FAMILY_HPN, 16, 3},
    {"wavetable_full", TB_FAMILY_WAVETABLE, 512, 3},
    {"wavetable_reduced", TB_FAMILY_WAVETABLE, 16, 3},
    {"ddx7_full", TB_FAMILY_DDX7, 128, 5},
    {"ddx7_reduced", TB_FAMILY_DDX7, 64, 3},
    {"fm_envelope", TB_FAMILY_FM_ENVELOPE, 128, 0},
};

static float impulse[IMPULSE], tables[TABLES * TABLE];

static void fill(void)
{
    uint32_t seed = 1;
    if (impulse[0] > 0)
        return;
    for (int i = 0; i < IMPULSE; i++)
        impulse[i] = i ? 0.3F * net_noise(&seed) * expf(-(float)i / 4000) : 1;
    for (int table = 0; table < TABLES; table++)
        for (int i = 0; i < TABLE; i++)
            tables[table * TABLE + i] =
                sinf(2 * (float)M_PI * (float)(i * (table + 1)) / (TABLE - 1));
}

static struct tb_nn_spec network_of(const struct neural_size *s)
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

struct tb_neural *neural_size_instrument(const struct neural_size *s, float rate_hz)
{
    struct net net;
    struct tb_error err = {0};
    const struct tb_nn_spec shape = network_of(s);
    fill();
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
    struct tb_neural *n = tb_neural_new(&spec, rate_hz, TB_CPU_BEST, &err);
    if (!n) {
        fprintf(stderr, "%s: %s\n", s->name, err.text);
        exit(1);
    }
    net_free(&net);
    return n;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void print_spread(const char *name, double *x, unsigned n)
{
    qsort(x, n, sizeof *x, ascending);
    printf("\"%s\": {\"p50\": %.4g, \"p90\": %.4g, \"p99\": %.4g, \"max\": %.4g}", name, x[n / 2],
           x[n * 9 / 10], x[n * 99 / 100], x[n - 1]);
}
