/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Time of a whole training step (forward, spectral loss, backward, update) of each preset: batch 16
 * of 4 s at 16 kHz on two threads. JSON; argument: steps a preset (default 5), then a preset name.
 */
#include "models/train/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLIPS = 16, FRAMES = 1000, HOP = 64, MAX_STEPS = 1000 };

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct data {
    tb_real f0[CLIPS * FRAMES], pitch[CLIPS * FRAMES], loudness[CLIPS * FRAMES];
    tb_real noise[CLIPS * FRAMES * HOP], audio[CLIPS * FRAMES * HOP];
};

static void fill(struct data *d)
{
    struct tb_random random;
    tb_random_seed(&random, 1);
    for (size_t i = 0; i < CLIPS * FRAMES; i++) {
        const size_t clip = i / FRAMES;
        d->f0[i] = TB_R(220.0 + 5.0 * sin((double)i * 0.02) + 10.0 * (double)clip);
        d->pitch[i] = (tb_real)((69.0 + 12.0 * log2((double)d->f0[i] / 440.0)) / 127.0);
        d->loudness[i] = TB_R(0.5 + 0.2 * sin((double)i * 0.01));
    }
    for (size_t i = 0; i < CLIPS * FRAMES * HOP; i++) {
        d->noise[i] = TB_R(2.0 * tb_random_uniform(&random) - 1.0);
        d->audio[i] = TB_R(0.3 * sin((double)i * 0.0864) + 0.01 * (double)d->noise[i]);
    }
}

static int measure(const char *name, const struct tb_network_spec *spec, const struct data *d,
                   int steps, bool *printed)
{
    struct tb_error err = {0};
    struct tb_network *network = tb_network_new(spec, 1, &err);
    struct tb_stepper *stepper =
        network ? tb_stepper_new(network, 2, (size_t)12 << 30, 1, &err) : NULL;
    struct tb_batch batch = {.grid = {CLIPS, FRAMES, HOP, 16000},
                             .f0_hz = d->f0,
                             .pitch = d->pitch,
                             .loudness = d->loudness,
                             .noise = d->noise,
                             .audio = d->audio};
    const struct tb_adamw adamw = {1e-3, 0.9, 0.999, 1e-8, 0.01, 3.0};
    const struct tb_step step = {&batch, tb_spectral_objective, NULL, true, 0, NULL};
    double times[MAX_STEPS], first = 0.0, loss = 0.0;
    int ok = stepper != NULL;
    for (int i = 0; ok && i < steps; i++) {
        double start = now_s();
        ok = tb_stepper_run(stepper, &step, &loss, &err) == TB_OK;
        (void)tb_adamw_step(network, &adamw, tb_stepper_gradients(stepper), (uint64_t)i + 1);
        times[i] = now_s() - start;
        first = i == 0 ? loss : first;
    }
    if (ok) {
        qsort(times, (size_t)steps, sizeof times[0], ascending);
        printf("%s{\"preset\":\"%s\",\"values\":%zu,\"steps\":%d,"
               "\"median_s\":%.4f,\"min_s\":%.4f,\"max_s\":%.4f,\"first_loss\":%.4f,"
               "\"last_loss\":%.4f}",
               *printed ? ",\n" : "", name, network->n_values, steps, times[steps / 2], times[0],
               times[steps - 1], first, loss);
        *printed = true;
    } else {
        (void)fprintf(stderr, "%s: %s\n", name, err.text);
    }
    tb_stepper_free(stepper);
    tb_network_free(network);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        enum tb_family family;
        bool reduced;
    } presets[] = {
        {"hpn-reduced", TB_FAMILY_HPN, true},   {"wavetable-reduced", TB_FAMILY_WAVETABLE, true},
        {"ddx7-reduced", TB_FAMILY_DDX7, true}, {"ddx7-full", TB_FAMILY_DDX7, false},
        {"hpn-full", TB_FAMILY_HPN, false},     {"wavetable-full", TB_FAMILY_WAVETABLE, false},
    };
    int steps = argc > 1 ? atoi(argv[1]) : 5;
    if (steps < 1 || steps > MAX_STEPS) {
        (void)fprintf(stderr, "steps: not within 1..%d\n", MAX_STEPS);
        return 2;
    }
    openblas_set_num_threads(1);
    struct data *d = calloc(1, sizeof *d);
    if (!d)
        return 1;
    fill(d);
    int failed = 0;
    bool printed = false;
    printf("{\"presets\":[");
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        struct tb_network_spec spec = tb_network_preset(presets[i].family, presets[i].reduced);
        if (argc <= 2 || strcmp(argv[2], presets[i].name) == 0)
            failed += measure(presets[i].name, &spec, d, steps, &printed);
    }
    printf("]}\n");
    free(d);
    return failed;
}
