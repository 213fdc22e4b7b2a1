/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/golden/nn_reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 150, MAX_OUT = 256 };
static const double EXACT = 1e-5;

static struct tb_nn_spec with(struct tb_nn_spec s, unsigned n_inputs, unsigned kernel,
                              unsigned dilation)
{
    s.n_inputs = n_inputs;
    if (kernel) {
        s.kernel = kernel;
        for (unsigned b = 0; b < s.n_blocks; b++)
            s.dilation[b] = 1 + b * dilation;
    }
    return s;
}

/* Widths around the vector and panel sizes, and the shapes of the published models. */
static size_t specs(struct tb_nn_spec list[16])
{
    size_t n = 0;
    list[n++] = net_gru(16, 3, 101, 65);
    list[n++] = net_gru(1, 1, 1, 0);
    list[n++] = net_gru(23, 2, 21, 65);
    list[n++] = net_gru(64, 3, 101, 65);
    list[n++] = net_gru(128, 0, 6, 0); /* FM envelopes */
    list[n++] = with(net_gru(33, 1, 7, 3), 5, 0, 0);
    list[n++] = net_tcn(64, 3);
    list[n++] = net_tcn(32, 5);
    list[n++] = with(net_tcn(7, 2), 3, 5, 3);
    list[n++] = with(net_tcn(48, 4), 2, 1, 2);
    list[n++] = net_tcn(17, 1);
    list[n] = net_tcn(40, 3);
    list[n].residual[0] = TB_NN_RES_NONE;
    list[n].residual[1] = TB_NN_RES_IDENTITY;
    list[n].residual[2] = TB_NN_RES_NONE;
    n++;
    return n;
}

static void make_input(double *x, float *xf, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        xf[i] = 0.5f + 0.5f * net_noise(&seed);
        x[i] = (double)xf[i];
    }
}

static struct tb_nn_model *load(const struct net *net, enum tb_nn_cpu cpu, enum tb_nn_dtype storage)
{
    struct tb_error err = {0};
    const struct tb_nn_options options = {.cpu = cpu, .storage = storage};
    struct tb_nn_model *m = tb_nn_model_new(&net->spec, net->tensors, &options, &err);
    if (!m)
        fail_msg("%s", err.text);
    assert_int_equal(tb_nn_model_cpu(m), cpu);
    return m;
}

struct error {
    double peak, rms, signal;
};

static void compare(struct error *e, const struct tb_nn_run *run, unsigned voice,
                    const struct tb_nn_spec *s, const double *want)
{
    unsigned at = 0;
    for (unsigned h = 0; h < s->n_heads; h++) {
        const float *got = tb_nn_head(run, voice, h);
        for (unsigned i = 0; i < s->head[h]; i++, at++) {
            const double d = fabs((double)got[i] - want[at]);
            e->peak = fmax(e->peak, isnan(d) ? INFINITY : d);
            e->rms += d * d;
            e->signal += want[at] * want[at];
        }
    }
}

/* Streams x through n_voices copies (of n_voices distinct slots, backwards) at once. */
static struct error stream(const struct tb_nn_model *m, const float *x, const double *want,
                           size_t frames, unsigned n_voices)
{
    const struct tb_nn_spec *s = tb_nn_model_spec(m);
    struct tb_nn_bank *bank = tb_nn_bank_new(m, n_voices);
    struct tb_nn_run *run = tb_nn_run_new(bank);
    assert_non_null(run);
    struct error e = {0};
    const unsigned n_out = net_outputs(s);
    uint8_t slots[TB_NN_MAX_BATCH];
    float in[TB_NN_MAX_BATCH * TB_NN_MAX_INPUTS];
    for (unsigned v = 0; v < n_voices; v++)
        slots[v] = (uint8_t)(n_voices - 1 - v);
    /* Voice v starts v frames late, so that every voice is somewhere else. */
    for (size_t f = 0; f < frames + n_voices; f++) {
        for (unsigned v = 0; v < n_voices; v++) {
            const size_t own = f >= v && f - v < frames ? f - v : 0;
            if (f == v)
                tb_nn_reset(bank, slots[v]);
            memcpy(in + v * s->n_inputs, x + own * s->n_inputs, s->n_inputs * sizeof *in);
        }
        tb_nn_begin(run, slots, n_voices, in);
        assert_int_equal(tb_nn_advance(run, UINT64_MAX), 0);
        for (unsigned v = 0; v < n_voices; v++)
            if (f >= v && f - v < frames)
                compare(&e, run, v, s, want + (f - v) * n_out);
    }
    assert_int_equal(tb_nn_nonfinite(run), 0);
    tb_nn_run_free(run);
    tb_nn_bank_free(bank);
    return e;
}

