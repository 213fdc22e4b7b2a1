/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/model_level.h"

#include "dsp/neural.h"

#include <math.h>
#include <stdlib.h>

#define RATE_HZ 48000.0F
enum { BLOCK = 64, WINDOW = 300, NOTE = 3 * WINDOW, SETTLE = 64 }; /* blocks; the window is 0.4 s */

/* BS.1770-4, table 1 and 2: the two filters at 48 kHz. */
struct biquad {
    double b[3], a[2], z[2];
};
static const struct biquad shelf = {{1.53512485958697, -2.69169618940638, 1.19839281085285},
                                    {-1.69065929318241, 0.73248077421585},
                                    {0, 0}};
static const struct biquad high_pass = {{1, -2, 1}, {-1.99004745483398, 0.99007225036621}, {0, 0}};

static double filter(struct biquad *f, double x)
{
    const double y = f->b[0] * x + f->z[0];
    f->z[0] = f->b[1] * x - f->a[0] * y + f->z[1];
    f->z[1] = f->b[2] * x - f->a[1] * y;
    return y;
}

static double power(struct biquad f[2], const float *x)
{
    double sum = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        const double y = filter(&f[1], filter(&f[0], (double)x[i]));
        sum += y * y;
    }
    return sum / BLOCK;
}

/* The C nearest to middle C within what the model knows. */
static int key_of(const struct tb_neural_spec *spec)
{
    int key = 60;
    while (key < 108 && 440.0 * exp2((key - 69) / 12.0) < (double)spec->low_hz)
        key += 12;
    while (key > 12 && 440.0 * exp2((key - 69) / 12.0) > (double)spec->high_hz)
        key -= 12;
    return key;
}

/* Mean power of the loudest window of a note. */
static double loudest(struct tb_engine *engine, int key)
{
    struct biquad left_f[2] = {shelf, high_pass}, right_f[2] = {shelf, high_pass};
    double of_block[NOTE], window = 0, most = 0;
    float left[BLOCK], right[BLOCK];
    for (int i = 0; i < SETTLE; i++) { /* the fade to the patch, over silence */
        tb_engine_render(engine, left, right, BLOCK);
        tb_program_free(tb_engine_retired(engine));
    }
    tb_engine_handle(
        engine, &(struct tb_event){.type = TB_EVENT_NOTE_ON, .key = (uint8_t)key, .value = 100.0F});
    for (int i = 0; i < NOTE; i++) {
        tb_engine_render(engine, left, right, BLOCK);
        of_block[i] = power(left_f, left) + power(right_f, right);
        window += of_block[i] - (i >= WINDOW ? of_block[i - WINDOW] : 0);
        most = window > most ? window : most;
    }
    return most / WINDOW;
}

enum tb_status tb_model_level(const struct tb_neural_spec *spec, double *lufs, struct tb_error *err)
{
    const struct tb_engine_config config = {
        .rate_hz = RATE_HZ, .max_block = BLOCK, .cpu = TB_CPU_BEST, .seed = 1};
    float values[TB_N_PARAMS];
    tb_params_default(values);
    struct tb_engine *engine = tb_engine_new(&config, err);
    struct tb_neural *neural = engine ? tb_neural_new(spec, RATE_HZ, TB_CPU_BEST, err) : NULL;
    struct tb_program *program =
        neural ? tb_program_new_neural(engine, values, neural, NULL, err) : NULL;
    if (!program) {
        tb_engine_free(engine);
        return err->status;
    }
    (void)tb_engine_swap(engine, program); /* a new engine takes it */
    *lufs = 10.0 * log10(loudest(engine, key_of(spec))) - 0.691;
    tb_engine_free(engine);
    return TB_OK;
}
