/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The factory patches of the shipped networks, as a first start makes them: as loud as each other,
 * a piano that dies away, a flute that is blown and not struck, silence after the key.
 * usage: test-neural-factory FOLDER; TIMBRED_FACTORY_REPORT=1 prints a line for each. */
#include "server/formats/model_json.h"
#include "server/formats/neural_patch.h"
#include "server/formats/patch_json.h"
#include "server/offline/model_check.h"

#include "dsp/neural.h"
#include "models/neural_spec.h"
#include "tests/golden/sound.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RATE_HZ 48000.0
enum { BLOCK = 64, SECOND = 48000, HELD = 5 * SECOND, ALL = 9 * SECOND, KEY = 60 };

static float sound[ALL + BLOCK];

/* Five seconds of a key, four of its end. */
static bool play(const struct tb_neural_spec *spec, const float values[TB_N_PARAMS],
                 struct tb_error *err)
{
    const struct tb_engine_config config = {
        .rate_hz = (float)RATE_HZ, .max_block = BLOCK, .cpu = TB_CPU_BEST, .seed = 1};
    struct tb_engine *engine = tb_engine_new(&config, err);
    struct tb_neural *neural =
        engine ? tb_neural_new(spec, (float)RATE_HZ, TB_CPU_BEST, err) : NULL;
    struct tb_program *program =
        neural ? tb_program_new_neural(engine, values, neural, NULL, err) : NULL;
    float left[BLOCK], right[BLOCK];
    if (program)
        (void)tb_engine_swap(engine, program);
    for (int i = -SECOND / 4; program && i < ALL; i += BLOCK) {
        struct tb_event event = {.type = TB_EVENT_NOTE_ON, .key = KEY, .value = 100.0F};
        if (i >= 0 && i < BLOCK)
            tb_engine_handle(engine, &event);
        event.type = TB_EVENT_NOTE_OFF;
        if (i >= HELD && i < HELD + BLOCK)
            tb_engine_handle(engine, &event);
        tb_engine_render(engine, left, right, BLOCK);
        tb_program_free(tb_engine_retired(engine));
        for (int k = 0; i >= 0 && k < BLOCK; k++)
            sound[i + k] = 0.5F * (left[k] + right[k]);
    }
    tb_engine_free(engine);
    return program != NULL;
}

static double level_db(double from_s, double seconds)
{
    return sound_rms_db(sound + (size_t)(from_s * RATE_HZ), (size_t)(seconds * RATE_HZ));
}

struct rule {
    const char *what;
    double value, min, max;
};

static int judge(const struct tb_patch *patch, const struct tb_model *model)
{
    const bool envelopes = strcmp(model->family, "fm_envelope") == 0;
    const bool piano = strcmp(model->instrument, "piano") == 0;
    const bool blown = strcmp(model->instrument, "flute") == 0;
    const double held = level_db(0.3, 0.2);
    const struct rule rules[] = {
        {"loudness", sound_loudness_db(sound, HELD, RATE_HZ), -33.0, -21.0},
        {"peak", sound_peak_db(sound, ALL), -30.0, -12.0},
        {"after five seconds", piano ? level_db(4.8, 0.2) - held : -30.0, -60.0, -20.0},
        {"its first 10 ms", blown ? level_db(0.0, 0.01) - held : -10.0, -60.0, -3.0},
        {"three seconds after the key", level_db(8.0, 0.5), -300.0, -100.0},
    };
    int wrong = 0;
    if (getenv("TIMBRED_FACTORY_REPORT"))
        printf("%-28s %-8s %6.1f %6.1f %6.1f %6.1f %6.1f\n", patch->name, patch->category,
               rules[0].value, rules[1].value, rules[2].value, rules[3].value, rules[4].value);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (!(rules[i].value >= rules[i].min && rules[i].value <= rules[i].max)) {
            wrong++;
            (void)fprintf(stderr, "%s: %s: %.1f dB is not in %g..%g\n", patch->name, rules[i].what,
                          rules[i].value, rules[i].min, rules[i].max);
        }
    if (envelopes && strcmp(patch->category, "Neural") == 0) {
        wrong++;
        (void)fprintf(stderr, "%s: nobody looks for it there\n", patch->name);
    }
    return wrong;
}

static bool try_file(const char *path, int *wrong, struct tb_error *err)
{
    float values[TB_N_PARAMS];
    struct tb_model model;
    struct tb_patch patch = {0};
    struct tb_neural_spec spec;
    size_t size = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    json_t *check = fd >= 0 ? tb_model_check(fd, err) : NULL;
    const void *data = check ? tb_model_map(fd, &size, err) : NULL;
    struct tb_model_file *file = data ? tb_model_file_parse(data, size, err) : NULL;
    bool done = file && tb_model_from_check(check, NULL, &model, err) == TB_OK &&
                tb_neural_patch_make(&model, &patch, err) == TB_OK;
    if (done) {
        tb_patch_get_params(&patch, values);
        tb_neural_spec_of(file, &spec);
        done = play(&spec, values, err);
    }
    if (done)
        *wrong += judge(&patch, &model);
    tb_patch_clear(&patch);
    tb_model_file_free(file);
    if (data)
        (void)munmap((void *)(size_t)data, size);
    json_decref(check);
    if (fd >= 0)
        (void)close(fd);
    return done;
}

static int is_model(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && strcmp(dot, ".safetensors") == 0;
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    const int n = argc == 2 ? scandir(argv[1], &entries, is_model, alphasort) : -1;
    int wrong = n > 0 ? 0 : 1;
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct tb_error err = {0};
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        if (!try_file(path, &wrong, &err)) {
            (void)fprintf(stderr, "%s: %s\n", path, err.text);
            wrong++;
        }
        free(entries[i]);
    }
    free(entries);
    printf("%d instruments, %d faults\n", n, wrong);
    return wrong > 0;
}
