/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/prune.h"

#include "models/train/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* No other side of a matrix is as long as these. */
enum { K = 5, BIG = 2 * K, FRAMES = 40, HOP = 64, SAMPLES = FRAMES * HOP };
static float f0[FRAMES], pitch[FRAMES], loudness[FRAMES], noise[SAMPLES], audio[SAMPLES];

static struct tb_network_spec small_spec(enum tb_family family, size_t hidden)
{
    struct tb_network_spec spec = tb_network_preset(family, true);
    spec.hidden = hidden;
    spec.harmonics = 10;
    spec.bands = 9;
    spec.tables = 6;
    spec.table_size = 32;
    spec.reverb = 100;
    spec.dropout = 0;
    return spec;
}

static struct tb_network *network_of(enum tb_family family, size_t hidden, uint64_t seed)
{
    const struct tb_network_spec spec = small_spec(family, hidden);
    struct tb_error err;
    struct tb_network *n = tb_network_new(&spec, seed, &err);
    assert_non_null(n);
    return n;
}

/* Where entry i of a side of `length` of the big network comes from in the small one; *twin: it is
 * the second of two equal units. */
static size_t origin(size_t i, size_t length, size_t kernel, bool *twin)
{
    const size_t big = BIG * kernel, small = K * kernel;
    *twin = false;
    if (length != big && length != 2 * big && length != 3 * big && length != big + 2)
        return i;
    if (i >= length / big * big)
        return length / big * small + i - length / big * big; /* pitch and loudness */
    *twin = i % big >= small;
    return i / big * small + i % small;
}

/* Every unit twice, and nobody listens to the second: the same function, layer norms included. */
static struct tb_network *doubled(struct tb_network *small)
{
    struct tb_network *big = network_of(small->spec.family, BIG, 99);
    for (size_t k = 0; k < big->n_parameters; k++) {
        struct tb_parameter *to = &big->parameters[k];
        const struct tb_parameter *from = tb_network_find(small, to->name);
        const size_t kernel = strstr(to->name, ".weight_v") ? 3 : 1;
        for (size_t r = 0; r < to->rows; r++)
            for (size_t c = 0; c < to->cols; c++) {
                bool twin_row, twin;
                const size_t row = origin(r, to->rows, 1, &twin_row);
                const size_t col = origin(c, to->cols, to->rows > 1 ? kernel : 1, &twin);
                to->value[r * to->cols + c] =
                    twin && to->rows > 1 ? 0 : from->value[row * from->cols + col];
            }
    }
    return big;
}

static void sound_of(const struct tb_network *network, float *out)
{
    const struct tb_batch batch = {.grid = {1, FRAMES, HOP, 16000, false},
                                   .f0_hz = f0,
                                   .pitch = pitch,
                                   .loudness = loudness,
                                   .noise = noise,
                                   .audio = audio};
    struct tb_tape *tape = tb_tape_new((size_t)1 << 30);
    struct tb_random random;
    tb_random_seed(&random, 0);
    const struct tb_pass pass = tb_network_forward(tape, network, &batch, NULL, &random);
    assert_non_null(pass.audio.value);
    memcpy(out, pass.audio.value, SAMPLES * sizeof *out);
    tb_tape_free(tape);
}

static int fill(void **state)
{
    (void)state;
    struct tb_random random;
    tb_random_seed(&random, 1);
    for (int i = 0; i < FRAMES; i++) {
        f0[i] = (float)(300 + 2 * i);
        pitch[i] = 0.5f + 0.002f * (float)i;
        loudness[i] = (float)(0.5 + 0.3 * sin(0.2 * i));
    }
    for (int i = 0; i < SAMPLES; i++)
        noise[i] = (float)(2 * tb_random_uniform(&random) - 1);
    return 0;
}