static void check_net(const struct net *net, const char *name, double bound)
{
    static double x[FRAMES * TB_NN_MAX_INPUTS], want[FRAMES * MAX_OUT];
    static float xf[FRAMES * TB_NN_MAX_INPUTS];
    static const unsigned batches[] = {1, 2, 3, 8, 15, 16};
    make_input(x, xf, (size_t)FRAMES * net->spec.n_inputs, 7);
    net_forward(net, x, want, FRAMES);
    for (enum tb_nn_cpu cpu = 0; cpu < TB_NN_N_CPUS; cpu++) {
        if (!tb_nn_cpu_has(cpu))
            continue;
        struct tb_nn_model *m = load(net, cpu, TB_NN_N_DTYPES);
        for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
            const struct error e = stream(m, xf, want, FRAMES, batches[i]);
            const double relative = sqrt(e.rms / e.signal);
            if (bound > 0 ? !(relative < bound) : !(e.peak < EXACT))
                fail_msg("%s on %s, %u voices: peak %g, relative %g", name, tb_nn_cpu_name(cpu),
                         batches[i], e.peak, relative);
        }
        tb_nn_model_free(m);
    }
}

static void streaming_is_offline(void **state)
{
    (void)state;
    struct tb_nn_spec list[16];
    const size_t n = specs(list);
    for (size_t i = 0; i < n; i++)
        for (enum tb_nn_dtype t = TB_NN_F32; t < TB_NN_I8; t++) {
            char name[32];
            (void)snprintf(name, sizeof name, "spec %zu type %d", i, (int)t);
            struct net net;
            net_random(&net, &list[i], (uint32_t)i + 1);
            net_store(&net, t);
            check_net(&net, name, 0);
            net_free(&net);
        }
}

/* int8 also rounds the activations (one scale a voice and layer, coarse or fine steps): noise of
 * about 1 % of the output level on random weights, the worst case, a hundredth of it when fine.
 * `timbred quantize` states a model's audio error. */
static void int8_is_close(void **state)
{
    (void)state;
    struct tb_nn_spec list[16];
    const size_t n = specs(list);
    for (size_t i = 0; i < 2 * n; i++) {
        const bool fine = i >= n;
        char name[64];
        (void)snprintf(name, sizeof name, "int8 spec %zu, fine %d", i % n, fine);
        struct net net;
        net_random(&net, &list[i % n], (uint32_t)(i % n) + 1);
        net_store(&net, TB_NN_I8);
        net.spec.fine = fine;
        check_net(&net, name, fine ? 3e-4 : 0.03);
        net_free(&net);
    }
}

/* The integers of int8 are the same in all kernels, so variants differ by float rounding only. */
static void check_variants(bool fine)
{
    static float x[FRAMES * 2];
    static double unused[FRAMES * 2], first[FRAMES * 6];
    const struct tb_nn_spec spec = net_tcn(64, 3);
    struct net net;
    net_random(&net, &spec, 5);
    net_store(&net, TB_NN_I8);
    net.spec.fine = fine;
    make_input(unused, x, (size_t)FRAMES * 2, 3);
    for (enum tb_nn_cpu cpu = 0; cpu < TB_NN_N_CPUS; cpu++) {
        if (!tb_nn_cpu_has(cpu))
            continue;
        struct tb_nn_model *m = load(&net, cpu, TB_NN_N_DTYPES);
        if (cpu == TB_NN_CPU_PORTABLE) {
            struct tb_nn_bank *bank = tb_nn_bank_new(m, 1);
            struct tb_nn_run *run = tb_nn_run_new(bank);
            for (size_t f = 0; f < FRAMES; f++) {
                tb_nn_begin(run, (const uint8_t[]){0}, 1, x + 2 * f);
                (void)tb_nn_advance(run, UINT64_MAX);
                for (unsigned o = 0; o < 6; o++)
                    first[f * 6 + o] = (double)tb_nn_head(run, 0, 0)[o];
            }
            tb_nn_run_free(run);
            tb_nn_bank_free(bank);
        }
        /* One code may flip where a scaled value sits on .5, and that is all. */
        const struct error e = stream(m, x, first, FRAMES, 3);
        assert_true(sqrt(e.rms / e.signal) < 2e-3);
        tb_nn_model_free(m);
    }
    net_free(&net);
}

static void int8_agrees_between_variants(void **state)
{
    (void)state;
    check_variants(false);
    check_variants(true);
}

static void pieces_make_the_whole(void **state)
{
    (void)state;
    static const uint64_t budgets[] = {1, 777, 20000, UINT64_MAX};
    static float x[FRAMES * 2];
    static double unused[FRAMES * 2];
    struct tb_nn_spec list[] = {net_gru(64, 3, 101, 65), net_tcn(64, 3)};
    make_input(unused, x, (size_t)FRAMES * 2, 11);
    for (size_t i = 0; i < 2; i++) {
        struct net net;
        net_random(&net, &list[i], 9);
        struct tb_nn_model *m = load(&net, TB_NN_CPU_PORTABLE, TB_NN_N_DTYPES);
        float want[MAX_OUT];
        for (size_t b = 4; b-- > 0;) {
            struct tb_nn_bank *bank = tb_nn_bank_new(m, 1);
            struct tb_nn_run *run = tb_nn_run_new(bank);
            unsigned steps = 0;
            for (size_t f = 0; f < 20; f++) {
                tb_nn_begin(run, (const uint8_t[]){0}, 1, x + 2 * f);
                uint64_t left = tb_nn_cost(m, 1), before;
                do {
                    before = left;
                    left = tb_nn_advance(run, budgets[b]);
                    assert_true(left < before);
                    steps++;
                } while (left);
            }
            if (b == 3)
                memcpy(want, tb_nn_head(run, 0, 0), list[i].head[0] * sizeof(float));
            assert_memory_equal(want, tb_nn_head(run, 0, 0), list[i].head[0] * sizeof(float));
            assert_true(b == 3 ? steps == 20 : steps > 40);
            tb_nn_run_free(run);
            tb_nn_bank_free(bank);
        }
        tb_nn_model_free(m);
        net_free(&net);
    }
}

