/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What modulates what, by ear: each algorithm of the engine against a float64 model made from the
 * words below (not from the engine's table), and against 191 wrong models that lack one connection
 * each: the engine must agree with the first and with none of the others. */
#include "engine_fixture.h"

#include <stdbool.h>

/* Carriers, modulations FROM>TO, feedback FROM:TO; from the chip's algorithm ROM. */
static const char *const words[32] = {
    "1 3 2>1 4>3 5>4 6>5 6:6",     "1 3 2>1 4>3 5>4 6>5 2:2",   "1 4 2>1 3>2 5>4 6>5 6:6",
    "1 4 2>1 3>2 5>4 6>5 4:6",     "1 3 5 2>1 4>3 6>5 6:6",     "1 3 5 2>1 4>3 6>5 5:6",
    "1 3 2>1 4>3 5>3 6>5 6:6",     "1 3 2>1 4>3 5>3 6>5 4:4",   "1 3 2>1 4>3 5>3 6>5 2:2",
    "1 4 2>1 3>2 5>4 6>4 3:3",     "1 4 2>1 3>2 5>4 6>4 6:6",   "1 3 2>1 4>3 5>3 6>3 2:2",
    "1 3 2>1 4>3 5>3 6>3 6:6",     "1 3 2>1 4>3 5>4 6>4 6:6",   "1 3 2>1 4>3 5>4 6>4 2:2",
    "1 2>1 3>1 5>1 4>3 6>5 6:6",   "1 2>1 3>1 5>1 4>3 6>5 2:2", "1 2>1 3>1 4>1 5>4 6>5 3:3",
    "1 4 5 2>1 3>2 6>4 6>5 6:6",   "1 2 4 3>1 3>2 5>4 6>4 3:3", "1 2 4 5 3>1 3>2 6>4 6>5 3:3",
    "1 3 4 5 2>1 6>3 6>4 6>5 6:6", "1 2 4 5 3>2 6>4 6>5 6:6",   "1 2 3 4 5 6>3 6>4 6>5 6:6",
    "1 2 3 4 5 6>4 6>5 6:6",       "1 2 4 3>2 5>4 6>4 6:6",     "1 2 4 3>2 5>4 6>4 3:3",
    "1 3 6 2>1 4>3 5>4 5:5",       "1 2 3 5 4>3 6>5 6:6",       "1 2 3 6 4>3 5>4 5:5",
    "1 2 3 4 5 6>5 6:6",           "1 2 3 4 5 6 6:6",
};

struct model {
    bool carrier[7], edge[7][7]; /* [from][to] */
    int fb_from, fb_to;
    int n_connections;
};

/* skip: leaves out the skip-th connection (carriers, modulations and feedback count), -1 none. */
static struct model parse(const char *text, int skip)
{
    struct model m = {.fb_from = 0};
    for (const char *p = text; *p; p++) {
        int a = *p - '0', b = 0;
        char kind = p[1];
        if (kind == '>' || kind == ':') {
            b = p[2] - '0';
            p += 2;
        }
        if (p[1])
            p++;
        if (m.n_connections++ == skip)
            continue;
        if (kind == '>')
            m.edge[a][b] = true;
        else if (kind == ':') {
            m.fb_from = a;
            m.fb_to = b;
        } else
            m.carrier[a] = true;
    }
    return m;
}

enum { FRAMES = 1500, KEY = 50, FEEDBACK = 5 };

/* Distinct ratios and levels that stay tame: index 0.57 to 0.88 rad. */
static const int coarse[7] = {0, 1, 3, 2, 5, 1, 4};
static const int fine[7] = {0, 0, 7, 0, 3, 31, 0};
static const int level[7] = {0, 66, 67, 63, 65, 64, 68};

/* n_carriers is that of the true algorithm: a missing carrier must not be made up for. */
static void reference(const struct model *m, int n_carriers, double *out)
{
    static const double carrier_att[7] = {0, 0, 256, 416, 512, 608, 672};
    double phase[7] = {0}, y[7] = {0}, y1 = 0.0, y2 = 0.0;
    double dc_in = 0.0, dc_out = 0.0, pole = 1.0 - 2.0 * M_PI * 5.0 / (double)fixture_rate;
    for (int k = 0; k < FRAMES; k++) {
        double sum = 0.0;
        for (int op = 6; op >= 1; op--) {
            double att = 240.0 + 32.0 * (99 - level[op]);
            /* the true carriers are attenuated even where this model mutes one */
            if (m->carrier[op])
                att += carrier_att[n_carriers];
            double x = phase[op];
            for (int from = op + 1; from <= 6; from++)
                if (m->edge[from][op])
                    x += y[from];
            if (m->fb_to == op)
                x += pow(2.0, FEEDBACK - 8) * (y1 + y2) / 2.0;
            y[op] = 4.0 * pow(2.0, -att / 256.0) * sin(2.0 * M_PI * x);
            phase[op] += note_hz(KEY) * coarse[op] * (1.0 + 0.01 * fine[op]) / (double)fixture_rate;
            sum += m->carrier[op] ? y[op] : 0.0;
        }
        y2 = y1;
        y1 = m->fb_from ? y[m->fb_from] : 0.0;
        double x = 0.125 * sum;
        dc_out = x - dc_in + pole * dc_out;
        dc_in = x;
        out[k] = dc_out;
    }
}

static void play(struct fixture *f, int algorithm)
{
    float values[TB_N_PARAMS];
    tb_params_default(values);
    values[TB_P_FM_ALGORITHM] = (float)algorithm;
    values[TB_P_FM_FEEDBACK] = FEEDBACK;
    for (int op = 1; op <= 6; op++) {
        values[op_param(op, TB_P_FM_OP1_COARSE)] = (float)coarse[op];
        values[op_param(op, TB_P_FM_OP1_FINE)] = (float)fine[op];
        values[op_param(op, TB_P_FM_OP1_LEVEL)] = (float)level[op];
        values[op_param(op, TB_P_FM_OP1_L4)] = 99.0F; /* at once, without an attack */
    }
    fixture_load(f, values);
    fixture_on(f, KEY, 100);
    fixture_render(f, FRAMES);
}

static double distance_db(const float *heard, const double *expected)
{
    double error = 0.0, power = 0.0;
    for (int k = 0; k < FRAMES; k++) {
        error += pow((double)heard[k] - expected[k], 2.0);
        power += pow(expected[k], 2.0);
    }
    return 10.0 * log10((error + 1e-30) / (power + 1e-30));
}

static void check_algorithm(int algorithm, enum tb_cpu cpu, double *worst_right, double *best_wrong)
{
    static double expected[FRAMES];
    struct fixture f;
    fixture_new(&f, cpu);
    play(&f, algorithm);
    struct model m = parse(words[algorithm - 1], -1);
    int n_carriers = 0;
    for (int op = 1; op <= 6; op++)
        n_carriers += m.carrier[op];
    reference(&m, n_carriers, expected);
    double right = distance_db(f.left, expected);
    *worst_right = right > *worst_right ? right : *worst_right;
    for (int skip = 0; skip < m.n_connections; skip++) {
        struct model wrong = parse(words[algorithm - 1], skip);
        reference(&wrong, n_carriers, expected);
        double d = distance_db(f.left, expected);
        *best_wrong = d < *best_wrong ? d : *best_wrong;
    }
    fixture_free(&f);
}

static void all_algorithms(void **state)
{
    (void)state;
    const enum tb_cpu cpus[] = {TB_CPU_PORTABLE, TB_CPU_BEST};
    for (size_t c = 0; c < 2; c++) {
        double worst_right = -1000.0, best_wrong = 1000.0;
        for (int algorithm = 1; algorithm <= 32; algorithm++) {
            double right = -1000.0, wrong = 1000.0;
            check_algorithm(algorithm, cpus[c], &right, &wrong);
            if (right > -90.0 || wrong < -55.0)
                print_error("algorithm %d: right %.1f dB, nearest wrong %.1f dB\n", algorithm,
                            right, wrong);
            worst_right = right > worst_right ? right : worst_right;
            best_wrong = wrong < best_wrong ? wrong : best_wrong;
        }
        print_message("%s: right within %.1f dB, nearest wrong routing %.1f dB\n",
                      tb_cpu_name(cpus[c]), worst_right, best_wrong);
        assert_true(worst_right < -90.0);
        assert_true(best_wrong > -55.0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_algorithms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