static void what_nobody_hears_is_not_missed(void **state)
{
    (void)state;
    static float want[SAMPLES], big_sound[SAMPLES], got[SAMPLES];
    for (enum tb_family family = TB_FAMILY_HPN; family <= TB_FAMILY_WAVETABLE; family++) {
        struct tb_error err;
        struct tb_network *small = network_of(family, K, 3), *big = doubled(small);
        struct tb_network *pruned = tb_prune(big, K, &err);
        assert_non_null(pruned);
        assert_int_equal(pruned->n_values, small->n_values);
        sound_of(small, want);
        sound_of(big, big_sound);
        sound_of(pruned, got);
        double level = 0, before = 0, after = 0;
        for (int i = 0; i < SAMPLES; i++) {
            level = fmax(level, fabs((double)want[i]));
            before = fmax(before, fabs((double)(big_sound[i] - want[i])));
            after = fmax(after, fabs((double)(got[i] - want[i])));
        }
        if (!(level > 0.01 && before < 1e-4 * level && after < 1e-4 * level))
            fail_msg("family %d: level %g, off by %g doubled, %g pruned", (int)family, level,
                     before, after);
        tb_network_free(pruned);
        tb_network_free(big);
        tb_network_free(small);
    }
}

/* What matters stays, where it was. */
static void the_heavy_stay(void **state)
{
    (void)state;
    struct tb_error err;
    struct tb_network *n = network_of(TB_FAMILY_HPN, BIG, 4);
    struct tb_parameter *w = tb_network_find(n, "p0.weight");
    static const size_t heavy[3] = {1, 6, 8};
    for (size_t i = 0; i < 3; i++)
        for (size_t r = 0; r < w->rows; r++)
            w->value[r * BIG + heavy[i]] = 100 + (float)(r * BIG + heavy[i]);
    struct tb_network *pruned = tb_prune(n, 3, &err);
    assert_non_null(pruned);
    assert_int_equal(pruned->spec.hidden, 3);
    const struct tb_parameter *p = tb_network_find(pruned, "p0.weight");
    for (size_t i = 0; i < 3; i++)
        for (size_t r = 0; r < p->rows; r++)
            assert_true(p->value[r * 3 + i] == w->value[r * BIG + heavy[i]]);
    const struct tb_parameter *a = tb_network_find(n, "reverb.noise");
    const struct tb_parameter *b = tb_network_find(pruned, "reverb.noise");
    assert_memory_equal(a->value, b->value, a->cols * sizeof *a->value);
    tb_network_free(pruned);
    tb_network_free(n);
}

/* All weights finite and the network still trains, even when all of a row goes. */
static void silent_rows(void **state)
{
    (void)state;
    struct tb_error err;
    struct tb_network *n = network_of(TB_FAMILY_DDX7, BIG, 4);
    struct tb_parameter *v = tb_network_find(n, "b.1.c2.weight_v");
    assert_non_null(v);
    for (size_t c = 0; c < v->cols; c++)
        v->value[2 * v->cols + c] = 0;
    for (size_t width = 1; width < BIG; width++) {
        struct tb_network *pruned = tb_prune(n, width, &err);
        assert_non_null(pruned);
        for (size_t k = 0; k < pruned->n_parameters; k++)
            for (size_t i = 0; i < pruned->parameters[k].rows * pruned->parameters[k].cols; i++)
                assert_true(isfinite(pruned->parameters[k].value[i]));
        static float got[SAMPLES];
        sound_of(pruned, got);
        for (int i = 0; i < SAMPLES; i++)
            assert_true(isfinite(got[i]));
        tb_network_free(pruned);
    }
    tb_network_free(n);
}

static void bounds(void **state)
{
    (void)state;
    struct tb_error err;
    struct tb_network *n = network_of(TB_FAMILY_HPN, BIG, 4);
    static const size_t widths[] = {0, BIG, BIG + 1};
    for (size_t i = 0; i < 3; i++) {
        assert_null(tb_prune(n, widths[i], &err));
        assert_true(err.status == TB_EINVAL && strstr(err.text, "width"));
    }
    tb_network_free(n);
    n = network_of(TB_FAMILY_DDX7, 6, 4); /* as many channels as operators */
    assert_null(tb_prune(n, 3, &err));
    assert_int_equal(err.status, TB_EUNSUPPORTED);
    tb_network_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_hears_is_not_missed),
        cmocka_unit_test(the_heavy_stay),
        cmocka_unit_test(silent_rows),
        cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