static FILE *open_in(const char *folder, const char *name, const char *suffix)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    return fopen(path, "rb");
}

/* Weights, inputs and float64 outputs made with PyTorch (see the README beside them). The inputs
 * are 2000 pairs, whatever the file's name says. */
static bool published(const char *folder, const char *name, struct tb_nn_spec spec)
{
    static float x[2000 * 2], out[2000 * MAX_OUT];
    static double want[2000 * MAX_OUT];
    char path[512];
    struct net net;
    const unsigned n_out = net_outputs(&spec);
    (void)snprintf(path, sizeof path, "%s/%s.f32", folder, name);
    if (!net_read(&net, &spec, path))
        return false;
    FILE *in = open_in(folder, "input_2x2000", ".f32"), *file = open_in(folder, name, ".out.f32");
    assert_true(in && file);
    assert_int_equal(fread(x, sizeof x, 1, in), 1);
    const size_t frames = fread(out, n_out * sizeof(float), 2000, file);
    assert_true(frames >= 100);
    (void)fclose(in);
    (void)fclose(file);
    for (size_t i = 0; i < frames * n_out; i++)
        want[i] = (double)out[i];
    for (enum tb_nn_cpu cpu = 0; cpu < TB_NN_N_CPUS; cpu++) {
        if (!tb_nn_cpu_has(cpu))
            continue;
        for (enum tb_nn_dtype t = TB_NN_F32; t < TB_NN_N_DTYPES; t++) {
            struct tb_nn_model *m = load(&net, cpu, t);
            const struct error e = stream(m, x, want, frames, 1);
            printf("%-8s %-8s type %d: peak error %.3g, relative %.3g\n", name, tb_nn_cpu_name(cpu),
                   (int)t, e.peak, sqrt(e.rms / e.signal));
            assert_true(t != TB_NN_F32 || e.peak < EXACT);
            assert_true(sqrt(e.rms / e.signal) < 0.05);
            tb_nn_model_free(m);
        }
    }
    net_free(&net);
    return true;
}

static void published_small(void **state)
{
    (void)state;
    assert_true(published(TB_GOLDEN "/decoders", "gru16", net_gru(16, 3, 101, 65)));
    assert_true(published(TB_GOLDEN "/decoders", "tcn32", net_tcn(32, 5)));
}

static void published_all(void **state)
{
    (void)state;
    if (!published(TB_SHARED "/data/decoders", "gru16", net_gru(16, 3, 101, 65))) {
        print_message("SKIPPED: no " TB_SHARED "/data/decoders\n");
        skip();
    }
    assert_true(published(TB_SHARED "/data/decoders", "gru64", net_gru(64, 3, 101, 65)));
    assert_true(published(TB_SHARED "/data/decoders", "tcn32", net_tcn(32, 5)));
    assert_true(published(TB_SHARED "/data/decoders", "tcn64x3", net_tcn(64, 3)));
    assert_true(published(TB_SHARED "/data/decoders", "tcn128", net_tcn(128, 5)));
}

static void functions_are_exact(void **state)
{
    (void)state;
    enum { N = 40001 };
    static float x[N], y[N];
    for (int i = 0; i < N; i++)
        x[i] = ((float)i - 20000.0f) / 1000.0f;
    for (enum tb_nn_cpu cpu = 0; cpu < TB_NN_N_CPUS; cpu++) {
        if (!tb_nn_cpu_has(cpu))
            continue;
        for (enum tb_nn_function f = TB_NN_SIGMOID; f <= TB_NN_EXP; f++) {
            tb_nn_map(cpu, f, y, x, N);
            for (int i = 0; i < N; i++) {
                const double v = (double)x[i];
                const double want = f == TB_NN_EXP    ? exp(v)
                                    : f == TB_NN_TANH ? tanh(v)
                                                      : 1 / (1 + exp(-v));
                assert_true(fabs((double)y[i] - want) < 1e-6 * fmax(1, want));
            }
        }
        const float far[4] = {-1e30f, 1e30f, -0.0f, 0.0f};
        tb_nn_map(cpu, TB_NN_SIGMOID, y, far, 4);
        assert_true(y[0] >= 0 && y[0] < 1e-30f && y[1] == 1 && y[2] == 0.5f && y[3] == 0.5f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_exact),   cmocka_unit_test(streaming_is_offline),
        cmocka_unit_test(int8_is_close),         cmocka_unit_test(int8_agrees_between_variants),
        cmocka_unit_test(pieces_make_the_whole), cmocka_unit_test(published_small),
        cmocka_unit_test(published_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
