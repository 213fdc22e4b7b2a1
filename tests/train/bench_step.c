/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Time of a whole training step (forward, spectral loss, backward, update) of each preset: batch 16
 * of 4 s at 16 kHz on two threads. JSON; argument: steps a preset (default 5), then a preset name.
 * Or `lines`: each line of standard input names a preset, of which one step is taken, and the
 * answer is a line of JSON (tests/bench/paired.py).
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

struct run {
    struct tb_network *network;
    struct tb_stepper *stepper;
    uint64_t steps;
    struct tb_error err;
};

static bool start(struct run *r, const struct tb_network_spec *spec)
{
    *r = (struct run){.network = tb_network_new(spec, 1, &r->err)};
    if (r->network)
        r->stepper = tb_stepper_new(r->network, 2, (size_t)12 << 30, 1, &r->err);
    return r->stepper != NULL;
}

static void end(struct run *r)
{
    tb_stepper_free(r->stepper);
    tb_network_free(r->network);
    *r = (struct run){0};
}

/* Seconds of one step, or -1. */
static double take_step(struct run *r, const struct data *d, double *loss)
{
    const struct tb_batch batch = {.grid = {CLIPS, FRAMES, HOP, 16000, false},
                                   .f0_hz = d->f0,
                                   .pitch = d->pitch,
                                   .loudness = d->loudness,
                                   .noise = d->noise,
                                   .audio = d->audio};
    const struct tb_adamw adamw = {1e-3, 0.9, 0.999, 1e-8, 0.01, 3.0};
    const struct tb_step step = {
        .batch = &batch, .objective = tb_spectral_objective, .training = true};
    const double began = now_s();
    if (tb_stepper_run(r->stepper, &step, loss, &r->err) != TB_OK)
        return -1;
    (void)tb_adamw_step(r->network, &adamw, tb_stepper_gradients(r->stepper), ++r->steps);
    return now_s() - began;
}

static int measure(const char *name, const struct tb_network_spec *spec, const struct data *d,
                   int steps, bool *printed)
{
    struct run r;
    double times[MAX_STEPS], first = 0.0, loss = 0.0;
    bool ok = start(&r, spec);
    for (int i = 0; ok && i < steps; i++) {
        times[i] = take_step(&r, d, &loss);
        ok = times[i] >= 0;
        first = i == 0 ? loss : first;
    }
    if (ok) {
        qsort(times, (size_t)steps, sizeof times[0], ascending);
        printf("%s{\"preset\":\"%s\",\"values\":%zu,\"steps\":%d,"
               "\"median_s\":%.4f,\"min_s\":%.4f,\"max_s\":%.4f,\"first_loss\":%.4f,"
               "\"last_loss\":%.4f}",
               *printed ? ",\n" : "", name, r.network->n_values, steps, times[steps / 2], times[0],
               times[steps - 1], first, loss);
        *printed = true;
    } else {
        (void)fprintf(stderr, "%s: %s\n", name, r.err.text);
    }
    end(&r);
    return ok ? 0 : 1;
}

static const struct {
    const char *name;
    enum tb_family family;
    bool reduced;
} presets[] = {
    {"hpn-reduced", TB_FAMILY_HPN, true},   {"wavetable-reduced", TB_FAMILY_WAVETABLE, true},
    {"ddx7-reduced", TB_FAMILY_DDX7, true}, {"ddx7-full", TB_FAMILY_DDX7, false},
    {"hpn-full", TB_FAMILY_HPN, false},     {"wavetable-full", TB_FAMILY_WAVETABLE, false},
};
enum { N_PRESETS = sizeof presets / sizeof presets[0] };

static bool start_named(struct run *r, const char *name)
{
    for (size_t i = 0; i < N_PRESETS; i++) {
        const struct tb_network_spec spec =
            tb_network_preset(presets[i].family, presets[i].reduced);
        if (strcmp(name, presets[i].name) == 0)
            return start(r, &spec);
    }
    return false;
}

static int answer_lines(const struct data *d)
{
    char line[64], now[64] = "";
    struct run r = {0};
    double seconds = 0, loss = 0;
    while (seconds >= 0 && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, now) != 0) {
            end(&r);
            (void)snprintf(now, sizeof now, "%s", line);
            if (!start_named(&r, now))
                break;
        }
        seconds = take_step(&r, d, &loss);
        printf("{\"seconds\":%.4f,\"loss\":%.4f,\"values\":%zu}\n", seconds, loss,
               r.network->n_values);
        (void)fflush(stdout);
    }
    end(&r);
    return seconds < 0 || !feof(stdin);
}

int main(int argc, char **argv)
{
    const bool lines = argc > 1 && strcmp(argv[1], "lines") == 0;
    int steps = argc > 1 && !lines ? atoi(argv[1]) : 5;
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
    if (lines) {
        failed = answer_lines(d);
        free(d);
        return failed;
    }
    printf("{\"presets\":[");
    for (size_t i = 0; i < N_PRESETS; i++) {
        struct tb_network_spec spec = tb_network_preset(presets[i].family, presets[i].reduced);
        if (argc <= 2 || strcmp(argv[2], presets[i].name) == 0)
            failed += measure(presets[i].name, &spec, d, steps, &printed);
    }
    printf("]}\n");
    free(d);
    return failed;
}
